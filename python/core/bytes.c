/* Bytes: a file of the library's sources, for the readers of other formats. Reads without the GIL, from any thread. */
#include "core.h"

#include <mlaas/bytes.h>

struct bytes {
  PyObject_HEAD struct mlaas_bytes *bytes;
  pid_t owner;
};

PyTypeObject *core_bytes_type;

PyObject *core_bytes_new(struct mlaas_context *context, PyObject *url) {
  PyObject *name = NULL;
  struct bytes *self = (struct bytes *)PyType_GenericAlloc(core_bytes_type, 0);
  if (!self || !PyUnicode_FSConverter(url, &name)) {
    Py_XDECREF((PyObject *)self);
    return NULL;
  }
  struct mlaas_error error;
  enum mlaas_status status;
  const char *text = PyBytes_AsString(name);
  self->owner = getpid();
  Py_BEGIN_ALLOW_THREADS status = mlaas_bytes_open(context, text, &self->bytes, &error);
  Py_END_ALLOW_THREADS Py_DECREF(name);
  if (status == MLAAS_OK)
    return (PyObject *)self;
  self->bytes = NULL;
  Py_DECREF(self);
  return core_raise(&error);
}

static PyObject *bytes_make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  PyObject *url, *limits = NULL;
  long long memory = 0;
  (void)type;
  if (keywords || !PyArg_ParseTuple(arguments, "O|LO:Bytes", &url, &memory, &limits))
    return NULL;
  struct mlaas_context *context = core_context_new(memory, 0, limits);
  PyObject *made = context ? core_bytes_new(context, url) : NULL;
  mlaas_context_put(context);
  return made;
}

static void bytes_dealloc(PyObject *object) {
  struct bytes *self = (struct bytes *)object;
  if (self->bytes && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_bytes_close(self->bytes);
    Py_END_ALLOW_THREADS
  }
  core_object_free(object);
}

static PyObject *bytes_size(PyObject *object, PyObject *unused) {
  (void)unused;
  return PyLong_FromLongLong(mlaas_bytes_size(((struct bytes *)object)->bytes));
}

static PyObject *bytes_read_at(PyObject *object, PyObject *arguments) {
  struct bytes *self = (struct bytes *)object;
  long long offset, length;
  if (!PyArg_ParseTuple(arguments, "LL:read_at", &offset, &length) || core_forked(self->owner))
    return NULL;
  if (length < 0)
    return core_raise_status(MLAAS_ARGUMENT, "a negative number of bytes was asked for");
  PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
  if (!data)
    return NULL;
  char *to = PyBytes_AsString(data);
  struct mlaas_error error;
  enum mlaas_status status;
  Py_BEGIN_ALLOW_THREADS status = mlaas_bytes_read(self->bytes, offset, length, to, &error);
  Py_END_ALLOW_THREADS if (status == MLAAS_OK) return data;
  Py_DECREF(data);
  return core_raise(&error);
}

static PyObject *bytes_costs(PyObject *object, PyObject *unused) {
  struct mlaas_costs costs;
  (void)unused;
  mlaas_bytes_costs(((struct bytes *)object)->bytes, &costs);
  return Py_BuildValue("{sLsLsLsLsLsLsL}", "requests", (long long)costs.requests, "ranges", (long long)costs.ranges,
                       "bytes", (long long)costs.bytes, "delivered", (long long)costs.delivered, "hits",
                       (long long)costs.hits, "retries", (long long)costs.retries, "failovers",
                       (long long)costs.failovers);
}

static bool read_ranges(PyObject *list, int64_t *offsets, int64_t *lengths, Py_ssize_t count) {
  for (Py_ssize_t i = 0; i < count; i++) {
    long long offset, length;
    PyObject *pair = PySequence_GetItem(list, i);
    bool good = pair && PyArg_ParseTuple(pair, "LL", &offset, &length);
    Py_XDECREF(pair);
    if (!good)
      return false;
    offsets[i] = offset;
    lengths[i] = length;
  }
  return true;
}

static PyObject *bytes_ahead(PyObject *object, PyObject *list) {
  struct bytes *self = (struct bytes *)object;
  Py_ssize_t count = PySequence_Size(list);
  if (count < 0 || core_forked(self->owner))
    return NULL;
  int64_t *numbers = PyMem_Calloc(2 * (size_t)count + 1, sizeof *numbers);
  if (!numbers)
    return PyErr_NoMemory();
  bool good = read_ranges(list, numbers, numbers + count, count);
  if (good) {
    Py_BEGIN_ALLOW_THREADS mlaas_bytes_ahead(self->bytes, numbers, numbers + count, (size_t)count);
    Py_END_ALLOW_THREADS
  }
  PyMem_Free(numbers);
  return good ? Py_NewRef(Py_None) : NULL;
}

const struct mlaas_bytes *core_bytes_handle(PyObject *object) {
  return object && PyObject_TypeCheck(object, core_bytes_type) ? ((struct bytes *)object)->bytes : NULL;
}

static PyMethodDef bytes_methods[] = {
    {"size", bytes_size, METH_NOARGS, "Bytes of the file."},
    {"costs", bytes_costs, METH_NOARGS, "What opening and reading took so far."},
    {"ahead", bytes_ahead, METH_O, "ahead([(offset, length), ...]): these will be read soon, in this order."},
    {"read_at", bytes_read_at, METH_VARARGS, "read_at(offset, length): all of them."},
    {0},
};

static PyType_Slot bytes_slots[] = {
    {Py_tp_doc, "Bytes(url): a file wherever the library can open it."},
    {Py_tp_new, bytes_make},
    {Py_tp_dealloc, bytes_dealloc},
    {Py_tp_methods, bytes_methods},
    {0, NULL},
};

PyType_Spec core_bytes_spec = {
    .name = "mlaas._core.Bytes",
    .basicsize = sizeof(struct bytes),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = bytes_slots,
};
