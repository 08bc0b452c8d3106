/* Seeded order of units, shares of the ranks, windows. Knows nothing of entries' values or of memory for rows. */
#include "dataset/order.h"

#include "base/error.h"
#include "dataset/random.h"

static int64_t rows_in_set(const struct mlaas_piece *piece, unsigned set) {
  int64_t rows = 0;
  for (unsigned part = 0; part < 4; part++)
    rows += set >> part & 1 ? piece->rows[part] : 0;
  return rows;
}

int64_t mlaas_order_num_rows(const struct mlaas_plan *plan, unsigned set, int64_t world) {
  int64_t rows = 0;
  for (size_t i = 0; i < plan->num_files; i++)
    rows += mlaas_plan_rows(plan, i, set);
  return rows / world;
}

/* How many of the first `rows` rows are of each file. */
static void count_rows(const struct mlaas_order *order, const int64_t *sizes, int64_t rows, int64_t *taken) {
  if (order->options.shuffle) {
    mlaas_plan_interleave(sizes, order->plan->num_files, rows, taken);
    return;
  }
  for (size_t i = 0; i < order->plan->num_files; i++) {
    taken[i] = rows < sizes[i] ? rows : sizes[i];
    rows -= taken[i];
  }
}

/* The pieces of one file: its units in a shuffled order, the pieces of a unit as they stand. */
static void order_file(struct mlaas_order *order, size_t index, int32_t *units) {
  const struct mlaas_plan *plan = order->plan;
  const struct mlaas_plan_file *file = &plan->files[index];
  struct mlaas_random random = mlaas_random_new(order->options.seed, order->options.epoch, index);
  mlaas_random_permutation(&random, units, (int32_t)file->num_units);
  int64_t rows = 0;
  size_t at = file->first_piece;
  for (size_t i = 0; i < file->num_units; i++) {
    const struct mlaas_unit *unit = &plan->units[file->first_unit + (order->options.shuffle ? (size_t)units[i] : i)];
    for (size_t j = 0; j < unit->count; j++, at++) {
      rows += rows_in_set(&plan->pieces[unit->first + j], order->options.set);
      order->pieces[at] = unit->first + j;
      order->ends[at] = rows;
    }
  }
  order->sizes[index] = rows;
}

/* From the rows of the whole epoch to those of this rank. */
static void take_share(struct mlaas_order *order) {
  size_t count = order->plan->num_files;
  int64_t first = order->options.rank * order->rows;
  count_rows(order, order->sizes, first, order->before);
  count_rows(order, order->sizes, first + order->rows, order->after);
  for (size_t i = 0; i < count; i++) {
    order->offsets[i] = order->before[i];
    order->sizes[i] = order->after[i] - order->before[i];
  }
}

enum mlaas_status mlaas_order_init(struct mlaas_order *order, const struct mlaas_plan *plan,
                                   const struct mlaas_order_options *options, struct mlaas_arena *arena,
                                   struct mlaas_error *error) {
  struct mlaas_error own;
  if (!error)
    error = &own;
  *order = (struct mlaas_order){.plan = plan, .options = *options};
  int64_t **per_file[] = {&order->sizes, &order->offsets, &order->before, &order->after};
  for (size_t i = 0; i < sizeof per_file / sizeof per_file[0]; i++)
    if (!(*per_file[i] = mlaas_arena_alloc(arena, plan->num_files, sizeof(int64_t), error)))
      return error->status;
  order->pieces = mlaas_arena_alloc(arena, plan->num_pieces, sizeof *order->pieces, error);
  order->ends = order->pieces ? mlaas_arena_alloc(arena, plan->num_pieces, sizeof *order->ends, error) : NULL;
  int32_t *units = order->ends ? mlaas_arena_alloc(arena, plan->num_units, sizeof *units, error) : NULL;
  if (!units)
    return error->status;
  for (size_t i = 0; i < plan->num_files; i++)
    order_file(order, i, units);
  order->rows = mlaas_order_num_rows(plan, options->set, options->world);
  take_share(order);
  return MLAAS_OK;
}

void mlaas_order_window(struct mlaas_order *order, int64_t first, int64_t rows, const int64_t **from,
                        const int64_t **taken) {
  count_rows(order, order->sizes, first, order->before);
  count_rows(order, order->sizes, first + rows, order->after);
  for (size_t i = 0; i < order->plan->num_files; i++)
    order->after[i] -= order->before[i];
  *from = order->before;
  *taken = order->after;
}

struct mlaas_run mlaas_order_run(const struct mlaas_order *order, size_t file, int64_t from, int64_t rows) {
  const struct mlaas_plan_file *f = &order->plan->files[file];
  const int64_t *ends = &order->ends[f->first_piece];
  int64_t row = order->offsets[file] + from;
  size_t low = 0, high = f->num_pieces;
  while (low < high) { /* the first piece that ends behind the row */
    size_t middle = (low + high) / 2;
    if (ends[middle] > row)
      high = middle;
    else
      low = middle + 1;
  }
  int64_t start = low ? ends[low - 1] : 0, left = ends[low] - row;
  return (struct mlaas_run){file, order->pieces[f->first_piece + low], row - start, left < rows ? left : rows};
}
