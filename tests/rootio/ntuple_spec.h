/* A small ntuple as a table of numbers that a test can change before it is written down and read. */
#ifndef MLAAS_TESTS_ROOTIO_NTUPLE_SPEC_H
#define MLAAS_TESTS_ROOTIO_NTUPLE_SPEC_H

#include "base/error.h"
#include "ntuple_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST = 8, FILE_END = 1 << 20, UNKNOWN_LOCATOR = 1, LARGE_LOCATOR = 2 };

struct field_spec {
  const char *name, *type;
  uint32_t parent;
  uint16_t role, flags;
  uint64_t array_size;
  uint32_t source, checksum, version;
};

struct column_spec {
  uint16_t type, bits;
  uint32_t field;
  uint16_t flags, representation;
  int64_t first;
  double minimum, maximum;
};

struct page_spec {
  int32_t elements; /* negative: with checksum */
  uint32_t stored;
  uint64_t seek;
  int locator;
};

struct range_spec {
  int64_t offset;
  int num_pages;
  struct page_spec pages[3];
};

struct cluster_spec {
  uint64_t first, entries, flags;
  int num_ranges;
  struct range_spec ranges[MOST];
};

struct part_spec {
  int num_fields, num_columns, num_aliases;
  struct field_spec fields[MOST];
  struct column_spec columns[MOST];
  uint32_t aliases[MOST][2];
  const char *streamers;
};

struct spec {
  uint64_t features[3];
  int num_features;
  struct part_spec parts[2]; /* header, extension */
  int num_clusters, group_of[MOST];
  struct cluster_spec clusters[MOST];
  uint64_t footer_features, hash_change, group_shift, list_hash_change;
  int tail; /* bytes of the future behind each record, list and envelope */
};

/* A float x, a vector<int> v, a string s; clusters of 3 and 2 entries in two groups. */
static inline struct spec plain(void) {
  struct spec spec = {.num_features = 1,
                      .parts = {{.num_fields = 4,
                                 .num_columns = 5,
                                 .fields = {{"x", "float", 0, 0, 0, 0, 0, 0, 0},
                                            {"v", "std::vector<std::int32_t>", 1, 1, 0, 0, 0, 0, 0},
                                            {"_0", "std::int32_t", 1, 0, 0, 0, 0, 0, 0},
                                            {"s", "std::string", 3, 0, 0, 0, 0, 0, 0}},
                                 .columns = {{MLAAS_NTUPLE_REAL32, 32, 0, 0, 0, 0, 0, 0},
                                             {MLAAS_NTUPLE_SPLIT_INDEX64, 64, 1, 0, 0, 0, 0, 0},
                                             {MLAAS_NTUPLE_INT32, 32, 2, 0, 0, 0, 0, 0},
                                             {MLAAS_NTUPLE_INDEX32, 32, 3, 0, 0, 0, 0, 0},
                                             {MLAAS_NTUPLE_CHAR, 8, 3, 0, 0, 0, 0, 0}}}},
                      .num_clusters = 2,
                      .group_of = {0, 1},
                      .clusters = {{0,
                                    3,
                                    0,
                                    5,
                                    {{0, 2, {{2, 8, 1000, 0}, {-1, 4, 1008, 0}}},
                                     {0, 1, {{-3, 20, 1100, 0}}},
                                     {0, 2, {{4, 16, 1200, 0}, {5, 20, 1300, 0}}},
                                     {0, 1, {{3, 12, 1400, 0}}},
                                     {0, 0, {{0}}}}},
                                   {3,
                                    2,
                                    0,
                                    5,
                                    {{3, 1, {{2, 8, 2000, 0}}},
                                     {3, 1, {{-2, 16, 2100, 0}}},
                                     {9, 1, {{4, 16, 2200, LARGE_LOCATOR}}},
                                     {3, 1, {{2, 8, 2300, 0}}},
                                     {0, 1, {{7, 7, 2400, 0}}}}}}};
  return spec;
}

/* ---- writing it down ---- */

static inline void end_frame(const struct spec *spec, struct bytes *bytes, size_t start) {
  for (int i = 0; i < spec->tail; i++)
    bytes_put(bytes, 0xEE, 1);
  bytes_end(bytes, start);
}

static inline void put_fields(const struct spec *spec, const struct part_spec *part, struct bytes *bytes) {
  size_t list = bytes_list(bytes, (uint32_t)part->num_fields);
  for (int i = 0; i < part->num_fields; i++) {
    const struct field_spec *field = &part->fields[i];
    size_t frame = bytes_record(bytes);
    bytes_put(bytes, field->version, 4);
    bytes_put(bytes, 7, 4);
    bytes_put(bytes, field->parent, 4);
    bytes_put(bytes, field->role, 2);
    bytes_put(bytes, field->flags, 2);
    bytes_text(bytes, field->name);
    bytes_text(bytes, field->type);
    bytes_text(bytes, "alias");
    bytes_text(bytes, "about");
    if (field->flags & 1)
      bytes_put(bytes, field->array_size, 8);
    if (field->flags & 2)
      bytes_put(bytes, field->source, 4);
    if (field->flags & 4)
      bytes_put(bytes, field->checksum, 4);
    end_frame(spec, bytes, frame);
  }
  end_frame(spec, bytes, list);
}

static inline void put_columns(const struct spec *spec, const struct part_spec *part, struct bytes *bytes) {
  size_t list = bytes_list(bytes, (uint32_t)part->num_columns);
  for (int i = 0; i < part->num_columns; i++) {
    const struct column_spec *column = &part->columns[i];
    size_t frame = bytes_record(bytes);
    bytes_put(bytes, column->type, 2);
    bytes_put(bytes, column->bits, 2);
    bytes_put(bytes, column->field, 4);
    bytes_put(bytes, column->flags, 2);
    bytes_put(bytes, column->representation, 2);
    if (column->flags & 1)
      bytes_put(bytes, (uint64_t)column->first, 8);
    if (column->flags & 2) {
      bytes_copy(bytes, &column->minimum, 8);
      bytes_copy(bytes, &column->maximum, 8);
    }
    end_frame(spec, bytes, frame);
  }
  end_frame(spec, bytes, list);
}

static inline void put_part(const struct spec *spec, const struct part_spec *part, struct bytes *bytes) {
  put_fields(spec, part, bytes);
  put_columns(spec, part, bytes);
  size_t list = bytes_list(bytes, (uint32_t)part->num_aliases);
  for (int i = 0; i < part->num_aliases; i++) {
    size_t frame = bytes_record(bytes);
    bytes_put(bytes, part->aliases[i][0], 4);
    bytes_put(bytes, part->aliases[i][1], 4);
    end_frame(spec, bytes, frame);
  }
  end_frame(spec, bytes, list);
  list = bytes_list(bytes, part->streamers ? 2 : 0);
  for (uint32_t content = 0; part->streamers && content < 2; content++) { /* the second is of an unknown kind */
    size_t frame = bytes_record(bytes);
    bytes_put(bytes, content, 4);
    bytes_put(bytes, 0, 4);
    bytes_text(bytes, content ? "T" : "");
    bytes_text(bytes, content ? "what nobody knows" : part->streamers);
    end_frame(spec, bytes, frame);
  }
  end_frame(spec, bytes, list);
}

static inline void put_page(struct bytes *bytes, const struct page_spec *page) {
  bytes_put(bytes, (uint64_t)page->elements, 4);
  if (page->locator == LARGE_LOCATOR) {
    bytes_put(bytes, -(0x01000000ull | 20), 4);
    bytes_put(bytes, page->stored, 8);
    bytes_put(bytes, page->seek, 8);
  } else if (page->locator == UNKNOWN_LOCATOR) {
    bytes_put(bytes, -(0x05000000ull | 15), 4);
    bytes_copy(bytes, "elsewhere!!", 11);
  } else {
    bytes_put(bytes, page->stored, 4);
    bytes_put(bytes, page->seek, 8);
  }
}

static inline void put_range(const struct spec *spec, struct bytes *bytes, const struct range_spec *range) {
  size_t list = bytes_list(bytes, (uint32_t)range->num_pages);
  for (int i = 0; i < range->num_pages; i++)
    put_page(bytes, &range->pages[i]);
  bytes_put(bytes, (uint64_t)range->offset, 8);
  if (range->offset >= 0)
    bytes_put(bytes, 505, 4);
  end_frame(spec, bytes, list);
}

static inline struct bytes page_list(const struct spec *spec, const struct ntuple_file *file, int group,
                                     uint32_t *count) {
  struct bytes bytes = {0};
  *count = 0;
  for (int i = 0; i < spec->num_clusters; i++)
    *count += spec->group_of[i] == group;
  bytes_put(&bytes, file->header_hash + spec->list_hash_change, 8);
  size_t list = bytes_list(&bytes, *count);
  for (int i = 0; i < spec->num_clusters; i++) {
    if (spec->group_of[i] != group)
      continue;
    size_t frame = bytes_record(&bytes);
    bytes_put(&bytes, spec->clusters[i].first, 8);
    bytes_put(&bytes, spec->clusters[i].entries | spec->clusters[i].flags << 56, 8);
    end_frame(spec, &bytes, frame);
  }
  end_frame(spec, &bytes, list);
  list = bytes_list(&bytes, *count);
  for (int i = 0; i < spec->num_clusters; i++) {
    const struct cluster_spec *cluster = &spec->clusters[i];
    if (spec->group_of[i] != group)
      continue;
    size_t columns = bytes_list(&bytes, (uint32_t)cluster->num_ranges);
    for (int k = 0; k < cluster->num_ranges; k++)
      put_range(spec, &bytes, &cluster->ranges[k]);
    end_frame(spec, &bytes, columns);
  }
  end_frame(spec, &bytes, list);
  for (int i = 0; i < spec->tail; i++)
    bytes_put(&bytes, 0xEE, 1);
  return bytes;
}

static inline struct bytes put_groups(const struct spec *spec, struct ntuple_file *file) {
  struct bytes groups = {0};
  int count = 0;
  for (int i = 0; i < spec->num_clusters; i++)
    count = spec->group_of[i] >= count ? spec->group_of[i] + 1 : count;
  size_t list = bytes_list(&groups, (uint32_t)count);
  for (int group = 0; group < count; group++) {
    uint64_t first = UINT64_MAX, entries = 0;
    uint32_t clusters;
    for (int i = 0; i < spec->num_clusters; i++)
      if (spec->group_of[i] == group) {
        first = spec->clusters[i].first < first ? spec->clusters[i].first : first;
        entries += spec->clusters[i].entries;
      }
    struct bytes pages = page_list(spec, file, group, &clusters);
    size_t frame = bytes_record(&groups);
    bytes_put(&groups, first + spec->group_shift, 8);
    bytes_put(&groups, entries, 8);
    bytes_put(&groups, clusters, 4);
    bytes_put(&groups, pages.size + 16, 8);
    bytes_put(&groups, pages.size + 16, 4);
    bytes_put(&groups, ntuple_file_add(file, 3, &pages), 8);
    end_frame(spec, &groups, frame);
    free(pages.data);
  }
  end_frame(spec, &groups, list);
  return groups;
}

static inline struct ntuple_file write_spec(const struct spec *spec) {
  struct ntuple_file file = ntuple_file_new();
  struct bytes header = {0}, footer = {0};
  for (int i = 0; i < spec->num_features; i++)
    bytes_put(&header, spec->features[i], 8);
  bytes_text(&header, "name");
  bytes_text(&header, "text");
  bytes_text(&header, "hand");
  put_part(spec, &spec->parts[0], &header);
  for (int i = 0; i < spec->tail; i++)
    bytes_put(&header, 0xEE, 1);
  ntuple_file_add(&file, 1, &header);
  struct bytes groups = put_groups(spec, &file);
  bytes_put(&footer, spec->footer_features, 8);
  bytes_put(&footer, file.header_hash + spec->hash_change, 8);
  size_t frame = bytes_record(&footer);
  if (spec->parts[1].num_fields || spec->parts[1].num_columns || spec->parts[1].streamers || spec->tail)
    put_part(spec, &spec->parts[1], &footer);
  bytes_end(&footer, frame);
  bytes_copy(&footer, groups.data, groups.size);
  end_frame(spec, &footer, bytes_list(&footer, 0)); /* attribute sets */
  ntuple_file_add(&file, 2, &footer);
  ntuple_file_finish(&file);
  free(header.data);
  free(footer.data);
  free(groups.data);
  return file;
}

static struct mlaas_error last; /* of the last reading */

/* Reads what the spec says; on success the caller resets `ntuple`. Nothing is held after a failure. */
static inline enum mlaas_status read_spec(const struct spec *spec, struct mlaas_ntuple *ntuple) {
  static struct mlaas_budget *budget;
  budget = budget ? budget : mlaas_budget_new(16 << 20);
  struct ntuple_file file = write_spec(spec);
  enum mlaas_status status = ntuple_file_read(&file, FILE_END, budget, ntuple, &last);
  if (status != MLAAS_OK)
    assert_int_equal(mlaas_budget_held(budget), 0);
  free(file.bytes.data);
  return status;
}

static inline void expect_failure(const struct spec *spec, enum mlaas_status due, const char *words) {
  struct mlaas_ntuple ntuple;
  enum mlaas_status status = read_spec(spec, &ntuple);
  if (status != due || !strstr(last.message, words))
    fail_msg("status %d instead of %d: %s", status, due, status ? last.message : "read without complaint");
}

static inline void expect_read(const struct spec *spec) {
  struct mlaas_ntuple ntuple;
  if (read_spec(spec, &ntuple) != MLAAS_OK)
    fail_msg("%s", last.message);
  for (uint32_t i = 0; i < ntuple.num_fields; i++)
    assert_null(ntuple.fields[i].unsupported);
  mlaas_ntuple_reset(&ntuple);
}

/* Only the top-level field `top` is refused, for a reason with these words. */
static inline void expect_refusal(const struct spec *spec, uint32_t top, const char *words) {
  struct mlaas_ntuple ntuple;
  if (read_spec(spec, &ntuple) != MLAAS_OK)
    fail_msg("%s", last.message);
  for (uint32_t i = 0; i < ntuple.num_fields; i++) {
    const char *reason = ntuple.fields[i].unsupported;
    if (i == top && (!reason || !strstr(reason, words)))
      fail_msg("field %u: %s", i, reason ? reason : "not refused");
    if (i != top)
      assert_null(reason);
  }
  mlaas_ntuple_reset(&ntuple);
}

static inline void check_plain(const struct spec *spec) {
  struct mlaas_ntuple ntuple;
  if (read_spec(spec, &ntuple) != MLAAS_OK)
    fail_msg("%s", last.message);
  assert_string_equal(ntuple.name, "name");
  assert_string_equal(ntuple.description, "text");
  assert_string_equal(ntuple.writer, "hand");
  assert_int_equal(ntuple.entries, 5);
  assert_int_equal(ntuple.num_fields, 4);
  assert_int_equal(ntuple.num_columns, 5);
  const struct mlaas_ntuple_field *fields = ntuple.fields;
  assert_string_equal(fields[1].name, "v");
  assert_string_equal(fields[1].type_name, "std::vector<std::int32_t>");
  assert_string_equal(fields[1].type_alias, "alias");
  assert_string_equal(fields[1].description, "about");
  assert_int_equal(fields[1].type_version, 7);
  assert_int_equal(fields[1].role, MLAAS_NTUPLE_COLLECTION);
  assert_int_equal(fields[1].num_children, 1);
  assert_int_equal(fields[1].children[0], 2);
  assert_int_equal(fields[1].source, -1);
  assert_int_equal(fields[3].num_columns, 2);
  assert_int_equal(fields[3].columns_each, 2);
  assert_int_equal(fields[3].columns[1], 4);
  for (int i = 0; i < 4; i++)
    assert_null(fields[i].unsupported);
  assert_int_equal(ntuple.num_clusters, 2);
  const struct mlaas_ntuple_range *ranges = ntuple.clusters[0].ranges;
  assert_int_equal(ranges[0].num_pages, 2);
  assert_int_equal(ranges[0].elements, 3);
  assert_int_equal(ranges[0].compression, 505);
  assert_int_equal(ranges[0].pages[1].first, 2);
  assert_int_equal(ranges[0].pages[1].stored, 4);
  assert_int_equal(ranges[0].pages[1].size, 4);
  assert_int_equal(ranges[0].pages[1].seek, 1008);
  assert_true(ranges[0].pages[1].checksum && !ranges[0].pages[0].checksum);
  assert_int_equal(ranges[4].elements, 0);
  ranges = ntuple.clusters[1].ranges;
  assert_int_equal(ntuple.clusters[1].first_entry, 3);
  assert_int_equal(ranges[2].first, 9);
  assert_int_equal(ranges[2].pages[0].seek, 2200);
  assert_int_equal(ranges[2].pages[0].stored, 16);
  assert_int_equal(ranges[4].first, 0);
  mlaas_ntuple_reset(&ntuple);
}

/* The size of v, and v once more. */
static inline struct spec projected(void) {
  struct spec spec = plain();
  spec.parts[0].num_fields = 7;
  spec.parts[0].fields[4] = (struct field_spec){"nv", "ROOT::RNTupleCardinality<std::uint32_t>", 4, 0, 2, 0, 1, 0, 0};
  spec.parts[0].fields[5] = (struct field_spec){"u", "std::vector<std::int32_t>", 5, 1, 6, 0, 1, 99, 0};
  spec.parts[0].fields[6] = (struct field_spec){"_0", "std::int32_t", 5, 0, 2, 0, 2, 0, 0};
  spec.parts[0].num_aliases = 3;
  const uint32_t aliases[3][2] = {{1, 4}, {1, 5}, {2, 6}};
  memcpy(spec.parts[0].aliases, aliases, sizeof aliases);
  return spec;
}

#endif
