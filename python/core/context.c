/* Contexts: the ceiling on memory and the threads that a file or a data set has for itself. */
#include "core.h"

struct mlaas_context *core_context_new(long long memory, int threads, PyObject *limits) {
  struct mlaas_context_options options = {.size = sizeof options, .memory = memory, .threads = threads};
  long long numbers[5] = {0};
  const char *params = NULL;
  int trust = 0;
  if (limits && !PyArg_ParseTuple(limits, "LLLLLp|z", &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4],
                                  &trust, &params))
    return NULL;
  options.limits = (struct mlaas_limits){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]};
  options.trust_pages = trust;
  options.foreign = &core_foreign;
  struct mlaas_context *context = NULL;
  struct mlaas_error error;
  if (mlaas_context_new(&options, &context, &error) != MLAAS_OK)
    return (struct mlaas_context *)core_raise(&error);
  if (!params)
    return context;
  struct mlaas_context *derived = NULL;
  if (mlaas_params_context(params, context, &derived, &error) != MLAAS_OK)
    core_raise(&error);
  mlaas_context_put(context);
  return derived;
}

PyObject *core_context_memory(const struct mlaas_context *context) {
  return Py_BuildValue("{sLsLsLsi}", "held", (long long)mlaas_context_memory_held(context), "peak",
                       (long long)mlaas_context_memory_peak(context), "ceiling",
                       (long long)mlaas_context_memory_ceiling(context), "threads", mlaas_context_threads(context));
}
