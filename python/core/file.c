/* File: an open ROOT file with a context of its own. Tables hold the file in the library, and so does who opens one, so
 * closing is always safe. */
#include "core.h"

struct file {
  PyObject_HEAD struct mlaas_context *context;
  struct mlaas_file *file;
  pid_t owner;
  int users;    /* calls that use it without the GIL */
  bool closing; /* when the last of them is through */
};

PyTypeObject *core_file_type;

struct mlaas_file *core_file_handle(PyObject *object) {
  struct file *self = (struct file *)object;
  if (!self->file || self->closing)
    return (struct mlaas_file *)core_raise_status(MLAAS_STATE, "the file is closed; open it again");
  return core_forked(self->owner) ? NULL : self->file;
}

static PyObject *file_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"url", "memory", "threads", "limits", NULL};
  PyObject *url, *limits = NULL;
  long long memory = 0;
  int threads = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O&|LiO!:File", names, PyUnicode_FSConverter, &url, &memory,
                                   &threads, &PyTuple_Type, &limits))
    return NULL;
  struct file *self = (struct file *)PyType_GenericAlloc(type, 0);
  if (!self)
    goto out;
  self->owner = getpid();
  self->context = core_context_new(memory, threads, limits);
  if (!self->context)
    goto out;
  struct mlaas_error error;
  enum mlaas_status status;
  const char *text = PyBytes_AsString(url);
  CORE_WAIT(status, mlaas_file_open(self->context, text, &self->file, &error));
  if (status != MLAAS_OK)
    core_raise(&error);
out:
  Py_DECREF(url);
  if (self && !self->file)
    Py_CLEAR(self);
  return (PyObject *)self;
}

static PyObject *file_close(PyObject *object, PyObject *unused) {
  (void)unused;
  struct file *self = (struct file *)object;
  struct mlaas_file *file = self->file;
  self->closing = true;
  if (self->users > 0)
    Py_RETURN_NONE;
  struct mlaas_context *context = self->context;
  self->file = NULL;
  self->context = NULL;
  if (self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS if (file) mlaas_file_close(file);
    mlaas_context_put(context);
    Py_END_ALLOW_THREADS
  }
  Py_RETURN_NONE;
}

struct mlaas_file *core_file_take(PyObject *object) {
  struct mlaas_file *file = core_file_handle(object);
  ((struct file *)object)->users += file != NULL;
  return file;
}

void core_file_leave(PyObject *object) {
  struct file *self = (struct file *)object;
  if (--self->users == 0 && self->closing)
    Py_XDECREF(file_close(object, NULL));
}

static void file_dealloc(PyObject *object) {
  Py_XDECREF(file_close(object, NULL));
  core_object_free(object);
}

static PyObject *file_info(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_file *file = core_file_handle(object);
  if (!file)
    return NULL;
  struct mlaas_file_info info;
  mlaas_file_info(file, &info);
  struct mlaas_costs costs;
  mlaas_file_costs(file, &costs);
  return Py_BuildValue("{sO&sO&sisisLsLsLsOsLsLsLsLsL}", "url", core_str, info.url, "id", core_str, info.id, "version",
                       info.version, "compression", info.compression, "size", (long long)info.size, "bytes_read",
                       (long long)info.bytes_read, "read_requests", (long long)info.read_requests, "remote",
                       info.is_remote ? Py_True : Py_False, "ranges", (long long)costs.ranges, "bytes_delivered",
                       (long long)costs.delivered, "cache_hits", (long long)costs.hits, "retries",
                       (long long)costs.retries, "failovers", (long long)costs.failovers);
}

static PyObject *file_tables(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_file *file = core_file_handle(object);
  if (!file)
    return NULL;
  size_t count = mlaas_file_num_tables(file);
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    struct mlaas_table_info info;
    mlaas_file_table(file, i, &info);
    PyObject *row = Py_BuildValue("(O&O&)", core_str, info.path, core_str, info.class_name);
    if (!row || PyList_SetItem(all, (Py_ssize_t)i, row) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *file_memory(PyObject *object, PyObject *unused) {
  (void)unused;
  return core_file_handle(object) ? core_context_memory(((struct file *)object)->context) : NULL;
}

static PyMethodDef file_methods[] = {
    {"close", file_close, METH_NOARGS, "Gives the file back; tables made of it stay usable."},
    {"info", file_info, METH_NOARGS, "url, id, version, compression, size, bytes_read, read_requests."},
    {"tables", file_tables, METH_NOARGS, "[(path, class)] of every table."},
    {"memory", file_memory, METH_NOARGS, "held, peak and ceiling in bytes, and the number of threads."},
    {0},
};

static PyType_Slot file_slots[] = {
    {Py_tp_doc, "File(url, memory=0, threads=0, limits=()): an open ROOT file; 0 means the library's default."},
    {Py_tp_new, file_new},
    {Py_tp_dealloc, file_dealloc},
    {Py_tp_methods, file_methods},
    {0, NULL},
};

PyType_Spec core_file_spec = {
    .name = "mlaas._core.File",
    .basicsize = sizeof(struct file),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = file_slots,
};
