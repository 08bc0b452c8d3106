/* Text between C and Python. */
#include "core.h"

#include <string.h>

PyObject *core_text(char *text) {
  PyObject *made = core_str(text);
  mlaas_text_free(text);
  return made;
}

PyObject *core_str(void *text) {
  if (!text)
    return Py_NewRef(Py_None);
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
}

PyObject *core_name(PyObject *text) {
  if (!PyUnicode_Check(text))
    return PyErr_Format(PyExc_TypeError, "a name must be a str");
  return PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
}
