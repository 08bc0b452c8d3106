/* A request to run a model: what is asked, who has it, and its end. Knows no queue and no thread. */
#ifndef MLAAS_MODEL_RUN_INFER_H
#define MLAAS_MODEL_RUN_INFER_H

#include "model/run/deadlines.h"
#include "model/run/instance.h"

struct mlaas_progress; /* run.h */

enum mlaas_infer_place {
  MLAAS_INFER_NOWHERE,     /* `done` was called, or is about to be */
  MLAAS_INFER_IN_LANE,     /* waits on its loop; owner: the lane */
  MLAAS_INFER_IN_BATCH,    /* runs on its loop, or was run and waits for its turn; owner: the pointer to it */
  MLAAS_INFER_IN_EXECUTOR, /* owner, under the runners' lock: NULL while it waits, then the ticket */
};

struct mlaas_infer {
  /* set by the caller, whose memory it is until `done` */
  struct mlaas_instance *instance;   /* counted by the caller until done */
  const struct mlaas_tensor *inputs; /* one per input of the model, checked with mlaas_model_check_input */
  int64_t rows;                      /* of the first dimension; more than timing.most are run in parts */
  int64_t deadline;                  /* mlaas_now() after which it fails with TIMEOUT; 0: none */
  void (*done)(struct mlaas_infer *infer);
  void *context;
  /* set when `done` is called, valid until it returns */
  enum mlaas_status status; /* OK, TIMEOUT, CANCELLED, or what the back end said */
  struct mlaas_error error;
  const struct mlaas_tensor *outputs; /* this request's rows of every output */
  int64_t queued_ns, compute_ns;      /* waited; run (of its whole batch) */
  /* private */
  struct mlaas_infer *next, **link; /* of the queue it waits in */
  struct mlaas_loop *loop;
  struct mlaas_deadlines *deadlines; /* the loop's */
  struct mlaas_deadline late;        /* among them, while an executor has it */
  enum mlaas_infer_place place;      /* who has it */
  void *owner;                       /* the one of them */
  int64_t began;
  struct mlaas_progress *progress; /* of a request that is run in parts on the loop */
};

/* On the loop's thread: counts it and calls `done`. `error` is set before where `status` is not OK. */
void mlaas_infer_finish(struct mlaas_infer *infer, enum mlaas_status status);

#endif
