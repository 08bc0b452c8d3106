/* A question whose asker waits: sizes, listings, checksums. */
#ifndef MLAAS_SOURCE_HTTP_EXCHANGE_H
#define MLAAS_SOURCE_HTTP_EXCHANGE_H

#include "source/http/loop.h"

struct mlaas_http_exchange {
  const char *method, *url; /* NULL: the site's */
  const char *range, *body;
  const char *headers[3];
  size_t most; /* bytes of content that are wanted; more are LIMIT, or with `cut` left behind */
  bool cut;    /* the beginning, or the head alone, is enough */
  /* The outcome: */
  struct mlaas_http_reply reply;
  char *text; /* with a zero behind it; mlaas_free */
  size_t size, room;
  char *final_url; /* where the answer came from; mlaas_free */
  char server[MLAAS_HTTP_ORIGIN_SIZE];
  bool transient;
  bool single; /* the server is known to answer one range a request only */
  int64_t requests;
};

/* Waits, for at most connect_ms + timeout_ms without progress and deadline_ms in all, and watches whether its thread is
 * cancelled. Errors: as a request's, TIMEOUT, CANCELLED. The outcome may be reset in any case. */
enum mlaas_status mlaas_http_exchange_run(const struct mlaas_http_site *site, struct mlaas_http_exchange *exchange,
                                          struct mlaas_error *error);
void mlaas_http_exchange_reset(struct mlaas_http_exchange *exchange);

#endif
