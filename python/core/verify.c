/* verify: is a file sound? Findings become a list of tuples; the interpreter runs while the library reads. */
#include "core.h"

#include <mlaas/verify.h>

struct scene {
  PyObject *findings; /* a list */
  PyObject *progress; /* a callable, or NULL */
  bool failed;        /* a Python error is set */
};

static void on_finding(void *context, const struct mlaas_finding *finding) {
  struct scene *scene = context;
  PyGILState_STATE lock = PyGILState_Ensure();
  PyObject *row = scene->failed
                      ? NULL
                      : Py_BuildValue("(ssO&O&LLO&)", mlaas_status_name(finding->status), finding->part, core_str,
                                      finding->path, core_str, finding->column, (long long)finding->number,
                                      (long long)finding->offset, core_str, finding->message);
  if (!scene->failed && (!row || PyList_Append(scene->findings, row) < 0))
    scene->failed = true;
  Py_XDECREF(row);
  PyGILState_Release(lock);
}

static bool on_progress(void *context, int64_t done, int64_t total) {
  struct scene *scene = context;
  PyGILState_STATE lock = PyGILState_Ensure();
  if (!scene->failed && PyErr_CheckSignals() < 0)
    scene->failed = true;
  if (!scene->failed && scene->progress) {
    PyObject *result = PyObject_CallFunction(scene->progress, "LL", (long long)done, (long long)total);
    scene->failed = !result;
    Py_XDECREF(result);
  }
  PyGILState_Release(lock);
  return !scene->failed;
}

static PyObject *report_dict(const struct mlaas_verify_report *report, PyObject *findings) {
  return Py_BuildValue("{sssLsLsLsLsLsLsLsLsssO}", "status", mlaas_status_name(report->status), "num_findings",
                       (long long)report->findings, "num_unsupported", (long long)report->unsupported, "keys",
                       (long long)report->keys, "tables", (long long)report->tables, "columns",
                       (long long)report->columns, "undecoded", (long long)report->undecoded, "baskets",
                       (long long)report->baskets, "pages", (long long)report->pages, "checksum", report->checksum,
                       "findings", findings);
}

/* verify(file | url, memory, threads, limits, table, most, progress) */
PyObject *core_verify(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *what, *limits = NULL, *table = Py_None, *progress = Py_None, *name = NULL, *url = NULL, *result = NULL;
  long long memory = 0, most = 0;
  int threads = 0;
  if (!PyArg_ParseTuple(arguments, "O|LiO!OLO:verify", &what, &memory, &threads, &PyTuple_Type, &limits, &table, &most,
                        &progress))
    return NULL;
  struct mlaas_file *file = NULL;
  struct mlaas_context *own = NULL;
  struct scene scene = {PyList_New(0), progress == Py_None ? NULL : progress, false};
  bool is_file = PyObject_TypeCheck(what, core_file_type);
  if (!scene.findings || (table != Py_None && !(name = core_name(table))))
    goto out;
  if (is_file)
    file = core_file_take(what);
  else if (PyUnicode_FSConverter(what, &url))
    own = core_context_new(memory, threads, limits);
  if (!file && !own)
    goto out;
  struct mlaas_verify_options options = {.size = sizeof options,
                                         .table = name ? PyBytes_AsString(name) : NULL,
                                         .most_findings = most,
                                         .finding = on_finding,
                                         .progress = on_progress,
                                         .context = &scene};
  struct mlaas_verify_report report = {.size = sizeof report};
  struct mlaas_error error;
  enum mlaas_status status;
  const char *text = url ? PyBytes_AsString(url) : NULL;
  Py_BEGIN_ALLOW_THREADS status =
      is_file ? mlaas_file_verify(file, &options, &report, &error) : mlaas_verify(own, text, &options, &report, &error);
  mlaas_context_put(own);
  Py_END_ALLOW_THREADS if (!scene.failed && status != MLAAS_OK) core_raise(&error);
  if (!scene.failed && status == MLAAS_OK)
    result = report_dict(&report, scene.findings);
out:
  if (file)
    core_file_leave(what);
  Py_XDECREF(scene.findings);
  Py_XDECREF(name);
  Py_XDECREF(url);
  return result;
}
