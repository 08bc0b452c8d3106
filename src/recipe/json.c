/* Writing JSON. jansson parses; its own writer gives every number 17 digits and every item of a list a line. */
#include "recipe/json.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

json_t *mlaas_json_number(double value) {
  if (isnan(value))
    return json_string("NaN");
  return isinf(value) ? json_string(value > 0 ? "Infinity" : "-Infinity") : json_real(value);
}

double mlaas_json_value(const json_t *value) {
  const char *text = json_string_value(value);
  if (!text)
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
  if (strcmp(text, "Infinity") == 0)
    return INFINITY;
  return strcmp(text, "-Infinity") == 0 ? -(double)INFINITY : (double)NAN;
}

bool mlaas_json_is_number(const json_t *value) {
  const char *text = json_string_value(value);
  return json_is_number(value) ||
         (text && (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0));
}

/* The fewest digits that read back as `value`, as "d.ddde+xx". */
static void shortest(double value, char *text) {
  int digits = fabs(value) < 1e-300 ? 0 : 14; /* up to 15 digits survive, except among the smallest numbers */
  do
    snprintf(text, MLAAS_NUMBER_TEXT, "%.*e", digits, value);
  while (++digits < 17 && strtod(text, NULL) != value);
}

void mlaas_number_format(double value, char text[MLAAS_NUMBER_TEXT]) {
  char digits[MLAAS_NUMBER_TEXT];
  if (!isfinite(value)) {
    snprintf(text, MLAAS_NUMBER_TEXT, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    return;
  }
  shortest(value, digits);
  char *mark = strchr(digits, 'e'), *point = strchr(digits, '.'), *end = mark;
  int exponent = (int)strtol(mark + 1, NULL, 10);
  while (point && end[-1] == '0')
    end--;
  if (point && end[-1] == '.')
    end--;
  *end = 0;
  if (exponent < -4 || exponent >= 16) {
    snprintf(text, MLAAS_NUMBER_TEXT, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
    return;
  }
  int places = (point && point < end ? (int)(end - point) - 1 : 0) - exponent;
  snprintf(text, MLAAS_NUMBER_TEXT, "%.*f", places > 1 ? places : 1, value);
}

/* ---- text ---- */

static bool make_room(struct mlaas_text *text, size_t more) {
  if (text->failed)
    return false;
  if (text->room - text->length > more)
    return true;
  size_t room = (text->length + more + 1) * 2;
  char *data = mlaas_realloc(text->data, room);
  if (!data) {
    mlaas_free(text->data);
    *text = (struct mlaas_text){.failed = true};
    return false;
  }
  text->data = data;
  text->room = room;
  return true;
}

static void add_bytes(struct mlaas_text *text, const char *bytes, size_t length) {
  if (!make_room(text, length))
    return;
  memcpy(text->data + text->length, bytes, length);
  text->length += length;
  text->data[text->length] = 0;
}

void mlaas_text_add(struct mlaas_text *text, const char *format, ...) {
  char small[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(small, sizeof small, format, arguments);
  va_end(arguments);
  if (length >= 0 && (size_t)length < sizeof small) {
    add_bytes(text, small, (size_t)length);
  } else if (length > 0 && make_room(text, (size_t)length)) {
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
  }
}

enum mlaas_status mlaas_text_take(struct mlaas_text *text, char **data, struct mlaas_error *error) {
  if (!text->data)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a JSON text");
  *data = text->data;
  *text = (struct mlaas_text){0};
  return MLAAS_OK;
}

void mlaas_text_add_string(struct mlaas_text *text, const char *string, size_t length) {
  add_bytes(text, "\"", 1);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)string[i];
    if (c == '"' || c == '\\')
      mlaas_text_add(text, "\\%c", c);
    else if (c < 0x20)
      mlaas_text_add(text, "\\u%04x", c);
    else
      add_bytes(text, &string[i], 1);
  }
  add_bytes(text, "\"", 1);
}

/* ---- values ---- */

static void add_value(struct mlaas_text *text, const json_t *value, int depth);

static void add_scalar(struct mlaas_text *text, const json_t *value) {
  char number[MLAAS_NUMBER_TEXT];
  if (json_is_string(value)) {
    mlaas_text_add_string(text, json_string_value(value), json_string_length(value));
  } else if (json_is_integer(value)) {
    mlaas_text_add(text, "%lld", (long long)json_integer_value(value));
  } else if (json_is_real(value)) {
    mlaas_number_format(json_real_value(value), number);
    mlaas_text_add(text, "%s", number);
  } else {
    mlaas_text_add(text, "%s", json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
  }
}

static bool is_container(const json_t *value) { return json_is_array(value) || json_is_object(value); }

static bool holds_containers(const json_t *value) {
  for (size_t i = 0; i < json_array_size(value); i++)
    if (is_container(json_array_get(value, i)))
      return true;
  json_t *walk = (json_t *)(uintptr_t)value;
  for (void *at = json_object_iter(walk); at; at = json_object_iter_next(walk, at))
    if (is_container(json_object_iter_value(at)))
      return true;
  return false;
}

/* Between items: a new line for what holds lists and objects, and for the outermost; else a blank. */
static void add_break(struct mlaas_text *text, bool lines, int depth, const char *before, bool blank) {
  if (lines)
    mlaas_text_add(text, "%s\n%*s", before, depth, "");
  else
    mlaas_text_add(text, "%s%s", before, blank ? " " : "");
}

static void add_value(struct mlaas_text *text, const json_t *value, int depth) {
  size_t count = 0;
  bool lines = depth == 0 || holds_containers(value);
  if (!is_container(value)) {
    add_scalar(text, value);
    return;
  }
  bool list = json_is_array(value);
  mlaas_text_add(text, list ? "[" : "{");
  for (size_t i = 0; i < json_array_size(value); i++) {
    add_break(text, lines, depth + 1, count ? "," : "", count > 0);
    count++;
    add_value(text, json_array_get(value, i), depth + 1);
  }
  json_t *walk = (json_t *)(uintptr_t)value;
  for (void *at = json_object_iter(walk); at; at = json_object_iter_next(walk, at)) {
    add_break(text, lines, depth + 1, count ? "," : "", count > 0);
    count++;
    mlaas_text_add_string(text, json_object_iter_key(at), strlen(json_object_iter_key(at)));
    mlaas_text_add(text, ": ");
    add_value(text, json_object_iter_value(at), depth + 1);
  }
  if (lines && count)
    mlaas_text_add(text, "\n%*s", depth, "");
  mlaas_text_add(text, list ? "]" : "}");
}

enum mlaas_status mlaas_json_format(const json_t *json, char **text, struct mlaas_error *error) {
  struct mlaas_text made = {0};
  add_value(&made, json, 0);
  return mlaas_text_take(&made, text, error);
}
