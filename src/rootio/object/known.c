/* Classes that stream themselves, so that no description in a file says what their bytes are; known by heart, in every
 * version that files have. */
#include "base/error.h"
#include "rootio/object/value.h"

#include <stdlib.h>
#include <string.h>

typedef void reader(struct mlaas_record *record, const char *class_name, struct mlaas_item *item);

static struct mlaas_item *add_number(struct mlaas_record *record, struct mlaas_members *members, const char *name,
                                     const char *class_name, uint64_t number) {
  struct mlaas_item *item = mlaas_members_add(record, members, name, class_name);
  item->kind = MLAAS_ITEM_UINT;
  item->as.natural = number;
  return item;
}

static struct mlaas_item *add_integer(struct mlaas_record *record, struct mlaas_members *members, const char *name,
                                      const char *class_name, int64_t number) {
  struct mlaas_item *item = add_number(record, members, name, class_name, 0);
  item->kind = MLAAS_ITEM_INT;
  item->as.integer = number;
  return item;
}

static void add_text(struct mlaas_record *record, struct mlaas_members *members, const char *name,
                     const char *class_name) {
  struct mlaas_item *item = mlaas_members_add(record, members, name, class_name);
  item->class_name = "TString";
  mlaas_record_text(record, item);
}

/* ---- TObject, TNamed and their like ---- */

/* Version, fUniqueID and fBits without a byte count. */
static uint32_t read_bits(struct mlaas_record *record, struct mlaas_members *members) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  uint32_t id = mlaas_cursor_u32(cursor), bits = mlaas_cursor_u32(cursor);
  if (cursor->status == MLAAS_OK && frame.version < 0)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a TObject of version %d", frame.version);
  add_number(record, members, "fUniqueID", "TObject", id);
  add_number(record, members, "fBits", "TObject", bits);
  return bits;
}

void mlaas_record_tobject(struct mlaas_record *record, struct mlaas_members *members, uint32_t *bits) {
  enum { IS_REFERENCED = 1 << 4 };
  *bits = read_bits(record, members);
  if (*bits & IS_REFERENCED)
    mlaas_cursor_skip(&record->cursor, 2); /* the process that knows it */
}

static void read_tobject(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  uint32_t bits;
  mlaas_record_tobject(record, &members, &bits);
  mlaas_members_finish(&members, class_name, item);
}

static void read_named(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  uint32_t bits;
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  mlaas_record_tobject(record, &members, &bits);
  add_text(record, &members, "fName", class_name);
  add_text(record, &members, "fTitle", class_name);
  mlaas_members_finish(&members, class_name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

static void read_objstring(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  uint32_t bits;
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  mlaas_record_tobject(record, &members, &bits);
  add_text(record, &members, "fString", class_name);
  mlaas_members_finish(&members, class_name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

static void read_string(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  (void)class_name;
  mlaas_record_text(record, item);
}

static void read_long_string(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  (void)class_name;
  mlaas_record_bytes(record, mlaas_cursor_i32(&record->cursor), item);
}

static void read_nothing(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  (void)record;
  mlaas_members_finish(&(struct mlaas_members){0}, class_name, item);
}

/* Minutes and seconds in six bits each, from 1995. */
static void read_datime(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  add_number(record, &members, "fDatime", class_name, mlaas_cursor_u32(&record->cursor));
  mlaas_members_finish(&members, class_name, item);
}

/* Milliseconds. */
static void read_time(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  add_integer(record, &members, "fMilliSec", class_name, mlaas_cursor_i64(&record->cursor));
  mlaas_members_finish(&members, class_name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

static void read_ref(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  enum { HAS_UUID = 1 << 5 };
  struct mlaas_members members = {0};
  uint32_t bits = read_bits(record, &members);
  if (bits & HAS_UUID)
    add_text(record, &members, "fUUID", class_name);
  else
    add_number(record, &members, "fPidf", class_name, mlaas_cursor_u16(&record->cursor));
  mlaas_members_finish(&members, class_name, item);
}

/* ---- arrays of numbers ---- */

static void read_numbers(struct mlaas_record *record, int32_t code, int64_t count, struct mlaas_item *item) {
  struct mlaas_scalar value;
  char format;
  if (mlaas_record_scalar(record, code, NULL, &value, &format))
    mlaas_record_array(record, &value, format, count, item);
}

static void read_array(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  static const struct {
    const char *letters;
    int32_t code;
  } codes[] = {{"C", 1}, {"S", 2}, {"I", 3}, {"L", 4}, {"L64", 16}, {"F", 5}, {"D", 8}};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(class_name + strlen("TArray"), codes[i].letters) == 0)
      read_numbers(record, codes[i].code, mlaas_cursor_i32(&record->cursor), item);
}

static void read_ref_array(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_cursor *cursor = &record->cursor;
  uint32_t bits;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  mlaas_record_tobject(record, &members, &bits);
  add_text(record, &members, "fName", class_name);
  int64_t count = mlaas_cursor_i32(cursor);
  add_integer(record, &members, "fLowerBound", class_name, mlaas_cursor_i32(cursor));
  add_number(record, &members, "fPidf", class_name, mlaas_cursor_u16(cursor));
  read_numbers(record, 13, count, mlaas_members_add(record, &members, "fUIDs", class_name));
  mlaas_members_finish(&members, class_name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* ---- collections of objects ---- */

/* TObject and name, as far as the version has them. */
static uint32_t read_collection_head(struct mlaas_record *record, int16_t version) {
  struct mlaas_members unused = {0};
  uint32_t bits = 0;
  int64_t length;
  if (version > 2)
    mlaas_record_tobject(record, &unused, &bits);
  if (version > 1)
    mlaas_cursor_string(&record->cursor, &length);
  return bits;
}

static struct mlaas_item *new_items(struct mlaas_record *record, int64_t *count, int64_t each, const char *class_name) {
  *count = mlaas_record_count(record, *count, each, class_name);
  return mlaas_record_alloc(record, (size_t)*count, sizeof(struct mlaas_item));
}

static void set_list(struct mlaas_item *item, int64_t count, const struct mlaas_item *items) {
  item->kind = MLAAS_ITEM_LIST;
  item->count = count;
  item->as.items = items;
}

/* TList keeps an option with each object since version 4. The other collections do not. */
static void read_objects(struct mlaas_record *record, const char *class_name, bool options, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  read_collection_head(record, frame.version);
  int64_t count = mlaas_cursor_i32(cursor);
  struct mlaas_item *items = new_items(record, &count, 4, class_name);
  for (int64_t i = 0; items && i < count && cursor->status == MLAAS_OK; i++) {
    int64_t length = 0;
    items[i].class_name = "TObject";
    mlaas_record_pointer(record, &items[i]);
    const char *option = options && frame.version > 3 ? mlaas_cursor_string(cursor, &length) : NULL;
    if (option && length && cursor->status == MLAAS_OK)
      items[i].option = mlaas_record_keep(record, option, length);
  }
  set_list(item, count, items);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

static void read_list(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  read_objects(record, class_name, true, item);
}

static void read_collection(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  read_objects(record, class_name, false, item);
}

static void read_obj_array(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  read_collection_head(record, frame.version);
  int64_t count = mlaas_cursor_i32(cursor);
  mlaas_cursor_skip(cursor, 4); /* lower bound */
  struct mlaas_item *items = new_items(record, &count, 4, class_name);
  for (int64_t i = 0; items && i < count && cursor->status == MLAAS_OK; i++) {
    items[i].class_name = "TObject";
    mlaas_record_pointer(record, &items[i]);
  }
  set_list(item, count, items);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

static void read_map(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  read_collection_head(record, frame.version);
  int64_t pairs = mlaas_record_count(record, mlaas_cursor_i32(cursor), 8, class_name), count = 2 * pairs;
  struct mlaas_item *items = new_items(record, &count, 4, class_name);
  for (int64_t i = 0; items && i < count && cursor->status == MLAAS_OK; i++) {
    items[i].class_name = "TObject";
    mlaas_record_pointer(record, &items[i]);
  }
  set_list(item, pairs, items);
  item->kind = MLAAS_ITEM_MAP;
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* From numbers to numbers. */
static void read_ex_map(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  struct mlaas_members unused = {0};
  uint32_t bits;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  if (frame.version < 2)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "a %s of version %d", class_name, frame.version);
  mlaas_record_tobject(record, &unused, &bits);
  mlaas_cursor_skip(cursor, 4); /* slots of the table */
  int64_t pairs = mlaas_record_count(record, mlaas_cursor_i32(cursor), 28, class_name), count = 2 * pairs;
  struct mlaas_item *items = new_items(record, &count, 8, class_name);
  for (int64_t i = 0; items && i < count; i++) {
    if (i % 2 == 0)
      mlaas_cursor_skip(cursor, 12); /* slot and hash */
    items[i] = (struct mlaas_item){.kind = MLAAS_ITEM_INT, .class_name = "Long64_t"};
    items[i].as.integer = mlaas_cursor_i64(cursor);
  }
  set_list(item, pairs, items);
  item->kind = MLAAS_ITEM_MAP;
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* ---- TClonesArray ---- */

/* Objects of one class, item by item: a byte says whether one is there. */
static void read_clones_each(struct mlaas_record *record, const char *class_name, int64_t count,
                             struct mlaas_item *item) {
  struct mlaas_item *items = new_items(record, &count, 1, class_name);
  for (int64_t i = 0; items && i < count && record->cursor.status == MLAAS_OK; i++)
    if (mlaas_cursor_u8(&record->cursor))
      mlaas_record_object(record, class_name, &items[i]);
    else
      items[i].class_name = class_name;
  set_list(item, count, items);
}

/* "Class;version" of the items. */
static void read_clones_items(struct mlaas_record *record, bool columns, struct mlaas_item *item) {
  struct mlaas_cursor *cursor = &record->cursor;
  int64_t length;
  const char *text = mlaas_cursor_string(cursor, &length);
  const char *name = text ? mlaas_record_keep(record, text, length) : "";
  int64_t count = mlaas_cursor_i32(cursor);
  mlaas_cursor_skip(cursor, 4); /* lower bound */
  char *mark = strrchr(name, ';');
  long version = mark ? strtol(mark + 1, NULL, 10) : -1;
  name = mark ? mlaas_record_keep(record, name, mark - name) : name;
  if (!columns) {
    read_clones_each(record, name, count, item);
    return;
  }
  count = mlaas_record_count(record, count, 1, name);
  const struct mlaas_streamer_info *info = NULL;
  if (cursor->status == MLAAS_OK && count)
    info = mlaas_record_find(record, name, version > 0 && version < 32768 ? (int32_t)version : -1, 0);
  if (cursor->status == MLAAS_OK && count && !info)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the file does not describe version %ld of its class %s", version,
                      name);
  if (info)
    mlaas_record_columns(record, info, count, item);
  else
    set_list(item, 0, NULL);
}

static void read_clones(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  enum { COLUMNS = 1 << 12, COLUMNS_BEFORE_4 = 1 << 14 };
  (void)class_name;
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  uint32_t bits = read_collection_head(record, frame.version);
  read_clones_items(record, bits & (frame.version > 3 ? COLUMNS : COLUMNS_BEFORE_4), item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* ---- TMatrixTSym: its upper right triangle stands behind the frame of its base ---- */

static int64_t integer_member(const struct mlaas_members *members, const char *name) {
  int64_t number = -1;
  for (int64_t i = 0; i < members->count; i++)
    if (strcmp(members->items[i].name, name) == 0 && mlaas_item_integer(&members->items[i].item, &number))
      return number;
  return -1;
}

static void fill_square(const uint8_t *triangle, int64_t rows, size_t width, uint8_t *square) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t k = i; k < rows; k++, triangle += width) {
      memcpy(square + (size_t)(i * rows + k) * width, triangle, width);
      memcpy(square + (size_t)(k * rows + i) * width, triangle, width);
    }
}

static void read_triangle(struct mlaas_record *record, bool doubles, struct mlaas_members *members) {
  enum { MOST_ROWS = 1 << 15 };
  int64_t rows = integer_member(members, "fNrows");
  if (record->cursor.status == MLAAS_OK && (rows < 0 || rows > MOST_ROWS || rows != integer_member(members, "fNcols")))
    mlaas_cursor_fail(&record->cursor, MLAAS_FORMAT, "a symmetric matrix of %lld rows", (long long)rows);
  if (record->cursor.status != MLAAS_OK)
    return;
  struct mlaas_item *item = mlaas_members_add(record, members, "fElements", "TMatrixTSym");
  item->class_name = doubles ? "double" : "float";
  read_numbers(record, doubles ? 8 : 5, rows * (rows + 1) / 2, item);
  size_t width = doubles ? 8 : 4;
  uint8_t *square = mlaas_record_alloc(record, (size_t)(rows * rows), width);
  int64_t *shape = mlaas_record_alloc(record, 2, sizeof *shape);
  if (!square || !shape)
    return;
  fill_square(item->as.array.values, rows, width, square);
  shape[0] = shape[1] = rows;
  item->count = rows * rows;
  item->dimensions = 2;
  item->as.array.values = square;
  item->as.array.shape = shape;
}

static void read_symmetric(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_cursor *cursor = &record->cursor;
  const char *base = strstr(class_name, "double") ? "TMatrixTBase<double>" : "TMatrixTBase<float>";
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  const struct mlaas_streamer_info *info = mlaas_record_info(record, base, frame.version);
  if (info)
    mlaas_record_members(record, info, &members, 1, false);
  if (cursor->status == MLAAS_OK && frame.end >= 0 && cursor->position != frame.end)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a symmetric matrix does not end where it says");
  mlaas_record_leave(record, &mark, -1);
  read_triangle(record, strstr(class_name, "double") != NULL, &members);
  mlaas_members_finish(&members, class_name, item);
}

/* ---- TCanvas: no file describes it ---- */

/* Inlines the members of a base with a frame and a description. */
static void add_base(struct mlaas_record *record, struct mlaas_members *members, const char *class_name) {
  struct mlaas_item base = {.class_name = class_name};
  mlaas_record_object(record, class_name, &base);
  if (base.kind != MLAAS_ITEM_OBJECT && record->cursor.status == MLAAS_OK)
    *mlaas_members_add(record, members, class_name, class_name) = base;
  for (int64_t i = 0; base.kind == MLAAS_ITEM_OBJECT && i < base.count && record->cursor.status == MLAAS_OK; i++)
    *mlaas_members_add(record, members, base.as.members[i].name, base.as.members[i].class_name) =
        base.as.members[i].item;
}

static void read_canvas_members(struct mlaas_record *record, struct mlaas_members *members) {
  enum { BYTE = 11, SHORT = 2, INT = 3, UINT = 13, FLOAT = 5, BOOL = 18 };
  static const struct {
    const char *name;
    int32_t code; /* 0: fCatt, an object */
  } fields[] = {{"fDoubleBuffer", INT}, {"fRetained", BOOL},        {"fXsizeUser", FLOAT},   {"fYsizeUser", FLOAT},
                {"fXsizeReal", FLOAT},  {"fYsizeReal", FLOAT},      {"fWindowTopX", INT},    {"fWindowTopY", INT},
                {"fWindowWidth", UINT}, {"fWindowHeight", UINT},    {"fCw", UINT},           {"fCh", UINT},
                {"fCatt", 0},           {"kMoveOpaque", BOOL},      {"kResizeOpaque", BOOL}, {"fHighLightColor", SHORT},
                {"fBatch", BOOL},       {"kShowEventStatus", BOOL}, {"kAutoExec", BOOL},     {"kMenuBar", BOOL}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields && record->cursor.status == MLAAS_OK; i++) {
    struct mlaas_scalar value;
    char format;
    struct mlaas_item *item = mlaas_members_add(record, members, fields[i].name, "TCanvas");
    if (!fields[i].code)
      mlaas_record_object(record, "TAttCanvas", item);
    else if (mlaas_record_scalar(record, fields[i].code, NULL, &value, &format))
      mlaas_record_number(record, &value, format, item);
  }
}

static void read_canvas(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  if (frame.version < 4)
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "a %s of version %d", class_name, frame.version);
  add_base(record, &members, "TPad");
  add_text(record, &members, "fDISPLAY", class_name);
  read_canvas_members(record, &members);
  mlaas_members_finish(&members, class_name, item);
  mlaas_record_leave_items(record, &mark, frame.end, 1, item);
}

/* ---- which is which ---- */

static const struct {
  const char *class_name;
  reader *read;
} known[] = {
    {"TObject", read_tobject},
    {"TNamed", read_named},
    {"TObjString", read_objstring},
    {"TString", read_string},
    {"TStringLong", read_long_string},
    {"TQObject", read_nothing},
    {"TDatime", read_datime},
    {"TTime", read_time},
    {"TRef", read_ref},
    {"TRefArray", read_ref_array},
    {"TArrayC", read_array},
    {"TArrayS", read_array},
    {"TArrayI", read_array},
    {"TArrayL", read_array},
    {"TArrayL64", read_array},
    {"TArrayF", read_array},
    {"TArrayD", read_array},
    {"TList", read_list},
    {"THashList", read_list},
    {"TSortedList", read_list},
    {"TCollection", read_collection},
    {"TSeqCollection", read_collection},
    {"TOrdCollection", read_collection},
    {"THashTable", read_collection},
    {"TObjArray", read_obj_array},
    {"TClonesArray", read_clones},
    {"TMap", read_map},
    {"TExMap", read_ex_map},
    {"TCanvas", read_canvas},
    {"TMatrixTSym<double>", read_symmetric},
    {"TMatrixTSym<float>", read_symmetric},
};

bool mlaas_record_known(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].class_name, class_name) == 0) {
      item->class_name = known[i].class_name;
      known[i].read(record, class_name, item);
      return true;
    }
  return false;
}
