/* The models of a server: list, show, upload, delete. And images, which travel in the same form as uploads. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum mlaas_client_status mlaas_client_name_check(const char *name, struct mlaas_client_error *error) {
  bool good = name && name[0] && name[0] != '.' && name[0] != '-' && strlen(name) <= 128;
  for (const char *c = name; good && *c; c++)
    good = (unsigned char)*c > ' ' && *c != 0x7f && *c != '/' && *c != '\\' && *c != '"';
  if (good)
    return MLAAS_CLIENT_OK;
  return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "'%.200s' is no name of a model", name ? name : "");
}

/* Runs a request without a body and gives the reply. */
static enum mlaas_client_status get(struct mlaas_client *client, const char *path, const char *name, const char *file,
                                    char **data, size_t *size, struct mlaas_client_error *error) {
  struct mlaas_client_request *request = mlaas_client_request_new(client, "GET");
  if (!request)
    return mlaas_client_no_memory(error);
  mlaas_client_buffer_text(&request->path, path);
  if (name)
    mlaas_client_buffer_path(&request->path, name);
  while (file && *file) { /* segment by segment, as slashes stay */
    char *segment = mlaas_client_copy(file, strcspn(file, "/"));
    mlaas_client_buffer_text(&request->path, "/");
    mlaas_client_buffer_path(&request->path, segment ? segment : "");
    request->path.failed |= !segment;
    free(segment);
    file += strcspn(file, "/");
    file += *file == '/';
  }
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  if (status == MLAAS_CLIENT_OK && data) {
    *data = request->reply.data ? request->reply.data : mlaas_client_copy("", 0);
    if (size)
      *size = request->reply.size;
    if (request->reply.data && !request->reply.size)
      (*data)[0] = 0;
    request->reply = (struct mlaas_client_buffer){0};
    if (!*data)
      status = mlaas_client_no_memory(error);
  }
  mlaas_client_request_free(request);
  return status;
}

enum mlaas_client_status mlaas_client_ready(struct mlaas_client *client, struct mlaas_client_error *error) {
  return get(client, "/readyz", NULL, NULL, NULL, NULL, error);
}

enum mlaas_client_status mlaas_client_fetch(struct mlaas_client *client, const char *name, const char *file,
                                            char **data, size_t *size, struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  return get(client, "/download/", name, file, data, size, error);
}

/* ---- list and show ---- */

enum mlaas_client_status mlaas_client_models(struct mlaas_client *client, char **json,
                                             struct mlaas_client_error *error) {
  struct mlaas_client_json cursor;
  size_t size = 0;
  MLAAS_CLIENT_TRY(get(client, "/models", NULL, NULL, json, &size, error));
  mlaas_client_json_begin(&cursor, *json, size);
  if (cursor.at < cursor.end && (*cursor.at == '[' || *cursor.at == 'n') && mlaas_client_json_skip(&cursor) &&
      cursor.at == cursor.end)
    return MLAAS_CLIENT_OK;
  free(*json);
  *json = NULL;
  return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the list of models is no JSON array");
}

/* Whether the object at the cursor has this "name"; moves behind it. */
static bool object_has_name(struct mlaas_client_json *json, const char *name, bool *has) {
  struct mlaas_client_buffer key = {0}, text = {0};
  bool good = mlaas_client_json_take(json, '{');
  *has = false;
  while (good && !mlaas_client_json_take(json, '}')) {
    good = mlaas_client_json_string(json, &key) && mlaas_client_json_take(json, ':') && !key.failed;
    if (!good)
      break;
    bool mine = key.size == 4 && memcmp(key.data, "name", 4) == 0 && json->at < json->end && *json->at == '"';
    good = mine ? mlaas_client_json_string(json, &text) && !text.failed : mlaas_client_json_skip(json);
    if (mine && good)
      *has = text.size == strlen(name) && (text.size == 0 || memcmp(text.data, name, text.size) == 0);
    if (good && !mlaas_client_json_take(json, ','))
      good = json->at < json->end && *json->at == '}';
  }
  mlaas_client_buffer_reset(&key);
  mlaas_client_buffer_reset(&text);
  return good;
}

/* The object of the list that has the name. */
static enum mlaas_client_status model_of_list(struct mlaas_client *client, const char *name, char **json,
                                              struct mlaas_client_error *error) {
  struct mlaas_client_json cursor;
  char *list = NULL;
  MLAAS_CLIENT_TRY(mlaas_client_models(client, &list, error));
  mlaas_client_json_begin(&cursor, list, strlen(list));
  bool more = mlaas_client_json_take(&cursor, '['), found = false;
  const char *begin = cursor.at;
  while (more && !found) {
    begin = cursor.at;
    more = object_has_name(&cursor, name, &found) && mlaas_client_json_take(&cursor, ',');
  }
  *json = found ? mlaas_client_copy(begin, (size_t)(cursor.at - begin)) : NULL;
  size_t length = *json ? strlen(*json) : 0;
  while (length && (*json)[length - 1] != '}') /* the comma and blanks behind it */
    (*json)[--length] = 0;
  free(list);
  if (!found)
    return mlaas_client_fail(error, MLAAS_CLIENT_NOT_FOUND, "the server has no model %.200s", name);
  return *json ? MLAAS_CLIENT_OK : mlaas_client_no_memory(error);
}

enum mlaas_client_status mlaas_client_model(struct mlaas_client *client, const char *name, char **json,
                                            struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  enum mlaas_client_status status = get(client, "/models/", name, NULL, json, NULL, error);
  return status == MLAAS_CLIENT_NOT_FOUND ? model_of_list(client, name, json, error) : status;
}

/* ---- upload and delete ---- */

static enum mlaas_client_status upload(struct mlaas_client *client, struct mlaas_client_stream *stream,
                                       const char *type, struct mlaas_client_error *error) {
  struct mlaas_client_request *request = mlaas_client_request_new(client, "POST");
  if (!request)
    return mlaas_client_no_memory(error);
  mlaas_client_buffer_text(&request->path, "/upload");
  request->type = type;
  request->source = &stream->source;
  request->once = true;
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  mlaas_client_request_free(request);
  if (status != MLAAS_CLIENT_OK && stream->problem[0])
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%s", stream->problem);
  return status;
}

enum mlaas_client_status mlaas_client_upload(struct mlaas_client *client, const char *name, const char *folder,
                                             struct mlaas_client_error *error) {
  struct mlaas_client_stream stream = {0};
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  enum mlaas_client_status status = mlaas_client_tar_add(&stream, folder, name, client->options.largest_file, error);
  if (status == MLAAS_CLIENT_OK)
    status = upload(client, &stream, "application/x-tar", error);
  mlaas_client_stream_reset(&stream);
  return status;
}

struct form {
  char boundary[40], type[80];
  struct mlaas_client_buffer text; /* collected, not yet in the stream */
};

static void form_begin(struct form *form, struct mlaas_client *client) {
  client->random = client->random * 1664525u + 1013904223u;
  snprintf(form->boundary, sizeof form->boundary, "mlaas-%08x%016llx", client->random,
           (unsigned long long)(uintptr_t)form);
  snprintf(form->type, sizeof form->type, "multipart/form-data; boundary=%s", form->boundary);
}

/* The head of a part; a file's name in it loses its folders and what would end the header. */
static void form_part(struct form *form, const char *name, const char *file) {
  mlaas_client_buffer_text(&form->text, "--");
  mlaas_client_buffer_text(&form->text, form->boundary);
  mlaas_client_buffer_text(&form->text, "\r\nContent-Disposition: form-data; name=\"");
  mlaas_client_buffer_text(&form->text, name);
  mlaas_client_buffer_text(&form->text, "\"");
  if (file) {
    const char *slash = strrchr(file, '/');
    mlaas_client_buffer_text(&form->text, "; filename=\"");
    for (const char *c = slash ? slash + 1 : file; *c; c++)
      mlaas_client_buffer_add(&form->text, (unsigned char)*c < ' ' || *c == '"' || *c == '\\' ? "_" : c, 1);
    mlaas_client_buffer_text(&form->text, "\"\r\nContent-Type: application/octet-stream");
  }
  mlaas_client_buffer_text(&form->text, "\r\n\r\n");
}

static void form_field(struct form *form, const char *name, const char *value) {
  form_part(form, name, NULL);
  mlaas_client_buffer_text(&form->text, value);
  mlaas_client_buffer_text(&form->text, "\r\n");
}

static void form_end(struct form *form) {
  mlaas_client_buffer_text(&form->text, "--");
  mlaas_client_buffer_text(&form->text, form->boundary);
  mlaas_client_buffer_text(&form->text, "--\r\n");
}

static enum mlaas_client_status form_flush(struct form *form, struct mlaas_client_stream *stream,
                                           struct mlaas_client_error *error) {
  enum mlaas_client_status status = form->text.failed
                                        ? mlaas_client_no_memory(error)
                                        : mlaas_client_stream_text(stream, form->text.data, form->text.size, error);
  form->text.size = 0;
  return status;
}

static enum mlaas_client_status form_file(struct form *form, struct mlaas_client_stream *stream, const char *name,
                                          const char *path, struct mlaas_client_error *error) {
  form_part(form, name, path);
  MLAAS_CLIENT_TRY(form_flush(form, stream, error));
  MLAAS_CLIENT_TRY(mlaas_client_stream_file(stream, path, -1, error));
  mlaas_client_buffer_text(&form->text, "\r\n");
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_upload_form(struct mlaas_client *client, const char *name, const char *params,
                                                  const char *model, const char *labels,
                                                  struct mlaas_client_error *error) {
  struct mlaas_client_stream stream = {0};
  struct form form = {0};
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  form_begin(&form, client);
  form_field(&form, "name", name);
  enum mlaas_client_status status = form_file(&form, &stream, "params", params, error);
  if (status == MLAAS_CLIENT_OK)
    status = form_file(&form, &stream, "model", model, error);
  if (status == MLAAS_CLIENT_OK && labels)
    status = form_file(&form, &stream, "labels", labels, error);
  form_end(&form);
  if (status == MLAAS_CLIENT_OK)
    status = form_flush(&form, &stream, error);
  if (status == MLAAS_CLIENT_OK && stream.source.size > client->options.largest_file)
    status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the files are larger than %lld bytes",
                               (long long)client->options.largest_file);
  if (status == MLAAS_CLIENT_OK)
    status = upload(client, &stream, form.type, error);
  mlaas_client_buffer_reset(&form.text);
  mlaas_client_stream_reset(&stream);
  return status;
}

/* A form in the body, as TFaaS takes names with a dash by form only. */
enum mlaas_client_status mlaas_client_delete(struct mlaas_client *client, const char *name,
                                             struct mlaas_client_error *error) {
  struct form form = {0};
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  struct mlaas_client_request *request = mlaas_client_request_new(client, "DELETE");
  if (!request)
    return mlaas_client_no_memory(error);
  form_begin(&form, client);
  form_field(&form, "model", name);
  form_end(&form);
  mlaas_client_buffer_text(&request->path, "/delete");
  request->type = form.type;
  request->body = form.text;
  request->once = true;
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  mlaas_client_request_free(request);
  return status;
}

/* ---- images ---- */

enum mlaas_client_status mlaas_client_predict_image(struct mlaas_client *client, const struct mlaas_client_query *query,
                                                    const void *image, size_t size, struct mlaas_client_result *result,
                                                    struct mlaas_client_error *error) {
  struct form form = {0};
  struct mlaas_client_request *request = mlaas_client_request_new(client, "POST");
  mlaas_client_result_reset(result);
  if (!request)
    return mlaas_client_no_memory(error);
  form_begin(&form, client);
  if (query && query->model)
    form_field(&form, "model", query->model);
  form_part(&form, "image", size > 3 && memcmp((const char *)image + 1, "PNG", 3) == 0 ? "image.png" : "image.jpg");
  mlaas_client_buffer_add(&form.text, image, size);
  mlaas_client_buffer_text(&form.text, "\r\n");
  form_end(&form);
  mlaas_client_buffer_text(&request->path, "/image");
  request->type = form.type;
  request->body = form.text;
  request->timeout = query ? query->timeout : 0;
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  if (status == MLAAS_CLIENT_OK)
    status = mlaas_client_image_decode(&request->reply, result, error);
  mlaas_client_request_free(request);
  return status;
}
