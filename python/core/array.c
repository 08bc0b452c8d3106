/* Array: one Arrow batch (a struct array and its schema). Exported to others without a copy: what leaves holds a count
 * on the original, so the capsules may outlive this object and be released from any thread without the GIL.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

struct held {
  long count;
  struct ArrowSchema schema;
  struct ArrowArray array;
};

struct array {
  PyObject_HEAD struct held *held;
};

PyTypeObject *core_array_type;

static void held_put(struct held *held) {
  if (!held || __atomic_sub_fetch(&held->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  if (held->array.release)
    held->array.release(&held->array);
  if (held->schema.release)
    held->schema.release(&held->schema);
  free(held);
}

PyObject *core_array_new(struct ArrowSchema *schema, struct ArrowArray *array) {
  struct held *held = calloc(1, sizeof *held);
  struct array *self = held ? (struct array *)PyType_GenericAlloc(core_array_type, 0) : NULL;
  if (!self) {
    array->release(array);
    schema->release(schema);
    free(held);
    return held ? NULL : PyErr_NoMemory();
  }
  held->count = 1;
  held->schema = *schema;
  held->array = *array;
  schema->release = NULL;
  array->release = NULL;
  self->held = held;
  return (PyObject *)self;
}

/* ---- sharing: a tree of structs that point into the held one; each node holds one count ---- */

#define SHARE_KIND(noun, type)                                                                                         \
  static void noun##_release(struct type *shared) {                                                                    \
    for (int64_t i = 0; i < shared->n_children; i++) {                                                                 \
      if (shared->children[i] && shared->children[i]->release)                                                         \
        shared->children[i]->release(shared->children[i]);                                                             \
      free(shared->children[i]);                                                                                       \
    }                                                                                                                  \
    free(shared->children);                                                                                            \
    if (shared->dictionary && shared->dictionary->release)                                                             \
      shared->dictionary->release(shared->dictionary);                                                                 \
    free(shared->dictionary);                                                                                          \
    shared->release = NULL;                                                                                            \
    held_put(shared->private_data);                                                                                    \
  }                                                                                                                    \
  static bool noun##_share(struct held *held, const struct type *from, struct type *shared) {                          \
    *shared = *from;                                                                                                   \
    __atomic_add_fetch(&held->count, 1, __ATOMIC_RELAXED);                                                             \
    shared->private_data = held;                                                                                       \
    shared->release = noun##_release;                                                                                  \
    shared->dictionary = NULL;                                                                                         \
    shared->n_children = 0;                                                                                            \
    shared->children = calloc((size_t)from->n_children + 1, sizeof *shared->children);                                 \
    bool good = shared->children != NULL;                                                                              \
    for (int64_t i = 0; good && i < from->n_children; i++) {                                                           \
      shared->children[shared->n_children++] = calloc(1, sizeof *shared);                                              \
      good = shared->children[i] && noun##_share(held, from->children[i], shared->children[i]);                        \
    }                                                                                                                  \
    if (good && from->dictionary) {                                                                                    \
      shared->dictionary = calloc(1, sizeof *shared);                                                                  \
      good = shared->dictionary && noun##_share(held, from->dictionary, shared->dictionary);                           \
    }                                                                                                                  \
    return good;                                                                                                       \
  }

SHARE_KIND(schema, ArrowSchema)
SHARE_KIND(array, ArrowArray)

static PyObject *array_c_schema(PyObject *object, PyObject *unused) {
  (void)unused;
  struct held *held = ((struct array *)object)->held;
  struct ArrowSchema *schema;
  PyObject *capsule = core_schema_capsule(&schema);
  if (capsule && !schema_share(held, &held->schema, schema)) {
    Py_DECREF(capsule);
    return PyErr_NoMemory();
  }
  return capsule;
}

static PyObject *array_c_array(PyObject *object, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"requested_schema", NULL};
  PyObject *requested = NULL;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", names, &requested))
    return NULL;
  struct held *held = ((struct array *)object)->held;
  struct ArrowArray *array;
  PyObject *schema = array_c_schema(object, NULL);
  PyObject *capsule = schema ? core_array_capsule(&array) : NULL;
  if (capsule && !array_share(held, &held->array, array)) {
    Py_CLEAR(capsule);
    PyErr_NoMemory();
  }
  PyObject *pair = capsule ? PyTuple_Pack(2, schema, capsule) : NULL;
  Py_XDECREF(schema);
  Py_XDECREF(capsule);
  return pair;
}

/* ---- buffers, for who has no Arrow library ---- */

/* How the values of a primitive format are called in the struct module. */
static const struct {
  const char *arrow, *python;
  Py_ssize_t item;
} primitives[] = {{"c", "b", 1}, {"C", "B", 1}, {"s", "h", 2}, {"S", "H", 2}, {"i", "i", 4}, {"I", "I", 4},
                  {"l", "q", 8}, {"L", "Q", 8}, {"e", "e", 2}, {"f", "f", 4}, {"g", "d", 8}};

static PyObject *span(PyObject *owner, const void *data, const char *format, Py_ssize_t item, int64_t count) {
  struct core_layout layout = {format, item, 1, {data ? (Py_ssize_t)count : 0}, true};
  return core_buffer_new(owner, data, &layout);
}

static int64_t last_offset(const struct ArrowArray *array, bool large) {
  const void *offsets = array->buffers[1];
  int64_t at = array->offset + array->length;
  if (!offsets)
    return 0;
  return large ? ((const int64_t *)offsets)[at] : ((const int32_t *)offsets)[at];
}

/* Buffer 1 or 2 of an array of the given format; None for formats without. */
static PyObject *buffer_of(PyObject *owner, const struct ArrowArray *array, const char *format, int64_t i) {
  const void *data = array->buffers[i];
  int64_t rows = array->offset + array->length;
  if (i == 0)
    return data ? span(owner, data, "B", 1, (rows + 7) / 8) : Py_NewRef(Py_None);
  if (strcmp(format, "b") == 0)
    return span(owner, data, "B", 1, (rows + 7) / 8);
  bool large = strcmp(format, "+L") == 0 || strcmp(format, "U") == 0 || strcmp(format, "Z") == 0;
  if (large || strcmp(format, "+l") == 0 || strcmp(format, "+m") == 0 || strcmp(format, "u") == 0 ||
      strcmp(format, "z") == 0)
    return i == 2 ? span(owner, data, "B", 1, last_offset(array, large))
                  : span(owner, data, large ? "q" : "i", large ? 8 : 4, rows + 1);
  for (size_t k = 0; k < sizeof primitives / sizeof *primitives; k++)
    if (strcmp(format, primitives[k].arrow) == 0)
      return span(owner, data, primitives[k].python, primitives[k].item, rows);
  return Py_NewRef(Py_None);
}

static PyObject *describe(PyObject *owner, const struct ArrowSchema *schema, const struct ArrowArray *array) {
  PyObject *buffers = PyTuple_New((Py_ssize_t)array->n_buffers);
  PyObject *children = PyTuple_New((Py_ssize_t)array->n_children), *all = NULL;
  for (int64_t i = 0; buffers && i < array->n_buffers; i++) {
    PyObject *buffer = buffer_of(owner, array, schema->format, i);
    if (!buffer || PyTuple_SetItem(buffers, (Py_ssize_t)i, buffer) < 0)
      Py_CLEAR(buffers);
  }
  for (int64_t i = 0; buffers && children && i < array->n_children; i++) {
    PyObject *child = describe(owner, schema->children[i], array->children[i]);
    if (!child || PyTuple_SetItem(children, (Py_ssize_t)i, child) < 0)
      Py_CLEAR(children);
  }
  if (buffers && children)
    all = Py_BuildValue("(O&sLLLOO)", core_str, schema->name ? schema->name : "", schema->format,
                        (long long)array->length, (long long)array->offset, (long long)array->null_count, buffers,
                        children);
  Py_XDECREF(buffers);
  Py_XDECREF(children);
  return all;
}

static PyObject *array_describe(PyObject *object, PyObject *unused) {
  (void)unused;
  struct held *held = ((struct array *)object)->held;
  return describe(object, &held->schema, &held->array);
}

static Py_ssize_t array_length(PyObject *object) { return (Py_ssize_t)((struct array *)object)->held->array.length; }

static void array_dealloc(PyObject *object) {
  held_put(((struct array *)object)->held);
  core_object_free(object);
}

static PyMethodDef array_methods[] = {
    {"__arrow_c_schema__", array_c_schema, METH_NOARGS, "The schema as an Arrow capsule."},
    {"__arrow_c_array__", (PyCFunction)(void (*)(void))array_c_array, METH_VARARGS | METH_KEYWORDS,
     "Schema and array as Arrow capsules, without a copy."},
    {"describe", array_describe, METH_NOARGS,
     "(name, format, length, offset, null_count, buffers, children), nested; buffers are Buffer or None."},
    {0},
};

static PyType_Slot array_slots[] = {
    {Py_tp_doc, "One batch of rows as an Arrow struct array. len() is the number of rows."},
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_methods, array_methods},
    {Py_sq_length, array_length},
    {0, NULL},
};

PyType_Spec core_array_spec = {
    .name = "mlaas._core.Array",
    .basicsize = sizeof(struct array),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = array_slots,
};
