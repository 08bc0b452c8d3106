/* TFaaS's default model behind a lock. Knows neither files nor requests. */
#include "serve/defaults.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { NAME_MOST = 128 };

struct mlaas_defaults {
  pthread_mutex_t lock;
  char name[NAME_MOST + 1];
  json_t *params; /* NULL: none set */
};

enum mlaas_status mlaas_defaults_new(const char *name, struct mlaas_defaults **defaults, struct mlaas_error *error) {
  if (name && strlen(name) > NAME_MOST)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the name of the default model is longer than %d characters", NAME_MOST);
  struct mlaas_defaults *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the default model");
  pthread_mutex_init(&made->lock, NULL);
  if (name)
    memcpy(made->name, name, strlen(name) + 1);
  *defaults = made;
  return MLAAS_OK;
}

void mlaas_defaults_free(struct mlaas_defaults *defaults) {
  if (!defaults)
    return;
  pthread_mutex_destroy(&defaults->lock);
  json_decref(defaults->params);
  mlaas_free(defaults);
}

static const json_t *member(json_t *object, const char *name) {
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value) if (strcasecmp(key, name) == 0) return value;
  return NULL;
}

enum mlaas_status mlaas_defaults_set(struct mlaas_defaults *defaults, json_t *params, struct mlaas_error *error) {
  const json_t *value = json_is_object(params) ? member(params, "name") : NULL;
  const char *name = value ? json_string_value(value) : "";
  enum mlaas_status status = MLAAS_OK;
  if (!json_is_object(params))
    status = mlaas_fail(error, MLAAS_ARGUMENT, "a JSON object of parameters was expected");
  else if (!name)
    status = mlaas_fail(error, MLAAS_ARGUMENT, "\"name\" has to be a text");
  else if (strlen(name) > NAME_MOST)
    status = mlaas_fail(error, MLAAS_ARGUMENT, "\"name\" is longer than %d characters", NAME_MOST);
  if (status != MLAAS_OK) {
    json_decref(params);
    return status;
  }
  pthread_mutex_lock(&defaults->lock);
  json_t *old = defaults->params;
  defaults->params = params;
  memcpy(defaults->name, name, strlen(name) + 1);
  pthread_mutex_unlock(&defaults->lock);
  json_decref(old);
  return MLAAS_OK;
}

bool mlaas_defaults_name(struct mlaas_defaults *defaults, char *name, size_t size) {
  pthread_mutex_lock(&defaults->lock);
  size_t length = strlen(defaults->name);
  bool fits = length && length < size;
  if (fits)
    memcpy(name, defaults->name, length + 1);
  pthread_mutex_unlock(&defaults->lock);
  return fits;
}

json_t *mlaas_defaults_get(struct mlaas_defaults *defaults) {
  pthread_mutex_lock(&defaults->lock);
  json_t *copy = defaults->params ? json_deep_copy(defaults->params) : json_object();
  pthread_mutex_unlock(&defaults->lock);
  return copy;
}
