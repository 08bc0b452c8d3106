/* Loader: one batch after the other, waiting without the GIL and in slices, so that Ctrl-C is seen. */
#include "core.h"

enum { SLICE_MS = 100 };

struct loader {
  PyObject_HEAD PyObject *dataset;
  struct mlaas_loader *loader;
  pid_t owner;
  bool busy, closing; /* closing: another thread closed it while this one waits */
};

PyTypeObject *core_loader_type;

static struct mlaas_loader *handle_of(struct loader *self) {
  if (!self->loader)
    return (struct mlaas_loader *)core_raise_status(MLAAS_STATE, "the loader is closed");
  if (core_forked(self->owner))
    return NULL;
  if (self->busy)
    return (struct mlaas_loader *)core_raise_status(
        MLAAS_STATE, "another thread is using this loader; a loader belongs to one thread at a time");
  return self->loader;
}

static PyObject *loader_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"dataset", "split", "shuffle", "rank", "world", "batch_rows", NULL};
  struct mlaas_loader_options options = {.size = sizeof options};
  PyObject *dataset;
  long long batch_rows;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!siiiL:Loader", names, core_dataset_type, &dataset,
                                   &options.split, &options.shuffle, &options.rank, &options.world, &batch_rows))
    return NULL;
  options.batch_rows = batch_rows;
  struct mlaas_dataset *handle = core_dataset_handle(dataset);
  struct loader *self = handle ? (struct loader *)PyType_GenericAlloc(type, 0) : NULL;
  if (!self)
    return NULL;
  self->dataset = Py_NewRef(dataset);
  self->owner = getpid();
  struct mlaas_error error;
  enum mlaas_status status;
  CORE_WAIT(status, mlaas_loader_open(handle, &options, &self->loader, &error));
  if (status == MLAAS_OK)
    return (PyObject *)self;
  self->loader = NULL;
  Py_DECREF(self);
  return core_raise(&error);
}

static PyObject *loader_close(PyObject *object, PyObject *unused) {
  (void)unused;
  struct loader *self = (struct loader *)object;
  struct mlaas_loader *loader = self->loader;
  if (loader && self->owner == getpid() && self->busy) {
    self->closing = true;
    mlaas_loader_cancel(loader);
    Py_RETURN_NONE;
  }
  self->loader = NULL;
  if (loader && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_loader_close(loader);
    Py_END_ALLOW_THREADS
  }
  Py_RETURN_NONE;
}

static void loader_dealloc(PyObject *object) {
  Py_XDECREF(loader_close(object, NULL));
  Py_CLEAR(((struct loader *)object)->dataset);
  core_object_free(object);
}

/* Gives the loader back to whoever comes next, or closes it where another thread wanted that meanwhile. */
static void end_busy(struct loader *self) {
  self->busy = false;
  if (self->closing)
    Py_XDECREF(loader_close((PyObject *)self, NULL));
}

static PyObject *loader_next(PyObject *object, PyObject *unused) {
  (void)unused;
  struct loader *self = (struct loader *)object;
  struct mlaas_loader *loader = handle_of(self);
  if (!loader)
    return NULL;
  struct mlaas_batch *batch = NULL;
  struct mlaas_error error;
  enum mlaas_status status = MLAAS_TIMEOUT;
  bool interrupted = false;
  self->busy = true;
  while (status == MLAAS_TIMEOUT && !interrupted) {
    Py_BEGIN_ALLOW_THREADS status = mlaas_loader_next(loader, SLICE_MS, &batch, &error);
    Py_END_ALLOW_THREADS interrupted = status == MLAAS_TIMEOUT && PyErr_CheckSignals() < 0;
  }
  if (interrupted)
    mlaas_loader_cancel(loader);
  end_busy(self);
  if (interrupted)
    return NULL;
  if (status != MLAAS_OK)
    return core_raise(&error);
  return batch ? core_batch_new(batch) : Py_NewRef(Py_None);
}

static PyObject *loader_cancel(PyObject *object, PyObject *unused) {
  (void)unused;
  struct loader *self = (struct loader *)object;
  if (self->loader && self->owner == getpid())
    mlaas_loader_cancel(self->loader);
  Py_RETURN_NONE;
}

static PyObject *loader_size(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_loader *loader = handle_of((struct loader *)object);
  if (!loader)
    return NULL;
  return Py_BuildValue("(LL)", (long long)mlaas_loader_num_rows(loader), (long long)mlaas_loader_num_batches(loader));
}

static PyObject *loader_set_epoch(PyObject *object, PyObject *number) {
  struct loader *self = (struct loader *)object;
  long long epoch = PyLong_AsLongLong(number);
  struct mlaas_loader *loader = PyErr_Occurred() ? NULL : handle_of(self);
  if (!loader)
    return NULL;
  struct mlaas_error error;
  enum mlaas_status status;
  self->busy = true;
  Py_BEGIN_ALLOW_THREADS status = mlaas_loader_set_epoch(loader, epoch, &error);
  Py_END_ALLOW_THREADS end_busy(self);
  return status == MLAAS_OK ? Py_NewRef(Py_None) : core_raise(&error);
}

static PyObject *loader_restore(PyObject *object, PyObject *text) {
  struct loader *self = (struct loader *)object;
  const char *json = PyUnicode_AsUTF8AndSize(text, NULL);
  struct mlaas_loader *loader = json ? handle_of(self) : NULL;
  if (!loader)
    return NULL;
  struct mlaas_error error;
  enum mlaas_status status;
  self->busy = true;
  Py_BEGIN_ALLOW_THREADS status = mlaas_loader_restore(loader, json, &error);
  Py_END_ALLOW_THREADS end_busy(self);
  return status == MLAAS_OK ? Py_NewRef(Py_None) : core_raise(&error);
}

static PyObject *text_of(PyObject *object,
                         enum mlaas_status (*make)(const struct mlaas_loader *, char **, struct mlaas_error *)) {
  struct mlaas_loader *loader = handle_of((struct loader *)object);
  char *json;
  struct mlaas_error error;
  if (!loader)
    return NULL;
  if (make(loader, &json, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(json);
}

static PyObject *loader_state(PyObject *object, PyObject *unused) {
  (void)unused;
  return text_of(object, mlaas_loader_state);
}

static PyObject *loader_stats(PyObject *object, PyObject *unused) {
  (void)unused;
  return text_of(object, mlaas_loader_stats);
}

static PyMethodDef loader_methods[] = {
    {"next", loader_next, METH_NOARGS, "The next Batch, or None at the end of the epoch."},
    {"size", loader_size, METH_NOARGS, "(rows, batches) of an epoch."},
    {"set_epoch", loader_set_epoch, METH_O, "Starts that epoch at its first batch."},
    {"state", loader_state, METH_NOARGS, "JSON: where it is, and what that depends on."},
    {"restore", loader_restore, METH_O, "Continues from such a state."},
    {"stats", loader_stats, METH_NOARGS, "JSON: rates, cut entries, memory."},
    {"cancel", loader_cancel, METH_NOARGS, "Stops what runs; from any thread."},
    {"close", loader_close, METH_NOARGS, "Gives it back; batches stay valid."},
    {0},
};

static PyType_Slot loader_slots[] = {
    {Py_tp_doc, "Loader(dataset, split, shuffle, rank, world, batch_rows): see mlaas.Loader."},
    {Py_tp_new, loader_new},
    {Py_tp_dealloc, loader_dealloc},
    {Py_tp_methods, loader_methods},
    {0, NULL},
};

PyType_Spec core_loader_spec = {
    .name = "mlaas._core.Loader",
    .basicsize = sizeof(struct loader),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = loader_slots,
};
