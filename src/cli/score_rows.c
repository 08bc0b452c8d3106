/* Rows of scores as text. Knows no server. */
#include "cli/score_rows.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 300 };

static bool add_column(struct mlaas_score_rows *rows, const char *name) {
  char **columns = mlaas_realloc(rows->columns, (rows->num_columns + 1) * sizeof *columns);
  if (!columns)
    return false;
  rows->columns = columns;
  columns[rows->num_columns] = mlaas_strdup(name);
  return columns[rows->num_columns++] != NULL;
}

/* "score", "score_ttH", "y_0" ... */
static bool add_columns_of(struct mlaas_score_rows *rows, const char *stem, const struct mlaas_client_output *output) {
  char name[LONGEST_NAME];
  for (size_t i = 0; i < output->width; i++) {
    const char *label = output->labels ? output->labels[i] : rows->num_labels == output->width ? rows->labels[i] : "";
    if (output->width == 1)
      snprintf(name, sizeof name, "%s", stem);
    else if (label[0])
      snprintf(name, sizeof name, "%s_%s", stem, label);
    else
      snprintf(name, sizeof name, "%s_%zu", stem, i);
    if (!add_column(rows, name))
      return false;
  }
  return true;
}

static enum mlaas_status name_columns(struct mlaas_score_rows *rows, const struct mlaas_client_result *result,
                                      struct mlaas_error *error) {
  for (size_t i = 0; i < result->num_outputs; i++) {
    const char *stem = result->num_outputs == 1 || !result->outputs[i].name[0] ? "score" : result->outputs[i].name;
    if (!add_columns_of(rows, stem, &result->outputs[i]))
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for the columns");
  }
  return MLAAS_OK;
}

/* As few digits as give the same float again; an empty cell or null for NaN. */
static void write_value(FILE *out, float value, bool json) {
  char text[32];
  if (!isfinite(value)) {
    fputs(json ? "null" : isnan(value) ? "" : value > 0 ? "inf" : "-inf", out);
    return;
  }
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value)
      break;
  }
  fputs(text, out);
}

/* A CSV cell with its quotes where it needs them, or a JSON string. */
static void write_text(FILE *out, const char *text, bool json) {
  json_t *string = json ? json_string(text) : NULL;
  if (json) {
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    fputs(quoted ? quoted : "\"?\"", out);
    free(quoted);
    json_decref(string);
    return;
  }
  bool plain = !text[strcspn(text, ",\"\n\r")];
  if (plain) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"')
      fputc('"', out);
    fputc(*text, out);
  }
  fputc('"', out);
}

static void write_row(const struct mlaas_score_rows *rows, const struct mlaas_client_result *result, const char *file,
                      int64_t entry, size_t row, FILE *out) {
  size_t column = 0;
  if (rows->files && rows->json)
    fputs("{\"file\": ", out);
  if (rows->files) {
    write_text(out, file, rows->json);
    fputs(rows->json ? ", \"entry\": " : ",", out);
  } else if (rows->json) {
    fputs("{\"entry\": ", out);
  }
  fprintf(out, "%lld", (long long)entry);
  for (size_t i = 0; i < result->num_outputs; i++) {
    const struct mlaas_client_output *output = &result->outputs[i];
    for (size_t k = 0; k < output->width; k++, column++) {
      fputs(rows->json ? ", " : ",", out);
      if (rows->json) {
        write_text(out, rows->columns[column], true);
        fputs(": ", out);
      }
      write_value(out, output->values[row * output->width + k], rows->json);
    }
  }
  fputs(rows->json ? "}\n" : "\n", out);
}

enum mlaas_status mlaas_score_rows_format(struct mlaas_score_rows *rows, const struct mlaas_client_result *result,
                                          struct mlaas_score_rows_part *part, struct mlaas_error *error) {
  size_t width = 0;
  if (!rows->columns)
    MLAAS_TRY(name_columns(rows, result, error));
  for (size_t i = 0; i < result->num_outputs; i++)
    width += result->outputs[i].width;
  if (width != rows->num_columns)
    return mlaas_fail(error, MLAAS_FORMAT, "the server gives %zu numbers an event, before it were %zu", width,
                      rows->num_columns);
  FILE *out = open_memstream(&part->text, &part->size);
  if (!out)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the scores");
  for (size_t row = 0; row < part->count; row++)
    write_row(rows, result, part->file, part->first + (int64_t)row, row, out);
  return fclose(out) == 0 ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for the scores");
}

static void write_head(const struct mlaas_score_rows *rows) {
  fputs(rows->files ? "file,entry" : "entry", rows->out);
  for (size_t i = 0; i < rows->num_columns; i++) {
    fputc(',', rows->out);
    write_text(rows->out, rows->columns[i], false);
  }
  fputc('\n', rows->out);
}

enum mlaas_status mlaas_score_rows_write(struct mlaas_score_rows *rows, struct mlaas_score_rows_part *part,
                                         struct mlaas_error *error) {
  if (rows->written == 0 && !rows->json)
    write_head(rows);
  bool good = fwrite(part->text, 1, part->size, rows->out) == part->size && !ferror(rows->out);
  rows->written += (int64_t)part->count;
  free(part->text);
  part->text = NULL;
  return good ? MLAAS_OK : mlaas_fail_errno(error, errno ? errno : EIO, "the scores cannot be written");
}

void mlaas_score_rows_reset(struct mlaas_score_rows *rows) {
  for (size_t i = 0; i < rows->num_columns; i++)
    mlaas_free(rows->columns[i]);
  for (size_t i = 0; i < rows->num_labels; i++)
    mlaas_free(rows->labels[i]);
  mlaas_free(rows->columns);
  mlaas_free(rows->labels);
  *rows = (struct mlaas_score_rows){0};
}
