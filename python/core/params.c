/* The table of parameters: text in, text out. */
#include "core.h"

PyObject *core_params_check(PyObject *module, PyObject *text) {
  (void)module;
  const char *json = PyUnicode_AsUTF8AndSize(text, NULL);
  char *effective;
  struct mlaas_error error;
  if (!json)
    return NULL;
  if (mlaas_params_check(json, &effective, &error) != MLAAS_OK)
    return core_raise(&error);
  return core_text(effective);
}

PyObject *core_param_table(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  PyObject *all = PyList_New(0);
  const struct mlaas_param *param;
  for (size_t i = 0; all && (param = mlaas_param_at(i)) != NULL; i++) {
    PyObject *row = Py_BuildValue("(sssss)", param->name, param->synonyms, param->type, param->fallback, param->help);
    if (!row || PyList_Append(all, row) < 0)
      Py_CLEAR(all);
    Py_XDECREF(row);
  }
  return all;
}
