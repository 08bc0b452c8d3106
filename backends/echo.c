/* The back end `echo`: gives back what it is given (echo.h says how). For tests, and for measuring everything of a
 * server but the model. Must not know a framework.
 */
#include "echo.h"

static void close_model(void *model) {
  echo_reset(model);
  free(model);
}

static enum mlaas_status open_model(const struct mlaas_backend_config *config, void **model,
                                    struct mlaas_error *error) {
  struct echo_model *echo = malloc(sizeof *echo);
  if (!echo)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a model");
  enum mlaas_status status = echo_init(echo, config, error);
  if (status != MLAAS_OK) {
    free(echo);
    return status;
  }
  for (size_t i = 0; i < config->num_options && status == MLAAS_OK; i++)
    if (!echo_option(echo, &config->options[i], &status, error))
      status = echo_unknown(&config->options[i], "inputs, outputs, rows", error);
  if (status == MLAAS_OK)
    *model = echo;
  else
    close_model(echo);
  return status;
}

static const struct mlaas_tensor_info *inputs(const void *model, size_t *count) {
  *count = 1;
  return &((const struct echo_model *)model)->input;
}

static const struct mlaas_tensor_info *outputs(const void *model, size_t *count) {
  *count = 1;
  return &((const struct echo_model *)model)->output;
}

static enum mlaas_status run(void *model, const struct mlaas_tensor *in, struct mlaas_tensor *out, void **held,
                             struct mlaas_error *error) {
  return echo_run(model, in, out, held, error);
}

static void release(void *model, void *held) { echo_give(model, held); }

static const char *library_version(void) { return MLAAS_VERSION; }

const struct mlaas_backend *mlaas_backend_get(void) {
  static const struct mlaas_backend backend = {
      .version = MLAAS_BACKEND_VERSION,
      .size = sizeof backend,
      .name = "echo",
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
