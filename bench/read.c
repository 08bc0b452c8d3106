/* bench_read [ROUNDS] FILE...: all columns of each file's only table, against the codec alone on the same file in the
 * same rounds. One line of JSON per file: CPU seconds of one thread and the ratio, wall seconds of one and two threads.
 */
#include "codec_limit.h"

#include <mlaas/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 32 };

struct reading {
  double cpu, wall, open; /* `open` is CPU: file, table and reader */
  int64_t entries, peak;
  size_t columns, refused;
};

static int fail(const struct mlaas_error *error) {
  char text[2048];
  mlaas_error_format(error, text, sizeof text);
  fprintf(stderr, "%s\n", text);
  return 1;
}

/* Cluster by cluster, as a loader does. */
static enum mlaas_status read_clusters(struct mlaas_table *table, struct mlaas_reader *reader,
                                       struct mlaas_error *error) {
  size_t count;
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < count && status == MLAAS_OK; i++) {
    struct ArrowArray array;
    int64_t stop = i + 1 < count ? clusters[i + 1] : mlaas_table_num_entries(table);
    status = mlaas_reader_read(reader, clusters[i], stop, &array, error);
    if (status == MLAAS_OK)
      array.release(&array);
  }
  return status;
}

/* Columns that the reader leaves out; the codec's figure has their baskets all the same. */
static void count_refused(const struct mlaas_table *table, struct reading *reading) {
  for (size_t i = 0; i < reading->columns; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    reading->refused += info.unsupported != NULL;
  }
}

/* One pass; the first of a context also pays for its memory, which a job pays once. */
static enum mlaas_status read_table(struct mlaas_context *context, const char *path, struct reading *reading,
                                    struct mlaas_error *error) {
  struct mlaas_file *file = NULL;
  struct mlaas_table *table = NULL;
  struct mlaas_reader *reader = NULL;
  double begun = bench_cpu();
  enum mlaas_status status = mlaas_file_open(context, path, &file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(file, NULL, &table, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(table, NULL, 0, &reader, error);
  if (status == MLAAS_OK) {
    double cpu = bench_cpu(), wall = bench_wall();
    status = read_clusters(table, reader, error);
    *reading = (struct reading){.cpu = bench_cpu() - cpu,
                                .wall = bench_wall() - wall,
                                .open = cpu - begun,
                                .entries = mlaas_table_num_entries(table),
                                .peak = mlaas_context_memory_peak(context),
                                .columns = mlaas_table_num_columns(table)};
    count_refused(table, reading);
  }
  mlaas_reader_close(reader);
  mlaas_table_close(table);
  mlaas_file_close(file);
  return status;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

static int bench(const char *path, int rounds) {
  struct codec_limit *limit = codec_limit_open(path);
  struct mlaas_context *contexts[2] = {NULL, NULL};
  struct mlaas_error error;
  double codec[MOST_ROUNDS], cpu[MOST_ROUNDS], open[MOST_ROUNDS], wall[2][MOST_ROUNDS];
  struct codec_limit_result result = {0};
  struct reading reading = {0};
  int failed = !limit;
  for (int t = 0; t < 2 && !failed; t++) {
    struct mlaas_context_options options = {.size = sizeof options, .threads = t + 1};
    failed = mlaas_context_new(&options, &contexts[t], &error) != MLAAS_OK && fail(&error);
  }
  for (int i = -1; i < rounds && !failed; i++) { /* the first warms up */
    int at = i < 0 ? 0 : i;
    result = codec_limit_run(limit);
    codec[at] = result.cpu;
    for (int t = 1; t >= 0 && !failed; t--) {
      failed = read_table(contexts[t], path, &reading, &error) != MLAAS_OK && fail(&error);
      wall[t][at] = reading.wall;
    }
    cpu[at] = reading.cpu;
    open[at] = reading.open;
  }
  if (!failed) {
    double limit_cpu = median(codec, rounds), ours = median(cpu, rounds);
    double one = median(wall[0], rounds), two = median(wall[1], rounds);
    printf("{\"bench\": \"read\", \"file\": \"%s\", \"entries\": %lld, \"stored_mb\": %.1f, \"raw_mb\": %.1f, "
           "\"codec_cpu_s\": %.4f, \"read_cpu_s\": %.4f, \"ratio\": %.3f, \"events_per_s\": %.0f, \"wall_1_s\": %.4f, "
           "\"wall_2_s\": %.4f, \"gain_2\": %.2f, \"open_ms\": %.3f, \"columns\": %zu, \"refused\": %zu, \"peak_mb\": "
           "%.1f, "
           "\"bad\": %lld}\n",
           strrchr(path, '/') ? strrchr(path, '/') + 1 : path, (long long)reading.entries, (double)result.stored / 1e6,
           (double)result.raw / 1e6, limit_cpu, ours, limit_cpu / ours, (double)reading.entries / ours, one, two,
           one / two, median(open, rounds) * 1e3, reading.columns, reading.refused, (double)reading.peak / 1e6,
           (long long)result.bad);
    fflush(stdout);
  }
  for (int t = 0; t < 2; t++)
    mlaas_context_put(contexts[t]);
  codec_limit_close(limit);
  return failed;
}

int main(int argc, char **argv) {
  int rounds = argc > 2 ? atoi(argv[1]) : 0, first = rounds > 0 ? 2 : 1, failed = argc < 2;
  if (failed)
    fprintf(stderr, "usage: bench_read [ROUNDS] FILE...\n");
  if (rounds < 1 || rounds > MOST_ROUNDS)
    rounds = 5;
  for (int i = first; i < argc; i++)
    failed |= bench(argv[i], rounds);
  return failed;
}
