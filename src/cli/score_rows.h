/* Rows of scores as text, and batches of them that come back in any order and leave in theirs. Knows no server. */
#ifndef MLAAS_CLI_SCORE_ROWS_H
#define MLAAS_CLI_SCORE_ROWS_H

#include <mlaas/status.h>
#include <mlaas_client.h>
#include <stdio.h>

/* Where scores go. Columns are named after the first batch: "score", or OUTPUT, with _LABEL or _i behind where an
 * output has several numbers an event. */
struct mlaas_score_rows {
  FILE *out;
  bool json;     /* lines of JSON instead of CSV */
  bool files;    /* say the file of each row: there are several */
  char **labels; /* of the model, or NULL */
  size_t num_labels;
  char **columns;
  size_t num_columns;
  int64_t written;
};

/* One batch on its way. */
struct mlaas_score_rows_part {
  const char *file;
  int64_t first; /* number of its first event in the file */
  size_t count;
  char *text; /* its lines, once it is back */
  size_t size;
};

/* Fills part->text. Errors: FORMAT (other columns than before), MEMORY. */
enum mlaas_status mlaas_score_rows_format(struct mlaas_score_rows *rows, const struct mlaas_client_result *result,
                                          struct mlaas_score_rows_part *part, struct mlaas_error *error);
/* Writes the part's lines, before the first of all the names of the columns, and frees its text. */
enum mlaas_status mlaas_score_rows_write(struct mlaas_score_rows *rows, struct mlaas_score_rows_part *part,
                                         struct mlaas_error *error);
void mlaas_score_rows_reset(struct mlaas_score_rows *rows);

#endif
