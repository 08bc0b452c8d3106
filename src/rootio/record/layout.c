/* Streamer info compiled into short lists of steps, and the walk over them. */
#include "rootio/record/layout.h"

#include "base/error.h"
#include "rootio/record/layout_known.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LAYOUTS = 512, MAX_BASES = 32, MOST_ANCESTORS = 300, NO_MEMBER = -1 };

enum step_kind {
  STEP_NUMBER,  /* `type` says which */
  STEP_SKIP,    /* `size` bytes */
  STEP_COUNTED, /* flag byte, then as many items of `size` bytes as member `count` says */
  STEP_LISTED,  /* a count, then items of `size` bytes: TBranch before version 6 */
  STEP_STRING,
  STEP_TOBJECT,
  STEP_TNAMED,
  STEP_BASE,     /* `class_name`, with its own frame and layout */
  STEP_FRAME,    /* anything with a byte count, to be skipped */
  STEP_LOOSE,    /* a version and `size` bytes, with a byte count or without */
  STEP_ARRAY,    /* TArrayD and kin: a count, then items of `size` bytes, no frame */
  STEP_FEATURES, /* ROOT::TIOFeatures */
  STEP_OBJECTS,  /* a TObjArray in place: for the hook */
  STEP_POINTER,  /* for the hook */
  STEP_UNKNOWN
};

struct step {
  enum step_kind kind;
  int type, size;
  int member, count; /* enum mlaas_member or NO_MEMBER */
  const char *name, *class_name;
};

struct layout {
  const char *class_name;
  int16_t version;
  struct step *steps;
  size_t num_steps;
};

struct mlaas_layouts {
  const struct mlaas_streamers *streamers;
  struct mlaas_arena *arena;
  struct layout layouts[MAX_LAYOUTS];
  size_t num_layouts;
  bool links;
};

static const char *const member_names[] = {
#define X(name) #name,
    MLAAS_MEMBER_MAP(X)
#undef X
};

struct mlaas_layouts *mlaas_layouts_new(const struct mlaas_streamers *streamers, struct mlaas_arena *arena,
                                        struct mlaas_error *error) {
  struct mlaas_layouts *layouts = mlaas_arena_alloc(arena, 1, sizeof *layouts, error);
  if (layouts) {
    layouts->streamers = streamers;
    layouts->arena = arena;
  }
  return layouts;
}

void mlaas_layouts_want_links(struct mlaas_layouts *layouts) { layouts->links = true; }

/* `left` bounds the classes that are looked at: descriptions may name each other in circles, in many ways. */
static bool derives(const struct mlaas_streamers *streamers, const char *class_name, const char *base, int depth,
                    int *left) {
  static const char *const own[] = {"TBranchElement", "TBranchObject", "TBranchClones"};
  if (strcmp(class_name, base) == 0)
    return true;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) /* in files that do not describe them too */
    if (strcmp(class_name, own[i]) == 0)
      return strcmp(base, "TBranch") == 0;
  if (depth >= MAX_BASES || --*left < 0)
    return false;
  const struct mlaas_streamer_info *info = mlaas_streamers_find(streamers, class_name, -1, 0);
  for (size_t i = 0; info && i < info->num_elements; i++)
    if (strcmp(info->elements[i].kind, "TStreamerBase") == 0 &&
        derives(streamers, info->elements[i].name, base, depth + 1, left))
      return true;
  return false;
}

bool mlaas_streamers_derives(const struct mlaas_streamers *streamers, const char *class_name, const char *base) {
  int left = MOST_ANCESTORS;
  return derives(streamers, class_name, base, 0, &left);
}

/* ---- from streamer info to steps ---- */

static int find_member(const char *name) {
  for (int i = 0; i < (int)(sizeof member_names / sizeof *member_names); i++)
    if (strcmp(member_names[i], name) == 0)
      return i;
  return NO_MEMBER;
}

/* Bytes of ROOT's basic types by their code; 0: not a fixed size. */
static int size_of_type(int type) {
  static const uint8_t sizes[] = {
      [1] = 1,  [2] = 2,  [3] = 4,  [4] = 8,  [5] = 4,  [6] = 4,  [8] = 8,  [9] = 4, [11] = 1,
      [12] = 2, [13] = 4, [14] = 8, [15] = 4, [16] = 8, [17] = 8, [18] = 1, [19] = 3};
  return type > 0 && type < (int)sizeof sizes ? sizes[type] : 0;
}

enum {
  TYPE_ARRAY = 20,
  TYPE_COUNTED = 40,
  TYPE_OBJECT = 61,
  TYPE_ANY = 62,
  TYPE_HELD = 63, /* a pointer that is never null: the object stands in place */
  TYPE_POINTER = 64,
  TYPE_STRING = 65,
  TYPE_ANY_POINTER = 69
};

static void compile_base(const struct mlaas_streamers *streamers, const char *name, struct step *step) {
  static const char *const ours[] = {"TTree", "TBranch", "TLeaf"};
  step->kind = strcmp(name, "TObject") == 0 ? STEP_TOBJECT : strcmp(name, "TNamed") == 0 ? STEP_TNAMED : STEP_FRAME;
  for (size_t i = 0; i < sizeof ours / sizeof *ours && step->kind == STEP_FRAME; i++)
    if (mlaas_streamers_derives(streamers, name, ours[i]))
      step->kind = STEP_BASE;
}

static void compile_object(const struct mlaas_streamer_element *element, struct step *step) {
  const char *type = element->type_name;
  step->kind = STEP_FRAME;
  if (strcmp(type, "TObjArray") == 0 || strcmp(type, "TObjArray*") == 0)
    step->kind = STEP_OBJECTS;
  else if (strcmp(type, "ROOT::TIOFeatures") == 0)
    step->kind = STEP_FEATURES;
  else if (strncmp(type, "TArray", 6) == 0 && strlen(type) == 7) {
    step->kind = STEP_ARRAY;
    step->size = strchr("DL", type[6]) ? 8 : strchr("FI", type[6]) ? 4 : type[6] == 'S' ? 2 : 1;
  }
}

static void compile_element(const struct mlaas_streamers *streamers, const struct mlaas_streamer_element *element,
                            struct step *step) {
  int type = element->type;
  *step = (struct step){STEP_UNKNOWN, type, 0, find_member(element->name), NO_MEMBER, element->name, element->name};
  if (strcmp(element->kind, "TStreamerBase") == 0)
    compile_base(streamers, element->name, step);
  else if (size_of_type(type)) {
    step->kind = STEP_NUMBER;
    step->size = size_of_type(type);
  } else if (type > TYPE_ARRAY && size_of_type(type - TYPE_ARRAY) && element->array_length >= 0 &&
             element->array_length < INT32_MAX / 8) {
    step->kind = STEP_SKIP;
    step->size = size_of_type(type - TYPE_ARRAY) * element->array_length;
  } else if (type > TYPE_COUNTED && size_of_type(type - TYPE_COUNTED)) {
    step->count = find_member(element->count_name);
    step->kind = step->count == NO_MEMBER ? STEP_UNKNOWN : STEP_COUNTED;
    step->size = size_of_type(type - TYPE_COUNTED);
  } else if (type == TYPE_STRING)
    step->kind = STEP_STRING;
  else if (type == TYPE_OBJECT || type == TYPE_ANY || type == TYPE_HELD)
    compile_object(element, step);
  else if (type == TYPE_POINTER || type == TYPE_ANY_POINTER)
    step->kind = STEP_POINTER;
}

static bool is_wanted(const struct mlaas_layouts *layouts, const struct step *step) {
  bool is_link = step->member >= MLAAS_MEMBER_fTreeIndex && step->member <= MLAAS_MEMBER_fFiles;
  if (is_link)
    return layouts->links;
  return step->member != NO_MEMBER || step->kind == STEP_BASE || step->kind == STEP_TNAMED;
}

/* From the file's own description. */
static enum mlaas_status compile_info(struct mlaas_layouts *layouts, const struct mlaas_streamer_info *info,
                                      struct layout *layout, struct mlaas_error *error) {
  layout->steps = mlaas_arena_alloc(layouts->arena, info->num_elements, sizeof *layout->steps, error);
  if (!layout->steps)
    return error->status;
  for (size_t i = 0; i < info->num_elements; i++) {
    struct step *step = &layout->steps[i];
    compile_element(layouts->streamers, &info->elements[i], step);
    /* before version 10 TBranch had 4-byte seeks in files below 2 GiB, whatever its description says */
    if (step->member == MLAAS_MEMBER_fBasketSeek && step->kind == STEP_COUNTED && info->version < 10)
      step->size = 4;
    if (is_wanted(layouts, step))
      layout->num_steps = i + 1; /* what follows the last wanted one is left by the frame's end */
  }
  return MLAAS_OK;
}

/* One word of a known layout: a letter for the kind, then names behind colons. */
static void compile_word(const char *word, struct step *step) {
  static const struct {
    char letter;
    enum step_kind kind;
    int type, size;
  } letters[] = {
      {'b', STEP_NUMBER, 18, 1}, {'c', STEP_NUMBER, 1, 1},  {'h', STEP_NUMBER, 2, 2},   {'i', STEP_NUMBER, 3, 4},
      {'u', STEP_NUMBER, 13, 4}, {'l', STEP_NUMBER, 16, 8}, {'e', STEP_NUMBER, 5, 4},   {'d', STEP_NUMBER, 8, 8},
      {'I', STEP_COUNTED, 0, 4}, {'L', STEP_COUNTED, 0, 8}, {'A', STEP_LISTED, 0, 4},   {'s', STEP_STRING, 0, 0},
      {'j', STEP_LOOSE, 0, 6},   {'k', STEP_LOOSE, 0, 4},   {'m', STEP_LOOSE, 0, 8},    {'N', STEP_TNAMED, 0, 0},
      {'^', STEP_BASE, 0, 0},    {'F', STEP_FRAME, 0, 0},   {'f', STEP_FEATURES, 0, 0}, {'o', STEP_OBJECTS, 0, 0},
      {'p', STEP_POINTER, 0, 0},
  };
  char name[32] = "", count[32] = "";
  sscanf(word + 1, ":%31[^: ]:%31[^ ]", name, count);
  step->kind = STEP_UNKNOWN;
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
    if (letters[i].letter == word[0]) {
      step->kind = letters[i].kind;
      step->type = letters[i].type;
      step->size = letters[i].size;
    }
  step->member = find_member(name);
  step->count = find_member(count);
}

/* From what is known by heart, for files that do not describe it. `words` is static. */
static enum mlaas_status compile_known(struct mlaas_layouts *layouts, const char *words, struct layout *layout,
                                       struct mlaas_error *error) {
  size_t count = 1;
  for (const char *c = words; *c; c++)
    count += *c == ' ';
  layout->steps = mlaas_arena_alloc(layouts->arena, count, sizeof *layout->steps, error);
  if (!layout->steps)
    return error->status;
  for (const char *word = words; word; word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL) {
    struct step *step = &layout->steps[layout->num_steps++];
    compile_word(word, step);
    step->name = word;
    step->class_name = step->kind == STEP_BASE ? mlaas_layout_known_base(word + 2) : "";
  }
  return MLAAS_OK;
}

/* The layout of a class in one version, or NULL: not described, or no memory (the cursor has failed then). */
static const struct layout *find_layout(struct mlaas_layouts *layouts, const char *class_name, int16_t version,
                                        struct mlaas_cursor *cursor) {
  for (size_t i = 0; i < layouts->num_layouts; i++)
    if (layouts->layouts[i].version == version && strcmp(layouts->layouts[i].class_name, class_name) == 0)
      return &layouts->layouts[i];
  const struct mlaas_streamer_info *info = mlaas_streamers_find(layouts->streamers, class_name, version, 0);
  const char *name = info ? info->name : NULL, *words = info ? NULL : mlaas_layout_known(class_name, version, &name);
  if ((!info && !words) || layouts->num_layouts == MAX_LAYOUTS)
    return NULL;
  struct mlaas_error error;
  struct layout layout = {.class_name = name, .version = version};
  enum mlaas_status status =
      info ? compile_info(layouts, info, &layout, &error) : compile_known(layouts, words, &layout, &error);
  if (status != MLAAS_OK) {
    mlaas_cursor_fail(cursor, status, "%s", error.message);
    return NULL;
  }
  layouts->layouts[layouts->num_layouts] = layout;
  return &layouts->layouts[layouts->num_layouts++];
}

/* ---- the walk ---- */

static int64_t from_real(double value) {
  return value > -9.2e18 && value < 9.2e18 ? (int64_t)value : value > 0 ? INT64_MAX : INT64_MIN;
}

static int64_t read_number(struct mlaas_cursor *cursor, const struct step *step) {
  bool is_unsigned = (step->type >= 11 && step->type <= 15) || step->type == 17 || step->type == 18;
  if (step->type == 5 || step->type == 9) /* Double32_t without a range is a float */
    return from_real(mlaas_cursor_f32(cursor));
  if (step->type == 8)
    return from_real(mlaas_cursor_f64(cursor));
  switch (step->size) {
  case 1:
    return is_unsigned ? mlaas_cursor_u8(cursor) : (int8_t)mlaas_cursor_u8(cursor);
  case 2:
    return is_unsigned ? mlaas_cursor_u16(cursor) : mlaas_cursor_i16(cursor);
  case 4:
    return is_unsigned ? (int64_t)mlaas_cursor_u32(cursor) : mlaas_cursor_i32(cursor);
  case 8:
    return mlaas_cursor_i64(cursor);
  default: /* Float16_t: of no use here */
    mlaas_cursor_skip(cursor, step->size);
    return 0;
  }
}

static void read_counted(struct mlaas_cursor *cursor, const struct step *step, struct mlaas_value *values) {
  int64_t count = values[step->count].number;
  uint8_t flag = mlaas_cursor_u8(cursor);
  if (flag == 0 || cursor->status != MLAAS_OK)
    return; /* a null pointer */
  /* flag 2: seeks of 8 bytes, in files beyond 2 GiB */
  int width = flag == 2 && step->member == MLAAS_MEMBER_fBasketSeek ? 8 : step->size;
  if (count < 0 || count > mlaas_cursor_left(cursor) / width) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "%lld items of %s do not fit", (long long)count, step->name);
    return;
  }
  const uint8_t *data = mlaas_cursor_bytes(cursor, count * width);
  if (step->member != NO_MEMBER)
    values[step->member] = (struct mlaas_value){data ? count : 0, data, (uint8_t)width};
}

static struct mlaas_value read_listed(struct mlaas_cursor *cursor, const struct step *step) {
  int64_t count = mlaas_cursor_i32(cursor);
  const uint8_t *data = mlaas_cursor_bytes(cursor, count * step->size);
  return (struct mlaas_value){data ? count : 0, data, (uint8_t)step->size};
}

static struct mlaas_value read_string(struct mlaas_cursor *cursor) {
  struct mlaas_value value = {.width = 1};
  value.data = (const uint8_t *)mlaas_cursor_string(cursor, &value.number);
  return value;
}

static void read_tnamed(struct mlaas_cursor *cursor, struct mlaas_value *values) {
  struct mlaas_named named = mlaas_cursor_tnamed(cursor);
  values[MLAAS_MEMBER_name] = (struct mlaas_value){named.name_length, (const uint8_t *)named.name, 1};
  values[MLAAS_MEMBER_title] = (struct mlaas_value){named.title_length, (const uint8_t *)named.title, 1};
}

static void skip_frame(struct mlaas_cursor *cursor, const struct step *step) {
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  if (frame.end < 0)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "member %s has no byte count to skip it by", step->name);
  mlaas_cursor_leave(cursor, &frame);
}

static void skip_loose(struct mlaas_cursor *cursor, const struct step *step) {
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  if (frame.end < 0)
    mlaas_cursor_skip(cursor, step->size);
  mlaas_cursor_leave(cursor, &frame);
}

static int64_t read_features(struct mlaas_cursor *cursor) {
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  if (frame.version <= 0)
    mlaas_cursor_skip(cursor, 4); /* checksum of a class without version */
  int64_t bits = mlaas_cursor_u8(cursor);
  mlaas_cursor_leave(cursor, &frame);
  return bits;
}

/* What a walk needs besides the step. */
struct walk {
  struct mlaas_layouts *layouts;
  struct mlaas_objects *objects;
  struct mlaas_value *values;
  mlaas_member_hook *hook;
  void *context;
  int depth;
};

static enum mlaas_status walk_class(struct walk *walk, const char *class_name);

static void hook_or_skip(struct walk *walk, const struct step *step) {
  struct mlaas_cursor *cursor = walk->objects->cursor;
  if (step->member != NO_MEMBER)
    walk->hook(walk->context, (enum mlaas_member)step->member);
  else if (step->kind == STEP_POINTER)
    mlaas_objects_skip(walk->objects);
  else
    skip_frame(cursor, step);
}

static void walk_step(struct walk *walk, const struct step *step) {
  struct mlaas_cursor *cursor = walk->objects->cursor;
  struct mlaas_value ignored, *value = step->member == NO_MEMBER ? &ignored : &walk->values[step->member];
  switch (step->kind) {
  case STEP_NUMBER:
    value->number = read_number(cursor, step);
    value->width = (uint8_t)step->size;
    break;
  case STEP_SKIP:
    mlaas_cursor_skip(cursor, step->size);
    break;
  case STEP_COUNTED:
    read_counted(cursor, step, walk->values);
    break;
  case STEP_LISTED:
    *value = read_listed(cursor, step);
    break;
  case STEP_STRING:
    *value = read_string(cursor);
    break;
  case STEP_TOBJECT:
    mlaas_cursor_tobject(cursor);
    break;
  case STEP_TNAMED:
    read_tnamed(cursor, walk->values);
    break;
  case STEP_BASE:
    walk_class(walk, step->class_name);
    break;
  case STEP_FRAME:
    skip_frame(cursor, step);
    break;
  case STEP_LOOSE:
    skip_loose(cursor, step);
    break;
  case STEP_ARRAY:
    mlaas_cursor_skip(cursor, (int64_t)mlaas_cursor_i32(cursor) * step->size);
    break;
  case STEP_FEATURES:
    value->number = read_features(cursor);
    break;
  case STEP_OBJECTS:
  case STEP_POINTER:
    hook_or_skip(walk, step);
    break;
  case STEP_UNKNOWN:
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "member %s has a type (%d) that is not expected here", step->name,
                      step->type);
  }
}

static enum mlaas_status walk_class(struct walk *walk, const char *class_name) {
  struct mlaas_cursor *cursor = walk->objects->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  if (walk->depth++ > MAX_BASES)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "bases of %s are nested too deep", class_name);
  const struct layout *layout = find_layout(walk->layouts, class_name, frame.version, cursor);
  if (!layout)
    return mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the file does not describe version %d of its class %s",
                             frame.version, class_name);
  for (size_t i = 0; i < layout->num_steps && cursor->status == MLAAS_OK; i++)
    walk_step(walk, &layout->steps[i]);
  walk->depth--;
  mlaas_cursor_leave(cursor, &frame);
  return cursor->status;
}

enum mlaas_status mlaas_layout_read(struct mlaas_layouts *layouts, const char *class_name,
                                    struct mlaas_objects *objects, struct mlaas_value *values, mlaas_member_hook *hook,
                                    void *context) {
  struct walk walk = {layouts, objects, values, hook, context, 0};
  memset(values, 0, MLAAS_MEMBER_COUNT * sizeof *values);
  return walk_class(&walk, class_name);
}

int64_t mlaas_value_item(const struct mlaas_value *value, int64_t i) {
  const uint8_t *data = value->data + i * value->width;
  uint64_t word = 0;
  for (int k = 0; k < value->width; k++)
    word = word << 8 | data[k];
  return value->width == 4 ? (int32_t)word : (int64_t)word;
}
