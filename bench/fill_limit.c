/* fill_limit FLAT JAGGED WIDTH [ROUNDS]: the limit of every maker of batches behind the codec. Big-endian columns in
 * memory become normalised float32 rows: FLAT columns of one value, JAGGED lists of 0 to WIDTH values (3.05 on average)
 * padded with zeros. Rows are written in tiles of 64, all columns of a tile before the next tile. No mask, no shuffle.
 * Prints one line of JSON: CPU microseconds for a row, median of the rounds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 100000, TILE = 64, MOST_ROUNDS = 32 };

struct column {
  uint32_t *values; /* big-endian floats */
  int32_t *offsets; /* NULL: one value per row */
  size_t place;     /* of its first value in a row */
};

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(size_t size) {
  void *memory = malloc(size);
  if (!memory) {
    fputs("fill_limit: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* Lists of binomial length: WIDTH tries with a chance that gives 3.05 on average. */
static struct column make_column(size_t place, size_t width, int jagged, uint32_t *state) {
  struct column column = {.place = place};
  size_t count = ROWS;
  if (jagged) {
    column.offsets = need((ROWS + 1) * sizeof *column.offsets);
    column.offsets[0] = 0;
    for (size_t i = 0; i < ROWS; i++) {
      int32_t length = 0;
      for (size_t k = 0; k < width; k++)
        length += (double)next_random(state) / UINT32_MAX * (double)width < 3.05;
      column.offsets[i + 1] = column.offsets[i] + length;
    }
    count = (size_t)column.offsets[ROWS];
  }
  column.values = need((count + 1) * sizeof *column.values);
  for (size_t i = 0; i < count; i++) {
    float value = (float)next_random(state) / (float)UINT32_MAX;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    column.values[i] = __builtin_bswap32(bits);
  }
  return column;
}

static float scaled(uint32_t big_endian) {
  uint32_t bits = __builtin_bswap32(big_endian);
  float value;
  memcpy(&value, &bits, sizeof value);
  return (value - 0.25F) * 1.5F;
}

static void fill_tile(const struct column *column, size_t width, size_t first, size_t last, float *rows, size_t pitch) {
  for (size_t i = first; i < last; i++) {
    float *row = rows + i * pitch + column->place;
    if (!column->offsets) {
      row[0] = scaled(column->values[i]);
      continue;
    }
    const uint32_t *values = column->values + column->offsets[i];
    size_t length = (size_t)(column->offsets[i + 1] - column->offsets[i]), k = 0;
    for (; k < length; k++)
      row[k] = scaled(values[k]);
    for (; k < width; k++)
      row[k] = 0;
  }
}

static int by_value(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fputs("usage: fill_limit FLAT JAGGED WIDTH [ROUNDS]\n", stderr);
    return 2;
  }
  size_t flat = strtoul(argv[1], NULL, 10), jagged = strtoul(argv[2], NULL, 10), width = strtoul(argv[3], NULL, 10);
  size_t rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3, pitch = flat + jagged * width;
  if (rounds < 1 || rounds > MOST_ROUNDS || pitch < 1 || pitch > 10000)
    return 2;
  uint32_t state = 20260101;
  struct column *columns = need((flat + jagged) * sizeof *columns);
  for (size_t c = 0; c < flat + jagged; c++)
    columns[c] = make_column(c < flat ? c : flat + (c - flat) * width, width, c >= flat, &state);
  float *rows = need(ROWS * pitch * sizeof *rows);
  double taken[MOST_ROUNDS + 1];
  for (size_t round = 0; round <= rounds; round++) { /* round 0 touches the memory */
    double start = cpu();
    for (size_t first = 0; first < ROWS; first += TILE)
      for (size_t c = 0; c < flat + jagged; c++)
        fill_tile(&columns[c], width, first, first + TILE < ROWS ? first + TILE : ROWS, rows, pitch);
    taken[round] = cpu() - start;
  }
  qsort(taken + 1, rounds, sizeof *taken, by_value);
  printf("{\"bench\": \"fill_limit\", \"columns\": %zu, \"us_per_row\": %.4f, \"check\": %.3f}\n", pitch,
         taken[1 + rounds / 2] / ROWS * 1e6, (double)rows[ROWS / 2 * pitch]);
  return 0;
}
