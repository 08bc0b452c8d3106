/* Filling: rows of an array become rows of tensors, tile by tile of some rows and all columns, so that a row stays in
 * the cache until it is whole. Every value is converted in a run as long as possible and written once, in place.
 */
#include "recipe/filler.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

enum {
  TILE = 64,     /* rows */
  SPAN = 256,    /* rows between the first and the last of a tile up to which a column is converted in one run */
  RUN = 2048,    /* values converted in one run */
  FLATS = 8,     /* flat columns written together */
  ON_STACK = 128 /* views */
};

/* What one call of fill works with. */
struct fill {
  const struct mlaas_filler *filler;
  const struct mlaas_recipe *recipe;
  const struct mlaas_kernels *kernels;
  const struct mlaas_view *views;
  const int64_t *rows;
  size_t count;
  float *const *x;
  uint8_t *const *mask;
  int64_t *truncated;
  /* the tile */
  size_t first, num; /* of the call's rows */
  int64_t low, high; /* rows of the array: all of the tile are in [low, high) */
  int64_t row[TILE];
  /* order of the slots, for the sort key of the column before */
  const struct mlaas_recipe_column *ordered;
  int32_t *order;
  struct slot *heap;
  /* scratch */
  int32_t start[TILE], length[TILE];
  float values[RUN + MLAAS_SPREAD_SLACK];
  uint8_t lost[RUN + MLAAS_SPREAD_SLACK], null[RUN], bytes[RUN];
  uint64_t raw[RUN];
};

struct slot {
  double key;
  int32_t index;
};

static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- conversion of a run ---- */

static void mark_lost(struct fill *f, enum mlaas_kernel_type type, const void *values, size_t n, const uint8_t *null,
                      const float *out, uint8_t *lost) {
  for (size_t i = 0; i < n; i++)
    lost[i] = isfinite(out[i]) && !(null && null[i]) ? 0 : 2;
  for (size_t i = 0; i < f->recipe->num_missing; i++)
    if (mlaas_kernel_holds(type, f->recipe->missing[i]))
      f->kernels->mark[type](values, n, f->recipe->missing[i], lost);
}

static bool has_sentinel(const struct fill *f, enum mlaas_kernel_type type, const void *values, size_t n) {
  for (size_t i = 0; i < f->recipe->num_missing; i++)
    if (mlaas_kernel_holds(type, f->recipe->missing[i]) && f->kernels->contains[type](values, n, f->recipe->missing[i]))
      return true;
  return false;
}

/* n raw values to `out`; true if some are missing: then `lost` has the mask of each. `null` may be NULL. */
static bool convert(struct fill *f, const struct mlaas_recipe_column *column, enum mlaas_kernel_type type,
                    const void *values, size_t n, const uint8_t *null, float *out, uint8_t *lost) {
  const struct mlaas_recipe *recipe = f->recipe;
  bool in_float = recipe->arithmetic == MLAAS_ARITHMETIC_COMPAT && column->jagged && type == MLAAS_KERNEL_f;
  bool missing =
      (in_float ? f->kernels->scale_float : f->kernels->scale[type])(values, n, column->center, column->scale, out);
  missing = missing || null || has_sentinel(f, type, values, n);
  if (missing)
    mark_lost(f, type, values, n, null, out, lost);
  if (column->constant)
    memset(out, 0, n * sizeof *out);
  else if (recipe->clip)
    f->kernels->clip(out, n, recipe->clip_low, recipe->clip_high);
  for (size_t i = 0; missing && i < n; i++)
    out[i] = lost[i] ? recipe->pad : out[i];
  return missing;
}

/* Values [begin, begin + n) of a view as bytes or numbers in a row; n <= RUN. */
static const void *run_of(struct fill *f, const struct mlaas_view *view, int64_t begin, size_t n) {
  if (view->source->type != MLAAS_KERNEL_b)
    return (const char *)view->values + begin * (int64_t)mlaas_kernel_size(view->source->type);
  for (size_t i = 0; i < n; i++)
    f->bytes[i] = mlaas_bit(view->values, view->value_bit + begin + (int64_t)i);
  return f->bytes;
}

static const uint8_t *nulls_of(struct fill *f, const struct mlaas_view *view, int64_t begin, size_t n) {
  for (size_t i = 0; view->value_valid && i < n; i++)
    f->null[i] = !mlaas_bit(view->value_valid, view->value_bit + begin + (int64_t)i);
  return view->value_valid ? f->null : NULL;
}

static bool convert_run(struct fill *f, const struct mlaas_recipe_column *column, int64_t begin, size_t n, float *out,
                        uint8_t *lost) {
  const struct mlaas_view *view = &f->views[column->branch];
  const uint8_t *null = nulls_of(f, view, begin, n);
  return convert(f, column, view->source->type, run_of(f, view, begin, n), n, null, out, lost);
}

/* Values at begin + order[0 .. n) (NULL: 0 .. n) to f->raw and f->null from place `to`. */
static void gather(struct fill *f, const struct mlaas_view *view, int64_t begin, const int32_t *order, size_t n,
                   size_t to) {
  size_t size = mlaas_kernel_size(view->source->type);
  bool bits = view->source->type == MLAAS_KERNEL_b;
  const char *values = (const char *)view->values + (bits ? 0 : begin * (int64_t)size);
  char *raw = (char *)f->raw + to * size;
  for (size_t i = 0; i < n && view->value_valid; i++)
    f->null[to + i] = !mlaas_bit(view->value_valid, view->value_bit + begin + (order ? order[i] : (int64_t)i));
  if (bits)
    for (size_t i = 0; i < n; i++)
      raw[i] = mlaas_bit(view->values, view->value_bit + begin + (order ? order[i] : (int64_t)i));
  else if (!order)
    memcpy(raw, values, n * size);
  else
    for (size_t i = 0; i < n; i++)
      memcpy(raw + i * size, values + (size_t)order[i] * size, size);
}

/* The n values gathered so far, converted to f->values and f->lost. */
static bool convert_gathered(struct fill *f, const struct mlaas_recipe_column *column, size_t n) {
  const struct mlaas_view *view = &f->views[column->branch];
  return convert(f, column, view->source->type, f->raw, n, view->value_valid ? f->null : NULL, f->values, f->lost);
}

/* ---- flat columns ---- */

/* Values of the tile's rows to `out`; f->start says where row i went. */
static bool convert_flat(struct fill *f, const struct mlaas_recipe_column *column, float *out, uint8_t *lost) {
  const struct mlaas_view *view = &f->views[column->branch];
  if (f->high - f->low <= SPAN)
    return convert_run(f, column, f->low, (size_t)(f->high - f->low), out, lost);
  for (size_t i = 0; i < f->num; i++)
    gather(f, view, f->row[i], NULL, 1, i);
  bool missing = convert(f, column, view->source->type, f->raw, f->num, view->value_valid ? f->null : NULL, out, lost);
  return missing;
}

static void place_flats(struct fill *f) {
  for (size_t i = 0; i < f->num; i++)
    f->start[i] = f->high - f->low <= SPAN ? (int32_t)(f->row[i] - f->low) : (int32_t)i;
}

static void write_flat(const struct fill *f, size_t input, int64_t feature, const float *values, const uint8_t *lost) {
  float *const *x = f->x + input * f->count + f->first;
  uint8_t *const *mask = f->mask + input * f->count + f->first;
  for (size_t i = 0; i < f->num; i++) {
    x[i][feature] = values[f->start[i]];
    mask[i][feature] = lost ? lost[f->start[i]] : 0;
  }
}

static struct mlaas_spread spread_of(const struct fill *f, size_t input, const struct mlaas_recipe_column *column) {
  return (struct mlaas_spread){.rows = f->num,
                               .start = f->start,
                               .count = f->length,
                               .first = column->first,
                               .width = (int32_t)column->width,
                               .pad = f->recipe->pad,
                               .x = f->x + input * f->count + f->first,
                               .mask = f->mask + input * f->count + f->first,
                               .pads = f->filler->pads};
}

/* FLATS columns whose features follow each other. */
static void fill_flats(struct fill *f, size_t input, const struct mlaas_recipe_column *columns) {
  bool lost[FLATS], any = false;
  for (size_t i = 0; i < FLATS; i++)
    any |= lost[i] = convert_flat(f, &columns[i], f->values + i * SPAN, f->lost + i * SPAN);
  if (!any) {
    struct mlaas_spread spread = spread_of(f, input, columns);
    f->kernels->spread_flat(&spread, f->values, SPAN);
    return;
  }
  for (size_t i = 0; i < FLATS; i++)
    write_flat(f, input, columns[i].first, f->values + i * SPAN, lost[i] ? f->lost + i * SPAN : NULL);
}

/* ---- the order of slots: largest key first, then file order ---- */

static double key_at(const struct mlaas_view *view, int64_t i) {
  double key = NAN;
  if (view->value_valid && !mlaas_bit(view->value_valid, view->value_bit + i))
    return -(double)INFINITY;
  switch (view->source->type) {
  case MLAAS_KERNEL_b:
    return mlaas_bit(view->values, view->value_bit + i);
#define X(format, type, name)                                                                                          \
  case MLAAS_KERNEL_##name:                                                                                            \
    key = (double)((const type *)view->values)[i];                                                                     \
    break;
    X("c", int8_t, c)
    X("C", uint8_t, C)
    X("s", int16_t, s)
    X("S", uint16_t, S)
    X("i", int32_t, i)
    X("I", uint32_t, I)
    X("l", int64_t, l)
    X("L", uint64_t, L)
    X("f", float, f)
    X("g", double, g)
#undef X
  case MLAAS_KERNEL_NUM_TYPES:
    break;
  }
  return isnan(key) ? -(double)INFINITY : key; /* what has no value goes last */
}

static bool before(struct slot a, struct slot b) { return a.key > b.key || (a.key == b.key && a.index < b.index); }

/* A heap whose root is the slot that comes last. */
static void sift(struct slot *heap, size_t n, size_t at) {
  struct slot moved = heap[at];
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(heap[child], heap[child + 1]))
      child++;
    if (!before(moved, heap[child]))
      break;
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

/* The first `keep` slots of a list in order. Lists that are in order already, the usual ones, cost one look. */
static void sort_list(const struct mlaas_view *view, struct mlaas_list list, size_t keep, struct slot *heap,
                      int32_t *order) {
  bool sorted = true;
  double last = INFINITY;
  for (int64_t i = 0; i < list.length && sorted; i++) {
    double key = key_at(view, list.begin + i);
    sorted = key <= last;
    last = key;
  }
  for (size_t i = 0; i < keep; i++)
    order[i] = (int32_t)i;
  if (sorted)
    return;
  for (size_t i = 0; i < keep; i++)
    heap[i] = (struct slot){key_at(view, list.begin + (int64_t)i), (int32_t)i};
  for (size_t i = keep / 2; i-- > 0;)
    sift(heap, keep, i);
  for (int64_t i = (int64_t)keep; i < list.length; i++) {
    struct slot slot = {key_at(view, list.begin + i), (int32_t)i};
    if (!before(slot, heap[0]))
      continue;
    heap[0] = slot;
    sift(heap, keep, 0);
  }
  for (size_t n = keep; n-- > 0;) {
    order[n] = heap[0].index;
    heap[0] = heap[n];
    sift(heap, n, 0);
  }
}

/* Fills f->order for the tile's rows, list behind list; columns of one collection share it. */
static enum mlaas_status order_tile(struct fill *f, const struct mlaas_recipe_column *column,
                                    struct mlaas_error *error) {
  const struct mlaas_view *key = &f->views[column->sort], *view = &f->views[column->branch];
  bool same = f->ordered && f->ordered->sort == column->sort && f->ordered->width == column->width;
  size_t to = 0;
  for (size_t i = 0; i < f->num; i++) {
    struct mlaas_list list = mlaas_view_list(key, f->row[i]);
    if (mlaas_view_list(view, f->row[i]).length != list.length)
      return mlaas_fail(error, MLAAS_SCHEMA, "branches \"%s\" and \"%s\" have lists of different length in row %lld",
                        f->recipe->branches[column->branch], f->recipe->branches[column->sort], (long long)f->row[i]);
    size_t keep = (size_t)at_most(list.length, column->width);
    if (!same)
      sort_list(key, list, keep, f->heap, f->order + to);
    to += keep;
  }
  f->ordered = column;
  return MLAAS_OK;
}

/* ---- jagged columns ---- */

/* Slots [slot, slot + n) of a row of the tile; stride is the distance between slots. */
static void write_slots(const struct fill *f, size_t input, const struct mlaas_recipe_column *column, size_t row,
                        int64_t slot, size_t n, const float *values, const uint8_t *lost) {
  const struct mlaas_recipe_input *in = &f->recipe->inputs[input];
  int64_t stride = in->padded ? in->features : 1;
  float *x = f->x[input * f->count + f->first + row] + column->first + slot * stride;
  uint8_t *mask = f->mask[input * f->count + f->first + row] + column->first + slot * stride;
  for (size_t i = 0; i < n; i++) {
    x[(int64_t)i * stride] = values ? values[i] : f->recipe->pad;
    mask[(int64_t)i * stride] = !values ? 1 : lost ? lost[i] : 0;
  }
}

/* Lists behind each other in f->values go to their rows. */
static void write_lists(struct fill *f, size_t input, const struct mlaas_recipe_column *column, bool missing) {
  if (!f->recipe->inputs[input].padded && column->width <= MLAAS_SPREAD_WIDEST) {
    struct mlaas_spread spread = spread_of(f, input, column);
    f->kernels->spread(&spread, f->values, missing ? f->lost : NULL);
    return;
  }
  for (size_t i = 0; i < f->num; i++) {
    size_t n = (size_t)f->length[i];
    write_slots(f, input, column, i, 0, n, f->values + f->start[i], missing ? f->lost + f->start[i] : NULL);
    write_slots(f, input, column, i, (int64_t)n, (size_t)column->width - n, NULL, NULL);
  }
}

/* The general way, row by row and run by run: long lists, rows that lie far apart. */
static void fill_rows(struct fill *f, size_t input, const struct mlaas_recipe_column *column) {
  const struct mlaas_view *view = &f->views[column->branch];
  bool sorted = column->sort != SIZE_MAX;
  const int32_t *order = f->order;
  for (size_t i = 0; i < f->num; i++) {
    int64_t begin = mlaas_view_list(view, f->row[i]).begin, count = f->length[i];
    for (int64_t slot = 0; slot < count; slot += RUN) {
      size_t n = (size_t)at_most(RUN, count - slot);
      gather(f, view, begin + (sorted ? 0 : slot), sorted ? order + slot : NULL, n, 0);
      bool missing = convert_gathered(f, column, n);
      write_slots(f, input, column, i, slot, n, f->values, missing ? f->lost : NULL);
    }
    write_slots(f, input, column, i, count, (size_t)(column->width - count), NULL, NULL);
    if (sorted)
      order += count;
  }
}

/* The tile's lists: f->start of each relative to `base`, f->length of what is kept of each. */
struct lists {
  int64_t base, total, cut; /* total: of the kept lengths; cut: lists that are longer than the width */
};

/* The usual kind, without a branch: 32-bit offsets, no nulls. */
static void measure_plain(struct fill *f, const int32_t *offsets, int32_t width, struct lists *lists) {
  int32_t base = offsets[f->low];
  int64_t total = 0, cut = 0;
  for (size_t i = 0; i < f->num; i++) {
    int32_t begin = offsets[f->row[i]], length = offsets[f->row[i] + 1] - begin;
    int32_t kept = length < width ? length : width;
    kept = kept < 0 ? 0 : kept;
    f->start[i] = begin - base;
    f->length[i] = kept;
    total += kept;
    cut += length > width;
  }
  *lists = (struct lists){base, total, cut};
}

static void measure_lists(struct fill *f, const struct mlaas_recipe_column *column, struct lists *lists) {
  const struct mlaas_view *view = &f->views[column->branch];
  if (view->source->kind == MLAAS_SOURCE_LIST && !view->row_valid) {
    measure_plain(f, view->offsets, (int32_t)column->width, lists);
    return;
  }
  *lists = (struct lists){.base = mlaas_view_list(view, f->low).begin};
  for (size_t i = 0; i < f->num; i++) {
    struct mlaas_list list = mlaas_view_list(view, f->row[i]);
    int64_t kept = list.length < 0 ? 0 : at_most(list.length, column->width);
    f->start[i] = (int32_t)(list.begin - lists->base);
    f->length[i] = (int32_t)kept;
    lists->total += kept;
    lists->cut += list.length > column->width;
  }
}

/* Lists of consecutive rows lie behind each other: one run of all, if that is not much more than what is needed. */
static bool fill_run(struct fill *f, size_t input, const struct mlaas_recipe_column *column,
                     const struct lists *lists) {
  const struct mlaas_view *view = &f->views[column->branch];
  if (f->high - f->low > SPAN || view->row_valid)
    return false;
  struct mlaas_list last = mlaas_view_list(view, f->high - 1);
  int64_t run = last.begin + last.length - lists->base;
  if (run < 0 || run > RUN || run > 4 * lists->total + TILE)
    return false;
  bool missing = convert_run(f, column, lists->base, (size_t)run, f->values, f->lost);
  write_lists(f, input, column, missing);
  return true;
}

/* The same for lists that are sorted or lie apart: they are brought together first. */
static bool fill_gathered(struct fill *f, size_t input, const struct mlaas_recipe_column *column, int64_t total) {
  const struct mlaas_view *view = &f->views[column->branch];
  const int32_t *order = column->sort == SIZE_MAX ? NULL : f->order;
  size_t to = 0;
  if (total > RUN)
    return false;
  for (size_t i = 0; i < f->num; i++) {
    size_t n = (size_t)f->length[i];
    gather(f, view, mlaas_view_list(view, f->row[i]).begin, order ? order + to : NULL, n, to);
    f->start[i] = (int32_t)to;
    to += n;
  }
  write_lists(f, input, column, convert_gathered(f, column, to));
  return true;
}

static enum mlaas_status fill_jagged(struct fill *f, size_t input, const struct mlaas_recipe_column *column,
                                     struct mlaas_error *error) {
  struct lists lists;
  measure_lists(f, column, &lists);
  if (f->truncated && column->first_use)
    f->truncated[column->branch] += lists.cut;
  if (column->sort != SIZE_MAX)
    MLAAS_TRY(order_tile(f, column, error));
  else if (fill_run(f, input, column, &lists))
    return MLAAS_OK;
  if (!fill_gathered(f, input, column, lists.total))
    fill_rows(f, input, column);
  return MLAAS_OK;
}

/* ---- tiles ---- */

static enum mlaas_status fill_input(struct fill *f, size_t input, struct mlaas_error *error) {
  const struct mlaas_recipe_input *in = &f->recipe->inputs[input];
  size_t flats = 0, at = 0;
  while (flats < in->num_columns && !in->columns[flats].jagged)
    flats++;
  place_flats(f);
  if (flats >= FLATS) /* the last group begins early rather than late: some columns are written twice */
    for (; at < flats; at += FLATS)
      fill_flats(f, input, &in->columns[at + FLATS <= flats ? at : flats - FLATS]);
  for (at = at ? flats : 0; at < in->num_columns; at++) {
    const struct mlaas_recipe_column *column = &in->columns[at];
    if (column->jagged) {
      MLAAS_TRY(fill_jagged(f, input, column, error));
      continue;
    }
    place_flats(f);
    bool missing = convert_flat(f, column, f->values, f->lost);
    write_flat(f, input, column->first, f->values, missing ? f->lost : NULL);
  }
  return MLAAS_OK;
}

static enum mlaas_status set_tile(struct fill *f, int64_t length, struct mlaas_error *error) {
  f->ordered = NULL;
  f->low = INT64_MAX;
  f->high = 0;
  for (size_t i = 0; i < f->num; i++) {
    int64_t row = f->rows ? f->rows[f->first + i] : (int64_t)(f->first + i);
    if (row < 0 || row >= length)
      return mlaas_fail(error, MLAAS_ARGUMENT, "row %lld is not among the %lld rows of the array", (long long)row,
                        (long long)length);
    f->row[i] = row;
    f->low = row < f->low ? row : f->low;
    f->high = row + 1 > f->high ? row + 1 : f->high;
  }
  return MLAAS_OK;
}

static enum mlaas_status fill_tiles(struct fill *f, int64_t length, struct mlaas_error *error) {
  size_t tile = TILE;
  if (f->filler->widest_sorted > RUN / TILE) /* the order of a tile fits into f->order */
    tile = (size_t)(f->filler->widest_sorted >= RUN ? 1 : RUN / f->filler->widest_sorted);
  for (f->first = 0; f->first < f->count; f->first += tile) {
    f->num = f->count - f->first < tile ? f->count - f->first : tile;
    MLAAS_TRY(set_tile(f, length, error));
    for (size_t k = 0; k < f->recipe->num_inputs; k++)
      MLAAS_TRY(fill_input(f, k, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status make_order(struct fill *f, struct mlaas_error *error) {
  int64_t widest = f->filler->widest_sorted;
  if (!widest)
    return MLAAS_OK;
  f->order = mlaas_alloc((size_t)(widest > RUN ? widest : RUN) * sizeof *f->order);
  f->heap = mlaas_alloc((size_t)widest * sizeof *f->heap);
  return f->order && f->heap ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "out of memory for the order of slots");
}

enum mlaas_status mlaas_filler_fill(const struct mlaas_filler *filler, const struct ArrowArray *array,
                                    const int64_t *rows, size_t count, float *const *x, uint8_t *const *mask,
                                    int64_t *truncated, struct mlaas_error *error) {
  struct mlaas_view few[ON_STACK], *views = few;
  struct fill f;
  f.filler = filler;
  f.recipe = filler->recipe;
  f.kernels = filler->kernels;
  f.rows = rows;
  f.count = count;
  f.x = x;
  f.mask = mask;
  f.truncated = truncated;
  f.order = NULL;
  f.heap = NULL;
  if (filler->recipe->num_branches > ON_STACK)
    views = mlaas_alloc(filler->recipe->num_branches * sizeof *views);
  if (!views)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the views of columns");
  f.views = views;
  enum mlaas_status status = mlaas_filler_view(filler, array, views, error);
  if (status == MLAAS_OK)
    status = make_order(&f, error);
  if (status == MLAAS_OK)
    status = fill_tiles(&f, array->length, error);
  mlaas_free(f.order);
  mlaas_free(f.heap);
  if (views != few)
    mlaas_free(views);
  return status;
}
