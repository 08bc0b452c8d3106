/* The inside of an event plan, shared by event_bind.c (binding) and event_fill.c (filling). */
#ifndef MLAAS_SERVE_EVENT_PLAN_H
#define MLAAS_SERVE_EVENT_PLAN_H

#include "recipe/recipe.h"
#include "serve/config.h"
#include "serve/events.h"

#include <stdatomic.h>

/* A branch of the recipe. */
struct mlaas_plan_branch {
  const char *name;
  char format; /* Arrow format of its values */
  bool jagged;
  int64_t slots; /* "NAME_0" .. "NAME_(slots - 1)" may stand for it; 0: no such names */
  bool ranged;
  double low, high; /* range seen in training */
  atomic_uint_fast64_t outside;
  atomic_int found; /* 0: none yet, 1: the first one is being written, 2: it is there, 3: it was told */
  double example;
};

/* How an input of the model follows from an input of the recipe. */
enum mlaas_mask_use { MLAAS_MASK_NONE, MLAAS_MASK_NAN, MLAAS_MASK_VALID, MLAAS_MASK_PADDING };

struct mlaas_plan_input {
  size_t recipe_input;
  enum mlaas_mask_use mask; /* VALID, PADDING: the input is the mask, not the values */
};

/* Names that a key may be, by hash: a branch, or one slot of it. */
struct mlaas_plan_name {
  const char *name;
  int32_t branch, slot; /* slot -1: the branch itself */
};

struct mlaas_event_plan {
  struct mlaas_arena arena;
  struct mlaas_model *model;
  struct mlaas_recipe *recipe;
  struct mlaas_filler *filler;
  struct mlaas_plan_branch *branches; /* in the recipe's order */
  size_t num_branches;
  struct mlaas_plan_input *inputs; /* in the model's order */
  struct mlaas_plan_name *names;
  size_t room_names; /* a power of two */
  bool strict, refuse_outside;
  atomic_int news;        /* branches with an example that nobody has asked for */
  const char *model_name; /* for the log */
};

/* -1: no such name. */
const struct mlaas_plan_name *mlaas_event_plan_find(const struct mlaas_event_plan *plan, struct mlaas_slice key);
/* The name nearest to a key, or NULL. */
const char *mlaas_event_plan_nearest(const struct mlaas_event_plan *plan, struct mlaas_slice key);

#endif
