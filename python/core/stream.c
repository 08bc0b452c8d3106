/* Stream: the batches of a table one by one, read without the GIL. It drives a reader itself instead of an Arrow
 * stream, because Arrow's protocol would turn our errors into bare errno. One thread at a time.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

struct stream {
  PyObject_HEAD PyObject *table; /* its clusters are used */
  struct mlaas_reader *reader;
  size_t *columns; /* NULL: all readable */
  size_t num_columns;
  int64_t next, stop, rows;
  int64_t ahead; /* announced up to here */
  pid_t owner;
  bool busy, begun; /* begun: an empty range gives one empty batch, so that types are known */
};

PyTypeObject *core_stream_type;

/* A copy of the indices; false with an exception. */
static bool keep_columns(struct stream *self, const size_t *columns, size_t num_columns) {
  self->num_columns = num_columns;
  if (!columns)
    return true;
  self->columns = malloc((num_columns + 1) * sizeof *columns);
  if (!self->columns)
    return PyErr_NoMemory() != NULL;
  memcpy(self->columns, columns, num_columns * sizeof *columns);
  return true;
}

PyObject *core_stream_new(PyObject *object, const size_t *columns, size_t num_columns, int64_t start, int64_t stop,
                          int64_t batch_rows) {
  struct mlaas_table *table = core_table_handle(object);
  struct stream *self = table ? (struct stream *)PyType_GenericAlloc(core_stream_type, 0) : NULL;
  if (!self)
    return NULL;
  self->table = Py_NewRef(object);
  self->owner = getpid();
  self->next = start;
  self->stop = stop;
  self->rows = batch_rows;
  struct mlaas_error error;
  if (keep_columns(self, columns, num_columns)) {
    if (mlaas_reader_open(table, columns, num_columns, &self->reader, &error) == MLAAS_OK)
      return (PyObject *)self;
    core_raise(&error);
  }
  Py_DECREF(self);
  return NULL;
}

/* End of the batch that starts at self->next: as many rows as asked for, or the end of the cluster. */
static int64_t batch_end(struct stream *self, struct mlaas_table *table) {
  if (self->rows > 0)
    return self->stop - self->next < self->rows ? self->stop : self->next + self->rows;
  size_t count = 0, low = 0;
  const int64_t *starts = mlaas_table_clusters(table, &count);
  for (size_t high = count; low < high;) { /* the first cluster that starts later */
    size_t middle = low + (high - low) / 2;
    if (starts[middle] <= self->next)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && starts[low] < self->stop ? starts[low] : self->stop;
}

/* Whole clusters are cut in halves until they fit under the ceiling; a size that the caller chose is not. */
static enum mlaas_status read_batch(struct stream *self, int64_t end, struct ArrowArray *array,
                                    struct mlaas_error *error) {
  if (self->ahead < self->stop)
    self->ahead = mlaas_reader_ahead(self->reader, self->ahead > self->next ? self->ahead : self->next, self->stop, 0);
  enum mlaas_status status = mlaas_reader_read(self->reader, self->next, end, array, error);
  while (status == MLAAS_LIMIT && self->rows == 0 && end - self->next > 1) {
    end = self->next + (end - self->next) / 2;
    status = mlaas_reader_read(self->reader, self->next, end, array, error);
  }
  if (status == MLAAS_OK)
    self->next = end;
  return status;
}

static enum mlaas_status read_next(struct stream *self, struct mlaas_table *table, struct ArrowSchema *schema,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  enum mlaas_status status = mlaas_table_schema(table, self->columns, self->num_columns, schema, error);
  if (status != MLAAS_OK)
    return status;
  status = read_batch(self, batch_end(self, table), array, error);
  if (status != MLAAS_OK)
    schema->release(schema);
  return status;
}

static PyObject *stream_next(PyObject *object) {
  struct stream *self = (struct stream *)object;
  struct mlaas_table *table = core_table_handle(self->table);
  if (!table || PyErr_CheckSignals() < 0)
    return NULL;
  if (self->busy)
    return core_raise_status(MLAAS_STATE, "another thread is reading from this stream; give each thread its own");
  if (self->begun && self->next >= self->stop)
    return NULL;
  self->begun = true;
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct mlaas_error error;
  enum mlaas_status status;
  self->busy = true;
  CORE_WAIT(status, read_next(self, table, &schema, &array, &error));
  self->busy = false;
  return status == MLAAS_OK ? core_array_new(&schema, &array) : core_raise(&error);
}

static void stream_dealloc(PyObject *object) {
  struct stream *self = (struct stream *)object;
  if (self->reader && self->owner == getpid()) {
    Py_BEGIN_ALLOW_THREADS mlaas_reader_close(self->reader);
    Py_END_ALLOW_THREADS
  }
  free(self->columns);
  Py_CLEAR(self->table);
  core_object_free(object);
}

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, "Iterator of Array."},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, stream_next},
    {0, NULL},
};

PyType_Spec core_stream_spec = {
    .name = "mlaas._core.Stream",
    .basicsize = sizeof(struct stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_slots,
};
