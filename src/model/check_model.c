/* The child's side of a trial: the model is opened and run once on zeros. */
#include "base/error.h"
#include "model/check.h"
#include "model/model.h"
#include "recipe/json.h"

#include <string.h>
#include <time.h>

enum { MOST_ELEMENTS = 1 << 26 };

static size_t element_size(enum mlaas_dtype dtype) {
  static const uint8_t sizes[] = {
#define X(symbol, name, bytes) bytes,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return sizes[dtype];
}

/* Unknown lengths are taken as 1. False: too large to be tried. */
static bool make_zeros(const struct mlaas_tensor_info *info, struct mlaas_tensor *tensor) {
  size_t count = 1;
  *tensor = (struct mlaas_tensor){.dtype = info->dtype, .num_dims = info->num_dims < 0 ? 1 : info->num_dims};
  for (int i = 0; i < tensor->num_dims; i++) {
    tensor->shape[i] = info->num_dims < 0 || info->shape[i] < 0 ? 1 : info->shape[i];
    if (__builtin_mul_overflow(count, (size_t)tensor->shape[i], &count) || count > MOST_ELEMENTS)
      return false;
  }
  tensor->size = count * element_size(info->dtype);
  tensor->data = mlaas_alloc(tensor->size); /* empty texts have a size of 0 and no bytes */
  return tensor->data != NULL;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static enum mlaas_status run_once(struct mlaas_model *model, int64_t *took, struct mlaas_error *error) {
  struct mlaas_tensor *inputs = mlaas_alloc(model->num_inputs * sizeof *inputs);
  struct mlaas_tensor *outputs = mlaas_alloc(model->num_outputs * sizeof *outputs);
  bool made = inputs && outputs;
  void *held = NULL;
  for (size_t i = 0; i < model->num_inputs && made; i++)
    made = make_zeros(&model->inputs[i], &inputs[i]);
  int64_t began = now();
  enum mlaas_status status = made ? mlaas_model_run(model, inputs, outputs, &held, error)
                                  : mlaas_fail(error, MLAAS_LIMIT, "its inputs are too large to be tried");
  *took = now() - began;
  if (status == MLAAS_OK)
    mlaas_model_release(model, held);
  for (size_t i = 0; inputs && i < model->num_inputs; i++)
    mlaas_free(inputs[i].data);
  mlaas_free(inputs);
  mlaas_free(outputs);
  return status;
}

/* No shell of a text that is no UTF-8 may lose the line. */
static json_t *text_of(const char *text) {
  json_t *value = json_string(text);
  return value ? value : json_string("(not printable)");
}

static json_t *say_good(const struct mlaas_model *model, enum mlaas_status ran, int64_t took,
                        const struct mlaas_error *error) {
  json_t *line =
      json_pack("{s:b, s:s, s:I, s:I, s:b}", "ok", 1, "back_end", model->backend->name, "inputs",
                (json_int_t)model->num_inputs, "outputs", (json_int_t)model->num_outputs, "ran", ran == MLAAS_OK);
  if (line && ran == MLAAS_OK)
    json_object_set_new(line, "cost_ns", json_integer(took));
  else if (line)
    json_object_set_new(line, "warning", text_of(error->message));
  return line;
}

static json_t *say_bad(enum mlaas_status status, const struct mlaas_error *error) {
  return json_pack("{s:b, s:s, s:o, s:o}", "ok", 0, "status", mlaas_status_name(status), "where", text_of(error->where),
                   "message", text_of(error->message));
}

enum mlaas_status mlaas_check_model(const char *path, const struct mlaas_model_options *options, char **json,
                                    struct mlaas_error *error) {
  struct mlaas_model *model = NULL;
  int64_t took = 0;
  json_t *line;
  enum mlaas_status status = mlaas_model_open(path, options, &model, error);
  if (status == MLAAS_OK) {
    struct mlaas_error why = {.offset = -1};
    enum mlaas_status ran = run_once(model, &took, &why);
    line = say_good(model, ran, took, &why);
  } else {
    line = say_bad(status, error);
  }
  mlaas_model_close(model);
  *json = line ? json_dumps(line, JSON_COMPACT) : NULL;
  json_decref(line);
  return status;
}
