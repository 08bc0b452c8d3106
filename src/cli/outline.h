/* An indented tree of lines, drawn with branches: "|-- name  details". Knows no command. */
#ifndef MLAAS_CLI_OUTLINE_H
#define MLAAS_CLI_OUTLINE_H

#include <mlaas/status.h>
#include <stdbool.h>
#include <stdio.h>

struct mlaas_outline {
  struct mlaas_outline_row *rows;
  size_t count, room;
  bool failed; /* out of memory: what was added since is missing */
};

enum { MLAAS_OUTLINE_DEPTH = 60 }; /* deeper rows are drawn as deep as this */

/* Adds a line below the last one of a smaller depth. Both texts are copied, control characters become '?'; `details`
 * may be NULL. */
void mlaas_outline_add(struct mlaas_outline *outline, int depth, const char *name, const char *details);
/* Draws the lines, details in a column of their own, cut to the terminal; in UTF-8 where the locale has it. Errors:
 * MEMORY. */
enum mlaas_status mlaas_outline_write(struct mlaas_outline *outline, FILE *out, struct mlaas_error *error);
void mlaas_outline_reset(struct mlaas_outline *outline);

/* True when the environment (LC_ALL, LC_CTYPE, LANG) says UTF-8. */
bool mlaas_outline_utf8(void);

#endif
