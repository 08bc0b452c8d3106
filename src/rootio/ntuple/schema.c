/* An RNTuple's schema: fields, columns, alias columns and extra type information, of the header and of the extension in
 * the footer. A field that needs what is not known makes its top-level field unreadable and no other. Must not know of
 * clusters and pages. */
#include "base/error.h"
#include "rootio/ntuple/part.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS, COLUMNS, ALIASES, EXTRAS, NUM_LISTS };
enum { REPETITIVE = 1, PROJECTED = 2, CHECKSUM = 4 }; /* flags of fields */
enum { DEFERRED = 1, RANGE = 2 };                     /* flags of columns */

/* What an item has at least: the frame's front, numbers, lengths of texts. */
static const int64_t least_bytes[NUM_LISTS] = {8 + 16 + 16, 8 + 12, 8 + 8, 8 + 8 + 8};

/* A list frame that has been entered: the cursor is at its first item and ends where the list does. */
struct list {
  struct mlaas_cursor cursor;
  uint32_t count;
};

struct schema {
  struct mlaas_ntuple_build *build;
  struct list lists[2][NUM_LISTS]; /* header, extension */
};

enum mlaas_status mlaas_ntuple_refuse(struct mlaas_ntuple_build *build, uint32_t field, const char *format, ...) {
  enum { LONGEST = 400 };
  struct mlaas_ntuple_field *top = &build->ntuple->fields[build->top[field]];
  char reason[LONGEST];
  if (top->unsupported)
    return MLAAS_OK;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  top->unsupported = mlaas_arena_strndup(&build->ntuple->arena, reason, strlen(reason), build->error);
  return top->unsupported ? MLAAS_OK : build->error->status;
}

static void find_lists(struct mlaas_cursor *cursor, struct list *lists) {
  for (int i = 0; i < NUM_LISTS; i++) {
    int64_t end = mlaas_ntuple_enter(cursor, &lists[i].count, least_bytes[i]);
    lists[i].cursor = *cursor;
    lists[i].cursor.size = end;
    mlaas_ntuple_leave(cursor, end);
  }
}

/* Calls `read` for each item of both lists of a kind; the running number is the item's id. */
static enum mlaas_status each_item(struct schema *schema, int kind,
                                   enum mlaas_status (*read)(struct schema *, struct mlaas_cursor *, uint32_t id)) {
  uint32_t id = 0;
  for (int part = 0; part < 2; part++) {
    struct list *list = &schema->lists[part][kind];
    struct mlaas_cursor *cursor = &list->cursor;
    for (uint32_t i = 0; i < list->count; i++, id++) {
      int64_t end = mlaas_ntuple_enter(cursor, NULL, 0);
      MLAAS_TRY(cursor->status);
      struct mlaas_cursor item = *cursor;
      item.size = end;
      MLAAS_TRY(read(schema, &item, id));
      mlaas_ntuple_leave(cursor, end);
    }
  }
  return MLAAS_OK;
}

static size_t count_items(const struct schema *schema, int kind) {
  return (size_t)schema->lists[0][kind].count + schema->lists[1][kind].count;
}

/* ---- fields ---- */

static enum mlaas_status read_tail(struct mlaas_ntuple_field *field, struct mlaas_cursor *cursor, unsigned flags,
                                   const char **fault) {
  if (flags & REPETITIVE) {
    field->array_size = mlaas_ntuple_little(cursor, 8);
    if (field->array_size == 0)
      *fault = "it is an array of no elements";
  }
  if (flags & PROJECTED)
    field->source = (int64_t)mlaas_ntuple_little(cursor, 4);
  if (flags & CHECKSUM)
    field->type_checksum = (uint32_t)mlaas_ntuple_little(cursor, 4);
  return cursor->status;
}

static enum mlaas_status read_field(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id) {
  struct mlaas_ntuple_field *field = &schema->build->ntuple->fields[id];
  const char **fault = &schema->build->faults[id];
  uint32_t version = (uint32_t)mlaas_ntuple_little(cursor, 4);
  field->type_version = (uint32_t)mlaas_ntuple_little(cursor, 4);
  field->parent = (uint32_t)mlaas_ntuple_little(cursor, 4);
  unsigned role = (unsigned)mlaas_ntuple_little(cursor, 2), flags = (unsigned)mlaas_ntuple_little(cursor, 2);
  field->source = -1;
  MLAAS_TRY(mlaas_ntuple_text(schema->build, cursor, &field->name));
  MLAAS_TRY(mlaas_ntuple_text(schema->build, cursor, &field->type_name));
  MLAAS_TRY(mlaas_ntuple_text(schema->build, cursor, &field->type_alias));
  MLAAS_TRY(mlaas_ntuple_text(schema->build, cursor, &field->description));
  MLAAS_TRY(read_tail(field, cursor, flags, fault));
  size_t count = schema->build->ntuple->num_fields;
  if (field->parent >= count)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "field %u says that its parent is field %u of %zu", id,
                             field->parent, count);
  if (field->source >= (int64_t)count || field->source == id)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "field %u is said to show field %lld of %zu", id,
                             (long long)field->source, count);
  if (role > MLAAS_NTUPLE_STREAMED)
    *fault = "its structure is of a kind that is not known";
  else
    field->role = (enum mlaas_ntuple_role)role;
  if (version != 0)
    *fault = "it is of a newer version of its kind of field";
  return MLAAS_OK;
}

/* Whether the way up from a field never ends. */
static bool is_in_circle(const struct mlaas_ntuple *ntuple, uint32_t at) {
  for (size_t i = 0; i < ntuple->num_fields; i++, at = ntuple->fields[at].parent)
    if (ntuple->fields[at].parent == at)
      return false;
  return ntuple->fields[at].parent != at;
}

/* From each field up to the top: where that is, and that it gets there. */
static enum mlaas_status find_tops(struct mlaas_ntuple_build *build) {
  const struct mlaas_ntuple *ntuple = build->ntuple;
  for (uint32_t i = 0; i < ntuple->num_fields; i++) {
    uint32_t at = i;
    for (int depth = 1; ntuple->fields[at].parent != at; depth++) {
      at = ntuple->fields[at].parent;
      enum mlaas_status status =
          mlaas_budget_check(build->container->budget, MLAAS_CEILING_NESTING, depth, build->error);
      if (status != MLAAS_OK && is_in_circle(ntuple, i))
        return mlaas_fail(build->error, MLAAS_FORMAT, "field %u (%s) is nested in itself", i, ntuple->fields[i].name);
      if (status != MLAAS_OK)
        return mlaas_fail_in(build->error, status, "field %s", ntuple->fields[i].name);
    }
    build->top[i] = at;
  }
  return MLAAS_OK;
}

static enum mlaas_status list_children(struct mlaas_ntuple_build *build) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  uint32_t *room = mlaas_arena_alloc(&ntuple->arena, ntuple->num_fields, sizeof *room, build->error);
  if (!room)
    return build->error->status;
  for (uint32_t i = 0; i < ntuple->num_fields; i++)
    if (ntuple->fields[i].parent != i)
      ntuple->fields[ntuple->fields[i].parent].num_children++;
  for (uint32_t i = 0; i < ntuple->num_fields; i++) {
    ntuple->fields[i].children = room;
    room += ntuple->fields[i].num_children;
    ntuple->fields[i].num_children = 0;
  }
  for (uint32_t i = 0; i < ntuple->num_fields; i++)
    if (ntuple->fields[i].parent != i) {
      struct mlaas_ntuple_field *parent = &ntuple->fields[ntuple->fields[i].parent];
      parent->children[parent->num_children++] = i;
    }
  return MLAAS_OK;
}

static enum mlaas_status read_fields(struct schema *schema) {
  struct mlaas_ntuple_build *build = schema->build;
  struct mlaas_ntuple *ntuple = build->ntuple;
  size_t count = count_items(schema, FIELDS);
  MLAAS_TRY(mlaas_budget_check(build->container->budget, MLAAS_CEILING_COLUMNS, (int64_t)count, build->error));
  ntuple->fields = mlaas_arena_alloc(&ntuple->arena, count, sizeof *ntuple->fields, build->error);
  if (!ntuple->fields)
    return build->error->status;
  build->top = mlaas_arena_alloc(&build->scratch, count, sizeof *build->top, build->error);
  if (!build->top)
    return build->error->status;
  build->faults = mlaas_arena_alloc(&build->scratch, count, sizeof *build->faults, build->error);
  if (!build->faults)
    return build->error->status;
  ntuple->num_fields = count;
  MLAAS_TRY(each_item(schema, FIELDS, read_field));
  MLAAS_TRY(find_tops(build));
  MLAAS_TRY(list_children(build));
  for (uint32_t i = 0; i < count; i++) {
    const char *name = ntuple->fields[i].name;
    if (build->faults[i] && build->top[i] == i)
      MLAAS_TRY(mlaas_ntuple_refuse(build, i, "%s", build->faults[i]));
    else if (build->faults[i])
      MLAAS_TRY(mlaas_ntuple_refuse(build, i, "field %s in it: %s", name, build->faults[i]));
  }
  return MLAAS_OK;
}

/* ---- columns ---- */

bool mlaas_ntuple_bits(unsigned type, int *least, int *most) {
  static const uint8_t bits[MLAAS_NTUPLE_NUM_TYPES][2] = {
      [MLAAS_NTUPLE_BIT] = {1, 1},
      [MLAAS_NTUPLE_BYTE] = {8, 8},
      [MLAAS_NTUPLE_CHAR] = {8, 8},
      [MLAAS_NTUPLE_INT8] = {8, 8},
      [MLAAS_NTUPLE_UINT8] = {8, 8},
      [MLAAS_NTUPLE_INT16] = {16, 16},
      [MLAAS_NTUPLE_UINT16] = {16, 16},
      [MLAAS_NTUPLE_INT32] = {32, 32},
      [MLAAS_NTUPLE_UINT32] = {32, 32},
      [MLAAS_NTUPLE_INT64] = {64, 64},
      [MLAAS_NTUPLE_UINT64] = {64, 64},
      [MLAAS_NTUPLE_REAL16] = {16, 16},
      [MLAAS_NTUPLE_REAL32] = {32, 32},
      [MLAAS_NTUPLE_REAL64] = {64, 64},
      [MLAAS_NTUPLE_INDEX32] = {32, 32},
      [MLAAS_NTUPLE_INDEX64] = {64, 64},
      [MLAAS_NTUPLE_SWITCH] = {96, 96},
      [MLAAS_NTUPLE_SPLIT_INT16] = {16, 16},
      [MLAAS_NTUPLE_SPLIT_UINT16] = {16, 16},
      [MLAAS_NTUPLE_SPLIT_INT32] = {32, 32},
      [MLAAS_NTUPLE_SPLIT_UINT32] = {32, 32},
      [MLAAS_NTUPLE_SPLIT_INT64] = {64, 64},
      [MLAAS_NTUPLE_SPLIT_UINT64] = {64, 64},
      [MLAAS_NTUPLE_SPLIT_REAL16] = {16, 16},
      [MLAAS_NTUPLE_SPLIT_REAL32] = {32, 32},
      [MLAAS_NTUPLE_SPLIT_REAL64] = {64, 64},
      [MLAAS_NTUPLE_SPLIT_INDEX32] = {32, 32},
      [MLAAS_NTUPLE_SPLIT_INDEX64] = {64, 64},
      [MLAAS_NTUPLE_REAL32_TRUNC] = {10, 31},
      [MLAAS_NTUPLE_REAL32_QUANT] = {1, 32},
  };
  if (type >= MLAAS_NTUPLE_NUM_TYPES)
    return false;
  *least = bits[type][0];
  *most = bits[type][1];
  return true;
}

static double read_double(struct mlaas_cursor *cursor) {
  uint64_t word = mlaas_ntuple_little(cursor, 8);
  double value;
  memcpy(&value, &word, sizeof value);
  return value;
}

/* What the page decoder relies on. */
static enum mlaas_status check_column(struct mlaas_ntuple_build *build, const struct mlaas_ntuple_column *column,
                                      unsigned type) {
  const char *name = build->ntuple->fields[column->field].name;
  int least, most;
  if (!mlaas_ntuple_bits(type, &least, &most))
    return mlaas_ntuple_refuse(build, column->field, "field %s has a column of type 0x%02x, which is not known", name,
                               type);
  if (column->bits < least || column->bits > most)
    return mlaas_ntuple_refuse(build, column->field, "field %s has a column of type 0x%02x with %u bits an element",
                               name, type, column->bits);
  if (type == MLAAS_NTUPLE_REAL32_QUANT &&
      !(isfinite(column->minimum) && isfinite(column->maximum) && column->minimum < column->maximum))
    return mlaas_ntuple_refuse(build, column->field, "field %s has numbers between %g and %g in its column", name,
                               column->minimum, column->maximum);
  return MLAAS_OK;
}

static enum mlaas_status read_column(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id) {
  struct mlaas_ntuple_build *build = schema->build;
  struct mlaas_ntuple_column *column = &build->ntuple->columns[id];
  unsigned type = (unsigned)mlaas_ntuple_little(cursor, 2);
  column->type = (enum mlaas_ntuple_type)type;
  column->bits = (uint16_t)mlaas_ntuple_little(cursor, 2);
  column->field = (uint32_t)mlaas_ntuple_little(cursor, 4);
  unsigned flags = (unsigned)mlaas_ntuple_little(cursor, 2);
  column->representation = (uint16_t)mlaas_ntuple_little(cursor, 2);
  int64_t first = flags & DEFERRED ? (int64_t)mlaas_ntuple_little(cursor, 8) : 0;
  if (flags & RANGE) {
    column->minimum = read_double(cursor);
    column->maximum = read_double(cursor);
  }
  if (column->field >= build->ntuple->num_fields || first == INT64_MIN)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "column %u belongs to field %u of %zu and begins at element %lld", id,
                      column->field, build->ntuple->num_fields, (long long)first);
  MLAAS_TRY(cursor->status);
  column->first_element = first < 0 ? -first : first;
  build->counts[id].suppressed_late = first < 0;
  return check_column(build, column, type);
}

/* ---- which columns a field has ---- */

static enum mlaas_status read_alias(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id, uint32_t *physical,
                                    struct mlaas_ntuple_field **field) {
  struct mlaas_ntuple *ntuple = schema->build->ntuple;
  *physical = (uint32_t)mlaas_ntuple_little(cursor, 4);
  uint32_t shown = (uint32_t)mlaas_ntuple_little(cursor, 4);
  if (*physical >= ntuple->num_columns || shown >= ntuple->num_fields)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "alias column %u shows column %u of %zu in field %u of %zu", id, *physical,
                      ntuple->num_columns, shown, ntuple->num_fields);
  MLAAS_TRY(cursor->status);
  *field = &ntuple->fields[shown];
  if ((*field)->source != (int64_t)ntuple->columns[*physical].field)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT,
                             "alias column %u shows a column of field %u in field %u, which shows %lld", id,
                             ntuple->columns[*physical].field, shown, (long long)(*field)->source);
  return MLAAS_OK;
}

static enum mlaas_status count_alias(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id) {
  struct mlaas_ntuple_field *field;
  uint32_t physical;
  MLAAS_TRY(read_alias(schema, cursor, id, &physical, &field));
  field->num_columns++;
  return MLAAS_OK;
}

static enum mlaas_status attach_alias(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id) {
  struct mlaas_ntuple_field *field;
  uint32_t physical;
  MLAAS_TRY(read_alias(schema, cursor, id, &physical, &field));
  field->columns[field->num_columns++] = physical;
  return MLAAS_OK;
}

/* Representations are numbered from 0, follow each other and have as many columns each. */
static enum mlaas_status split_representations(struct mlaas_ntuple_build *build, uint32_t id) {
  struct mlaas_ntuple_field *field = &build->ntuple->fields[id];
  const struct mlaas_ntuple_column *columns = build->ntuple->columns;
  size_t each = 0;
  while (each < field->num_columns && columns[field->columns[each]].representation == 0)
    each++;
  field->columns_each = each ? each : field->num_columns;
  bool fits = field->num_columns == 0 || (each && field->num_columns % each == 0);
  for (size_t i = 0; fits && i < field->num_columns; i++)
    fits = columns[field->columns[i]].representation == i / each;
  return fits ? MLAAS_OK
              : mlaas_ntuple_refuse(build, id, "field %s has representations that do not match", field->name);
}

/* Room for all lists, by the counts; the counts begin again. */
static enum mlaas_status lay_out_columns(struct mlaas_ntuple_build *build, size_t count) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  uint32_t *room = mlaas_arena_alloc(&ntuple->arena, count, sizeof *room, build->error);
  if (!room)
    return build->error->status;
  for (size_t i = 0; i < ntuple->num_fields; i++) {
    ntuple->fields[i].columns = room;
    room += ntuple->fields[i].num_columns;
    ntuple->fields[i].num_columns = 0;
  }
  return MLAAS_OK;
}

static enum mlaas_status attach_columns(struct schema *schema) {
  struct mlaas_ntuple_build *build = schema->build;
  struct mlaas_ntuple *ntuple = build->ntuple;
  struct list aliases[2] = {schema->lists[0][ALIASES], schema->lists[1][ALIASES]};
  for (size_t i = 0; i < ntuple->num_columns; i++) {
    struct mlaas_ntuple_field *field = &ntuple->fields[ntuple->columns[i].field];
    if (field->source >= 0)
      return mlaas_fail(build->error, MLAAS_FORMAT, "field %s shows another one but has column %zu of its own",
                        field->name, i);
    field->num_columns++;
  }
  MLAAS_TRY(each_item(schema, ALIASES, count_alias));
  MLAAS_TRY(lay_out_columns(build, ntuple->num_columns + count_items(schema, ALIASES)));
  for (uint32_t i = 0; i < ntuple->num_columns; i++) {
    struct mlaas_ntuple_field *field = &ntuple->fields[ntuple->columns[i].field];
    field->columns[field->num_columns++] = i;
  }
  schema->lists[0][ALIASES] = aliases[0]; /* once more from the front */
  schema->lists[1][ALIASES] = aliases[1];
  MLAAS_TRY(each_item(schema, ALIASES, attach_alias));
  for (uint32_t i = 0; i < ntuple->num_fields; i++)
    MLAAS_TRY(split_representations(build, i));
  return MLAAS_OK;
}

/* How many elements an entry has in the first column of a field, if that does not depend on the data. */
static enum mlaas_status count_elements(struct mlaas_ntuple_build *build, uint32_t id,
                                        struct mlaas_ntuple_count *count) {
  const struct mlaas_ntuple_field *fields = build->ntuple->fields;
  uint32_t at = id;
  bool overflows = false;
  *count = (struct mlaas_ntuple_count){.fixed = true, .each = 1};
  for (;;) {
    if (fields[at].array_size)
      overflows |= __builtin_mul_overflow(count->each, fields[at].array_size, &count->each);
    if (fields[at].parent == at)
      break;
    at = fields[at].parent;
    count->fixed &= fields[at].role != MLAAS_NTUPLE_COLLECTION && fields[at].role != MLAAS_NTUPLE_VARIANT;
  }
  if (!overflows)
    return MLAAS_OK;
  count->fixed = false;
  return mlaas_ntuple_refuse(build, id, "field %s has more elements in an entry than can be counted", fields[id].name);
}

static enum mlaas_status count_all_elements(struct mlaas_ntuple_build *build) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  for (uint32_t i = 0; i < ntuple->num_fields; i++) {
    const struct mlaas_ntuple_field *field = &ntuple->fields[i];
    if (field->source >= 0)
      continue;
    for (size_t k = 0; k < field->num_columns; k++) {
      struct mlaas_ntuple_count *count = &build->counts[field->columns[k]], first;
      MLAAS_TRY(count_elements(build, i, &first));
      count->fixed = first.fixed && k % field->columns_each == 0;
      count->each = first.each;
      if (!count->fixed && ntuple->columns[field->columns[k]].first_element)
        MLAAS_TRY(mlaas_ntuple_refuse(build, i, "field %s has a deferred column within a collection", field->name));
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status read_columns(struct schema *schema) {
  struct mlaas_ntuple_build *build = schema->build;
  struct mlaas_ntuple *ntuple = build->ntuple;
  size_t count = count_items(schema, COLUMNS);
  MLAAS_TRY(mlaas_budget_check(build->container->budget, MLAAS_CEILING_COLUMNS, (int64_t)count, build->error));
  ntuple->columns = mlaas_arena_alloc(&ntuple->arena, count, sizeof *ntuple->columns, build->error);
  if (!ntuple->columns)
    return build->error->status;
  build->counts = mlaas_arena_alloc(&build->scratch, count, sizeof *build->counts, build->error);
  if (!build->counts)
    return build->error->status;
  ntuple->num_columns = count;
  build->header_columns = schema->lists[0][COLUMNS].count;
  MLAAS_TRY(each_item(schema, COLUMNS, read_column));
  MLAAS_TRY(attach_columns(schema));
  return count_all_elements(build);
}

/* ---- together ---- */

/* The streamer info of all streamed fields; other kinds of information may be ignored. */
static enum mlaas_status read_extra(struct schema *schema, struct mlaas_cursor *cursor, uint32_t id) {
  struct mlaas_ntuple *ntuple = schema->build->ntuple;
  (void)id;
  uint32_t content = (uint32_t)mlaas_ntuple_little(cursor, 4);
  mlaas_cursor_skip(cursor, 4); /* version of a type, and the type's name: not for streamer info */
  mlaas_cursor_skip(cursor, (int64_t)mlaas_ntuple_little(cursor, 4));
  MLAAS_TRY(cursor->status);
  if (content != 0)
    return MLAAS_OK;
  int64_t length = (int64_t)mlaas_ntuple_little(cursor, 4);
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, length);
  if (!bytes || !length)
    return cursor->status;
  uint8_t *copy = mlaas_arena_alloc(&ntuple->arena, (size_t)length, 1, schema->build->error);
  if (!copy)
    return schema->build->error->status;
  ntuple->streamers = memcpy(copy, bytes, (size_t)length);
  ntuple->streamers_size = length;
  return MLAAS_OK;
}

enum mlaas_status mlaas_ntuple_schema(struct mlaas_ntuple_build *build, struct mlaas_cursor *header,
                                      struct mlaas_cursor *extension) {
  struct schema schema = {.build = build};
  find_lists(header, schema.lists[0]);
  MLAAS_TRY(header->status);
  if (extension) {
    find_lists(extension, schema.lists[1]);
    MLAAS_TRY(extension->status);
  }
  MLAAS_TRY(read_fields(&schema));
  MLAAS_TRY(read_columns(&schema));
  return each_item(&schema, EXTRAS, read_extra);
}

enum mlaas_status mlaas_ntuple_schema_finish(struct mlaas_ntuple_build *build) {
  struct mlaas_ntuple_field *fields = build->ntuple->fields;
  for (uint32_t i = 0; i < build->ntuple->num_fields; i++) {
    if (fields[i].source < 0)
      continue;
    uint32_t source = (uint32_t)fields[i].source, top = build->top[source];
    if (fields[source].source >= 0)
      MLAAS_TRY(mlaas_ntuple_refuse(build, i, "field %s shows field %s, which shows another one itself", fields[i].name,
                                    fields[source].name));
    else if (fields[top].unsupported && fields[top].source < 0)
      MLAAS_TRY(
          mlaas_ntuple_refuse(build, i, "it shows field %s, and there %s", fields[top].name, fields[top].unsupported));
  }
  return MLAAS_OK;
}
