/* The user's files: lists of names, small texts, results that appear whole or not at all. Knows no command. */
#ifndef MLAAS_CLI_FILES_H
#define MLAAS_CLI_FILES_H

#include <limits.h>
#include <mlaas/status.h>
#include <stdbool.h>
#include <stdio.h>

struct mlaas_context;

struct mlaas_list {
  char **names;
  size_t count;
};

/* Adds names: `text` is a file, a comma list, a pattern, or a text file with one name a line (# begins a comment), see
 * mlaas/place.h. Errors: NOT_FOUND, IO, ARGUMENT (no names in it), MEMORY. Servers are not asked: their lists and
 * patterns stay as they are. */
enum mlaas_status mlaas_list_add(struct mlaas_list *list, const char *text, struct mlaas_error *error);
/* The same; servers are asked where `context` is not NULL. `redirector` may be NULL. */
enum mlaas_status mlaas_list_expand(struct mlaas_list *list, struct mlaas_context *context, const char *text,
                                    const char *redirector, struct mlaas_error *error);
/* By its end, a file of another format than ROOT: "x.parquet", "x.csv.gz". Those are read in Python. */
bool mlaas_name_is_foreign(const char *name);
void mlaas_list_reset(struct mlaas_list *list);

/* The whole of a text file, at most 64 MiB; freed with mlaas_free. */
enum mlaas_status mlaas_text_read(const char *path, char **text, struct mlaas_error *error);

/* A result: written beside its place and renamed, so that it appears whole or not at all. What is at `path` and no file
 * (a device, a pipe) is written as it comes. */
struct mlaas_output {
  FILE *stream;
  const char *path; /* borrowed */
  bool beside;
  char other[PATH_MAX];
};
enum mlaas_status mlaas_output_open(struct mlaas_output *output, const char *path, struct mlaas_error *error);
/* `status` other than OK drops what was written; returns it, or why the result could not be put in its place. */
enum mlaas_status mlaas_output_close(struct mlaas_output *output, enum mlaas_status status, struct mlaas_error *error);
/* A text as a result; "-" is standard output. */
enum mlaas_status mlaas_text_write(const char *path, const char *text, struct mlaas_error *error);
/* OK when the file can be read, else NOT_FOUND or IO with `what` ("the model file") in the message. */
enum mlaas_status mlaas_file_check(const char *what, const char *path, struct mlaas_error *error);

#endif
