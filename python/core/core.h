/* What the files of the extension module share. One file per Python type; none of them decides anything about data:
 * they turn handles of the library into Python objects, give up the GIL while the library works, and turn its errors
 * into exceptions.
 *
 * Rules that hold everywhere: limited API only; a handle remembers the process it was made in and is never closed in
 * another one (after fork() the threads behind it do not exist); a handle that is busy in one thread refuses another.
 */
#ifndef MLAAS_PYTHON_CORE_H
#define MLAAS_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <mlaas/context.h>
#include <mlaas/dataset.h>
#include <mlaas/file.h>
#include <mlaas/recipe.h>
#include <mlaas/status.h>
#include <stdbool.h>
#include <unistd.h>

/* ---- errors.c ---- */

/* Sets the exception of mlaas._errors that belongs to the error; returns NULL. */
PyObject *core_raise(const struct mlaas_error *error);
/* The same with a status and message of our own, as from the library. */
PyObject *core_raise_status(enum mlaas_status status, const char *message);
/* True (exception set) when `owner` is not this process: the handle was made before a fork(). */
bool core_forked(pid_t owner);
/* Tuple of (name, text, exception class, exit code) of every status. */
PyObject *core_statuses(void);

/* ---- wait.c ---- */

void core_wait_begin(void);
bool core_wait_end(void);   /* true: a signal came */
bool core_wait_again(void); /* no handler of Python's raised anything: what was interrupted may go on */
/* A call that may wait for a server or read much, without the GIL: Ctrl-C ends it. Where a handler of Python's raises,
 * its exception is set, which core_raise keeps; where it does not, the call is made again. */
#define CORE_WAIT(status, call)                                                                                        \
  do {                                                                                                                 \
    core_wait_begin();                                                                                                 \
    Py_BEGIN_ALLOW_THREADS(status) = (call);                                                                           \
    Py_END_ALLOW_THREADS                                                                                               \
  } while (core_wait_end() && (status) == MLAAS_CANCELLED && core_wait_again())

PyObject *core_interruptible(PyObject *module, PyObject *function);

/* ---- guard.c: for commands ---- */

PyObject *core_guard(PyObject *module, PyObject *arguments);
PyObject *core_guard_file(PyObject *module, PyObject *path);
PyObject *core_guard_end(PyObject *module, PyObject *unused);

/* ---- buffer.c: memory that somebody else owns, for NumPy ---- */

enum { CORE_MOST_DIMENSIONS = 3 };

struct core_layout {
  const char *format; /* as in the struct module; static storage */
  Py_ssize_t item;    /* bytes per value */
  int dimensions;
  Py_ssize_t shape[CORE_MOST_DIMENSIONS];
  bool readonly;
};
/* `owner` is held until the last view of the buffer dies. */
PyObject *core_buffer_new(PyObject *owner, const void *data, const struct core_layout *layout);

/* ---- capsule.c: the Arrow PyCapsule protocol ---- */

/* A capsule with an empty struct in it, whose destructor releases what was put there and not moved out. */
PyObject *core_schema_capsule(struct ArrowSchema **schema);
PyObject *core_array_capsule(struct ArrowArray **array);
PyObject *core_stream_capsule(struct ArrowArrayStream **stream);
/* The struct in a capsule of that kind, or NULL with TypeError. Still the capsule's. */
struct ArrowSchema *core_schema_of(PyObject *capsule);
struct ArrowArray *core_array_of(PyObject *capsule);

/* ---- array.c: one Arrow batch as a Python object ---- */

/* Takes both structs over (also on failure). */
PyObject *core_array_new(struct ArrowSchema *schema, struct ArrowArray *array);

/* ---- context.c ---- */

/* Makes a context; `memory` and `threads` as in mlaas_context_options, `limits` a tuple of its limits in their order,
 * trust_pages, and parameters as JSON for `remote`, or None; or NULL. NULL with an exception. */
struct mlaas_context *core_context_new(long long memory, int threads, PyObject *limits);
/* Dict of held, peak and ceiling in bytes, and threads. */
PyObject *core_context_memory(const struct mlaas_context *context);

/* ---- bytes.c ---- */

/* A file of the library's sources, opened with that context; NULL with an exception. */
PyObject *core_bytes_new(struct mlaas_context *context, PyObject *url);
/* What the object reads through, while it lives; NULL where it is no Bytes. */
const struct mlaas_bytes *core_bytes_handle(PyObject *object);

/* ---- foreign.c: files of other formats, by mlaas.formats ---- */

extern const struct mlaas_foreign core_foreign;
/* A function of the module: the interpreter ends, no thread may ask for the GIL any more. */
PyObject *core_foreign_stop(PyObject *module, PyObject *unused);

/* ---- places.c ---- */

/* places(names, lists, redirector, limits) -> ([name], [index of the name as written], how many were written), and
 * place_show(name) -> name without passwords and tokens: functions of the module. */
PyObject *core_places(PyObject *module, PyObject *arguments);
PyObject *core_place_show(PyObject *module, PyObject *name);

/* ---- file.c, table.c, stream.c ---- */

/* The handle behind a Python object, borrowed; NULL with an exception if it is closed or from before a fork(). */
struct mlaas_file *core_file_handle(PyObject *file);
/* The same for a call without the GIL: closed meanwhile, it stays until it is left again, which NULL need not be. */
struct mlaas_file *core_file_take(PyObject *file);
void core_file_leave(PyObject *file);
struct mlaas_table *core_table_handle(PyObject *table);
/* Iterator of Array over [start, stop) of the columns (NULL: all readable). */
PyObject *core_stream_new(PyObject *table, const size_t *columns, size_t num_columns, int64_t start, int64_t stop,
                          int64_t batch_rows);

/* ---- object.c ---- */

/* object_read(file, path, make) -> (path, class, title, value), and object_list(file) -> rows of the keys. */
PyObject *core_object_read(PyObject *module, PyObject *arguments);
PyObject *core_object_list(PyObject *module, PyObject *file);
/* ---- verify.c ---- */

/* A function of the module: verify(file or url, memory, threads, limits, table, most, progress) -> dict. */
PyObject *core_verify(PyObject *module, PyObject *arguments);

/* ---- recipe.c, params.c, dataset.c, loader.c, batch.c ---- */

/* Holds one more count of the recipe. */
PyObject *core_recipe_new(struct mlaas_recipe *recipe);
struct mlaas_recipe *core_recipe_handle(PyObject *recipe);
const struct mlaas_specs *core_specs_handle(PyObject *specs);
struct mlaas_dataset *core_dataset_handle(PyObject *dataset);
/* Takes the batch over. */
PyObject *core_batch_new(struct mlaas_batch *batch);
/* Functions of the module: params_check(json) -> json, and param_table() -> rows of the table of parameters. */
PyObject *core_params_check(PyObject *module, PyObject *text);
PyObject *core_param_table(PyObject *module, PyObject *unused);

/* ---- text.c ---- */

/* Text of the library as str; frees it. */
PyObject *core_text(char *text);
/* Names of a file need not be UTF-8: other bytes become lone surrogates, and back. core_str takes a const char * (NULL:
 * None) and is a converter for Py_BuildValue's "O&"; core_name makes a bytes object of a str. */
PyObject *core_str(void *text);
PyObject *core_name(PyObject *text);

/* ---- types: created once by module.c ---- */

extern PyTypeObject *core_bytes_type;
extern PyType_Spec core_bytes_spec;
extern PyTypeObject *core_buffer_type, *core_array_type, *core_file_type, *core_table_type, *core_stream_type;
extern PyTypeObject *core_recipe_type, *core_specs_type, *core_dataset_type, *core_loader_type, *core_batch_type;
extern PyTypeObject *core_model_type, *core_chain_type, *core_chain_rows_type;
extern PyType_Spec core_model_spec, core_chain_spec, core_chain_rows_spec;
extern PyType_Spec core_buffer_spec, core_array_spec, core_file_spec, core_table_spec, core_stream_spec;
extern PyType_Spec core_recipe_spec, core_specs_spec, core_dataset_spec, core_loader_spec, core_batch_spec;

/* Frees an object of a heap type and gives its type back: the end of every dealloc. */
void core_object_free(PyObject *self);

#endif
