/* What the tests of loaders share: a call that has to go well, and a loader with all it stands on. */
#ifndef MLAAS_TESTS_DATASET_JOB_H
#define MLAAS_TESTS_DATASET_JOB_H

#include <mlaas/dataset.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct mlaas_error error;

#define OK(call)                                                                                                       \
  do {                                                                                                                 \
    if ((call) != MLAAS_OK)                                                                                            \
      fail_msg("%s: %s: %s", #call, error.where, error.message);                                                       \
  } while (0)

struct job {
  struct mlaas_context *context;
  struct mlaas_dataset *dataset;
  struct mlaas_loader *loader;
};

/* Nothing is held afterwards. */
static inline void close_all(struct job *job) {
  mlaas_loader_close(job->loader);
  mlaas_dataset_close(job->dataset);
  assert_int_equal(mlaas_context_memory_held(job->context), 0);
  mlaas_context_put(job->context);
}

#endif
