/* Decodes every column of a table to see whether it can be, some columns and some entries at a time. Where that fails
 * it looks closer: column by column, basket by basket. Must not know what a value means. */
#include "base/error.h"
#include "column/arrow.h"
#include "rootio/verify/verify.h"

enum { GROUP = 64, RANGE_BYTES = 32 << 20, MOST_ROWS = 1 << 20, MOST_FAILURES = 100 };

/* ---- ranges: whole clusters, of about RANGE_BYTES ---- */

static int64_t rows_of(const struct mlaas_table *table, const size_t *columns, size_t count) {
  int64_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, columns[i], &info);
    bytes += info.raw_bytes > 0 && info.raw_bytes < INT64_MAX / GROUP ? info.raw_bytes : 0;
  }
  double rows = bytes > 0 ? (double)table->num_entries * RANGE_BYTES / (double)bytes : MOST_ROWS;
  return rows < 1 ? 1 : rows > MOST_ROWS ? MOST_ROWS : (int64_t)rows;
}

static int64_t next_stop(const struct mlaas_table *table, int64_t start, int64_t rows) {
  size_t count, low = 0;
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  int64_t wanted = rows < table->num_entries - start ? start + rows : table->num_entries;
  for (size_t high = count; low < high;) { /* the first cluster that begins at `wanted` or behind */
    size_t middle = low + (high - low) / 2;
    if (clusters[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  int64_t whole = low < count ? clusters[low] : table->num_entries;
  return whole - start < rows + rows / 2 ? whole : wanted;
}

/* ---- looking closer ---- */

struct column {
  struct mlaas_verifier *verifier;
  struct mlaas_table *table;
  size_t index;
  const char *name;
  struct mlaas_reader *reader;
};

static enum mlaas_status read_rows(struct mlaas_reader *reader, int64_t start, int64_t stop,
                                   struct mlaas_error *error) {
  struct ArrowArray array;
  error->offset = -1;
  MLAAS_TRY(mlaas_reader_read(reader, start, stop, &array, error));
  mlaas_array_release(&array);
  return MLAAS_OK;
}

/* Tells a failure unless it is known; *told is set in both cases. */
static void blame(const struct column *column, const char *part, int64_t number, const struct mlaas_error *why,
                  bool *told) {
  if (!mlaas_verify_was_told(column->verifier, why->offset))
    mlaas_verify_tell(column->verifier, part, column->name, number, why);
  *told = true;
}

/* Rows [start, stop), which lie in basket `i` of the branch or in cluster `i`. */
static enum mlaas_status look_at(const struct column *column, const struct mlaas_branch *branch, size_t i,
                                 int64_t start, int64_t stop, bool *told, struct mlaas_error *error) {
  struct mlaas_error why = {.offset = -1};
  enum mlaas_status status = MLAAS_OK;
  if (branch && !branch->file_name)
    status = mlaas_verify_basket(column->verifier, branch, i, &column->verifier->workers[0], &why);
  if (status == MLAAS_OK)
    status = read_rows(column->reader, start, stop, &why);
  if (mlaas_verify_is_fatal(status)) {
    *error = why;
    return status;
  }
  if (status != MLAAS_OK)
    blame(column, branch ? "basket" : "column", branch ? (int64_t)i : -1, &why, told);
  return MLAAS_OK;
}

/* Baskets of a branch, or clusters. */
static enum mlaas_status look_closer(const struct column *column, int64_t start, int64_t stop, bool *told,
                                     struct mlaas_error *error) {
  const struct mlaas_branch *branch = column->table->columns[column->index].plan.branch;
  size_t count = branch ? branch->num_baskets : 0;
  const int64_t *clusters = branch ? NULL : mlaas_table_clusters(column->table, &count);
  size_t i = 0;
  for (size_t high = count; i < high;) { /* the last that begins at `start` or before */
    size_t middle = i + (high - i) / 2;
    if ((branch ? branch->baskets[middle].entry : clusters[middle]) <= start)
      i = middle + 1;
    else
      high = middle;
  }
  for (i -= i > 0; i < count && (branch ? branch->baskets[i].entry : clusters[i]) < stop; i++) {
    int64_t first = branch ? branch->baskets[i].entry : clusters[i];
    int64_t last = i + 1 < count ? (branch ? branch->baskets[i + 1].entry : clusters[i + 1])
                   : branch      ? branch->entry_number
                                 : stop;
    first = first > start ? first : start;
    last = last < stop ? last : stop;
    if (first < last)
      MLAAS_TRY(look_at(column, branch, i, first, last, told, error));
  }
  return MLAAS_OK;
}

/* One column, of whose group these rows could not be read. */
static enum mlaas_status look_at_column(struct mlaas_verifier *verifier, struct mlaas_table *table, size_t index,
                                        int64_t start, int64_t stop, bool *told, struct mlaas_error *error) {
  struct column column = {verifier, table, index, table->columns[index].name, NULL};
  struct mlaas_error why = {.offset = -1};
  bool here = false;
  enum mlaas_status status = mlaas_reader_open(table, &index, 1, &column.reader, error);
  if (status != MLAAS_OK)
    return status;
  enum mlaas_status found = read_rows(column.reader, start, stop, &why);
  if (mlaas_verify_is_fatal(found))
    *error = why;
  if (mlaas_verify_is_fatal(found))
    status = found;
  else if (found != MLAAS_OK)
    status = look_closer(&column, start, stop, &here, error);
  if (status == MLAAS_OK && found != MLAAS_OK && found != MLAAS_LIMIT && !here)
    blame(&column, "column", -1, &why, &here);
  *told |= here || found == MLAAS_LIMIT;
  mlaas_reader_close(column.reader);
  return status;
}

/* ---- groups of columns ---- */

static enum mlaas_status look_at_group(struct mlaas_verifier *verifier, struct mlaas_table *table,
                                       const size_t *columns, size_t count, int64_t start, int64_t stop,
                                       const struct mlaas_error *why, struct mlaas_error *error) {
  bool told = false;
  for (size_t i = 0; i < count; i++)
    MLAAS_TRY(look_at_column(verifier, table, columns[i], start, stop, &told, error));
  if (!told && why->status != MLAAS_LIMIT && !mlaas_verify_was_told(verifier, why->offset))
    mlaas_verify_tell(verifier, "table", NULL, -1, why);
  return MLAAS_OK;
}

/* A file can claim so much of every row that only one fits under the ceiling: each is then read for itself, and fails.
 */
static void give_up(struct mlaas_verifier *verifier, int64_t entry) {
  struct mlaas_error why = {.offset = -1};
  mlaas_fail(&why, MLAAS_FORMAT, "after %d ranges that cannot be decoded, what begins at entry %lld is left out",
             MOST_FAILURES, (long long)entry);
  mlaas_verify_tell(verifier, "table", NULL, -1, &why);
}

static enum mlaas_status verify_group(struct mlaas_verifier *verifier, struct mlaas_table *table, const size_t *columns,
                                      size_t count, struct mlaas_error *error) {
  struct mlaas_reader *reader;
  int64_t rows = rows_of(table, columns, count);
  MLAAS_TRY(mlaas_reader_open(table, columns, count, &reader, error));
  enum mlaas_status status = MLAAS_OK;
  int failures = 0;
  for (int64_t start = 0, ahead = 0; status == MLAAS_OK && start < table->num_entries;) {
    struct mlaas_error why;
    if (ahead < table->num_entries)
      ahead = mlaas_reader_ahead(reader, ahead > start ? ahead : start, table->num_entries, 0);
    int64_t stop = next_stop(table, start, rows);
    enum mlaas_status found = read_rows(reader, start, stop, &why);
    if (found == MLAAS_LIMIT && stop - start > 1) {
      rows = (stop - start) / 2;
      continue;
    }
    if (mlaas_verify_is_fatal(found)) {
      *error = why;
      status = found;
    } else if (found != MLAAS_OK) {
      status = look_at_group(verifier, table, columns, count, start, stop, &why, error);
      failures++;
    }
    if (status == MLAAS_OK && failures == MOST_FAILURES && stop < table->num_entries) {
      give_up(verifier, stop);
      break;
    }
    if (status == MLAAS_OK)
      status = mlaas_verify_progress(verifier, error);
    start = stop;
  }
  mlaas_reader_close(reader);
  return status;
}

enum mlaas_status mlaas_verify_columns(struct mlaas_verifier *verifier, struct mlaas_table *table,
                                       struct mlaas_error *error) {
  size_t *columns, count;
  MLAAS_TRY(mlaas_table_choose(table, NULL, 0, &columns, &count, error));
  verifier->report.columns += (int64_t)count;
  verifier->report.undecoded += (int64_t)(table->num_columns - count);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < count; i += GROUP)
    status = verify_group(verifier, table, columns + i, count - i < GROUP ? count - i : GROUP, error);
  mlaas_free(columns);
  return status;
}
