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
  PyObject *url;
  (void)type;
  if (keywords || !PyArg_ParseTuple(arguments, "O:Bytes", &url))
    return NULL;
  struct mlaas_context *context = core_context_new(0, 0, NULL);
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

static PyMethodDef bytes_methods[] = {
    {"size", bytes_size, METH_NOARGS, "Bytes of the file."},
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
