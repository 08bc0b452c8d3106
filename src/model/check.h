/* A trial of a model in a child process, so that one that crashes or hangs never takes the server along. The child is
 * `mlaas model-check`; what it prints is one line of JSON. Knows no repository.
 */
#ifndef MLAAS_MODEL_CHECK_H
#define MLAAS_MODEL_CHECK_H

#include <mlaas/model.h>

struct mlaas_check {
  const char *program; /* run as PROGRAM model-check PATH ... */
  const char *path;
  const struct mlaas_model_options *model;
  int64_t limit_ms;     /* longest time in all */
  int64_t limit_memory; /* bytes of address space; 0: no limit */
};

/* The parent's side. Errors: those of opening the model; FORMAT: it crashed; TIMEOUT: it took too long; IO: the child
 * could not be started. Blocks until the child is gone, whatever comes of it. */
enum mlaas_status mlaas_check_run(const struct mlaas_check *check, struct mlaas_error *error);

/* The child's side: opens the model and runs it once on zeros. *json is the line to be printed, freed with
 * mlaas_text_free; NULL only without memory. Returns what the opening returned: a model that merely fails on zeros is
 * good. */
enum mlaas_status mlaas_check_model(const char *path, const struct mlaas_model_options *options, char **json,
                                    struct mlaas_error *error);

#endif
