/* Standard collections: which one, and of what, their type's name says; how they lie in the file, a bit in their frame:
 * item by item, or member by member of all items. Must not know how a class is read. */
#include "base/error.h"
#include "rootio/object/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum value_kind { NUMBER, STRING, TSTRING, SEQUENCE, MAP, PAIR, POINTER, CLASS };

/* A type that stands in a collection, or a collection. */
struct mlaas_value_type {
  struct mlaas_value_type *next; /* that was parsed before */
  enum value_kind kind;
  const char *name;
  int32_t content; /* ROOT's code of the content, as the member says it */
  struct mlaas_scalar scalar;
  char format;
  struct mlaas_value_type *first, *second; /* SEQUENCE: first; MAP and PAIR: both */
  const char *pair;                        /* MAP: the class of its items */
};

enum {
  MOST_NESTED = 16,
  MOST_PARSED = 4096,
  MOST_WITHOUT_BYTES = 4096, /* items of classes that have no members */
  FORMAT_WITH_VERSION = 8,   /* member-wise collections say the version of their class since */
  FORMAT_EMPTY_IS_SHORT = 7, /* empty ones have no columns since */
  ENUM = 3,
  NO_CONTENT = -1
};

/* ---- names ---- */

/* `length` bytes at `text` without blanks around, "const " and "std::" in front. */
static const char *trim(const char *text, size_t *length) {
  static const char *const fronts[] = {" ", "const ", "std::", "ROOT::VecOps::"};
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
      if (strlen(fronts[i]) <= *length && strncmp(text, fronts[i], strlen(fronts[i])) == 0) {
        text += strlen(fronts[i]);
        *length -= strlen(fronts[i]);
        again = true;
      }
  }
  while (*length && text[*length - 1] == ' ')
    --*length;
  return text;
}

static bool is(const char *text, size_t length, const char *name) {
  return strlen(name) == length && strncmp(text, name, length) == 0;
}

static bool is_one_of(const char *text, size_t length, const char *const *names) {
  for (; *names; names++)
    if (is(text, length, *names))
      return true;
  return false;
}

static int32_t basic_code(const char *text, size_t length) {
  static const struct {
    const char *name;
    int32_t code;
  } basics[] = {
      {"char", 1},           {"Char_t", 1},     {"signed char", 1},
      {"int8_t", 1},         {"short", 2},      {"Short_t", 2},
      {"int16_t", 2},        {"int", 3},        {"Int_t", 3},
      {"int32_t", 3},        {"long", 4},       {"Long_t", 4},
      {"float", 5},          {"Float_t", 5},    {"double", 8},
      {"Double_t", 8},       {"Double32_t", 9}, {"unsigned char", 11},
      {"UChar_t", 11},       {"uint8_t", 11},   {"unsigned short", 12},
      {"UShort_t", 12},      {"uint16_t", 12},  {"unsigned int", 13},
      {"UInt_t", 13},        {"unsigned", 13},  {"uint32_t", 13},
      {"unsigned long", 14}, {"ULong_t", 14},   {"long long", 16},
      {"Long64_t", 16},      {"int64_t", 16},   {"unsigned long long", 17},
      {"ULong64_t", 17},     {"uint64_t", 17},  {"bool", 18},
      {"Bool_t", 18},        {"Float16_t", 19},
  };
  for (size_t i = 0; i < sizeof basics / sizeof *basics; i++)
    if (is(text, length, basics[i].name))
      return basics[i].code;
  return 0;
}

/* Argument `i` of a template: "int" of "map<int,double>" for 0. NULL: there is none. */
static const char *argument(const char *text, size_t length, int i, size_t *found) {
  int depth = 0;
  const char *start = NULL, *end = text + length;
  for (const char *c = text; c < end; c++) {
    depth += (*c == '<') - (*c == '>');
    bool edge = (*c == '<' && depth == 1) || (*c == ',' && depth == 1) || (*c == '>' && depth == 0);
    if (!edge)
      continue;
    if (start && i-- == 0) {
      *found = (size_t)(c - start);
      return start;
    }
    start = c + 1;
  }
  return NULL;
}

static const char *const sequences[] = {
    "vector", "list", "deque", "set", "multiset", "unordered_set", "forward_list", "unordered_multiset", "RVec", NULL};
static const char *const maps[] = {"map", "multimap", "unordered_map", "unordered_multimap", NULL};

static struct mlaas_value_type *parse(struct mlaas_record *record, const char *text, size_t length, int32_t content,
                                      int depth);

static struct mlaas_value_type *parse_argument(struct mlaas_record *record, const char *text, size_t length, int i,
                                               int32_t content, int depth) {
  size_t found;
  const char *start = argument(text, length, i, &found);
  if (start)
    return parse(record, start, found, content, depth + 1);
  mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "the type %.*s cannot be understood",
                    length < 200 ? (int)length : 200, text);
  return NULL;
}

static void set_number(struct mlaas_record *record, struct mlaas_value_type *type, int32_t code) {
  type->kind = NUMBER;
  mlaas_record_scalar(record, code, NULL, &type->scalar, &type->format);
}

/* The name of the class that a map's items have: "pair<K,V>", spelled as ROOT does it. */
static const char *pair_name(struct mlaas_record *record, const struct mlaas_value_type *map) {
  const char *second = map->second->name;
  const char *blank = *second && second[strlen(second) - 1] == '>' ? " " : "";
  const char *name =
      record->cursor.status == MLAAS_OK
          ? mlaas_arena_format(record->arena, record->error, "pair<%s,%s%s>", map->first->name, second, blank)
          : NULL;
  if (!name)
    mlaas_record_failed(record);
  return name ? name : "";
}

static void parse_template(struct mlaas_record *record, const char *text, size_t length, int depth,
                           struct mlaas_value_type *type) {
  const char *open = memchr(text, '<', length);
  size_t front = open ? (size_t)(open - text) : length;
  if (open && is_one_of(text, front, sequences)) {
    type->kind = SEQUENCE;
    type->first = parse_argument(record, text, length, 0, type->content, depth);
  } else if (open && (is_one_of(text, front, maps) || is(text, front, "pair"))) {
    type->kind = is(text, front, "pair") ? PAIR : MAP;
    type->first = parse_argument(record, text, length, 0, NO_CONTENT, depth);
    type->second = parse_argument(record, text, length, 1, NO_CONTENT, depth);
    if (type->kind == MAP && type->first && type->second)
      type->pair = pair_name(record, type);
  } else if (open && is(text, front, "bitset")) {
    type->kind = SEQUENCE;
    type->first = parse(record, "bool", 4, 0, depth + 1);
  }
}

/* A name that the file does not describe, of a content that is a number: an enum. */
static bool is_enum(struct mlaas_record *record, const struct mlaas_value_type *type, bool collected) {
  return collected && type->content >= 0 && type->content < 20 && !strchr(type->name, '<') &&
         !mlaas_record_find(record, type->name, -1, 0);
}

static void parse_kind(struct mlaas_record *record, const char *text, size_t length, int depth,
                       struct mlaas_value_type *type) {
  int32_t code = basic_code(text, length);
  if (code)
    set_number(record, type, code);
  else if (length && text[length - 1] == '*')
    type->kind = POINTER;
  else if (is(text, length, "string") || strncmp(text, "basic_string<", 13) == 0)
    type->kind = STRING;
  else if (is(text, length, "TString"))
    type->kind = TSTRING;
  else
    parse_template(record, text, length, depth, type);
  if (type->kind == CLASS && is_enum(record, type, depth > 0))
    set_number(record, type, type->content ? type->content : ENUM);
}

static struct mlaas_value_type *parse(struct mlaas_record *record, const char *text, size_t length, int32_t content,
                                      int depth) {
  text = trim(text, &length);
  if (depth > MOST_NESTED) {
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "a type is nested more than %d deep", MOST_NESTED);
    return NULL;
  }
  struct mlaas_value_type *type = mlaas_record_alloc(record, 1, sizeof *type);
  if (!type)
    return NULL;
  type->kind = CLASS;
  type->content = content;
  type->name = mlaas_record_keep(record, text, (int64_t)length);
  parse_kind(record, type->name, length, depth, type);
  return record->cursor.status == MLAAS_OK ? type : NULL;
}

/* The type of that name, parsed once: a class may have many objects. NULL: the cursor has failed. */
static const struct mlaas_value_type *find_type(struct mlaas_record *record, const char *name, int32_t content) {
  int searched = 0;
  for (struct mlaas_value_type *type = record->types; type && searched < MOST_PARSED; type = type->next, searched++)
    if (type->content == content && strcmp(type->name, name) == 0)
      return type;
  struct mlaas_value_type *type = parse(record, name, strlen(name), content, 0);
  if (type) {
    type->name = name; /* as asked for; it lives as long as the record at least */
    type->next = record->types;
    record->types = type;
  }
  return type;
}

/* ---- values ---- */

static void read_body(struct mlaas_record *record, const struct mlaas_value_type *type, struct mlaas_item *item);
static void read_column(struct mlaas_record *record, const struct mlaas_value_type *type, int64_t count,
                        struct mlaas_item *items);

/* A pair has a frame as any class; its description may be missing. */
static void read_pair(struct mlaas_record *record, const struct mlaas_value_type *type, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  if (frame.version <= 0)
    mlaas_cursor_skip(&record->cursor, 4); /* checksum */
  read_column(record, type->first, 1, mlaas_members_add(record, &members, "first", type->name));
  struct mlaas_item second = {.class_name = type->second->name};
  read_column(record, type->second, 1, &second);
  *mlaas_members_add(record, &members, "second", type->name) = second;
  mlaas_members_finish(&members, type->name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* One value inside a collection. */
static void read_value(struct mlaas_record *record, const struct mlaas_value_type *type, struct mlaas_item *item) {
  item->class_name = type->name;
  switch (type->kind) {
  case NUMBER:
    mlaas_record_number(record, &type->scalar, type->format, item);
    break;
  case STRING:
  case TSTRING:
    mlaas_record_text(record, item);
    break;
  case SEQUENCE:
  case MAP:
    read_body(record, type, item);
    break;
  case PAIR:
    read_pair(record, type, item);
    break;
  case POINTER:
    mlaas_record_pointer(record, item);
    break;
  case CLASS:
    mlaas_record_object(record, type->name, item);
  }
}

/* A count and the items, one after the other, without a frame. */
static void read_body(struct mlaas_record *record, const struct mlaas_value_type *type, struct mlaas_item *item) {
  struct mlaas_mark mark = mlaas_record_enter(record, -1);
  int64_t count = mlaas_cursor_i32(&record->cursor), each = type->kind == MAP ? 2 : 1;
  item->class_name = type->name;
  if (type->kind == SEQUENCE && type->first->kind == NUMBER) {
    mlaas_record_array(record, &type->first->scalar, type->first->format, count, item);
    record->depth = mark.depth;
    return;
  }
  count = mlaas_record_count(record, count, each, type->name);
  struct mlaas_item *items = mlaas_record_alloc(record, (size_t)(count * each), sizeof *items);
  for (int64_t i = 0; items && i < count * each && record->cursor.status == MLAAS_OK; i++)
    read_value(record, i % each ? type->second : type->first, &items[i]);
  item->kind = each == 2 ? MLAAS_ITEM_MAP : MLAAS_ITEM_LIST;
  item->count = count;
  item->as.items = items;
  record->depth = mark.depth;
}

/* ---- member-wise ---- */

static void read_collection(struct mlaas_record *record, const struct mlaas_value_type *type,
                            const struct mlaas_frame *frame, int64_t times, int64_t count, struct mlaas_item *items);

/* The key or value of all pairs. Strings and collections share a frame. */
static void read_column(struct mlaas_record *record, const struct mlaas_value_type *type, int64_t count,
                        struct mlaas_item *items) {
  bool framed = type->kind == STRING || type->kind == SEQUENCE || type->kind == MAP;
  if (!framed) {
    for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
      read_value(record, type, &items[i]);
    return;
  }
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  if (type->kind == STRING)
    for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
      read_value(record, type, &items[i]);
  else
    read_collection(record, type, &frame, 1, count, items);
  mlaas_record_leave_items(record, &mark, frame.end, count, items);
}

/* Pairs in columns: their description where the file has it, else what their name says. As a map, or a list. */
static void read_pairs(struct mlaas_record *record, const struct mlaas_value_type *type, int64_t count,
                       struct mlaas_item *item) {
  bool map = type->kind == MAP;
  const struct mlaas_value_type *pair = map ? type : type->first;
  struct mlaas_item *column = mlaas_record_alloc(record, (size_t)count, sizeof *column);
  struct mlaas_item *items = mlaas_record_alloc(record, (size_t)count * (map ? 2 : 1), sizeof *items);
  struct mlaas_members *members = mlaas_record_alloc(record, (size_t)count, sizeof *members);
  for (int side = 0; column && items && members && side < 2; side++) {
    const struct mlaas_value_type *value = side ? pair->second : pair->first;
    memset(column, 0, (size_t)count * sizeof *column);
    for (int64_t i = 0; i < count; i++)
      column[i].class_name = value->name;
    read_column(record, value, count, column);
    for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
      if (map)
        items[2 * i + side] = column[i];
      else
        *mlaas_members_add(record, &members[i], side ? "second" : "first", pair->name) = column[i];
  }
  for (int64_t i = 0; !map && i < count && record->cursor.status == MLAAS_OK; i++)
    mlaas_members_finish(&members[i], pair->name, &items[i]);
  item->kind = map ? MLAAS_ITEM_MAP : MLAAS_ITEM_LIST;
  item->count = count;
  item->as.items = items;
}

/* What stands in the frame of a member-wise collection: the class of its items in one version. */
struct layout {
  const struct mlaas_streamer_info *info; /* NULL: pairs that are not described */
  bool short_empty;                       /* an empty collection has no columns */
};

static struct layout read_layout(struct mlaas_record *record, const struct mlaas_value_type *type,
                                 const struct mlaas_frame *frame) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct layout layout = {.short_empty = frame->version >= FORMAT_EMPTY_IS_SHORT};
  int16_t version = frame->version >= FORMAT_WITH_VERSION ? mlaas_cursor_i16(cursor) : 0;
  bool versioned = frame->version >= FORMAT_WITH_VERSION;
  if (type->kind == MAP || type->first->kind == PAIR) {
    if (versioned && version <= 0)
      mlaas_cursor_skip(cursor, 4); /* the checksums of pairs do not tell them apart */
    return layout;
  }
  if (type->first->kind != CLASS)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "items of %s are said to be streamed by their members", type->name);
  else if (versioned)
    layout.info = mlaas_record_info(record, type->first->name, version);
  else
    layout.info = mlaas_record_find(record, type->first->name, -1, 0);
  if (!layout.info)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the file does not describe its class %s", type->first->name);
  return layout;
}

static void read_memberwise(struct mlaas_record *record, const struct mlaas_value_type *type,
                            const struct layout *layout, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  int64_t count = mlaas_cursor_i32(cursor);
  item->class_name = type->name;
  if (count < 0 || count > MOST_WITHOUT_BYTES) /* without members there may be more of them than bytes */
    count = mlaas_record_count(record, count, 1, type->name);
  if (cursor->status != MLAAS_OK)
    return;
  if (!layout->info) {
    if (count || !layout->short_empty)
      read_pairs(record, type, count, item);
    else
      item->kind = type->kind == MAP ? MLAAS_ITEM_MAP : MLAAS_ITEM_LIST;
    return;
  }
  mlaas_record_columns(record, layout->info, count, item);
}

/* ---- members that hold collections ---- */

/* What stands in a frame: `times` collections for each of `count` objects. */
static void read_collection(struct mlaas_record *record, const struct mlaas_value_type *type,
                            const struct mlaas_frame *frame, int64_t times, int64_t count, struct mlaas_item *items) {
  struct layout layout = {0};
  if (frame->member_wise)
    layout = read_layout(record, type, frame);
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++) {
    struct mlaas_item *each = &items[i];
    times = times > 1 ? mlaas_record_count(record, times, 4, type->name) : times;
    if (times > 1)
      each = mlaas_record_alloc(record, (size_t)times, sizeof *each);
    for (int64_t k = 0; each && k < times && record->cursor.status == MLAAS_OK; k++)
      if (frame->member_wise)
        read_memberwise(record, type, &layout, &each[k]);
      else
        read_body(record, type, &each[k]);
    if (times > 1) {
      items[i].kind = MLAAS_ITEM_LIST;
      items[i].count = times;
      items[i].as.items = each;
    }
  }
}

static void read_strings(struct mlaas_record *record, int64_t times, int64_t count, struct mlaas_item *items) {
  times = mlaas_record_count(record, times, 1, "strings");
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++) {
    struct mlaas_item *each = times > 1 ? mlaas_record_alloc(record, (size_t)times, sizeof *each) : &items[i];
    for (int64_t k = 0; each && k < times; k++) {
      each[k].class_name = "string";
      mlaas_record_text(record, &each[k]);
    }
    if (times > 1) {
      items[i].kind = MLAAS_ITEM_LIST;
      items[i].count = times;
      items[i].as.items = each;
    }
  }
}

/* The type of a member. A class that is a collection itself has one element, called This, whose title says of what. */
static const struct mlaas_value_type *type_of(struct mlaas_record *record,
                                              const struct mlaas_streamer_element *element) {
  const char *name = element->type_name, *star = strrchr(name, '*');
  if (star && star[1] == '\0')
    name = mlaas_record_keep(record, name, star - name);
  const struct mlaas_value_type *type =
      record->cursor.status == MLAAS_OK ? find_type(record, name, element->content_type) : NULL;
  if (!type || type->kind == SEQUENCE || type->kind == MAP || type->kind == STRING)
    return type;
  size_t length = strlen(element->title), found;
  const char *content = strcmp(element->name, "This") == 0 ? argument(element->title, length, 0, &found) : NULL;
  name = content ? mlaas_arena_format(record->arena, record->error, "vector<%.*s>", (int)found, content) : NULL;
  if (content && !name)
    mlaas_record_failed(record);
  if (name)
    return find_type(record, name, element->content_type);
  mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "%s is a collection of an unknown kind", element->type_name);
  return NULL;
}

void mlaas_record_collections(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t times,
                              int64_t count, struct mlaas_item *items) {
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  const struct mlaas_value_type *type = type_of(record, element);
  if (type && type->kind == STRING)
    read_strings(record, times, count, items);
  else if (type)
    read_collection(record, type, &frame, times, count, items);
  mlaas_record_leave_items(record, &mark, frame.end, count, items);
}

bool mlaas_record_bare(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  size_t length = strlen(class_name);
  const char *name = trim(class_name, &length), *open = memchr(name, '<', length);
  size_t front = open ? (size_t)(open - name) : length;
  bool pair = open && is(name, front, "pair");
  if (is(name, length, "string")) {
    mlaas_record_text(record, item);
    return true;
  }
  if (!open ||
      !(is_one_of(name, front, sequences) || is_one_of(name, front, maps) || is(name, front, "bitset") || pair))
    return false;
  if (pair && mlaas_record_find(record, class_name, -1, 0))
    return false;
  const struct mlaas_value_type *type = find_type(record, class_name, NO_CONTENT);
  if (type)
    read_value(record, type, item);
  return true;
}
