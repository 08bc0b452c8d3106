/* Tables from elsewhere: files that are no ROOT files, read by somebody who knows their format. The Python package
 * reads Parquet, Arrow, ORC, CSV, JSON, Avro, HDF5 and NumPy this way, with their own libraries. To everything above a
 * reader (data sets, chains, streams, loaders) such a table is one like any other.
 *
 * A table of functions is given to a context (struct mlaas_context_options); whatever is opened with that context asks
 * it first. The functions may be called by any thread, by several at a time for different handles. What they give out
 * they keep alive until the handle is closed. Errors: those of mlaas_file_open, SCHEMA; a function that fails fills
 * `error` (never NULL) and leaves nothing to be closed or released.
 *
 * What they say is checked (offsets, lengths of lists, numbers of children, missing values), but an Arrow array does
 * not say how long its buffers are: that they hold what the schema of the table means is theirs to see to.
 */
#ifndef MLAAS_FOREIGN_H
#define MLAAS_FOREIGN_H

#include <mlaas/arrow.h>
#include <mlaas/context.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_foreign_file {
  void *handle;            /* NULL: no file of these formats; it is then opened as a ROOT file */
  const char *format;      /* "Parquet" */
  const void *head, *tail; /* the first and the last bytes: with the size they are its identity */
  size_t head_size, tail_size;
  int64_t size;              /* bytes */
  const char *const *tables; /* names; a single "" for a format whose files are one table: any name fits it */
  size_t num_tables;
  const struct mlaas_bytes *bytes; /* what it is read through, for its costs; NULL where that is another library's */
};

struct mlaas_foreign_column {
  const char *name, *type_name;
  const char *unsupported; /* why it cannot be read, NULL where it can */
  int64_t stored_bytes, raw_bytes;
};

struct mlaas_foreign_table {
  void *handle;
  int64_t num_entries;
  const int64_t *clusters; /* first entries of the parts that are best read whole, ascending from 0 */
  size_t num_clusters;
  const struct mlaas_foreign_column *columns;
  size_t num_columns;
  /* A struct with a child for each column, of the types that file.h names; what is not nullable has no nulls. The
   * child of a column that cannot be read is of any type. */
  const struct ArrowSchema *schema;
};

/* What a reader holds between two reads (a decoded group of rows) counts under the ceiling of the context. */
struct mlaas_foreign_purse {
  /* Counts `bytes` more, or less where negative. False: they do not fit, or are more than were counted. Until the
   * reader is closed; of the thread that uses it. */
  bool (*claim)(struct mlaas_foreign_purse *purse, int64_t bytes);
};

struct mlaas_foreign {
  size_t size; /* sizeof(struct mlaas_foreign): lets the struct grow */
  void *context;
  /* `job`: the context that the file is opened with, for mlaas_bytes_open. file->handle stays NULL where `url` is for
   * the ROOT reader. */
  enum mlaas_status (*open)(void *context, struct mlaas_context *job, const char *url, struct mlaas_foreign_file *file,
                            struct mlaas_error *error);
  void (*close)(void *file);
  /* The i-th table; it outlives its file. */
  enum mlaas_status (*open_table)(void *file, size_t i, struct mlaas_foreign_table *table, struct mlaas_error *error);
  void (*close_table)(void *table);
  /* A reader of some columns; it outlives its table and is used by one thread at a time. */
  enum mlaas_status (*open_reader)(void *table, const size_t *columns, size_t num_columns,
                                   struct mlaas_foreign_purse *purse, void **reader, struct mlaas_error *error);
  void (*close_reader)(void *reader);
  /* Entries [start, stop) as a struct array with a child for each column of the reader, in their order; offsets are
   * allowed, but of the struct itself. It is copied and then released, in the same thread. */
  enum mlaas_status (*read)(void *reader, int64_t start, int64_t stop, struct ArrowArray *array,
                            struct mlaas_error *error);
  /* Memory is short: lets go of what it holds, by its purse. */
  void (*trim)(void *reader);
};

#ifdef __cplusplus
}
#endif
#endif
