/* Reads rows of a table with friends: the table's own columns as they are, those of friends by entry or by index. Must
 * not know how values lie in a file. */
#include "base/error.h"
#include "column/arrow.h"
#include "column/take.h"
#include "rootio/table/join.h"

#include <stdlib.h>
#include <string.h>

/* The columns of one source: the table itself, or a friend. */
struct part {
  const struct mlaas_join_friend *from; /* NULL: the table itself */
  struct mlaas_table *table;
  size_t *origins, *places, count; /* columns there, and among those that were asked for */
  struct mlaas_reader *reader;
  struct mlaas_reader *keys; /* of the table itself: the columns that the friend's index is asked with */
  struct ArrowSchema schema;
};

struct mlaas_join_reader {
  struct mlaas_budget *budget;
  size_t num_columns;
  struct part *parts; /* the table itself, then its friends; without columns: not read */
  size_t num_parts;
};

/* ---- opening ---- */

static void close_part(struct part *part) {
  mlaas_reader_close(part->reader);
  mlaas_reader_close(part->keys);
  mlaas_schema_release(&part->schema);
  mlaas_free(part->origins);
  mlaas_free(part->places);
}

void mlaas_join_reader_close(struct mlaas_join_reader *reader) {
  if (!reader)
    return;
  for (size_t i = 0; reader->parts && i < reader->num_parts; i++)
    close_part(&reader->parts[i]);
  mlaas_free(reader->parts);
  mlaas_free(reader);
}

static enum mlaas_status open_keys(const struct mlaas_join *join, struct part *part, struct mlaas_error *error) {
  size_t columns[2], count = 0;
  for (int i = 0; i < 2; i++)
    if (part->from->keys[i].is_column)
      columns[count++] = part->from->keys[i].column;
  return mlaas_reader_open(join->base, columns, count, &part->keys, error);
}

static enum mlaas_status open_part(const struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                   size_t number, struct part *part, struct mlaas_error *error) {
  const struct mlaas_join *join = table->join;
  part->from = number ? &join->friends[number - 1] : NULL;
  part->table = number ? join->friends[number - 1].table : join->base;
  part->origins = mlaas_alloc((num_columns + 1) * sizeof *part->origins);
  part->places = mlaas_alloc((num_columns + 1) * sizeof *part->places);
  if (!part->origins || !part->places)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader of %zu columns", num_columns);
  for (size_t i = 0; i < num_columns; i++) {
    const struct mlaas_table_column *column = &table->columns[columns[i]];
    if (column->friend_number != number)
      continue;
    part->origins[part->count] = column->origin;
    part->places[part->count++] = i;
  }
  if (part->count == 0)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_reader_open(part->table, part->origins, part->count, &part->reader, error));
  if (number)
    MLAAS_TRY(mlaas_table_schema(part->table, part->origins, part->count, &part->schema, error));
  return number && part->from->index ? open_keys(join, part, error) : MLAAS_OK;
}

enum mlaas_status mlaas_join_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                         struct mlaas_join_reader **reader, struct mlaas_error *error) {
  struct mlaas_join_reader *made = mlaas_alloc(sizeof *made);
  size_t count = table->join->num_friends + 1;
  if (made)
    made->parts = mlaas_alloc(count * sizeof *made->parts);
  if (!made || !made->parts) {
    mlaas_free(made);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  }
  made->num_parts = count;
  made->num_columns = num_columns;
  made->budget = table->arena.budget;
  for (size_t i = 0; i < count; i++) {
    enum mlaas_status status = open_part(table, columns, num_columns, i, &made->parts[i], error);
    if (status != MLAAS_OK) {
      mlaas_join_reader_close(made);
      return status;
    }
  }
  *reader = made;
  return MLAAS_OK;
}

/* ---- which entry of the friend belongs to which row ---- */

/* A row, the entry that belongs to it (-1: none), and where that was read. */
struct pick {
  int64_t entry, row, chunk, at;
};

static int64_t integer_at(const struct ArrowArray *array, const char *format, int64_t i) {
  const void *values = array->buffers[1];
  switch (format[0]) {
  case 'b':
    return ((const uint8_t *)values)[i / 8] >> (i % 8) & 1;
  case 'c':
    return ((const int8_t *)values)[i];
  case 'C':
    return ((const uint8_t *)values)[i];
  case 's':
    return ((const int16_t *)values)[i];
  case 'S':
    return ((const uint16_t *)values)[i];
  case 'i':
    return ((const int32_t *)values)[i];
  case 'I':
    return ((const uint32_t *)values)[i];
  case 'f':
  case 'g': {
    double real = format[0] == 'f' ? (double)((const float *)values)[i] : ((const double *)values)[i];
    return real > -9.2e18 && real < 9.2e18 ? (int64_t)real : INT64_MIN; /* as ROOT: towards zero */
  }
  default:
    return ((const int64_t *)values)[i];
  }
}

static enum mlaas_status find_entries(const struct part *part, const struct mlaas_table *base, int64_t start,
                                      int64_t stop, struct pick *picks, struct mlaas_error *error) {
  struct ArrowArray keys;
  MLAAS_TRY(mlaas_reader_read(part->keys, start, stop, &keys, error));
  for (int64_t row = 0; row < stop - start; row++) {
    int64_t pair[2];
    size_t column = 0;
    for (int k = 0; k < 2; k++) {
      const struct mlaas_join_key *key = &part->from->keys[k];
      pair[k] = key->number;
      if (key->is_column)
        pair[k] = integer_at(keys.children[column++], base->columns[key->column].shown->format, row);
    }
    int64_t entry = mlaas_tree_index_find(part->from->index, pair[0], pair[1]);
    picks[row] = (struct pick){entry < part->table->num_entries ? entry : -1, row, -1, 0};
  }
  mlaas_array_release(&keys);
  return MLAAS_OK;
}

static int compare_entries(const void *left, const void *right) {
  const struct pick *a = left, *b = right;
  if (a->entry != b->entry)
    return a->entry < b->entry ? -1 : 1;
  return a->row < b->row ? -1 : a->row > b->row;
}

static int compare_rows(const void *left, const void *right) {
  const struct pick *a = left, *b = right;
  return a->row < b->row ? -1 : a->row > b->row;
}

/* ---- reading the entries that are wanted, cluster by cluster ---- */

struct gather {
  struct mlaas_join_reader *reader;
  const struct part *part;
  struct pick *picks;
  size_t num_picks;
  struct ArrowArray *chunks; /* structs of the wanted entries, each once */
  size_t num_chunks, room;
  struct mlaas_arena arena;
};

static enum mlaas_status add_chunk(struct gather *gather, const struct ArrowArray *chunk, struct mlaas_error *error) {
  if (gather->num_chunks == gather->room) {
    size_t room = gather->room ? 2 * gather->room : 16;
    struct ArrowArray *chunks = mlaas_realloc(gather->chunks, room * sizeof *chunks);
    if (!chunks)
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu pieces of a friend", room);
    gather->chunks = chunks;
    gather->room = room;
  }
  gather->chunks[gather->num_chunks++] = *chunk;
  return MLAAS_OK;
}

/* Keeps of `rows`, which begin with entry `first`, those that picks [from, to) want. */
static enum mlaas_status keep_wanted(struct gather *gather, size_t from, size_t to, int64_t first,
                                     struct ArrowArray *rows, struct mlaas_error *error) {
  struct mlaas_run *runs = mlaas_arena_alloc(&gather->arena, to - from, sizeof *runs, error);
  if (!runs)
    return error->status;
  size_t count = 0;
  int64_t kept = 0, before = -1;
  for (size_t i = from; i < to; i++) {
    struct pick *pick = &gather->picks[i];
    if (pick->entry != before) {
      if (count && pick->entry == before + 1)
        runs[count - 1].length++;
      else
        runs[count++] = (struct mlaas_run){0, pick->entry - first, 1};
      kept++;
    }
    before = pick->entry;
    pick->chunk = (int64_t)gather->num_chunks;
    pick->at = kept - 1;
  }
  struct ArrowArray chunk = {0};
  if (kept == rows->length) {
    chunk = *rows;
    rows->release = NULL;
  } else {
    const struct ArrowArray *source = rows;
    MLAAS_TRY(mlaas_array_take(&gather->part->schema, &source, 1, runs, count, gather->reader->budget, &chunk, error));
  }
  enum mlaas_status status = add_chunk(gather, &chunk, error);
  if (status != MLAAS_OK)
    mlaas_array_release(&chunk);
  return status;
}

/* Picks from `from` on that lie in one cluster, as many as fit; *to is behind them. */
static enum mlaas_status read_cluster(struct gather *gather, size_t from, size_t *to, struct mlaas_error *error) {
  const struct pick *picks = gather->picks;
  const struct mlaas_table *table = gather->part->table;
  int64_t first = picks[from].entry, end = mlaas_table_cluster_end(table, first, table->num_entries);
  size_t stop = from;
  while (stop < gather->num_picks && picks[stop].entry < end)
    stop++;
  struct ArrowArray rows;
  enum mlaas_status status = mlaas_reader_read(gather->part->reader, first, picks[stop - 1].entry + 1, &rows, error);
  while (status == MLAAS_LIMIT && picks[stop - 1].entry > first) {
    stop = from + (stop - from) / 2;
    while (stop > from + 1 && picks[stop - 1].entry == picks[stop].entry) /* an entry is in one piece */
      stop--;
    status = mlaas_reader_read(gather->part->reader, first, picks[stop - 1].entry + 1, &rows, error);
  }
  MLAAS_TRY(status);
  while (stop < gather->num_picks && picks[stop].entry == picks[stop - 1].entry)
    stop++;
  *to = stop;
  status = keep_wanted(gather, from, stop, first, &rows, error);
  mlaas_array_release(&rows);
  return status;
}

/* ---- putting rows in their order ---- */

/* Column by column: runs of rows out of the chunks, null where there is nothing. */
static enum mlaas_status take_columns(const struct gather *gather, const struct mlaas_run *runs, size_t num_runs,
                                      struct ArrowArray *array, struct mlaas_error *error) {
  const struct ArrowArray **chunks = mlaas_alloc((gather->num_chunks + 1) * sizeof *chunks);
  if (!chunks)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu pieces of a friend", gather->num_chunks);
  enum mlaas_status status = MLAAS_OK;
  for (size_t c = 0; status == MLAAS_OK && c < gather->part->count; c++) {
    for (size_t i = 0; i < gather->num_chunks; i++)
      chunks[i] = gather->chunks[i].children[c];
    status = mlaas_array_take(gather->part->schema.children[c], chunks, gather->num_chunks, runs, num_runs,
                              gather->reader->budget, array->children[gather->part->places[c]], error);
  }
  mlaas_free(chunks);
  return status;
}

static void move_columns(const struct part *part, struct ArrowArray *from, struct ArrowArray *array) {
  for (size_t c = 0; c < part->count; c++) {
    *array->children[part->places[c]] = *from->children[c];
    from->children[c]->release = NULL;
  }
}

static enum mlaas_status place_rows(struct gather *gather, struct ArrowArray *array, struct mlaas_error *error) {
  qsort(gather->picks, gather->num_picks, sizeof *gather->picks, compare_rows);
  struct mlaas_run *runs = mlaas_arena_alloc(&gather->arena, gather->num_picks, sizeof *runs, error);
  if (!runs)
    return error->status;
  size_t count = 0;
  for (size_t i = 0; i < gather->num_picks; i++) {
    const struct pick *pick = &gather->picks[i];
    struct mlaas_run *last = count ? &runs[count - 1] : NULL;
    if (last && last->chunk == pick->chunk && (pick->chunk < 0 || last->start + last->length == pick->at))
      last->length++;
    else
      runs[count++] = (struct mlaas_run){pick->chunk, pick->chunk < 0 ? 0 : pick->at, 1};
  }
  bool as_is =
      count == 1 && runs[0].chunk == 0 && gather->num_chunks == 1 && runs[0].length == gather->chunks[0].length;
  if (!as_is)
    return take_columns(gather, runs, count, array, error);
  move_columns(gather->part, &gather->chunks[0], array);
  return MLAAS_OK;
}

/* The entries that picks from `from` on want, cluster by cluster, as far as the cache goes. */
static void announce_picks(const struct gather *gather, size_t from) {
  for (size_t stop; from < gather->num_picks; from = stop) {
    const struct mlaas_table *table = gather->part->table;
    int64_t first = gather->picks[from].entry, end = mlaas_table_cluster_end(table, first, table->num_entries);
    for (stop = from + 1; stop < gather->num_picks && gather->picks[stop].entry < end;)
      stop++;
    int64_t last = gather->picks[stop - 1].entry + 1;
    if (mlaas_reader_ahead(gather->part->reader, first, last, 0) < last)
      return;
  }
}

static enum mlaas_status gather_rows(struct gather *gather, struct ArrowArray *array, struct mlaas_error *error) {
  qsort(gather->picks, gather->num_picks, sizeof *gather->picks, compare_entries);
  size_t at = 0;
  while (at < gather->num_picks && gather->picks[at].entry < 0)
    at++;
  announce_picks(gather, at);
  while (at < gather->num_picks)
    MLAAS_TRY(read_cluster(gather, at, &at, error));
  return place_rows(gather, array, error);
}

static enum mlaas_status read_by_index(struct mlaas_join_reader *reader, const struct part *part, int64_t start,
                                       int64_t stop, struct ArrowArray *array, struct mlaas_error *error) {
  struct mlaas_block block;
  struct gather gather = {.reader = reader, .part = part, .num_picks = (size_t)(stop - start)};
  MLAAS_TRY(mlaas_block_new(reader->budget, (stop - start) * (int64_t)sizeof(struct pick), &block, error));
  gather.picks = block.data;
  mlaas_arena_init(&gather.arena, reader->budget);
  enum mlaas_status status = find_entries(part, reader->parts[0].table, start, stop, gather.picks, error);
  if (status == MLAAS_OK)
    status = gather_rows(&gather, array, error);
  for (size_t i = 0; i < gather.num_chunks; i++)
    mlaas_array_release(&gather.chunks[i]);
  mlaas_free(gather.chunks);
  mlaas_arena_reset(&gather.arena);
  mlaas_block_reset(&block);
  return status;
}

/* ---- row i belongs to entry i ---- */

static enum mlaas_status read_by_entry(struct mlaas_join_reader *reader, const struct part *part, int64_t start,
                                       int64_t stop, struct ArrowArray *array, struct mlaas_error *error) {
  struct ArrowArray rows = {0};
  int64_t end = part->table->num_entries, last = stop < end ? stop : end;
  if (start < last)
    MLAAS_TRY(mlaas_reader_read(part->reader, start, last, &rows, error));
  if (start < stop && last == stop) {
    move_columns(part, &rows, array);
    mlaas_array_release(&rows);
    return MLAAS_OK;
  }
  int64_t there = start < last ? last - start : 0;
  const struct mlaas_run runs[] = {{0, 0, there}, {-1, 0, stop - start - there}};
  struct gather gather = {.reader = reader, .part = part, .chunks = &rows, .num_chunks = there > 0};
  enum mlaas_status status =
      there ? take_columns(&gather, runs, 2, array, error) : take_columns(&gather, runs + 1, 1, array, error);
  mlaas_array_release(&rows);
  return status;
}

static enum mlaas_status read_part(struct mlaas_join_reader *reader, const struct part *part, int64_t start,
                                   int64_t stop, struct ArrowArray *array, struct mlaas_error *error) {
  if (part->count == 0)
    return MLAAS_OK;
  if (part->from)
    return part->from->index ? read_by_index(reader, part, start, stop, array, error)
                             : read_by_entry(reader, part, start, stop, array, error);
  struct ArrowArray rows;
  MLAAS_TRY(mlaas_reader_read(part->reader, start, stop, &rows, error));
  move_columns(part, &rows, array);
  mlaas_array_release(&rows);
  return MLAAS_OK;
}

enum mlaas_status mlaas_join_reader_read(struct mlaas_join_reader *reader, int64_t start, int64_t stop,
                                         struct ArrowArray *array, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_array_init(array, stop - start, NULL, 0, reader->num_columns, error));
  for (size_t i = 0; i < reader->num_parts; i++) {
    enum mlaas_status status = read_part(reader, &reader->parts[i], start, stop, array, error);
    if (status == MLAAS_OK)
      continue;
    mlaas_array_release(array);
    return status;
  }
  return MLAAS_OK;
}

/* ---- reading ahead ---- */

int64_t mlaas_join_reader_ahead(struct mlaas_join_reader *reader, int64_t start, int64_t stop, int64_t room) {
  int64_t reached = stop, share = room / (int64_t)(2 * reader->num_parts);
  for (size_t i = 0; i < reader->num_parts; i++) {
    const struct part *part = &reader->parts[i];
    int64_t last = part->table && part->table->num_entries < stop ? part->table->num_entries : stop, end = last;
    if (part->count && part->from && part->from->index)
      end = mlaas_reader_ahead(part->keys, start, last = stop, share);
    else if (part->count)
      end = mlaas_reader_ahead(part->reader, start, last, share);
    reached = end < last && end < reached ? end : reached;
  }
  return reached;
}

int64_t mlaas_join_reader_ahead_bytes(const struct mlaas_join_reader *reader) {
  int64_t bytes = 0;
  for (size_t i = 0; i < reader->num_parts; i++) {
    const struct part *part = &reader->parts[i];
    bytes += part->reader ? mlaas_reader_ahead_bytes(part->reader) : 0;
    bytes += part->keys ? mlaas_reader_ahead_bytes(part->keys) : 0;
  }
  return bytes;
}
