/* One question to a server and its answer, behind redirects. Lives in the loop's thread from begin to on_end. */
#ifndef MLAAS_SOURCE_HTTP_REQUEST_H
#define MLAAS_SOURCE_HTTP_REQUEST_H

#include "source/http/reply.h"
#include "source/http/site.h"

struct mlaas_http_loop;
struct mlaas_http_host;

enum mlaas_http_place { MLAAS_HTTP_NOWHERE, MLAAS_HTTP_WAITING, MLAAS_HTTP_ACTIVE, MLAAS_HTTP_ENDED };

struct mlaas_http_request {
  /* By who makes it: */
  const struct mlaas_http_site *site;
  const char *method;
  char *url;              /* owned (mlaas_alloc); redirects change it */
  const char *range;      /* "0-99,200-299", NULL: all; borrowed like the next two */
  const char *headers[3]; /* more lines; NULL ends them */
  const char *body;
  void *owner;
  /* An answer that is no error begins: `reply` is set. False: enough, the rest is not wanted (`refused`). */
  bool (*on_head)(struct mlaas_http_request *request);
  bool (*on_bytes)(struct mlaas_http_request *request, const char *data, size_t size);
  /* All is over; outside of libcurl's callbacks, so other requests may be begun and dropped. Once. */
  void (*on_end)(struct mlaas_http_request *request);

  /* The outcome: OK also for what on_head or on_bytes refused. */
  struct mlaas_http_reply reply;
  enum mlaas_status status;
  struct mlaas_error error;
  bool transient, refused;
  int64_t retry_after_ms, requests, delivered;
  int hops; /* redirects that were followed */
  char credentials[256];

  /* The loop's: */
  enum mlaas_http_place place;
  struct mlaas_http_request *next, *previous;
  struct mlaas_http_host *host;
  struct mlaas_http_origin origin;
  CURL *easy;
  struct curl_slist *lines;
  char words[CURL_ERROR_SIZE];
  int64_t last_ms; /* when something came last, or it was begun */
  int port;        /* ours, of the connection */
  bool heard;      /* something came */
  bool late;       /* has to be given up */
  bool connected, head_ended, again;
  bool may_multiplex; /* HTTP/2 where the server has it */
};

/* For loop.c only. */
enum mlaas_status mlaas_http_request_prepare(struct mlaas_http_request *request, CURL *easy);
/* Sets the outcome; `again`: it has to be begun once more, at another URL. */
void mlaas_http_request_settle(struct mlaas_http_request *request, CURLcode code, bool timed_out);

/* ---- error.c: both set status, error and transient of the request ---- */

void mlaas_http_fail_code(struct mlaas_http_request *request, CURLcode code);
void mlaas_http_fail_reply(struct mlaas_http_request *request);

#endif
