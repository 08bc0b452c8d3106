/* Opening a client, and predictions: what is asked becomes a request, what comes back a result. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MLAAS_VERSION
#define MLAAS_VERSION "0"
#endif

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_begun;

static void begin_curl(void) { curl_begun = curl_global_init(CURL_GLOBAL_DEFAULT); }

/* ---- open and close ---- */

static bool keep(struct mlaas_client *client, size_t slot, const char **text) {
  if (!*text)
    return true;
  client->texts[slot] = mlaas_client_copy(*text, strlen(*text));
  *text = client->texts[slot];
  return *text != NULL;
}

static bool keep_texts(struct mlaas_client *client) {
  struct mlaas_client_options *options = &client->options;
  return keep(client, 0, &options->token) && keep(client, 1, &options->ca_file) &&
         keep(client, 2, &options->cert_file) && keep(client, 3, &options->key_file) &&
         keep(client, 4, &options->user_agent);
}

static void set_defaults(struct mlaas_client *client) {
  struct mlaas_client_options *options = &client->options;
  snprintf(client->agent, sizeof client->agent, "mlaas-client/%s", MLAAS_VERSION);
  options->timeout = options->timeout > 0 ? options->timeout : 30;
  options->connect_timeout = options->connect_timeout > 0 ? options->connect_timeout : 10;
  options->retries = options->retries < 0 ? 0 : options->retries ? options->retries : 4;
  options->backoff = options->backoff > 0 ? options->backoff : 0.1;
  options->connections = options->connections > 0 ? options->connections : 8;
  options->most_pending = options->most_pending > 0 ? options->most_pending : 256;
  options->largest_reply = options->largest_reply ? options->largest_reply : (size_t)256 << 20;
  options->largest_file = options->largest_file > 0 ? options->largest_file : (int64_t)16 << 30;
  if (options->connections > MLAAS_CLIENT_MOST_CONNECTIONS)
    options->connections = MLAAS_CLIENT_MOST_CONNECTIONS;
  if (!options->user_agent)
    options->user_agent = client->agent;
}

static bool has_control(const char *text) {
  for (; text && *text; text++)
    if ((unsigned char)*text < ' ' || *text == 0x7f)
      return true;
  return false;
}

/* Scheme and host there, no user, query or fragment: what the paths can be put behind. */
static enum mlaas_client_status check_url(const char *url, struct mlaas_client_error *error) {
  char *host = NULL, *scheme = NULL, *query = NULL, *fragment = NULL;
  CURLU *parts = curl_url();
  bool good = parts && url && !has_control(url) && !strchr(url, ' ') &&
              curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              curl_url_get(parts, CURLUPART_QUERY, &query, 0) != CURLUE_OK &&
              curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0) != CURLUE_OK;
  curl_free(host);
  curl_free(scheme);
  curl_free(query);
  curl_free(fragment);
  curl_url_cleanup(parts);
  if (good)
    return MLAAS_CLIENT_OK;
  return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT,
                           "'%.200s' is no address of a server; it must look like https://host:port/base",
                           url ? url : "");
}

static enum mlaas_client_status check_options(const struct mlaas_client_options *options,
                                              struct mlaas_client_error *error) {
  if (!options)
    return MLAAS_CLIENT_OK;
  if (options->size != sizeof *options)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "the size in the options is %zu; this library has %zu",
                             options->size, sizeof *options);
  if (has_control(options->token) || has_control(options->user_agent))
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "the token or the user agent has a control character");
  if (options->timeout > 1e6 || options->connect_timeout > 1e6)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "a timeout of more than 1,000,000 seconds");
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_open(const char *url, const struct mlaas_client_options *options,
                                           struct mlaas_client **client, struct mlaas_client_error *error) {
  *client = NULL;
  pthread_once(&curl_once, begin_curl);
  if (curl_begun != CURLE_OK)
    return mlaas_client_fail(error, MLAAS_CLIENT_MEMORY, "libcurl cannot begin: %s", curl_easy_strerror(curl_begun));
  MLAAS_CLIENT_TRY(check_options(options, error));
  MLAAS_CLIENT_TRY(check_url(url, error));
  struct mlaas_client *made = mlaas_client_alloc(sizeof *made);
  if (!made)
    return mlaas_client_no_memory(error);
  if (options)
    made->options = *options;
  size_t length = strlen(url);
  while (length && url[length - 1] == '/')
    length--;
  made->url = mlaas_client_copy(url, length);
  made->random = (unsigned)getpid() * 2654435761u + (unsigned)(uintptr_t)made;
  made->multi = curl_multi_init();
  if (!made->url || !keep_texts(made) || !made->multi) {
    mlaas_client_close(made);
    return mlaas_client_no_memory(error);
  }
  set_defaults(made);
  curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS, (long)made->options.connections);
  curl_multi_setopt(made->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)made->options.connections);
  *client = made;
  return MLAAS_CLIENT_OK;
}

static void cancel_all(struct mlaas_client *client) {
  while (client->first) {
    struct mlaas_client_request *request = client->first;
    client->first = request->next;
    if (client->first)
      client->first->previous = NULL;
    client->pending--;
    request->next = NULL;
    request->status = mlaas_client_fail(&request->error, MLAAS_CLIENT_CANCELLED, "the client was closed");
    if (request->over)
      request->over(request);
  }
  client->last = NULL;
}

void mlaas_client_close(struct mlaas_client *client) {
  if (!client)
    return;
  cancel_all(client);
  while (client->num_idle)
    curl_easy_cleanup(client->idle[--client->num_idle]);
  if (client->multi)
    curl_multi_cleanup(client->multi);
  for (size_t i = 0; i < sizeof client->texts / sizeof *client->texts; i++)
    free(client->texts[i]);
  free(client->url);
  free(client);
}

/* ---- predictions ---- */

/* "model": .., "model_version": .., "input": .. and a comma */
static void write_query(struct mlaas_client_buffer *to, const struct mlaas_client_query *query) {
  if (query && query->model) {
    mlaas_client_buffer_text(to, "\"model\":");
    mlaas_client_buffer_quote(to, query->model);
    mlaas_client_buffer_text(to, ",");
  }
  if (query && query->version) {
    mlaas_client_buffer_text(to, "\"model_version\":");
    mlaas_client_buffer_integer(to, query->version);
    mlaas_client_buffer_text(to, ",");
  }
  if (query && query->input) {
    mlaas_client_buffer_text(to, "\"input\":");
    mlaas_client_buffer_quote(to, query->input);
    mlaas_client_buffer_text(to, ",");
  }
}

static enum mlaas_client_status check_query(const struct mlaas_client_query *query, struct mlaas_client_error *error) {
  if (query && query->size != sizeof *query)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "the size in the query is %zu; this library has %zu",
                             query->size, sizeof *query);
  if (query && query->input && strcmp(query->input, "raw") != 0 && strcmp(query->input, "normalised") != 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "the input is '%.40s'; it must be raw or normalised",
                             query->input);
  return MLAAS_CLIENT_OK;
}

static struct mlaas_client_request *new_prediction(struct mlaas_client *client, const struct mlaas_client_query *query,
                                                   const char *path, const char *type) {
  struct mlaas_client_request *request = mlaas_client_request_new(client, "POST");
  if (!request)
    return NULL;
  mlaas_client_buffer_text(&request->path, path);
  request->type = type;
  request->tell_timeout = true;
  request->timeout = query ? query->timeout : 0;
  request->rows = 1;
  return request;
}

static enum mlaas_client_status make_batch_request(struct mlaas_client *client, const struct mlaas_client_query *query,
                                                   const struct mlaas_client_batch *batch,
                                                   struct mlaas_client_request **made,
                                                   struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(check_query(query, error));
  struct mlaas_client_request *request = new_prediction(client, query, "/json", "application/json");
  if (!request)
    return mlaas_client_no_memory(error);
  mlaas_client_buffer_text(&request->body, "{");
  write_query(&request->body, query);
  mlaas_client_buffer_text(&request->body, "\"events\":");
  enum mlaas_client_status status = mlaas_client_batch_write(batch, &request->body, error);
  mlaas_client_buffer_text(&request->body, "}");
  request->rows = mlaas_client_batch_count(batch);
  if (status == MLAAS_CLIENT_OK && (request->body.failed || request->path.failed))
    status = mlaas_client_no_memory(error);
  if (status != MLAAS_CLIENT_OK)
    mlaas_client_request_free(request);
  else
    *made = request;
  return status;
}

static enum mlaas_client_status read_result(const struct mlaas_client_request *request, bool proto,
                                            struct mlaas_client_result *result, struct mlaas_client_error *error) {
  enum mlaas_client_status status = proto ? mlaas_client_proto_decode(&request->reply, result, error)
                                          : mlaas_client_reply_decode(&request->reply, request->rows, result, error);
  if (status == MLAAS_CLIENT_OK)
    memcpy(result->input, request->input, sizeof result->input);
  return status;
}

/* Runs it, reads its reply and frees it. */
static enum mlaas_client_status run_prediction(struct mlaas_client_request *request, bool proto,
                                               struct mlaas_client_result *result, struct mlaas_client_error *error) {
  mlaas_client_result_reset(result);
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  if (status == MLAAS_CLIENT_OK)
    status = read_result(request, proto, result, error);
  mlaas_client_request_free(request);
  return status;
}

enum mlaas_client_status mlaas_client_predict(struct mlaas_client *client, const struct mlaas_client_query *query,
                                              const struct mlaas_client_batch *batch,
                                              struct mlaas_client_result *result, struct mlaas_client_error *error) {
  struct mlaas_client_request *request = NULL;
  MLAAS_CLIENT_TRY(make_batch_request(client, query, batch, &request, error));
  return run_prediction(request, false, result, error);
}

static enum mlaas_client_status write_row(struct mlaas_client_buffer *body, const struct mlaas_client_query *query,
                                          const char *const *names, const float *values, size_t count,
                                          struct mlaas_client_error *error) {
  mlaas_client_buffer_text(body, "{");
  write_query(body, query);
  mlaas_client_buffer_text(body, names ? "\"keys\":[" : "\"values\":[");
  for (size_t i = 0; names && i < count; i++) {
    mlaas_client_buffer_text(body, i ? "," : "");
    mlaas_client_buffer_quote(body, names[i]);
  }
  mlaas_client_buffer_text(body, names ? "],\"values\":[" : "");
  for (size_t i = 0; i < count; i++) {
    mlaas_client_buffer_text(body, i ? "," : "");
    if (!mlaas_client_buffer_number(body, (double)values[i], 9))
      return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "value %zu is infinite, which JSON cannot say", i);
  }
  mlaas_client_buffer_text(body, "]}");
  return body->failed ? mlaas_client_no_memory(error) : MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_predict_row(struct mlaas_client *client, const struct mlaas_client_query *query,
                                                  const char *const *names, const float *values, size_t count,
                                                  bool proto, struct mlaas_client_result *result,
                                                  struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(check_query(query, error));
  if (proto && query && (query->version || query->input))
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "a Row of protobuf can say neither version nor input");
  struct mlaas_client_request *request = new_prediction(client, query, proto ? "/proto" : "/json",
                                                        proto ? "application/octet-stream" : "application/json");
  if (!request)
    return mlaas_client_no_memory(error);
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  if (proto)
    mlaas_client_proto_encode(&request->body, query ? query->model : NULL, names, values, count);
  else
    status = write_row(&request->body, query, names, values, count, error);
  if (status == MLAAS_CLIENT_OK)
    return run_prediction(request, proto, result, error);
  mlaas_client_request_free(request);
  return status;
}

/* ---- asynchronous ---- */

static void submitted_over(struct mlaas_client_request *request) {
  struct mlaas_client *client = request->client;
  struct mlaas_client_result result = {0};
  if (request->status == MLAAS_CLIENT_OK)
    request->status = read_result(request, false, &result, &request->error);
  bool inside = client->calling;
  client->calling = true;
  if (request->status == MLAAS_CLIENT_OK)
    request->done(request->user, &result, NULL);
  else
    request->done(request->user, NULL, &request->error);
  client->calling = inside;
  mlaas_client_result_reset(&result);
  mlaas_client_request_free(request);
}

enum mlaas_client_status mlaas_client_submit(struct mlaas_client *client, const struct mlaas_client_query *query,
                                             const struct mlaas_client_batch *batch, mlaas_client_done *done,
                                             void *user, struct mlaas_client_error *error) {
  while (!client->calling && client->pending >= (size_t)client->options.most_pending)
    MLAAS_CLIENT_TRY(mlaas_client_work(client, 1, error));
  struct mlaas_client_request *request = NULL;
  MLAAS_CLIENT_TRY(make_batch_request(client, query, batch, &request, error));
  request->over = submitted_over;
  request->done = done;
  request->user = user;
  enum mlaas_client_status status = mlaas_client_request_start(request, error);
  if (status != MLAAS_CLIENT_OK)
    mlaas_client_request_free(request);
  else if (!client->calling)
    mlaas_client_push(client);
  return status;
}

static enum mlaas_client_status check_outside(const struct mlaas_client *client, struct mlaas_client_error *error) {
  if (client->calling)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "a call that waits was made from inside a callback");
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_poll(struct mlaas_client *client, double seconds,
                                           struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(check_outside(client, error));
  return client->pending ? mlaas_client_work(client, seconds > 0 ? seconds : 0, error) : MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_wait(struct mlaas_client *client, struct mlaas_client_error *error) {
  MLAAS_CLIENT_TRY(check_outside(client, error));
  while (client->pending)
    MLAAS_CLIENT_TRY(mlaas_client_work(client, 1, error));
  return MLAAS_CLIENT_OK;
}

size_t mlaas_client_pending(const struct mlaas_client *client) { return client->pending; }
