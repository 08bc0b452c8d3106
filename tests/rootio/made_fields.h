/* Ntuples made by hand, for tests of reading: fields, columns and pages in memory, rows as text. */
#ifndef MLAAS_TESTS_ROOTIO_MADE_FIELDS_H
#define MLAAS_TESTS_ROOTIO_MADE_FIELDS_H

#include "base/context.h"
#include "column/arrow.h"
#include "rootio/read/ntuple_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

enum { MOST = 16, MOST_PAGES = 8 };

/* An ntuple whose pages lie one after another in `bytes`. */
struct made {
  uint8_t bytes[8192];
  size_t size;
  struct mlaas_ntuple_field fields[MOST];
  uint32_t children[MOST][MOST], columns_of[MOST][MOST];
  struct mlaas_ntuple_column columns[MOST];
  struct mlaas_ntuple_cluster clusters[MOST];
  struct mlaas_ntuple_range ranges[MOST][MOST];
  struct mlaas_ntuple_page pages[MOST][MOST][MOST_PAGES];
  struct mlaas_context *context;
  struct mlaas_file file;
  struct mlaas_file_table entry;
  struct mlaas_table table;
  struct mlaas_arena arena;
  struct mlaas_streamers streamers;
  struct mlaas_field_plan plan;
  struct mlaas_kept_page kept[MOST];
  struct mlaas_read_worker worker;
  struct mlaas_error error;
  bool lean;
};

static inline struct made *begin(void) {
  struct made *made = calloc(1, sizeof *made);
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 << 20, .threads = 1};
  assert_int_equal(mlaas_context_new(&options, &made->context, &made->error), MLAAS_OK);
  made->table.ntuple.fields = made->fields;
  made->table.ntuple.columns = made->columns;
  made->table.ntuple.clusters = made->clusters;
  made->entry.path = "made;1";
  made->table.entry = &made->entry;
  made->table.file = &made->file;
  mlaas_arena_init(&made->arena, mlaas_context_budget(made->context));
  mlaas_codec_init(&made->worker.codec, mlaas_context_budget(made->context));
  return made;
}

static inline void end(struct made *made) {
  mlaas_kept_pages_reset(made->kept, MOST);
  mlaas_arena_reset(&made->arena);
  mlaas_codec_reset(&made->worker.codec);
  mlaas_block_reset(&made->worker.stored);
  mlaas_block_reset(&made->worker.object);
  mlaas_block_reset(&made->worker.scratch);
  mlaas_free(made->worker.ranges);
  if (made->file.container.source)
    mlaas_source_put(made->file.container.source);
  assert_int_equal(mlaas_context_memory_held(made->context), 0);
  mlaas_context_put(made->context);
  free(made);
}

/* `parent` -1: top level. */
static inline uint32_t add_field(struct made *made, int parent, const char *name, const char *type,
                                 enum mlaas_ntuple_role role) {
  uint32_t id = (uint32_t)made->table.ntuple.num_fields++;
  struct mlaas_ntuple_field *field = &made->fields[id];
  *field = (struct mlaas_ntuple_field){.name = name,
                                       .type_name = type,
                                       .type_alias = "",
                                       .description = "",
                                       .parent = parent < 0 ? id : (uint32_t)parent,
                                       .role = role,
                                       .source = -1,
                                       .children = made->children[id],
                                       .columns = made->columns_of[id]};
  if (parent >= 0)
    made->fields[parent].children[made->fields[parent].num_children++] = id;
  return id;
}

/* One more column of the first representation; of others with add_representation. */
static inline uint32_t add_column(struct made *made, uint32_t field, enum mlaas_ntuple_type type, int bits) {
  uint32_t id = (uint32_t)made->table.ntuple.num_columns++;
  made->columns[id] = (struct mlaas_ntuple_column){.type = type, .bits = (uint16_t)bits, .field = field};
  made->fields[field].columns[made->fields[field].num_columns++] = id;
  made->fields[field].columns_each++;
  return id;
}

static inline uint32_t add_representation(struct made *made, uint32_t field, enum mlaas_ntuple_type type, int bits) {
  uint32_t id = add_column(made, field, type, bits);
  made->fields[field].columns_each--;
  return id;
}

static inline void add_cluster(struct made *made, int64_t entries) {
  size_t i = made->table.ntuple.num_clusters++;
  made->clusters[i] = (struct mlaas_ntuple_cluster){made->table.num_entries, entries, made->ranges[i]};
  made->table.num_entries += entries;
  for (size_t k = 0; k < MOST; k++)
    made->ranges[i][k].pages = made->pages[i][k];
}

/* A page of the last cluster, stored as it is, with its checksum. */
static inline void add_page(struct made *made, uint32_t column, int elements, const void *bytes) {
  size_t cluster = made->table.ntuple.num_clusters - 1, size = ((size_t)elements * made->columns[column].bits + 7) / 8;
  struct mlaas_ntuple_range *range = &made->ranges[cluster][column];
  assert_true(made->size + size + 8 <= sizeof made->bytes && range->num_pages < MOST_PAGES);
  range->pages[range->num_pages++] = (struct mlaas_ntuple_page){.first = range->elements,
                                                                .elements = elements,
                                                                .stored = (int32_t)size,
                                                                .size = (int32_t)size,
                                                                .checksum = true,
                                                                .seek = (int64_t)made->size};
  range->elements += elements;
  memcpy(made->bytes + made->size, bytes, size);
  uint64_t hash = XXH3_64bits(bytes, size);
  memcpy(made->bytes + made->size + size, &hash, 8);
  made->size += size + 8;
}

/* The reader of top-level field 0; on success the array is the caller's. */
static inline enum mlaas_status read_range(struct made *made, int64_t start, int64_t stop, struct ArrowArray *array) {
  struct mlaas_fields_job job = {.table = &made->table,
                                 .budget = mlaas_context_budget(made->context),
                                 .pool = mlaas_context_pool(made->context),
                                 .workers = &made->worker,
                                 .start = start,
                                 .stop = stop,
                                 .lean = made->lean};
  if (!made->plan.root)
    assert_int_equal(
        mlaas_field_plan_make(&made->table.ntuple, &made->streamers, 0, &made->arena, &made->plan, &made->error),
        MLAAS_OK);
  assert_null(made->plan.unsupported);
  if (!made->file.container.source)
    assert_int_equal(mlaas_source_from_memory(made->bytes, made->size, &made->file.container.source, &made->error),
                     MLAAS_OK);
  mlaas_arena_init(&job.arena, job.budget);
  job.fields = mlaas_arena_alloc(&job.arena, 1, sizeof *job.fields, &made->error);
  job.num_fields = 1;
  job.fields[0] = (struct mlaas_field_read){.plan = &made->plan, .name = made->fields[0].name, .kept = made->kept};
  enum mlaas_status status = mlaas_fields_job_run(&job, &made->error);
  if (status == MLAAS_OK)
    status = mlaas_node_array(made->plan.root, stop - start, job.fields[0].blocks, array, &made->error);
  mlaas_fields_job_reset(&job);
  return status;
}

/* ---- a row as text ---- */

static inline void write_row(const struct mlaas_node *node, const struct ArrowArray *array, int64_t row, char **out);

static inline void write_members(const struct mlaas_node *node, const struct ArrowArray *array, size_t *next,
                                 int64_t row, char **out) {
  for (size_t i = 0; i < node->num_children; i++) {
    if (node->children[i].inlined) {
      write_members(&node->children[i], array, next, row, out);
      continue;
    }
    *out += sprintf(*out, "%s=", node->children[i].name);
    write_row(&node->children[i], array->children[(*next)++], row, out);
    *(*out)++ = ' ';
  }
}

static inline void write_value(const struct mlaas_node *node, const void *values, int64_t row, char **out) {
  switch (node->format[0]) {
  case 'b':
    *out += sprintf(*out, "%d", ((const uint8_t *)values)[row / 8] >> row % 8 & 1);
    break;
  case 'c':
    *out += sprintf(*out, "%d", ((const int8_t *)values)[row]);
    break;
  case 'C':
    *out += sprintf(*out, "%d", ((const uint8_t *)values)[row]);
    break;
  case 'i':
    *out += sprintf(*out, "%d", ((const int32_t *)values)[row]);
    break;
  case 'l':
    *out += sprintf(*out, "%lld", (long long)((const int64_t *)values)[row]);
    break;
  case 'f':
    *out += sprintf(*out, "%g", (double)((const float *)values)[row]);
    break;
  default:
    *out += sprintf(*out, "%.12g", ((const double *)values)[row]);
  }
}

static inline void write_row(const struct mlaas_node *node, const struct ArrowArray *array, int64_t row, char **out) {
  const uint8_t *there = array->buffers[0];
  const int32_t *offsets = array->n_buffers > 1 ? array->buffers[1] : NULL;
  size_t next = 0;
  if (node->kind == MLAAS_NODE_OPTION) {
    if (there && !(there[row / 8] >> row % 8 & 1))
      *out += sprintf(*out, "-");
    else
      write_row(node->children, array, row, out);
    return;
  }
  switch (node->kind) {
  case MLAAS_NODE_LIST:
    *(*out)++ = '[';
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
      write_row(node->children, array->children[0], i, out);
      *(*out)++ = ' ';
    }
    *(*out)++ = ']';
    break;
  case MLAAS_NODE_FIXED:
    *(*out)++ = '(';
    for (int64_t i = row * node->size; i < (row + 1) * node->size; i++) {
      write_row(node->children, array->children[0], i, out);
      *(*out)++ = ' ';
    }
    *(*out)++ = ')';
    break;
  case MLAAS_NODE_STRUCT:
    *(*out)++ = '{';
    write_members(node, array, &next, row, out);
    *(*out)++ = '}';
    break;
  case MLAAS_NODE_TEXT:
    *out += sprintf(*out, "'%.*s'", offsets[row + 1] - offsets[row], (const char *)array->buffers[2] + offsets[row]);
    break;
  default:
    write_value(node, array->buffers[1], row, out);
  }
}

static inline void write_rows(const struct made *made, const struct ArrowArray *array, char *text) {
  for (int64_t i = 0; i < array->length; i++) {
    write_row(made->plan.root, array, i, &text);
    *text++ = ';';
  }
  *text = 0;
}

/* Every way of cutting the entries gives the rows of `wanted`, "row;row;...". */
static inline void assert_rows(struct made *made, const char *wanted) {
  for (int64_t step = made->table.num_entries; step > 0; step--)
    for (int lean = 0; lean < 2; lean++) {
      char text[4096] = "", *at = text;
      made->lean = lean;
      for (int64_t start = 0; start < made->table.num_entries; start += step) {
        int64_t stop = start + step < made->table.num_entries ? start + step : made->table.num_entries;
        struct ArrowArray array;
        enum mlaas_status status = read_range(made, start, stop, &array);
        if (status != MLAAS_OK)
          fail_msg("%s: %s", made->error.where, made->error.message);
        write_rows(made, &array, at);
        at += strlen(at);
        mlaas_array_release(&array);
      }
      mlaas_kept_pages_reset(made->kept, MOST);
      assert_string_equal(text, wanted);
    }
  struct ArrowArray array;
  assert_int_equal(read_range(made, 0, 0, &array), MLAAS_OK);
  assert_int_equal(array.length, 0);
  mlaas_array_release(&array);
}

/* Reading all of it fails with this status and a message that has `word` in it. */
static inline void assert_fails(struct made *made, enum mlaas_status wanted, const char *word) {
  struct ArrowArray array;
  assert_int_equal(read_range(made, 0, made->table.num_entries, &array), wanted);
  if (!strstr(made->error.message, word))
    fail_msg("%s: %s", made->error.where, made->error.message);
  assert_non_null(strstr(made->error.where, "field "));
  assert_non_null(strstr(made->error.where, "made;1"));
}

static inline void assert_refused(struct made *made, const char *word) {
  struct mlaas_field_plan plan;
  assert_int_equal(mlaas_field_plan_make(&made->table.ntuple, &made->streamers, 0, &made->arena, &plan, &made->error),
                   MLAAS_OK);
  assert_non_null(plan.unsupported);
  assert_non_null(strstr(plan.unsupported, word));
  assert_null(plan.root);
}

#endif
