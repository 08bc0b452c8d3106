/* Events from text: JSON objects or lists, one behind the other or in a list, or CSV whose first line names the
 * columns. */
#include "cli/events.h"

#include "base/error.h"
#include "base/memory.h"
#include "cli/stream.h"
#include "source/place.h"
#include "source/source.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_LINE = 16 << 20, MOST_COLUMNS = 100000 };

struct text_events {
  struct mlaas_events events;
  FILE *in;
  struct mlaas_error problem; /* of reading from a server */
  const char *name;
  enum mlaas_events_format format;
  char *line;
  size_t size, room;
  int64_t number; /* of the line */
  char **columns;
  size_t num_columns;
  json_t *list; /* of events that stood in one value, the next of them at `at` */
  size_t at;
};

bool mlaas_events_format_of(const char *name, enum mlaas_events_format *format) {
  static const struct {
    const char *end;
    enum mlaas_events_format format;
  } ends[] = {{".json", MLAAS_EVENTS_JSON},
              {".jsonl", MLAAS_EVENTS_JSON},
              {".ndjson", MLAAS_EVENTS_JSON},
              {".csv", MLAAS_EVENTS_CSV},
              {".root", MLAAS_EVENTS_ROOT}};
  size_t length = (size_t)(mlaas_place_query(name) - name);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t tail = strlen(ends[i].end);
    if (length > tail && strcasecmp(name + length - tail, ends[i].end) == 0) {
      *format = ends[i].format;
      return true;
    }
  }
  return false;
}

/* Reads a line behind what text->line already holds; *more false at the end of the text. */
static enum mlaas_status append_line(struct text_events *text, bool *more, struct mlaas_error *error) {
  int c;
  *more = false;
  while ((c = getc_unlocked(text->in)) != EOF) {
    *more = true;
    if (c == '\n')
      break;
    if (text->size + 1 >= text->room) {
      size_t room = text->room ? text->room * 2 : 4096;
      char *larger = room <= LONGEST_LINE ? mlaas_realloc(text->line, room) : NULL;
      if (!larger)
        return mlaas_fail(error, MLAAS_LIMIT, "%s: line %lld is too long", text->name, (long long)text->number + 1);
      text->line = larger;
      text->room = room;
    }
    text->line[text->size++] = (char)c;
  }
  if (ferror(text->in) && text->problem.status != MLAAS_OK) {
    if (error)
      *error = text->problem;
    return text->problem.status;
  }
  if (ferror(text->in))
    return mlaas_fail_errno(error, errno, "%s cannot be read", text->name);
  text->number += *more;
  while (text->size && (text->line[text->size - 1] == '\r' || text->line[text->size - 1] == ' '))
    text->size--;
  if (text->line)
    text->line[text->size] = 0;
  return MLAAS_OK;
}

static enum mlaas_status read_line(struct text_events *text, bool *more, struct mlaas_error *error) {
  text->size = 0;
  return append_line(text, more, error);
}

static enum mlaas_status bad_line(const struct text_events *text, const char *what, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_FORMAT, "%s: line %lld %s", text->name, (long long)text->number, what);
}

/* ---- JSON ---- */

static void add_value(struct mlaas_client_batch *batch, const char *name, const json_t *value) {
  if (json_is_integer(value))
    mlaas_client_batch_integer(batch, name, json_integer_value(value));
  else
    mlaas_client_batch_number(batch, name, json_is_number(value) ? json_number_value(value) : NAN);
}

/* TFaaS's {"keys": [..], "values": [..]}. */
static bool add_row_of_tfaas(struct mlaas_client_batch *batch, const json_t *event) {
  const json_t *keys = json_object_get(event, "keys"), *values = json_object_get(event, "values");
  if (!json_is_array(keys) || !json_is_array(values) || json_array_size(keys) != json_array_size(values))
    return false;
  for (size_t i = 0; i < json_array_size(keys); i++)
    if (!json_is_string(json_array_get(keys, i)))
      return false;
  mlaas_client_batch_event(batch);
  for (size_t i = 0; i < json_array_size(keys); i++)
    add_value(batch, json_string_value(json_array_get(keys, i)), json_array_get(values, i));
  return true;
}

/* One event, or a row: a list of numbers. */
static enum mlaas_status add_event(struct text_events *text, const json_t *event, struct mlaas_client_batch *batch,
                                   struct mlaas_error *error) {
  if (add_row_of_tfaas(batch, event))
    return MLAAS_OK;
  char *plain = json_is_object(event) || json_is_array(event) ? json_dumps(event, JSON_COMPACT) : NULL;
  if (!plain)
    return bad_line(text, "is neither an object of names and values nor a list of them", error);
  mlaas_client_batch_json(batch, plain, strlen(plain));
  free(plain);
  return MLAAS_OK;
}

/* The value that begins on this line; it may go on on the next ones. */
static enum mlaas_status parse_value(struct text_events *text, json_t **value, struct mlaas_error *error) {
  json_error_t problem;
  char words[300];
  bool more = true;
  for (;;) {
    *value = json_loadb(text->line, text->size, JSON_REJECT_DUPLICATES, &problem);
    if (*value)
      return MLAAS_OK;
    if (!more || json_error_code(&problem) != json_error_premature_end_of_input)
      break;
    if (text->size + 1 < text->room)
      text->line[text->size++] = '\n';
    MLAAS_TRY(append_line(text, &more, error));
  }
  snprintf(words, sizeof words, "is no JSON: %s", problem.text);
  return bad_line(text, words, error);
}

/* The next event; *found false at the end. A list of events or of rows gives them one by one. */
static enum mlaas_status next_json(struct text_events *text, struct mlaas_client_batch *batch, bool *found,
                                   struct mlaas_error *error) {
  while (!text->list) {
    json_t *value = NULL;
    MLAAS_TRY(read_line(text, found, error));
    if (!*found)
      return MLAAS_OK;
    if (!text->size)
      continue;
    MLAAS_TRY(parse_value(text, &value, error));
    const json_t *first = json_array_get(value, 0);
    if (json_is_object(first) || json_is_array(first)) {
      text->list = value;
      text->at = 0;
      break;
    }
    enum mlaas_status status = add_event(text, value, batch, error);
    json_decref(value);
    return status;
  }
  *found = true;
  MLAAS_TRY(add_event(text, json_array_get(text->list, text->at), batch, error));
  if (++text->at == json_array_size(text->list)) {
    json_decref(text->list);
    text->list = NULL;
  }
  return MLAAS_OK;
}

/* ---- CSV ---- */

/* The next cell of the line, in place, without quotes; false past the last. */
static bool next_cell(char **at, char **cell) {
  if (!*at)
    return false;
  char *from = *at, *to = *at;
  bool quoted = *from == '"';
  *cell = to;
  from += quoted;
  while (*from && (quoted || *from != ',')) {
    if (quoted && *from == '"' && *++from != '"') { /* two quotes are one */
      quoted = false;
      continue;
    }
    *to++ = *from++;
  }
  *at = *from == ',' ? from + 1 : NULL;
  *to = 0;
  return true;
}

static enum mlaas_status read_names(struct text_events *text, struct mlaas_error *error) {
  bool more = false;
  char *at, *cell;
  MLAAS_TRY(read_line(text, &more, error));
  if (!more || !text->size)
    return mlaas_fail(error, MLAAS_FORMAT, "%s has no first line with the names of the columns", text->name);
  at = strncmp(text->line, "\xef\xbb\xbf", 3) == 0 ? text->line + 3 : text->line;
  while (next_cell(&at, &cell)) {
    char **columns = text->num_columns < MOST_COLUMNS
                         ? mlaas_realloc(text->columns, (text->num_columns + 1) * sizeof *columns)
                         : NULL;
    if (!columns)
      return mlaas_fail(error, MLAAS_LIMIT, "%s has too many columns", text->name);
    text->columns = columns;
    cell += strspn(cell, " ");
    columns[text->num_columns] = mlaas_strdup(cell);
    if (!columns[text->num_columns++])
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for the columns of %s", text->name);
    if (!cell[0] || strspn(cell, "+-.0123456789eE") == strlen(cell))
      return bad_line(text, "must name the columns, each by the name of a branch", error);
  }
  return MLAAS_OK;
}

/* Empty cells are missing values. */
static enum mlaas_status add_cell(struct text_events *text, const char *name, char *cell,
                                  struct mlaas_client_batch *batch, struct mlaas_error *error) {
  char *end = NULL, words[300];
  cell += strspn(cell, " ");
  size_t digits = strspn(cell + (*cell == '-'), "0123456789");
  if (!*cell)
    return MLAAS_OK;
  if (digits && digits < 19 && cell[digits + (*cell == '-')] == 0) {
    mlaas_client_batch_integer(batch, name, strtoll(cell, NULL, 10));
    return MLAAS_OK;
  }
  double value = strtod(cell, &end);
  if (end == cell || end[strspn(end, " ")]) {
    snprintf(words, sizeof words, "has '%.100s' for %.100s, which is no number", cell, name);
    return bad_line(text, words, error);
  }
  mlaas_client_batch_number(batch, name, value);
  return MLAAS_OK;
}

static enum mlaas_status add_csv(struct text_events *text, struct mlaas_client_batch *batch,
                                 struct mlaas_error *error) {
  char *at = text->line, *cell;
  size_t column = 0;
  mlaas_client_batch_event(batch);
  for (; next_cell(&at, &cell); column++) {
    if (column >= text->num_columns)
      return bad_line(text, "has more cells than there are columns", error);
    MLAAS_TRY(add_cell(text, text->columns[column], cell, batch, error));
  }
  return column == text->num_columns ? MLAAS_OK : bad_line(text, "has fewer cells than there are columns", error);
}

static enum mlaas_status next_csv(struct text_events *text, struct mlaas_client_batch *batch, bool *found,
                                  struct mlaas_error *error) {
  if (!text->columns)
    MLAAS_TRY(read_names(text, error));
  do
    MLAAS_TRY(read_line(text, found, error));
  while (*found && !text->size);
  return *found ? add_csv(text, batch, error) : MLAAS_OK;
}

/* ---- both ---- */

static enum mlaas_status read_text(struct mlaas_events *events, size_t most, struct mlaas_client_batch *batch,
                                   struct mlaas_error *error) {
  struct text_events *text = (struct text_events *)events;
  for (size_t done = 0; done < most; done++) {
    bool found = false;
    MLAAS_TRY(text->format == MLAAS_EVENTS_CSV ? next_csv(text, batch, &found, error)
                                               : next_json(text, batch, &found, error));
    if (!found)
      break;
    events->next++;
  }
  return MLAAS_OK;
}

static void close_text(struct mlaas_events *events) {
  struct text_events *text = (struct text_events *)events;
  if (text->in && text->in != stdin)
    fclose(text->in);
  for (size_t i = 0; i < text->num_columns; i++)
    mlaas_free(text->columns[i]);
  mlaas_free(text->columns);
  json_decref(text->list);
  mlaas_free(text->line);
  mlaas_free(text);
}

static enum mlaas_status open_stream(struct text_events *text, struct mlaas_context *context, const char *name,
                                     struct mlaas_error *error) {
  if (mlaas_source_is_remote_url(name))
    return mlaas_stream_open(context, name, &text->in, &text->problem, error);
  text->in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
  return text->in ? MLAAS_OK : mlaas_fail_errno(error, errno, "%s cannot be opened", name);
}

enum mlaas_status mlaas_events_open_text(struct mlaas_context *context, const char *name,
                                         enum mlaas_events_format format, struct mlaas_events **events,
                                         struct mlaas_error *error) {
  struct text_events *text = mlaas_alloc(sizeof *text);
  if (!text)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to read %s", name);
  text->events = (struct mlaas_events){-1, 0, read_text, close_text};
  text->name = strcmp(name, "-") == 0 ? "standard input" : name;
  text->format = format;
  enum mlaas_status status = open_stream(text, context, name, error);
  if (status != MLAAS_OK) {
    close_text(&text->events);
    return status;
  }
  *events = &text->events;
  return MLAAS_OK;
}
