/* Copies rows of Arrow arrays by runs, type by type from the outside in. Must not know where the arrays come from. */
#include "column/take.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

enum { DEEPEST = 1000 };

/* One level: arrays of one type and what to take of them. */
struct level {
  const struct ArrowSchema *schema;
  const struct ArrowArray *const *chunks;
  size_t num_chunks;
  const struct mlaas_run *runs;
  size_t num_runs;
  int64_t rows;
  int depth;
};

struct take {
  struct mlaas_budget *budget;
  struct mlaas_arena arena; /* runs and chunks of the levels below */
  struct mlaas_error *error;
};

static int64_t count_rows(const struct mlaas_run *runs, size_t count) {
  int64_t rows = 0;
  for (size_t i = 0; i < count; i++)
    rows += runs[i].length;
  return rows;
}

static const uint8_t *buffer_of(const struct level *level, const struct mlaas_run *run, int which) {
  return run->chunk < 0 ? NULL : level->chunks[run->chunk]->buffers[which];
}

static bool bit_at(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

/* ---- buffers ---- */

static enum mlaas_status take_values(struct take *take, const struct level *level, int64_t width,
                                     struct mlaas_block *block) {
  MLAAS_TRY(mlaas_block_new(take->budget, level->rows * width, block, take->error));
  uint8_t *out = block->data;
  for (size_t i = 0; i < level->num_runs; i++) {
    const struct mlaas_run *run = &level->runs[i];
    const uint8_t *in = buffer_of(level, run, 1);
    size_t bytes = (size_t)(run->length * width);
    if (in && bytes)
      memcpy(out, in + run->start * width, bytes);
    else if (bytes)
      memset(out, 0, bytes);
    out += bytes;
  }
  return MLAAS_OK;
}

/* Bits of buffer `which`; what is not there counts as `absent`, what is missing as 0. */
static enum mlaas_status take_bits(struct take *take, const struct level *level, int which, bool absent,
                                   struct mlaas_block *block, int64_t *zeros) {
  MLAAS_TRY(mlaas_block_new(take->budget, (level->rows + 7) / 8, block, take->error));
  uint8_t *out = block->data;
  int64_t at = 0, ones = 0;
  memset(out, 0, (size_t)block->size);
  for (size_t i = 0; i < level->num_runs; i++) {
    const struct mlaas_run *run = &level->runs[i];
    const uint8_t *in = buffer_of(level, run, which);
    for (int64_t k = run->start; k < run->start + run->length; k++, at++) {
      bool set = run->chunk >= 0 && (in ? bit_at(in, k) : absent);
      out[at / 8] |= (uint8_t)(set << (at % 8));
      ones += set;
    }
  }
  *zeros = level->rows - ones;
  return MLAAS_OK;
}

/* Offsets from 0, and the runs of what they delimit. */
static enum mlaas_status take_offsets(struct take *take, const struct level *level, struct mlaas_block *block,
                                      struct mlaas_run **inside) {
  MLAAS_TRY(mlaas_block_new(take->budget, (level->rows + 1) * (int64_t)sizeof(int32_t), block, take->error));
  *inside = mlaas_arena_alloc(&take->arena, level->num_runs, sizeof **inside, take->error);
  if (!*inside)
    return take->error->status;
  int32_t *out = block->data;
  int64_t end = 0, at = 0;
  out[0] = 0;
  for (size_t i = 0; i < level->num_runs; i++) {
    const struct mlaas_run *run = &level->runs[i];
    const int32_t *in = (const int32_t *)(const void *)buffer_of(level, run, 1);
    (*inside)[i] = (struct mlaas_run){.chunk = run->chunk};
    if (in && run->length) {
      int64_t base = in[run->start], length = in[run->start + run->length] - base;
      if (end + length > INT32_MAX)
        return mlaas_fail(take->error, MLAAS_LIMIT, "lists of more than %d values; ask for fewer rows", INT32_MAX);
      (*inside)[i].start = base;
      (*inside)[i].length = length;
      for (int64_t k = 1; k <= run->length; k++)
        out[++at] = (int32_t)(in[run->start + k] - base + end);
      end += length;
    } else {
      for (int64_t k = 0; k < run->length; k++)
        out[++at] = (int32_t)end;
    }
  }
  return MLAAS_OK;
}

/* The bytes of texts, whose runs are given. */
static enum mlaas_status take_bytes(struct take *take, const struct level *level, const struct mlaas_run *runs,
                                    struct mlaas_block *block) {
  MLAAS_TRY(mlaas_block_new(take->budget, count_rows(runs, level->num_runs), block, take->error));
  uint8_t *out = block->data;
  for (size_t i = 0; i < level->num_runs; i++) {
    const uint8_t *in = buffer_of(level, &runs[i], 2);
    if (runs[i].length)
      memcpy(out, in + runs[i].start, (size_t)runs[i].length);
    out += runs[i].length;
  }
  return MLAAS_OK;
}

/* ---- levels ---- */

static enum mlaas_status take_level(struct take *take, const struct level *level, struct ArrowArray *array);

static enum mlaas_status take_children(struct take *take, const struct level *level, const struct mlaas_run *runs,
                                       struct ArrowArray *array) {
  for (int64_t c = 0; c < level->schema->n_children; c++) {
    const struct ArrowArray **chunks = mlaas_arena_alloc(&take->arena, level->num_chunks, sizeof *chunks, take->error);
    if (!chunks)
      return take->error->status;
    for (size_t i = 0; i < level->num_chunks; i++)
      chunks[i] = level->chunks[i]->children[c];
    struct level below = {.schema = level->schema->children[c],
                          .chunks = chunks,
                          .num_chunks = level->num_chunks,
                          .runs = runs,
                          .num_runs = level->num_runs,
                          .rows = count_rows(runs, level->num_runs),
                          .depth = level->depth + 1};
    MLAAS_TRY(take_level(take, &below, array->children[c]));
  }
  return MLAAS_OK;
}

/* Runs of a fixed array's values: `size` for each row. */
static const struct mlaas_run *scale_runs(struct take *take, const struct level *level, int64_t size) {
  struct mlaas_run *runs = mlaas_arena_alloc(&take->arena, level->num_runs, sizeof *runs, take->error);
  for (size_t i = 0; runs && i < level->num_runs; i++)
    runs[i] = (struct mlaas_run){level->runs[i].chunk, level->runs[i].start * size, level->runs[i].length * size};
  return runs;
}

static int64_t parse_size(const char *text) {
  int64_t size = 0;
  for (; *text >= '0' && *text <= '9' && size < INT32_MAX; text++)
    size = 10 * size + (*text - '0');
  return size;
}

/* The buffers of one level, and the runs of its children. */
static enum mlaas_status take_buffers(struct take *take, const struct level *level, struct mlaas_block *blocks,
                                      size_t *num_blocks, const struct mlaas_run **inside) {
  const char *format = level->schema->format;
  struct mlaas_run *runs;
  int64_t width = (int64_t)mlaas_format_width(format), zeros;
  *inside = level->runs;
  *num_blocks = 1;
  if (width)
    return take_values(take, level, width, &blocks[0]);
  if (strcmp(format, "b") == 0)
    return take_bits(take, level, 1, false, &blocks[0], &zeros);
  if (strcmp(format, "u") == 0) {
    *num_blocks = 2;
    MLAAS_TRY(take_offsets(take, level, &blocks[0], &runs));
    return take_bytes(take, level, runs, &blocks[1]);
  }
  if (strcmp(format, "+l") == 0 || strcmp(format, "+m") == 0) {
    MLAAS_TRY(take_offsets(take, level, &blocks[0], &runs));
    *inside = runs;
    return MLAAS_OK;
  }
  *num_blocks = 0;
  if (strcmp(format, "+s") == 0)
    return MLAAS_OK;
  if (strncmp(format, "+w:", 3) != 0)
    return mlaas_fail(take->error, MLAAS_UNSUPPORTED, "rows of type '%s' cannot be picked", format);
  *inside = scale_runs(take, level, parse_size(format + 3));
  return *inside ? MLAAS_OK : take->error->status;
}

static bool has_missing(const struct level *level) {
  for (size_t i = 0; level->depth == 0 && i < level->num_runs; i++)
    if (level->runs[i].chunk < 0)
      return true;
  for (size_t i = 0; i < level->num_chunks; i++)
    if (level->chunks[i]->null_count != 0)
      return true;
  return false;
}

static enum mlaas_status set_validity(struct take *take, const struct level *level, struct ArrowArray *array) {
  struct mlaas_block bits = {0};
  int64_t missing;
  MLAAS_TRY(take_bits(take, level, 0, true, &bits, &missing));
  mlaas_array_set_validity(array, &bits, missing);
  return MLAAS_OK;
}

static enum mlaas_status take_level(struct take *take, const struct level *level, struct ArrowArray *array) {
  struct mlaas_block blocks[2] = {{0}, {0}};
  size_t num_blocks;
  const struct mlaas_run *inside;
  if (level->depth > DEEPEST)
    return mlaas_fail(take->error, MLAAS_LIMIT, "types are nested more than %d deep", DEEPEST);
  enum mlaas_status status = take_buffers(take, level, blocks, &num_blocks, &inside);
  if (status == MLAAS_OK)
    status = mlaas_array_init(array, level->rows, blocks, num_blocks, (size_t)level->schema->n_children, take->error);
  if (status != MLAAS_OK) {
    mlaas_block_reset(&blocks[0]);
    mlaas_block_reset(&blocks[1]);
    return status;
  }
  if (has_missing(level))
    status = set_validity(take, level, array);
  if (status == MLAAS_OK)
    status = take_children(take, level, inside, array);
  if (status != MLAAS_OK)
    mlaas_array_release(array);
  return status;
}

enum mlaas_status mlaas_array_take(const struct ArrowSchema *schema, const struct ArrowArray *const *chunks,
                                   size_t num_chunks, const struct mlaas_run *runs, size_t num_runs,
                                   struct mlaas_budget *budget, struct ArrowArray *array, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct take take = {.budget = budget, .error = error ? error : &ignored};
  mlaas_arena_init(&take.arena, budget);
  struct level level = {.schema = schema,
                        .chunks = chunks,
                        .num_chunks = num_chunks,
                        .runs = runs,
                        .num_runs = num_runs,
                        .rows = count_rows(runs, num_runs)};
  enum mlaas_status status = take_level(&take, &level, array);
  mlaas_arena_reset(&take.arena);
  return status;
}
