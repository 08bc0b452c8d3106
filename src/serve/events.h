/* Raw events to a model's inputs: names and values of a request become columns, and the bundle's recipe makes the
 * tensors exactly as training did. Knows neither JSON nor protobuf.
 */
#ifndef MLAAS_SERVE_EVENTS_H
#define MLAAS_SERVE_EVENTS_H

#include "model/repository/repository.h"

struct mlaas_config;

/* A value of an event: one number or a list of them. */
struct mlaas_event_value {
  struct mlaas_slice key;  /* branch ("jetPt") or slot of one ("jetPt_0") */
  const double *values;    /* NaN for null */
  const int64_t *integers; /* NULL, or the exact values where all were whole numbers that need it */
  int32_t count;           /* -1: not a list but one number */
};

struct mlaas_event {
  const struct mlaas_event_value *values;
  size_t count;
};

/* Bound to an instance when it is loaded (mlaas_repository_options.make_extra): branches, types, a filler. */
struct mlaas_event_plan;
enum mlaas_status mlaas_event_plan_new(struct mlaas_instance *instance, const struct mlaas_config *config,
                                       struct mlaas_event_plan **plan, struct mlaas_error *error);
void mlaas_event_plan_free(struct mlaas_event_plan *plan);
/* Per branch of the recipe: how many values lay outside the range seen in training. For /metrics. */
size_t mlaas_event_plan_num_features(const struct mlaas_event_plan *plan);
const char *mlaas_event_plan_feature(const struct mlaas_event_plan *plan, size_t i);
uint64_t mlaas_event_plan_outside(const struct mlaas_event_plan *plan, size_t i);

/* True once for each feature that had a value outside its range: for a warning in the log. `text` is a sentence. */
bool mlaas_event_plan_news(struct mlaas_event_plan *plan, char *text, size_t size);

/* Fills the model's inputs for `count` events, in `arena`. Missing features become padding (or ARGUMENT, by the config
 * or "missing": "refuse" in params.json); unknown ones, values of the wrong kind, slots with gaps: ARGUMENT with the
 * nearest name. */
enum mlaas_status mlaas_event_plan_fill(struct mlaas_event_plan *plan, const struct mlaas_event *events, size_t count,
                                        struct mlaas_arena *arena, struct mlaas_tensor **inputs,
                                        struct mlaas_error *error);

#endif
