/* Buffer: memory of the library seen through Python's buffer protocol, so that NumPy is no build dependency. It keeps
 * its owner alive; NumPy arrays made of it keep the Buffer alive. Knows nothing of what the memory means.
 */
#include "core.h"

struct buffer {
  PyObject_HEAD PyObject *owner;
  void *data;
  struct core_layout layout;
  Py_ssize_t strides[CORE_MOST_DIMENSIONS];
  Py_ssize_t size; /* bytes */
};

PyTypeObject *core_buffer_type;

/* NumPy wants a valid address also where there is nothing. */
static char nothing[64] __attribute__((aligned(64)));

PyObject *core_buffer_new(PyObject *owner, const void *data, const struct core_layout *layout) {
  struct buffer *self = (struct buffer *)PyType_GenericAlloc(core_buffer_type, 0);
  if (!self)
    return NULL;
  self->owner = Py_NewRef(owner);
  self->data = data ? (void *)(uintptr_t)data : nothing;
  self->layout = *layout;
  self->size = layout->item;
  for (int i = layout->dimensions - 1; i >= 0; i--) {
    self->strides[i] = self->size;
    self->size *= layout->shape[i];
  }
  return (PyObject *)self;
}

static int buffer_get(PyObject *object, Py_buffer *view, int flags) {
  struct buffer *self = (struct buffer *)object;
  if ((flags & PyBUF_WRITABLE) && self->layout.readonly) {
    PyErr_SetString(PyExc_BufferError, "this memory is read-only");
    view->obj = NULL;
    return -1;
  }
  view->obj = Py_NewRef(object);
  view->buf = self->data;
  view->len = self->size;
  view->readonly = self->layout.readonly;
  view->itemsize = self->layout.item;
  view->format = (flags & PyBUF_FORMAT) ? (char *)(uintptr_t)self->layout.format : NULL;
  view->ndim = (flags & PyBUF_ND) ? self->layout.dimensions : 1;
  view->shape = (flags & PyBUF_ND) ? self->layout.shape : NULL;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL;
  view->suboffsets = NULL;
  view->internal = NULL;
  return 0;
}

static void buffer_dealloc(PyObject *object) {
  Py_CLEAR(((struct buffer *)object)->owner);
  core_object_free(object);
}

static PyObject *buffer_address(PyObject *object, void *closure) {
  (void)closure;
  return PyLong_FromVoidPtr(((struct buffer *)object)->data);
}

static PyGetSetDef buffer_attributes[] = {{"address", buffer_address, NULL, "address of the first byte", NULL}, {0}};

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, "Memory of the library, given back when the last view of it dies. NumPy: numpy.asarray(buffer)."},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_getset, buffer_attributes},
    {Py_bf_getbuffer, buffer_get},
    {0, NULL},
};

PyType_Spec core_buffer_spec = {
    .name = "mlaas._core.Buffer",
    .basicsize = sizeof(struct buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = buffer_slots,
};
