/* Events to columns of the branches' own types, and by the recipe to the model's inputs. */
#include "base/error.h"
#include "serve/event_plan.h"

#include <math.h>

/* One branch of all events. */
struct column {
  const struct mlaas_event_value **given; /* per event; NULL: missing */
  int64_t total;                          /* values of all lists */
  struct ArrowArray array, values;
  struct ArrowArray *child;
  const void *buffers[2], *value_buffers[2];
};

struct fill {
  struct mlaas_event_plan *plan;
  const struct mlaas_event *events;
  size_t count;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  struct column *columns;
};

static void *take(struct fill *f, size_t count, size_t size) {
  return mlaas_arena_alloc(f->arena, count, size, f->error);
}

static enum mlaas_status out_of_memory(const struct fill *f) { return f->error->status; }

/* ---- which value belongs to which branch ---- */

static enum mlaas_status fail_unknown(const struct fill *f, struct mlaas_slice key) {
  const char *nearest = mlaas_event_plan_nearest(f->plan, key);
  return mlaas_fail(f->error, MLAAS_ARGUMENT, "the model knows no \"%.*s\"%s%s%s",
                    (int)(key.size < 100 ? key.size : 100), key.data, nearest ? "; did you mean \"" : "",
                    nearest ? nearest : "", nearest ? "\"?" : "");
}

/* A slot of a jagged branch, given under a name of its own: becomes a list of the branch. */
static enum mlaas_status take_slot(struct fill *f, size_t event, const struct mlaas_plan_name *name,
                                   const struct mlaas_event_value *value) {
  const struct mlaas_plan_branch *branch = &f->plan->branches[name->branch];
  const struct mlaas_event_value **given = &f->columns[name->branch].given[event];
  if (value->count != -1)
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is one slot and takes a number, not a list", name->name);
  if (!*given) {
    struct mlaas_event_value *list = take(f, 1, sizeof *list);
    double *values = list ? take(f, (size_t)branch->slots, sizeof *values) : NULL;
    int64_t *integers = values ? take(f, (size_t)branch->slots, sizeof *integers) : NULL;
    if (!integers)
      return out_of_memory(f);
    *list = (struct mlaas_event_value){.values = values, .integers = integers, .count = -2}; /* -2: slots come in */
    for (int64_t i = 0; i < branch->slots; i++)
      values[i] = NAN;
    *given = list;
  }
  if ((*given)->count != -2)
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is given as a list and by its slots", branch->name);
  double *place = (double *)(uintptr_t) & (*given)->values[name->slot];
  if (!isnan(*place))
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is given twice", name->name);
  *place = value->values[0];
  ((int64_t *)(uintptr_t)(*given)->integers)[name->slot] = value->integers                 ? value->integers[0]
                                                           : fabs(value->values[0]) < 9e18 ? (int64_t)value->values[0]
                                                                                           : 0;
  return MLAAS_OK;
}

static enum mlaas_status take_value(struct fill *f, size_t event, const struct mlaas_event_value *value) {
  const struct mlaas_plan_name *name = mlaas_event_plan_find(f->plan, value->key);
  if (!name)
    return fail_unknown(f, value->key);
  const struct mlaas_plan_branch *branch = &f->plan->branches[name->branch];
  if (name->slot >= 0)
    return take_slot(f, event, name, value);
  const struct mlaas_event_value **given = &f->columns[name->branch].given[event];
  if (*given)
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is given twice", branch->name);
  bool null = value->count == -1 && isnan(value->values[0]);
  if (null && branch->jagged)
    return MLAAS_OK; /* as if it were not there */
  if ((value->count == -1) == branch->jagged)
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" takes %s", branch->name,
                      branch->jagged ? "a list of numbers" : "one number, not a list");
  *given = value;
  return MLAAS_OK;
}

/* Slots of their own become a list, which has no gaps; then nothing but the strict wish is missing. */
static enum mlaas_status close_event(struct fill *f, size_t event) {
  for (size_t i = 0; i < f->plan->num_branches; i++) {
    const struct mlaas_plan_branch *branch = &f->plan->branches[i];
    struct column *column = &f->columns[i];
    struct mlaas_event_value *given = (struct mlaas_event_value *)(uintptr_t)column->given[event];
    if (given && given->count == -2) {
      int64_t length = branch->slots;
      while (length && isnan(given->values[length - 1]))
        length--;
      for (int64_t k = 0; k < length; k++)
        if (isnan(given->values[k]))
          return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s_%lld\" is missing before \"%s_%lld\"", branch->name,
                            (long long)k, branch->name, (long long)length - 1);
      given->count = (int32_t)length;
    }
    if (!given && f->plan->strict)
      return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is missing", branch->name);
    column->total += given && given->count > 0 ? given->count : 0;
  }
  return MLAAS_OK;
}

static enum mlaas_status sort_values(struct fill *f) {
  for (size_t e = 0; e < f->count; e++) {
    enum mlaas_status status = MLAAS_OK;
    for (size_t i = 0; i < f->events[e].count && status == MLAAS_OK; i++)
      status = take_value(f, e, &f->events[e].values[i]);
    if (status == MLAAS_OK)
      status = close_event(f, e);
    if (status != MLAAS_OK)
      return f->count > 1 ? mlaas_fail_in(f->error, status, "event %zu", e) : status;
  }
  return MLAAS_OK;
}

/* ---- values in the branch's type ---- */

static enum mlaas_status fail_whole(const struct fill *f, const struct mlaas_plan_branch *branch, double value,
                                    const char *what) {
  return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" is %.17g; the branch holds %s", branch->name, value, what);
}

/* The exact whole number within the bounds of the type. */
static bool whole_within(double value, const int64_t *exact, int64_t low, int64_t high, int64_t *whole) {
  if (!(fabs(value) < 9.3e18) || value != floor(value))
    return false;
  if (!exact && !(value >= -9223372036854775808.0 && value < 9223372036854775808.0))
    return false;
  *whole = exact ? *exact : (int64_t)value;
  return *whole >= low && *whole <= high;
}

/* Writes value i of a column. NaN in a type without NaN: *valid is cleared. */
static enum mlaas_status store(const struct fill *f, const struct mlaas_plan_branch *branch, void *out, int64_t i,
                               double value, const int64_t *exact, bool *valid) {
  int64_t whole = 0;
  *valid = !isnan(value);
  if (branch->format == 'g') {
    ((double *)out)[i] = value;
    *valid = true;
    return MLAAS_OK;
  }
  if (branch->format == 'f') {
    ((float *)out)[i] = (float)value;
    *valid = true;
    if (isinf(((float *)out)[i]))
      return fail_whole(f, branch, value, "numbers of float32");
    return MLAAS_OK;
  }
  if (!*valid)
    return MLAAS_OK;
  switch (branch->format) {
#define WHOLE(letter, type, low, high, words)                                                                          \
  case letter:                                                                                                         \
    if (!whole_within(value, exact, low, high, &whole))                                                                \
      return fail_whole(f, branch, value, words);                                                                      \
    ((type *)out)[i] = (type)whole;                                                                                    \
    return MLAAS_OK;
    WHOLE('b', uint8_t, 0, 1, "0 or 1")
    WHOLE('c', int8_t, INT8_MIN, INT8_MAX, "whole numbers of 8 bits")
    WHOLE('C', uint8_t, 0, UINT8_MAX, "whole numbers of 8 bits, not negative")
    WHOLE('s', int16_t, INT16_MIN, INT16_MAX, "whole numbers of 16 bits")
    WHOLE('S', uint16_t, 0, UINT16_MAX, "whole numbers of 16 bits, not negative")
    WHOLE('i', int32_t, INT32_MIN, INT32_MAX, "whole numbers of 32 bits")
    WHOLE('I', uint32_t, 0, UINT32_MAX, "whole numbers of 32 bits, not negative")
    WHOLE('l', int64_t, INT64_MIN, INT64_MAX, "whole numbers of 64 bits")
    WHOLE('L', uint64_t, 0, INT64_MAX, "whole numbers, not negative")
#undef WHOLE
  default:
    return mlaas_fail(f->error, MLAAS_INTERNAL, "\"%s\" has an unknown type", branch->name);
  }
}

static bool is_missing(const struct fill *f, double value) {
  for (size_t i = 0; i < f->plan->recipe->num_missing; i++)
    if (value == f->plan->recipe->missing[i])
      return true;
  return isnan(value);
}

static void clear_bit(uint8_t *bits, int64_t i) { bits[i >> 3] &= (uint8_t) ~(1u << (i & 7)); }

/* Bits of Arrow's bool from bytes, in place of them. */
static void pack_bits(uint8_t *bytes, int64_t count) {
  for (int64_t i = 0; i < count; i += 8) {
    uint8_t bits = 0;
    for (int64_t k = 0; k < 8 && i + k < count; k++)
      bits |= (uint8_t)(bytes[i + k] << k);
    bytes[i / 8] = bits;
  }
}

struct target {
  void *values;
  uint8_t *valid;
  int64_t at, outside, nulls;
  double example; /* the first value that lay outside */
};

static enum mlaas_status store_all(const struct fill *f, const struct mlaas_plan_branch *branch,
                                   const struct mlaas_event_value *given, struct target *to) {
  int64_t count = given->count < 0 ? 1 : given->count;
  for (int64_t k = 0; k < count; k++, to->at++) {
    double value = given->values[k];
    bool valid;
    MLAAS_TRY(store(f, branch, to->values, to->at, value, given->integers ? &given->integers[k] : NULL, &valid));
    if (!valid) {
      clear_bit(to->valid, to->at);
      to->nulls++;
    }
    if (branch->ranged && (value < branch->low || value > branch->high) && !is_missing(f, value)) {
      if (f->plan->refuse_outside)
        return mlaas_fail(f->error, MLAAS_SCHEMA, "\"%s\" is %.9g, outside the range seen in training, %.9g to %.9g",
                          branch->name, value, branch->low, branch->high);
      if (to->outside++ == 0)
        to->example = value;
    }
  }
  return MLAAS_OK;
}

static void count_outside(struct mlaas_event_plan *plan, struct mlaas_plan_branch *branch, const struct target *to) {
  atomic_fetch_add_explicit(&branch->outside, (uint64_t)to->outside, memory_order_relaxed);
  int none = 0;
  if (atomic_compare_exchange_strong(&branch->found, &none, 1)) {
    branch->example = to->example;
    atomic_store(&branch->found, 2);
    atomic_fetch_add(&plan->news, 1);
  }
}

/* Values of one branch of all events, and for lists where each begins. */
static enum mlaas_status make_column(struct fill *f, size_t i) {
  struct mlaas_plan_branch *branch = &f->plan->branches[i];
  struct column *column = &f->columns[i];
  int64_t total = branch->jagged ? column->total : (int64_t)f->count;
  size_t bytes = ((size_t)total + 7) / 8;
  struct target to = {0};
  int32_t *offsets = branch->jagged ? take(f, f->count + 1, sizeof *offsets) : NULL;
  if (total > INT32_MAX)
    return mlaas_fail(f->error, MLAAS_ARGUMENT, "\"%s\" has more values than one request may have", branch->name);
  to.values = take(f, (size_t)total, 8);
  to.valid = to.values ? take(f, bytes, 1) : NULL;
  if (!to.valid || (branch->jagged && !offsets))
    return out_of_memory(f);
  memset(to.valid, 0xFF, bytes);
  for (size_t e = 0; e < f->count; e++) {
    const struct mlaas_event_value *given = column->given[e];
    if (given) {
      enum mlaas_status status = store_all(f, branch, given, &to);
      if (status != MLAAS_OK)
        return f->count > 1 ? mlaas_fail_in(f->error, status, "event %zu", e) : status;
    } else if (!branch->jagged) {
      clear_bit(to.valid, to.at++);
      to.nulls++;
    }
    if (offsets)
      offsets[e + 1] = (int32_t)to.at;
  }
  if (branch->format == 'b')
    pack_bits(to.values, total);
  if (to.outside)
    count_outside(f->plan, branch, &to);
  struct ArrowArray *values = branch->jagged ? &column->values : &column->array;
  column->value_buffers[0] = to.nulls ? to.valid : NULL;
  column->value_buffers[1] = to.values;
  *values =
      (struct ArrowArray){.length = total, .null_count = to.nulls, .n_buffers = 2, .buffers = column->value_buffers};
  if (!branch->jagged)
    return MLAAS_OK;
  column->child = values;
  column->buffers[1] = offsets;
  column->array = (struct ArrowArray){.length = (int64_t)f->count,
                                      .n_buffers = 2,
                                      .buffers = column->buffers,
                                      .n_children = 1,
                                      .children = &column->child};
  return MLAAS_OK;
}

/* ---- through the recipe ---- */

struct filled {
  float **x;
  uint8_t **mask;
};

static enum mlaas_status run_recipe(struct fill *f, struct filled *filled) {
  const struct mlaas_recipe *recipe = f->plan->recipe;
  struct ArrowArray **children = take(f, f->plan->num_branches, sizeof *children);
  filled->x = children ? take(f, recipe->num_inputs * f->count, sizeof *filled->x) : NULL;
  filled->mask = filled->x ? take(f, recipe->num_inputs * f->count, sizeof *filled->mask) : NULL;
  if (!filled->mask)
    return out_of_memory(f);
  for (size_t k = 0; k < recipe->num_inputs; k++) {
    size_t width = (size_t)(recipe->inputs[k].slots * recipe->inputs[k].features);
    float *x = take(f, f->count * width, sizeof *x);
    uint8_t *mask = x ? take(f, f->count * width, 1) : NULL;
    if (!mask)
      return out_of_memory(f);
    for (size_t e = 0; e < f->count; e++) {
      filled->x[k * f->count + e] = x + e * width;
      filled->mask[k * f->count + e] = mask + e * width;
    }
  }
  for (size_t i = 0; i < f->plan->num_branches; i++)
    children[i] = &f->columns[i].array;
  struct ArrowArray all = {
      .length = (int64_t)f->count, .n_buffers = 1, .buffers = (const void *[]){NULL}, .children = children};
  all.n_children = (int64_t)f->plan->num_branches;
  enum mlaas_status status =
      mlaas_filler_fill(f->plan->filler, &all, NULL, f->count, filled->x, filled->mask, NULL, f->error);
  return status == MLAAS_SCHEMA ? (f->error->status = MLAAS_ARGUMENT) : status; /* lists of unequal length */
}

/* ---- the model's inputs ---- */

/* Whether a slot of a padded input holds an object: not all of its features are padding. */
static bool holds_object(const uint8_t *mask, int64_t features) {
  for (int64_t i = 0; i < features; i++)
    if (mask[i] != 1)
      return true;
  return false;
}

static enum mlaas_status make_mask(struct fill *f, size_t i, const uint8_t *mask, struct mlaas_tensor *tensor) {
  const struct mlaas_plan_input *plan = &f->plan->inputs[i];
  const struct mlaas_recipe_input *input = &f->plan->recipe->inputs[plan->recipe_input];
  const struct mlaas_tensor_info *info = &f->plan->model->inputs[i];
  bool per_slot = input->padded && info->num_dims == 2;
  int64_t step = per_slot ? input->features : 1;
  size_t count = f->count * (size_t)(input->slots * input->features / step);
  bool *flags = take(f, count, sizeof *flags);
  float *floats = info->dtype == MLAAS_DTYPE_FLOAT32 ? take(f, count, sizeof *floats) : NULL;
  if (!flags || (info->dtype == MLAAS_DTYPE_FLOAT32 && !floats))
    return out_of_memory(f);
  for (size_t k = 0; k < count; k++) {
    const uint8_t *place = mask + k * (size_t)step;
    bool valid = input->padded && plan->mask == MLAAS_MASK_PADDING ? holds_object(place, step)
                 : per_slot                                        ? holds_object(place, step)
                                                                   : *place == 0;
    flags[k] = valid == (plan->mask == MLAAS_MASK_VALID);
    if (floats)
      floats[k] = flags[k];
  }
  tensor->dtype = floats ? MLAAS_DTYPE_FLOAT32 : MLAAS_DTYPE_BOOL;
  tensor->data = floats ? (void *)floats : (void *)flags;
  tensor->size = count * (floats ? sizeof *floats : sizeof *flags);
  if (per_slot) {
    tensor->num_dims = 2;
    tensor->shape[1] = input->slots;
  }
  return MLAAS_OK;
}

static enum mlaas_status make_tensors(struct fill *f, const struct filled *filled, struct mlaas_tensor **inputs) {
  const struct mlaas_recipe *recipe = f->plan->recipe;
  struct mlaas_tensor *tensors = take(f, f->plan->model->num_inputs, sizeof *tensors);
  if (!tensors)
    return out_of_memory(f);
  for (size_t i = 0; i < f->plan->model->num_inputs; i++) {
    const struct mlaas_plan_input *plan = &f->plan->inputs[i];
    const struct mlaas_recipe_input *input = &recipe->inputs[plan->recipe_input];
    size_t count = f->count * (size_t)(input->slots * input->features);
    float *x = filled->x[plan->recipe_input * f->count];
    const uint8_t *mask = filled->mask[plan->recipe_input * f->count];
    tensors[i] = (struct mlaas_tensor){.dtype = MLAAS_DTYPE_FLOAT32,
                                       .num_dims = input->padded ? 3 : 2,
                                       .shape = {(int64_t)f->count, input->padded ? input->slots : input->features,
                                                 input->padded ? input->features : 0},
                                       .data = x,
                                       .size = count * sizeof *x};
    if (plan->mask == MLAAS_MASK_VALID || plan->mask == MLAAS_MASK_PADDING)
      MLAAS_TRY(make_mask(f, i, mask, &tensors[i]));
    else if (plan->mask == MLAAS_MASK_NAN)
      mlaas_model_apply_mask(f->plan->model, x, mask, count);
  }
  *inputs = tensors;
  return MLAAS_OK;
}

enum mlaas_status mlaas_event_plan_fill(struct mlaas_event_plan *plan, const struct mlaas_event *events, size_t count,
                                        struct mlaas_arena *arena, struct mlaas_tensor **inputs,
                                        struct mlaas_error *error) {
  struct mlaas_error unused;
  struct filled filled;
  struct fill f = {.plan = plan, .events = events, .count = count, .arena = arena, .error = error ? error : &unused};
  if (count == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there are no events");
  f.columns = take(&f, plan->num_branches, sizeof *f.columns);
  if (!f.columns)
    return out_of_memory(&f);
  for (size_t i = 0; i < plan->num_branches; i++)
    if (!(f.columns[i].given = take(&f, count, sizeof *f.columns[i].given)))
      return out_of_memory(&f);
  MLAAS_TRY(sort_values(&f));
  for (size_t i = 0; i < plan->num_branches; i++)
    MLAAS_TRY(make_column(&f, i));
  MLAAS_TRY(run_recipe(&f, &filled));
  return make_tensors(&f, &filled, inputs);
}
