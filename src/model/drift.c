/* What a lower precision costs. Knows no framework: only that the option is called "precision" and float32 "f32".
 *
 * The noise is about normal, as inputs are that a recipe has scaled, and always the same.
 */
#include "model/drift.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>

enum { TENSORS_MOST = 64, VALUES_MOST = 1 << 24, OPTIONS_MOST = 256 };

/* Sum of four uniform numbers, scaled to a standard deviation of 1. */
static float next_noise(uint64_t *state) {
  double sum = 0;
  for (int i = 0; i < 4; i++) {
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    sum += (double)(*state >> 40) / (1 << 24) - 0.5;
  }
  return (float)(sum * 1.7320508);
}

static bool make_noise(const struct mlaas_tensor_info *info, uint64_t *state, struct mlaas_tensor *tensor) {
  if (info->dtype != MLAAS_DTYPE_FLOAT32 || info->num_dims < 1)
    return false;
  size_t count = 1;
  *tensor = (struct mlaas_tensor){.dtype = info->dtype, .num_dims = info->num_dims};
  for (int i = 0; i < info->num_dims; i++) {
    tensor->shape[i] = info->shape[i] >= 0 ? info->shape[i] : i == 0 ? MLAAS_DRIFT_ROWS : 1;
    if (__builtin_mul_overflow(count, (size_t)tensor->shape[i], &count) || count > VALUES_MOST)
      return false;
  }
  float *values = mlaas_alloc(count * sizeof *values + 1);
  if (!values)
    return false;
  for (size_t i = 0; i < count; i++)
    values[i] = next_noise(state);
  tensor->data = values;
  tensor->size = count * sizeof *values;
  return true;
}

static void compare(const struct mlaas_tensor *one, const struct mlaas_tensor *other, struct mlaas_drift *drift,
                    double *sum, size_t *count) {
  if (one->dtype != MLAAS_DTYPE_FLOAT32 || other->dtype != MLAAS_DTYPE_FLOAT32 || one->size != other->size)
    return;
  const float *a = one->data, *b = other->data;
  for (size_t i = 0; i < one->size / sizeof *a; i++) {
    double difference = fabs((double)a[i] - (double)b[i]);
    if (!isfinite(difference))
      continue; /* both may be infinite */
    *sum += difference;
    *count += 1;
    drift->largest = difference > drift->largest ? difference : drift->largest;
  }
}

static void run_both(const struct mlaas_backend *backend, void *opened, void *plain, const struct mlaas_tensor *inputs,
                     struct mlaas_drift *drift) {
  struct mlaas_tensor one[TENSORS_MOST], other[TENSORS_MOST];
  void *held_one, *held_other;
  size_t num_outputs, count = 0;
  double sum = 0;
  backend->outputs(opened, &num_outputs);
  if (backend->run(opened, inputs, one, &held_one, NULL) != MLAAS_OK)
    return;
  if (backend->run(plain, inputs, other, &held_other, NULL) == MLAAS_OK) {
    for (size_t i = 0; i < num_outputs; i++)
      compare(&one[i], &other[i], drift, &sum, &count);
    backend->release(plain, held_other);
  }
  backend->release(opened, held_one);
  if (count) {
    drift->rows = inputs[0].shape[0];
    drift->mean = sum / (double)count;
  }
}

void mlaas_drift_measure(const struct mlaas_backend *backend, void *opened, const struct mlaas_backend_config *config,
                         struct mlaas_drift *drift) {
  struct mlaas_backend_option options[OPTIONS_MOST];
  struct mlaas_backend_config without = *config;
  struct mlaas_tensor inputs[TENSORS_MOST] = {0};
  size_t num_inputs, num_outputs, made = 0;
  uint64_t state = 1;
  *drift = (struct mlaas_drift){0};
  without.options = options;
  without.num_options = 0;
  for (size_t i = 0; i < config->num_options && i < OPTIONS_MOST; i++)
    if (strcmp(config->options[i].key, "precision") == 0)
      drift->precision = strcmp(config->options[i].value, "f32") ? config->options[i].value : NULL;
    else
      options[without.num_options++] = config->options[i];
  const struct mlaas_tensor_info *infos = backend->inputs(opened, &num_inputs);
  backend->outputs(opened, &num_outputs);
  if (!drift->precision || num_inputs > TENSORS_MOST || num_outputs > TENSORS_MOST)
    return;
  while (made < num_inputs && make_noise(&infos[made], &state, &inputs[made]))
    made++;
  void *plain = NULL;
  if (made == num_inputs && backend->open(&without, &plain, NULL) == MLAAS_OK) {
    run_both(backend, opened, plain, inputs, drift);
    backend->close(plain);
  }
  for (size_t i = 0; i < made; i++)
    mlaas_free(inputs[i].data);
}
