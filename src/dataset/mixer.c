/* Slices of runs, decoded and then filled in tiles by the pool. Must not know threads other than through the pool. */
#include "dataset/mixer.h"

#include "base/error.h"
#include "column/arrow.h"
#include "dataset/random.h"
#include "dataset/values.h"

#include <string.h>

enum { TILE_ROWS = 64, TILES_PER_ITEM = 8, LEAST_SLICE = 512, SLICE_BYTES = 6 << 20 };

/* What a worker needs to fill a tile. */
struct mlaas_tile_scratch {
  float **x; /* inputs x TILE_ROWS */
  uint8_t **mask;
  int64_t *truncated; /* per branch */
};

/* ---- files ---- */

static void unbind(struct mlaas_mixer *mixer, struct mlaas_bound *bound) {
  struct mlaas_source_counters counters;
  if (!bound->open)
    return;
  mlaas_access_counters(&bound->access, &counters);
  mlaas_source_counters_add(&mixer->closed, &counters);
  mlaas_filler_free(bound->filler);
  mlaas_access_close(&bound->access);
  bound->open = false;
}

struct mlaas_bound *mlaas_mixer_bound(struct mlaas_mixer *mixer, size_t index) {
  for (size_t i = 0; i < mixer->num_bound; i++) {
    struct mlaas_bound *bound = &mixer->bound[i];
    if (!bound->open || bound->file != index)
      continue;
    bound->used = ++mixer->clock;
    return bound;
  }
  return NULL;
}

/* Where there is no place left, in that of the one that was not used for longest. */
enum mlaas_status mlaas_mixer_bind(struct mlaas_mixer *mixer, size_t index, struct mlaas_bound **found,
                                   struct mlaas_error *error) {
  struct mlaas_opened opened;
  struct mlaas_bound *oldest = &mixer->bound[0];
  *found = mlaas_mixer_bound(mixer, index);
  if (*found)
    return MLAAS_OK;
  for (size_t i = 0; i < mixer->num_bound; i++) {
    struct mlaas_bound *bound = &mixer->bound[i];
    if (oldest->open && (!bound->open || bound->used < oldest->used))
      oldest = bound;
  }
  unbind(mixer, oldest);
  MLAAS_TRY(mlaas_opener_take(&mixer->opener, index, &opened, error));
  *oldest = (struct mlaas_bound){index, true, ++mixer->clock, opened.access, opened.filler};
  *found = oldest;
  return MLAAS_OK;
}

/* Where memory is short the other files' readers give back what they keep. */
static enum mlaas_status read_slice(struct mlaas_mixer *mixer, struct mlaas_bound *bound, int64_t start, int64_t *stop,
                                    struct ArrowArray *array, struct mlaas_error *error) {
  int64_t whole = *stop;
  enum mlaas_status status = mlaas_access_read(&bound->access, start, stop, LEAST_SLICE, array, error);
  if (status != MLAAS_LIMIT)
    return status;
  for (size_t i = 0; i < mixer->num_bound; i++)
    if (&mixer->bound[i] != bound)
      unbind(mixer, &mixer->bound[i]);
  mlaas_opener_drop(&mixer->opener);
  *stop = whole;
  return mlaas_access_read(&bound->access, start, stop, 1, array, error);
}

/* ---- tiles ---- */

/* Rows of one slice and where they go. */
struct fill {
  struct mlaas_mixer *mixer;
  const struct mlaas_bound *bound;
  const struct ArrowArray *array;
  int64_t piece_start, slice_start;
  int64_t first_row; /* of the piece, in the plan's parts */
  const int32_t *picked, *slots;
  size_t count;
  struct mlaas_batch *const *batches;
  int label, weight; /* children, -1 where the file has one number */
  float y, w, raw;   /* then these */
};

static void fill_values(const struct fill *fill, struct mlaas_batch *batch, int64_t at, int32_t picked) {
  const struct mlaas_dataset *dataset = fill->mixer->dataset;
  int64_t entry = fill->piece_start + picked;
  batch->file[at] = (int32_t)fill->bound->file;
  batch->entry[at] = entry;
  batch->part[at] = mlaas_plan_part(&dataset->plan, fill->first_row + picked);
  batch->y[at] = fill->y;
  batch->w[at] = fill->w;
  batch->raw_w[at] = fill->raw;
  if (fill->label < 0 && fill->weight < 0)
    return;
  const struct mlaas_dataset_file *file = &dataset->files[fill->bound->file];
  struct ArrowSchema *const *types = fill->bound->access.schema.children;
  struct ArrowArray *const *columns = fill->array->children;
  double label = file->label, raw = file->weight;
  if (fill->label >= 0)
    label = mlaas_value_double(types[fill->label]->format[0], columns[fill->label], entry - fill->slice_start);
  if (fill->weight >= 0)
    raw = mlaas_value_double(types[fill->weight]->format[0], columns[fill->weight], entry - fill->slice_start);
  batch->y[at] = (float)label;
  batch->raw_w[at] = (float)raw;
  batch->w[at] = (float)mlaas_dataset_weight(dataset, label, raw);
}

static enum mlaas_status fill_tile(const struct fill *fill, size_t first, size_t count,
                                   const struct mlaas_tile_scratch *scratch, struct mlaas_error *error) {
  const struct mlaas_layout *layout = &fill->mixer->layout;
  uint32_t batch_rows = (uint32_t)fill->mixer->options.batch_rows;
  int64_t rows[TILE_ROWS];
  for (size_t i = 0; i < count; i++) {
    uint32_t slot = (uint32_t)fill->slots[first + i];
    struct mlaas_batch *batch = fill->batches[slot / batch_rows];
    int64_t at = slot % batch_rows;
    rows[i] = fill->piece_start + fill->picked[first + i] - fill->slice_start;
    for (size_t k = 0; k < layout->num_inputs; k++) {
      int64_t width = layout->slots[k] * layout->features[k];
      scratch->x[k * count + i] = batch->inputs[k].x + at * width;
      scratch->mask[k * count + i] = batch->inputs[k].mask + at * width;
    }
    fill_values(fill, batch, at, fill->picked[first + i]);
  }
  return mlaas_filler_fill(fill->bound->filler, fill->array, rows, count, scratch->x, scratch->mask, scratch->truncated,
                           error);
}

static enum mlaas_status fill_item(void *context, size_t item, int worker, struct mlaas_error *error) {
  const struct fill *fill = context;
  size_t first = item * TILE_ROWS * TILES_PER_ITEM, stop = first + TILE_ROWS * TILES_PER_ITEM;
  if (stop > fill->count)
    stop = fill->count;
  for (; first < stop; first += TILE_ROWS)
    MLAAS_TRY(fill_tile(fill, first, stop - first < TILE_ROWS ? stop - first : TILE_ROWS, &fill->mixer->workers[worker],
                        error));
  return MLAAS_OK;
}

/* ---- runs ---- */

/* Reads the entries of the picked rows slice by slice and fills them in. */
static enum mlaas_status fill_picked(struct mlaas_mixer *mixer, const struct mlaas_piece *piece, size_t count,
                                     struct mlaas_batch *const *batches, size_t *filled, struct mlaas_error *error) {
  const struct mlaas_dataset *dataset = mixer->dataset;
  const struct mlaas_dataset_file *file = &dataset->files[piece->file];
  struct mlaas_bound *bound;
  MLAAS_TRY(mlaas_mixer_bind(mixer, piece->file, &bound, error));
  mlaas_mixer_announce(mixer, mixer->announced);
  int next = (int)mlaas_recipe_num_branches(dataset->recipe);
  struct fill fill = {.mixer = mixer,
                      .bound = bound,
                      .piece_start = piece->start,
                      .first_row = piece->row,
                      .batches = batches,
                      .y = (float)file->label,
                      .raw = (float)file->weight};
  fill.label = dataset->label_branch ? next++ : -1;
  fill.weight = dataset->params.weight_branch ? next : -1;
  fill.w = (float)mlaas_dataset_weight(dataset, file->label, file->weight);
  int64_t most = mlaas_access_rows(&bound->access, mixer->slice);
  for (size_t done = 0; done < count; done += fill.count, *filled = done) {
    struct ArrowArray array = {0};
    int64_t last = piece->start + mixer->picked[count - 1] + 1;
    fill.slice_start = piece->start + mixer->picked[done];
    int64_t stop = last - fill.slice_start > most ? fill.slice_start + most : last;
    if (atomic_load(mixer->interrupt))
      return mlaas_fail(error, MLAAS_CANCELLED, "the loader was cancelled");
    MLAAS_TRY(read_slice(mixer, bound, fill.slice_start, &stop, &array, error));
    fill.array = &array;
    fill.picked = mixer->picked + done;
    fill.slots = mixer->slots + done;
    for (fill.count = 0; done + fill.count < count && piece->start + fill.picked[fill.count] < stop;)
      fill.count++;
    size_t items = (fill.count + TILE_ROWS * TILES_PER_ITEM - 1) / (TILE_ROWS * TILES_PER_ITEM);
    enum mlaas_status status = mlaas_pool_run(mlaas_context_pool(dataset->context), items, fill_item, &fill, error);
    mlaas_array_release(&array);
    MLAAS_TRY(status);
  }
  return MLAAS_OK;
}

/* The rows of a run that go to slots [low, low + wanted) of the window; `places` has the slots of the run's rows. */
static enum mlaas_status fill_run(struct mlaas_mixer *mixer, const struct mlaas_run *run, const int32_t *places,
                                  int64_t position, int64_t low, int64_t wanted, struct mlaas_batch *const *batches,
                                  struct mlaas_error *error) {
  size_t count = 0;
  mlaas_plan_select(&mixer->dataset->plan, run->piece, mixer->options.order.set, run->skip, run->take, mixer->picked);
  for (int64_t i = 0; i < run->take; i++) {
    int64_t slot = (places ? places[position + i] : position + i) - low;
    mixer->picked[count] = mixer->picked[i];
    mixer->slots[count] = (int32_t)slot;
    count += slot >= 0 && slot < wanted;
  }
  if (count == 0)
    return MLAAS_OK;
  const struct mlaas_piece *piece = &mixer->dataset->plan.pieces[run->piece];
  size_t filled = 0;
  struct mlaas_error why;
  enum mlaas_status status = MLAAS_OK;
  if (!mlaas_mixer_is_lost(mixer, piece->file))
    status = fill_picked(mixer, piece, count, batches, &filled, &why);
  if (status != MLAAS_OK && !mlaas_mixer_lose(mixer, piece->file, status, &why)) {
    if (error)
      *error = why;
    return status;
  }
  if (status != MLAAS_OK) {
    struct mlaas_bound *bound = mlaas_mixer_bound(mixer, piece->file);
    if (bound)
      unbind(mixer, bound);
  }
  if (filled < count)
    mlaas_mixer_leave_out(mixer, piece->file, mixer->slots + filled, count - filled, batches);
  return MLAAS_OK;
}

/* ---- windows ---- */

int64_t mlaas_mixer_batch_rows(const struct mlaas_mixer *mixer, int64_t index) {
  int64_t left = mixer->rows - index * mixer->options.batch_rows;
  return left < mixer->options.batch_rows ? left : mixer->options.batch_rows;
}

size_t mlaas_mixer_window(const struct mlaas_mixer *mixer, int64_t first) {
  int64_t per_window = mixer->options.window_rows / mixer->options.batch_rows;
  int64_t stop = (first / per_window + 1) * per_window;
  return (size_t)((stop < mixer->num_batches ? stop : mixer->num_batches) - first);
}

static void shuffle_window(const struct mlaas_mixer *mixer, int64_t window, int32_t *places, int64_t rows) {
  const struct mlaas_order_options *order = &mixer->options.order;
  uint64_t number = UINT64_C(1) << 63 | (uint64_t)order->rank << 40 | (uint64_t)window;
  struct mlaas_random random = mlaas_random_new(order->seed, mixer->order.options.epoch, number);
  mlaas_random_permutation(&random, places, (int32_t)rows);
}

enum mlaas_status mlaas_mixer_fill(struct mlaas_mixer *mixer, int64_t first, struct mlaas_batch *const *batches,
                                   size_t count, struct mlaas_error *error) {
  int64_t window = first * mixer->options.batch_rows / mixer->options.window_rows;
  int64_t start = window * mixer->options.window_rows, rows = mixer->rows - start, wanted = 0, position = 0;
  if (rows > mixer->options.window_rows)
    rows = mixer->options.window_rows;
  for (size_t i = 0; i < count; i++)
    wanted += batches[i]->rows;
  struct mlaas_block block = {0};
  if (mixer->options.order.shuffle) {
    MLAAS_TRY(
        mlaas_block_new(mlaas_context_budget(mixer->dataset->context), rows * (int64_t)sizeof(int32_t), &block, error));
    shuffle_window(mixer, window, block.data, rows);
  }
  const int64_t *before, *after;
  int64_t from[MLAAS_LANES], taken[MLAAS_LANES];
  mlaas_mixer_announce(mixer, start);
  mlaas_order_window(&mixer->order, start, rows, &before, &after);
  memcpy(from, before, mixer->order.num_lanes * sizeof *from);
  memcpy(taken, after, mixer->order.num_lanes * sizeof *taken);
  enum mlaas_status status = MLAAS_OK;
  for (size_t lane = 0; lane < mixer->order.num_lanes; lane++)
    for (int64_t done = 0; done < taken[lane] && status == MLAAS_OK;) {
      struct mlaas_run run = mlaas_order_run(&mixer->order, lane, from[lane] + done, taken[lane] - done);
      status = fill_run(mixer, &run, block.data, position, first * mixer->options.batch_rows - start, wanted, batches,
                        error);
      done += run.take;
      position += run.take;
    }
  mlaas_block_reset(&block);
  if (status == MLAAS_OK)
    mlaas_mixer_close_up(mixer, batches, count);
  return status;
}

/* ---- open and close ---- */

static enum mlaas_status lay_out(struct mlaas_mixer *mixer, struct mlaas_error *error) {
  const struct mlaas_recipe *recipe = mixer->dataset->recipe;
  struct mlaas_layout *layout = &mixer->layout;
  struct mlaas_arena *arena = &mixer->arena;
  size_t count = mlaas_recipe_num_inputs(recipe), branches = mlaas_recipe_num_branches(recipe);
  layout->slots = mlaas_arena_alloc(arena, count, sizeof *layout->slots, error);
  layout->features = layout->slots ? mlaas_arena_alloc(arena, count, sizeof *layout->features, error) : NULL;
  mixer->picked = layout->features ? mlaas_arena_alloc(arena, MLAAS_PIECE_ROWS, sizeof(int32_t), error) : NULL;
  mixer->slots = mixer->picked ? mlaas_arena_alloc(arena, MLAAS_PIECE_ROWS, sizeof(int32_t), error) : NULL;
  if (!mixer->slots)
    return MLAAS_MEMORY;
  layout->num_inputs = count;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_input_info info;
    mlaas_recipe_input(recipe, i, &info);
    layout->slots[i] = info.slots;
    layout->features[i] = info.features;
  }
  size_t threads = (size_t)mlaas_pool_threads(mlaas_context_pool(mixer->dataset->context));
  mixer->workers = mlaas_arena_alloc(arena, threads, sizeof *mixer->workers, error);
  for (size_t i = 0; mixer->workers && i < threads; i++) {
    struct mlaas_tile_scratch *worker = &mixer->workers[i];
    worker->x = mlaas_arena_alloc(arena, count * TILE_ROWS, sizeof *worker->x, error);
    worker->mask = worker->x ? mlaas_arena_alloc(arena, count * TILE_ROWS, sizeof *worker->mask, error) : NULL;
    worker->truncated = worker->mask ? mlaas_arena_alloc(arena, branches, sizeof *worker->truncated, error) : NULL;
    if (!worker->truncated)
      return MLAAS_MEMORY;
  }
  return mixer->workers ? MLAAS_OK : MLAAS_MEMORY;
}

/* What reading one entry of everything takes: a basket per thread, packed and not, and what comes of it. */
static int64_t least_scratch(const struct mlaas_mixer *mixer, const struct mlaas_access *access) {
  int64_t largest = 0;
  for (size_t i = 0; i < mlaas_recipe_num_branches(mixer->dataset->recipe); i++) {
    struct mlaas_column_info info;
    size_t column;
    if (mlaas_table_find(access->table, mixer->dataset->branches[i], &column, NULL) != MLAAS_OK)
      continue;
    mlaas_table_column(access->table, column, &info);
    int64_t basket = info.num_baskets ? (info.raw_bytes + info.stored_bytes) / info.num_baskets : 0;
    largest = basket > largest ? basket : largest;
  }
  return largest * mlaas_pool_threads(mlaas_context_pool(mixer->dataset->context)) + 64 * access->row_bytes;
}

/* A lane reads its cluster a window at a time. As many lanes as there are clusters that two fifths of the ceiling hold:
 * else their baskets are decompressed again for every window. Where not even one fits windows and slices are as large
 * as can be, so that it happens less often. Depends on the ceiling and the files alone, as the order of rows does. */
static void share_memory(struct mlaas_mixer *mixer, const struct mlaas_access *access) {
  int64_t ceiling = mlaas_budget_ceiling(mlaas_context_budget(mixer->dataset->context));
  int64_t cluster = mlaas_plan_longest_unit(&mixer->dataset->plan) * access->row_bytes, fit = ceiling * 2 / 5 / cluster;
  mixer->tight = fit == 0;
  mixer->options.order.lanes = fit < 1 ? 1 : fit < MLAAS_LANES ? (size_t)fit : MLAAS_LANES;
  mixer->scratch = mixer->tight ? ceiling * 3 / 10 : ceiling / 8;
  mixer->slice = mixer->tight ? ceiling / 5 : ceiling / 32;
  if (mixer->slice > SLICE_BYTES && !mixer->tight)
    mixer->slice = SLICE_BYTES;
  if (mixer->scratch < mixer->least)
    mixer->scratch = mixer->least;
}

enum mlaas_status mlaas_mixer_open(struct mlaas_mixer *mixer, const struct mlaas_dataset *dataset,
                                   const struct mlaas_mixer_options *options, const atomic_bool *interrupt,
                                   struct mlaas_error *error) {
  struct mlaas_budget *budget = mlaas_context_budget(dataset->context);
  struct mlaas_bound *bound;
  *mixer = (struct mlaas_mixer){.dataset = dataset, .options = *options, .interrupt = interrupt};
  mlaas_arena_init(&mixer->arena, budget);
  mlaas_arena_init(&mixer->order_arena, budget);
  mlaas_opener_init(&mixer->opener, dataset, MLAAS_OPENER_BOUND, NULL, 0);
  mixer->num_bound = mixer->opener.early ? 2 * MLAAS_LANES : MLAAS_LANES;
  mixer->longest = mlaas_plan_longest_unit(&dataset->plan);
  MLAAS_TRY(lay_out(mixer, error));
  mixer->rows = mlaas_order_num_rows(&dataset->plan, options->order.set, options->order.world);
  mixer->num_batches = (mixer->rows + options->batch_rows - 1) / options->batch_rows;
  struct mlaas_error own;
  error = error ? error : &own;
  MLAAS_TRY(mlaas_mixer_lost_init(mixer, error));
  enum mlaas_status status = MLAAS_OK;
  for (size_t file = 0; file < dataset->num_files; file++) { /* the first that can be opened */
    if (dataset->files[file].entries == 0 && file + 1 < dataset->num_files)
      continue;
    if (mlaas_mixer_is_lost(mixer, file))
      status = mlaas_fail(error, MLAAS_TIMEOUT, "%s", mixer->losses[file].reason);
    else
      status = mlaas_mixer_bind(mixer, file, &bound, error);
    if (status == MLAAS_OK || !mlaas_mixer_lose(mixer, file, status, error))
      break;
  }
  MLAAS_TRY(status);
  mixer->least = least_scratch(mixer, &bound->access);
  share_memory(mixer, &bound->access);
  return mlaas_mixer_start(mixer, 0, error);
}

void mlaas_mixer_close(struct mlaas_mixer *mixer) {
  for (size_t i = 0; i < mixer->num_bound; i++)
    unbind(mixer, &mixer->bound[i]);
  mlaas_opener_reset(&mixer->opener);
  mlaas_arena_reset(&mixer->order_arena);
  mlaas_arena_reset(&mixer->arena);
}

enum mlaas_status mlaas_mixer_start(struct mlaas_mixer *mixer, int64_t epoch, struct mlaas_error *error) {
  struct mlaas_order_options options = mixer->options.order;
  options.epoch = (uint64_t)epoch;
  mlaas_mixer_forget_lost(mixer);
  memset(mixer->ahead, 0, sizeof mixer->ahead);
  mixer->announced = 0;
  mlaas_arena_reset(&mixer->order_arena);
  mlaas_arena_init(&mixer->order_arena, mlaas_context_budget(mixer->dataset->context));
  return mlaas_order_init(&mixer->order, &mixer->dataset->plan, &options, &mixer->order_arena, error);
}

void mlaas_mixer_counters(const struct mlaas_mixer *mixer, struct mlaas_source_counters *counters) {
  *counters = mixer->closed;
  for (size_t i = 0; i < mixer->num_bound; i++)
    if (mixer->bound[i].open) {
      struct mlaas_source_counters more;
      mlaas_access_counters(&mixer->bound[i].access, &more);
      mlaas_source_counters_add(counters, &more);
    }
}

int64_t mlaas_mixer_truncated(const struct mlaas_mixer *mixer, size_t branch) {
  int64_t entries = 0;
  for (int i = 0; i < mlaas_pool_threads(mlaas_context_pool(mixer->dataset->context)); i++)
    entries += mixer->workers[i].truncated[branch];
  return entries;
}
