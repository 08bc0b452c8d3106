/* Chain: many files with the same table, and the iterator over their rows. One thread at a time per iterator. */
#include "core.h"

#include <mlaas/chain.h>
#include <stdlib.h>

struct chain {
  PyObject_HEAD struct mlaas_chain *chain;
  struct mlaas_context *context;
  pid_t owner;
};

struct rows {
  PyObject_HEAD PyObject *chain;
  struct mlaas_chain_reader *reader;
  size_t *columns, num_columns;
  pid_t owner;
  bool busy;
};

PyTypeObject *core_chain_type, *core_chain_rows_type;

static struct mlaas_chain *handle_of(PyObject *object) {
  struct chain *self = (struct chain *)object;
  return core_forked(self->owner) ? NULL : self->chain;
}

/* ---- opening ---- */

/* [(url, table or None)] into memory of `keep`, a list that holds the bytes. False with an exception. */
static bool take_files(PyObject *list, PyObject *keep, struct mlaas_chain_file *files, Py_ssize_t count) {
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *row = PySequence_GetItem(list, i), *url = NULL, *table = NULL;
    bool fine = row && PyArg_ParseTuple(row, "O&O", PyUnicode_FSConverter, &url, &table);
    PyObject *name = fine && table != Py_None ? core_name(table) : NULL;
    fine = fine && (table == Py_None || name) && PyList_Append(keep, url) == 0 &&
           (!name || PyList_Append(keep, name) == 0);
    if (fine)
      files[i] = (struct mlaas_chain_file){PyBytes_AsString(url), name ? PyBytes_AsString(name) : NULL};
    Py_XDECREF(row);
    Py_XDECREF(url);
    Py_XDECREF(name);
    if (!fine)
      return false;
  }
  return true;
}

static enum mlaas_status open_list(struct chain *self, const struct mlaas_chain_file *files, size_t count,
                                   struct mlaas_error *error) {
  enum mlaas_status status;
  CORE_WAIT(status, mlaas_chain_open(self->context, files, count, &self->chain, error));
  return status;
}

/* Chain([(url, table)], memory, threads, limits), or Chain(file, path) of a TChain that was written. */
static PyObject *chain_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  (void)keywords;
  PyObject *what, *second = NULL, *limits = NULL, *keep = NULL;
  int threads = 0;
  if (!PyArg_ParseTuple(arguments, "O|OiO!:Chain", &what, &second, &threads, &PyTuple_Type, &limits))
    return NULL;
  struct mlaas_error error;
  enum mlaas_status status = MLAAS_OK;
  struct chain *self = (struct chain *)PyType_GenericAlloc(type, 0);
  if (!self)
    return NULL;
  self->owner = getpid();
  if (PyObject_TypeCheck(what, core_file_type)) {
    keep = second ? core_name(second) : NULL;
    struct mlaas_file *file = keep ? core_file_take(what) : NULL;
    if (file) {
      const char *path = PyBytes_AsString(keep);
      CORE_WAIT(status, mlaas_chain_from(file, path, &self->chain, &error));
      core_file_leave(what);
    }
  } else {
    Py_ssize_t count = PySequence_Size(what);
    long long memory = second ? PyLong_AsLongLong(second) : 0;
    struct mlaas_chain_file *files = count < 0 || PyErr_Occurred() ? NULL : calloc((size_t)count + 1, sizeof *files);
    keep = files ? PyList_New(0) : NULL;
    if (keep && take_files(what, keep, files, count) && (self->context = core_context_new(memory, threads, limits)))
      status = open_list(self, files, (size_t)count, &error);
    free(files);
  }
  Py_XDECREF(keep);
  if (!PyErr_Occurred() && status != MLAAS_OK)
    core_raise(&error);
  if (!self->chain)
    Py_CLEAR(self);
  return (PyObject *)self;
}

static void chain_dealloc(PyObject *object) {
  struct chain *self = (struct chain *)object;
  if (self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_chain_close(self->chain);
    mlaas_context_put(self->context);
    Py_END_ALLOW_THREADS
  }
  core_object_free(object);
}

/* ---- what it has ---- */

static PyObject *chain_files(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_chain *chain = handle_of(object);
  PyObject *all = chain ? PyList_New(0) : NULL;
  for (size_t i = 0; all && i < mlaas_chain_num_files(chain); i++) {
    struct mlaas_chain_file file;
    mlaas_chain_file(chain, i, &file);
    PyObject *row = Py_BuildValue("(O&O&)", core_str, file.url, core_str, file.table);
    if (!row || PyList_Append(all, row) < 0)
      Py_CLEAR(all);
    Py_XDECREF(row);
  }
  return all;
}

/* [(name, reason why it cannot be read or None)] of the first file's table. */
static PyObject *chain_columns(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_chain *chain = handle_of(object);
  PyObject *all = chain ? PyList_New(0) : NULL;
  const struct mlaas_table *table = chain ? mlaas_chain_table(chain) : NULL;
  for (size_t i = 0; all && i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    PyObject *row = Py_BuildValue("(O&O&)", core_str, info.name, core_str, info.unsupported);
    if (!row || PyList_Append(all, row) < 0)
      Py_CLEAR(all);
    Py_XDECREF(row);
  }
  return all;
}

static PyObject *chain_count(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_chain *chain = handle_of(object);
  if (!chain)
    return NULL;
  int64_t entries;
  struct mlaas_error error;
  enum mlaas_status status;
  CORE_WAIT(status, mlaas_chain_count(chain, &entries, &error));
  return status == MLAAS_OK ? PyLong_FromLongLong(entries) : core_raise(&error);
}

/* Indices of the columns of these names; false with an exception. */
static bool find_columns(const struct mlaas_chain *chain, PyObject *names, size_t **columns, size_t *count) {
  *columns = NULL;
  *count = 0;
  if (names == Py_None)
    return true;
  Py_ssize_t length = PySequence_Size(names);
  *columns = length < 0 ? NULL : calloc((size_t)length + 1, sizeof **columns);
  if (!*columns)
    return length < 0 ? false : PyErr_NoMemory() != NULL;
  for (Py_ssize_t i = 0; i < length; i++) {
    PyObject *item = PySequence_GetItem(names, i), *text = item ? core_name(item) : NULL;
    struct mlaas_error error;
    bool fine = text != NULL;
    if (fine && mlaas_table_find(mlaas_chain_table(chain), PyBytes_AsString(text), &(*columns)[i], &error) != MLAAS_OK)
      fine = core_raise(&error) != NULL;
    Py_XDECREF(item);
    Py_XDECREF(text);
    if (!fine) {
      free(*columns);
      return false;
    }
  }
  *count = (size_t)length;
  return true;
}

static PyObject *chain_schema(PyObject *object, PyObject *names) {
  struct mlaas_chain *chain = handle_of(object);
  size_t *columns, count;
  if (!chain || !find_columns(chain, names, &columns, &count))
    return NULL;
  struct ArrowSchema *schema;
  struct mlaas_error error;
  PyObject *capsule = core_schema_capsule(&schema);
  if (capsule && mlaas_table_schema(mlaas_chain_table(chain), columns, count, schema, &error) != MLAAS_OK) {
    Py_CLEAR(capsule);
    core_raise(&error);
  }
  free(columns);
  return capsule;
}

static PyObject *chain_stream(PyObject *object, PyObject *names) {
  struct mlaas_chain *chain = handle_of(object);
  size_t *columns, count;
  if (!chain || !find_columns(chain, names, &columns, &count))
    return NULL;
  struct ArrowArrayStream *stream;
  struct mlaas_error error;
  PyObject *capsule = core_stream_capsule(&stream);
  if (capsule && mlaas_chain_stream(chain, columns, count, 0, stream, &error) != MLAAS_OK) {
    Py_CLEAR(capsule);
    core_raise(&error);
  }
  free(columns);
  return capsule;
}

/* ---- rows ---- */

static PyObject *chain_batches(PyObject *object, PyObject *arguments) {
  struct mlaas_chain *chain = handle_of(object);
  PyObject *names;
  long long rows;
  if (!chain || !PyArg_ParseTuple(arguments, "OL:batches", &names, &rows))
    return NULL;
  struct rows *made = (struct rows *)PyType_GenericAlloc(core_chain_rows_type, 0);
  if (!made)
    return NULL;
  made->owner = getpid();
  made->chain = Py_NewRef(object);
  struct mlaas_error error;
  if (find_columns(chain, names, &made->columns, &made->num_columns)) {
    if (mlaas_chain_reader_open(chain, made->columns, made->num_columns, rows, &made->reader, &error) == MLAAS_OK)
      return (PyObject *)made;
    core_raise(&error);
  }
  Py_DECREF(made);
  return NULL;
}

static PyObject *rows_next(PyObject *object) {
  struct rows *self = (struct rows *)object;
  struct mlaas_chain *chain = handle_of(self->chain);
  if (!chain || PyErr_CheckSignals() < 0)
    return NULL;
  if (self->busy)
    return core_raise_status(MLAAS_STATE, "another thread is reading from this iterator; give each thread its own");
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct mlaas_error error;
  enum mlaas_status status;
  self->busy = true;
  CORE_WAIT(status, mlaas_chain_reader_next(self->reader, &array, &error));
  if (status == MLAAS_OK && array.release) {
    status = mlaas_table_schema(mlaas_chain_table(chain), self->columns, self->num_columns, &schema, &error);
    if (status != MLAAS_OK)
      array.release(&array);
  }
  self->busy = false;
  if (status != MLAAS_OK)
    return core_raise(&error);
  return array.release ? core_array_new(&schema, &array) : NULL;
}

static void rows_dealloc(PyObject *object) {
  struct rows *self = (struct rows *)object;
  if (self->reader && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_chain_reader_close(self->reader);
    Py_END_ALLOW_THREADS
  }
  free(self->columns);
  Py_CLEAR(self->chain);
  core_object_free(object);
}

static PyMethodDef chain_methods[] = {
    {"files", chain_files, METH_NOARGS, "[(url, table)]."},
    {"columns", chain_columns, METH_NOARGS, "[(name, reason why it cannot be read)] of the first file."},
    {"count", chain_count, METH_NOARGS, "Number of entries; opens every file."},
    {"schema", chain_schema, METH_O, "Arrow schema capsule of the columns of these names (None: all readable)."},
    {"stream", chain_stream, METH_O, "Arrow stream capsule."},
    {"batches", chain_batches, METH_VARARGS, "batches(names, rows): an iterator of Array."},
    {0},
};

static PyType_Slot chain_slots[] = {
    {Py_tp_doc, "Chain([(url, table)], memory, threads, limits) or Chain(file, path)."},
    {Py_tp_new, chain_new},
    {Py_tp_dealloc, chain_dealloc},
    {Py_tp_methods, chain_methods},
    {0, NULL},
};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, "Iterator of Array."},
    {Py_tp_dealloc, rows_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, rows_next},
    {0, NULL},
};

PyType_Spec core_chain_spec = {
    .name = "mlaas._core.Chain",
    .basicsize = sizeof(struct chain),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = chain_slots,
};

PyType_Spec core_chain_rows_spec = {
    .name = "mlaas._core.ChainRows",
    .basicsize = sizeof(struct rows),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = rows_slots,
};
