/* Names of files: what users write, and the files that are meant. */
#include "core.h"

#include <mlaas/place.h>
#include <stdlib.h>
#include <string.h>

/* [name] and [origin] of all places. */
static PyObject *result_of(const struct mlaas_places *places) {
  size_t count = mlaas_places_count(places);
  PyObject *names = PyList_New(0), *origins = PyList_New(0);
  for (size_t i = 0; i < count && names && origins; i++) {
    PyObject *name = PyUnicode_DecodeFSDefault(mlaas_places_name(places, i));
    PyObject *origin = PyLong_FromSize_t(mlaas_places_origin(places, i));
    bool fine = name && origin && PyList_Append(names, name) == 0 && PyList_Append(origins, origin) == 0;
    Py_XDECREF(name);
    Py_XDECREF(origin);
    if (!fine)
      Py_CLEAR(names);
  }
  PyObject *result =
      names && origins ? Py_BuildValue("(OOn)", names, origins, (Py_ssize_t)mlaas_places_num_written(places)) : NULL;
  Py_XDECREF(names);
  Py_XDECREF(origins);
  return result;
}

/* The names as C strings that live in `held`, a list. NULL with an exception. */
static const char **take_names(PyObject *list, PyObject *held, Py_ssize_t count) {
  const char **names = calloc((size_t)count + 1, sizeof *names);
  for (Py_ssize_t i = 0; names && i < count; i++) {
    PyObject *item = PySequence_GetItem(list, i), *bytes = NULL;
    bool fine = item && PyUnicode_FSConverter(item, &bytes) && PyList_Append(held, bytes) == 0;
    if (fine)
      names[i] = PyBytes_AsString(bytes);
    Py_XDECREF(item);
    Py_XDECREF(bytes);
    if (!fine) {
      free(names);
      return NULL;
    }
  }
  return names ? names : (const char **)PyErr_NoMemory();
}

PyObject *core_places(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *list, *limits = NULL, *result = NULL;
  int lists;
  struct mlaas_places_options options = {.size = sizeof options};
  if (!PyArg_ParseTuple(arguments, "Opz|O!:places", &list, &lists, &options.redirector, &PyTuple_Type, &limits))
    return NULL;
  options.lists = lists;
  Py_ssize_t count = PySequence_Size(list);
  PyObject *held = count < 0 ? NULL : PyList_New(0);
  const char **names = held ? take_names(list, held, count) : NULL;
  struct mlaas_context *context = names ? core_context_new(0, 1, limits) : NULL;
  if (context) {
    struct mlaas_places *places = NULL;
    struct mlaas_error error;
    enum mlaas_status status;
    Py_BEGIN_ALLOW_THREADS status = mlaas_places_expand(context, names, (size_t)count, &options, &places, &error);
    Py_END_ALLOW_THREADS result = status == MLAAS_OK ? result_of(places) : core_raise(&error);
    mlaas_places_free(places);
  }
  mlaas_context_put(context);
  free(names);
  Py_XDECREF(held);
  return result;
}

PyObject *core_place_show(PyObject *module, PyObject *name) {
  (void)module;
  PyObject *bytes = NULL;
  if (!PyUnicode_FSConverter(name, &bytes))
    return NULL;
  size_t size = mlaas_place_show(PyBytes_AsString(bytes), NULL, 0) + 1;
  char *text = malloc(size);
  PyObject *shown = NULL;
  if (text) {
    mlaas_place_show(PyBytes_AsString(bytes), text, size);
    shown = PyUnicode_DecodeFSDefault(text);
  } else {
    PyErr_NoMemory();
  }
  free(text);
  Py_DECREF(bytes);
  return shown;
}
