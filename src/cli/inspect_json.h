/* What `mlaas inspect --json` says about a file. */
#ifndef MLAAS_CLI_INSPECT_JSON_H
#define MLAAS_CLI_INSPECT_JSON_H

#include <jansson.h>
#include <mlaas/file.h>

/* Appends an object for `file` to `files`; `path` chooses one table, NULL all. */
enum mlaas_status mlaas_inspect_json(struct mlaas_file *file, const char *path, bool brief, json_t *files,
                                     struct mlaas_error *error);

#endif
