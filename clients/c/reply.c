/* Replies to predictions: JSON to numbers. Knows no connection. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_OUTPUTS = 1024 };

void mlaas_client_result_reset(struct mlaas_client_result *result) {
  for (size_t i = 0; i < result->num_outputs; i++) {
    free((void *)(uintptr_t)result->outputs[i].name);
    free((void *)(uintptr_t)result->outputs[i].values);
    free((void *)(uintptr_t)result->outputs[i].labels);
  }
  free(result->outputs);
  *result = (struct mlaas_client_result){0};
}

struct mlaas_client_output *mlaas_client_result_add(struct mlaas_client_result *result, const char *name, float *values,
                                                    size_t rows, size_t width) {
  char *copy = mlaas_client_copy(name, strlen(name));
  struct mlaas_client_output *outputs =
      copy ? mlaas_client_realloc(result->outputs, (result->num_outputs + 1) * sizeof *outputs) : NULL;
  if (!outputs) {
    free(copy);
    return NULL;
  }
  result->outputs = outputs;
  outputs[result->num_outputs] = (struct mlaas_client_output){copy, rows, width, values, NULL};
  return &outputs[result->num_outputs++];
}

static enum mlaas_client_status no_answer(const struct mlaas_client_buffer *reply, const struct mlaas_client_json *json,
                                          const char *what, struct mlaas_client_error *error) {
  size_t at = json->at && reply->data ? (size_t)(json->at - reply->data) : 0;
  size_t length = reply->size - at < 40 ? reply->size - at : 40;
  if (reply->size == 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY,
                             "the reply is empty; the score may not be a finite number (TFaaS answers so)");
  return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the reply is not what was expected: %s at byte %zu: '%.*s'",
                           what, at, (int)length, reply->data + at);
}

/* [..] or [[..],..]; a list of numbers is one row, unless several were asked for. */
static enum mlaas_client_status read_output(struct mlaas_client_json *json, const char *name, size_t rows,
                                            struct mlaas_client_result *result, bool *good,
                                            struct mlaas_client_error *error) {
  float *values = NULL;
  size_t count = 0, length = 0;
  int depth = 0;
  const struct mlaas_client_json begin = *json;
  *good = mlaas_client_json_values(json, &values, &count, &length, &depth);
  if (!*good && !json->no_memory && json->at < json->end && *json->at == '"') { /* texts are no scores */
    free(values);
    *json = begin;
    *good = mlaas_client_json_skip(json);
    return MLAAS_CLIENT_OK;
  }
  if (!*good) {
    free(values);
    return json->no_memory ? mlaas_client_no_memory(error) : MLAAS_CLIENT_OK;
  }
  if (!values && !(values = mlaas_client_alloc(sizeof *values)))
    return mlaas_client_no_memory(error);
  if (depth == 1 && rows == 1)
    length = 1;
  if (length != rows || count % rows != 0) {
    free(values);
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "%zu events were sent, and output '%s' came back for %zu", rows,
                             name, length);
  }
  if (result->num_outputs >= MOST_OUTPUTS || !mlaas_client_result_add(result, name, values, rows, count / rows)) {
    free(values);
    return mlaas_client_no_memory(error);
  }
  return MLAAS_CLIENT_OK;
}

/* {"NAME": [[..],..], ..} */
static enum mlaas_client_status read_outputs(struct mlaas_client_json *json, size_t rows,
                                             struct mlaas_client_result *result, bool *good,
                                             struct mlaas_client_error *error) {
  struct mlaas_client_buffer name = {0};
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  *good = mlaas_client_json_take(json, '{');
  if (*good && mlaas_client_json_take(json, '}'))
    return status;
  while (*good && status == MLAAS_CLIENT_OK) {
    *good = mlaas_client_json_string(json, &name) && mlaas_client_json_take(json, ':');
    if (name.failed)
      status = mlaas_client_no_memory(error);
    else if (*good)
      status = read_output(json, name.data ? name.data : "", rows, result, good, error);
    if (!*good || !mlaas_client_json_take(json, ','))
      break;
  }
  mlaas_client_buffer_reset(&name);
  if (status == MLAAS_CLIENT_OK && *good)
    *good = mlaas_client_json_take(json, '}');
  return status;
}

/* {..., "outputs": {...}, ...} */
static enum mlaas_client_status read_object(struct mlaas_client_json *json, size_t rows,
                                            struct mlaas_client_result *result, bool *good,
                                            struct mlaas_client_error *error) {
  struct mlaas_client_buffer key = {0};
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  bool found = false;
  *good = mlaas_client_json_take(json, '{');
  while (*good && status == MLAAS_CLIENT_OK) {
    *good = mlaas_client_json_string(json, &key) && mlaas_client_json_take(json, ':');
    if (!*good || key.failed)
      break;
    if (key.data && strcmp(key.data, "outputs") == 0 && !found) {
      found = true;
      status = read_outputs(json, rows, result, good, error);
    } else {
      *good = mlaas_client_json_skip(json);
    }
    if (!*good || !mlaas_client_json_take(json, ','))
      break;
  }
  if (key.failed)
    status = mlaas_client_no_memory(error);
  mlaas_client_buffer_reset(&key);
  if (status == MLAAS_CLIENT_OK && *good)
    *good = mlaas_client_json_take(json, '}') && found && result->num_outputs;
  return status;
}

enum mlaas_client_status mlaas_client_reply_decode(const struct mlaas_client_buffer *reply, size_t rows,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error) {
  struct mlaas_client_json json;
  bool good = false;
  mlaas_client_json_begin(&json, reply->data, reply->size);
  bool object = json.at < json.end && *json.at == '{';
  enum mlaas_client_status status =
      object ? read_object(&json, rows, result, &good, error) : read_output(&json, "", rows, result, &good, error);
  good = good && result->num_outputs;
  if (status == MLAAS_CLIENT_OK && good && json.at < json.end) {
    good = false;
    status = no_answer(reply, &json, "more follows", error);
  } else if (status == MLAAS_CLIENT_OK && !good) {
    status = no_answer(reply, &json, "numbers in lists of equal length are missing", error);
  }
  if (status != MLAAS_CLIENT_OK)
    mlaas_client_result_reset(result);
  return status;
}

/* ---- images: a list of numbers, or the best five classes with their labels ---- */

struct best {
  float values[64];
  struct mlaas_client_buffer labels[64];
  size_t count;
};

/* {"label": "..", "probability": ..} */
static bool read_class(struct mlaas_client_json *json, struct best *best) {
  struct mlaas_client_buffer key = {0}, *label = &best->labels[best->count];
  bool good = mlaas_client_json_take(json, '{');
  while (good && !mlaas_client_json_take(json, '}')) {
    good = mlaas_client_json_string(json, &key) && mlaas_client_json_take(json, ':') && !key.failed;
    if (good && key.data && strcmp(key.data, "label") == 0)
      good = mlaas_client_json_string(json, label);
    else if (good && key.data && strcmp(key.data, "probability") == 0)
      good = mlaas_client_json_number(json, &best->values[best->count]);
    else
      good = good && mlaas_client_json_skip(json);
    if (good && !mlaas_client_json_take(json, ','))
      good = json->at < json->end && *json->at == '}';
  }
  json->no_memory |= key.failed || label->failed;
  mlaas_client_buffer_reset(&key);
  best->count += good;
  return good;
}

static bool read_best(struct mlaas_client_json *json, struct best *best) {
  struct mlaas_client_buffer key = {0};
  bool good = mlaas_client_json_take(json, '{'), found = false;
  while (good && !mlaas_client_json_take(json, '}')) {
    good = mlaas_client_json_string(json, &key) && mlaas_client_json_take(json, ':') && !key.failed;
    if (good && key.data && strcmp(key.data, "labels") == 0 && !found) {
      found = true;
      good = mlaas_client_json_take(json, '[');
      while (good && !mlaas_client_json_take(json, ']')) {
        good = best->count < sizeof best->values / sizeof *best->values - 1 && read_class(json, best);
        if (good && !mlaas_client_json_take(json, ','))
          good = json->at < json->end && *json->at == ']';
      }
    } else {
      good = good && mlaas_client_json_skip(json);
    }
    if (good && !mlaas_client_json_take(json, ','))
      good = json->at < json->end && *json->at == '}';
  }
  json->no_memory |= key.failed;
  mlaas_client_buffer_reset(&key);
  return good && found && json->at == json->end;
}

static enum mlaas_client_status keep_best(const struct best *best, struct mlaas_client_result *result,
                                          struct mlaas_client_error *error) {
  size_t bytes = best->count * sizeof(char *);
  for (size_t i = 0; i < best->count; i++)
    bytes += best->labels[i].size + 1;
  float *values = mlaas_client_alloc(best->count * sizeof *values);
  const char **labels = values ? mlaas_client_alloc(bytes) : NULL;
  struct mlaas_client_output *output = labels ? mlaas_client_result_add(result, "", values, 1, best->count) : NULL;
  if (!output) {
    free(values);
    free(labels);
    return mlaas_client_no_memory(error);
  }
  char *text = (char *)(labels + best->count);
  for (size_t i = 0; i < best->count; i++) {
    values[i] = best->values[i];
    labels[i] = text;
    if (best->labels[i].size)
      memcpy(text, best->labels[i].data, best->labels[i].size);
    text += best->labels[i].size + 1;
  }
  output->labels = labels;
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_image_decode(const struct mlaas_client_buffer *reply,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error) {
  struct mlaas_client_json json;
  struct best best = {0};
  enum mlaas_client_status status;
  mlaas_client_json_begin(&json, reply->data, reply->size);
  if (json.at >= json.end || *json.at != '{')
    return mlaas_client_reply_decode(reply, 1, result, error);
  if (read_best(&json, &best))
    status = keep_best(&best, result, error);
  else if (json.no_memory)
    status = mlaas_client_no_memory(error);
  else
    status = no_answer(reply, &json, "classes with label and probability are missing", error);
  for (size_t i = 0; i < sizeof best.labels / sizeof *best.labels; i++)
    mlaas_client_buffer_reset(&best.labels[i]);
  return status;
}
