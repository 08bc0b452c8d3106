/* The scanner compared with jansson, for tests and fuzzing: both accept, and find the same, or both refuse. */
#ifndef MLAAS_TESTS_SERVE_BODY_JSON_ORACLE_H
#define MLAAS_TESTS_SERVE_BODY_JSON_ORACLE_H

#include "serve/body/json_lexer.h"
#include "serve/body/json_scan.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum json_verdict { JSON_AGREE, JSON_DIFFER, JSON_UNJUDGED };

/* Nesting of the deepest list or object; strings are skipped. */
static int json_depth(const char *text, size_t size) {
  int depth = 0, deepest = 0;
  bool inside = false;
  for (size_t i = 0; i < size; i++) {
    if (inside && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      inside = !inside;
    else if (!inside && (text[i] == '[' || text[i] == '{'))
      deepest = ++depth > deepest ? depth : deepest;
    else if (!inside && (text[i] == ']' || text[i] == '}'))
      depth--;
  }
  return deepest;
}

static bool json_same_number(const json_t *json, double found) {
  return json_is_null(json) ? isnan(found) : json_is_number(json) && json_number_value(json) == found;
}

static bool json_same_list(const json_t *json, const struct mlaas_json_request *request, size_t first, size_t count) {
  if (json_array_size(json) != count)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!json_same_number(json_array_get(json, i), request->numbers[first + i]))
      return false;
  return true;
}

static bool json_same_cell(const json_t *json, const struct mlaas_json_request *request,
                           const struct mlaas_json_cell *cell) {
  return cell->count < 0 ? json_same_number(json, request->numbers[cell->first])
                         : json_same_list(json, request, cell->first, (size_t)cell->count);
}

static bool json_same_row(const json_t *json, const struct mlaas_json_request *request,
                          const struct mlaas_json_row *row) {
  if (row->named) { /* equal names may come twice; jansson keeps the last */
    for (size_t i = 0; i < row->count; i++) {
      const struct mlaas_json_cell *cell = &row->cells[i];
      bool last = true;
      for (size_t k = i + 1; k < row->count && last; k++)
        last = row->cells[k].key.size != cell->key.size ||
               memcmp(row->cells[k].key.data, cell->key.data, cell->key.size) != 0;
      const json_t *value = json_object_getn(json, cell->key.data, cell->key.size);
      if (!value || (last && !json_same_cell(value, request, cell)))
        return false;
    }
    return true;
  }
  if (!row->cells)
    return json_same_list(json, request, row->first, row->count);
  if (json_array_size(json) != row->count)
    return false;
  for (size_t i = 0; i < row->count; i++)
    if (!json_same_cell(json_array_get(json, i), request, &row->cells[i]))
      return false;
  return true;
}

static bool json_same(const json_t *json, const struct mlaas_json_request *request) {
  const json_t *values = json_object_get(json, "values"), *keys = json_object_get(json, "keys");
  const json_t *model = json_object_get(json, "model"), *events = json_object_get(json, "events");
  if (json_is_array(values) && !json_same_row(values, request, &request->values))
    return false;
  for (size_t i = 0; json_is_array(keys) && i < json_array_size(keys); i++) {
    const json_t *key = json_array_get(keys, i);
    if (i >= request->num_keys || json_string_length(key) != request->keys[i].size ||
        (request->keys[i].size && memcmp(json_string_value(key), request->keys[i].data, request->keys[i].size) != 0))
      return false;
  }
  if (json_is_string(model) && (json_string_length(model) != request->model.size ||
                                memcmp(json_string_value(model), request->model.data, request->model.size) != 0))
    return false;
  for (size_t i = 0; json_is_array(events) && i < json_array_size(events); i++)
    if (i >= request->num_events || !json_same_row(json_array_get(events, i), request, &request->events[i]))
      return false;
  return true;
}

/* Whether the members of interest occur once and in plain spelling; else jansson's object shows something else. */
static bool json_is_plain(const json_t *json) {
  static const char *const names[] = {"values", "keys", "model", "events", "input", "labels", "model_version"};
  const char *key;
  json_t *value;
  size_t found[7] = {0};
  json_t *walk = (json_t *)(uintptr_t)json;
  json_object_foreach(walk, key, value) for (size_t i = 0; i < 7; i++) found[i] += strcasecmp(key, names[i]) == 0;
  for (size_t i = 0; i < 7; i++)
    if (found[i] > 1 || (found[i] == 1 && !json_object_get(json, names[i])))
      return false;
  return true;
}

static enum json_verdict json_judge(const char *text, size_t size, struct mlaas_arena *arena) {
  struct mlaas_json_request request;
  struct mlaas_error error = {.offset = -1};
  if (json_depth(text, size) > MLAAS_JSON_DEPTH - 2)
    return JSON_UNJUDGED;
  bool accepted = mlaas_json_scan((struct mlaas_slice){text, size}, arena, &request, &error) == MLAAS_OK;
  if (size && memchr(text, 0, size)) /* jansson skips bytes of 0 as if they were blanks */
    return accepted ? JSON_DIFFER : JSON_AGREE;
  json_t *once = json_loadb(text, size, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, NULL);
  json_t *json = once ? once : json_loadb(text, size, JSON_DECODE_INT_AS_REAL, NULL);
  enum json_verdict verdict = JSON_AGREE;
  bool sound = strstr(error.message, "sound JSON") == NULL; /* the grammar was right, the types were not */
  if (!accepted)
    verdict = sound ? JSON_UNJUDGED : json && json_is_object(json) ? JSON_DIFFER : JSON_AGREE;
  else if (!json_is_object(json))
    verdict = JSON_DIFFER;
  else if (once && json_is_plain(json))
    verdict = json_same(json, &request) ? JSON_AGREE : JSON_DIFFER;
  json_decref(json);
  return verdict;
}

#endif
