/* The scanner. Numbers of all lists go behind each other into one array; lists are stretches of it. */
#include "serve/body/json_scan.h"

#include "base/error.h"
#include "serve/body/json_lexer.h"
#include "serve/body/number.h"

#include <math.h>
#include <stdlib.h>

struct scan {
  struct mlaas_json_lexer in;
  struct mlaas_json_request *request;
  double *numbers;
  int64_t *integers;
  size_t num_numbers, room_numbers;
  struct mlaas_json_cell *cells;
  size_t num_cells, room_cells;
  size_t row_first, row_cell; /* of the list or object being read */
  bool row_nested;
};

/* ---- numbers ---- */

static bool grow(struct scan *scan, void **array, size_t used, size_t *room, size_t size) {
  size_t more_room = *room ? *room * 2 : 64;
  void *grown = mlaas_arena_alloc(scan->in.arena, more_room, size, scan->in.error);
  if (!grown)
    return mlaas_json_fail_memory(&scan->in);
  if (used)
    memcpy(grown, *array, used * size);
  *array = grown;
  *room = more_room;
  return true;
}

/* From now on exact values are kept beside the doubles. */
static bool keep_integers(struct scan *scan) {
  scan->integers = mlaas_arena_alloc(scan->in.arena, scan->room_numbers, sizeof *scan->integers, scan->in.error);
  if (!scan->integers)
    return mlaas_json_fail_memory(&scan->in);
  for (size_t i = 0; i < scan->num_numbers; i++)
    scan->integers[i] =
        isnan(scan->numbers[i]) ? 0 : (int64_t)scan->numbers[i]; /* below 2^63, else they would be kept */
  return true;
}

static bool grow_numbers(struct scan *scan) {
  size_t room = scan->room_numbers;
  if (!grow(scan, (void **)&scan->numbers, scan->num_numbers, &scan->room_numbers, sizeof *scan->numbers))
    return false;
  return !scan->integers || grow(scan, (void **)&scan->integers, scan->num_numbers, &room, sizeof *scan->integers);
}

static int64_t whole_of(double value) { return fabs(value) < 9e18 ? (int64_t)value : 0; }

static inline bool add_number(struct scan *scan, const struct mlaas_number *number) {
  enum { EXACT = 53 };
  if (scan->num_numbers == scan->room_numbers && !grow_numbers(scan))
    return false;
  if (!scan->integers && number->is_whole && llabs(number->whole) > (1LL << EXACT) && !keep_integers(scan))
    return false;
  if (scan->integers)
    scan->integers[scan->num_numbers] = number->is_whole ? number->whole : whole_of(number->value);
  scan->numbers[scan->num_numbers++] = number->value;
  return true;
}

/* A number or null, of which NaN is made. */
static inline bool take_number(struct scan *scan) {
  struct mlaas_number number = {.value = NAN};
  char c = mlaas_json_peek(&scan->in);
  if (c == 'n')
    return mlaas_json_take_word(&scan->in, "null") && add_number(scan, &number);
  if (c != '-' && (c < '0' || c > '9'))
    return mlaas_json_fail_type(&scan->in, "values have to be numbers");
  size_t length = mlaas_number_parse(scan->in.at, (size_t)(scan->in.end - scan->in.at), &number);
  if (length == 0)
    return mlaas_json_fail(&scan->in, "a number that JSON does not have, or larger than can be held");
  scan->in.at += length;
  return add_number(scan, &number);
}

/* ---- rows ---- */

static bool add_cell(struct scan *scan, struct mlaas_slice key, size_t first, int32_t count) {
  if (scan->num_cells == scan->room_cells &&
      !grow(scan, (void **)&scan->cells, scan->num_cells, &scan->room_cells, sizeof *scan->cells))
    return false;
  scan->cells[scan->num_cells++] = (struct mlaas_json_cell){key, first, count};
  return true;
}

/* A list of numbers within a row, behind its '['. */
static bool take_list(struct scan *scan, int32_t *count) {
  size_t first = scan->num_numbers;
  scan->in.at++;
  *count = 0;
  if (mlaas_json_take(&scan->in, ']'))
    return true;
  do
    if (!take_number(scan))
      return false;
  while (mlaas_json_more(&scan->in, ']'));
  if (scan->num_numbers - first > INT32_MAX)
    return mlaas_json_fail_type(&scan->in, "a list is too long");
  *count = (int32_t)(scan->num_numbers - first);
  return scan->in.status == MLAAS_OK;
}

/* The first list among single numbers: these become cells. */
static bool nest(struct scan *scan) {
  for (size_t i = scan->row_first; i < scan->num_numbers; i++)
    if (!add_cell(scan, (struct mlaas_slice){0}, i, -1))
      return false;
  scan->row_nested = true;
  return true;
}

static bool take_item(struct scan *scan) {
  int32_t count = -1;
  size_t first = scan->num_numbers;
  if (mlaas_json_peek(&scan->in) == '[') {
    if (!scan->row_nested && !nest(scan))
      return false;
    first = scan->num_numbers;
    if (!take_list(scan, &count))
      return false;
  } else if (!take_number(scan)) {
    return false;
  }
  return !scan->row_nested || add_cell(scan, (struct mlaas_slice){0}, first, count);
}

/* A list of numbers and lists. `cells` of the row is an index until the end of the scan, as cells may move. */
static bool take_row(struct scan *scan, struct mlaas_json_row *row) {
  scan->row_first = scan->num_numbers;
  scan->row_cell = scan->num_cells;
  scan->row_nested = false;
  if (!mlaas_json_take(&scan->in, '['))
    return mlaas_json_fail_type(&scan->in, "a list of numbers was expected");
  if (!mlaas_json_take(&scan->in, ']')) {
    do
      if (!take_item(scan))
        return false;
    while (mlaas_json_more(&scan->in, ']'));
  }
  *row = (struct mlaas_json_row){.first = scan->row_nested ? scan->row_cell : scan->row_first,
                                 .count = scan->row_nested ? scan->num_cells - scan->row_cell
                                                           : scan->num_numbers - scan->row_first};
  row->cells = scan->row_nested ? (const struct mlaas_json_cell *)1 : NULL; /* set by finish */
  return scan->in.status == MLAAS_OK;
}

static bool take_event(struct scan *scan, struct mlaas_json_row *row) {
  size_t cell = scan->num_cells;
  if (mlaas_json_peek(&scan->in) == '[')
    return take_row(scan, row);
  if (!mlaas_json_take(&scan->in, '{'))
    return mlaas_json_fail_type(&scan->in, "an event has to be an object of names and values, or a list of values");
  if (!mlaas_json_take(&scan->in, '}')) {
    do {
      struct mlaas_slice key;
      int32_t count = -1;
      if (!mlaas_json_take_text(&scan->in, &key))
        return false;
      if (!mlaas_json_take(&scan->in, ':'))
        return mlaas_json_fail(&scan->in, "a colon was expected");
      char c = mlaas_json_peek(&scan->in);
      size_t first = scan->num_numbers;
      if (c == '[' ? !take_list(scan, &count) : !take_number(scan))
        return false;
      if (!add_cell(scan, key, first, count))
        return false;
    } while (mlaas_json_more(&scan->in, '}'));
  }
  *row = (struct mlaas_json_row){
      .first = cell, .count = scan->num_cells - cell, .named = true, .cells = (const struct mlaas_json_cell *)1};
  return scan->in.status == MLAAS_OK;
}

/* ---- members ---- */

static bool take_keys(struct scan *scan) {
  struct mlaas_json_request *request = scan->request;
  struct mlaas_slice *keys = NULL;
  size_t room = 0, count = 0;
  if (!mlaas_json_take(&scan->in, '['))
    return mlaas_json_fail_type(&scan->in, "\"keys\" has to be a list of texts");
  request->has_keys = true;
  if (!mlaas_json_take(&scan->in, ']')) {
    do {
      if (count == room && !grow(scan, (void **)&keys, count, &room, sizeof *keys))
        return false;
      if (mlaas_json_peek(&scan->in) == 'n') { /* Go reads null as an empty text */
        if (!mlaas_json_take_word(&scan->in, "null"))
          return false;
        keys[count++] = MLAAS_SLICE("");
        continue;
      }
      if (mlaas_json_peek(&scan->in) != '"')
        return mlaas_json_fail_type(&scan->in, "\"keys\" has to be a list of texts");
      if (!mlaas_json_take_text(&scan->in, &keys[count++]))
        return false;
    } while (mlaas_json_more(&scan->in, ']'));
  }
  request->keys = keys;
  request->num_keys = count;
  return scan->in.status == MLAAS_OK;
}

static bool take_events(struct scan *scan) {
  struct mlaas_json_request *request = scan->request;
  size_t room = 0;
  if (!mlaas_json_take(&scan->in, '['))
    return mlaas_json_fail_type(&scan->in, "\"events\" has to be a list");
  request->has_events = true;
  request->num_events = 0;
  request->events = NULL;
  if (mlaas_json_take(&scan->in, ']'))
    return true;
  do {
    if (request->num_events == room && !grow(scan, (void **)&request->events, room, &room, sizeof *request->events))
      return false;
    if (!take_event(scan, &request->events[request->num_events++]))
      return false;
  } while (mlaas_json_more(&scan->in, ']'));
  return scan->in.status == MLAAS_OK;
}

static bool take_version(struct scan *scan) {
  struct mlaas_number number;
  char c = mlaas_json_peek(&scan->in);
  if (c != '-' && (c < '0' || c > '9'))
    return mlaas_json_fail_type(&scan->in, "\"model_version\" has to be a whole number");
  size_t length = mlaas_number_parse(scan->in.at, (size_t)(scan->in.end - scan->in.at), &number);
  if (length == 0 || !number.is_whole || number.whole < 0)
    return mlaas_json_fail_type(&scan->in, "\"model_version\" has to be a whole number");
  scan->in.at += length;
  scan->request->version = number.whole;
  return true;
}

static bool take_input(struct scan *scan) {
  struct mlaas_slice text;
  if (!mlaas_json_take_text(&scan->in, &text))
    return false;
  if (mlaas_slice_is_word(text, "raw"))
    scan->request->input = MLAAS_JSON_RAW;
  else if (mlaas_slice_is_word(text, "normalised") || mlaas_slice_is_word(text, "normalized"))
    scan->request->input = MLAAS_JSON_NORMALISED;
  else
    return mlaas_json_fail_type(&scan->in, "\"input\" has to be \"raw\" or \"normalised\"");
  return true;
}

static bool take_member(struct scan *scan, struct mlaas_slice name) {
  struct mlaas_json_request *request = scan->request;
  char c = mlaas_json_peek(&scan->in);
  bool null = c == 'n';
  if (mlaas_slice_is_word(name, "values")) {
    request->has_values = !null;
    request->values = (struct mlaas_json_row){0};
    return null ? mlaas_json_take_word(&scan->in, "null") : take_row(scan, &request->values);
  }
  if (mlaas_slice_is_word(name, "keys")) {
    request->has_keys = false;
    request->num_keys = 0;
    return null ? mlaas_json_take_word(&scan->in, "null") : take_keys(scan);
  }
  if (mlaas_slice_is_word(name, "model")) {
    request->model = MLAAS_SLICE("");
    if (!null && c != '"')
      return mlaas_json_fail_type(&scan->in, "\"model\" has to be a text");
    return null ? mlaas_json_take_word(&scan->in, "null") : mlaas_json_take_text(&scan->in, &request->model);
  }
  if (mlaas_slice_is_word(name, "model_version") && !null)
    return take_version(scan);
  if (mlaas_slice_is_word(name, "events") && !null)
    return take_events(scan);
  if (mlaas_slice_is_word(name, "input") && c == '"')
    return take_input(scan);
  if (mlaas_slice_is_word(name, "labels") && (c == 't' || c == 'f'))
    request->labels = c == 't';
  return mlaas_json_skip(&scan->in, 1);
}

/* Indices become pointers, now that nothing moves any more. */
static void finish(struct scan *scan) {
  struct mlaas_json_request *request = scan->request;
  request->numbers = scan->numbers;
  request->integers = scan->integers;
  if (request->values.cells)
    request->values.cells = scan->cells + request->values.first;
  for (size_t i = 0; i < request->num_events; i++)
    if (request->events[i].cells)
      request->events[i].cells = scan->cells + request->events[i].first;
}

static bool take_request(struct scan *scan) {
  if (!mlaas_json_take(&scan->in, '{'))
    return mlaas_json_fail(&scan->in, "an object was expected");
  if (!mlaas_json_take(&scan->in, '}')) {
    do {
      struct mlaas_slice name;
      if (!mlaas_json_take_text(&scan->in, &name))
        return false;
      if (!mlaas_json_take(&scan->in, ':'))
        return mlaas_json_fail(&scan->in, "a colon was expected");
      if (!take_member(scan, name))
        return false;
    } while (mlaas_json_more(&scan->in, '}'));
  }
  if (scan->in.status == MLAAS_OK && (mlaas_json_skip_blanks(&scan->in), scan->in.at != scan->in.end))
    return mlaas_json_fail(&scan->in, "there is more behind its end");
  return scan->in.status == MLAAS_OK;
}

enum mlaas_status mlaas_json_scan(struct mlaas_slice body, struct mlaas_arena *arena,
                                  struct mlaas_json_request *request, struct mlaas_error *error) {
  struct mlaas_error unused;
  struct scan scan = {.in = {.at = body.data,
                             .end = body.data + body.size,
                             .begin = body.data,
                             .arena = arena,
                             .error = error ? error : &unused},
                      .request = request};
  *request = (struct mlaas_json_request){.labels = -1, .model = MLAAS_SLICE("")};
  if (take_request(&scan))
    finish(&scan);
  return scan.in.status;
}
