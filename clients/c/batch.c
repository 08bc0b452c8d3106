/* The events of one request, written as JSON while they are collected. Knows no server. */
#include "internal.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum kind { EMPTY, EVENTS, ROWS };

struct mlaas_client_batch {
  struct mlaas_client_buffer text; /* "[{...},{..." : the last event is open */
  size_t count;
  enum kind kind;
  bool open, first; /* an event is open; it has no value yet */
  struct mlaas_client_error error;
};

struct mlaas_client_batch *mlaas_client_batch_new(void) {
  return mlaas_client_alloc(sizeof(struct mlaas_client_batch));
}

void mlaas_client_batch_free(struct mlaas_client_batch *batch) {
  if (!batch)
    return;
  mlaas_client_buffer_reset(&batch->text);
  free(batch);
}

void mlaas_client_batch_clear(struct mlaas_client_batch *batch) {
  struct mlaas_client_buffer text = batch->text;
  text.size = 0;
  text.failed = false;
  *batch = (struct mlaas_client_batch){.text = text};
}

size_t mlaas_client_batch_count(const struct mlaas_client_batch *batch) { return batch->count; }

static void close_event(struct mlaas_client_batch *batch) {
  if (batch->open)
    mlaas_client_buffer_add(&batch->text, "}", 1);
  batch->open = false;
}

/* Ends the event before, and begins another member of the list. */
static void begin(struct mlaas_client_batch *batch, enum kind kind) {
  if (batch->kind != EMPTY && batch->kind != kind && !batch->error.status)
    mlaas_client_fail(&batch->error, MLAAS_CLIENT_ARGUMENT, "a batch has either events or rows, not both");
  close_event(batch);
  mlaas_client_buffer_add(&batch->text, batch->count ? "," : "[", 1);
  batch->kind = kind;
  batch->count++;
}

void mlaas_client_batch_event(struct mlaas_client_batch *batch) {
  begin(batch, EVENTS);
  mlaas_client_buffer_add(&batch->text, "{", 1);
  batch->open = batch->first = true;
}

void mlaas_client_batch_json(struct mlaas_client_batch *batch, const char *text, size_t length) {
  begin(batch, length && text[strspn(text, " \t\r\n")] == '[' ? ROWS : EVENTS);
  mlaas_client_buffer_add(&batch->text, text, length);
}

static bool name(struct mlaas_client_batch *batch, const char *key) {
  if (!batch->open) {
    if (!batch->error.status)
      mlaas_client_fail(&batch->error, MLAAS_CLIENT_ARGUMENT, "the value %s comes before the first event", key);
    return false;
  }
  if (!batch->first)
    mlaas_client_buffer_add(&batch->text, ",", 1);
  batch->first = false;
  mlaas_client_buffer_quote(&batch->text, key);
  mlaas_client_buffer_add(&batch->text, ":", 1);
  return true;
}

static void number(struct mlaas_client_batch *batch, const char *key, double value, int digits) {
  if (!mlaas_client_buffer_number(&batch->text, value, digits) && !batch->error.status)
    mlaas_client_fail(&batch->error, MLAAS_CLIENT_ARGUMENT,
                      "event %zu: %s is infinite, which JSON cannot say; send NaN for a missing value",
                      batch->count - 1, key);
}

static void comma(struct mlaas_client_batch *batch, size_t i) {
  if (i)
    mlaas_client_buffer_add(&batch->text, ",", 1);
}

void mlaas_client_batch_number(struct mlaas_client_batch *batch, const char *key, double value) {
  if (name(batch, key))
    number(batch, key, value, DBL_DECIMAL_DIG);
}

void mlaas_client_batch_float(struct mlaas_client_batch *batch, const char *key, float value) {
  if (name(batch, key))
    number(batch, key, (double)value, FLT_DECIMAL_DIG);
}

void mlaas_client_batch_integer(struct mlaas_client_batch *batch, const char *key, int64_t value) {
  if (name(batch, key))
    mlaas_client_buffer_integer(&batch->text, value);
}

void mlaas_client_batch_floats(struct mlaas_client_batch *batch, const char *key, const float *values, size_t count) {
  if (!name(batch, key))
    return;
  mlaas_client_buffer_add(&batch->text, "[", 1);
  for (size_t i = 0; i < count; i++) {
    comma(batch, i);
    number(batch, key, (double)values[i], FLT_DECIMAL_DIG);
  }
  mlaas_client_buffer_add(&batch->text, "]", 1);
}

void mlaas_client_batch_doubles(struct mlaas_client_batch *batch, const char *key, const double *values, size_t count) {
  if (!name(batch, key))
    return;
  mlaas_client_buffer_add(&batch->text, "[", 1);
  for (size_t i = 0; i < count; i++) {
    comma(batch, i);
    number(batch, key, values[i], DBL_DECIMAL_DIG);
  }
  mlaas_client_buffer_add(&batch->text, "]", 1);
}

void mlaas_client_batch_integers(struct mlaas_client_batch *batch, const char *key, const int64_t *values,
                                 size_t count) {
  if (!name(batch, key))
    return;
  mlaas_client_buffer_add(&batch->text, "[", 1);
  for (size_t i = 0; i < count; i++) {
    comma(batch, i);
    mlaas_client_buffer_integer(&batch->text, values[i]);
  }
  mlaas_client_buffer_add(&batch->text, "]", 1);
}

void mlaas_client_batch_row(struct mlaas_client_batch *batch, const float *values, size_t count) {
  begin(batch, ROWS);
  mlaas_client_buffer_add(&batch->text, "[", 1);
  for (size_t i = 0; i < count; i++) {
    comma(batch, i);
    number(batch, "a value", (double)values[i], FLT_DECIMAL_DIG);
  }
  mlaas_client_buffer_add(&batch->text, "]", 1);
}

enum mlaas_client_status mlaas_client_batch_write(const struct mlaas_client_batch *batch,
                                                  struct mlaas_client_buffer *to, struct mlaas_client_error *error) {
  if (batch->text.failed)
    return mlaas_client_no_memory(error);
  if (batch->error.status) {
    if (error)
      *error = batch->error;
    return batch->error.status;
  }
  if (batch->count == 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_ARGUMENT, "the batch has no events");
  mlaas_client_buffer_add(to, batch->text.data, batch->text.size);
  mlaas_client_buffer_text(to, batch->open ? "}]" : "]");
  return MLAAS_CLIENT_OK;
}
