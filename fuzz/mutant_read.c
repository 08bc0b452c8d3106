/* Reads all of a file, column by column and object by object, into hashes that two readings can be compared by. */
#include "mutant.h"

#include <mlaas/object.h>
#include <mlaas/verify.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MOST_ROWS = 400000, ROWS_AT_ONCE = 100000, DEEPEST = 2000 };

/* ---- hashing ---- */

static void add(XXH3_state_t *hash, const void *data, int64_t size) {
  if (size > 0)
    XXH3_64bits_update(hash, data, (size_t)size);
}

static void add_number(XXH3_state_t *hash, int64_t number) { XXH3_64bits_update(hash, &number, sizeof number); }

static int64_t width_of(const char *format) {
  static const char widths[] = "c1C1s2S2i4I4l8L8e2f4g8";
  const char *at = format[1] ? NULL : strchr(widths, format[0]);
  return at ? at[1] - '0' : 0;
}

static void add_array(XXH3_state_t *hash, const struct ArrowSchema *schema, const struct ArrowArray *array);

static void add_texts(XXH3_state_t *hash, const struct ArrowArray *array) {
  const int32_t *offsets = array->buffers[1];
  add(hash, offsets, (array->length + 1) * 4);
  add(hash, array->buffers[2], offsets[array->length]);
}

static void add_bits(XXH3_state_t *hash, const uint8_t *bits, int64_t count) {
  add(hash, bits, count / 8);
  if (count % 8) {
    uint8_t last = (uint8_t)(bits[count / 8] & ((1 << count % 8) - 1));
    add(hash, &last, 1);
  }
}

/* Arrays of ours begin at row 0 and have 32-bit offsets. */
static void add_array(XXH3_state_t *hash, const struct ArrowSchema *schema, const struct ArrowArray *array) {
  const char *format = schema->format;
  add(hash, format, (int64_t)strlen(format));
  add_number(hash, array->length);
  if (array->n_buffers > 0 && array->buffers[0] && array->null_count)
    add_bits(hash, array->buffers[0], array->length);
  if (strcmp(format, "b") == 0)
    add_bits(hash, array->buffers[1], array->length);
  else if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0)
    add_texts(hash, array);
  else if (strcmp(format, "+l") == 0 || strcmp(format, "+m") == 0)
    add(hash, array->buffers[1], (array->length + 1) * 4);
  else if (width_of(format))
    add(hash, array->buffers[1], array->length * width_of(format));
  for (int64_t i = 0; i < array->n_children; i++)
    add_array(hash, schema->children[i], array->children[i]);
}

static void add_item(XXH3_state_t *hash, const struct mlaas_item *item, int depth) {
  add_number(hash, item->kind);
  add_number(hash, item->count);
  if (item->class_name)
    add(hash, item->class_name, (int64_t)strlen(item->class_name));
  switch (item->kind) {
  case MLAAS_ITEM_BOOL:
  case MLAAS_ITEM_INT:
  case MLAAS_ITEM_UINT:
  case MLAAS_ITEM_DOUBLE:
    add_number(hash, item->as.integer);
    break;
  case MLAAS_ITEM_TEXT:
    add(hash, item->as.text, item->count);
    break;
  case MLAAS_ITEM_ARRAY:
    add(hash, item->as.array.values, item->count * item->as.array.width);
    add(hash, item->as.array.shape, item->dimensions * (int64_t)sizeof(int64_t));
    break;
  case MLAAS_ITEM_LIST:
  case MLAAS_ITEM_MAP:
    for (int64_t i = 0; depth < DEEPEST && i < item->count * (item->kind == MLAAS_ITEM_MAP ? 2 : 1); i++)
      add_item(hash, &item->as.items[i], depth + 1);
    break;
  case MLAAS_ITEM_OBJECT:
    for (int64_t i = 0; depth < DEEPEST && i < item->count; i++)
      add_item(hash, &item->as.members[i].item, depth + 1);
    break;
  default: /* nothing, or what is hashed elsewhere */
    break;
  }
}

/* ---- the reading ---- */

static void put(struct mutant_reading *reading, uint64_t path, const char *name, enum mutant_outcome outcome,
                uint64_t digest) {
  if (reading->count == reading->room) {
    reading->room = reading->room ? reading->room * 2 : 64;
    reading->values = realloc(reading->values, reading->room * sizeof *reading->values);
    if (!reading->values)
      abort();
  }
  uint64_t full = name ? XXH3_64bits_withSeed(name, strlen(name), path) : path;
  reading->values[reading->count++] = (struct mutant_value){path, full, outcome, digest};
}

static uint64_t hash_text(const char *text) { return XXH3_64bits(text, strlen(text)); }

/* Rows of one column, up to the most that is read. */
static enum mutant_outcome read_column(struct mlaas_table *table, size_t column, XXH3_state_t *hash) {
  struct mlaas_reader *reader = NULL;
  struct ArrowSchema schema;
  struct mlaas_error error;
  int64_t rows = mlaas_table_num_entries(table), stop = rows < MOST_ROWS ? rows : MOST_ROWS;
  if (mlaas_table_schema(table, &column, 1, &schema, &error) != MLAAS_OK)
    return MUTANT_REFUSED;
  enum mlaas_status status = mlaas_reader_open(table, &column, 1, &reader, &error);
  add_number(hash, rows);
  for (int64_t at = 0; status == MLAAS_OK && at < stop; at += ROWS_AT_ONCE) {
    struct ArrowArray array;
    status = mlaas_reader_read(reader, at, at + ROWS_AT_ONCE < stop ? at + ROWS_AT_ONCE : stop, &array, &error);
    if (status == MLAAS_OK) {
      add_array(hash, schema.children[0], array.children[0]);
      array.release(&array);
    }
  }
  mlaas_reader_close(reader);
  schema.release(&schema);
  return status == MLAAS_OK ? MUTANT_READ : MUTANT_REFUSED;
}

static void read_table(struct mlaas_file *file, const char *path, XXH3_state_t *hash, struct mutant_reading *reading) {
  struct mlaas_table *table;
  struct mlaas_error error;
  uint64_t key = hash_text(path);
  if (mlaas_table_open(file, path, &table, &error) != MLAAS_OK) {
    put(reading, key, NULL, MUTANT_REFUSED, 0);
    return;
  }
  put(reading, key, "", MUTANT_READ, (uint64_t)mlaas_table_num_entries(table));
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    XXH3_64bits_reset(hash);
    enum mutant_outcome outcome = info.unsupported ? MUTANT_REFUSED : read_column(table, i, hash);
    put(reading, key, info.name, outcome, outcome == MUTANT_READ ? XXH3_64bits_digest(hash) : 0);
  }
  mlaas_table_close(table);
}

static void read_object(struct mlaas_file *file, const char *path, XXH3_state_t *hash, struct mutant_reading *reading) {
  struct mlaas_object *object;
  struct mlaas_histogram histogram;
  struct mlaas_error error;
  if (mlaas_object_open(file, path, &object, &error) != MLAAS_OK) {
    put(reading, hash_text(path), "object", MUTANT_REFUSED, 0);
    return;
  }
  XXH3_64bits_reset(hash);
  add_item(hash, mlaas_object_item(object), 0);
  if (mlaas_object_histogram(object, &histogram))
    for (int64_t i = 0; i < histogram.num_bins && i < MOST_ROWS; i++)
      add_number(hash, mlaas_histogram_value(&histogram, i) > 0);
  mlaas_object_close(object);
  put(reading, hash_text(path), "object", MUTANT_READ, XXH3_64bits_digest(hash));
}

void mutant_read(struct mlaas_context *context, const void *data, size_t size, struct mutant_reading *reading) {
  struct mlaas_source *source;
  struct mlaas_file *file;
  struct mlaas_error error;
  XXH3_state_t *hash = XXH3_createState();
  reading->count = 0;
  reading->sound = false;
  if (!hash || mlaas_source_from_memory(data, size, &source, &error) != MLAAS_OK)
    abort();
  if (mlaas_file_from_source(context, source, &file, &error) != MLAAS_OK) {
    put(reading, 0, NULL, MUTANT_REFUSED, 0);
  } else {
    for (size_t i = 0; i < mlaas_file_num_tables(file); i++) {
      struct mlaas_table_info info;
      mlaas_file_table(file, i, &info);
      read_table(file, info.path, hash, reading);
    }
    for (size_t i = 0; i < mlaas_file_num_objects(file); i++) {
      struct mlaas_object_info info;
      mlaas_file_object(file, i, &info);
      read_object(file, info.path, hash, reading);
    }
    struct mlaas_verify_report report = {.size = sizeof report};
    reading->sound = mlaas_file_verify(file, NULL, &report, &error) == MLAAS_OK && report.status == MLAAS_OK &&
                     report.unsupported == 0;
    mlaas_file_close(file);
  }
  XXH3_freeState(hash);
}
