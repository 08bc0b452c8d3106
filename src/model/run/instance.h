/* A loaded version of a model as those see it who run it. Knows no repository. */
#ifndef MLAAS_MODEL_RUN_INSTANCE_H
#define MLAAS_MODEL_RUN_INSTANCE_H

#include "model/model.h"
#include "model/run/stats.h"
#include "model/run/timing.h"

struct mlaas_executor; /* runners.h */

/* A loaded version of a model. Counted; immutable but for its counters. */
struct mlaas_instance {
  const char *name;
  int64_t version;
  struct mlaas_model *model;
  struct mlaas_timing timing;
  struct mlaas_model_stats stats;
  struct mlaas_executor *executor;                 /* NULL: runs on the loops only */
  int64_t queue_limit;                             /* requests that may wait */
  int64_t loaded_at, load_ns;                      /* seconds since 1970; duration */
  void *extra;                                     /* of the floor above, made at load: see options */
  long count;                                      /* private, like the next two */
  void (*unused)(struct mlaas_instance *instance); /* whoever made it, when the last one has let go of it */
  void *owner;                                     /* the one who made it */
};

struct mlaas_instance *mlaas_instance_get(struct mlaas_instance *instance);
void mlaas_instance_put(struct mlaas_instance *instance); /* legal on NULL */

#endif
