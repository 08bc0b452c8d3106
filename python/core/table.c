/* Table: the columns of one tree or ntuple, and the Arrow streams of them. Immutable, so any thread may use it. */
#include "core.h"

#include <stdlib.h>

struct table {
  PyObject_HEAD struct mlaas_table *table;
  pid_t owner;
};

PyTypeObject *core_table_type;

struct mlaas_table *core_table_handle(PyObject *object) {
  struct table *self = (struct table *)object;
  return core_forked(self->owner) ? NULL : self->table;
}

/* The table with its friends takes the place of the table. */
static enum mlaas_status join_friends(struct table *self, struct mlaas_error *error) {
  struct mlaas_table *joined = NULL;
  enum mlaas_status status = mlaas_table_with_friends(self->table, &joined, error);
  if (status == MLAAS_OK) {
    mlaas_table_close(self->table);
    self->table = joined;
  }
  return status;
}

static PyObject *table_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"file", "path", "friends", NULL};
  PyObject *file;
  PyObject *path = Py_None;
  int friends = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!|Op:Table", names, core_file_type, &file, &path, &friends))
    return NULL;
  PyObject *bytes = path == Py_None ? Py_NewRef(Py_None) : core_name(path);
  struct table *self = bytes ? (struct table *)PyType_GenericAlloc(type, 0) : NULL;
  struct mlaas_file *handle = self ? core_file_take(file) : NULL;
  if (!handle) {
    Py_XDECREF(bytes);
    Py_CLEAR(self);
    return NULL;
  }
  const char *text = path == Py_None ? NULL : PyBytes_AsString(bytes);
  self->owner = getpid();
  struct mlaas_error error;
  enum mlaas_status status;
  CORE_WAIT(status, mlaas_table_open(handle, text, &self->table, &error));
  if (status == MLAAS_OK && friends)
    CORE_WAIT(status, join_friends(self, &error));
  core_file_leave(file);
  Py_DECREF(bytes);
  if (status == MLAAS_OK)
    return (PyObject *)self;
  Py_DECREF(self);
  return core_raise(&error);
}

static void table_dealloc(PyObject *object) {
  struct table *self = (struct table *)object;
  if (self->table && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_table_close(self->table);
    Py_END_ALLOW_THREADS
  }
  core_object_free(object);
}

/* ---- what it has ---- */

static PyObject *table_info(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_table *table = core_table_handle(object);
  if (!table)
    return NULL;
  return Py_BuildValue("(O&O&L)", core_str, mlaas_table_path(table), core_str, mlaas_table_title(table),
                       (long long)mlaas_table_num_entries(table));
}

static PyObject *table_clusters(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_table *table = core_table_handle(object);
  if (!table)
    return NULL;
  size_t count = 0;
  const int64_t *starts = mlaas_table_clusters(table, &count);
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    PyObject *start = PyLong_FromLongLong(starts[i]);
    if (!start || PyList_SetItem(all, (Py_ssize_t)i, start) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *column_of(const struct mlaas_table *table, size_t i) {
  struct mlaas_column_info info;
  mlaas_table_column(table, i, &info);
  return Py_BuildValue("{sO&sO&sO&sO&sO&sLsLsLsi}", "name", core_str, info.name, "type", core_str, info.type_name,
                       "title", core_str, info.title, "counter", core_str, info.counter, "unsupported", core_str,
                       info.unsupported, "stored_bytes", (long long)info.stored_bytes, "raw_bytes",
                       (long long)info.raw_bytes, "num_baskets", (long long)info.num_baskets, "compression",
                       info.compression);
}

static PyObject *list_columns(const struct mlaas_table *table, size_t first, size_t count) {
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    PyObject *column = column_of(table, first + i);
    if (!column || PyList_SetItem(all, (Py_ssize_t)i, column) < 0)
      Py_CLEAR(all);
  }
  return all;
}

static PyObject *table_columns(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_table *table = core_table_handle(object);
  return table ? list_columns(table, 0, mlaas_table_num_columns(table)) : NULL;
}

static PyObject *table_members(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_table *table = core_table_handle(object);
  return table ? list_columns(table, mlaas_table_num_columns(table), mlaas_table_num_members(table)) : NULL;
}

static PyObject *table_find(PyObject *object, PyObject *name) {
  struct mlaas_table *table = core_table_handle(object);
  PyObject *text = table ? core_name(name) : NULL;
  if (!text)
    return NULL;
  size_t column;
  struct mlaas_error error;
  enum mlaas_status status = mlaas_table_find(table, PyBytes_AsString(text), &column, &error);
  Py_DECREF(text);
  return status == MLAAS_OK ? PyLong_FromSize_t(column) : core_raise(&error);
}

static void add_link(void *context, const struct mlaas_link_info *link) {
  static const char *const kinds[] = {"friend", "chain", "index"};
  PyObject **all = context;
  PyObject *row = *all ? Py_BuildValue("(sO&O&O&)", kinds[link->kind], core_str, link->alias, core_str, link->table,
                                       core_str, link->file)
                       : NULL;
  if (!row || PyList_Append(*all, row) < 0)
    Py_CLEAR(*all);
  Py_XDECREF(row);
}

static PyObject *table_links(PyObject *object, PyObject *unused) {
  (void)unused;
  struct mlaas_table *table = core_table_handle(object);
  PyObject *all = table ? PyList_New(0) : NULL;
  struct mlaas_error error;
  if (all && mlaas_table_links(table, add_link, &all, &error) != MLAAS_OK) {
    Py_CLEAR(all);
    return core_raise(&error);
  }
  return all;
}

/* ---- reading ---- */

/* Indices of a sequence of ints, or NULL for None (all readable columns); false with an exception. */
static bool take_indices(PyObject *sequence, size_t **columns, size_t *count) {
  *columns = NULL;
  *count = 0;
  if (sequence == Py_None)
    return true;
  Py_ssize_t length = PySequence_Size(sequence);
  if (length < 0)
    return false;
  *columns = malloc(((size_t)length + 1) * sizeof **columns);
  if (!*columns)
    return PyErr_NoMemory() != NULL;
  for (Py_ssize_t i = 0; i < length; i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    (*columns)[i] = item ? PyLong_AsSize_t(item) : 0;
    Py_XDECREF(item);
    if (PyErr_Occurred()) {
      free(*columns);
      return false;
    }
  }
  *count = (size_t)length;
  return true;
}

static PyObject *table_schema(PyObject *object, PyObject *indices) {
  struct mlaas_table *table = core_table_handle(object);
  size_t *columns, count;
  if (!table || !take_indices(indices, &columns, &count))
    return NULL;
  struct ArrowSchema *schema;
  PyObject *capsule = core_schema_capsule(&schema);
  struct mlaas_error error;
  if (capsule && mlaas_table_schema(table, columns, count, schema, &error) != MLAAS_OK) {
    Py_CLEAR(capsule);
    core_raise(&error);
  }
  free(columns);
  return capsule;
}

struct range {
  size_t *columns, count;
  long long start, stop, rows;
};

static bool take_range(PyObject *arguments, PyObject *keywords, const char *format, struct range *range) {
  static char *names[] = {"columns", "start", "stop", "rows", NULL};
  PyObject *indices;
  range->rows = 0;
  return PyArg_ParseTupleAndKeywords(arguments, keywords, format, names, &indices, &range->start, &range->stop,
                                     &range->rows) &&
         take_indices(indices, &range->columns, &range->count);
}

static PyObject *table_stream(PyObject *object, PyObject *arguments, PyObject *keywords) {
  struct mlaas_table *table = core_table_handle(object);
  struct range range;
  if (!table || !take_range(arguments, keywords, "OLL|L:stream", &range))
    return NULL;
  struct ArrowArrayStream *stream;
  struct mlaas_error error;
  PyObject *capsule = core_stream_capsule(&stream);
  if (capsule && mlaas_table_stream(table, range.columns, range.count, range.start, range.stop, range.rows, stream,
                                    &error) != MLAAS_OK) {
    Py_CLEAR(capsule);
    core_raise(&error);
  }
  free(range.columns);
  return capsule;
}

static PyObject *table_batches(PyObject *object, PyObject *arguments, PyObject *keywords) {
  struct range range;
  if (!take_range(arguments, keywords, "OLL|L:batches", &range))
    return NULL;
  PyObject *stream = core_stream_new(object, range.columns, range.count, range.start, range.stop, range.rows);
  free(range.columns);
  return stream;
}

static PyMethodDef table_methods[] = {
    {"info", table_info, METH_NOARGS, "(path with cycle, title, number of entries)."},
    {"clusters", table_clusters, METH_NOARGS, "First entries of the clusters."},
    {"columns", table_columns, METH_NOARGS, "A dict for each column, readable or not."},
    {"members", table_members, METH_NOARGS, "The same for each member of a struct."},
    {"find", table_find, METH_O, "Index of the column of that name; NotFoundError names the nearest."},
    {"links", table_links, METH_NOARGS, "[(friend | chain | index, alias, table, file)]."},
    {"schema", table_schema, METH_O, "Arrow schema capsule of the column indices (None: all readable)."},
    {"stream", (PyCFunction)(void (*)(void))table_stream, METH_VARARGS | METH_KEYWORDS,
     "stream(columns, start, stop, rows=0): an Arrow stream capsule."},
    {"batches", (PyCFunction)(void (*)(void))table_batches, METH_VARARGS | METH_KEYWORDS,
     "batches(columns, start, stop, rows=0): an iterator of Array; the GIL is released while it reads."},
    {0},
};

static PyType_Slot table_slots[] = {
    {Py_tp_doc, "Table(file, path=None, friends=False): a tree or ntuple of a File."},
    {Py_tp_new, table_new},
    {Py_tp_dealloc, table_dealloc},
    {Py_tp_methods, table_methods},
    {0, NULL},
};

PyType_Spec core_table_spec = {
    .name = "mlaas._core.Table",
    .basicsize = sizeof(struct table),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = table_slots,
};
