/* Batch: lent memory of a loader. Each attribute is a Buffer that keeps the batch; the last one to die gives it back.
 */
#include "core.h"

#include <stddef.h>

struct batch {
  PyObject_HEAD struct mlaas_batch *batch;
  pid_t owner;
};

PyTypeObject *core_batch_type;

PyObject *core_batch_new(struct mlaas_batch *batch) {
  struct batch *self = (struct batch *)PyType_GenericAlloc(core_batch_type, 0);
  if (!self) {
    mlaas_batch_release(batch);
    return NULL;
  }
  self->batch = batch;
  self->owner = getpid();
  return (PyObject *)self;
}

static void batch_dealloc(PyObject *object) {
  struct batch *self = (struct batch *)object;
  if (self->owner == getpid())
    mlaas_batch_release(self->batch);
  core_object_free(object);
}

static PyObject *batch_rows(PyObject *object, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(((struct batch *)object)->batch->rows);
}

static PyObject *batch_index(PyObject *object, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(((struct batch *)object)->batch->index);
}

/* The arrays with one value per row. */
static const struct row_array {
  const char *format;
  Py_ssize_t item;
  size_t place; /* of the pointer in struct mlaas_batch */
} row_arrays[] = {
    {"f", 4, offsetof(struct mlaas_batch, y)},     {"f", 4, offsetof(struct mlaas_batch, w)},
    {"f", 4, offsetof(struct mlaas_batch, raw_w)}, {"i", 4, offsetof(struct mlaas_batch, file)},
    {"q", 8, offsetof(struct mlaas_batch, entry)}, {"b", 1, offsetof(struct mlaas_batch, part)},
};

static PyObject *batch_array(PyObject *object, void *closure) {
  const struct row_array *which = closure;
  const struct mlaas_batch *batch = ((struct batch *)object)->batch;
  void *const *pointer = (void *const *)((const char *)batch + which->place);
  struct core_layout layout = {which->format, which->item, 1, {(Py_ssize_t)batch->rows}, false};
  return core_buffer_new(object, *pointer, &layout);
}

/* input(k, padded) -> (x, mask): rows x features, or rows x slots x features. */
static PyObject *batch_input(PyObject *object, PyObject *arguments) {
  const struct mlaas_batch *batch = ((struct batch *)object)->batch;
  Py_ssize_t k;
  int padded;
  if (!PyArg_ParseTuple(arguments, "np:input", &k, &padded))
    return NULL;
  if (k < 0 || (size_t)k >= batch->num_inputs)
    return PyErr_Format(PyExc_IndexError, "input %zd of %zu", k, batch->num_inputs);
  const struct mlaas_batch_input *input = &batch->inputs[k];
  Py_ssize_t rows = (Py_ssize_t)batch->rows, slots = (Py_ssize_t)input->slots, features = (Py_ssize_t)input->features;
  struct core_layout x = {"f", 4, 2, {rows, slots * features}, false};
  if (padded)
    x = (struct core_layout){"f", 4, 3, {rows, slots, features}, false};
  struct core_layout mask = x;
  mask.format = "B";
  mask.item = 1;
  PyObject *values = core_buffer_new(object, input->x, &x), *masks = core_buffer_new(object, input->mask, &mask);
  return values && masks ? Py_BuildValue("(NN)", values, masks) : NULL;
}

static PyGetSetDef batch_attributes[] = {
    {"rows", batch_rows, NULL, "number of rows", NULL},
    {"index", batch_index, NULL, "index in the epoch", NULL},
    {"y", batch_array, NULL, "label, float32", (void *)(uintptr_t)&row_arrays[0]},
    {"w", batch_array, NULL, "training weight, float32", (void *)(uintptr_t)&row_arrays[1]},
    {"raw_w", batch_array, NULL, "weight as in the file, float32", (void *)(uintptr_t)&row_arrays[2]},
    {"file", batch_array, NULL, "index of the file, int32", (void *)(uintptr_t)&row_arrays[3]},
    {"entry", batch_array, NULL, "entry in the file, int64", (void *)(uintptr_t)&row_arrays[4]},
    {"part", batch_array, NULL, "0 train, 1 validation, 2 test, -1 none, int8", (void *)(uintptr_t)&row_arrays[5]},
    {0},
};

static PyMethodDef batch_methods[] = {
    {"input", batch_input, METH_VARARGS, "input(k, padded) -> (x, mask) of input k."},
    {0},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, "Lent memory of a loader."},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_getset, batch_attributes},
    {Py_tp_methods, batch_methods},
    {0, NULL},
};

PyType_Spec core_batch_spec = {
    .name = "mlaas._core.Batch",
    .basicsize = sizeof(struct batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};
