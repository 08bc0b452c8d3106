/* /image and /predict/image: a picture in a form becomes the model's input, with as many channels as its params.json
 * says. Large pictures are decoded on a worker thread. Knows no back end. */
#include "base/error.h"
#include "serve/call.h"
#include "serve/defaults.h"
#include "serve/body/image.h"
#include "serve/body/multipart.h"
#include "serve/body/number.h"
#include "serve/tfaas/tfaas.h"
#include "serve/body/writer.h"

#include <math.h>
#include <stdlib.h>

enum {
  SMALL_PIXELS = 16384, /* decoded in less time than a hop to another thread and back takes */
  BEST_LABELS = 5,
};

/* How a model takes pictures. */
struct format {
  int channels;
  enum mlaas_dtype dtype;
  bool planar; /* channels before height and width */
};

struct viewing {
  struct mlaas_call call;
  struct mlaas_errand errand;
  struct mlaas_waiter waiter;
  struct mlaas_slice file, filename;
  struct format format; /* of `tensor`; channels 0: not decoded yet */
  struct mlaas_tensor tensor;
};

/* ---- decoding ---- */

static bool is_channels(int64_t length) { return length == 1 || length == 3 || length == 4; }

/* By params.json; for models that came without one, by the input's shape. */
static enum mlaas_status format_of(const struct mlaas_model *model, struct format *format, struct mlaas_error *error) {
  const struct mlaas_tensor_info *input = &model->inputs[0];
  const int64_t *shape = input->shape;
  bool whole = input->num_dims == 4;
  *format = (struct format){.channels = model->manifest.img_channels, .dtype = input->dtype};
  if (format->channels == 0 && whole)
    format->channels = is_channels(shape[3]) ? (int)shape[3] : is_channels(shape[1]) ? (int)shape[1] : 0;
  if (format->channels == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "model params image channels is zero");
  format->planar = whole && shape[1] == format->channels && shape[3] != format->channels;
  return MLAAS_OK;
}

/* Height x width x channels to channels x height x width, element by element. */
static enum mlaas_status make_planar(struct mlaas_tensor *tensor, struct mlaas_arena *arena,
                                     struct mlaas_error *error) {
  size_t channels = (size_t)tensor->shape[3], element = tensor->dtype == MLAAS_DTYPE_FLOAT32 ? sizeof(float) : 1;
  size_t pixels = (size_t)(tensor->shape[1] * tensor->shape[2]);
  char *from = tensor->data, *into = mlaas_arena_alloc(arena, pixels * channels, element, error);
  if (!into)
    return error->status;
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < pixels; i++)
      memcpy(into + (c * pixels + i) * element, from + (i * channels + c) * element, element);
  tensor->data = into;
  tensor->shape[3] = tensor->shape[2];
  tensor->shape[2] = tensor->shape[1];
  tensor->shape[1] = (int64_t)channels;
  return MLAAS_OK;
}

static enum mlaas_status decode_as(struct viewing *viewing, struct format format, struct mlaas_error *error) {
  struct mlaas_exchange *exchange = viewing->call.exchange;
  int64_t most = viewing->call.service->config.image_pixels;
  viewing->format.channels = 0;
  MLAAS_TRY(mlaas_image_decode(viewing->file, format.channels, format.dtype, most, &exchange->arena, &viewing->tensor,
                               error));
  if (format.planar)
    MLAAS_TRY(make_planar(&viewing->tensor, &exchange->arena, error));
  viewing->format = format;
  return MLAAS_OK;
}

static enum mlaas_status decode(struct mlaas_call *call, struct mlaas_error *error) {
  struct viewing *viewing = call->user;
  struct format format, have = viewing->format;
  if (call->instance->model->num_inputs != 1)
    return mlaas_fail(error, MLAAS_SCHEMA, "the model takes %zu inputs, not one picture",
                      call->instance->model->num_inputs);
  MLAAS_TRY(format_of(call->instance->model, &format, error));
  /* the model may have been replaced since a worker decoded the picture */
  if (have.channels != format.channels || have.dtype != format.dtype || have.planar != format.planar)
    MLAAS_TRY(decode_as(viewing, format, error));
  call->inputs = &viewing->tensor;
  call->rows = 1;
  return MLAAS_OK;
}

/* ---- encoding ---- */

struct score {
  const char *label;
  float probability;
};

static int by_probability(const void *a, const void *b) {
  float first = ((const struct score *)a)->probability, second = ((const struct score *)b)->probability;
  return (first < second) - (first > second);
}

static void put_float(struct mlaas_writer *out, float value) {
  char *room = mlaas_writer_room(out, MLAAS_FLOAT_TEXT);
  if (room)
    out->used += mlaas_float_format(value, room);
}

static void put_scores(struct mlaas_writer *out, const float *scores, size_t count) {
  mlaas_writer_text(out, "[");
  for (size_t i = 0; i < count; i++) {
    mlaas_writer_text(out, i ? "," : "");
    put_float(out, scores[i]);
  }
  mlaas_writer_text(out, "]\n");
}

/* {"filename": ..., "labels": the best ones}, as TFaaS answers for frozen graphs. */
static void put_labels(struct mlaas_writer *out, struct mlaas_call *call, const float *scores, size_t count) {
  const struct viewing *viewing = call->user;
  const struct mlaas_manifest *manifest = &call->instance->model->manifest;
  if (manifest->num_labels > 0 && count > manifest->num_labels)
    count = manifest->num_labels;
  struct score *best = mlaas_arena_alloc(out->arena, count, sizeof *best, NULL);
  if (!best) {
    out->failed = true;
    return;
  }
  for (size_t i = 0; i < count; i++)
    best[i] = (struct score){i < manifest->num_labels ? manifest->labels[i] : "", scores[i]};
  qsort(best, count, sizeof *best, by_probability);
  mlaas_writer_text(out, "{\"filename\":");
  mlaas_writer_json(out, viewing->filename);
  mlaas_writer_text(out, ",\"labels\":[");
  for (size_t i = 0; i < count && i < BEST_LABELS; i++) {
    mlaas_writer_text(out, i ? ",{\"label\":" : "{\"label\":");
    mlaas_writer_json(out, mlaas_slice_of(best[i].label));
    mlaas_writer_text(out, ",\"probability\":");
    put_float(out, best[i].probability);
    mlaas_writer_text(out, "}");
  }
  mlaas_writer_text(out, "]}\n");
}

static bool is_frozen(const struct mlaas_manifest *manifest) {
  size_t size = strlen(manifest->path);
  return size > 3 && strcmp(manifest->path + size - 3, ".pb") == 0;
}

static void encode(struct mlaas_call *call) {
  const struct mlaas_tensor *output = &call->infer.outputs[0];
  const float *scores = output->data;
  size_t count = output->size / sizeof *scores;
  if (output->dtype != MLAAS_DTYPE_FLOAT32) {
    mlaas_exchange_refuse(call->exchange, 422, "the model's first output is not of type FP32");
    return;
  }
  for (size_t i = 0; i < count; i++)
    if (!isfinite(scores[i])) {
      mlaas_exchange_refuse(call->exchange, 422, "score %zu is not finite, which JSON cannot say", i);
      return;
    }
  struct mlaas_writer out;
  mlaas_writer_init(&out, &call->exchange->arena, 256 + count * 16);
  if (is_frozen(&call->instance->model->manifest))
    put_labels(&out, call, scores, count);
  else
    put_scores(&out, scores, count);
  if (out.failed)
    mlaas_exchange_refuse(call->exchange, 503, "out of memory for the reply");
  else
    mlaas_exchange_reply(call->exchange, 200, "application/json", (struct mlaas_slice){out.data, out.used});
}

/* ---- large pictures ---- */

static void do_decode(struct mlaas_errand *errand) {
  struct viewing *viewing = errand->user;
  struct format format;
  errand->status = format_of(viewing->call.instance->model, &format, &errand->error);
  if (errand->status == MLAAS_OK)
    errand->status = decode_as(viewing, format, &errand->error);
}

static void decoded(struct mlaas_errand *errand) {
  struct viewing *viewing = errand->user;
  mlaas_instance_put(viewing->call.instance);
  viewing->call.instance = NULL;
  if (errand->status == MLAAS_OK)
    mlaas_call_start(&viewing->call);
  else
    mlaas_exchange_fail(errand->exchange, &errand->error);
}

static void start_large(struct viewing *viewing);

static void loaded(void *context) {
  struct viewing *viewing = context;
  if (viewing->waiter.status == MLAAS_OK)
    start_large(viewing);
  else
    mlaas_call_start(&viewing->call); /* says what is wrong with the model */
}

/* The model says how to decode, so it has to be there first. */
static void start_large(struct viewing *viewing) {
  struct mlaas_call *call = &viewing->call;
  struct mlaas_repository *repository = call->service->repository;
  enum mlaas_status status = MLAAS_ARGUMENT;
  if (mlaas_model_name_check(call->model, NULL) == MLAAS_OK)
    status = mlaas_repository_get(repository, call->model, call->version, &call->instance, NULL);
  if (status == MLAAS_STATE) {
    viewing->waiter = (struct mlaas_waiter){.loop = call->exchange->loop, .done = loaded, .context = viewing};
    mlaas_repository_load(repository, call->model, call->version, false, &viewing->waiter);
  } else if (status != MLAAS_OK) {
    call->instance = NULL;
    mlaas_call_start(call);
  } else {
    viewing->errand = (struct mlaas_errand){
        .service = call->service, .exchange = call->exchange, .work = do_decode, .done = decoded, .user = viewing};
    mlaas_errand_start(&viewing->errand);
  }
}

/* ---- the route ---- */

static enum mlaas_status read_form(struct viewing *viewing, struct mlaas_image_size *size, struct mlaas_error *error) {
  struct mlaas_exchange *exchange = viewing->call.exchange;
  struct mlaas_form form;
  MLAAS_TRY(mlaas_multipart_parse(mlaas_request_header(&exchange->request, "Content-Type"), exchange->request.body,
                                  &exchange->arena, &form, error));
  const struct mlaas_part *image = mlaas_form_find(&form, "image"), *model = mlaas_form_find(&form, "model");
  if (!image || !image->filename.data)
    return mlaas_fail(error, MLAAS_ARGUMENT, "request does not provide image");
  viewing->file = image->content;
  viewing->filename = mlaas_file_base(image->filename);
  viewing->call.model = model && model->content.size ? model->content : mlaas_request_parameter(exchange, "model");
  return mlaas_image_measure(viewing->file, viewing->call.service->config.image_pixels, size, error);
}

void mlaas_tfaas_image(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct mlaas_image_size size;
  struct viewing *viewing = mlaas_arena_alloc(&exchange->arena, 1, sizeof *viewing, &error);
  if (!viewing) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  viewing->call = (struct mlaas_call){
      .exchange = exchange, .service = service, .decode = decode, .encode = encode, .user = viewing};
  if (read_form(viewing, &size, &error) != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  char name[160];
  if (viewing->call.model.size == 0 && mlaas_defaults_name(service->defaults, name, sizeof name))
    viewing->call.model = mlaas_slice_of(mlaas_arena_strndup(&exchange->arena, name, strlen(name), NULL));
  if (size.height * size.width > SMALL_PIXELS && viewing->call.model.size > 0)
    start_large(viewing);
  else
    mlaas_call_start(&viewing->call);
}
