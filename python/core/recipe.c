/* Recipe: how one row of columns becomes one row of a tensor. Immutable; any thread may fill with it. */
#include "core.h"

#include <stdlib.h>

struct recipe {
  PyObject_HEAD struct mlaas_recipe *recipe;
};

PyTypeObject *core_recipe_type;

struct mlaas_recipe *core_recipe_handle(PyObject *object) {
  return ((struct recipe *)object)->recipe;
}

PyObject *core_recipe_new(struct mlaas_recipe *recipe) {
  struct recipe *self = (struct recipe *)PyType_GenericAlloc(core_recipe_type, 0);
  if (self)
    self->recipe = mlaas_recipe_get(recipe);
  return (PyObject *)self;
}

static PyObject *recipe_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"json", NULL};
  const char *json;
  Py_ssize_t length;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s#:Recipe", names, &json, &length))
    return NULL;
  struct recipe *self = (struct recipe *)PyType_GenericAlloc(type, 0);
  struct mlaas_error error;
  if (!self || mlaas_recipe_parse(json, (size_t)length, &self->recipe, &error) == MLAAS_OK)
    return (PyObject *)self;
  Py_DECREF(self);
  return core_raise(&error);
}

static void recipe_dealloc(PyObject *object) {
  if (core_recipe_handle(object))
    mlaas_recipe_put(core_recipe_handle(object));
  core_object_free(object);
}

static PyObject *recipe_format(PyObject *object, PyObject *unused) {
  (void)unused;
  char *json;
  struct mlaas_error error;
  if (mlaas_recipe_format(core_recipe_handle(object), &json, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(json);
}

static PyObject *recipe_table(PyObject *object, PyObject *unused) {
  (void)unused;
  return core_str((void *)(uintptr_t)mlaas_recipe_table(core_recipe_handle(object)));
}

/* A list of count items made by `item`. */
static PyObject *list_of(struct mlaas_recipe *recipe, size_t count, size_t k,
                         PyObject *(*item)(struct mlaas_recipe *recipe, size_t k, size_t i)) {
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    PyObject *made = item(recipe, k, i);
    if (!made || PyList_SetItem(all, (Py_ssize_t)i, made) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *branch_item(struct mlaas_recipe *recipe, size_t k, size_t i) {
  (void)k;
  return core_str((void *)(uintptr_t)mlaas_recipe_branch(recipe, i));
}

static PyObject *feature_item(struct mlaas_recipe *recipe, size_t k, size_t i) {
  return core_str((void *)(uintptr_t)mlaas_recipe_feature(recipe, k, (int64_t)i));
}

static PyObject *input_item(struct mlaas_recipe *recipe, size_t k, size_t i) {
  (void)k;
  struct mlaas_input_info info;
  mlaas_recipe_input(recipe, i, &info);
  return Py_BuildValue("(O&OLLN)", core_str, info.name, info.padded ? Py_True : Py_False, (long long)info.slots,
                       (long long)info.features, list_of(recipe, (size_t)info.features, i, feature_item));
}

static PyObject *recipe_branches(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_recipe *recipe = core_recipe_handle(object);
  return list_of(recipe, mlaas_recipe_num_branches(recipe), 0, branch_item);
}

static PyObject *recipe_inputs(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_recipe *recipe = core_recipe_handle(object);
  return list_of(recipe, mlaas_recipe_num_inputs(recipe), 0, input_item);
}

/* A writable (or readable) contiguous buffer of exactly `size` bytes; false with an exception. */
static bool take_buffer(PyObject *object, Py_ssize_t size, bool writable, Py_buffer *view) {
  if (PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0)
    return false;
  if (view->len == size)
    return true;
  PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes was expected, this one has %zd", size, view->len);
  PyBuffer_Release(view);
  return false;
}

static PyObject *recipe_split(PyObject *object, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"file_id", "first", "rows", "identifiers", "part", NULL};
  const char *file_id;
  long long first, rows;
  PyObject *identifiers, *part;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sLLOO:split", names, &file_id, &first, &rows, &identifiers,
                                   &part))
    return NULL;
  Py_buffer in = {.obj = NULL}, out;
  if (!take_buffer(part, (Py_ssize_t)rows, true, &out))
    return NULL;
  struct mlaas_error error;
  PyObject *result = NULL;
  if (identifiers == Py_None || PyObject_GetBuffer(identifiers, &in, PyBUF_SIMPLE) == 0) {
    enum mlaas_status status;
    Py_BEGIN_ALLOW_THREADS status =
        mlaas_recipe_split(core_recipe_handle(object), file_id, first, rows, in.obj ? in.buf : NULL, out.buf, &error);
    Py_END_ALLOW_THREADS result = status == MLAAS_OK ? Py_NewRef(Py_None) : core_raise(&error);
  }
  if (in.obj)
    PyBuffer_Release(&in);
  PyBuffer_Release(&out);
  return result;
}

/* ---- filling ---- */

enum { TILE = 256 }; /* rows whose pointers are made at a time */

struct target {
  size_t num_inputs;
  Py_buffer *views; /* x of each input, then mask of each */
  int64_t *widths;  /* values per row of each input */
  int64_t *truncated;
};

static void target_reset(struct target *target) {
  for (size_t k = 0; target->views && k < 2 * target->num_inputs; k++)
    if (target->views[k].obj)
      PyBuffer_Release(&target->views[k]);
  free(target->views);
  free(target->widths);
  free(target->truncated);
}

static bool target_init(struct target *target, struct mlaas_recipe *recipe, PyObject *outputs, int64_t rows) {
  size_t n = mlaas_recipe_num_inputs(recipe);
  *target = (struct target){.num_inputs = n};
  target->views = calloc(2 * n + 1, sizeof *target->views);
  target->widths = calloc(n + 1, sizeof *target->widths);
  target->truncated = calloc(mlaas_recipe_num_branches(recipe) + 1, sizeof *target->truncated);
  if (!target->views || !target->widths || !target->truncated)
    return PyErr_NoMemory() != NULL;
  if (PyTuple_Size(outputs) != (Py_ssize_t)(2 * n)) {
    PyErr_Format(PyExc_ValueError, "%zu buffers were expected: x of each input, then mask of each", 2 * n);
    return false;
  }
  for (size_t k = 0; k < 2 * n; k++) {
    struct mlaas_input_info info;
    mlaas_recipe_input(recipe, k % n, &info);
    target->widths[k % n] = info.slots * info.features;
    Py_ssize_t item = k < n ? (Py_ssize_t)sizeof(float) : 1;
    Py_ssize_t size = (Py_ssize_t)(rows * info.slots * info.features) * item;
    if (!take_buffer(PyTuple_GetItem(outputs, (Py_ssize_t)k), size, true, &target->views[k])) {
      target->views[k].obj = NULL;
      return false;
    }
  }
  return true;
}

/* Rows 0 .. count - 1 of the array go to rows at ... of the target, tile by tile. */
static enum mlaas_status fill_rows(const struct mlaas_filler *filler, const struct ArrowArray *array, int64_t count,
                                   int64_t at, struct target *target, struct mlaas_error *error) {
  size_t n = target->num_inputs;
  float **x = malloc(n * TILE * sizeof *x + 1);
  uint8_t **mask = malloc(n * TILE * sizeof *mask + 1);
  int64_t rows[TILE];
  enum mlaas_status status = MLAAS_OK;
  if (!x || !mask) {
    *error = (struct mlaas_error){.status = MLAAS_MEMORY, .offset = -1, .message = "no memory to fill rows"};
    status = MLAAS_MEMORY;
  }
  for (int64_t first = 0; status == MLAAS_OK && first < count; first += TILE) {
    size_t tile = count - first < TILE ? (size_t)(count - first) : (size_t)TILE;
    for (size_t i = 0; i < tile; i++) {
      rows[i] = first + (int64_t)i;
      for (size_t k = 0; k < n; k++) {
        int64_t place = (at + rows[i]) * target->widths[k];
        x[k * tile + i] = (float *)target->views[k].buf + place;
        mask[k * tile + i] = (uint8_t *)target->views[n + k].buf + place;
      }
    }
    status = mlaas_filler_fill(filler, array, rows, tile, x, mask, target->truncated, error);
  }
  free(x);
  free(mask);
  return status;
}

static PyObject *truncated_of(const struct target *target, size_t count) {
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    PyObject *one = PyLong_FromLongLong(target->truncated[i]);
    if (!one || PyList_SetItem(all, (Py_ssize_t)i, one) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *recipe_fill(PyObject *object, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"schema", "array", "count", "at", "rows", "outputs", NULL};
  PyObject *schema_capsule, *array_capsule, *outputs, *result = NULL;
  long long count, at, rows;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOLLLO!:fill", names, &schema_capsule, &array_capsule, &count,
                                   &at, &rows, &PyTuple_Type, &outputs))
    return NULL;
  struct mlaas_recipe *recipe = core_recipe_handle(object);
  struct ArrowSchema *schema = core_schema_of(schema_capsule);
  struct ArrowArray *array = schema ? core_array_of(array_capsule) : NULL;
  if (!array)
    return NULL;
  if (count < 0 || at < 0 || at > rows - count)
    return PyErr_Format(PyExc_ValueError, "%lld rows do not fit at row %lld of %lld", count, at, rows);
  struct target target;
  struct mlaas_filler *filler = NULL;
  struct mlaas_error error;
  if (target_init(&target, recipe, outputs, rows)) {
    enum mlaas_status status;
    Py_BEGIN_ALLOW_THREADS status = mlaas_filler_new(recipe, schema, &filler, &error);
    if (status == MLAAS_OK)
      status = fill_rows(filler, array, count, at, &target, &error);
    mlaas_filler_free(filler);
    Py_END_ALLOW_THREADS result =
        status == MLAAS_OK ? truncated_of(&target, mlaas_recipe_num_branches(recipe)) : core_raise(&error);
  }
  target_reset(&target);
  return result;
}

static PyMethodDef recipe_methods[] = {
    {"format", recipe_format, METH_NOARGS, "The JSON text."},
    {"table", recipe_table, METH_NOARGS, "Path of the table that it was made for."},
    {"branches", recipe_branches, METH_NOARGS, "The branches that it reads."},
    {"inputs", recipe_inputs, METH_NOARGS, "[(name, padded, slots, number of features, [feature])]."},
    {"split", (PyCFunction)(void (*)(void))recipe_split, METH_VARARGS | METH_KEYWORDS,
     "split(file_id, first, rows, identifiers, part): fills `part`, rows bytes."},
    {"fill", (PyCFunction)(void (*)(void))recipe_fill, METH_VARARGS | METH_KEYWORDS,
     "fill(schema, array, count, at, rows, outputs): fills rows at ... of outputs, which have `rows` rows; returns the "
     "entries cut per branch."},
    {0},
};

static PyType_Slot recipe_slots[] = {
    {Py_tp_doc, "Recipe(json): see mlaas.Recipe."},
    {Py_tp_new, recipe_new},
    {Py_tp_dealloc, recipe_dealloc},
    {Py_tp_methods, recipe_methods},
    {0, NULL},
};

PyType_Spec core_recipe_spec = {
    .name = "mlaas._core.Recipe",
    .basicsize = sizeof(struct recipe),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = recipe_slots,
};
