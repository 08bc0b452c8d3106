/* TFaaS's routes about models that are there: /models, /params, /delete. Files are read on worker threads. Knows no
 * back end. */
#include "base/error.h"
#include "serve/defaults.h"
#include "serve/body/files.h"
#include "serve/log.h"
#include "serve/body/multipart.h"
#include "serve/tfaas/tfaas.h"
#include "serve/tfaas/params.h"

#include <stdio.h>
#include <unistd.h>

struct manage {
  struct mlaas_errand errand;
  struct mlaas_slice name, text;
  json_t *reply;
};

static const char *const state_names[] = {[MLAAS_MODEL_UNLOADED] = "unloaded",
                                          [MLAAS_MODEL_LOADING] = "loading",
                                          [MLAAS_MODEL_READY] = "ready",
                                          [MLAAS_MODEL_FAILED] = "failed"};

static void start(struct mlaas_service *service, struct mlaas_exchange *exchange, struct mlaas_slice name,
                  void (*work)(struct mlaas_errand *errand), void (*done)(struct mlaas_errand *errand)) {
  struct mlaas_error error;
  struct manage *manage = mlaas_arena_alloc(&exchange->arena, 1, sizeof *manage, &error);
  if (!manage) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  manage->name = name;
  manage->errand =
      (struct mlaas_errand){.service = service, .exchange = exchange, .work = work, .done = done, .user = manage};
  mlaas_errand_start(&manage->errand);
}

static void reply(struct mlaas_errand *errand) {
  struct manage *manage = errand->user;
  if (errand->status != MLAAS_OK)
    mlaas_exchange_fail(errand->exchange, &errand->error);
  else if (manage->reply)
    mlaas_reply_json(errand->exchange, 200, manage->reply);
  else
    mlaas_exchange_reply(errand->exchange, 200, manage->text.data ? "application/json" : NULL, manage->text);
}

/* ---- /models ---- */

/* The last of the entries from `i` on that have one name: the highest version, which is the default one. */
static size_t last_version(const struct mlaas_listing *listing, size_t i) {
  while (i + 1 < listing->count && strcmp(listing->entries[i + 1].name, listing->entries[i].name) == 0)
    i++;
  return i;
}

/* Whether we wrote it: then the parameters keep the name that it was trained under, whatever it is served as. */
static bool is_bundle(const struct mlaas_model_entry *entry) {
  char path[4096];
  int size = snprintf(path, sizeof path, "%s/model.json", entry->path);
  return size > 0 && (size_t)size < sizeof path && access(path, F_OK) == 0;
}

/* One element for each model; what cannot even say what it is is left out. */
static void add_model(json_t *models, const struct mlaas_listing *listing, size_t first, size_t last,
                      struct mlaas_arena *arena) {
  const struct mlaas_model_entry *entry = &listing->entries[last];
  json_t *object, *versions;
  if (mlaas_tfaas_params_of(entry->path, entry->name, arena, &object, NULL) != MLAAS_OK)
    return;
  versions = json_array();
  for (size_t i = first; versions && i <= last; i++)
    json_array_append_new(versions, json_integer(listing->entries[i].version));
  if (versions)
    json_object_set_new(object, "versions", versions);
  json_object_set_new(object, "state", json_string(state_names[entry->state]));
  if (is_bundle(entry))
    json_object_set_new(object, "name", json_string(entry->name));
  if (entry->reason && *entry->reason)
    json_object_set_new(object, "reason", json_string(entry->reason));
  json_array_append_new(models, object);
}

static void list_models(struct mlaas_errand *errand) {
  struct manage *manage = errand->user;
  struct mlaas_listing listing = {0};
  errand->status = mlaas_repository_list(errand->service->repository, &listing, &errand->error);
  if (errand->status != MLAAS_OK)
    return;
  manage->reply = json_array();
  for (size_t i = 0; manage->reply && i < listing.count; i++) {
    size_t last = last_version(&listing, i);
    add_model(manage->reply, &listing, i, last, &errand->exchange->arena);
    i = last;
  }
  mlaas_listing_reset(&listing);
  if (!manage->reply)
    errand->status = mlaas_fail(&errand->error, MLAAS_MEMORY, "out of memory for the list of models");
}

void mlaas_tfaas_models(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  start(service, exchange, MLAAS_SLICE(""), list_models, reply);
}

/* ---- /params ---- */

void mlaas_tfaas_params_get(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  json_t *set = mlaas_defaults_get(service->defaults), *whole = set ? mlaas_tfaas_params_complete(set) : NULL;
  char name[256];
  /* a default that the configuration named has no parameters */
  if (whole && mlaas_defaults_name(service->defaults, name, sizeof name))
    json_object_set_new(whole, "name", json_string(name));
  json_decref(set);
  mlaas_reply_json(exchange, 200, whole);
}

void mlaas_tfaas_params_set(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  json_t *params;
  if (!mlaas_tfaas_may_change(service, exchange))
    return;
  enum mlaas_status status = mlaas_tfaas_params_parse(exchange->request.body, &params, &error);
  if (status == MLAAS_OK)
    status = mlaas_defaults_set(service->defaults, params, &error);
  if (status == MLAAS_OK)
    mlaas_exchange_reply(exchange, 200, NULL, MLAAS_SLICE(""));
  else
    mlaas_exchange_fail(exchange, &error);
}

/* The bytes of NAME/params.json; for a model without one, what its manifest says. */
static void read_params(struct mlaas_errand *errand) {
  struct manage *manage = errand->user;
  struct mlaas_arena *arena = &errand->exchange->arena;
  const char *folder = mlaas_repository_folder(errand->service->repository);
  char *path = mlaas_arena_format(arena, &errand->error, "%.*s/params.json", (int)manage->name.size, manage->name.data);
  if (!path) {
    errand->status = errand->error.status;
    return;
  }
  errand->status =
      mlaas_files_read(folder, mlaas_slice_of(path), MLAAS_TFAAS_PARAMS_MOST, arena, &manage->text, &errand->error);
  if (errand->status != MLAAS_NOT_FOUND)
    return;
  struct mlaas_listing listing = {0};
  enum mlaas_status status = mlaas_repository_list(errand->service->repository, &listing, &errand->error);
  for (size_t i = 0; status == MLAAS_OK && i < listing.count; i++)
    if (mlaas_slice_is(manage->name, listing.entries[i].name)) {
      const struct mlaas_model_entry *entry = &listing.entries[last_version(&listing, i)];
      errand->status = mlaas_tfaas_params_of(entry->path, entry->name, arena, &manage->reply, &errand->error);
      break;
    }
  mlaas_listing_reset(&listing);
}

void mlaas_tfaas_params_of_model(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct mlaas_slice name = mlaas_route_rest(exchange);
  if (mlaas_model_name_check(name, &error) != MLAAS_OK) {
    mlaas_exchange_refuse(exchange, 404, "there is no such model: %s", error.message);
    return;
  }
  start(service, exchange, name, read_params, reply);
}

/* ---- /delete ---- */

static void delete_model(struct mlaas_errand *errand) {
  const struct manage *manage = errand->user;
  errand->status = mlaas_repository_delete(errand->service->repository, manage->name, 0, &errand->error);
  if (errand->status == MLAAS_OK)
    mlaas_log_say(errand->service->log, 2, "model %.*s was deleted", (int)manage->name.size, manage->name.data);
}

/* The name in a form, or in the query beside a form: as TFaaS takes it. A query or a body of another kind alone does
 * not delete anything, there as here; an empty slice says so. */
static enum mlaas_status named_by_form(struct mlaas_exchange *exchange, struct mlaas_slice *name,
                                       struct mlaas_error *error) {
  struct mlaas_slice type = mlaas_request_header(&exchange->request, "Content-Type");
  struct mlaas_form form;
  *name = (struct mlaas_slice){0};
  if (!mlaas_multipart_is(type))
    return MLAAS_OK;
  MLAAS_TRY(mlaas_multipart_parse(type, exchange->request.body, &exchange->arena, &form, error));
  const struct mlaas_part *part = mlaas_form_find(&form, "model");
  *name = part ? part->content : mlaas_request_parameter(exchange, "model");
  return MLAAS_OK;
}

void mlaas_tfaas_delete(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct mlaas_slice name = mlaas_route_rest(exchange), path = exchange->request.path;
  if (!mlaas_tfaas_may_change(service, exchange))
    return;
  if (name.size > 0 && path.data[path.size - 1] == '/') { /* what cannot be undone wants the exact path */
    mlaas_exchange_refuse(exchange, 404, "there is no model '%.*s/'", (int)name.size, name.data);
    return;
  }
  if (name.size == 0 && named_by_form(exchange, &name, &error) != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  if (name.size == 0)
    mlaas_exchange_refuse(exchange, 400, "no model name is provided: DELETE /delete/NAME, or a form with \"model\"");
  else if (mlaas_model_name_check(name, &error) != MLAAS_OK)
    mlaas_exchange_fail(exchange, &error);
  else
    start(service, exchange, name, delete_model, reply);
}
