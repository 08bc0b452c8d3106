/* Random Arrow columns for tests, in plain memory, with a plain way to ask for a value: the slow truth that fast code
 * is compared with.
 */
#ifndef MLAAS_TESTS_COLUMNS_H
#define MLAAS_TESTS_COLUMNS_H

#include <mlaas/arrow.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A column as it is drawn: kind "" (flat), "+l", "+L", "+w:3"; format of the values; whether there are nulls. */
struct test_column {
  const char *name, *kind, *format;
  bool nulls;
  int longest;
};

struct test_table {
  struct ArrowSchema schema;
  struct ArrowArray array;
};

static uint64_t test_random_state = 88172645463325252u;

static uint64_t test_random(void) {
  test_random_state ^= test_random_state << 13;
  test_random_state ^= test_random_state >> 7;
  test_random_state ^= test_random_state << 17;
  return test_random_state;
}

static inline size_t test_size(char format) {
  switch (format) {
  case 's':
  case 'S':
    return 2;
  case 'i':
  case 'I':
  case 'f':
    return 4;
  case 'l':
  case 'L':
  case 'g':
    return 8;
  default:
    return 1;
  }
}

/* Integers of all sizes; floats with NaN, infinities and -999 among them. */
static inline void test_value(char format, void *at) {
  uint64_t bits = test_random();
  double number = (double)(int64_t)(bits % 20001) / 7 - 1000;
  unsigned odd = (unsigned)(bits >> 40) % 40;
  if (odd == 0)
    number = (double)__builtin_nan("");
  else if (odd == 1)
    number = -999;
  else if (odd == 2)
    number = (bits & 1) ? (double)__builtin_inf() : -(double)__builtin_inf();
  else if (odd == 3)
    number = 0;
  float single = (float)number;
  if (format == 'g')
    memcpy(at, &number, 8);
  else if (format == 'f')
    memcpy(at, &single, 4);
  else
    memcpy(at, odd < 20 ? &(int64_t){odd == 5 ? -999 : (int64_t)odd} : (int64_t *)&bits, test_size(format));
}

static inline const void **test_buffers(struct ArrowArray *array, size_t count) {
  array->n_buffers = (int64_t)count;
  return array->buffers = calloc(count, sizeof(void *));
}

static inline void *test_bits(int64_t bits) {
  uint8_t *made = malloc((size_t)bits / 8 + 1);
  for (int64_t i = 0; i <= bits / 8; i++)
    made[i] = (uint8_t)test_random();
  return made;
}

/* Values with an offset of their own, so that offsets are never 0 by chance. */
static inline void test_fill_values(struct ArrowArray *array, char format, int64_t length, bool nulls) {
  const void **buffers = test_buffers(array, 2);
  array->offset = (int64_t)(test_random() % 5);
  array->length = length;
  int64_t all = length + array->offset;
  size_t size = test_size(format);
  char *values = format == 'b' ? test_bits(all) : malloc((size_t)all * size + 1);
  for (int64_t i = 0; format != 'b' && i < all; i++)
    test_value(format, values + (size_t)i * size);
  buffers[1] = values;
  if (nulls) {
    buffers[0] = test_bits(all);
    array->null_count = -1;
  }
}

static inline int64_t test_fill_offsets(struct ArrowArray *array, bool large, int64_t all, int longest) {
  int64_t at = (int64_t)(test_random() % 3);
  const void **buffers = test_buffers(array, 2);
  int64_t *wide = malloc((size_t)(all + 1) * 8);
  int32_t *narrow = malloc((size_t)(all + 1) * 4);
  for (int64_t i = 0; i <= all; i++) {
    wide[i] = at;
    narrow[i] = (int32_t)at;
    at += (int64_t)(test_random() % (uint64_t)(longest + 1));
  }
  at = wide[all];
  buffers[1] = large ? (void *)wide : (void *)narrow;
  free(large ? (void *)narrow : (void *)wide);
  return at;
}

static inline void test_make_column(const struct test_column *column, int64_t rows, struct ArrowSchema *schema,
                                    struct ArrowArray *array) {
  schema->name = column->name;
  schema->format = column->kind[0] ? column->kind : column->format;
  if (!column->kind[0]) {
    test_fill_values(array, column->format[0], rows, column->nulls);
    return;
  }
  schema->n_children = array->n_children = 1;
  schema->children = calloc(1, sizeof(void *));
  array->children = calloc(1, sizeof(void *));
  schema->children[0] = calloc(1, sizeof **schema->children);
  array->children[0] = calloc(1, sizeof **array->children);
  schema->children[0]->format = column->format;
  array->length = rows;
  array->offset = (int64_t)(test_random() % 4);
  int64_t all = rows + array->offset, values;
  if (column->kind[1] == 'w') {
    test_buffers(array, 1);
    values = all * strtoll(column->kind + 3, NULL, 10);
  } else {
    values = test_fill_offsets(array, column->kind[1] == 'L', all, column->longest);
  }
  if (column->nulls) {
    array->buffers[0] = test_bits(all);
    array->null_count = -1;
  }
  test_fill_values(array->children[0], column->format[0], values, column->nulls);
}

static inline void test_table_make(struct test_table *table, const struct test_column *columns, size_t count,
                                   int64_t rows) {
  int64_t offset = (int64_t)(test_random() % 3);
  memset(table, 0, sizeof *table);
  table->schema.format = "+s";
  table->schema.n_children = table->array.n_children = (int64_t)count;
  table->schema.children = calloc(count, sizeof(void *));
  table->array.children = calloc(count, sizeof(void *));
  table->array.length = rows;
  table->array.offset = offset;
  test_buffers(&table->array, 1);
  for (size_t i = 0; i < count; i++) {
    table->schema.children[i] = calloc(1, sizeof **table->schema.children);
    table->array.children[i] = calloc(1, sizeof **table->array.children);
    test_make_column(&columns[i], rows + offset, table->schema.children[i], table->array.children[i]);
  }
}

static inline void test_free_array(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    test_free_array(array->children[i]);
    free(array->children[i]);
  }
  for (int64_t i = 0; i < array->n_buffers; i++)
    free((void *)(uintptr_t)array->buffers[i]);
  free(array->buffers);
  free(array->children);
}

static inline void test_table_free(struct test_table *table) {
  test_free_array(&table->array);
  for (int64_t i = 0; i < table->schema.n_children; i++) {
    struct ArrowSchema *child = table->schema.children[i];
    if (child->n_children)
      free(child->children[0]);
    free(child->children);
    free(child);
  }
  free(table->schema.children);
}

/* ---- asking, one value at a time ---- */

static inline bool test_valid(const struct ArrowArray *array, int64_t i) {
  const uint8_t *bits = array->null_count ? array->buffers[0] : NULL;
  i += array->offset;
  return !bits || (bits[i / 8] >> (i % 8) & 1);
}

/* Values [*begin, *begin + result) of row `row` of child `c` of the table; flat ones have one. */
static inline int64_t test_list(const struct test_table *table, int64_t c, int64_t row, int64_t *begin) {
  const struct ArrowArray *array = table->array.children[c];
  const char *format = table->schema.children[c]->format;
  row += table->array.offset;
  if (format[0] != '+') {
    *begin = row;
    return 1;
  }
  if (!test_valid(array, row))
    return *begin = 0;
  row += array->offset;
  if (format[1] == 'w') {
    *begin = row * strtoll(format + 3, NULL, 10);
    return strtoll(format + 3, NULL, 10);
  }
  const void *offsets = array->buffers[1];
  *begin = format[1] == 'l' ? ((const int32_t *)offsets)[row] : ((const int64_t *)offsets)[row];
  return (format[1] == 'l' ? ((const int32_t *)offsets)[row + 1] : ((const int64_t *)offsets)[row + 1]) - *begin;
}

/* Value i of child `c` as a double; false for null. */
static inline bool test_number(const struct test_table *table, int64_t c, int64_t i, double *number) {
  const struct ArrowArray *array = table->array.children[c];
  const char *format = table->schema.children[c]->format;
  if (format[0] == '+') {
    format = table->schema.children[c]->children[0]->format;
    array = array->children[0];
  }
  int64_t at = i + array->offset;
  const void *v = array->buffers[1];
  switch (format[0]) {
  case 'b':
    *number = ((const uint8_t *)v)[at / 8] >> (at % 8) & 1;
    break;
  case 'c':
    *number = ((const int8_t *)v)[at];
    break;
  case 'C':
    *number = ((const uint8_t *)v)[at];
    break;
  case 's':
    *number = ((const int16_t *)v)[at];
    break;
  case 'S':
    *number = ((const uint16_t *)v)[at];
    break;
  case 'i':
    *number = ((const int32_t *)v)[at];
    break;
  case 'I':
    *number = ((const uint32_t *)v)[at];
    break;
  case 'l':
    *number = (double)((const int64_t *)v)[at];
    break;
  case 'L':
    *number = (double)((const uint64_t *)v)[at];
    break;
  case 'f':
    *number = (double)((const float *)v)[at];
    break;
  default:
    *number = ((const double *)v)[at];
  }
  return test_valid(array, i);
}

#endif
