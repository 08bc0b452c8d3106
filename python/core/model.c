/* Model: an open model that runs on buffers. Thread safe, as the library's; after a fork() it has to be opened again,
 * since the threads of its framework do not exist in the child.
 */
#include "core.h"

#include <mlaas/model.h>
#include <stdlib.h>
#include <string.h>

struct model {
  PyObject_HEAD struct mlaas_model *model;
  pid_t owner;
  int running; /* calls that use the model; under the GIL */
};

PyTypeObject *core_model_type;

static struct mlaas_model *handle_of(PyObject *object) {
  struct model *self = (struct model *)object;
  if (!self->model)
    return (struct mlaas_model *)core_raise_status(MLAAS_STATE, "the model is closed; open it again");
  return core_forked(self->owner) ? NULL : self->model;
}

/* ---- life ---- */

static PyObject *model_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"path", "backend", "backends", "libraries", "threads", "options", NULL};
  PyObject *path;
  struct mlaas_model_options given = {.size = sizeof given};
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O&|zzziz:Model", names, PyUnicode_FSConverter, &path,
                                   &given.backend, &given.backends, &given.libraries, &given.threads, &given.options))
    return NULL;
  struct model *self = (struct model *)PyType_GenericAlloc(type, 0);
  if (self) {
    struct mlaas_error error;
    enum mlaas_status status;
    const char *text = PyBytes_AsString(path);
    self->owner = getpid();
    Py_BEGIN_ALLOW_THREADS status = mlaas_model_open(text, &given, &self->model, &error);
    Py_END_ALLOW_THREADS if (status != MLAAS_OK) {
      core_raise(&error);
      Py_CLEAR(self);
    }
  }
  Py_DECREF(path);
  return (PyObject *)self;
}

static PyObject *model_close(PyObject *object, PyObject *unused) {
  (void)unused;
  struct model *self = (struct model *)object;
  struct mlaas_model *model = self->model;
  if (self->running)
    return core_raise_status(MLAAS_STATE, "the model is running in another thread");
  self->model = NULL;
  if (model && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_model_close(model);
    Py_END_ALLOW_THREADS
  }
  Py_RETURN_NONE;
}

static void model_dealloc(PyObject *object) {
  Py_XDECREF(model_close(object, NULL));
  core_object_free(object);
}

/* ---- asking ---- */

static PyObject *shape_of(const int64_t *shape, int num_dims) {
  if (num_dims < 0)
    return Py_NewRef(Py_None);
  PyObject *all = PyTuple_New(num_dims);
  for (int i = 0; all && i < num_dims; i++) {
    PyObject *length = PyLong_FromLongLong(shape[i]);
    if (!length || PyTuple_SetItem(all, i, length) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *infos_of(PyObject *object,
                          const struct mlaas_tensor_info *(*ask)(const struct mlaas_model *, size_t *)) {
  struct mlaas_model *model = handle_of(object);
  if (!model)
    return NULL;
  size_t count;
  const struct mlaas_tensor_info *infos = ask(model, &count);
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    PyObject *one = Py_BuildValue("(O&iN)", core_str, infos[i].name, (int)infos[i].dtype,
                                  shape_of(infos[i].shape, infos[i].num_dims));
    if (!one || PyList_SetItem(all, (Py_ssize_t)i, one) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *model_inputs(PyObject *object, PyObject *unused) {
  (void)unused;
  return infos_of(object, mlaas_model_inputs);
}

static PyObject *model_outputs(PyObject *object, PyObject *unused) {
  (void)unused;
  return infos_of(object, mlaas_model_outputs);
}

static PyObject *model_recipe(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_model *model = handle_of(object);
  if (!model)
    return NULL;
  struct mlaas_recipe *recipe = mlaas_model_recipe(model);
  return recipe ? core_recipe_new(recipe) : Py_NewRef(Py_None);
}

static PyObject *model_describe(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_model *model = handle_of(object);
  char *json;
  struct mlaas_error error;
  if (!model)
    return NULL;
  return mlaas_model_describe(model, &json, &error) == MLAAS_OK ? core_text(json) : core_raise(&error);
}

static PyObject *model_apply_mask(PyObject *object, PyObject *arguments) {
  struct mlaas_model *model = handle_of(object);
  PyObject *values, *marks;
  Py_buffer x, mask;
  if (!model || !PyArg_ParseTuple(arguments, "OO:apply_mask", &values, &marks))
    return NULL;
  PyObject *result = NULL;
  struct model *self = (struct model *)object;
  self->running++;
  bool good = PyObject_GetBuffer(values, &x, PyBUF_WRITABLE) == 0;
  if (good && PyObject_GetBuffer(marks, &mask, PyBUF_SIMPLE) == 0) {
    if (x.len == mask.len * (Py_ssize_t)sizeof(float)) {
      Py_BEGIN_ALLOW_THREADS mlaas_model_apply_mask(model, x.buf, mask.buf, (size_t)mask.len);
      Py_END_ALLOW_THREADS result = Py_NewRef(Py_None);
    } else {
      PyErr_Format(PyExc_ValueError, "%zd bytes of float32 and %zd of mask do not belong together", x.len, mask.len);
    }
    PyBuffer_Release(&mask);
  }
  if (good)
    PyBuffer_Release(&x);
  self->running--;
  return result;
}

/* ---- running ---- */

/* What one run has taken from Python. */
struct taken {
  size_t num_inputs, num_outputs;
  struct mlaas_tensor *inputs, *outputs;
  Py_buffer *views;          /* of numbers; obj NULL: none */
  struct mlaas_blob **texts; /* of texts, into bytes objects that the caller's list holds */
};

static void taken_reset(struct taken *taken) {
  for (size_t i = 0; i < taken->num_inputs; i++) {
    if (taken->views && taken->views[i].obj)
      PyBuffer_Release(&taken->views[i]);
    if (taken->texts)
      free(taken->texts[i]);
  }
  free(taken->inputs);
  free(taken->outputs);
  free(taken->views);
  free(taken->texts);
}

static bool taken_init(struct taken *taken, const struct mlaas_model *model) {
  *taken = (struct taken){0};
  mlaas_model_inputs(model, &taken->num_inputs);
  mlaas_model_outputs(model, &taken->num_outputs);
  taken->inputs = calloc(taken->num_inputs + 1, sizeof *taken->inputs);
  taken->outputs = calloc(taken->num_outputs + 1, sizeof *taken->outputs);
  taken->views = calloc(taken->num_inputs + 1, sizeof *taken->views);
  taken->texts = calloc(taken->num_inputs + 1, sizeof *taken->texts);
  if (taken->inputs && taken->outputs && taken->views && taken->texts)
    return true;
  PyErr_NoMemory();
  return false;
}

static bool take_texts(PyObject *list, struct mlaas_tensor *tensor, struct mlaas_blob **texts) {
  Py_ssize_t count = PyList_Size(list);
  if (count < 0)
    return false;
  *texts = calloc((size_t)count + 1, sizeof **texts);
  if (!*texts)
    return PyErr_NoMemory() != NULL;
  for (Py_ssize_t i = 0; i < count; i++) {
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &data, &size) < 0)
      return false;
    (*texts)[i] = (struct mlaas_blob){data, (size_t)size};
  }
  tensor->data = *texts;
  tensor->size = (size_t)count * sizeof **texts;
  return true;
}

static bool take_input(PyObject *item, size_t i, struct taken *taken) {
  struct mlaas_tensor *tensor = &taken->inputs[i];
  PyObject *shape, *data;
  int dtype;
  if (!PyArg_ParseTuple(item, "iO!O:input", &dtype, &PyTuple_Type, &shape, &data))
    return false;
  Py_ssize_t num_dims = PyTuple_Size(shape);
  if (num_dims > MLAAS_TENSOR_DIMS) {
    PyErr_Format(PyExc_ValueError, "an array has %zd dimensions, at most %d are possible", num_dims, MLAAS_TENSOR_DIMS);
    return false;
  }
  tensor->dtype = (enum mlaas_dtype)dtype;
  tensor->num_dims = (int32_t)num_dims;
  for (Py_ssize_t dim = 0; dim < num_dims; dim++) {
    tensor->shape[dim] = PyLong_AsLongLong(PyTuple_GetItem(shape, dim));
    if (tensor->shape[dim] == -1 && PyErr_Occurred())
      return false;
  }
  if (dtype == MLAAS_DTYPE_BYTES)
    return take_texts(data, tensor, &taken->texts[i]);
  if (PyObject_GetBuffer(data, &taken->views[i], PyBUF_SIMPLE) < 0) {
    taken->views[i].obj = NULL;
    return false;
  }
  tensor->data = taken->views[i].buf;
  tensor->size = (size_t)taken->views[i].len;
  return true;
}

static PyObject *give_texts(const struct mlaas_tensor *tensor) {
  const struct mlaas_blob *texts = tensor->data;
  size_t count = tensor->size / sizeof *texts;
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list && i < count; i++) {
    PyObject *text = PyBytes_FromStringAndSize(texts[i].data, (Py_ssize_t)texts[i].size);
    if (!text || PyList_SetItem(list, (Py_ssize_t)i, text) < 0)
      Py_CLEAR(list);
  }
  return list;
}

static PyObject *give_outputs(const struct taken *taken) {
  PyObject *all = PyList_New((Py_ssize_t)taken->num_outputs);
  for (size_t i = 0; all && i < taken->num_outputs; i++) {
    const struct mlaas_tensor *tensor = &taken->outputs[i];
    PyObject *data = tensor->dtype == MLAAS_DTYPE_BYTES
                         ? give_texts(tensor)
                         : PyByteArray_FromStringAndSize(tensor->data, (Py_ssize_t)tensor->size);
    PyObject *one =
        data ? Py_BuildValue("(iNN)", (int)tensor->dtype, shape_of(tensor->shape, tensor->num_dims), data) : NULL;
    if (!one || PyList_SetItem(all, (Py_ssize_t)i, one) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *run_taken(struct mlaas_model *model, struct taken *taken) {
  struct mlaas_error error;
  enum mlaas_status status;
  void *held;
  Py_BEGIN_ALLOW_THREADS status = mlaas_model_run(model, taken->inputs, taken->outputs, &held, &error);
  Py_END_ALLOW_THREADS if (status != MLAAS_OK) return core_raise(&error);
  PyObject *outputs = give_outputs(taken);
  mlaas_model_release(model, held);
  return outputs;
}

static PyObject *model_run(PyObject *object, PyObject *inputs) {
  struct mlaas_model *model = handle_of(object);
  struct taken taken;
  PyObject *result = NULL;
  if (!model)
    return NULL;
  struct model *self = (struct model *)object;
  self->running++; /* until its outputs were copied; buffers may be Python's own code */
  bool good = taken_init(&taken, model);
  if (good && (!PyList_Check(inputs) || PyList_Size(inputs) != (Py_ssize_t)taken.num_inputs)) {
    PyErr_Format(PyExc_ValueError, "a list of %zu inputs was expected", taken.num_inputs);
    good = false;
  }
  for (size_t i = 0; good && i < taken.num_inputs; i++)
    good = take_input(PyList_GetItem(inputs, (Py_ssize_t)i), i, &taken);
  if (good)
    result = run_taken(model, &taken);
  taken_reset(&taken);
  self->running--;
  return result;
}

static PyMethodDef model_methods[] = {
    {"close", model_close, METH_NOARGS, "Closes the model; StateError while it runs."},
    {"inputs", model_inputs, METH_NOARGS, "[(name, dtype's number, shape or None)]."},
    {"outputs", model_outputs, METH_NOARGS, "[(name, dtype's number, shape or None)]."},
    {"recipe", model_recipe, METH_NOARGS, "The Recipe of the model's bundle, or None."},
    {"describe", model_describe, METH_NOARGS, "What the model is, as JSON."},
    {"apply_mask", model_apply_mask, METH_VARARGS, "apply_mask(x, mask): NaN where the model wants it, in place."},
    {"run", model_run, METH_O,
     "run([(dtype, shape, buffer or list of bytes)]) -> [(dtype, shape, bytearray or list of bytes)]."},
    {0},
};

static PyType_Slot model_slots[] = {
    {Py_tp_doc, "An open model."},
    {Py_tp_new, model_new},
    {Py_tp_dealloc, model_dealloc},
    {Py_tp_methods, model_methods},
    {0, NULL},
};

PyType_Spec core_model_spec = {
    .name = "mlaas._core.Model",
    .basicsize = sizeof(struct model),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = model_slots,
};
