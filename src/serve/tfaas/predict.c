/* /json and /proto of TFaaS: one row in, the first row of the first output back; with "events" all rows of all outputs.
 */
#include "base/error.h"
#include "serve/call.h"
#include "serve/events.h"
#include "serve/inputs.h"
#include "serve/log.h"
#include "serve/body/number.h"
#include "serve/body/row.h"
#include "serve/tfaas/tfaas.h"
#include "serve/body/writer.h"

#include <math.h>

struct prediction {
  struct mlaas_call call;
  struct mlaas_json_request request;
  bool raw, proto;
};

/* ---- decoding ---- */

static void tell_news(struct mlaas_call *call) {
  char text[512];
  while (mlaas_event_plan_news(call->instance->extra, text, sizeof text))
    mlaas_log_say(call->service->log, 1, "%s", text);
}

static enum mlaas_status decode(struct mlaas_call *call, struct mlaas_error *error) {
  struct prediction *prediction = call->user;
  enum mlaas_status status = mlaas_inputs_make(call->instance, &prediction->request, &call->exchange->arena,
                                               &call->inputs, &call->rows, &prediction->raw, error);
  if (prediction->raw && call->instance->extra)
    tell_news(call);
  return status;
}

/* ---- encoding ---- */

/* Elements of one row: all but the first dimension. */
static int64_t row_length(const struct mlaas_tensor *tensor) {
  int64_t length = 1;
  for (int32_t i = 1; i < tensor->num_dims; i++)
    length *= tensor->shape[i];
  return length;
}

static bool has_rows(const struct mlaas_call *call, const struct mlaas_tensor *tensor) {
  return tensor->num_dims > 0 && tensor->shape[0] == call->rows;
}

/* Element i as a double. Texts and half floats have none. */
static double element(const struct mlaas_tensor *tensor, int64_t i) {
  switch (tensor->dtype) {
  case MLAAS_DTYPE_FLOAT32:
    return ((const float *)tensor->data)[i];
  case MLAAS_DTYPE_FLOAT64:
    return ((const double *)tensor->data)[i];
  case MLAAS_DTYPE_BOOL:
  case MLAAS_DTYPE_UINT8:
    return ((const uint8_t *)tensor->data)[i];
  case MLAAS_DTYPE_INT8:
    return ((const int8_t *)tensor->data)[i];
  case MLAAS_DTYPE_INT16:
    return ((const int16_t *)tensor->data)[i];
  case MLAAS_DTYPE_UINT16:
    return ((const uint16_t *)tensor->data)[i];
  case MLAAS_DTYPE_INT32:
    return ((const int32_t *)tensor->data)[i];
  case MLAAS_DTYPE_UINT32:
    return ((const uint32_t *)tensor->data)[i];
  case MLAAS_DTYPE_INT64:
    return (double)((const int64_t *)tensor->data)[i];
  case MLAAS_DTYPE_UINT64:
    return (double)((const uint64_t *)tensor->data)[i];
  default:
    return NAN;
  }
}

/* One element as JSON; what is not finite becomes null. */
static void put_element(struct mlaas_writer *out, const struct mlaas_tensor *tensor, int64_t i) {
  if (tensor->dtype == MLAAS_DTYPE_BYTES) {
    const struct mlaas_blob *bytes = (const struct mlaas_blob *)tensor->data + i;
    mlaas_writer_json(out, (struct mlaas_slice){bytes->data, bytes->size});
    return;
  }
  if (tensor->dtype == MLAAS_DTYPE_INT64 || tensor->dtype == MLAAS_DTYPE_UINT64) {
    long long value = ((const long long *)tensor->data)[i];
    mlaas_writer_format(out, tensor->dtype == MLAAS_DTYPE_INT64 ? "%lld" : "%llu", value);
    return;
  }
  char *room = mlaas_writer_room(out, MLAAS_FLOAT_TEXT);
  if (!room)
    return;
  size_t size = tensor->dtype == MLAAS_DTYPE_FLOAT32 ? mlaas_float_format(((const float *)tensor->data)[i], room)
                                                     : mlaas_double_format(element(tensor, i), room);
  if (size == 0)
    memcpy(room, "null", size = 4);
  out->used += size;
}

static void put_list(struct mlaas_writer *out, const struct mlaas_tensor *tensor, int64_t first, int64_t count) {
  mlaas_writer_text(out, "[");
  for (int64_t i = 0; i < count; i++) {
    if (i)
      mlaas_writer_text(out, ",");
    put_element(out, tensor, first + i);
  }
  mlaas_writer_text(out, "]");
}

/* Nested lists of dimension `dim` on. */
static void put_nested(struct mlaas_writer *out, const struct mlaas_tensor *tensor, int32_t dim, int64_t *at) {
  if (dim >= tensor->num_dims) {
    put_element(out, tensor, (*at)++);
    return;
  }
  mlaas_writer_text(out, "[");
  for (int64_t i = 0; i < tensor->shape[dim]; i++) {
    if (i)
      mlaas_writer_text(out, ",");
    put_nested(out, tensor, dim + 1, at);
  }
  mlaas_writer_text(out, "]");
}

static void reply(struct mlaas_call *call, const char *type, struct mlaas_slice body) {
  const struct prediction *prediction = call->user;
  if (call->instance->model->manifest.recipe)
    mlaas_exchange_header(call->exchange, "X-Mlaas-Input", prediction->raw ? "raw" : "normalised");
  if (body.data)
    mlaas_exchange_reply(call->exchange, 200, type, body);
  else
    mlaas_exchange_refuse(call->exchange, 503, "out of memory for the reply");
}

static void reply_text(struct mlaas_call *call, struct mlaas_writer *out) {
  mlaas_writer_text(out, "\n");
  reply(call, "application/json", (struct mlaas_slice){out->failed ? NULL : out->data, out->used});
}

static bool wants_labels(const struct mlaas_call *call) {
  const struct prediction *prediction = call->user;
  bool wanted = prediction->request.labels < 0 ? call->service->config.labels : prediction->request.labels;
  return wanted && call->instance->model->manifest.num_labels;
}

/* {"outputs": {NAME: rows}, "labels": [...]} */
static void encode_events(struct mlaas_call *call) {
  const struct mlaas_model *model = call->instance->model;
  struct mlaas_writer out;
  mlaas_writer_init(&out, &call->exchange->arena, 1024 + (size_t)call->rows * 16);
  mlaas_writer_text(&out, "{\"outputs\":{");
  for (size_t i = 0; i < model->num_outputs; i++) {
    int64_t at = 0;
    mlaas_writer_text(&out, i ? "," : "");
    mlaas_writer_json(&out, mlaas_slice_of(model->outputs[i].name));
    mlaas_writer_text(&out, ":");
    put_nested(&out, &call->infer.outputs[i], 0, &at);
  }
  mlaas_writer_text(&out, "}");
  if (wants_labels(call)) {
    mlaas_writer_text(&out, ",\"labels\":[");
    for (size_t i = 0; i < model->manifest.num_labels; i++) {
      mlaas_writer_text(&out, i ? "," : "");
      mlaas_writer_json(&out, mlaas_slice_of(model->manifest.labels[i]));
    }
    mlaas_writer_text(&out, "]");
  }
  mlaas_writer_text(&out, "}");
  reply_text(call, &out);
}

/* [{"label": ..., "probability": ...}], in the order of the outputs. */
static void encode_labelled(struct mlaas_call *call, const struct mlaas_tensor *output, int64_t count) {
  const struct mlaas_manifest *manifest = &call->instance->model->manifest;
  struct mlaas_writer out;
  mlaas_writer_init(&out, &call->exchange->arena, 256);
  mlaas_writer_text(&out, "[");
  for (int64_t i = 0; i < count; i++) {
    mlaas_writer_text(&out, i ? ",{\"label\":" : "{\"label\":");
    mlaas_writer_json(&out, mlaas_slice_of((size_t)i < manifest->num_labels ? manifest->labels[i] : ""));
    mlaas_writer_text(&out, ",\"probability\":");
    put_element(&out, output, i);
    mlaas_writer_text(&out, "}");
  }
  mlaas_writer_text(&out, "]");
  reply_text(call, &out);
}

static void encode_json(struct mlaas_call *call) {
  const struct prediction *prediction = call->user;
  if (prediction->request.has_events) {
    encode_events(call);
    return;
  }
  const struct mlaas_tensor *output = &call->infer.outputs[0];
  int64_t count = has_rows(call, output) ? row_length(output)
                  : output->num_dims     ? row_length(output) * output->shape[0]
                                         : 1;
  bool floats = output->dtype == MLAAS_DTYPE_FLOAT32 || output->dtype == MLAAS_DTYPE_FLOAT64;
  for (int64_t i = 0; floats && i < count; i++)
    if (!isfinite(element(output, i))) {
      mlaas_exchange_refuse(call->exchange, 422, "score %lld is not finite, which JSON cannot say", (long long)i);
      return;
    }
  if (wants_labels(call)) {
    encode_labelled(call, output, count);
    return;
  }
  struct mlaas_writer out;
  mlaas_writer_init(&out, &call->exchange->arena, 64 + (size_t)count * 14);
  put_list(&out, output, 0, count);
  reply_text(call, &out);
}

static void encode_proto(struct mlaas_call *call) {
  const struct mlaas_tensor *output = &call->infer.outputs[0];
  const struct mlaas_manifest *manifest = &call->instance->model->manifest;
  size_t count = (size_t)(has_rows(call, output) || output->num_dims == 0 ? row_length(output)
                                                                          : row_length(output) * output->shape[0]);
  const float *scores = output->data;
  if (output->dtype == MLAAS_DTYPE_BYTES) {
    mlaas_exchange_refuse(call->exchange, 422, "the model's first output holds texts; /json can return them");
    return;
  }
  if (output->dtype != MLAAS_DTYPE_FLOAT32) {
    float *rounded = mlaas_arena_alloc(&call->exchange->arena, count, sizeof *rounded, NULL);
    for (size_t i = 0; rounded && i < count; i++)
      rounded[i] = (float)element(output, (int64_t)i);
    scores = rounded;
  }
  struct mlaas_slice body = {0};
  if (scores)
    body = mlaas_predictions_encode(scores, count, wants_labels(call) ? manifest->labels : NULL, manifest->num_labels,
                                    &call->exchange->arena);
  reply(call, "application/octet-stream", body);
}

/* ---- routes ---- */

static bool is_plain(struct mlaas_exchange *exchange) {
  struct mlaas_slice coding = mlaas_request_header(&exchange->request, "Content-Encoding");
  if (coding.size == 0 || mlaas_slice_is_word(coding, "identity"))
    return true;
  mlaas_exchange_refuse(exchange, 415, "bodies with Content-Encoding %.*s are not taken here",
                        (int)(coding.size < 40 ? coding.size : 40), coding.data);
  return false;
}

/* In the arena, or NULL and the reply is given. */
static struct prediction *begin(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  if (!is_plain(exchange))
    return NULL;
  struct mlaas_error error;
  struct prediction *prediction = mlaas_arena_alloc(&exchange->arena, 1, sizeof *prediction, &error);
  if (!prediction) {
    mlaas_exchange_fail(exchange, &error);
    return NULL;
  }
  prediction->call.exchange = exchange;
  prediction->call.service = service;
  prediction->call.decode = decode;
  prediction->call.user = prediction;
  return prediction;
}

void mlaas_tfaas_json(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct prediction *prediction = begin(service, exchange);
  if (!prediction)
    return;
  if (mlaas_json_scan(exchange->request.body, &exchange->arena, &prediction->request, &error) != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  prediction->call.model = prediction->request.model;
  prediction->call.version = prediction->request.version;
  prediction->call.encode = encode_json;
  mlaas_call_start(&prediction->call);
}

/* A Row says what a JSON body says with the same members. */
static bool adopt_row(const struct mlaas_row *row, struct mlaas_arena *arena, struct mlaas_json_request *request) {
  double *numbers = mlaas_arena_alloc(arena, row->num_values, sizeof *numbers, NULL);
  for (size_t i = 0; numbers && i < row->num_values; i++)
    numbers[i] = (double)row->values[i];
  *request = (struct mlaas_json_request){
      .model = row->model,
      .labels = -1,
      .keys = row->keys,
      .num_keys = row->num_keys,
      .has_keys = row->num_keys > 0,
      .has_values = true,
      .has_nan = true,
      .values = {.count = row->num_values},
      .numbers = numbers,
  };
  return numbers;
}

void mlaas_tfaas_proto(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct mlaas_row row;
  struct prediction *prediction = begin(service, exchange);
  if (!prediction)
    return;
  if (mlaas_row_decode(exchange->request.body, &exchange->arena, &row, &error) != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  if (!adopt_row(&row, &exchange->arena, &prediction->request)) {
    mlaas_exchange_refuse(exchange, 503, "out of memory for the request");
    return;
  }
  prediction->proto = true;
  prediction->call.model = row.model;
  prediction->call.encode = encode_proto;
  mlaas_call_start(&prediction->call);
}

static bool starts_with(struct mlaas_slice text, const char *word) {
  size_t size = strlen(word);
  return text.size >= size && strncasecmp(text.data, word, size) == 0;
}

/* /predict: the type of the body says which it is. */
void mlaas_tfaas_predict(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_slice type = mlaas_request_header(&exchange->request, "Content-Type");
  if (starts_with(type, "application/x-protobuf") || starts_with(type, "application/protobuf") ||
      starts_with(type, "application/octet-stream"))
    mlaas_tfaas_proto(service, exchange);
  else if (starts_with(type, "multipart/form-data"))
    mlaas_tfaas_image(service, exchange);
  else
    mlaas_tfaas_json(service, exchange);
}
