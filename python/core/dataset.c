/* Dataset: many files as one, with a context of its own. Once it has specs or a recipe it does not change any more. */
#include "core.h"

#include <stdlib.h>

struct dataset {
  PyObject_HEAD struct mlaas_context *context;
  struct mlaas_dataset *dataset;
  pid_t owner;
  bool busy; /* it is being made ready, perhaps in another thread */
};

PyTypeObject *core_dataset_type;

struct mlaas_dataset *core_dataset_handle(PyObject *object) {
  struct dataset *self = (struct dataset *)object;
  if (core_forked(self->owner))
    return NULL;
  if (self->busy)
    return (struct mlaas_dataset *)core_raise_status(
        MLAAS_STATE, "this data set is being made ready by another thread; wait for that");
  return self->dataset;
}

/* The names as an array of C strings that live in *held, a tuple of bytes. NULL with an exception. */
static const char **take_files(PyObject *files, PyObject **held) {
  Py_ssize_t count = PySequence_Size(files);
  if (count < 0)
    return NULL;
  const char **urls = calloc((size_t)count + 1, sizeof *urls);
  *held = urls ? PyTuple_New(count) : PyErr_NoMemory();
  for (Py_ssize_t i = 0; *held && i < count; i++) {
    PyObject *item = PySequence_GetItem(files, i), *bytes = item ? core_name(item) : NULL;
    Py_XDECREF(item);
    if (!bytes || PyTuple_SetItem(*held, i, bytes) < 0)
      Py_CLEAR(*held);
    else
      urls[i] = PyBytes_AsString(bytes);
  }
  if (*held)
    return urls;
  free(urls);
  return NULL;
}

static PyObject *dataset_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"files", "labels", "params", "memory", "threads", "limits", NULL};
  PyObject *files, *held = NULL, *limits = NULL;
  const char *labels, *params;
  long long memory;
  int threads;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OzzLi|O!:Dataset", names, &files, &labels, &params, &memory,
                                   &threads, &PyTuple_Type, &limits))
    return NULL;
  const char **urls = take_files(files, &held);
  struct dataset *self = urls ? (struct dataset *)PyType_GenericAlloc(type, 0) : NULL;
  if (!self)
    goto out;
  self->owner = getpid();
  self->context = core_context_new(memory, threads, limits);
  if (!self->context)
    goto out;
  struct mlaas_error error;
  enum mlaas_status status;
  size_t count = (size_t)PyTuple_Size(held);
  CORE_WAIT(status, mlaas_dataset_open(self->context, urls, count, labels, params, &self->dataset, &error));
  if (status != MLAAS_OK) {
    self->dataset = NULL;
    core_raise(&error);
  }
out:
  free(urls);
  Py_XDECREF(held);
  if (self && !self->dataset)
    Py_CLEAR(self);
  return (PyObject *)self;
}

static void dataset_dealloc(PyObject *object) {
  struct dataset *self = (struct dataset *)object;
  if (self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS if (self->dataset) mlaas_dataset_close(self->dataset);
    mlaas_context_put(self->context);
    Py_END_ALLOW_THREADS
  }
  core_object_free(object);
}

/* ---- scan ---- */

struct progress {
  PyObject *call;                     /* or None */
  PyObject *type, *value, *traceback; /* what it raised, or a signal */
};

/* Runs in the thread that scans; takes the GIL, also to see Ctrl-C. */
static int on_progress(void *context, int64_t done, int64_t total) {
  struct progress *progress = context;
  PyGILState_STATE state = PyGILState_Ensure();
  bool good = PyErr_CheckSignals() == 0;
  if (good && progress->call != Py_None) {
    PyObject *result = PyObject_CallFunction(progress->call, "LL", (long long)done, (long long)total);
    good = result != NULL;
    Py_XDECREF(result);
  }
  if (!good && !progress->type)
    PyErr_Fetch(&progress->type, &progress->value, &progress->traceback);
  else
    PyErr_Clear();
  PyGILState_Release(state);
  return good ? 0 : 1;
}

static PyObject *dataset_scan(PyObject *object, PyObject *call) {
  struct dataset *self = (struct dataset *)object;
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  if (!dataset)
    return NULL;
  struct progress progress = {.call = call};
  struct mlaas_error error;
  enum mlaas_status status;
  self->busy = true;
  do {
    core_wait_begin();
    Py_BEGIN_ALLOW_THREADS status = mlaas_dataset_scan(dataset, on_progress, &progress, &error);
    Py_END_ALLOW_THREADS
  } while (core_wait_end() && !progress.type && status == MLAAS_CANCELLED && core_wait_again());
  self->busy = false;
  if (progress.type) {
    PyErr_Restore(progress.type, progress.value, progress.traceback);
    return NULL;
  }
  return status == MLAAS_OK ? Py_NewRef(Py_None) : core_raise(&error);
}

static PyObject *dataset_set_specs(PyObject *object, PyObject *arguments) {
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  PyObject *specs;
  struct mlaas_error error;
  if (!dataset || !PyArg_ParseTuple(arguments, "O!:set_specs", core_specs_type, &specs))
    return NULL;
  enum mlaas_status status;
  ((struct dataset *)object)->busy = true;
  CORE_WAIT(status, mlaas_dataset_set_specs(dataset, core_specs_handle(specs), &error));
  ((struct dataset *)object)->busy = false;
  if (status != MLAAS_OK)
    return core_raise(&error);
  Py_RETURN_NONE;
}

static PyObject *dataset_set_recipe(PyObject *object, PyObject *arguments) {
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  PyObject *recipe;
  const char *rename;
  struct mlaas_error error;
  if (!dataset || !PyArg_ParseTuple(arguments, "O!z:set_recipe", core_recipe_type, &recipe, &rename))
    return NULL;
  enum mlaas_status status;
  ((struct dataset *)object)->busy = true;
  CORE_WAIT(status, mlaas_dataset_set_recipe(dataset, core_recipe_handle(recipe), rename, &error));
  ((struct dataset *)object)->busy = false;
  if (status != MLAAS_OK)
    return core_raise(&error);
  Py_RETURN_NONE;
}

/* ---- what it knows ---- */

static PyObject *dataset_specs(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  if (!dataset)
    return NULL;
  const struct mlaas_specs *specs = mlaas_dataset_specs(dataset);
  char *json;
  struct mlaas_error error;
  if (!specs)
    Py_RETURN_NONE;
  if (mlaas_specs_format(specs, &json, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(json);
}

static PyObject *dataset_recipe(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  if (!dataset)
    return NULL;
  struct mlaas_recipe *recipe = mlaas_dataset_recipe(dataset);
  return recipe ? core_recipe_new(recipe) : Py_NewRef(Py_None);
}

static PyObject *dataset_describe(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_dataset *dataset = core_dataset_handle(object);
  char *json;
  struct mlaas_error error;
  if (!dataset)
    return NULL;
  if (mlaas_dataset_describe(dataset, &json, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(json);
}

static PyObject *dataset_memory(PyObject *object, PyObject *unused) {
  (void)unused;
  return core_context_memory(((struct dataset *)object)->context);
}

static PyMethodDef dataset_methods[] = {
    {"scan", dataset_scan, METH_O, "scan(progress or None): one pass over all entries."},
    {"set_specs", dataset_set_specs, METH_VARARGS, "set_specs(Specs): instead of a scan."},
    {"set_recipe", dataset_set_recipe, METH_VARARGS, "set_recipe(Recipe, rename JSON or None): for prediction."},
    {"specs", dataset_specs, METH_NOARGS, "The specs as JSON, or None."},
    {"recipe", dataset_recipe, METH_NOARGS, "The Recipe, or None."},
    {"describe", dataset_describe, METH_NOARGS, "JSON: params, files, classes, dropped, warnings, weights."},
    {"memory", dataset_memory, METH_NOARGS, "held, peak and ceiling in bytes, and the number of threads."},
    {0},
};

static PyType_Slot dataset_slots[] = {
    {Py_tp_doc, "Dataset(files, labels, params, memory, threads, limits): see mlaas.Dataset."},
    {Py_tp_new, dataset_new},
    {Py_tp_dealloc, dataset_dealloc},
    {Py_tp_methods, dataset_methods},
    {0, NULL},
};

PyType_Spec core_dataset_spec = {
    .name = "mlaas._core.Dataset",
    .basicsize = sizeof(struct dataset),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = dataset_slots,
};
