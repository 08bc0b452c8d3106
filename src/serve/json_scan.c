/* The scanner. Numbers of all lists go behind each other into one array; lists are stretches of it. */
#include "serve/json_scan.h"

#include "base/error.h"
#include "serve/number.h"
#include "serve/utf8.h"

#include <math.h>
#include <stdlib.h>

struct scan {
  const char *at, *end, *begin;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  struct mlaas_json_request *request;
  double *numbers;
  int64_t *integers;
  size_t num_numbers, room_numbers;
  struct mlaas_json_cell *cells;
  size_t num_cells, room_cells;
  size_t row_first, row_cell; /* of the list or object being read */
  bool row_nested;
  enum mlaas_status status;
};

static bool fail(struct scan *scan, const char *what) {
  scan->status =
      mlaas_fail_at(scan->error, MLAAS_ARGUMENT, scan->at - scan->begin, "the body is no sound JSON: %s", what);
  return false;
}

static bool fail_type(struct scan *scan, const char *what) {
  scan->status = mlaas_fail_at(scan->error, MLAAS_ARGUMENT, scan->at - scan->begin, "%s", what);
  return false;
}

static bool fail_memory(struct scan *scan) {
  scan->status = scan->error ? scan->error->status : MLAAS_MEMORY;
  return false;
}

static inline void skip_blanks(struct scan *scan) {
  if (scan->at < scan->end && (unsigned char)*scan->at > ' ')
    return;
  while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
    scan->at++;
}

/* The next character that is no blank, 0 at the end; not taken. */
static inline char peek(struct scan *scan) {
  skip_blanks(scan);
  return scan->at < scan->end ? *scan->at : 0;
}

static inline bool take(struct scan *scan, char c) {
  if (peek(scan) != c)
    return false;
  scan->at++;
  return true;
}

/* After an item of a list or object: true if another follows, false at `end` or on failure. */
static inline bool more(struct scan *scan, char end) {
  char c = peek(scan);
  if (c == ',') {
    scan->at++;
    return peek(scan) != end || fail(scan, "a comma without anything behind it");
  }
  if (c == end) {
    scan->at++;
    return false;
  }
  return fail(scan, scan->at < scan->end ? "a comma or the end of a list or object was expected" : "it ends early");
}

/* ---- strings ---- */

static int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Four digits behind "\u"; -1: there are none. */
static int take_hex(struct scan *scan) {
  int value = 0;
  if (scan->end - scan->at < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(scan->at[i]);
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  scan->at += 4;
  return value;
}

/* At the character behind a backslash; `out` gets at most 4 bytes, or is NULL. 0: failed. */
static size_t take_escape(struct scan *scan, char *out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char scratch[4];
  char c = scan->at < scan->end ? *scan->at++ : 0;
  const char *found = c ? strchr(from, c) : NULL;
  out = out ? out : scratch;
  if (found) {
    *out = to[found - from];
    return 1;
  }
  int code = c == 'u' ? take_hex(scan) : -1;
  if (code < 0)
    return fail(scan, "an escape that JSON does not have");
  if (code == 0)
    return fail(scan, "the character NUL in a text");
  if (code >= 0xDC00 && code < 0xE000)
    return fail(scan, "half a surrogate pair");
  if (code >= 0xD800 && code < 0xDC00) {
    int low = -1;
    if (scan->end - scan->at >= 2 && scan->at[0] == '\\' && scan->at[1] == 'u') {
      scan->at += 2;
      low = take_hex(scan);
    }
    if (low < 0xDC00 || low >= 0xE000)
      return fail(scan, "half a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  return mlaas_utf8_encode((unsigned)code, out);
}

/* From the first escape on: decoded into the arena, if `text` is wanted. */
static bool take_escaped(struct scan *scan, const char *begin, struct mlaas_slice *text) {
  char *out = NULL;
  size_t used = (size_t)(scan->at - begin);
  if (text) {
    const char *end = scan->at; /* escapes never make a text longer */
    while (end < scan->end && *end != '"')
      end += *end == '\\' && end + 1 < scan->end ? 2 : 1;
    if (!(out = mlaas_arena_alloc(scan->arena, (size_t)(end - begin) + 4, 1, scan->error)))
      return fail_memory(scan);
    memcpy(out, begin, used);
  }
  while (scan->at < scan->end) {
    unsigned char c = (unsigned char)*scan->at;
    size_t length = 1;
    if (c == '"') {
      scan->at++;
      if (text)
        *text = (struct mlaas_slice){out, used};
      return true;
    }
    if (c < 32)
      return fail(scan, "a control character in a text");
    if (c == '\\') {
      scan->at++;
      if (!(length = take_escape(scan, out ? out + used : NULL)))
        return false;
      used += length;
      continue;
    }
    if (!(length = mlaas_utf8_length(scan->at, (size_t)(scan->end - scan->at))))
      return fail(scan, "a text that is not UTF-8");
    if (out)
      memcpy(out + used, scan->at, length);
    used += length;
    scan->at += length;
  }
  return fail(scan, "it ends within a text");
}

/* Skips characters that stand for themselves, eight at a time: ASCII but for quotes, backslashes and controls. */
static inline void skip_plain(struct scan *scan) {
  const uint64_t ones = 0x0101010101010101, highs = ones * 0x80;
  while (scan->end - scan->at >= 8) {
    uint64_t word, quote, slash;
    memcpy(&word, scan->at, sizeof word);
    quote = word ^ ones * '"';
    slash = word ^ ones * '\\';
    uint64_t special =
        (word | ((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs;
    if (special) { /* the lowest mark is exact; little endian, as the machines this runs on */
      scan->at += __builtin_ctzll(special) / 8;
      return;
    }
    scan->at += 8;
  }
  for (unsigned char c; scan->at < scan->end && (c = (unsigned char)*scan->at) >= ' ' && c < 0x80; scan->at++)
    if (c == '"' || c == '\\')
      return;
}

/* A string; `text` NULL: only checked. */
static bool take_string(struct scan *scan, struct mlaas_slice *text) {
  if (!take(scan, '"'))
    return fail(scan, "a text was expected");
  const char *begin = scan->at;
  while (scan->at < scan->end) {
    skip_plain(scan);
    if (scan->at == scan->end)
      break;
    unsigned char c = (unsigned char)*scan->at;
    if (c == '"') {
      if (text)
        *text = (struct mlaas_slice){begin, (size_t)(scan->at - begin)};
      scan->at++;
      return true;
    }
    if (c == '\\')
      return take_escaped(scan, begin, text);
    if (c < 32)
      return fail(scan, "a control character in a text");
    size_t length = mlaas_utf8_length(scan->at, (size_t)(scan->end - scan->at));
    if (length == 0)
      return fail(scan, "a text that is not UTF-8");
    scan->at += length;
  }
  return fail(scan, "it ends within a text");
}

/* ---- numbers ---- */

static bool grow(struct scan *scan, void **array, size_t used, size_t *room, size_t size) {
  size_t more_room = *room ? *room * 2 : 64;
  void *grown = mlaas_arena_alloc(scan->arena, more_room, size, scan->error);
  if (!grown)
    return fail_memory(scan);
  if (used)
    memcpy(grown, *array, used * size);
  *array = grown;
  *room = more_room;
  return true;
}

/* From now on exact values are kept beside the doubles. */
static bool keep_integers(struct scan *scan) {
  scan->integers = mlaas_arena_alloc(scan->arena, scan->room_numbers, sizeof *scan->integers, scan->error);
  if (!scan->integers)
    return fail_memory(scan);
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

static bool take_word(struct scan *scan, const char *word) {
  size_t size = strlen(word);
  if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
    return fail(scan, "a value was expected");
  scan->at += size;
  return true;
}

/* A number or null, of which NaN is made. */
static inline bool take_number(struct scan *scan) {
  struct mlaas_number number = {.value = NAN};
  char c = peek(scan);
  if (c == 'n')
    return take_word(scan, "null") && add_number(scan, &number);
  if (c != '-' && (c < '0' || c > '9'))
    return fail_type(scan, "values have to be numbers");
  size_t length = mlaas_number_parse(scan->at, (size_t)(scan->end - scan->at), &number);
  if (length == 0)
    return fail(scan, "a number that JSON does not have, or larger than can be held");
  scan->at += length;
  return add_number(scan, &number);
}

/* ---- skipping what is not known ---- */

static bool skip_value(struct scan *scan, int depth);

static bool skip_object(struct scan *scan, int depth) {
  scan->at++;
  if (take(scan, '}'))
    return true;
  do {
    if (!take_string(scan, NULL))
      return false;
    if (!take(scan, ':'))
      return fail(scan, "a colon was expected");
    if (!skip_value(scan, depth))
      return false;
  } while (more(scan, '}'));
  return scan->status == MLAAS_OK;
}

static bool skip_list(struct scan *scan, int depth) {
  scan->at++;
  if (take(scan, ']'))
    return true;
  do
    if (!skip_value(scan, depth))
      return false;
  while (more(scan, ']'));
  return scan->status == MLAAS_OK;
}

static bool skip_value(struct scan *scan, int depth) {
  struct mlaas_number number;
  size_t length;
  char c = peek(scan);
  if (c == '{' || c == '[') {
    if (depth >= MLAAS_JSON_DEPTH)
      return fail(scan, "it is nested too deeply");
    return c == '{' ? skip_object(scan, depth + 1) : skip_list(scan, depth + 1);
  }
  switch (c) {
  case '"':
    return take_string(scan, NULL);
  case 't':
    return take_word(scan, "true");
  case 'f':
    return take_word(scan, "false");
  case 'n':
    return take_word(scan, "null");
  default:
    length = mlaas_number_parse(scan->at, (size_t)(scan->end - scan->at), &number);
    scan->at += length;
    return length ? true : fail(scan, "a value was expected, or a number is larger than can be held");
  }
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
  scan->at++;
  *count = 0;
  if (take(scan, ']'))
    return true;
  do
    if (!take_number(scan))
      return false;
  while (more(scan, ']'));
  if (scan->num_numbers - first > INT32_MAX)
    return fail_type(scan, "a list is too long");
  *count = (int32_t)(scan->num_numbers - first);
  return scan->status == MLAAS_OK;
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
  if (peek(scan) == '[') {
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
  if (!take(scan, '['))
    return fail_type(scan, "a list of numbers was expected");
  if (!take(scan, ']')) {
    do
      if (!take_item(scan))
        return false;
    while (more(scan, ']'));
  }
  *row = (struct mlaas_json_row){.first = scan->row_nested ? scan->row_cell : scan->row_first,
                                 .count = scan->row_nested ? scan->num_cells - scan->row_cell
                                                           : scan->num_numbers - scan->row_first};
  row->cells = scan->row_nested ? (const struct mlaas_json_cell *)1 : NULL; /* set by finish */
  return scan->status == MLAAS_OK;
}

static bool take_event(struct scan *scan, struct mlaas_json_row *row) {
  size_t cell = scan->num_cells;
  if (peek(scan) == '[')
    return take_row(scan, row);
  if (!take(scan, '{'))
    return fail_type(scan, "an event has to be an object of names and values, or a list of values");
  if (!take(scan, '}')) {
    do {
      struct mlaas_slice key;
      int32_t count = -1;
      if (!take_string(scan, &key))
        return false;
      if (!take(scan, ':'))
        return fail(scan, "a colon was expected");
      char c = peek(scan);
      size_t first = scan->num_numbers;
      if (c == '[' ? !take_list(scan, &count) : !take_number(scan))
        return false;
      if (!add_cell(scan, key, first, count))
        return false;
    } while (more(scan, '}'));
  }
  *row = (struct mlaas_json_row){
      .first = cell, .count = scan->num_cells - cell, .named = true, .cells = (const struct mlaas_json_cell *)1};
  return scan->status == MLAAS_OK;
}

/* ---- members ---- */

static bool take_keys(struct scan *scan) {
  struct mlaas_json_request *request = scan->request;
  struct mlaas_slice *keys = NULL;
  size_t room = 0, count = 0;
  if (!take(scan, '['))
    return fail_type(scan, "\"keys\" has to be a list of texts");
  request->has_keys = true;
  if (!take(scan, ']')) {
    do {
      if (count == room && !grow(scan, (void **)&keys, count, &room, sizeof *keys))
        return false;
      if (peek(scan) == 'n') { /* Go reads null as an empty text */
        if (!take_word(scan, "null"))
          return false;
        keys[count++] = MLAAS_SLICE("");
        continue;
      }
      if (peek(scan) != '"')
        return fail_type(scan, "\"keys\" has to be a list of texts");
      if (!take_string(scan, &keys[count++]))
        return false;
    } while (more(scan, ']'));
  }
  request->keys = keys;
  request->num_keys = count;
  return scan->status == MLAAS_OK;
}

static bool take_events(struct scan *scan) {
  struct mlaas_json_request *request = scan->request;
  size_t room = 0;
  if (!take(scan, '['))
    return fail_type(scan, "\"events\" has to be a list");
  request->has_events = true;
  request->num_events = 0;
  request->events = NULL;
  if (take(scan, ']'))
    return true;
  do {
    if (request->num_events == room && !grow(scan, (void **)&request->events, room, &room, sizeof *request->events))
      return false;
    if (!take_event(scan, &request->events[request->num_events++]))
      return false;
  } while (more(scan, ']'));
  return scan->status == MLAAS_OK;
}

static bool take_version(struct scan *scan) {
  struct mlaas_number number;
  char c = peek(scan);
  if (c != '-' && (c < '0' || c > '9'))
    return fail_type(scan, "\"model_version\" has to be a whole number");
  size_t length = mlaas_number_parse(scan->at, (size_t)(scan->end - scan->at), &number);
  if (length == 0 || !number.is_whole || number.whole < 0)
    return fail_type(scan, "\"model_version\" has to be a whole number");
  scan->at += length;
  scan->request->version = number.whole;
  return true;
}

static bool take_input(struct scan *scan) {
  struct mlaas_slice text;
  if (!take_string(scan, &text))
    return false;
  if (mlaas_slice_is_word(text, "raw"))
    scan->request->input = MLAAS_JSON_RAW;
  else if (mlaas_slice_is_word(text, "normalised") || mlaas_slice_is_word(text, "normalized"))
    scan->request->input = MLAAS_JSON_NORMALISED;
  else
    return fail_type(scan, "\"input\" has to be \"raw\" or \"normalised\"");
  return true;
}

static bool take_member(struct scan *scan, struct mlaas_slice name) {
  struct mlaas_json_request *request = scan->request;
  char c = peek(scan);
  bool null = c == 'n';
  if (mlaas_slice_is_word(name, "values")) {
    request->has_values = !null;
    request->values = (struct mlaas_json_row){0};
    return null ? take_word(scan, "null") : take_row(scan, &request->values);
  }
  if (mlaas_slice_is_word(name, "keys")) {
    request->has_keys = false;
    request->num_keys = 0;
    return null ? take_word(scan, "null") : take_keys(scan);
  }
  if (mlaas_slice_is_word(name, "model")) {
    request->model = MLAAS_SLICE("");
    if (!null && c != '"')
      return fail_type(scan, "\"model\" has to be a text");
    return null ? take_word(scan, "null") : take_string(scan, &request->model);
  }
  if (mlaas_slice_is_word(name, "model_version") && !null)
    return take_version(scan);
  if (mlaas_slice_is_word(name, "events") && !null)
    return take_events(scan);
  if (mlaas_slice_is_word(name, "input") && c == '"')
    return take_input(scan);
  if (mlaas_slice_is_word(name, "labels") && (c == 't' || c == 'f'))
    request->labels = c == 't';
  return skip_value(scan, 1);
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
  if (!take(scan, '{'))
    return fail(scan, "an object was expected");
  if (!take(scan, '}')) {
    do {
      struct mlaas_slice name;
      if (!take_string(scan, &name))
        return false;
      if (!take(scan, ':'))
        return fail(scan, "a colon was expected");
      if (!take_member(scan, name))
        return false;
    } while (more(scan, '}'));
  }
  if (scan->status == MLAAS_OK && (skip_blanks(scan), scan->at != scan->end))
    return fail(scan, "there is more behind its end");
  return scan->status == MLAAS_OK;
}

enum mlaas_status mlaas_json_scan(struct mlaas_slice body, struct mlaas_arena *arena,
                                  struct mlaas_json_request *request, struct mlaas_error *error) {
  struct mlaas_error unused;
  struct scan scan = {.at = body.data,
                      .end = body.data + body.size,
                      .begin = body.data,
                      .arena = arena,
                      .error = error ? error : &unused,
                      .request = request};
  *request = (struct mlaas_json_request){.labels = -1, .model = MLAAS_SLICE("")};
  if (take_request(&scan))
    finish(&scan);
  return scan.status;
}
