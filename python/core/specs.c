/* Specs: statistics of a data set, text in and text out. */
#include "core.h"

struct specs {
  PyObject_HEAD struct mlaas_specs *specs;
};

PyTypeObject *core_specs_type;

const struct mlaas_specs *core_specs_handle(PyObject *object) { return ((struct specs *)object)->specs; }

static PyObject *specs_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"json", NULL};
  const char *json;
  Py_ssize_t length;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s#:Specs", names, &json, &length))
    return NULL;
  struct specs *self = (struct specs *)PyType_GenericAlloc(type, 0);
  struct mlaas_error error;
  if (!self || mlaas_specs_parse(json, (size_t)length, &self->specs, &error) == MLAAS_OK)
    return (PyObject *)self;
  self->specs = NULL;
  Py_DECREF(self);
  return core_raise(&error);
}

static void specs_dealloc(PyObject *object) {
  mlaas_specs_free(((struct specs *)object)->specs);
  core_object_free(object);
}

static PyObject *formatted(PyObject *object,
                           enum mlaas_status (*format)(const struct mlaas_specs *, char **, struct mlaas_error *)) {
  char *json;
  struct mlaas_error error;
  if (format(core_specs_handle(object), &json, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(json);
}

static PyObject *specs_format(PyObject *object, PyObject *unused) {
  (void)unused;
  return formatted(object, mlaas_specs_format);
}

static PyObject *specs_format_global(PyObject *object, PyObject *unused) {
  (void)unused;
  return formatted(object, mlaas_specs_format_global);
}

static PyObject *specs_merge(PyObject *object, PyObject *arguments) {
  PyObject *other;
  struct mlaas_error error;
  if (!PyArg_ParseTuple(arguments, "O!:merge", core_specs_type, &other))
    return NULL;
  if (mlaas_specs_merge(((struct specs *)object)->specs, core_specs_handle(other), &error) != MLAAS_OK)
    return core_raise(&error);
  Py_RETURN_NONE;
}

static PyMethodDef specs_methods[] = {
    {"format", specs_format, METH_NOARGS, "The JSON text."},
    {"format_global", specs_format_global, METH_NOARGS, "The original's global-specs.json."},
    {"merge", specs_merge, METH_VARARGS, "Adds other specs to these."},
    {0},
};

static PyType_Slot specs_slots[] = {
    {Py_tp_doc, "Specs(json): see mlaas.Specs."},
    {Py_tp_new, specs_new},
    {Py_tp_dealloc, specs_dealloc},
    {Py_tp_methods, specs_methods},
    {0, NULL},
};

PyType_Spec core_specs_spec = {
    .name = "mlaas._core.Specs",
    .basicsize = sizeof(struct specs),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = specs_slots,
};
