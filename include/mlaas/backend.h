/* What a back end is: a table of functions in a shared object that runs the models of one framework.
 *
 * A plug-in is called mlaas-backend-NAME.so, includes this header only, and exports one symbol, mlaas_backend_get. It
 * loads its framework's library when a model is opened, never when it is itself loaded: without the library a server
 * starts, and opening a model says what is missing. A plug-in prints nothing and starts no threads of its own.
 *
 * Thread rules: open and close are called by one thread at a time for one model, several models at once; inputs and
 * outputs may be called any time; run is thread safe, and release may be called by another thread than run.
 */
#ifndef MLAAS_BACKEND_H
#define MLAAS_BACKEND_H

#include <mlaas/status.h>
#include <mlaas/tensor.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MLAAS_BACKEND_VERSION = 1 };

/* One of the model's options for its back end, both texts: {"precision", "bf16"}. */
struct mlaas_backend_option {
  const char *key, *value;
};

struct mlaas_backend_config {
  size_t size;         /* sizeof(struct mlaas_backend_config) */
  const char *path;    /* the model: a file, or a SavedModel's folder */
  const char *library; /* folder of the framework's library, or NULL: as the dynamic linker finds it */
  int threads;         /* threads of one run, at least 1 */
  const struct mlaas_backend_option *options; /* unknown keys are ARGUMENT */
  size_t num_options;
};

struct mlaas_backend {
  uint32_t version; /* MLAAS_BACKEND_VERSION it was compiled with */
  uint32_t size;    /* sizeof(struct mlaas_backend) */
  const char *name; /* "tensorflow" */

  /* Errors: NOT_FOUND (library or file: which, and what to install or set), FORMAT (the file is no model, or damaged),
   * UNSUPPORTED, ARGUMENT (an option), MEMORY. *model is given to all functions below. */
  enum mlaas_status (*open)(const struct mlaas_backend_config *config, void **model, struct mlaas_error *error);
  void (*close)(void *model);
  /* As the model's file says, never guessed; in the order in which run takes them. Live until close. */
  const struct mlaas_tensor_info *(*inputs)(const void *model, size_t *count);
  const struct mlaas_tensor_info *(*outputs)(const void *model, size_t *count);
  /* Runs all inputs to all outputs. `inputs` are checked by the host (dtype, dimensions, size = product of the shape).
   * The plug-in fills `outputs` (one per info), whose memory lives until release(model, *held). On failure there is
   * nothing to release. Errors: ARGUMENT (the framework refuses the shape), INTERNAL with the framework's words. */
  enum mlaas_status (*run)(void *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs, void **held,
                           struct mlaas_error *error);
  void (*release)(void *model, void *held);
  /* The version of the loaded library, e.g. "2.21.0"; "" before the first open. */
  const char *(*library_version)(void);
};

/* The one symbol of a plug-in. Static storage. */
MLAAS_API const struct mlaas_backend *mlaas_backend_get(void);

/* Fills `error` (NULL allowed) and returns `status`. */
__attribute__((format(printf, 3, 4))) static inline enum mlaas_status
mlaas_backend_fail(struct mlaas_error *error, enum mlaas_status status, const char *format, ...) {
  if (error) {
    va_list arguments;
    memset(error, 0, sizeof *error);
    error->status = status;
    error->offset = -1;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return status;
}

#ifdef __cplusplus
}
#endif
#endif
