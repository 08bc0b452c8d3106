/* POST /upload and /bundle: a form or an archive becomes a model of the repository, whole or not at all. Everything is
 * written into a staged folder by a worker thread, then tried and installed by the repository. Knows no back end. */
#include "base/error.h"
#include "serve/body/archive.h"
#include "serve/defaults.h"
#include "serve/body/files.h"
#include "serve/log.h"
#include "serve/body/multipart.h"
#include "serve/tfaas/tfaas.h"
#include "serve/tfaas/params.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ENTRIES_MOST = 10000, UNPACKED = 4 /* times upload_limit */ };

struct upload {
  struct mlaas_errand errand;
  char *staged;   /* of the repository, NULL: none (any more) */
  json_t *params; /* of a form */
  bool base64;
};

static bool is_coding(const struct mlaas_exchange *exchange, const char *word) {
  return mlaas_slice_is_word(mlaas_request_header(&exchange->request, "Content-Encoding"), word);
}

/* ---- errors ---- */

/* A model that cannot be opened is the client's mistake, whatever the reason was called when it was tried. */
static int status_of(const struct mlaas_error *error) {
  if (error->sys_errno == ENOSPC || error->sys_errno == EDQUOT)
    return 507;
  if (error->sys_errno)
    return mlaas_status_http(error->status);
  switch (error->status) {
  case MLAAS_NOT_FOUND: /* params.json names a file that was not sent */
    return 400;
  case MLAAS_UNSUPPORTED:
  case MLAAS_INTERNAL:
  case MLAAS_CANCELLED:
  case MLAAS_TIMEOUT:
    return 422;
  default:
    return mlaas_status_http(error->status);
  }
}

static void reply_upload(struct mlaas_errand *errand) {
  struct upload *upload = errand->user;
  char text[1600];
  if (errand->status == MLAAS_OK && upload->params)
    errand->status = mlaas_defaults_set(errand->service->defaults, json_incref(upload->params), &errand->error);
  json_decref(upload->params);
  if (errand->status == MLAAS_OK) {
    mlaas_exchange_reply(errand->exchange, 200, NULL, MLAAS_SLICE(""));
    return;
  }
  mlaas_error_format(&errand->error, text, sizeof text);
  mlaas_log_say(errand->service->log, 1, "an upload was refused: %s", text);
  mlaas_exchange_refuse(errand->exchange, status_of(&errand->error), "%s", text);
}

/* ---- form ---- */

static enum mlaas_status missing(const char *name, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_ARGUMENT, "request does not provide %s", name);
}

/* A part that has to be a file, under the name it is stored by; *stored empty: the part is absent. */
static enum mlaas_status file_of(const struct mlaas_form *form, const char *part, struct mlaas_slice *stored,
                                 struct mlaas_error *error) {
  const struct mlaas_part *found = mlaas_form_find(form, part);
  *stored = (struct mlaas_slice){0};
  if (!found || !found->filename.data)
    return MLAAS_OK;
  *stored = strcmp(part, "params") == 0 ? MLAAS_SLICE("params.json") : mlaas_file_base(found->filename);
  if (!mlaas_file_name_good(*stored))
    return mlaas_fail(error, MLAAS_ARGUMENT, "the file name of %s cannot be used: %.*s", part,
                      (int)(found->filename.size < 200 ? found->filename.size : 200), found->filename.data);
  return MLAAS_OK;
}

static enum mlaas_status decode_part(struct mlaas_slice *content, struct mlaas_arena *arena,
                                     struct mlaas_error *error) {
  char *bytes = mlaas_arena_alloc(arena, content->size / 4 * 3 + 3, 1, error);
  size_t size;
  if (!bytes)
    return error->status;
  MLAAS_TRY(mlaas_base64_decode(*content, bytes, &size, error));
  *content = (struct mlaas_slice){bytes, size};
  return MLAAS_OK;
}

static enum mlaas_status store_form(struct upload *upload, const struct mlaas_form *form, int folder,
                                    struct mlaas_error *error) {
  static const char *const parts[] = {"params", "model", "labels", "op"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    struct mlaas_slice stored;
    MLAAS_TRY(file_of(form, parts[i], &stored, error));
    if (stored.size == 0)
      continue;
    struct mlaas_slice content = mlaas_form_find(form, parts[i])->content;
    if (upload->base64 && strcmp(parts[i], "model") == 0)
      MLAAS_TRY(decode_part(&content, &upload->errand.exchange->arena, error));
    char name[256];
    memcpy(name, stored.data, stored.size);
    name[stored.size] = 0;
    MLAAS_TRY(mlaas_files_create(folder, name, content, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status check_form(struct upload *upload, const struct mlaas_form *form, struct mlaas_slice *name,
                                    struct mlaas_error *error) {
  const struct mlaas_part *named = mlaas_form_find(form, "name"), *params = mlaas_form_find(form, "params");
  struct mlaas_slice stored;
  if (!named || named->content.size == 0)
    return missing("name", error);
  *name = named->content;
  MLAAS_TRY(mlaas_model_name_check(*name, error));
  if (!params)
    return missing("params", error);
  static const char *const files[] = {"model", "labels"};
  for (int i = 0; i < 2; i++) {
    MLAAS_TRY(file_of(form, files[i], &stored, error));
    if (stored.size == 0)
      return missing(files[i], error);
  }
  MLAAS_TRY(mlaas_tfaas_params_parse(params->content, &upload->params, error));
  const char *said = json_string_value(mlaas_json_member(upload->params, "name"));
  if (!said || !mlaas_slice_is(*name, said))
    return mlaas_fail(error, MLAAS_STALE, "the form is for model %.*s, its params.json for %s", (int)name->size,
                      name->data, said && *said ? said : "none");
  return MLAAS_OK;
}

/* Opens the staged folder, which is made here. */
static enum mlaas_status stage(struct upload *upload, int *folder, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_repository_stage(upload->errand.service->repository, &upload->staged, error));
  *folder = open(upload->staged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return *folder < 0 ? mlaas_fail_errno(error, errno, "the upload's folder cannot be opened") : MLAAS_OK;
}

static enum mlaas_status take_form(struct upload *upload, struct mlaas_slice *name, struct mlaas_error *error) {
  struct mlaas_exchange *exchange = upload->errand.exchange;
  struct mlaas_form form;
  int folder = -1;
  MLAAS_TRY(mlaas_multipart_parse(mlaas_request_header(&exchange->request, "Content-Type"), exchange->request.body,
                                  &exchange->arena, &form, error));
  MLAAS_TRY(check_form(upload, &form, name, error));
  /* params as a field, not a file, is stored all the same: it is what says how the model is to be run */
  struct mlaas_part *params = (struct mlaas_part *)(uintptr_t)mlaas_form_find(&form, "params");
  if (!params->filename.data)
    params->filename = MLAAS_SLICE("params.json");
  MLAAS_TRY(stage(upload, &folder, error));
  enum mlaas_status status = store_form(upload, &form, folder, error);
  close(folder);
  return status;
}

/* ---- archive ---- */

/* The name that the files of a flat archive give. */
static enum mlaas_status name_of_files(struct upload *upload, struct mlaas_slice *name, struct mlaas_error *error) {
  struct mlaas_arena *arena = &upload->errand.exchange->arena;
  static const char *const files[] = {"params.json", "model.json"};
  for (int i = 0; i < 2; i++) {
    struct mlaas_slice text;
    json_t *object;
    enum mlaas_status status =
        mlaas_files_read(upload->staged, mlaas_slice_of(files[i]), MLAAS_TFAAS_PARAMS_MOST, arena, &text, error);
    if (status == MLAAS_NOT_FOUND)
      continue;
    if (status != MLAAS_OK)
      return status;
    MLAAS_TRY(mlaas_tfaas_params_parse(text, &object, error));
    const char *said = json_string_value(mlaas_json_member(object, "name"));
    char *copy = said ? mlaas_arena_strndup(arena, said, strlen(said), error) : NULL;
    json_decref(object);
    if (copy && *copy) {
      *name = mlaas_slice_of(copy);
      return MLAAS_OK;
    }
  }
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "the archive has no folder at its top, and no params.json that says the model's name");
}

static enum mlaas_status take_archive(struct upload *upload, struct mlaas_slice *name, int64_t *version,
                                      struct mlaas_error *error) {
  struct mlaas_exchange *exchange = upload->errand.exchange;
  int64_t most = upload->errand.service->config.upload_limit;
  struct mlaas_archive_limits limits = {most > INT64_MAX / UNPACKED ? INT64_MAX : most * UNPACKED, ENTRIES_MOST};
  struct mlaas_archive_top top;
  if (exchange->request.body.size == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a form or an archive was expected, and nothing came");
  MLAAS_TRY(mlaas_repository_stage(upload->errand.service->repository, &upload->staged, error));
  MLAAS_TRY(mlaas_archive_unpack(exchange->request.body, upload->staged, &limits, &exchange->arena, &top, error));
  *name = top.name;
  *version = top.version;
  if (top.name.size == 0)
    MLAAS_TRY(name_of_files(upload, name, error));
  return mlaas_model_name_check(*name, error);
}

/* ---- both ---- */

static void do_upload(struct mlaas_errand *errand) {
  struct upload *upload = errand->user;
  struct mlaas_repository *repository = errand->service->repository;
  struct mlaas_slice name = {0};
  int64_t version = 0;
  bool form = mlaas_multipart_is(mlaas_request_header(&errand->exchange->request, "Content-Type"));
  errand->status =
      form ? take_form(upload, &name, &errand->error) : take_archive(upload, &name, &version, &errand->error);
  if (errand->status == MLAAS_OK)
    errand->status = mlaas_repository_install(repository, upload->staged, name, version, &errand->error);
  else if (upload->staged)
    mlaas_repository_drop(repository, upload->staged);
  mlaas_free(upload->staged);
  if (errand->status != MLAAS_OK) {
    json_decref(upload->params);
    upload->params = NULL;
  }
}

bool mlaas_tfaas_may_change(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  /* A page of another site may post forms to a server on the reader's own machine: browsers say when they do. */
  if (mlaas_slice_is_word(mlaas_request_header(&exchange->request, "Sec-Fetch-Site"), "cross-site")) {
    mlaas_exchange_refuse(exchange, 403, "a page of another site may not change the models");
    return false;
  }
  if (service->config.repository.read_only) {
    mlaas_exchange_refuse(exchange, 403, "the models of this server cannot be changed through it");
    return false;
  }
  return true;
}

void mlaas_tfaas_upload(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  if (!mlaas_tfaas_may_change(service, exchange))
    return;
  struct upload *upload = mlaas_arena_alloc(&exchange->arena, 1, sizeof *upload, &error);
  if (!upload) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  upload->base64 = is_coding(exchange, "base64");
  upload->errand = (struct mlaas_errand){
      .service = service, .exchange = exchange, .work = do_upload, .done = reply_upload, .user = upload};
  mlaas_errand_start(&upload->errand);
}
