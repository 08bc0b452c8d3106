/* Errors of the library as exceptions. The classes live in mlaas/_errors.py, which makes them from core_statuses. */
#include "core.h"

#include <string.h>

static PyObject *text_of(const char *bytes) {
  return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)strlen(bytes), "replace");
}

PyObject *core_raise(const struct mlaas_error *error) {
  if (PyErr_Occurred()) /* an interrupt, which ended the call */
    return NULL;
  PyObject *module = PyImport_ImportModule("mlaas._errors");
  if (!module)
    return NULL;
  PyObject *where = text_of(error->where), *message = text_of(error->message), *raised = NULL;
  if (where && message)
    raised = PyObject_CallMethod(module, "_make", "iOOLi", (int)error->status, where, message, (long long)error->offset,
                                 error->sys_errno);
  if (raised)
    PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
  Py_XDECREF(raised);
  Py_XDECREF(where);
  Py_XDECREF(message);
  Py_DECREF(module);
  return NULL;
}

PyObject *core_raise_status(enum mlaas_status status, const char *message) {
  struct mlaas_error error = {.status = status, .offset = -1};
  strncpy(error.message, message, sizeof error.message - 1);
  return core_raise(&error);
}

bool core_forked(pid_t owner) {
  if (owner == getpid())
    return false;
  core_raise_status(MLAAS_STATE, "this handle was opened before fork(); open it again in the child");
  return true;
}

PyObject *core_statuses(void) {
  PyObject *all = PyTuple_New(MLAAS_STATUS_COUNT);
  for (int i = 0; all && i < MLAAS_STATUS_COUNT; i++) {
    enum mlaas_status status = (enum mlaas_status)i;
    PyObject *row = Py_BuildValue("(sssi)", mlaas_status_name(status), mlaas_status_text(status),
                                  mlaas_status_python(status), mlaas_status_exit_code(status));
    if (!row || PyTuple_SetItem(all, i, row) < 0)
      Py_CLEAR(all);
  }
  return all;
}
