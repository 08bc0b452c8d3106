/* bench_serve_direct FOLDER [ROUNDS]: what the back end itself takes, called directly, for batches of 1 to 64 rows: one
 * line of JSON per size. The limit that `serve.py` compares the server with. Sees what is installed, no more.
 */
#include <mlaas/model.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LARGEST = 64, SIZES = 10, IMAGE = 32, SLICE_NS = 30000000 };
static const int sizes[SIZES] = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64};

static int64_t clock_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Rows of random values; unknown lengths of an image are 32. */
static struct mlaas_tensor make_input(const struct mlaas_tensor_info *info) {
  struct mlaas_tensor input = {.dtype = info->dtype, .num_dims = info->num_dims, .shape = {LARGEST}};
  size_t count = LARGEST;
  for (int d = 1; d < info->num_dims; d++)
    count *= (size_t)(input.shape[d] = info->shape[d] < 0 ? IMAGE : info->shape[d]);
  float *x = calloc(count, sizeof *x);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
  input.data = x;
  input.size = count * sizeof *x;
  return input;
}

/* The first `rows` of them; as many runs as fit into a slice of time. CPU and wall time of a run in ns. */
static int measure(struct mlaas_model *model, struct mlaas_tensor input, int rows, double *cpu, double *wall) {
  struct mlaas_tensor outputs[16];
  struct mlaas_error error;
  void *held = NULL;
  input.size = input.size / LARGEST * (size_t)rows;
  input.shape[0] = rows;
  int64_t runs = 0, began = 0, began_cpu = 0, now = 0;
  for (int64_t i = -3; i < 3 || now < began + SLICE_NS; i++, runs++) {
    if (i == 0) {
      runs = 0;
      began_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
      began = clock_ns(CLOCK_MONOTONIC);
    }
    if (mlaas_model_run(model, &input, outputs, &held, &error) != MLAAS_OK) {
      fprintf(stderr, "%s\n", error.message);
      return 1;
    }
    mlaas_model_release(model, held);
    now = clock_ns(CLOCK_MONOTONIC);
  }
  *wall = (double)(now - began) / (double)runs;
  *cpu = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began_cpu) / (double)runs;
  return 0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  struct mlaas_model_options options = {.size = sizeof options};
  struct mlaas_model *model = NULL;
  struct mlaas_error error;
  size_t num_inputs = 0;
  if (count < 2 || mlaas_model_open(arguments[1], &options, &model, &error) != MLAAS_OK) {
    fprintf(stderr, "%s\n", count < 2 ? "usage: bench_serve_direct FOLDER [ROUNDS]" : error.message);
    return 1;
  }
  enum { ROUNDS_MOST = 32 };
  int rounds = count > 2 ? (int)strtol(arguments[2], NULL, 10) : 3;
  rounds = rounds < 1 ? 1 : rounds > ROUNDS_MOST ? ROUNDS_MOST : rounds;
  static double cpu[SIZES][ROUNDS_MOST], wall[SIZES][ROUNDS_MOST];
  struct mlaas_tensor input = make_input(mlaas_model_inputs(model, &num_inputs));
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < SIZES; i++)
      if (measure(model, input, sizes[i], &cpu[i][round], &wall[i][round]) != 0)
        return 1;
  for (int i = 0; i < SIZES; i++) {
    qsort(cpu[i], (size_t)rounds, sizeof cpu[i][0], compare);
    qsort(wall[i], (size_t)rounds, sizeof wall[i][0], compare);
    printf("{\"rows\": %d, \"cpu_us\": %.3f, \"wall_us\": %.3f}\n", sizes[i], cpu[i][rounds / 2] / 1000,
           wall[i][rounds / 2] / 1000);
  }
  free(input.data);
  mlaas_model_close(model);
  return 0;
}
