/* The client of a model server, in C: sends events or vectors of numbers to models, and manages the models there. It
 * knows the wire only (HTTP, the paths of TFaaS and their extensions), so any server that speaks these will do, and it
 * needs libcurl only.
 *
 *   struct mlaas_client_error error;
 *   struct mlaas_client *client = NULL;
 *   struct mlaas_client_batch *batch = mlaas_client_batch_new();
 *   struct mlaas_client_result result = {0};
 *   struct mlaas_client_query query = {.size = sizeof query, .model = "tth"};
 *   if (mlaas_client_open("http://localhost:8083", NULL, &client, &error)) ...
 *   mlaas_client_batch_event(batch);                          // once per event
 *   mlaas_client_batch_number(batch, "nJets", 6);             // the names of the branches, physical units
 *   mlaas_client_batch_floats(batch, "jetPt", pt, 6);
 *   if (mlaas_client_predict(client, &query, batch, &result, &error))
 *     fprintf(stderr, "%s\n", error.message);
 *   else
 *     use(result.outputs[0].values[0]);
 *
 * A client, a batch and a result belong to one thread at a time; threads of their own each open a client. Functions
 * that can fail return a status, 0 for success, and take a last argument `error`, which may be NULL and is written on
 * failure only. Numbers are written and read in the same way whatever the locale.
 */
#ifndef MLAAS_CLIENT_H
#define MLAAS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MLAAS_CLIENT_API __attribute__((visibility("default")))
#else
#define MLAAS_CLIENT_API
#endif

/* Numbers are stable: append only. */
enum mlaas_client_status {
  MLAAS_CLIENT_OK,
  MLAAS_CLIENT_ARGUMENT,  /* what the caller gave makes no sense; nothing was sent */
  MLAAS_CLIENT_CONNECT,   /* the server cannot be reached: name, connection, TLS; or it hung up without a reply */
  MLAAS_CLIENT_TIMEOUT,   /* no reply in time, or the server says 408 or 504 */
  MLAAS_CLIENT_REFUSED,   /* the server says no, and why: http_status and message */
  MLAAS_CLIENT_NOT_FOUND, /* the same with 404: no such model or path */
  MLAAS_CLIENT_BUSY,      /* the same with 429 or 503, after the retries; retry_after says when to come back */
  MLAAS_CLIENT_REPLY,     /* the reply is not what the protocol says: cut off, no JSON, too large */
  MLAAS_CLIENT_FILE,      /* a file or folder of this machine */
  MLAAS_CLIENT_MEMORY,
  MLAAS_CLIENT_CANCELLED /* the client was closed before the reply came */
};

struct mlaas_client_error {
  enum mlaas_client_status status;
  int http_status;    /* of the reply, 0 without one */
  double retry_after; /* seconds that the server asks to wait, 0 where it does not */
  char message[1024]; /* one sentence, no newline */
};

/* The words for a status, e.g. "timed out"; static storage. */
MLAAS_CLIENT_API const char *mlaas_client_status_text(enum mlaas_client_status status);
/* Frees what the functions below give as `char *`. */
MLAAS_CLIENT_API void mlaas_client_free(void *pointer);

/* ---- client ------------------------------------------------------------------------------------ */

struct mlaas_client;

/* Zero or NULL means the default, in brackets. */
struct mlaas_client_options {
  size_t size;            /* sizeof(struct mlaas_client_options) */
  double timeout;         /* [30] seconds for a call, its retries included */
  double connect_timeout; /* [10] seconds */
  int retries;            /* [4] after 429, 503 or a failed connection; -1: none. Uploads after 429 and 503 only */
  double backoff;         /* [0.1] seconds before the first retry, doubled each time, with a random part taken off; a
                           * Retry-After of the server goes before. A wait that would end after the timeout is not begun */
  int connections;        /* [8] kept open and used at most, also by asynchronous calls */
  int most_pending;       /* [256] asynchronous calls under way or waiting */
  size_t largest_reply;   /* [256 MiB] */
  int64_t largest_file;   /* [16 GiB] of a download or an upload */
  const char *token;      /* sent as Authorization: Bearer */
  const char *ca_file;    /* certificates that are trusted, PEM; default: the system's */
  const char *cert_file;  /* client certificate, PEM; an X.509 proxy is both this and the key */
  const char *key_file;   /* its key; default: cert_file */
  const char *user_agent; /* ["mlaas-client/VERSION"] */
};

/* `url` is scheme, host, port and the server's base path, if it has one: "https://host:8083/base". Nothing is sent. No
 * redirect is ever followed. `options` may be NULL. Errors: ARGUMENT, MEMORY. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_open(const char *url, const struct mlaas_client_options *options,
                                                            struct mlaas_client **client,
                                                            struct mlaas_client_error *error);
/* Asynchronous calls that are not done end with CANCELLED, now. NULL is legal. */
MLAAS_CLIENT_API void mlaas_client_close(struct mlaas_client *client);

/* ---- a batch: the events of one request -------------------------------------------------------- */

struct mlaas_client_batch;

/* NULL when out of memory. */
MLAAS_CLIENT_API struct mlaas_client_batch *mlaas_client_batch_new(void);
MLAAS_CLIENT_API void mlaas_client_batch_free(struct mlaas_client_batch *batch);
MLAAS_CLIENT_API void mlaas_client_batch_clear(struct mlaas_client_batch *batch); /* the memory is kept */
MLAAS_CLIENT_API size_t mlaas_client_batch_count(const struct mlaas_client_batch *batch);
/* Begins the next event; the values that follow are its own. A batch has either events or rows. What goes wrong here
 * (memory, no event begun, an infinite value, which JSON has no word for) is kept and said by the call that sends the
 * batch. `name` is copied: a branch ("jetPt") or a slot of a jagged one ("jetPt_0"). NaN means missing. */
MLAAS_CLIENT_API void mlaas_client_batch_event(struct mlaas_client_batch *batch);
MLAAS_CLIENT_API void mlaas_client_batch_number(struct mlaas_client_batch *batch, const char *name, double value);
MLAAS_CLIENT_API void mlaas_client_batch_float(struct mlaas_client_batch *batch, const char *name, float value);
MLAAS_CLIENT_API void mlaas_client_batch_integer(struct mlaas_client_batch *batch, const char *name, int64_t value);
MLAAS_CLIENT_API void mlaas_client_batch_floats(struct mlaas_client_batch *batch, const char *name, const float *values,
                                                size_t count);
MLAAS_CLIENT_API void mlaas_client_batch_doubles(struct mlaas_client_batch *batch, const char *name,
                                                 const double *values, size_t count);
MLAAS_CLIENT_API void mlaas_client_batch_integers(struct mlaas_client_batch *batch, const char *name,
                                                  const int64_t *values, size_t count);
/* A whole event or row as text: a JSON object of names and numbers or lists of numbers, or a list. The server checks
 * it. */
MLAAS_CLIENT_API void mlaas_client_batch_json(struct mlaas_client_batch *batch, const char *text, size_t length);
/* A row of a model's input as it is, without names. */
MLAAS_CLIENT_API void mlaas_client_batch_row(struct mlaas_client_batch *batch, const float *values, size_t count);

/* ---- predictions ------------------------------------------------------------------------------- */

struct mlaas_client_query {
  size_t size;       /* sizeof(struct mlaas_client_query) */
  const char *model; /* NULL: the server's default */
  int64_t version;   /* 0: the newest */
  const char *input; /* "raw": apply the model's recipe; "normalised": take the numbers as they are; NULL: the server
                      * decides (names mean raw) */
  double timeout;    /* [the client's] seconds; the server is told, and gives up then too */
};

struct mlaas_client_output {
  const char *name;          /* "" where the reply does not say */
  size_t rows, width;        /* width: numbers per event, all dimensions together */
  const float *values;       /* rows x width; NaN where the server says null */
  const char *const *labels; /* `width` of them, or NULL */
};

/* Zero it first. Holds nothing after a failure. */
struct mlaas_client_result {
  struct mlaas_client_output *outputs;
  size_t num_outputs;
  char input[16]; /* what the server did with the values: "raw", "normalised", or "" where it does not say */
};
/* Legal on a zeroed or reset one. */
MLAAS_CLIENT_API void mlaas_client_result_reset(struct mlaas_client_result *result);

/* Sends the batch in one request and waits for the reply. Each output has as many rows as the batch has events.
 * Errors: all but FILE and CANCELLED. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_predict(struct mlaas_client *client,
                                                               const struct mlaas_client_query *query,
                                                               const struct mlaas_client_batch *batch,
                                                               struct mlaas_client_result *result,
                                                               struct mlaas_client_error *error);
/* One event as TFaaS takes it: `count` numbers, with their names or with names == NULL. With `proto` as protobuf
 * (/proto), else as JSON (/json). */
MLAAS_CLIENT_API enum mlaas_client_status
mlaas_client_predict_row(struct mlaas_client *client, const struct mlaas_client_query *query, const char *const *names,
                         const float *values, size_t count, bool proto, struct mlaas_client_result *result,
                         struct mlaas_client_error *error);
/* The content of an image file (PNG, JPEG) to a model of images. */
MLAAS_CLIENT_API enum mlaas_client_status
mlaas_client_predict_image(struct mlaas_client *client, const struct mlaas_client_query *query, const void *image,
                           size_t size, struct mlaas_client_result *result, struct mlaas_client_error *error);

/* ---- asynchronous ------------------------------------------------------------------------------ */

/* Called once per submitted call, from poll, wait, submit or close, in no particular order. On failure result is NULL,
 * else error is; both live until it returns. It may submit, and must not poll, wait or close. */
typedef void mlaas_client_done(void *user, struct mlaas_client_result *result, const struct mlaas_client_error *error);

/* Copies the batch and returns at once; with `most_pending` calls under way it first works until one is done, unless
 * called from a `done`, which never waits. Errors: ARGUMENT, MEMORY; then `done` is not called. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_submit(struct mlaas_client *client,
                                                              const struct mlaas_client_query *query,
                                                              const struct mlaas_client_batch *batch,
                                                              mlaas_client_done *done, void *user,
                                                              struct mlaas_client_error *error);
/* Does what can be done, and waits at most `seconds` for something to do. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_poll(struct mlaas_client *client, double seconds,
                                                            struct mlaas_client_error *error);
/* Until nothing is pending. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_wait(struct mlaas_client *client,
                                                            struct mlaas_client_error *error);
MLAAS_CLIENT_API size_t mlaas_client_pending(const struct mlaas_client *client);

/* ---- the models of the server ------------------------------------------------------------------ */

/* What /models says: a JSON array with an object per model. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_models(struct mlaas_client *client, char **json,
                                                              struct mlaas_client_error *error);
/* One model: what /models/NAME says, or where the server has no such page its object of /models. NOT_FOUND. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_model(struct mlaas_client *client, const char *name, char **json,
                                                             struct mlaas_client_error *error);
/* Installs a folder (a bundle, a SavedModel, a folder of TFaaS) under `name`: sent as an archive that is made on the
 * way. Hidden files and what is neither file nor folder are left out. Errors also: FILE. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_upload(struct mlaas_client *client, const char *name,
                                                              const char *folder, struct mlaas_client_error *error);
/* The same by TFaaS's form: the files params.json, the model, its labels (may be NULL). */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_upload_form(struct mlaas_client *client, const char *name,
                                                                   const char *params, const char *model,
                                                                   const char *labels,
                                                                   struct mlaas_client_error *error);
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_delete(struct mlaas_client *client, const char *name,
                                                              struct mlaas_client_error *error);
/* Copies all files of a model into `folder`, which must not exist, and appears whole or not at all. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_download(struct mlaas_client *client, const char *name,
                                                                const char *folder, struct mlaas_client_error *error);
/* One file of a model, such as "recipe.json", into memory; a zero follows its *size bytes. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_fetch(struct mlaas_client *client, const char *name,
                                                             const char *file, char **data, size_t *size,
                                                             struct mlaas_client_error *error);
/* OK when the server says that it is up. */
MLAAS_CLIENT_API enum mlaas_client_status mlaas_client_ready(struct mlaas_client *client,
                                                             struct mlaas_client_error *error);

#ifdef __cplusplus
}
#endif
#endif
