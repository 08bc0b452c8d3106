/* A prediction on its way: find the model (load it if need be), decode, run, encode. A dialect gives `decode` and
 * `encode`; everything between, with deadlines, counters and a client that goes away, is here.
 */
#ifndef MLAAS_SERVE_CALL_H
#define MLAAS_SERVE_CALL_H

#include "serve/service.h"

/* In the exchange's arena. */
struct mlaas_call {
  /* set by the dialect */
  struct mlaas_exchange *exchange;
  struct mlaas_service *service;
  struct mlaas_slice model; /* empty: the default one, else 400 */
  int64_t version;          /* 0: the default one */
  /* The instance is there: sets `inputs` and `rows` from the body, in the arena. On failure the call replies with the
   * error. */
  enum mlaas_status (*decode)(struct mlaas_call *call, struct mlaas_error *error);
  /* The outputs are there (infer.outputs, valid until it returns): replies. */
  void (*encode)(struct mlaas_call *call);
  void *user;
  /* set by decode */
  struct mlaas_tensor *inputs;
  int64_t rows;
  /* set by the call */
  struct mlaas_instance *instance;
  struct mlaas_infer infer;
  struct mlaas_waiter waiter;
};

/* Replies in every case. Deadline: header X-Request-Timeout-Ms (milliseconds) or config.request_timeout_ms. */
void mlaas_call_start(struct mlaas_call *call);

#endif
