/* Statistics of one column, block by block: each block is brought to double in the cache, its sums are merged into the
 * column's. The order of additions is fixed, so the result depends on the blocks only, never on the processor.
 */
#include "dataset/specs.h"

#include "base/error.h"
#include "dataset/stats_kernel.h"
#include "recipe/split.h"

#include <math.h>
#include <string.h>

enum { BLOCK = MLAAS_BLOCK };

struct mlaas_column_stats mlaas_column_stats_like(const struct mlaas_column_stats *like) {
  struct mlaas_column_stats stats = {
      .jagged = like->jagged, .source = like->source, .next_min = INFINITY, .next_max = -(double)INFINITY};
  memcpy(stats.format, like->format, sizeof stats.format);
  return stats;
}

void mlaas_column_stats_reset(struct mlaas_column_stats *stats) {
  mlaas_free(stats->name);
  mlaas_free(stats->counter);
  mlaas_free(stats->lengths);
  *stats = (struct mlaas_column_stats){0};
}

void mlaas_row_mix(const char *file_id, int64_t first, int64_t rows, uint64_t *mix) {
  mlaas_hash_entries(mlaas_hash_file(file_id, 0), first, rows, mix);
}

/* ---- extremes ---- */

static struct mlaas_extreme join(struct mlaas_extreme a, struct mlaas_extreme b) {
  if (b.at == 0)
    return a;
  if (a.at == 0)
    return b;
  if (b.least < a.least)
    return (struct mlaas_extreme){b.least, b.next < a.least ? b.next : a.least, b.at};
  if (b.least == a.least)
    return (struct mlaas_extreme){a.least, b.next < a.next ? b.next : a.next, a.at + b.at};
  return (struct mlaas_extreme){a.least, b.least < a.next ? b.least : a.next, a.at};
}

static struct mlaas_extreme low_of(const struct mlaas_column_stats *s) {
  return (struct mlaas_extreme){s->min, s->next_min, s->at_min};
}

static struct mlaas_extreme high_of(const struct mlaas_column_stats *s) {
  return (struct mlaas_extreme){-s->max, -s->next_max, s->at_max};
}

static void set_extremes(struct mlaas_column_stats *s, struct mlaas_extreme low, struct mlaas_extreme high) {
  s->min = low.least;
  s->next_min = low.next;
  s->at_min = low.at;
  s->max = -high.least;
  s->next_max = -high.next;
  s->at_max = high.at;
}

/* ---- sums ---- */

/* Adds a run with the given moments (Chan's formula). */
static void add_moments(struct mlaas_column_stats *s, int64_t count, double mean, double m2) {
  if (count == 0)
    return;
  double all = (double)(s->count + count), delta = mean - s->mean;
  s->m2 += m2 + delta * delta * ((double)s->count * (double)count / all);
  s->mean += delta * ((double)count / all);
  s->count += count;
}

static void add_block(struct mlaas_column_stats *s, const struct mlaas_stats_kernels *k,
                      const struct mlaas_stats_block *block) {
  if (block->count == 0)
    return;
  double min, max, mean = k->sum(block, &min, &max) / (double)block->count;
  struct mlaas_extreme low = {min, INFINITY, 1}, high = {-max, INFINITY, 1};
  /* Counting matters only where the block has something to add to the two outermost values of the column. */
  if (s->count == 0 || min <= s->next_min)
    low = k->count_extreme(block, min, 1);
  if (s->count == 0 || max >= s->next_max)
    high = k->count_extreme(block, -max, -1);
  set_extremes(s, join(low_of(s), low), join(high_of(s), high));
  add_moments(s, (int64_t)block->count, mean, k->squares(block, mean));
}

/* ---- a run of raw values to a block ---- */

static void bits_to_double(const struct mlaas_view *view, int64_t begin, size_t n, double *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = mlaas_bit(view->values, view->value_bit + begin + (int64_t)i);
}

/* Sentinels as this type of column holds them. */
struct sentinels {
  double values[64];
  size_t count;
};

static void find_sentinels(const struct mlaas_column_stats *s, const double *missing, size_t num_missing,
                           struct sentinels *sentinels) {
  sentinels->count = 0;
  for (size_t i = 0; i < num_missing && sentinels->count < 64; i++)
    if (mlaas_kernel_holds(s->source.type, missing[i]))
      sentinels->values[sentinels->count++] = s->source.type == MLAAS_KERNEL_f ? (double)(float)missing[i] : missing[i];
}

/* Takes out what is no number, and counts it; `kept` marks the others. False if nothing had to be taken out. */
static bool clean(struct mlaas_column_stats *s, const struct mlaas_stats_kernels *k, const struct mlaas_view *view,
                  int64_t begin, const struct sentinels *sentinels, struct mlaas_stats_block *block, bool *kept) {
  size_t n = block->count, to = 0;
  bool dirty = view->value_valid || !k->all_finite(block->values, n);
  for (size_t i = 0; i < sentinels->count && !dirty; i++)
    dirty = k->contains(block->values, n, sentinels->values[i]);
  if (!dirty)
    return false;
  for (size_t i = 0; i < n; i++) {
    double value = block->values[i];
    bool missing = view->value_valid && !mlaas_bit(view->value_valid, view->value_bit + begin + (int64_t)i);
    for (size_t j = 0; j < sentinels->count && !missing; j++)
      missing = value == sentinels->values[j];
    kept[i] = !missing && isfinite(value);
    s->missing += missing;
    s->nan += !missing && isnan(value);
    s->inf += !missing && isinf(value);
    if (kept[i])
      block->values[to++] = value;
  }
  block->count = to;
  return true;
}

/* ---- exact integers ---- */

static void take_signed(struct mlaas_column_stats *s, int64_t value, bool first) {
  s->int_min = first || value < s->int_min ? value : s->int_min;
  s->int_max = first || value > s->int_max ? value : s->int_max;
}

static void take_unsigned(struct mlaas_column_stats *s, uint64_t value, bool first) {
  s->int_min = (int64_t)(first || value < (uint64_t)s->int_min ? value : (uint64_t)s->int_min);
  s->int_max = (int64_t)(first || value > (uint64_t)s->int_max ? value : (uint64_t)s->int_max);
}

/* Only integers of 64 bits lose digits as doubles; the others are set from min and max. */
static void take_integers(struct mlaas_column_stats *s, const struct mlaas_view *view, int64_t begin, size_t n,
                          const bool *kept) {
  bool first = s->count == 0;
  if (s->source.type != MLAAS_KERNEL_l && s->source.type != MLAAS_KERNEL_L)
    return;
  const int64_t *values = (const int64_t *)view->values + begin;
  for (size_t i = 0; i < n; i++) {
    if (kept && !kept[i])
      continue;
    if (s->source.type == MLAAS_KERNEL_l)
      take_signed(s, values[i], first);
    else
      take_unsigned(s, (uint64_t)values[i], first);
    first = false;
  }
}

static void settle_integers(struct mlaas_column_stats *s) {
  bool is_float = s->source.type == MLAAS_KERNEL_f || s->source.type == MLAAS_KERNEL_g;
  if (is_float || s->source.type == MLAAS_KERNEL_l || s->source.type == MLAAS_KERNEL_L || s->count == 0)
    return;
  s->int_min = (int64_t)s->min;
  s->int_max = (int64_t)s->max;
}

static void add_values(struct mlaas_column_stats *s, const struct mlaas_view *view, int64_t begin, int64_t end,
                       const struct sentinels *sentinels) {
  const struct mlaas_stats_kernels *k = mlaas_stats_kernels_get();
  size_t size = mlaas_kernel_size(s->source.type);
  struct mlaas_stats_block block;
  bool kept[BLOCK];
  for (int64_t at = begin; at < end; at += BLOCK) {
    size_t n = (size_t)(end - at < BLOCK ? end - at : BLOCK);
    if (s->source.type == MLAAS_KERNEL_b)
      bits_to_double(view, at, n, block.values);
    else
      k->to_double[s->source.type]((const char *)view->values + at * (int64_t)size, n, block.values);
    block.count = n;
    bool cleaned = clean(s, k, view, at, sentinels, &block, kept);
    take_integers(s, view, at, n, cleaned ? kept : NULL);
    add_block(s, k, &block);
  }
}

/* ---- lists ---- */

static enum mlaas_status make_room(struct mlaas_column_stats *s, int64_t longest, struct mlaas_error *error) {
  if (longest < (int64_t)s->num_lengths)
    return MLAAS_OK;
  if (longest > MLAAS_LONGEST_LIST)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "a list has %lld values; at most %d can be used", (long long)longest,
                      MLAAS_LONGEST_LIST);
  size_t count = (size_t)longest + 1;
  int64_t *lengths = mlaas_realloc(s->lengths, count * sizeof *lengths);
  if (!lengths)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  memset(lengths + s->num_lengths, 0, (count - s->num_lengths) * sizeof *lengths);
  s->lengths = lengths;
  s->num_lengths = count;
  return MLAAS_OK;
}

/* The usual kind, without a branch. */
static void add_plain_lengths(struct mlaas_column_stats *s, const int32_t *offsets, int64_t rows, const uint64_t *mix) {
  int64_t *lengths = s->lengths;
  uint64_t shape = 0;
  for (int64_t i = 0; i < rows; i++) {
    uint64_t length = (uint64_t)(offsets[i + 1] - offsets[i]);
    lengths[length]++;
    shape += length * mix[i];
  }
  s->shape += shape;
}

static void find_longest(const struct mlaas_view *view, int64_t rows, int64_t *longest, int64_t *shortest) {
  *longest = *shortest = 0;
  if (view->offsets && !view->row_valid) {
    int32_t high = 0, low = 0;
    for (int64_t i = 0; i < rows; i++) {
      int32_t length = view->offsets[i + 1] - view->offsets[i];
      high = length > high ? length : high;
      low = length < low ? length : low;
    }
    *longest = high;
    *shortest = low;
    return;
  }
  for (int64_t i = 0; i < rows; i++) {
    int64_t length = mlaas_view_list(view, i).length;
    *longest = length > *longest ? length : *longest;
    *shortest = length < *shortest ? length : *shortest;
  }
}

static enum mlaas_status add_lengths(struct mlaas_column_stats *s, const struct mlaas_view *view, int64_t rows,
                                     const uint64_t *mix, struct mlaas_error *error) {
  int64_t longest, shortest;
  find_longest(view, rows, &longest, &shortest);
  if (shortest < 0)
    return mlaas_fail(error, MLAAS_FORMAT, "the offsets of a list go backwards");
  MLAAS_TRY(make_room(s, longest, error));
  if (view->offsets && !view->row_valid) {
    add_plain_lengths(s, view->offsets, rows, mix);
    return MLAAS_OK;
  }
  for (int64_t i = 0; i < rows; i++) {
    int64_t length = mlaas_view_list(view, i).length;
    s->lengths[length]++;
    s->shape += (uint64_t)length * mix[i];
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_column_stats_add(struct mlaas_column_stats *stats, const struct ArrowArray *array,
                                         const uint64_t *mix, const double *missing, size_t num_missing,
                                         struct mlaas_error *error) {
  struct mlaas_view view;
  struct sentinels sentinels;
  int64_t rows = array->length;
  if (!mlaas_view_init(&view, &stats->source, array, 0, rows))
    return mlaas_fail(error, MLAAS_SCHEMA, "the array is not what its schema says");
  if (rows == 0)
    return MLAAS_OK;
  find_sentinels(stats, missing, num_missing, &sentinels);
  if (stats->jagged)
    MLAAS_TRY(add_lengths(stats, &view, rows, mix, error));
  if (stats->jagged && view.row_valid) { /* what lies under a null list is nothing */
    for (int64_t i = 0; i < rows; i++) {
      struct mlaas_list list = mlaas_view_list(&view, i);
      add_values(stats, &view, list.begin, list.begin + list.length, &sentinels);
    }
  } else {
    struct mlaas_list last = mlaas_view_list(&view, rows - 1);
    add_values(stats, &view, mlaas_view_list(&view, 0).begin, last.begin + last.length, &sentinels);
  }
  settle_integers(stats);
  return MLAAS_OK;
}

/* ---- merging ---- */

static void merge_integers(struct mlaas_column_stats *s, const struct mlaas_column_stats *other) {
  if (other->count == 0)
    return;
  if (strcmp(s->format, "L") == 0) {
    take_unsigned(s, (uint64_t)other->int_min, s->count == 0);
    take_unsigned(s, (uint64_t)other->int_max, false);
  } else {
    take_signed(s, other->int_min, s->count == 0);
    take_signed(s, other->int_max, false);
  }
}

enum mlaas_status mlaas_column_stats_merge(struct mlaas_column_stats *stats, const struct mlaas_column_stats *other,
                                           struct mlaas_error *error) {
  if (strcmp(stats->format, other->format) != 0 || stats->jagged != other->jagged)
    return mlaas_fail(error, MLAAS_SCHEMA,
                      "branch \"%s\" holds %s of type \"%s\" in one file and %s of \"%s\" in another",
                      stats->name ? stats->name : "", stats->jagged ? "lists" : "numbers", stats->format,
                      other->jagged ? "lists" : "numbers", other->format);
  if (other->num_lengths)
    MLAAS_TRY(make_room(stats, (int64_t)other->num_lengths - 1, error));
  for (size_t i = 0; i < other->num_lengths; i++)
    stats->lengths[i] += other->lengths[i];
  stats->shape += other->shape;
  stats->nan += other->nan;
  stats->inf += other->inf;
  stats->missing += other->missing;
  merge_integers(stats, other);
  set_extremes(stats, join(low_of(stats), low_of(other)), join(high_of(stats), high_of(other)));
  add_moments(stats, other->count, other->mean, other->m2);
  return MLAAS_OK;
}
