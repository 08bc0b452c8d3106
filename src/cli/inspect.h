/* The views of `mlaas inspect`, a file each. Private to cli/inspect*.c. */
#ifndef MLAAS_CLI_INSPECT_H
#define MLAAS_CLI_INSPECT_H

#include "cli/command.h"

#include <jansson.h>
#include <mlaas/file.h>

/* Name, size and writer of a file, as all views begin. */
void mlaas_inspect_head(const struct mlaas_file *file);
/* Class of a table's key: "TTree". */
const char *mlaas_inspect_class(const struct mlaas_table *table);
/* How a column is compressed: some writers do not say so of a branch, then what the file's header says is meant. */
int32_t mlaas_inspect_compression(const struct mlaas_table *table, const struct mlaas_column_info *column);
/* A JSON text, null for NULL; bytes that are not UTF-8 become '?'. */
json_t *mlaas_inspect_text(const char *from);
/* Prints `page`, with format and version in front, and gives it back. */
enum mlaas_status mlaas_inspect_print(json_t *page, const char *format, struct mlaas_error *error);

/* Each shows one table where `path` says which, else all. */
enum mlaas_status mlaas_inspect_page(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error);
enum mlaas_status mlaas_inspect_json(struct mlaas_file *file, const char *path, bool brief, json_t *files,
                                     struct mlaas_error *error);
enum mlaas_status mlaas_inspect_tree(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error);
/* Lists what is no table; into `files` where that is not NULL. */
void mlaas_inspect_objects(struct mlaas_file *file, json_t *files);

/* Reads all of the files; the exit code is that of the first finding's status. */
enum mlaas_status mlaas_inspect_verify(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                       struct mlaas_error *error);
/* Compares the schemas of two files; says by mlaas_arguments_conclude whether they differ. */
enum mlaas_status mlaas_inspect_diff(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                     struct mlaas_error *error);

#endif
