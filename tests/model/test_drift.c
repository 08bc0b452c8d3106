/* The report on a lower precision, with a back end made up for it. */
#include "model/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* y = x, or x rounded down to multiples of 1/8 where the option precision is given. */
struct fake {
  bool coarse;
  struct mlaas_tensor_info info;
};

static int opened, closed, held_now;
static enum mlaas_dtype dtype;
static bool refuse_plain;

static enum mlaas_status open_fake(const struct mlaas_backend_config *config, void **model, struct mlaas_error *error) {
  struct fake *fake = calloc(1, sizeof *fake);
  assert_non_null(fake);
  for (size_t i = 0; i < config->num_options; i++)
    fake->coarse |= strcmp(config->options[i].key, "precision") == 0;
  if (refuse_plain && !fake->coarse) {
    free(fake);
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "no");
  }
  fake->info = (struct mlaas_tensor_info){"x", dtype, 2, {-1, 3}};
  *model = fake;
  opened++;
  return MLAAS_OK;
}

static void close_fake(void *model) {
  closed++;
  free(model);
}

static const struct mlaas_tensor_info *info_of(const void *model, size_t *count) {
  *count = 1;
  return &((const struct fake *)model)->info;
}

static enum mlaas_status run_fake(void *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                                  void **held, struct mlaas_error *error) {
  (void)error;
  float *y = malloc(inputs[0].size);
  assert_non_null(y);
  memcpy(y, inputs[0].data, inputs[0].size);
  for (size_t i = 0; ((struct fake *)model)->coarse && i < inputs[0].size / sizeof *y; i++)
    y[i] = (float)(int)(y[i] * 8) / 8;
  outputs[0] = inputs[0];
  outputs[0].data = *held = y;
  held_now++;
  return MLAAS_OK;
}

static void release_fake(void *model, void *held) {
  (void)model;
  held_now--;
  free(held);
}

static const struct mlaas_backend backend = {.open = open_fake,
                                             .close = close_fake,
                                             .inputs = info_of,
                                             .outputs = info_of,
                                             .run = run_fake,
                                             .release = release_fake};

static struct mlaas_drift measure(const char *precision) {
  struct mlaas_backend_option options[] = {{"other", "1"}, {"precision", precision}};
  struct mlaas_backend_config config = {.options = options, .num_options = precision ? 2 : 1, .threads = 1};
  struct mlaas_drift drift;
  void *model;
  opened = closed = 0;
  assert_int_equal(open_fake(&config, &model, NULL), MLAAS_OK);
  mlaas_drift_measure(&backend, model, &config, &drift);
  close_fake(model);
  assert_int_equal(opened, closed);
  assert_int_equal(held_now, 0);
  return drift;
}

static void a_lower_precision_is_measured(void **state) {
  (void)state;
  dtype = MLAAS_DTYPE_FLOAT32;
  struct mlaas_drift drift = measure("bf16"), again = measure("bf16");
  assert_string_equal(drift.precision, "bf16");
  assert_int_equal(drift.rows, MLAAS_DRIFT_ROWS);
  assert_true(drift.largest > 0.115 && drift.largest < 0.125);
  assert_true(drift.mean > 0.055 && drift.mean < 0.07); /* half a step */
  assert_true(drift.largest == again.largest && drift.mean == again.mean);
}

static void float32_needs_no_report(void **state) {
  (void)state;
  dtype = MLAAS_DTYPE_FLOAT32;
  assert_null(measure(NULL).precision);
  assert_null(measure("f32").precision);
  assert_int_equal(opened, 1);
}

static void what_cannot_be_compared_is_said(void **state) {
  (void)state;
  dtype = MLAAS_DTYPE_INT64;
  assert_int_equal(measure("bf16").rows, 0);
  assert_int_equal(opened, 1);
  dtype = MLAAS_DTYPE_FLOAT32;
  refuse_plain = true;
  struct mlaas_drift drift = measure("bf16");
  refuse_plain = false;
  assert_int_equal(drift.rows, 0);
  assert_non_null(drift.precision);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_lower_precision_is_measured),
      cmocka_unit_test(float32_needs_no_report),
      cmocka_unit_test(what_cannot_be_compared_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
