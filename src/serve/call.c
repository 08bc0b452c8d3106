/* The life of a prediction: model, decode, queue, encode. Knows no dialect. Everything is on the exchange's loop. */
#include "serve/call.h"

#include "base/error.h"
#include "serve/defaults.h"

static void find(struct mlaas_call *call);

/* ---- failing ---- */

static void refuse(struct mlaas_call *call, int status, const struct mlaas_error *error) {
  char text[1700];
  mlaas_error_format(error, text, sizeof text);
  mlaas_exchange_refuse(call->exchange, status, "%s", text);
}

/* A model that is there and cannot be used is no fault of the request's words: 422, or 503 where time may heal it. */
static void fail_load(struct mlaas_call *call, const struct mlaas_error *error) {
  switch (error->status) {
  case MLAAS_ARGUMENT:
  case MLAAS_FORMAT:
  case MLAAS_CHECKSUM:
  case MLAAS_SCHEMA:
  case MLAAS_UNSUPPORTED:
  case MLAAS_STALE:
    refuse(call, 422, error);
    return;
  case MLAAS_NOT_FOUND:
    refuse(call, 404, error);
    return;
  default:
    refuse(call, 503, error);
  }
}

static void drop(struct mlaas_call *call) {
  if (call->instance)
    mlaas_instance_put(call->instance);
  call->instance = NULL;
}

/* ---- running ---- */

static void done(struct mlaas_infer *infer) {
  struct mlaas_call *call = infer->context;
  call->exchange->gone = NULL;
  if (infer->status == MLAAS_OK)
    call->encode(call);
  else
    mlaas_exchange_fail(call->exchange, &infer->error);
  drop(call);
}

static void cancel(struct mlaas_exchange *exchange) {
  struct mlaas_call *call = mlaas_visit_of(exchange)->user;
  exchange->gone = NULL;
  mlaas_infer_cancel(&call->infer); /* calls done */
}

static bool parse_ms(struct mlaas_slice text, int64_t *ms) {
  *ms = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || i > 8)
      return false;
    *ms = *ms * 10 + (text.data[i] - '0');
  }
  return text.size > 0;
}

/* When the answer has to be there; false if the header is no number. */
static bool deadline(const struct mlaas_call *call, int64_t *when) {
  struct mlaas_slice header = mlaas_request_header(&call->exchange->request, "X-Request-Timeout-Ms");
  int64_t ms = call->service->config.request_timeout_ms;
  if (header.data && !parse_ms(header, &ms))
    return false;
  *when = ms ? mlaas_now() + ms * 1000000 : 0;
  return true;
}

static enum mlaas_status prepare(struct mlaas_call *call, struct mlaas_error *error) {
  const struct mlaas_model *model = call->instance->model;
  MLAAS_TRY(call->decode(call, error));
  for (size_t i = 0; i < model->num_inputs; i++)
    MLAAS_TRY(mlaas_model_check_input(model, i, &call->inputs[i], error));
  if (!deadline(call, &call->infer.deadline))
    return mlaas_fail(error, MLAAS_ARGUMENT, "X-Request-Timeout-Ms has to be a number of milliseconds");
  return MLAAS_OK;
}

static void run(struct mlaas_call *call) {
  struct mlaas_error error;
  if (prepare(call, &error) != MLAAS_OK) {
    mlaas_exchange_fail(call->exchange, &error);
    drop(call);
    return;
  }
  call->infer.instance = call->instance;
  call->infer.inputs = call->inputs;
  call->infer.rows = call->rows;
  call->infer.done = done;
  call->infer.context = call;
  call->exchange->gone = cancel;
  struct mlaas_lane *lane = mlaas_service_lane(call->service, call->exchange);
  enum mlaas_status status = mlaas_batcher_submit(lane->batcher, &call->infer, &error);
  if (status == MLAAS_OK)
    return;
  call->exchange->gone = NULL;
  if (status == MLAAS_LIMIT) {
    mlaas_exchange_header(call->exchange, "Retry-After", "1");
    refuse(call, 429, &error);
  } else {
    mlaas_exchange_fail(call->exchange, &error);
  }
  drop(call);
}

/* ---- finding the model ---- */

static void loaded(void *context) {
  struct mlaas_call *call = context;
  if (call->waiter.status == MLAAS_OK)
    find(call);
  else
    fail_load(call, &call->waiter.error);
}

static void find(struct mlaas_call *call) {
  struct mlaas_error error;
  struct mlaas_repository *repository = call->service->repository;
  enum mlaas_status status = mlaas_repository_get(repository, call->model, call->version, &call->instance, &error);
  if (status == MLAAS_OK) {
    run(call);
  } else if (status == MLAAS_STATE) {
    call->instance = NULL;
    call->waiter = (struct mlaas_waiter){.loop = call->exchange->loop, .done = loaded, .context = call};
    mlaas_repository_load(repository, call->model, call->version, false, &call->waiter);
  } else {
    call->instance = NULL;
    fail_load(call, &error);
  }
}

/* The default model's name, copied to the arena; false if there is none. */
static bool take_default(struct mlaas_call *call) {
  char name[160];
  char *copy = NULL;
  if (mlaas_defaults_name(call->service->defaults, name, sizeof name))
    copy = mlaas_arena_strndup(&call->exchange->arena, name, strlen(name), NULL);
  call->model = mlaas_slice_of(copy);
  return copy != NULL;
}

void mlaas_call_start(struct mlaas_call *call) {
  struct mlaas_error error;
  mlaas_visit_of(call->exchange)->user = call;
  if (call->model.size == 0 && !take_default(call)) {
    mlaas_exchange_refuse(call->exchange, 400, "no model is named, and there is no default one");
    return;
  }
  if (mlaas_model_name_check(call->model, &error) != MLAAS_OK) {
    refuse(call, 400, &error);
    return;
  }
  find(call);
}
