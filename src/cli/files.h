/* The user's files: lists of names, small texts, results that appear whole or not at all. Knows no command. */
#ifndef MLAAS_CLI_FILES_H
#define MLAAS_CLI_FILES_H

#include <mlaas/status.h>

struct mlaas_list {
  char **names;
  size_t count;
};

/* Adds names: `text` is a ROOT file, a comma list, or a text file with one name a line (# begins a comment). Errors:
 * NOT_FOUND, IO, ARGUMENT (no names in it), MEMORY. */
enum mlaas_status mlaas_list_add(struct mlaas_list *list, const char *text, struct mlaas_error *error);
void mlaas_list_reset(struct mlaas_list *list);

/* The whole of a text file, at most 64 MiB; freed with mlaas_free. */
enum mlaas_status mlaas_text_read(const char *path, char **text, struct mlaas_error *error);
/* Writes beside `path`, syncs and renames; "-" is standard output. */
enum mlaas_status mlaas_text_write(const char *path, const char *text, struct mlaas_error *error);
/* OK when the file can be read, else NOT_FOUND or IO with `what` ("the model file") in the message. */
enum mlaas_status mlaas_file_check(const char *what, const char *path, struct mlaas_error *error);

#endif
