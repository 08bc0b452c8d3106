/* The back end `slow`: echo with bad days, for tests of everything that has to survive them. Beside echo's options:
 *   delay_us, row_us  [0] what a run takes longer, in all and per row
 *   crash             "open" or "run": dies there by SIGSEGV
 *   hang              "open" or "run": never comes back
 *   fail              "open": FORMAT; "run": every run fails, INTERNAL; "nan": a run with a NaN in it fails, ARGUMENT
 * Must not know a framework.
 */
#include "echo.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <time.h>

enum moment { NEVER, AT_OPEN, AT_RUN, AT_NAN };

struct slow_model {
  struct echo_model echo;
  long delay_us, row_us;
  enum moment crash, hang, fail;
};

static const char known[] = "inputs, outputs, rows, delay_us, row_us, crash, hang, fail";

static void close_model(void *model) {
  struct slow_model *slow = model;
  echo_reset(&slow->echo);
  free(slow);
}

static void wait_us(int64_t us) {
  struct timespec left = {us / 1000000, us % 1000000 * 1000};
  while (us > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
    ;
}

static void crash_or_hang(const struct slow_model *slow, enum moment now) {
  if (slow->crash == now) {
    signal(SIGSEGV, SIG_DFL); /* no sanitizer's handler: the process has to be gone */
    raise(SIGSEGV);
  }
  while (slow->hang == now)
    wait_us(1000000);
}

static enum mlaas_status read_moment(const struct mlaas_backend_option *option, bool nan_too, enum moment *moment,
                                     struct mlaas_error *error) {
  if (strcmp(option->value, "open") == 0)
    *moment = AT_OPEN;
  else if (strcmp(option->value, "run") == 0)
    *moment = AT_RUN;
  else if (nan_too && strcmp(option->value, "nan") == 0)
    *moment = AT_NAN;
  else
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "option %s: expected open%s or run, found %.64s", option->key,
                              nan_too ? ", nan" : "", option->value);
  return MLAAS_OK;
}

static enum mlaas_status read_option(struct slow_model *slow, const struct mlaas_backend_option *option,
                                     struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  if (echo_option(&slow->echo, option, &status, error))
    return status;
  if (strcmp(option->key, "delay_us") == 0)
    return echo_number(option, 0, 3600L * 1000 * 1000, &slow->delay_us, error);
  if (strcmp(option->key, "row_us") == 0)
    return echo_number(option, 0, 60L * 1000 * 1000, &slow->row_us, error);
  if (strcmp(option->key, "crash") == 0)
    return read_moment(option, false, &slow->crash, error);
  if (strcmp(option->key, "hang") == 0)
    return read_moment(option, false, &slow->hang, error);
  if (strcmp(option->key, "fail") == 0)
    return read_moment(option, true, &slow->fail, error);
  return echo_unknown(option, known, error);
}

static enum mlaas_status open_model(const struct mlaas_backend_config *config, void **model,
                                    struct mlaas_error *error) {
  struct slow_model *slow = calloc(1, sizeof *slow);
  if (!slow)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a model");
  enum mlaas_status status = echo_init(&slow->echo, config, error);
  if (status != MLAAS_OK) {
    free(slow);
    return status;
  }
  for (size_t i = 0; i < config->num_options && status == MLAAS_OK; i++)
    status = read_option(slow, &config->options[i], error);
  if (status == MLAAS_OK) {
    crash_or_hang(slow, AT_OPEN);
    if (slow->fail == AT_OPEN)
      status = mlaas_backend_fail(error, MLAAS_FORMAT, "the model was told to fail when it is opened");
  }
  if (status == MLAAS_OK)
    *model = slow;
  else
    close_model(slow);
  return status;
}

static const struct mlaas_tensor_info *inputs(const void *model, size_t *count) {
  *count = 1;
  return &((const struct slow_model *)model)->echo.input;
}

static const struct mlaas_tensor_info *outputs(const void *model, size_t *count) {
  *count = 1;
  return &((const struct slow_model *)model)->echo.output;
}

static bool has_nan(const struct mlaas_tensor *tensor) {
  const float *x = tensor->data;
  for (size_t i = 0; i < tensor->size / sizeof *x; i++)
    if (isnan(x[i]))
      return true;
  return false;
}

static enum mlaas_status run(void *model, const struct mlaas_tensor *in, struct mlaas_tensor *out, void **held,
                             struct mlaas_error *error) {
  struct slow_model *slow = model;
  crash_or_hang(slow, AT_RUN);
  wait_us(slow->delay_us + slow->row_us * in->shape[0]);
  if (slow->fail == AT_RUN)
    return mlaas_backend_fail(error, MLAAS_INTERNAL, "the model was told to fail when it runs");
  if (slow->fail == AT_NAN && has_nan(in))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the model was told to fail on a NaN");
  return echo_run(&slow->echo, in, out, held, error);
}

static void release(void *model, void *held) { echo_give(&((struct slow_model *)model)->echo, held); }

static const char *library_version(void) { return MLAAS_VERSION; }

const struct mlaas_backend *mlaas_backend_get(void) {
  static const struct mlaas_backend backend = {
      .version = MLAAS_BACKEND_VERSION,
      .size = sizeof backend,
      .name = "slow",
      .open = open_model,
      .close = close_model,
      .inputs = inputs,
      .outputs = outputs,
      .run = run,
      .release = release,
      .library_version = library_version,
  };
  return &backend;
}
