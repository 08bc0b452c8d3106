/* Many files with the same table, read one after another as one stream of rows: what ROOT calls a chain.
 *
 * Only one file is open at a time, when its rows are asked for (and of remote ones the next, a little before them), so
 * a chain of thousands of files costs no more than one. The first file says which columns there are and of which types;
 * a file that has other types for them is an error that names it. Several threads may use one chain, each with readers
 * of its own.
 */
#ifndef MLAAS_CHAIN_H
#define MLAAS_CHAIN_H

#include <mlaas/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_chain;

/* One file of a chain. */
struct mlaas_chain_file {
  const char *url;
  const char *table; /* path; NULL: the file's only table */
};

/* Opens the first file; texts are copied. Closing is safe while streams live. Errors: ARGUMENT (no files), and those of
 * opening a file and a table. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_chain_open(struct mlaas_context *context,
                                                             const struct mlaas_chain_file *files, size_t num_files,
                                                             struct mlaas_chain **chain, struct mlaas_error *error);
/* The files that a TChain was written with, looked for beside the file that holds it, then where they are named. `path`
 * as in mlaas_table_open. Errors: ARGUMENT (it is no chain), and as above. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_chain_from(struct mlaas_file *file, const char *path,
                                                             struct mlaas_chain **chain, struct mlaas_error *error);
MLAAS_API void mlaas_chain_close(struct mlaas_chain *chain);

MLAAS_API size_t mlaas_chain_num_files(const struct mlaas_chain *chain);
MLAAS_API void mlaas_chain_file(const struct mlaas_chain *chain, size_t i, struct mlaas_chain_file *file);
/* The table of the first file, borrowed: its columns are the chain's. */
MLAAS_API struct mlaas_table *mlaas_chain_table(const struct mlaas_chain *chain);
/* Opens every file that was not counted yet. Errors: those of opening a file and a table. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_chain_count(struct mlaas_chain *chain, int64_t *entries,
                                                              struct mlaas_error *error);

/* ---- reading: one thread at a time -------------------------------------------------------------- */

struct mlaas_chain_reader;

/* Reads all rows in batches of `batch_rows` entries (0: whole clusters, cut to fit the ceiling); none crosses the end
 * of a file. `columns` are indices into the first file's table; NULL: all readable ones. Holds the chain. Errors:
 * UNSUPPORTED, ARGUMENT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_chain_reader_open(struct mlaas_chain *chain, const size_t *columns,
                                                                    size_t num_columns, int64_t batch_rows,
                                                                    struct mlaas_chain_reader **reader,
                                                                    struct mlaas_error *error);
MLAAS_API void mlaas_chain_reader_close(struct mlaas_chain_reader *reader);
/* The next batch, a struct array that the caller releases; array->release is NULL behind the last. Errors: SCHEMA (a
 * file lacks a column, or has another type for it), and those of opening and of reading a table. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status
mlaas_chain_reader_next(struct mlaas_chain_reader *reader, struct ArrowArray *array, struct mlaas_error *error);
/* The same as an Arrow C Stream. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_chain_stream(struct mlaas_chain *chain, const size_t *columns,
                                                               size_t num_columns, int64_t batch_rows,
                                                               struct ArrowArrayStream *stream,
                                                               struct mlaas_error *error);

#ifdef __cplusplus
}
#endif
#endif
