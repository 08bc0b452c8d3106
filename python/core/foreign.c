/* Files of other formats: the library's functions for them (mlaas/foreign.h) call objects of mlaas.formats. Any thread
 * of the library may come here, with or without the GIL; each call takes it and gives it back.
 */
#include "core.h"

#include <mlaas/foreign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool stopped; /* the interpreter is on its way out: nobody may ask for the GIL any more */

static PyObject *host(void) { return PyImport_ImportModule("mlaas.formats._host"); }

/* ---- errors ---- */

static void fill(char *to, size_t size, PyObject *text) {
  PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "replace") : NULL;
  const char *from = bytes ? PyBytes_AsString(bytes) : "";
  size_t length = strlen(from);
  if (length >= size)
    for (length = size - 1; length && ((unsigned char)from[length] & 0xc0) == 0x80;) /* no half characters */
      length--;
  memcpy(to, from, length);
  to[length] = '\0';
  Py_XDECREF(bytes);
}

/* Turns the exception that is set into an error of the library; _host.explain knows which. */
static enum mlaas_status explain(struct mlaas_error *error) {
  PyObject *type, *value, *traceback, *where = NULL, *message = NULL;
  int status = MLAAS_INTERNAL, number = 0;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyObject *module = host();
  PyObject *row = module && value ? PyObject_CallMethod(module, "explain", "O", value) : NULL;
  bool good = row && PyArg_ParseTuple(row, "iUUi", &status, &where, &message, &number);
  if (error) {
    *error = (struct mlaas_error){.status = (enum mlaas_status)status, .sys_errno = number, .offset = -1};
    fill(error->where, sizeof error->where, good ? where : NULL);
    fill(error->message, sizeof error->message, good ? message : NULL);
    if (!good)
      memcpy(error->message, "a Python library failed", sizeof "a Python library failed");
  }
  Py_XDECREF(row);
  Py_XDECREF(module);
  PyErr_Clear();
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  return (enum mlaas_status)status;
}

static enum mlaas_status too_late(struct mlaas_error *error) {
  if (error) {
    *error = (struct mlaas_error){.status = MLAAS_CANCELLED, .offset = -1};
    memcpy(error->message, "the interpreter ends", sizeof "the interpreter ends");
  }
  return MLAAS_CANCELLED;
}

/* ---- handles: the Python object, and what was given out of it ---- */

struct handle {
  PyObject *object;
  PyObject *kept; /* a list of what the pointers below point into */
  const char **texts;
  struct mlaas_foreign_column *columns;
  PyObject *capsule;          /* in `kept`: of a table its schema's, of a reader that which claims memory for it */
  struct ArrowSchema *schema; /* of a table, in a capsule of `kept`; also of its readers */
  size_t *chosen;             /* columns of a reader */
  size_t num_chosen;
};

static void drop(struct handle *handle) {
  free(handle->chosen);
  free(handle->texts);
  free(handle->columns);
  Py_XDECREF(handle->kept);
  Py_XDECREF(handle->object);
  free(handle);
}

/* What claims memory for a reader may live longer than it, in Python. */
static void end_claims(const struct handle *handle) {
  if (handle->chosen && PyCapsule_SetName(handle->capsule, "mlaas_purse of a closed reader") != 0)
    PyErr_Clear();
}

static void close_handle(void *handle) {
  if (stopped)
    return;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *result = PyObject_CallMethod(((struct handle *)handle)->object, "close", NULL);
  Py_XDECREF(result);
  PyErr_Clear();
  end_claims(handle);
  drop(handle);
  PyGILState_Release(state);
}

/* Takes `object` over, also on failure. */
static struct handle *new_handle(PyObject *object) {
  struct handle *made = object ? calloc(1, sizeof *made) : NULL;
  if (made)
    made->kept = PyList_New(0);
  if (made && made->kept) {
    made->object = object;
    return made;
  }
  if (object && !PyErr_Occurred())
    PyErr_NoMemory();
  free(made);
  Py_XDECREF(object);
  return NULL;
}

/* Keeps `object` with the handle and gives the reference to it up; NULL (exception set) stays NULL. */
static PyObject *keep(struct handle *handle, PyObject *object) {
  bool good = object && PyList_Append(handle->kept, object) == 0;
  Py_XDECREF(object);
  return good ? object : NULL;
}

static const char *text_of(struct handle *handle, PyObject *text) {
  PyObject *bytes = keep(handle, PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape"));
  return bytes ? PyBytes_AsString(bytes) : NULL;
}

static const char *attribute_text(struct handle *handle, const char *name) {
  PyObject *text = keep(handle, PyObject_GetAttrString(handle->object, name));
  return text ? text_of(handle, text) : NULL;
}

static bool attribute_bytes(struct handle *handle, const char *name, const void **data, size_t *size) {
  PyObject *bytes = keep(handle, PyObject_GetAttrString(handle->object, name));
  char *start = NULL;
  Py_ssize_t length = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes, &start, &length) < 0)
    return false;
  *data = start;
  *size = (size_t)length;
  return true;
}

static bool attribute_number(struct handle *handle, const char *name, int64_t *number) {
  PyObject *object = keep(handle, PyObject_GetAttrString(handle->object, name));
  *number = object ? PyLong_AsLongLong(object) : -1;
  return !PyErr_Occurred();
}

/* ---- files ---- */

static bool describe_file(struct handle *handle, struct mlaas_foreign_file *file) {
  file->bytes = core_bytes_handle(keep(handle, PyObject_GetAttrString(handle->object, "source")));
  PyObject *tables = keep(handle, PyObject_GetAttrString(handle->object, "tables"));
  Py_ssize_t count = tables ? PySequence_Size(tables) : -1;
  if (count < 0 || !(file->format = attribute_text(handle, "format")) ||
      !attribute_bytes(handle, "head", &file->head, &file->head_size) ||
      !attribute_bytes(handle, "tail", &file->tail, &file->tail_size) || !attribute_number(handle, "size", &file->size))
    return false;
  handle->texts = calloc((size_t)count + 1, sizeof *handle->texts);
  for (Py_ssize_t i = 0; handle->texts && i < count; i++) {
    PyObject *name = keep(handle, PySequence_GetItem(tables, i));
    if (!name || !(handle->texts[i] = text_of(handle, name)))
      return false;
  }
  file->tables = handle->texts;
  file->num_tables = (size_t)count;
  file->handle = handle;
  return handle->texts || PyErr_NoMemory();
}

/* ---- bytes, for the formats' own libraries ---- */

static void put_context(PyObject *capsule) { mlaas_context_put(PyCapsule_GetPointer(capsule, "mlaas_context")); }

static PyObject *call_bytes(PyObject *capsule, PyObject *url) {
  struct mlaas_context *context = PyCapsule_GetPointer(capsule, "mlaas_context");
  return context ? core_bytes_new(context, url) : NULL;
}

static PyMethodDef bytes_method = {"bytes", call_bytes, METH_O, "bytes(url): a file, opened as the context says."};

static PyObject *make_opener(struct mlaas_context *context) {
  PyObject *capsule = PyCapsule_New(mlaas_context_get(context), "mlaas_context", put_context);
  PyObject *function = capsule ? PyCFunction_New(&bytes_method, capsule) : NULL;
  if (!capsule)
    mlaas_context_put(context);
  Py_XDECREF(capsule);
  return function;
}

static enum mlaas_status open_file(void *context, struct mlaas_context *job, const char *url,
                                   struct mlaas_foreign_file *file, struct mlaas_error *error) {
  (void)context;
  if (stopped)
    return too_late(error);
  enum mlaas_status status = MLAAS_OK;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *module = host(), *name = core_str((void *)(uintptr_t)url), *opener = make_opener(job);
  PyObject *object = NULL;
  if (module && name && opener)
    object = PyObject_CallMethod(module, "open_file", "OO", name, opener);
  if (object == Py_None) {
    Py_DECREF(object);
  } else {
    struct handle *handle = new_handle(object);
    if (!handle || !describe_file(handle, file)) {
      status = explain(error);
      if (handle)
        drop(handle);
      file->handle = NULL;
    }
  }
  Py_XDECREF(opener);
  Py_XDECREF(name);
  Py_XDECREF(module);
  PyGILState_Release(state);
  return status;
}

/* ---- tables ---- */

static bool describe_column(struct handle *handle, PyObject *row, struct mlaas_foreign_column *column) {
  PyObject *name, *type_name, *unsupported;
  long long stored, raw;
  if (!PyArg_ParseTuple(row, "UUOLL", &name, &type_name, &unsupported, &stored, &raw) ||
      !(column->name = text_of(handle, name)) || !(column->type_name = text_of(handle, type_name)))
    return false;
  if (unsupported != Py_None && !(column->unsupported = text_of(handle, unsupported)))
    return false;
  column->stored_bytes = stored;
  column->raw_bytes = raw;
  return true;
}

static bool describe_schema(struct handle *handle) {
  PyObject *schema = keep(handle, PyObject_GetAttrString(handle->object, "schema"));
  PyObject *capsule = schema ? keep(handle, PyObject_CallMethod(schema, "__arrow_c_schema__", NULL)) : NULL;
  handle->capsule = capsule;
  handle->schema = capsule ? core_schema_of(capsule) : NULL;
  return handle->schema != NULL;
}

static bool describe_table(struct handle *handle, struct mlaas_foreign_table *table) {
  PyObject *columns = keep(handle, PyObject_GetAttrString(handle->object, "columns"));
  Py_ssize_t count = columns ? PySequence_Size(columns) : -1;
  const void *clusters;
  size_t size;
  if (count < 0 || !describe_schema(handle) || !attribute_bytes(handle, "clusters", &clusters, &size) ||
      !attribute_number(handle, "num_entries", &table->num_entries))
    return false;
  handle->columns = calloc((size_t)count + 1, sizeof *handle->columns);
  if (!handle->columns)
    return PyErr_NoMemory() != NULL;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *row = keep(handle, PySequence_GetItem(columns, i));
    if (!row || !describe_column(handle, row, &handle->columns[i]))
      return false;
  }
  table->clusters = clusters;
  table->num_clusters = size / sizeof(int64_t);
  table->columns = handle->columns;
  table->num_columns = (size_t)count;
  table->schema = handle->schema;
  table->handle = handle;
  return true;
}

static enum mlaas_status open_table(void *file, size_t i, struct mlaas_foreign_table *table,
                                    struct mlaas_error *error) {
  if (stopped)
    return too_late(error);
  enum mlaas_status status = MLAAS_OK;
  PyGILState_STATE state = PyGILState_Ensure();
  struct handle *handle = new_handle(PyObject_CallMethod(((struct handle *)file)->object, "table", "n", (Py_ssize_t)i));
  if (!handle || !describe_table(handle, table)) {
    status = explain(error);
    if (handle)
      drop(handle);
    table->handle = NULL;
  }
  PyGILState_Release(state);
  return status;
}

/* ---- readers ---- */

static PyObject *call_claim(PyObject *capsule, PyObject *number) {
  if (!PyCapsule_IsValid(capsule, "mlaas_purse")) {
    PyErr_SetString(PyExc_ValueError, "the reader that this memory was for is closed");
    return NULL;
  }
  struct mlaas_foreign_purse *purse = PyCapsule_GetPointer(capsule, "mlaas_purse");
  long long bytes = PyLong_AsLongLong(number);
  if (PyErr_Occurred())
    return NULL;
  return PyBool_FromLong(purse->claim(purse, bytes));
}

static PyMethodDef claim_method = {"claim", call_claim, METH_O,
                                   "claim(bytes): counts them under the ceiling (negative: gives them back); whether "
                                   "they fit."};

static PyObject *make_list(const size_t *columns, size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list && i < count; i++) {
    PyObject *number = PyLong_FromSize_t(columns[i]);
    if (!number || PyList_SetItem(list, (Py_ssize_t)i, number) < 0)
      Py_CLEAR(list);
  }
  return list;
}

/* A handle for a reader that is not made yet: its columns and their schema, which outlive the table. */
static struct handle *new_reader(struct handle *table, const size_t *columns, size_t num_columns,
                                 struct mlaas_foreign_purse *purse) {
  struct handle *made = new_handle(Py_NewRef(Py_None));
  if (!made)
    return NULL;
  made->chosen = malloc((num_columns + 1) * sizeof *made->chosen);
  made->capsule = keep(made, PyCapsule_New(purse, "mlaas_purse", NULL));
  if (!made->chosen)
    PyErr_NoMemory();
  if (!made->chosen || !made->capsule || !keep(made, Py_NewRef(table->capsule))) {
    drop(made);
    return NULL;
  }
  memcpy(made->chosen, columns, num_columns * sizeof *columns);
  made->num_chosen = num_columns;
  made->schema = table->schema;
  return made;
}

static enum mlaas_status open_reader(void *table, const size_t *columns, size_t num_columns,
                                     struct mlaas_foreign_purse *purse, void **reader, struct mlaas_error *error) {
  if (stopped)
    return too_late(error);
  PyGILState_STATE state = PyGILState_Ensure();
  struct handle *made = new_reader(table, columns, num_columns, purse);
  PyObject *list = made ? make_list(columns, num_columns) : NULL;
  PyObject *function = list ? PyCFunction_New(&claim_method, made->capsule) : NULL, *object = NULL;
  if (function)
    object = PyObject_CallMethod(((struct handle *)table)->object, "reader", "OO", list, function);
  Py_XDECREF(list);
  Py_XDECREF(function);
  enum mlaas_status status = MLAAS_OK;
  if (object) {
    Py_DECREF(made->object);
    made->object = object;
  } else {
    status = explain(error);
    if (made) {
      end_claims(made);
      drop(made);
    }
    made = NULL;
  }
  *reader = made;
  PyGILState_Release(state);
  return status;
}

/* What is read has to lie in memory as the table's schema says: nothing later could tell. As deep as that schema. */
static bool is_same_layout(const struct ArrowSchema *promised, const struct ArrowSchema *given) {
  if (strcmp(promised->format, given->format) != 0 || promised->n_children != given->n_children || given->dictionary)
    return false;
  for (int64_t i = 0; i < promised->n_children; i++)
    if (!is_same_layout(promised->children[i], given->children[i]))
      return false;
  return true;
}

static bool is_as_promised(const struct handle *reader, PyObject *capsule) {
  const struct ArrowSchema *given = core_schema_of(capsule);
  if (!given)
    return false;
  bool same = given->n_children == (int64_t)reader->num_chosen;
  size_t i = 0;
  while (same && i < reader->num_chosen) {
    same = is_same_layout(reader->schema->children[reader->chosen[i]], given->children[i]);
    i += same;
  }
  if (!same)
    PyErr_Format(PyExc_TypeError, "%zu columns were read, where %zu were asked for; column %zu is of another type",
                 (size_t)given->n_children, reader->num_chosen, i);
  return same;
}

static enum mlaas_status read_rows(void *handle, int64_t start, int64_t stop, struct ArrowArray *array,
                                   struct mlaas_error *error) {
  if (stopped)
    return too_late(error);
  const struct handle *reader = handle;
  enum mlaas_status status = MLAAS_OK;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *rows = PyObject_CallMethod(reader->object, "read", "LL", (long long)start, (long long)stop);
  PyObject *pair = rows ? PyObject_CallMethod(rows, "__arrow_c_array__", NULL) : NULL, *schema, *capsule = NULL;
  if (pair && PyArg_ParseTuple(pair, "OO", &schema, &capsule) && !is_as_promised(reader, schema))
    capsule = NULL;
  struct ArrowArray *given = capsule ? core_array_of(capsule) : NULL;
  if (given) {
    *array = *given;
    given->release = NULL;
  } else {
    status = explain(error);
  }
  Py_XDECREF(pair);
  Py_XDECREF(rows);
  PyGILState_Release(state);
  return status;
}

static void trim(void *reader) {
  if (stopped)
    return;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *result = PyObject_CallMethod(((struct handle *)reader)->object, "trim", NULL);
  Py_XDECREF(result);
  PyErr_Clear();
  PyGILState_Release(state);
}

const struct mlaas_foreign core_foreign = {.size = sizeof core_foreign,
                                           .open = open_file,
                                           .close = close_handle,
                                           .open_table = open_table,
                                           .close_table = close_handle,
                                           .open_reader = open_reader,
                                           .close_reader = close_handle,
                                           .read = read_rows,
                                           .trim = trim};

PyObject *core_foreign_stop(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  stopped = true;
  Py_RETURN_NONE;
}
