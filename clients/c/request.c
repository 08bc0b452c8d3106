/* One call on its way: attempts, back-off, deadlines, and the rounds of work of a client. Knows no path and no body. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MOST_HEADER_BYTES = 1 << 20, PATIENCE = 4, LONGEST_BACKOFF = 30 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct mlaas_client_request *mlaas_client_request_new(struct mlaas_client *client, const char *method) {
  struct mlaas_client_request *request = mlaas_client_alloc(sizeof *request);
  if (request) {
    request->client = client;
    request->method = method;
    mlaas_client_buffer_text(&request->path, client->url);
  }
  return request;
}

static void drop_handle(struct mlaas_client_request *request) {
  struct mlaas_client *client = request->client;
  if (!request->easy)
    return;
  if (request->running) {
    curl_multi_remove_handle(client->multi, request->easy);
    client->running--;
  }
  request->running = false;
  if (client->num_idle < (size_t)client->options.connections) {
    curl_easy_reset(request->easy);
    client->idle[client->num_idle++] = request->easy;
  } else {
    curl_easy_cleanup(request->easy);
  }
  request->easy = NULL;
}

static void unlink_request(struct mlaas_client_request *request) {
  struct mlaas_client *client = request->client;
  *(request->previous ? &request->previous->next : &client->first) = request->next;
  *(request->next ? &request->next->previous : &client->last) = request->previous;
  request->next = request->previous = NULL;
  client->pending--;
}

void mlaas_client_request_free(struct mlaas_client_request *request) {
  if (!request)
    return;
  drop_handle(request);
  curl_slist_free_all(request->headers);
  mlaas_client_buffer_reset(&request->path);
  mlaas_client_buffer_reset(&request->body);
  mlaas_client_buffer_reset(&request->reply);
  free(request);
}

/* ---- what curl calls ---- */

/* Only a success goes to the file; the words of a refusal are kept. */
static size_t take_body(char *data, size_t one, size_t size, void *user) {
  struct mlaas_client_request *request = user;
  long http = 0;
  (void)one;
  curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &http);
  if (request->file && http < 300) {
    request->received += (int64_t)size;
    request->oversized = request->received > request->client->options.largest_file;
    if (request->oversized || fwrite(data, 1, size, request->file) != size) {
      request->bad_file = !request->oversized;
      return 0;
    }
    return size;
  }
  request->oversized = size > request->client->options.largest_reply - request->reply.size;
  if (request->oversized)
    return 0;
  mlaas_client_buffer_add(&request->reply, data, size);
  return request->reply.failed ? 0 : size;
}

static size_t take_header(char *data, size_t one, size_t size, void *user) {
  static const char input[] = "x-mlaas-input:";
  struct mlaas_client_request *request = user;
  (void)one;
  request->header_bytes += size;
  if (request->header_bytes > MOST_HEADER_BYTES) {
    request->oversized = true;
    return 0;
  }
  if (size >= sizeof input && strncasecmp(data, input, sizeof input - 1) == 0) {
    size_t at = sizeof input - 1, length = 0;
    while (at < size && data[at] == ' ')
      at++;
    while (at < size && data[at] > ' ' && length < sizeof request->input - 1)
      request->input[length++] = data[at++];
    request->input[length] = 0;
  }
  return size;
}

static size_t give_body(char *to, size_t one, size_t room, void *user) {
  struct mlaas_client_request *request = user;
  return request->source->read(request->source->self, to, one * room);
}

static int rewind_body(void *user, curl_off_t offset, int origin) {
  struct mlaas_client_request *request = user;
  bool good = offset == 0 && origin == SEEK_SET && request->source->rewind(request->source->self);
  return good ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* ---- an attempt ---- */

static bool add_header(struct mlaas_client_request *request, const char *name, const char *value) {
  struct mlaas_client_buffer line = {0};
  mlaas_client_buffer_text(&line, name);
  mlaas_client_buffer_text(&line, value);
  struct curl_slist *longer = line.failed ? NULL : curl_slist_append(request->headers, line.data);
  mlaas_client_buffer_reset(&line);
  if (longer)
    request->headers = longer;
  return longer != NULL;
}

static bool set_headers(struct mlaas_client_request *request) {
  const struct mlaas_client_options *options = &request->client->options;
  bool good = add_header(request, "Expect:", ""); /* a round trip for nothing */
  if (good && request->type)
    good = add_header(request, "Content-Type: ", request->type);
  if (good && options->token)
    good = add_header(request, "Authorization: Bearer ", options->token);
  return good;
}

static void set_body(struct mlaas_client_request *request) {
  CURL *easy = request->easy;
  if (request->source) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->source->size);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, request);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, request);
  } else if (request->body.size || strcmp(request->method, "POST") == 0) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data ? request->body.data : "");
  }
  if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0)
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_security(CURL *easy, const struct mlaas_client_options *options) {
  if (options->ca_file)
    curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
  if (options->cert_file) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options->cert_file);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key_file ? options->key_file : options->cert_file);
  }
}

/* Files and folders take as long as they take: for them the timeout is that of silence. */
static void set_times(struct mlaas_client_request *request, double left) {
  const struct mlaas_client_options *options = &request->client->options;
  CURL *easy = request->easy;
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(options->connect_timeout * 1e3) + 1);
  if (request->source || request->file) {
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(options->timeout * PATIENCE) + 1);
  } else {
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left * 1e3) + 1);
  }
}

/* The server is told how long the reply is waited for. */
static bool tell_time(struct mlaas_client_request *request, double left) {
  char text[32];
  if (!request->tell_timeout || request->attempts)
    return true;
  snprintf(text, sizeof text, "%ld", (long)(left * 1e3) + 1);
  return add_header(request, "X-Request-Timeout-Ms: ", text);
}

static enum mlaas_client_status begin(struct mlaas_client_request *request, struct mlaas_client_error *error) {
  struct mlaas_client *client = request->client;
  double time = now();
  if (request->deadline == 0)
    request->deadline = time + (request->timeout > 0 ? request->timeout : client->options.timeout);
  if (!request->headers && (!set_headers(request) || !tell_time(request, request->deadline - time)))
    return mlaas_client_no_memory(error);
  if (!request->easy)
    request->easy = client->num_idle ? client->idle[--client->num_idle] : curl_easy_init();
  CURL *easy = request->easy;
  if (!easy)
    return mlaas_client_no_memory(error);
  request->reply.size = request->header_bytes = 0;
  request->oversized = request->bad_file = false;
  request->input[0] = request->text[0] = 0;
  curl_easy_setopt(easy, CURLOPT_URL, request->path.data);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->text);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, client->options.user_agent);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
  curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                   request->file ? (curl_off_t)client->options.largest_file
                                 : (curl_off_t)client->options.largest_reply);
  if (request->once) /* one that was kept may be dead, and then nobody knows what the server did */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  set_security(easy, &client->options);
  set_body(request);
  double left = request->deadline - time;
  set_times(request, left > 0 ? left : 0);
  CURLMcode code = curl_multi_add_handle(client->multi, easy);
  if (code != CURLM_OK)
    return mlaas_client_fail(error, MLAAS_CLIENT_MEMORY, "the request cannot be begun: %s", curl_multi_strerror(code));
  request->running = true;
  client->running++;
  return MLAAS_CLIENT_OK;
}

/* ---- the end of an attempt ---- */

/* The server's own words: {"error": "..."}, or the text. */
static void explain(const struct mlaas_client_buffer *reply, char *to, size_t room) {
  struct mlaas_client_json json;
  struct mlaas_client_buffer key = {0}, text = {0};
  mlaas_client_json_begin(&json, reply->data, reply->size);
  size_t length = reply->size < 300 ? reply->size : 300;
  snprintf(to, room, "%.*s", (int)length, reply->size ? reply->data : "");
  if (mlaas_client_json_take(&json, '{')) {
    while (mlaas_client_json_string(&json, &key) && mlaas_client_json_take(&json, ':')) {
      if (!key.failed && key.size == 5 && memcmp(key.data, "error", 5) == 0) {
        if (mlaas_client_json_string(&json, &text) && !text.failed && text.size)
          snprintf(to, room, "%s", text.data);
        break;
      }
      if (!mlaas_client_json_skip(&json) || !mlaas_client_json_take(&json, ','))
        break;
    }
  }
  mlaas_client_buffer_reset(&key);
  mlaas_client_buffer_reset(&text);
  for (size_t end = strlen(to); end && (unsigned char)to[end - 1] <= ' '; end--)
    to[end - 1] = 0;
}

static enum mlaas_client_status settle_http(struct mlaas_client_request *request, long http) {
  struct mlaas_client_error *error = &request->error;
  char words[700];
  char *target = NULL;
  curl_off_t after = 0;
  enum mlaas_client_status status = http == 404                  ? MLAAS_CLIENT_NOT_FOUND
                                    : http == 429 || http == 503 ? MLAAS_CLIENT_BUSY
                                    : http == 408 || http == 504 ? MLAAS_CLIENT_TIMEOUT
                                                                 : MLAAS_CLIENT_REFUSED;
  curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &after);
  curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &target);
  explain(&request->reply, words, sizeof words);
  if (http >= 300 && http < 400)
    mlaas_client_fail(error, status, "the server sends us to %.300s (status %ld); redirects are not followed",
                      target ? target : "another place", http);
  else
    mlaas_client_fail(error, status, "the server answers %ld%s%s", http, words[0] ? ": " : "", words);
  error->http_status = (int)http;
  error->retry_after = status == MLAAS_CLIENT_BUSY && after > 0 ? (double)after : 0;
  return status;
}

static enum mlaas_client_status status_of(CURLcode code) {
  switch (code) {
  case CURLE_OK:
    return MLAAS_CLIENT_OK;
  case CURLE_OPERATION_TIMEDOUT:
    return MLAAS_CLIENT_TIMEOUT;
  case CURLE_OUT_OF_MEMORY:
    return MLAAS_CLIENT_MEMORY;
  case CURLE_PARTIAL_FILE:
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING:
  case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    return MLAAS_CLIENT_REPLY;
  case CURLE_ABORTED_BY_CALLBACK:
  case CURLE_READ_ERROR:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
    return MLAAS_CLIENT_FILE;
  case CURLE_URL_MALFORMAT:
    return MLAAS_CLIENT_ARGUMENT;
  default:
    return MLAAS_CLIENT_CONNECT;
  }
}

static enum mlaas_client_status settle(struct mlaas_client_request *request, CURLcode code) {
  struct mlaas_client_error *error = &request->error;
  long http = 0;
  curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &http);
  if (code == CURLE_OK && http >= 200 && http < 300)
    return MLAAS_CLIENT_OK;
  if (code == CURLE_OK)
    return settle_http(request, http);
  if (request->oversized || code == CURLE_FILESIZE_EXCEEDED)
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the reply is larger than the client takes");
  if (request->reply.failed)
    return mlaas_client_no_memory(error);
  if (request->bad_file)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the file cannot be written: %s", strerror(errno));
  enum mlaas_client_status status = status_of(code);
  return mlaas_client_fail(error, status, "%s: %s", mlaas_client_status_text(status),
                           request->text[0] ? request->text : curl_easy_strerror(code));
}

/* A connection that failed before anything was sent may be tried again whatever the request does. */
static bool may_repeat(const struct mlaas_client_request *request, CURLcode code) {
  switch (code) {
  case CURLE_OK:
    return request->status == MLAAS_CLIENT_BUSY;
  case CURLE_COULDNT_CONNECT:
  case CURLE_COULDNT_RESOLVE_HOST:
    return true;
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
    return !request->once && request->received == 0; /* a file that is half there is not begun again */
  default:
    return false;
  }
}

/* Half to all of the doubled back-off, so that many clients do not come back together; what the server says first. */
static double pause_before(struct mlaas_client_request *request) {
  struct mlaas_client *client = request->client;
  double pause = client->options.backoff;
  for (int i = 1; i < request->attempts && pause < LONGEST_BACKOFF; i++)
    pause *= 2;
  client->random = client->random * 1664525u + 1013904223u;
  pause *= 0.5 + (double)(client->random >> 8) / (double)(1u << 25);
  return request->error.retry_after > pause ? request->error.retry_after : pause;
}

static void end(struct mlaas_client_request *request) {
  drop_handle(request);
  unlink_request(request);
  request->ended = true;
  if (request->over)
    request->over(request); /* which frees it */
}

static void attempt_over(struct mlaas_client_request *request, CURLcode code) {
  request->status = settle(request, code);
  request->attempts++;
  drop_handle(request);
  if (request->status != MLAAS_CLIENT_OK && may_repeat(request, code) &&
      request->attempts <= request->client->options.retries) {
    double due = now() + pause_before(request);
    bool again = due < request->deadline || request->source || request->file;
    if (again && (!request->source || request->source->rewind(request->source->self))) {
      request->due = due;
      return;
    }
  }
  end(request);
}

/* ---- rounds ---- */

enum mlaas_client_status mlaas_client_request_start(struct mlaas_client_request *request,
                                                    struct mlaas_client_error *error) {
  struct mlaas_client *client = request->client;
  if (request->path.failed || request->body.failed)
    return mlaas_client_no_memory(error);
  request->previous = client->last;
  *(client->last ? &client->last->next : &client->first) = request;
  client->last = request;
  client->pending++;
  return MLAAS_CLIENT_OK;
}

/* Begins what may begin; seconds until the next one that waits may. */
static double begin_due(struct mlaas_client *client, double most) {
  double time = now();
  struct mlaas_client_request *next = NULL;
  for (struct mlaas_client_request *request = client->first; request; request = next) {
    next = request->next;
    if (request->running)
      continue;
    if (client->running >= (size_t)client->options.connections)
      return most;
    if (request->due > time) {
      if (request->due - time < most)
        most = request->due - time;
      continue;
    }
    request->status = begin(request, &request->error);
    if (request->status != MLAAS_CLIENT_OK) {
      end(request);
      return 0; /* what follows in the list may have changed */
    }
  }
  return most;
}

/* Sends what can be sent, without waiting and without ending anything. */
void mlaas_client_push(struct mlaas_client *client) {
  int running = 0;
  begin_due(client, 0);
  curl_multi_perform(client->multi, &running);
}

static bool collect(struct mlaas_client *client) {
  int left = 0;
  bool any = false;
  for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL; any = true) {
    struct mlaas_client_request *request = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    attempt_over(request, code);
  }
  return any;
}

enum mlaas_client_status mlaas_client_work(struct mlaas_client *client, double seconds,
                                           struct mlaas_client_error *error) {
  int running = 0;
  double wait = begin_due(client, seconds);
  CURLMcode code = curl_multi_perform(client->multi, &running);
  if (code == CURLM_OK && !collect(client) && client->pending && wait > 0) {
    code = curl_multi_poll(client->multi, NULL, 0, (int)(wait * 1e3) + 1, NULL);
    begin_due(client, 0);
    if (code == CURLM_OK)
      code = curl_multi_perform(client->multi, &running);
    collect(client);
  }
  if (code != CURLM_OK)
    return mlaas_client_fail(error, MLAAS_CLIENT_MEMORY, "the connections cannot be worked on: %s",
                             curl_multi_strerror(code));
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_request_run(struct mlaas_client_request *request,
                                                  struct mlaas_client_error *error) {
  struct mlaas_client *client = request->client;
  if (client->calling)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "a call that waits was made from inside a callback");
  MLAAS_CLIENT_TRY(mlaas_client_request_start(request, error));
  while (!request->ended) {
    enum mlaas_client_status status = mlaas_client_work(client, 1, error);
    if (status != MLAAS_CLIENT_OK && !request->ended) {
      drop_handle(request);
      unlink_request(request);
      return status;
    }
  }
  if (request->status != MLAAS_CLIENT_OK && error)
    *error = request->error;
  return request->status;
}
