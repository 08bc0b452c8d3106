/* Files of other formats behind the handles of mlaas/file.h: what struct mlaas_foreign gives, as tables and columns. */
#ifndef MLAAS_ROOTIO_TABLE_FOREIGN_H
#define MLAAS_ROOTIO_TABLE_FOREIGN_H

#include "rootio/table/table.h"

#include <mlaas/foreign.h>

/* ---- for file.c ---- */

/* Opens `url` with the context's functions. *is_foreign stays false where there are none or it is not for them. */
enum mlaas_status mlaas_foreign_open(struct mlaas_context *context, const char *url, struct mlaas_file **file,
                                     bool *is_foreign, struct mlaas_error *error);
void mlaas_foreign_close(struct mlaas_foreign_handle *foreign); /* legal on NULL */
void mlaas_foreign_counters(const struct mlaas_file *file, struct mlaas_source_counters *counters);
void mlaas_foreign_info(const struct mlaas_file *file, struct mlaas_file_info *info);

/* ---- for open.c ---- */

enum mlaas_status mlaas_foreign_open_table(struct mlaas_table *table, struct mlaas_error *error);
void mlaas_foreign_close_table(struct mlaas_table *table);
void mlaas_foreign_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info);

/* ---- for read/reader.c ---- */

const struct mlaas_foreign *mlaas_foreign_functions(const struct mlaas_table *table);
struct mlaas_foreign_reader;
enum mlaas_status mlaas_foreign_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                            struct mlaas_foreign_reader **reader, struct mlaas_error *error);
void mlaas_foreign_reader_close(struct mlaas_foreign_reader *reader); /* legal on NULL */
enum mlaas_status mlaas_foreign_reader_read(struct mlaas_foreign_reader *reader, int64_t start, int64_t stop,
                                            struct ArrowArray *array, struct mlaas_error *error);

#endif
