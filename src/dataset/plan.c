/* Units, pieces, quotas and parts. Knows nothing of the order in which they are read. */
#include "dataset/plan.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { SMALL_UNIT = 16384, SPREAD = 8 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t sum_of(const int64_t *values, size_t count) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i];
  return sum;
}

/* ---- proportions ---- */

struct remainder {
  uint64_t rest;
  size_t index;
};

static int compare_remainders(const void *a, const void *b) {
  const struct remainder *x = a, *y = b;
  if (x->rest != y->rest)
    return x->rest < y->rest ? 1 : -1;
  return x->index < y->index ? -1 : 1;
}

enum mlaas_status mlaas_plan_apportion(const int64_t *sizes, size_t count, int64_t total, int64_t *shares,
                                       struct mlaas_error *error) {
  int64_t sum = sum_of(sizes, count), left = min64(total, sum);
  struct remainder *remainders = mlaas_alloc(count * sizeof *remainders);
  if (!remainders)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the shares of %zu files", count);
  wide all = (wide)left;
  for (size_t i = 0; i < count; i++) {
    wide product = all * (wide)sizes[i];
    shares[i] = sum ? (int64_t)(product / (wide)sum) : 0;
    remainders[i] = (struct remainder){sum ? (uint64_t)(product % (wide)sum) : 0, i};
    left -= shares[i];
  }
  qsort(remainders, count, sizeof *remainders, compare_remainders);
  for (size_t i = 0; left > 0; i++, left--)
    shares[remainders[i].index]++;
  mlaas_free(remainders);
  return MLAAS_OK;
}

/* Whether row i of file f comes before row j of file g. */
static bool comes_before(const int64_t *sizes, size_t f, int64_t i, size_t g, int64_t j) {
  wide left = (wide)(2 * i + 1) * (wide)sizes[g], right = (wide)(2 * j + 1) * (wide)sizes[f];
  return left != right ? left < right : f < g;
}

/* The file whose next row comes first, or whose last taken row comes last. */
static size_t outermost(const int64_t *sizes, size_t count, const int64_t *taken, bool next) {
  size_t best = count;
  for (size_t i = 0; i < count; i++) {
    int64_t row = next ? taken[i] : taken[i] - 1;
    if (row < 0 || row >= sizes[i])
      continue;
    if (best == count || comes_before(sizes, i, row, best, next ? taken[best] : taken[best] - 1) == next)
      best = i;
  }
  return best;
}

void mlaas_plan_interleave(const int64_t *sizes, size_t count, int64_t rows, int64_t *taken) {
  int64_t sum = sum_of(sizes, count), have = 0;
  for (size_t i = 0; i < count; i++) { /* rows at or before rows / sum: at most count / 2 too many or too few */
    taken[i] = sum ? (int64_t)((2 * (wide)rows * (wide)sizes[i] + (wide)sum) / (2 * (wide)sum)) : 0;
    have += taken[i];
  }
  for (; have < rows; have++)
    taken[outermost(sizes, count, taken, true)]++;
  for (; have > rows; have--)
    taken[outermost(sizes, count, taken, false)]--;
}

/* ---- units and pieces ---- */

/* Where the unit that starts at `start` ends: at the end of its cluster, or of the last of several small ones. `*next`
 * is the first cluster behind `start`. */
static int64_t unit_end(const struct mlaas_plan_source *source, size_t *next, int64_t start) {
  int64_t stop = start;
  while (stop < source->entries) {
    while (*next < source->num_clusters && source->clusters[*next] <= stop)
      ++*next;
    int64_t end = *next < source->num_clusters ? min64(source->clusters[*next], source->entries) : source->entries;
    if (stop > start && end - start > SMALL_UNIT)
      break;
    stop = end;
  }
  return stop;
}

/* Counts, or with a plan also writes, the units and pieces of a whole file. */
static void cut_file(const struct mlaas_plan_source *source, struct mlaas_plan *plan, size_t file, size_t *num_units,
                     size_t *num_pieces) {
  size_t next = 0;
  for (int64_t start = 0, stop; start < source->entries; start = stop) {
    stop = unit_end(source, &next, start);
    int64_t parts = (stop - start + MLAAS_PIECE_ROWS - 1) / MLAAS_PIECE_ROWS;
    if (plan) {
      plan->units[*num_units] = (struct mlaas_unit){*num_pieces, (size_t)parts};
      for (int64_t i = 0; i < parts; i++)
        plan->pieces[*num_pieces + (size_t)i] = (struct mlaas_piece){.start = start + (stop - start) * i / parts,
                                                                     .stop = start + (stop - start) * (i + 1) / parts,
                                                                     .file = file};
    }
    ++*num_units;
    *num_pieces += (size_t)parts;
  }
}

/* ---- quotas ---- */

static size_t nth_of(size_t i, size_t chosen, size_t count) {
  return (size_t)((2 * (wide)i + 1) * count / (2 * (wide)chosen));
}

static int64_t rows_of(const struct mlaas_piece *piece) { return piece->stop - piece->start; }

/* The fewest evenly spaced pieces, of `count`, that hold `quota` rows. */
static size_t pieces_needed(const struct mlaas_piece *pieces, size_t count, int64_t entries, int64_t quota) {
  size_t chosen = (size_t)((wide)quota * count / (wide)entries);
  if (chosen < SPREAD)
    chosen = SPREAD;
  for (; chosen < count; chosen += 1 + chosen / 16) {
    int64_t rows = 0;
    for (size_t i = 0; i < chosen; i++)
      rows += rows_of(&pieces[nth_of(i, chosen, count)]);
    if (rows >= quota)
      return chosen;
  }
  return count;
}

/* Shortens the pieces of one file so that `quota` rows are left, spread evenly. */
static enum mlaas_status thin_out(struct mlaas_plan *plan, struct mlaas_plan_file *file, struct mlaas_error *error) {
  struct mlaas_piece *pieces = &plan->pieces[file->first_piece];
  size_t count = file->num_pieces, chosen = pieces_needed(pieces, count, file->entries, file->quota);
  enum mlaas_status status = MLAAS_MEMORY;
  int64_t *sizes = mlaas_alloc(chosen * sizeof *sizes), *takes = mlaas_alloc(chosen * sizeof *takes);
  if (!sizes || !takes) {
    mlaas_fail(error, status, "no memory for the shares of %zu pieces", chosen);
    goto out;
  }
  for (size_t i = 0; i < chosen; i++)
    sizes[i] = rows_of(&pieces[nth_of(i, chosen, count)]);
  status = mlaas_plan_apportion(sizes, chosen, file->quota, takes, error);
  if (status != MLAAS_OK)
    goto out;
  for (size_t piece = 0, i = 0; piece < count; piece++) {
    bool wanted = i < chosen && nth_of(i, chosen, count) == piece;
    pieces[piece].stop = pieces[piece].start + (wanted ? takes[i] : 0);
    i += wanted;
  }
out:
  mlaas_free(sizes);
  mlaas_free(takes);
  return status;
}

static enum mlaas_status share_out(struct mlaas_plan *plan, const struct mlaas_plan_source *sources, int64_t nevents,
                                   struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  int64_t *sizes = mlaas_alloc(plan->num_files * sizeof *sizes),
          *quotas = mlaas_alloc(plan->num_files * sizeof *quotas);
  if (!sizes || !quotas) {
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory for the quotas of %zu files", plan->num_files);
    goto out;
  }
  for (size_t i = 0; i < plan->num_files; i++)
    sizes[i] = plan->files[i].entries;
  status = mlaas_plan_apportion(sizes, plan->num_files, nevents < 0 ? INT64_MAX : nevents, quotas, error);
  for (size_t i = 0; i < plan->num_files && status == MLAAS_OK; i++) {
    plan->files[i].quota = sources[i].fixed ? min64(sources[i].quota, sizes[i]) : quotas[i];
    if (plan->files[i].quota < sizes[i])
      status = thin_out(plan, &plan->files[i], error);
  }
out:
  mlaas_free(sizes);
  mlaas_free(quotas);
  return status;
}

/* ---- the plan ---- */

/* Gives every piece its rows in the table of parts; all are of part 0. */
static enum mlaas_status lay_out_parts(struct mlaas_plan *plan, struct mlaas_error *error) {
  int64_t row = 0;
  for (size_t i = 0; i < plan->num_pieces; i++) {
    plan->pieces[i].row = row;
    plan->pieces[i].rows[0] = rows_of(&plan->pieces[i]);
    row += (rows_of(&plan->pieces[i]) + 3) / 4 * 4;
  }
  plan->parts = mlaas_arena_alloc(&plan->arena, (size_t)(row / 4), 1, error);
  return plan->parts ? MLAAS_OK : error ? error->status : MLAAS_MEMORY;
}

static enum mlaas_status make_room(struct mlaas_plan *plan, const struct mlaas_plan_source *sources, size_t num_files,
                                   struct mlaas_error *error) {
  for (size_t i = 0; i < num_files; i++)
    cut_file(&sources[i], NULL, i, &plan->num_units, &plan->num_pieces);
  plan->num_files = num_files;
  plan->files = mlaas_arena_alloc(&plan->arena, num_files, sizeof *plan->files, error);
  if (plan->files)
    plan->units = mlaas_arena_alloc(&plan->arena, plan->num_units, sizeof *plan->units, error);
  if (plan->units)
    plan->pieces = mlaas_arena_alloc(&plan->arena, plan->num_pieces, sizeof *plan->pieces, error);
  return plan->pieces ? MLAAS_OK : error->status;
}

enum mlaas_status mlaas_plan_init(struct mlaas_plan *plan, struct mlaas_budget *budget,
                                  const struct mlaas_plan_source *sources, size_t num_files, int64_t nevents,
                                  struct mlaas_error *error) {
  struct mlaas_error own;
  if (!error)
    error = &own;
  *plan = (struct mlaas_plan){0};
  mlaas_arena_init(&plan->arena, budget);
  enum mlaas_status status = make_room(plan, sources, num_files, error);
  size_t units = 0, pieces = 0;
  for (size_t i = 0; i < num_files && status == MLAAS_OK; i++) {
    struct mlaas_plan_file *file = &plan->files[i];
    *file = (struct mlaas_plan_file){
        .entries = sources[i].entries, .group = sources[i].group, .first_unit = units, .first_piece = pieces};
    cut_file(&sources[i], plan, i, &units, &pieces);
    file->num_units = units - file->first_unit;
    file->num_pieces = pieces - file->first_piece;
  }
  if (status == MLAAS_OK)
    status = share_out(plan, sources, nevents, error);
  if (status == MLAAS_OK)
    status = lay_out_parts(plan, error);
  if (status != MLAAS_OK)
    mlaas_plan_reset(plan);
  return status;
}

void mlaas_plan_reset(struct mlaas_plan *plan) {
  mlaas_arena_reset(&plan->arena);
  *plan = (struct mlaas_plan){0};
}

void mlaas_plan_set_parts(struct mlaas_plan *plan, size_t piece, const int8_t *parts) {
  struct mlaas_piece *p = &plan->pieces[piece];
  int64_t count = rows_of(p);
  uint8_t *packed = &plan->parts[p->row / 4];
  memset(p->rows, 0, sizeof p->rows);
  memset(packed, 0, (size_t)((count + 3) / 4));
  for (int64_t i = 0; i < count; i++) {
    unsigned part = (unsigned)parts[i] & 3u;
    p->rows[part]++;
    packed[i / 4] |= (uint8_t)(part << (i % 4 * 2));
  }
}

int8_t mlaas_plan_part(const struct mlaas_plan *plan, int64_t row) {
  int part = plan->parts[row / 4] >> (row % 4 * 2) & 3;
  return (int8_t)(part == 3 ? -1 : part);
}

void mlaas_plan_select(const struct mlaas_plan *plan, size_t piece, unsigned set, int64_t skip, int64_t take,
                       int32_t *rows) {
  const uint8_t *packed = &plan->parts[plan->pieces[piece].row / 4];
  for (int64_t i = 0, seen = -skip; seen < take; i++) {
    unsigned part = packed[i / 4] >> (i % 4 * 2) & 3u;
    if (!(set >> part & 1))
      continue;
    if (seen >= 0)
      rows[seen] = (int32_t)i;
    seen++;
  }
}

int64_t mlaas_plan_longest_unit(const struct mlaas_plan *plan) {
  int64_t longest = 0;
  for (size_t i = 0; i < plan->num_units; i++) {
    int64_t rows = 0;
    for (size_t k = 0; k < plan->units[i].count; k++)
      rows += rows_of(&plan->pieces[plan->units[i].first + k]);
    longest = rows > longest ? rows : longest;
  }
  return longest;
}

int64_t mlaas_plan_rows(const struct mlaas_plan *plan, size_t file, unsigned set) {
  int64_t rows = 0;
  const struct mlaas_plan_file *f = &plan->files[file];
  for (size_t i = f->first_piece; i < f->first_piece + f->num_pieces; i++)
    for (unsigned part = 0; part < 4; part++)
      rows += set >> part & 1 ? plan->pieces[i].rows[part] : 0;
  return rows;
}
