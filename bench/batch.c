/* How fast files become batches: statistics, then shuffled, padded, normalised float32 batches with mask.
 *
 *     batch FILE [THREADS [MEMORY_MB [BATCH_ROWS [EPOCHS]]]]
 *
 * Prints one JSON line per pass, with the fields of the peers in reference runs: events per wall second and per CPU
 * second, peak memory of the process, and a sum of values as a check. The first epoch touches fresh memory; later ones
 * do not.
 */
#include <mlaas/dataset.h>
#include <mlaas/file.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct pass {
  double wall, cpu;
};

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct pass begin(void) { return (struct pass){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)}; }

/* Peak of this program alone: getrusage() still counts what ran before exec. */
static long peak_mb(void) {
  long kilobytes = 0;
  char line[128];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1)
      break;
  if (status)
    fclose(status);
  return kilobytes >> 10;
}

static void report(const char *name, const char *file, int threads, struct pass start, int64_t events, double check) {
  double wall = seconds(CLOCK_MONOTONIC) - start.wall, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - start.cpu;
  printf("{\"peer\": \"mlaas\", \"pass\": \"%s\", \"file\": \"%s\", \"cores\": %d, \"events\": %lld, \"wall_s\": %.4f, "
         "\"cpu_s\": %.4f, \"evps\": %.0f, \"evps_cpu\": %.0f, \"rss_mb\": %ld, \"check\": %.6g}\n",
         name, file, threads, (long long)events, wall, cpu, (double)events / wall, (double)events / cpu, peak_mb(),
         check);
}

static enum mlaas_status epoch(struct mlaas_loader *loader, double *sum, struct mlaas_error *error) {
  for (;;) {
    struct mlaas_batch *batch;
    enum mlaas_status status = mlaas_loader_next(loader, -1, &batch, error);
    if (status != MLAAS_OK || !batch)
      return status;
    for (int64_t i = 0; i < batch->rows; i++)
      *sum += (double)batch->entry[i];
    mlaas_batch_release(batch);
  }
}

static enum mlaas_status run(const char *file, struct mlaas_context_options options, int64_t rows, int epochs,
                             struct mlaas_error *error) {
  struct mlaas_context *context = NULL;
  struct mlaas_dataset *dataset = NULL;
  struct mlaas_loader *loader = NULL;
  struct mlaas_loader_options wanted = {sizeof wanted, "train", 1, 0, 1, rows};
  enum mlaas_status status = mlaas_context_new(&options, &context, error);
  struct pass start = begin();
  if (status == MLAAS_OK)
    status = mlaas_dataset_open(context, &file, 1, NULL, "{\"split\": [1, 0, 0], \"identifier\": []}", &dataset, error);
  if (status == MLAAS_OK)
    status = mlaas_dataset_scan(dataset, NULL, NULL, error);
  if (status == MLAAS_OK)
    status = mlaas_loader_open(dataset, &wanted, &loader, error);
  if (status == MLAAS_OK)
    report("specs", file, options.threads, start, mlaas_loader_num_rows(loader), 0);
  for (int i = 0; i < epochs && status == MLAAS_OK; i++) {
    double sum = 0;
    start = begin();
    status = epoch(loader, &sum, error);
    if (status == MLAAS_OK)
      report(i ? "batches" : "first batches", file, options.threads, start, mlaas_loader_num_rows(loader), sum);
  }
  mlaas_loader_close(loader);
  mlaas_dataset_close(dataset);
  mlaas_context_put(context);
  return status;
}

int main(int argc, char **argv) {
  struct mlaas_error error;
  if (argc < 2) {
    fprintf(stderr, "usage: batch FILE [THREADS [MEMORY_MB [BATCH_ROWS [EPOCHS]]]]\n");
    return 2;
  }
  long numbers[4] = {1, 1024, 1000, 3};
  for (int i = 2; i < argc && i < 6; i++)
    numbers[i - 2] = strtol(argv[i], NULL, 10);
  struct mlaas_context_options options = {
      .size = sizeof options, .memory = (int64_t)numbers[1] << 20, .threads = (int)numbers[0]};
  enum mlaas_status status = run(argv[1], options, numbers[2], (int)numbers[3], &error);
  if (status == MLAAS_OK)
    return 0;
  char text[1600];
  mlaas_error_format(&error, text, sizeof text);
  fprintf(stderr, "batch: %s\n", text);
  return mlaas_status_exit_code(status);
}
