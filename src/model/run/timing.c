/* Measures a model's runs by number of rows, and plans by what was measured. Must not know requests. */
#include "model/run/timing.h"

#include "base/error.h"
#include "net/loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A loop that runs a model reads no socket meanwhile. A hop to another thread and back costs some 20 us of CPU, more
 * than most models of physics take; 2 ms is less than what a request waits for the rows before it anyway when the
 * model is busy, and small beside a network's round trip when it is not. */
enum { LOOP_LONGEST_NS = 2000000 };

enum {
  REPEATS = 9,            /* runs of one size at most, the first not counted */
  INPUT_MOST = 256 << 20, /* bytes of the inputs made up for measuring */
  SHARE = 4,              /* of what is left of the time, one size gets at most 1 / SHARE */
  PATIENCE = 10,          /* waiting for a core included, so many times the time may pass */
};
/* After a first run of more there is no second. Frameworks prepare things for a second or two at the first. */
static const int64_t WARM_UP_LONGEST_NS = 3000000000;

static size_t dtype_size(enum mlaas_dtype dtype) {
  static const unsigned char sizes[] = {
#define X(symbol, name, bytes) bytes,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return (unsigned)dtype < MLAAS_DTYPE_COUNT ? sizes[dtype] : 0;
}

void mlaas_timing_plan(struct mlaas_timing *timing) {
  int64_t best[MLAAS_BATCH_MOST + 1] = {0};
  int64_t longest = 0;
  for (int n = 1; n <= timing->most; n++) {
    best[n] = INT64_MAX;
    for (int s = 1; s <= n; s++)
      if (timing->cost[s] + best[n - s] <= best[n]) { /* equal: the larger run */
        best[n] = timing->cost[s] + best[n - s];
        timing->first[n] = (int16_t)s;
      }
    if (timing->cost[timing->first[n]] > longest)
      longest = timing->cost[timing->first[n]];
  }
  timing->on_loop = longest > 0 && longest <= LOOP_LONGEST_NS;
}

/* ---- inputs made up ---- */

static void fill(struct mlaas_tensor *tensor) {
  bool whole = tensor->dtype >= MLAAS_DTYPE_UINT8 && tensor->dtype <= MLAAS_DTYPE_INT64;
  size_t step = dtype_size(tensor->dtype);
  memset(tensor->data, 0, tensor->size); /* texts are empty */
  for (size_t i = 0; whole && i < tensor->size; i += step)
    ((char *)tensor->data)[i] = 1; /* little endian, as all that we run on */
}

static void drop_inputs(struct mlaas_tensor *inputs, size_t count) {
  for (size_t i = 0; inputs && i < count; i++)
    mlaas_free(inputs[i].data);
  mlaas_free(inputs);
}

static enum mlaas_status make_input(const struct mlaas_tensor_info *info, bool batchable, int rows,
                                    struct mlaas_tensor *input, struct mlaas_error *error) {
  input->dtype = info->dtype;
  input->num_dims = info->num_dims < 0 ? 2 : info->num_dims;
  input->size = dtype_size(info->dtype);
  for (int32_t d = 0; d < input->num_dims; d++) {
    int64_t length = info->num_dims < 0 || info->shape[d] < 0 ? 1 : info->shape[d];
    input->shape[d] = d == 0 && batchable ? rows : length;
    if (input->shape[d] > 0 && input->size > INPUT_MOST / (size_t)input->shape[d])
      return mlaas_fail(error, MLAAS_LIMIT, "input %s is larger than %d MiB", info->name, INPUT_MOST >> 20);
    input->size *= (size_t)input->shape[d];
  }
  input->data = mlaas_alloc(input->size);
  if (!input->data)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for input %s of %zu bytes", info->name, input->size);
  fill(input);
  return MLAAS_OK;
}

static enum mlaas_status make_inputs(const struct mlaas_model *model, int rows, struct mlaas_tensor **inputs,
                                     struct mlaas_error *error) {
  *inputs = mlaas_alloc(model->num_inputs * sizeof **inputs);
  if (!*inputs)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for %zu inputs", model->num_inputs);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < model->num_inputs && status == MLAAS_OK; i++)
    status = make_input(&model->inputs[i], model->batchable, rows, &(*inputs)[i], error);
  if (status != MLAAS_OK) {
    drop_inputs(*inputs, model->num_inputs);
    *inputs = NULL;
  }
  return status;
}

/* ---- measuring ---- */

/* How long this thread has waited for a core, ns; 0 where the system does not say. Models are loaded at low priority by
 * servers that may be busy: that time is not the model's. */
static int64_t waited_for_core(void) {
  char text[96];
  int file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  ssize_t size = file >= 0 ? read(file, text, sizeof text - 1) : -1;
  if (file >= 0)
    close(file);
  if (size <= 0)
    return 0;
  text[size] = 0;
  char *second = strchr(text, ' ');
  return second ? strtoll(second, NULL, 10) : 0;
}

struct moment {
  int64_t now, waited, cpu;
};

static struct moment take_moment(void) {
  struct timespec cpu = {0};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  return (struct moment){mlaas_now(), waited_for_core(), (int64_t)cpu.tv_sec * 1000000000 + cpu.tv_nsec};
}

/* Since then, without waiting for a core. Not less than the CPU time, should the two clocks be read far apart. */
static int64_t spent_since(struct moment then) {
  int64_t wall = mlaas_now() - then.now;
  struct moment now = take_moment();
  int64_t spent = wall - (now.waited - then.waited), cpu = now.cpu - then.cpu;
  return spent > cpu ? spent : cpu < wall ? cpu : wall;
}

/* One run. *follows: every output has as many rows as the inputs. */
static enum mlaas_status run_once(struct mlaas_model *model, const struct mlaas_tensor *inputs, int rows,
                                  struct mlaas_tensor *outputs, int64_t *took, bool *follows,
                                  struct mlaas_error *error) {
  void *held = NULL;
  struct moment began = take_moment();
  began.now = mlaas_now(); /* taking it took time */
  MLAAS_TRY(mlaas_model_run(model, inputs, outputs, &held, error));
  *took = spent_since(began);
  *follows = true;
  for (size_t i = 0; i < model->num_outputs; i++)
    if (outputs[i].num_dims < 1 || outputs[i].shape[0] != rows)
      *follows = false;
  mlaas_model_release(model, held);
  return MLAAS_OK;
}

/* The shortest of some runs of one size, for about `share` in all, which is taken off *left: what makes the others
 * longer is not the model. The first run is not counted, it may be long for reasons of its own. */
static enum mlaas_status measure_size(struct mlaas_model *model, int rows, int64_t share, int64_t *left, int64_t *cost,
                                      bool *follows, struct mlaas_error *error) {
  struct mlaas_tensor *inputs = NULL;
  struct mlaas_tensor *outputs = mlaas_alloc((model->num_outputs + 1) * sizeof *outputs);
  enum mlaas_status status =
      outputs ? make_inputs(model, rows, &inputs, error) : mlaas_fail(error, MLAAS_MEMORY, "out of memory for outputs");
  int64_t took = 0, shortest = INT64_MAX, spent = 0;
  for (int i = 0; status == MLAAS_OK && i < REPEATS; i++) {
    status = run_once(model, inputs, rows, outputs, &took, follows, error);
    if (status != MLAAS_OK || !*follows)
      break;
    if (took < shortest && i > 0)
      shortest = took;
    spent += i > 0 ? took : 0;
    if (spent + took > share && (i > 0 || took > WARM_UP_LONGEST_NS))
      break; /* even a second run would be too long */
  }
  *left -= spent;
  *cost = shortest < INT64_MAX ? shortest : took;
  if (*cost < 1)
    *cost = 1;
  drop_inputs(inputs, model->num_inputs);
  mlaas_free(outputs);
  return status;
}

static int next_size(int size, int most) {
  static const int sizes[] = {1, 2, 4, 8, 12, 16, 24, 32, 48, MLAAS_BATCH_MOST};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i] > size)
      return sizes[i] < most ? sizes[i] : most;
  return most;
}

static void interpolate(struct mlaas_timing *timing, int from, int to) {
  for (int n = from + 1; n < to; n++)
    timing->cost[n] = timing->cost[from] + (timing->cost[to] - timing->cost[from]) * (n - from) / (to - from);
}

/* Sizes from 2 up, as long as the model takes them and the time lasts; what is larger is never run. */
static void measure_joined(struct mlaas_model *model, int most, int64_t left, int64_t end,
                           struct mlaas_timing *timing) {
  while (timing->most < most) {
    int size = next_size(timing->most, most);
    int64_t expected = timing->cost[timing->most] * size / timing->most;
    bool follows = true;
    if (expected > left || mlaas_now() > end ||
        measure_size(model, size, left / SHARE, &left, &timing->cost[size], &follows, NULL) != MLAAS_OK)
      return;
    if (!follows) { /* its rows are not what they seem: each request is a run, as it is */
      model->batchable = false;
      timing->most = 1;
      return;
    }
    interpolate(timing, timing->most, size);
    timing->most = size;
  }
}

enum mlaas_status mlaas_timing_measure(struct mlaas_model *model, int most, int64_t budget_ms,
                                       struct mlaas_timing *timing, struct mlaas_error *error) {
  *timing = (struct mlaas_timing){.most = 1, .first = {0, 1}};
  int64_t left = budget_ms * 1000000, end = mlaas_now() + left * PATIENCE;
  struct mlaas_error ignored;
  bool follows = false;
  enum mlaas_status status =
      measure_size(model, 1, left / SHARE, &left, &timing->cost[1], &follows, error ? error : &ignored);
  if (status == MLAAS_MEMORY)
    return status;
  if (status != MLAAS_OK || !follows)
    model->batchable = false; /* whatever its shapes say, nothing is known of rows that stand beside others */
  if (status != MLAAS_OK) {
    timing->cost[1] = 0; /* this input it does not take; that is for requests to find out */
    return MLAAS_OK;
  }
  if (model->batchable)
    measure_joined(model, most < MLAAS_BATCH_MOST ? most : MLAAS_BATCH_MOST, left, end, timing);
  mlaas_timing_plan(timing);
  return MLAAS_OK;
}

int64_t mlaas_timing_first(const struct mlaas_timing *timing, int64_t rows) {
  int most = timing->most > 1 ? timing->most : 1;
  int first = timing->first[rows < most ? rows : most];
  return first > 1 ? first : 1;
}
