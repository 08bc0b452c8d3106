/* The module mlaas._core: its types and functions. What each does is in the file of its noun. */
#include "core.h"

void core_object_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static const struct {
  const char *name;
  PyType_Spec *spec;
  PyTypeObject **type;
} types[] = {
    {"Buffer", &core_buffer_spec, &core_buffer_type},    {"Bytes", &core_bytes_spec, &core_bytes_type},
    {"Array", &core_array_spec, &core_array_type},       {"File", &core_file_spec, &core_file_type},
    {"Table", &core_table_spec, &core_table_type},       {"Stream", &core_stream_spec, &core_stream_type},
    {"Recipe", &core_recipe_spec, &core_recipe_type},    {"Specs", &core_specs_spec, &core_specs_type},
    {"Dataset", &core_dataset_spec, &core_dataset_type}, {"Loader", &core_loader_spec, &core_loader_type},
    {"Batch", &core_batch_spec, &core_batch_type},       {"Model", &core_model_spec, &core_model_type},
    {"Chain", &core_chain_spec, &core_chain_type},       {"ChainRows", &core_chain_rows_spec, &core_chain_rows_type},
};

static int add_types(PyObject *module) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    PyObject *type = PyType_FromSpec(types[i].spec);
    if (!type || PyModule_AddObjectRef(module, types[i].name, type) < 0)
      return -1;
    *types[i].type = (PyTypeObject *)type;
  }
  return 0;
}

static PyMethodDef functions[] = {
    {"params_check", core_params_check, METH_O, "params_check(json) -> effective parameters as JSON."},
    {"object_list", core_object_list, METH_O, "object_list(file) -> [(path, class, title, stored, raw)]."},
    {"object_read", core_object_read, METH_VARARGS,
     "object_read(file, path, make) -> (path, class, title, value); make(kind, class name, payload) makes the rest."},
    {"interruptible", core_interruptible, METH_O,
     "interruptible(function): its result; Ctrl-C ends what waits for servers in it, in any thread."},
    {"guard", core_guard, METH_VARARGS,
     "guard(descriptor, patience_ms, command, after): ends the process where signals that come there do not."},
    {"guard_file", core_guard_file, METH_O, "guard_file(path): what the guard removes; None: nothing."},
    {"guard_end", core_guard_end, METH_NOARGS, "The command ends by itself: the guard has nothing more to do."},
    {"foreign_stop", core_foreign_stop, METH_NOARGS,
     "Before the interpreter ends: files of other formats read no more."},
    {"place_show", core_place_show, METH_O, "place_show(name) -> name without passwords and tokens."},
    {"places", core_places, METH_VARARGS,
     "places(names, lists, redirector, limits) -> ([name], [index as written], number written)."},
    {"param_table", core_param_table, METH_NOARGS, "[(name, synonyms, type, default as JSON, help)]."},
    {"verify", core_verify, METH_VARARGS,
     "verify(file or url, memory, threads, limits, table, most, progress) -> dict."},
    {0},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "mlaas._core",
    .m_doc = "The library behind the package mlaas. Not a public interface: use the package.",
    .m_methods = functions,
    .m_size = -1, /* handles and NumPy know one interpreter only */
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
  PyObject *module = PyModule_Create(&definition);
  if (!module)
    return NULL;
  PyObject *statuses = core_statuses();
  if (!statuses || PyModule_AddObjectRef(module, "statuses", statuses) < 0 ||
      PyModule_AddStringConstant(module, "__version__", mlaas_version()) < 0 || add_types(module) < 0)
    Py_CLEAR(module);
  Py_XDECREF(statuses);
  return module;
}
