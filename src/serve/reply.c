/* Replies that several dialects give, and work away from the loop. Knows no route. */
#include "base/error.h"
#include "serve/service.h"

#include <string.h>

static int append(const char *text, size_t size, void *context) {
  struct mlaas_slice *room = context; /* what is left of the buffer */
  if (size > room->size)
    return -1;
  memcpy((char *)(uintptr_t)room->data, text, size);
  room->data += size;
  room->size -= size;
  return 0;
}

void mlaas_reply_json(struct mlaas_exchange *exchange, int status, json_t *json) {
  enum { FLAGS = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) };
  size_t size = json ? json_dumpb(json, NULL, 0, FLAGS) : 0;
  char *text = size ? mlaas_arena_alloc(&exchange->arena, size + 1, 1, NULL) : NULL;
  struct mlaas_slice room = {text, size};
  bool good = text && json_dump_callback(json, append, &room, FLAGS) == 0;
  json_decref(json);
  if (!good) {
    mlaas_exchange_refuse(exchange, 503, "out of memory for the reply");
    return;
  }
  text[size] = '\n';
  mlaas_exchange_reply(exchange, status, "application/json", (struct mlaas_slice){text, size + 1});
}

/* ---- errands ---- */

static void work(void *context) {
  struct mlaas_errand *errand = context;
  errand->work(errand);
}

static void done(void *context) {
  struct mlaas_errand *errand = context;
  if (errand->done)
    errand->done(errand);
  else if (errand->status != MLAAS_OK)
    mlaas_exchange_fail(errand->exchange, &errand->error);
  else
    mlaas_exchange_reply(errand->exchange, 200, NULL, MLAAS_SLICE(""));
}

void mlaas_errand_start(struct mlaas_errand *errand) {
  struct mlaas_error error; /* the errand's own belongs to the worker from here on */
  enum mlaas_status status = mlaas_loop_work(errand->exchange->loop, work, done, errand, &error);
  if (status != MLAAS_OK) {
    errand->status = status;
    errand->error = error;
    done(errand); /* which also gives back what the errand holds */
  }
}
