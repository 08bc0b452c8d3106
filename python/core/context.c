/* Contexts: the ceiling on memory and the threads that a file or a data set has for itself. */
#include "core.h"

struct mlaas_context *core_context_new(long long memory, int threads) {
  struct mlaas_context_options options = {sizeof options, memory, threads};
  struct mlaas_context *context = NULL;
  struct mlaas_error error;
  if (mlaas_context_new(&options, &context, &error) != MLAAS_OK)
    return (struct mlaas_context *)core_raise(&error);
  return context;
}

PyObject *core_context_memory(const struct mlaas_context *context) {
  return Py_BuildValue("{sLsLsLsi}", "held", (long long)mlaas_context_memory_held(context), "peak",
                       (long long)mlaas_context_memory_peak(context), "ceiling",
                       (long long)mlaas_context_memory_ceiling(context), "threads", mlaas_context_threads(context));
}
