/* Lanes, their seeded order, the shares of ranks, windows. Knows nothing of values or of memory for rows. */
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

/* ---- lanes ---- */

/* lane_of[i] of every file; returns how many lanes there are. */
static size_t assign_lanes(const struct mlaas_plan *plan, const struct mlaas_order_options *options, size_t *lane_of) {
  size_t members[MLAAS_LANES / 2] = {0}, seen[MLAAS_LANES / 2] = {0}, base[MLAAS_LANES / 2], groups = 1, lanes = 0;
  size_t most = options->lanes && options->lanes < MLAAS_LANES ? options->lanes : MLAAS_LANES, count = plan->num_files;
  for (size_t i = 0; i < count; i++) {
    groups = plan->files[i].group >= groups ? plan->files[i].group + 1 : groups;
    lane_of[i] = options->shuffle ? i : 0;
  }
  if (!options->shuffle || count <= most)
    return options->shuffle ? count : 1;
  bool grouped = groups <= MLAAS_LANES / 2;
  groups = grouped ? groups : 1;
  for (size_t i = 0; i < count; i++)
    members[grouped ? plan->files[i].group : 0]++;
  size_t extra = most > groups ? most - groups : 0;
  for (size_t g = 0; g < groups; g++) {
    base[g] = lanes;
    lanes += members[g] ? 1 + (members[g] - 1) * extra / count : 0;
  }
  for (size_t i = 0; i < count; i++) {
    size_t g = grouped ? plan->files[i].group : 0;
    lane_of[i] = base[g] + seen[g]++ * (1 + (members[g] - 1) * extra / count) / members[g];
  }
  return lanes;
}

/* The pieces of one lane: the units of its files in a shuffled order, the pieces of a unit as they stand. Returns the
 * place behind the last. */
static size_t order_lane(struct mlaas_order *order, size_t lane, const size_t *lane_of, size_t *units,
                         int32_t *places) {
  const struct mlaas_plan *plan = order->plan;
  size_t num_units = 0, at = order->lanes[lane].first;
  for (size_t f = 0; f < plan->num_files; f++)
    for (size_t u = 0; lane_of[f] == lane && u < plan->files[f].num_units; u++)
      units[num_units++] = plan->files[f].first_unit + u;
  struct mlaas_random random = mlaas_random_new(order->options.seed, order->options.epoch, lane);
  mlaas_random_permutation(&random, places, (int32_t)num_units);
  int64_t rows = 0;
  for (size_t i = 0; i < num_units; i++) {
    const struct mlaas_unit *unit = &plan->units[units[order->options.shuffle ? (size_t)places[i] : i]];
    for (size_t j = 0; j < unit->count; j++, at++) {
      rows += rows_in_set(&plan->pieces[unit->first + j], order->options.set);
      order->pieces[at] = unit->first + j;
      order->ends[at] = rows;
    }
  }
  order->lanes[lane].count = at - order->lanes[lane].first;
  order->sizes[lane] = rows;
  return at;
}

/* ---- the order ---- */

/* From the rows of the whole epoch to those of this rank. */
static void take_share(struct mlaas_order *order) {
  int64_t first = order->options.rank * order->rows;
  mlaas_plan_interleave(order->sizes, order->num_lanes, first, order->before);
  mlaas_plan_interleave(order->sizes, order->num_lanes, first + order->rows, order->after);
  for (size_t i = 0; i < order->num_lanes; i++) {
    order->offsets[i] = order->before[i];
    order->sizes[i] = order->after[i] - order->before[i];
  }
}

/* NULL once one allocation has failed. */
static void *take(struct mlaas_arena *arena, bool *failed, size_t count, size_t size, struct mlaas_error *error) {
  void *array = *failed ? NULL : mlaas_arena_alloc(arena, count, size, error);
  *failed = !array;
  return array;
}

enum mlaas_status mlaas_order_init(struct mlaas_order *order, const struct mlaas_plan *plan,
                                   const struct mlaas_order_options *options, struct mlaas_arena *arena,
                                   struct mlaas_error *error) {
  struct mlaas_error own;
  if (!error)
    error = &own;
  bool failed = false;
  *order = (struct mlaas_order){.plan = plan, .options = *options};
  order->sizes = take(arena, &failed, MLAAS_LANES, sizeof *order->sizes, error);
  order->offsets = take(arena, &failed, MLAAS_LANES, sizeof *order->offsets, error);
  order->before = take(arena, &failed, MLAAS_LANES, sizeof *order->before, error);
  order->after = take(arena, &failed, MLAAS_LANES, sizeof *order->after, error);
  order->lanes = take(arena, &failed, MLAAS_LANES, sizeof *order->lanes, error);
  order->pieces = take(arena, &failed, plan->num_pieces, sizeof *order->pieces, error);
  order->ends = take(arena, &failed, plan->num_pieces, sizeof *order->ends, error);
  size_t *lane_of = take(arena, &failed, plan->num_files, sizeof *lane_of, error);
  size_t *units = take(arena, &failed, plan->num_units, sizeof *units, error);
  int32_t *places = take(arena, &failed, plan->num_units, sizeof *places, error);
  if (failed)
    return error->status;
  order->num_lanes = assign_lanes(plan, options, lane_of);
  size_t at = 0;
  for (size_t lane = 0; lane < order->num_lanes; lane++) {
    order->lanes[lane].first = at;
    at = order_lane(order, lane, lane_of, units, places);
  }
  order->rows = mlaas_order_num_rows(plan, options->set, options->world);
  take_share(order);
  return MLAAS_OK;
}

void mlaas_order_window(struct mlaas_order *order, int64_t first, int64_t rows, const int64_t **from,
                        const int64_t **taken) {
  mlaas_plan_interleave(order->sizes, order->num_lanes, first, order->before);
  mlaas_plan_interleave(order->sizes, order->num_lanes, first + rows, order->after);
  for (size_t i = 0; i < order->num_lanes; i++)
    order->after[i] -= order->before[i];
  *from = order->before;
  *taken = order->after;
}

struct mlaas_run mlaas_order_run(const struct mlaas_order *order, size_t lane, int64_t from, int64_t rows) {
  const struct mlaas_lane *l = &order->lanes[lane];
  const int64_t *ends = &order->ends[l->first];
  int64_t row = order->offsets[lane] + from;
  size_t low = 0, high = l->count;
  while (low < high) { /* the first piece that ends behind the row */
    size_t middle = (low + high) / 2;
    if (ends[middle] > row)
      high = middle;
    else
      low = middle + 1;
  }
  int64_t start = low ? ends[low - 1] : 0, left = ends[low] - row;
  return (struct mlaas_run){order->pieces[l->first + low], row - start, left < rows ? left : rows};
}
