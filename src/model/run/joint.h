/* Several requests in one run: copies of their rows, the run, and each one's part of its outputs. Knows neither threads
 * nor locks: who calls sees to it that a ticket's request is there while it is needed.
 */
#ifndef MLAAS_MODEL_RUN_JOINT_H
#define MLAAS_MODEL_RUN_JOINT_H

#include "model/run/infer.h"
#include "model/run/run.h"

/* A request's part of a run. */
struct mlaas_ticket {
  struct mlaas_post post; /* the caller's */
  struct mlaas_joint *joint;
  struct mlaas_infer *infer;  /* NULL: it left */
  int64_t from, rows, waited; /* waited: ns */
  int64_t took;               /* ns */
  enum mlaas_status status;
  struct mlaas_error *error;    /* NULL: the run's */
  struct mlaas_tensor *outputs; /* of its own run where it was run alone, else room for views */
  void *held;                   /* of its own run */
  bool alone;                   /* was run by itself: outputs and held are its own */
};

struct mlaas_joint {
  struct mlaas_instance *instance;
  size_t num_tickets;
  enum mlaas_status status;
  struct mlaas_error error;
  struct mlaas_rows inputs;
  struct mlaas_tensor *outputs, *scratch; /* num_outputs; as many as there are inputs or outputs */
  void *held;
  bool has_held;
  int64_t took;
  struct mlaas_progress progress;
  struct mlaas_ticket tickets[MLAAS_BATCH_MOST];
};

/* So many tensors are to be lent to one of zeros. */
size_t mlaas_joint_tensors(const struct mlaas_model *model);
void mlaas_joint_init(struct mlaas_joint *joint, struct mlaas_instance *instance, struct mlaas_tensor *tensors);
/* Tickets for these requests, whose owners they become. */
void mlaas_joint_begin(struct mlaas_joint *joint, struct mlaas_infer *const *members, size_t count, int64_t now);
/* Whether it is one request with more rows than one run may have. */
bool mlaas_joint_is_parted(const struct mlaas_joint *joint);
/* Copies the rows of all; what fails is the status of all. LIMIT, MEMORY. */
enum mlaas_status mlaas_joint_copy(struct mlaas_joint *joint);
/* Runs all rows together, and if that fails, those of each by themselves. */
void mlaas_joint_run(struct mlaas_joint *joint);
/* The next part of one that is parted; true if others are to follow. */
bool mlaas_joint_part(struct mlaas_joint *joint);
/* On the loop's thread: the request, unless it left, has its answer. */
void mlaas_ticket_answer(struct mlaas_ticket *ticket);
/* Gives back what the run holds; it may begin again. */
void mlaas_joint_clear(struct mlaas_joint *joint);
void mlaas_joint_reset(struct mlaas_joint *joint);

#endif
