/* What the files of the client share: memory with a door to fail, growing texts, failing, requests on their way.
 * Nothing here is promised.
 */
#ifndef MLAAS_CLIENT_INTERNAL_H
#define MLAAS_CLIENT_INTERNAL_H

#include "mlaas_client.h"

#include <curl/curl.h>
#include <stdio.h>

#define MLAAS_CLIENT_TRY(call)                                                                                         \
  do {                                                                                                                 \
    enum mlaas_client_status mlaas_client_try_status = (call);                                                         \
    if (mlaas_client_try_status != MLAAS_CLIENT_OK)                                                                    \
      return mlaas_client_try_status;                                                                                  \
  } while (0)

/* ---- memory.c ---- */

void *mlaas_client_alloc(size_t size); /* zeroed */
void *mlaas_client_realloc(void *old, size_t size);
char *mlaas_client_copy(const char *text, size_t length);
/* Tests only: the n-th allocation from now fails; 0 switches it off. */
void mlaas_client_memory_fail(long n);

enum mlaas_client_status mlaas_client_fail(struct mlaas_client_error *error, enum mlaas_client_status status,
                                           const char *format, ...) __attribute__((format(printf, 3, 4)));
enum mlaas_client_status mlaas_client_no_memory(struct mlaas_client_error *error);

/* A text that grows; data ends with a zero, or is NULL while empty. */
struct mlaas_client_buffer {
  char *data;
  size_t size, room;
  bool failed; /* no memory: stays so until reset */
};

void mlaas_client_buffer_add(struct mlaas_client_buffer *buffer, const void *data, size_t size);
void mlaas_client_buffer_text(struct mlaas_client_buffer *buffer, const char *text);
/* As a JSON string, with its quotes; bytes that are no UTF-8 become U+FFFD. */
void mlaas_client_buffer_quote(struct mlaas_client_buffer *buffer, const char *text);
/* As a JSON number with that many digits; null for NaN. False for an infinite value. */
bool mlaas_client_buffer_number(struct mlaas_client_buffer *buffer, double value, int digits);
void mlaas_client_buffer_integer(struct mlaas_client_buffer *buffer, int64_t value);
/* As a segment of a path: percent codes. */
void mlaas_client_buffer_path(struct mlaas_client_buffer *buffer, const char *text);
/* Bytes of the UTF-8 character at `text`, 0 where there is none; a zero ends the text. */
size_t mlaas_client_utf8(const unsigned char *text);
void mlaas_client_buffer_reset(struct mlaas_client_buffer *buffer);

/* ---- request.c: one call on its way, through all its attempts ---- */

struct mlaas_client_request;

/* The body of a large request, made on the way. */
struct mlaas_client_source {
  size_t (*read)(void *self, char *to, size_t room); /* 0: the end; CURL_READFUNC_ABORT: failed */
  bool (*rewind)(void *self);
  void *self;
  int64_t size;
};

struct mlaas_client_request {
  /* what is asked */
  const char *method; /* "GET", "POST", "DELETE" */
  struct mlaas_client_buffer path;
  const char *type; /* of the body, or NULL */
  struct mlaas_client_buffer body;
  struct mlaas_client_source *source; /* instead of a body; borrowed */
  FILE *file;                         /* where the reply of a success goes, instead of into `reply`; borrowed */
  double timeout;                     /* 0: the client's */
  bool tell_timeout;                  /* to the server */
  bool once;                          /* not repeated when it is unknown whether the server did it */
  size_t rows;                        /* of the batch, for whoever reads the reply */
  /* what came */
  struct mlaas_client_buffer reply;
  int64_t received; /* bytes of `file` */
  char input[16];   /* X-Mlaas-Input */
  enum mlaas_client_status status;
  struct mlaas_client_error error;
  /* called when it is over; the request is then the callee's */
  void (*over)(struct mlaas_client_request *request);
  mlaas_client_done *done;
  void *user;
  /* private to request.c */
  struct mlaas_client *client;
  struct mlaas_client_request *next, *previous;
  CURL *easy;
  struct curl_slist *headers;
  double deadline, due; /* 0: not begun yet; seconds of the monotonic clock */
  int attempts;
  bool running, oversized, bad_file, ended;
  size_t header_bytes;
  char text[CURL_ERROR_SIZE];
};

enum { MLAAS_CLIENT_MOST_CONNECTIONS = 1024 };

struct mlaas_client {
  struct mlaas_client_options options;
  char *texts[6]; /* the options' own copies */
  char *url;      /* without slash at the end */
  char agent[64];
  CURLM *multi;
  CURL *idle[MLAAS_CLIENT_MOST_CONNECTIONS]; /* handles kept for reuse */
  size_t num_idle;
  struct mlaas_client_request *first, *last; /* all that are not over, in the order of their start */
  size_t pending, running;
  unsigned random;
  bool calling; /* inside a `done` */
};

struct mlaas_client_request *mlaas_client_request_new(struct mlaas_client *client, const char *method);
void mlaas_client_request_free(struct mlaas_client_request *request);
/* Begins it. On failure nothing was begun and it stays with the caller. */
enum mlaas_client_status mlaas_client_request_start(struct mlaas_client_request *request,
                                                    struct mlaas_client_error *error);
/* Begins it and works until it is over. The caller reads its reply and frees it, also after a failure. */
enum mlaas_client_status mlaas_client_request_run(struct mlaas_client_request *request,
                                                  struct mlaas_client_error *error);
/* One round: work, and at most `seconds` of waiting. */
enum mlaas_client_status mlaas_client_work(struct mlaas_client *client, double seconds,
                                           struct mlaas_client_error *error);

/* Sends what can be sent, without waiting. */
void mlaas_client_push(struct mlaas_client *client);

/* ---- json.c: the little that replies need ---- */

struct mlaas_client_json {
  const char *at, *end;
  bool no_memory;
};

/* Each moves `at` behind what it read, and blanks behind that; false: it is not there, and `at` says where. */
bool mlaas_client_json_take(struct mlaas_client_json *json, char c);
bool mlaas_client_json_string(struct mlaas_client_json *json, struct mlaas_client_buffer *text); /* NULL: skip */
bool mlaas_client_json_number(struct mlaas_client_json *json, float *value);                     /* null: NaN */
bool mlaas_client_json_skip(struct mlaas_client_json *json);
/* A list of numbers or of lists, to any depth up to 8, each as long as its neighbours. *rows: members of the outermost.
 * False also when memory fails (no_memory). *values is the caller's to free, always. */
bool mlaas_client_json_values(struct mlaas_client_json *json, float **values, size_t *count, size_t *rows, int *depth);
void mlaas_client_json_begin(struct mlaas_client_json *json, const char *text, size_t size);

/* ---- the rest ---- */

/* proto.c */
void mlaas_client_proto_encode(struct mlaas_client_buffer *to, const char *model, const char *const *names,
                               const float *values, size_t count);
enum mlaas_client_status mlaas_client_proto_decode(const struct mlaas_client_buffer *reply,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error);
/* reply.c */
enum mlaas_client_status mlaas_client_reply_decode(const struct mlaas_client_buffer *reply, size_t rows,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error);
enum mlaas_client_status mlaas_client_image_decode(const struct mlaas_client_buffer *reply,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error);
/* Makes room for one more output; NULL when out of memory. */
struct mlaas_client_output *mlaas_client_result_add(struct mlaas_client_result *result, const char *name, float *values,
                                                    size_t rows, size_t width);
/* batch.c: [{...},{...}], and why it cannot be sent. */
enum mlaas_client_status mlaas_client_batch_write(const struct mlaas_client_batch *batch,
                                                  struct mlaas_client_buffer *to, struct mlaas_client_error *error);
/* stream.c: texts and files, one behind the other, as the body of a request. Zero it first; texts are copied. */
struct mlaas_client_stream {
  struct mlaas_client_source source;
  struct mlaas_client_piece *pieces;
  size_t count, room, at;
  int64_t offset;
  int file;
  char problem[600]; /* what went wrong while it was read */
};
enum mlaas_client_status mlaas_client_stream_text(struct mlaas_client_stream *stream, const char *text, size_t size,
                                                  struct mlaas_client_error *error);
/* size: what the file must have, -1: what it has now. */
enum mlaas_client_status mlaas_client_stream_file(struct mlaas_client_stream *stream, const char *path, int64_t size,
                                                  struct mlaas_client_error *error);
void mlaas_client_stream_reset(struct mlaas_client_stream *stream);
/* tar.c: a folder as an archive whose one folder is `name`. Errors: FILE (also beyond `most` bytes), MEMORY. */
enum mlaas_client_status mlaas_client_tar_add(struct mlaas_client_stream *stream, const char *folder, const char *name,
                                              int64_t most, struct mlaas_client_error *error);
/* models.c */
enum mlaas_client_status mlaas_client_name_check(const char *name, struct mlaas_client_error *error);

#endif
