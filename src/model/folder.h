/* Reading the small files of a model's folder: JSON and lines of text, each with a ceiling. Knows no kind of model. */
#ifndef MLAAS_MODEL_FOLDER_H
#define MLAAS_MODEL_FOLDER_H

#include "base/memory.h"

#include <jansson.h>

/* FOLDER/NAME in the arena. */
char *mlaas_folder_path(struct mlaas_arena *arena, const char *folder, const char *name, struct mlaas_error *error);
/* Whether FOLDER/NAME is a regular file (a link to one counts). */
bool mlaas_folder_has(const char *folder, const char *name);
/* A name that stays in its folder: not empty, no '/', no "..", no control characters, at most 255 bytes. */
bool mlaas_folder_name_stays(const char *name);

/* Takes every "FOLDER/" out of the words of an error: clients need not know where models are. */
void mlaas_folder_hide(const char *folder, struct mlaas_error *error);

/* The content of a file of at most `ceiling` bytes, terminated, freed with mlaas_free. Errors: NOT_FOUND, IO, LIMIT,
 * FORMAT (no regular file), MEMORY. */
enum mlaas_status mlaas_file_text(const char *path, size_t ceiling, char **text, size_t *length,
                                  struct mlaas_error *error);
/* The JSON object in a file. Errors: those above, FORMAT with line and column. */
enum mlaas_status mlaas_file_json(const char *path, size_t ceiling, json_t **object, struct mlaas_error *error);
/* The lines of a text, without their ends, empty ones at the end left out; a NULL behind the last. */
enum mlaas_status mlaas_file_lines(struct mlaas_arena *arena, const char *path, size_t ceiling,
                                   const char *const **lines, size_t *count, struct mlaas_error *error);

#endif
