/* What the back ends of frameworks share: finding a library and its functions, options, the list of inputs and outputs,
 * and the objects that hold one run's outputs. Must not know any framework.
 *
 * Libraries are opened when a model is, with dlopen, so that a plug-in can be built and loaded where its framework is
 * not; they are never closed, since none of the frameworks supports that.
 */
#ifndef MLAAS_PLUGIN_H
#define MLAAS_PLUGIN_H

#include <mlaas/backend.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { PLUGIN_PORTS_MOST = 1024, PLUGIN_NAME_MOST = 1024 }; /* what a model's file may ask for */

#define PLUGIN_TRY(call)                                                                                               \
  do {                                                                                                                 \
    enum mlaas_status status_ = (call);                                                                                \
    if (status_ != MLAAS_OK)                                                                                           \
      return status_;                                                                                                  \
  } while (0)

/* ---- libraries ---- */

struct plugin_library {
  const char *framework;               /* "ONNX Runtime", for messages */
  const char *package;                 /* what pip installs: "onnxruntime" */
  const char *file;                    /* the file's name, or its beginning: "libonnxruntime.so" */
  const char *soname;                  /* for the dynamic linker, when no folder has it: "libonnxruntime.so.1" */
  const char *also_file, *also_soname; /* another packaging of the same functions, or NULL */
};

/* A handle of dlopen. Errors: NOT_FOUND, with what to install or set. */
enum mlaas_status plugin_library_open(const struct plugin_library *library, const char *folder, void **handle,
                                      struct mlaas_error *error);
/* Writes the address of `name` into the function pointer at `target`. Errors: UNSUPPORTED (an older library). */
enum mlaas_status plugin_symbol(const struct plugin_library *library, void *handle, const char *name, void *target,
                                struct mlaas_error *error);

/* ---- files, options, words ---- */

/* NOT_FOUND or ARGUMENT (`folder` says what is wanted) unless the path is there and can be read. */
enum mlaas_status plugin_check_path(const char *path, bool folder, struct mlaas_error *error);
bool plugin_is_folder(const char *path);
/* The whole file, with a 0 behind it; freed with free(). Errors: NOT_FOUND, IO, FORMAT (longer than `most`), MEMORY. */
enum mlaas_status plugin_read_file(const char *path, size_t most, char **bytes, size_t *size,
                                   struct mlaas_error *error);
/* The option's value, or NULL. */
const char *plugin_option(const struct mlaas_backend_config *config, const char *key);
/* ARGUMENT if an option's key is not among `known`, names parted by spaces. */
enum mlaas_status plugin_check_options(const struct mlaas_backend_config *config, const char *known,
                                       struct mlaas_error *error);
/* Whether the option is "1", "true" or "yes" (true), or "0", "false", "no" (false), else ARGUMENT; unset: `*value`. */
enum mlaas_status plugin_option_flag(const struct mlaas_backend_config *config, const char *key, bool *value,
                                     struct mlaas_error *error);
/* Whether `name` is among the comma-parted names of `list`; how many there are. Blanks around names do not count. */
bool plugin_list_has(const char *list, const char *name);
size_t plugin_list_count(const char *list);
/* The next name of `list` into `name` (PLUGIN_NAME_MOST bytes, cut), moving `*list` on; false at the end. */
bool plugin_list_next(const char **list, char *name);
/* A failure with a framework's words behind ours, made one line. */
enum mlaas_status plugin_fail_words(struct mlaas_error *error, enum mlaas_status status, const char *what,
                                    const char *words);

/* ---- inputs and outputs ---- */

struct plugin_ports {
  struct mlaas_tensor_info *infos;
  const char **names; /* what the framework calls them; infos[i].name may be shorter */
  size_t count;
};

/* Adds one, of no dimensions yet; copies both names. Errors: FORMAT (too many, name too long), MEMORY. */
enum mlaas_status plugin_ports_add(struct plugin_ports *ports, const char *name, const char *shown,
                                   enum mlaas_dtype dtype, struct mlaas_error *error);
void plugin_ports_reset(struct plugin_ports *ports);

/* First member of a model, so that these two may be in a back end's table. */
struct plugin_model {
  struct plugin_ports inputs, outputs;
};

const struct mlaas_tensor_info *plugin_model_inputs(const void *model, size_t *count);
const struct mlaas_tensor_info *plugin_model_outputs(const void *model, size_t *count);

size_t plugin_dtype_bytes(enum mlaas_dtype dtype);
/* Elements of a shape; -1 where a dimension is negative or the product too large. */
int64_t plugin_elements(const int64_t *shape, int num_dims);

/* ---- objects that are used again ---- */

/* First member of what a run holds. */
struct plugin_held {
  struct plugin_held *next;
};

struct plugin_pool {
  pthread_mutex_t lock;
  struct plugin_held *first;
};

struct plugin_held *plugin_pool_take(struct plugin_pool *pool); /* NULL: make one */
void plugin_pool_give(struct plugin_pool *pool, struct plugin_held *held);

/* Memory that grows and stays. */
struct plugin_block {
  void *data;
  size_t room;
};

/* At least `size` bytes, of 64 bytes alignment; what was in it is lost. Errors: MEMORY. */
enum mlaas_status plugin_block_reserve(struct plugin_block *block, size_t size, struct mlaas_error *error);
void plugin_block_reset(struct plugin_block *block);
/* Whether `data` lies in an input's memory: frameworks may give an input back as output, and the caller's memory does
 * not live as long as outputs have to. */
bool plugin_is_input(const struct mlaas_tensor *inputs, size_t count, const void *data);
/* If so copies output->data into the block. */
enum mlaas_status plugin_keep_output(const struct mlaas_tensor *inputs, size_t count, struct mlaas_tensor *output,
                                     struct plugin_block *block, struct mlaas_error *error);

#endif
