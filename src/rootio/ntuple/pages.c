/* Where an RNTuple's values are: cluster groups, clusters and the pages of every column, checked against the schema and
 * against each other. Must not know what is in a page. */
#include "base/error.h"
#include "rootio/ntuple/part.h"

#include <stdlib.h>
#include <string.h>

enum {
  GROUP_BYTES = 8 + 8 + 8 + 4 + 8 + 4, /* least size of a group's record: its front to a locator */
  SUMMARY_BYTES = 8 + 8 + 8,
  CLUSTER_BYTES = 12,
  COLUMN_BYTES = 12 + 8,
  PAGE_BYTES = 4 + 4,
  PAGE_CHECKSUM = 8
};

static const int64_t absent = -1; /* in range->first until it is counted: the page list does not have this column */

/* ---- pages ---- */

/* What cannot be read as a page makes its field unreadable; what contradicts itself is a damaged file. */
static enum mlaas_status check_page(struct mlaas_ntuple_build *build, uint32_t id,
                                    const struct mlaas_ntuple_locator *locator, int64_t elements, bool checksum,
                                    struct mlaas_ntuple_page *page, struct mlaas_cursor *cursor) {
  const struct mlaas_ntuple_column *column = &build->ntuple->columns[id];
  const char *name = build->ntuple->fields[column->field].name;
  uint64_t end = (uint64_t)build->container->end, behind = checksum ? PAGE_CHECKSUM : 0;
  int64_t size = (elements * column->bits + 7) / 8;
  int least, most;
  if (!locator->known)
    return mlaas_ntuple_refuse(build, column->field, "field %s has a page with a locator of an unknown kind", name);
  if (locator->seek > end || locator->stored > end - locator->seek || behind > end - locator->seek - locator->stored)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a page of %llu bytes at %llu, of column %u, lies outside the file",
                             (unsigned long long)locator->stored, (unsigned long long)locator->seek, id);
  if (size > INT32_MAX || (build->max_key_size && locator->stored + behind > build->max_key_size))
    return mlaas_ntuple_refuse(build, column->field, "field %s has a page of %lld bytes", name, (long long)size);
  if (mlaas_ntuple_bits(column->type, &least, &most) && locator->stored > (uint64_t)size)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a page of column %u has %llu bytes for %lld elements of %u bits",
                             id, (unsigned long long)locator->stored, (long long)elements, column->bits);
  page->stored = locator->stored > INT32_MAX ? INT32_MAX : (int32_t)locator->stored;
  page->size = (int32_t)size;
  page->seek = (int64_t)locator->seek;
  page->checksum = checksum;
  return MLAAS_OK;
}

static enum mlaas_status read_pages(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor, uint32_t id,
                                    uint32_t count, struct mlaas_ntuple_range *range) {
  range->pages = mlaas_arena_alloc(&build->ntuple->arena, count, sizeof *range->pages, build->error);
  if (!range->pages)
    return build->error->status;
  for (uint32_t i = 0; i < count; i++) {
    int64_t elements = (int32_t)mlaas_ntuple_little(cursor, 4);
    bool checksum = elements < 0;
    elements = checksum ? -elements : elements;
    struct mlaas_ntuple_locator locator = mlaas_ntuple_locate(cursor);
    struct mlaas_ntuple_page *page = &range->pages[range->num_pages];
    if (elements > INT32_MAX)
      mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a page of column %u has %lld elements", id, (long long)elements);
    MLAAS_TRY(cursor->status);
    MLAAS_TRY(check_page(build, id, &locator, elements, checksum, page, cursor));
    page->first = range->elements;
    page->elements = (int32_t)elements;
    range->elements += elements; /* 2^31 for each of 2^32 at most */
    range->num_pages += elements > 0;
  }
  return MLAAS_OK;
}

/* The list of a column's pages, with the element offset and the compression inside its frame. */
static enum mlaas_status read_range(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor, uint32_t id,
                                    struct mlaas_ntuple_range *range) {
  uint32_t count = 0;
  int64_t end = mlaas_ntuple_enter(cursor, &count, PAGE_BYTES);
  MLAAS_TRY(cursor->status);
  MLAAS_TRY(read_pages(build, cursor, id, count, range));
  range->first = (int64_t)mlaas_ntuple_little(cursor, 8);
  range->suppressed = range->first < 0;
  if (range->suppressed && count)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "column %u is suppressed but has %u pages", id, count);
  if (!range->suppressed)
    range->compression = (uint32_t)mlaas_ntuple_little(cursor, 4);
  mlaas_ntuple_leave(cursor, end);
  return cursor->status;
}

static enum mlaas_status read_ranges(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor,
                                     struct mlaas_ntuple_cluster *cluster) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  uint32_t count = 0;
  int64_t end = mlaas_ntuple_enter(cursor, &count, COLUMN_BYTES);
  if (count < build->header_columns || count > ntuple->num_columns)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT,
                      "a cluster has %u columns where the header has %zu and there are %zu in all", count,
                      build->header_columns, ntuple->num_columns);
  MLAAS_TRY(cursor->status);
  cluster->ranges = mlaas_arena_alloc(&ntuple->arena, ntuple->num_columns, sizeof *cluster->ranges, build->error);
  if (!cluster->ranges)
    return build->error->status;
  for (uint32_t i = 0; i < count; i++)
    MLAAS_TRY(read_range(build, cursor, i, &cluster->ranges[i]));
  for (size_t i = count; i < ntuple->num_columns; i++)
    cluster->ranges[i].first = absent;
  mlaas_ntuple_leave(cursor, end);
  return cursor->status;
}

/* ---- page lists ---- */

static enum mlaas_status read_summary(struct mlaas_cursor *cursor, struct mlaas_ntuple_cluster *cluster) {
  enum { ENTRY_BITS = 56, SHARDED = 1 };
  int64_t end = mlaas_ntuple_enter(cursor, NULL, 0);
  uint64_t first = mlaas_ntuple_little(cursor, 8), word = mlaas_ntuple_little(cursor, 8);
  if (word >> ENTRY_BITS & SHARDED)
    return mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the RNTuple has sharded clusters, which are not known");
  if (first > INT64_MAX)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a cluster begins at entry %llu", (unsigned long long)first);
  cluster->first_entry = (int64_t)first;
  cluster->entries = (int64_t)(word & (((uint64_t)1 << ENTRY_BITS) - 1));
  mlaas_ntuple_leave(cursor, end);
  return cursor->status;
}

enum mlaas_status mlaas_ntuple_page_list(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor,
                                         uint32_t expected, struct mlaas_block *clusters) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  uint32_t summaries = 0, lists = 0;
  if (mlaas_ntuple_little(cursor, 8) != build->header_hash)
    mlaas_cursor_fail(cursor, MLAAS_CHECKSUM, "a page list of the RNTuple belongs to another header");
  int64_t end = mlaas_ntuple_enter(cursor, &summaries, SUMMARY_BYTES);
  if (summaries != expected)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a page list has %u clusters where the footer says %u", summaries,
                      expected);
  MLAAS_TRY(cursor->status);
  size_t before = ntuple->num_clusters, count = before + summaries;
  MLAAS_TRY(mlaas_block_grow(clusters, (int64_t)(count * sizeof(struct mlaas_ntuple_cluster)), build->error));
  struct mlaas_ntuple_cluster *list = clusters->data;
  memset(list + before, 0, summaries * sizeof *list);
  ntuple->num_clusters = count;
  for (size_t i = before; i < count; i++)
    MLAAS_TRY(read_summary(cursor, &list[i]));
  mlaas_ntuple_leave(cursor, end);
  end = mlaas_ntuple_enter(cursor, &lists, CLUSTER_BYTES);
  if (lists != expected)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a page list has pages of %u clusters where the footer says %u", lists,
                      expected);
  MLAAS_TRY(cursor->status);
  for (size_t i = before; i < count; i++)
    MLAAS_TRY(read_ranges(build, cursor, &list[i]));
  mlaas_ntuple_leave(cursor, end);
  return cursor->status;
}

/* The group's own numbers: the first of its entries and how many they are. */
static enum mlaas_status check_group(const struct mlaas_ntuple_cluster *clusters, size_t count, uint64_t first,
                                     uint64_t span, struct mlaas_error *error) {
  uint64_t least = first, entries = 0;
  for (size_t i = 0; i < count; i++) {
    least = i && least < (uint64_t)clusters[i].first_entry ? least : (uint64_t)clusters[i].first_entry;
    entries += (uint64_t)clusters[i].entries; /* 2^56 for each of 2^32 at most: may wrap, and will not match then */
  }
  if (least == first && entries == span)
    return MLAAS_OK;
  return mlaas_fail(
      error, MLAAS_FORMAT, "a cluster group has %llu entries from %llu on, but its clusters have %llu from %llu on",
      (unsigned long long)span, (unsigned long long)first, (unsigned long long)entries, (unsigned long long)least);
}

static enum mlaas_status read_group(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor,
                                    struct mlaas_block *clusters) {
  int64_t end = mlaas_ntuple_enter(cursor, NULL, 0);
  uint64_t first = mlaas_ntuple_little(cursor, 8), span = mlaas_ntuple_little(cursor, 8);
  uint32_t count = (uint32_t)mlaas_ntuple_little(cursor, 4);
  uint64_t size = mlaas_ntuple_little(cursor, 8);
  struct mlaas_ntuple_locator locator = mlaas_ntuple_locate(cursor);
  mlaas_ntuple_leave(cursor, end);
  MLAAS_TRY(cursor->status);
  struct mlaas_block envelope = {0};
  struct mlaas_cursor pages;
  size_t before = build->ntuple->num_clusters;
  enum mlaas_status status = mlaas_ntuple_envelope(build, MLAAS_NTUPLE_PAGE_LIST, &locator, size, &envelope, &pages);
  if (status == MLAAS_OK)
    status = mlaas_ntuple_page_list(build, &pages, count, clusters);
  if (status == MLAAS_OK)
    status =
        check_group((const struct mlaas_ntuple_cluster *)clusters->data + before, count, first, span, build->error);
  mlaas_block_reset(&envelope);
  return status;
}

/* ---- clusters follow each other, and so do elements ---- */

static int by_first_entry(const void *a, const void *b) {
  const struct mlaas_ntuple_cluster *left = a, *right = b;
  if (left->first_entry != right->first_entry)
    return left->first_entry < right->first_entry ? -1 : 1;
  return (left->entries > right->entries) - (left->entries < right->entries); /* empty ones first */
}

static enum mlaas_status check_entries(struct mlaas_ntuple_build *build) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  qsort(ntuple->clusters, ntuple->num_clusters, sizeof *ntuple->clusters, by_first_entry);
  for (size_t i = 0; i < ntuple->num_clusters; i++) {
    const struct mlaas_ntuple_cluster *cluster = &ntuple->clusters[i];
    if (cluster->first_entry != ntuple->entries)
      return mlaas_fail(build->error, MLAAS_FORMAT, "cluster %zu begins at entry %lld where %lld is due", i,
                        (long long)cluster->first_entry, (long long)ntuple->entries);
    if (__builtin_add_overflow(ntuple->entries, cluster->entries, &ntuple->entries))
      return mlaas_fail(build->error, MLAAS_FORMAT, "cluster %zu has %lld entries", i, (long long)cluster->entries);
  }
  return MLAAS_OK;
}

/* Where the counting of elements stands. */
struct tally {
  struct mlaas_ntuple_build *build;
  const struct mlaas_ntuple_cluster *cluster;
  size_t number; /* of the cluster */
  int64_t *next; /* of each column of a first representation: elements so far, of all representations */
};

/* A column that contradicts itself spoils its field: writers are known that merge late columns wrongly. */
static enum mlaas_status refuse_range(const struct tally *tally, uint32_t id, const char *what, int64_t found,
                                      int64_t due) {
  return mlaas_ntuple_refuse(tally->build, tally->build->ntuple->columns[id].field,
                             "column %u in cluster %zu has %s %lld where %lld is due", id, tally->number, what,
                             (long long)found, (long long)due);
}

/* Elements that a deferred column does not have are zeros in front of the pages. */
static void put_zeros(struct mlaas_ntuple_range *range, int64_t zeros) {
  for (size_t i = 0; i < range->num_pages; i++)
    range->pages[i].first += zeros;
  range->elements += zeros;
}

/* One column that has its elements here: `range->first` was the file's word and becomes the count. */
static enum mlaas_status count_range(const struct tally *tally, uint32_t id, int64_t *next) {
  const struct mlaas_ntuple_count *count = &tally->build->counts[id];
  const struct mlaas_ntuple_column *column = &tally->build->ntuple->columns[id];
  struct mlaas_ntuple_range *range = &tally->cluster->ranges[id];
  int64_t start = *next, due = range->elements, zeros = 0, said = range->first;
  if (count->fixed && __builtin_mul_overflow(tally->cluster->entries, count->each, &due))
    return refuse_range(tally, id, "entries", tally->cluster->entries, INT64_MAX / count->each);
  if (column->first_element > start && due > range->elements)
    zeros = due - range->elements;
  if (range->elements + zeros != due || (zeros && start + zeros > column->first_element))
    return refuse_range(tally, id, "elements", range->elements, due);
  if (said != absent && said != start && !column->first_element) /* of deferred columns it is anybody's guess */
    return refuse_range(tally, id, "a first element", said, start);
  if (__builtin_add_overflow(start, due, next))
    return refuse_range(tally, id, "elements", due, INT64_MAX - start);
  put_zeros(range, zeros);
  range->first = start;
  return MLAAS_OK;
}

/* The representation of `field` that this cluster has; SIZE_MAX if it is not exactly one. */
static size_t chosen_representation(const struct tally *tally, const struct mlaas_ntuple_field *field) {
  size_t each = field->columns_each, found = SIZE_MAX, late = SIZE_MAX;
  for (size_t i = 0; i < field->num_columns; i++) {
    const struct mlaas_ntuple_range *range = &tally->cluster->ranges[field->columns[i]];
    bool is_absent = range->first == absent && !range->suppressed;
    if (is_absent && late == SIZE_MAX && !tally->build->counts[field->columns[i]].suppressed_late)
      late = i / each;
    if (range->suppressed || is_absent)
      continue;
    if (found != SIZE_MAX && found != i / each)
      return SIZE_MAX;
    found = i / each;
  }
  return found == SIZE_MAX ? late : found;
}

static enum mlaas_status count_field(const struct tally *tally, const struct mlaas_ntuple_field *field) {
  size_t chosen = chosen_representation(tally, field);
  if (chosen == SIZE_MAX)
    return mlaas_ntuple_refuse(tally->build, tally->build->ntuple->columns[field->columns[0]].field,
                               "cluster %zu has not exactly one representation of field %s", tally->number,
                               field->name);
  for (size_t i = 0; i < field->num_columns; i++) {
    struct mlaas_ntuple_range *range = &tally->cluster->ranges[field->columns[i]];
    if (i / field->columns_each == chosen && range->suppressed)
      return refuse_range(tally, field->columns[i], "a first element", INT64_MIN, 0);
    if (i / field->columns_each != chosen) {
      range->suppressed = true;
      range->first = tally->next[field->columns[i % field->columns_each]];
    }
  }
  for (size_t k = 0; k < field->columns_each; k++)
    MLAAS_TRY(count_range(tally, field->columns[chosen * field->columns_each + k], &tally->next[field->columns[k]]));
  return MLAAS_OK;
}

/* Fields that cannot be read are not counted: their rules may be others. */
static enum mlaas_status check_elements(struct mlaas_ntuple_build *build) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  struct tally tally = {.build = build};
  tally.next = mlaas_arena_alloc(&build->scratch, ntuple->num_columns, sizeof *tally.next, build->error);
  if (!tally.next)
    return build->error->status;
  for (tally.number = 0; tally.number < ntuple->num_clusters; tally.number++) {
    tally.cluster = &ntuple->clusters[tally.number];
    for (size_t i = 0; i < ntuple->num_fields; i++) {
      const struct mlaas_ntuple_field *field = &ntuple->fields[i];
      if (field->source < 0 && field->num_columns && !ntuple->fields[build->top[i]].unsupported)
        MLAAS_TRY(count_field(&tally, field));
    }
  }
  return MLAAS_OK;
}

/* ---- together ---- */

static enum mlaas_status keep_clusters(struct mlaas_ntuple_build *build, const struct mlaas_block *clusters) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  ntuple->clusters = mlaas_arena_alloc(&ntuple->arena, ntuple->num_clusters, sizeof *ntuple->clusters, build->error);
  if (!ntuple->clusters)
    return build->error->status;
  if (ntuple->num_clusters)
    memcpy(ntuple->clusters, clusters->data, ntuple->num_clusters * sizeof *ntuple->clusters);
  MLAAS_TRY(check_entries(build));
  return check_elements(build);
}

enum mlaas_status mlaas_ntuple_groups(struct mlaas_ntuple_build *build, struct mlaas_cursor *footer) {
  enum { ROOM = 64 };
  struct mlaas_block clusters = {0};
  uint32_t groups = 0;
  int64_t end = mlaas_ntuple_enter(footer, &groups, GROUP_BYTES);
  MLAAS_TRY(footer->status);
  MLAAS_TRY(mlaas_block_new(build->container->budget, ROOM * (int64_t)sizeof(struct mlaas_ntuple_cluster), &clusters,
                            build->error));
  enum mlaas_status status = MLAAS_OK;
  for (uint32_t i = 0; i < groups && status == MLAAS_OK; i++)
    status = read_group(build, footer, &clusters);
  mlaas_ntuple_leave(footer, end);
  status = status == MLAAS_OK ? footer->status : status;
  if (status == MLAAS_OK)
    status = keep_clusters(build, &clusters);
  mlaas_block_reset(&clusters);
  return status;
}
