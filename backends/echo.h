/* The model of the back ends `echo` and `slow`: it repeats what it is given, so tests can tell whose row is whose and
 * measurements see everything but a model. Must not know a framework.
 *
 * One input "x", float32 [rows, inputs], and one output "y", float32 [rows, outputs]: y[r][j] = x[r][j % width], where
 * width is what the request has; a row of no values gives zeros. Options, all whole numbers as texts:
 *   inputs   [1] width of x; 0: any
 *   outputs  [1] width of y
 *   rows     [-1] first length of both; -1: any. A fixed one makes a model whose rows cannot be joined.
 */
#ifndef BACKENDS_ECHO_H
#define BACKENDS_ECHO_H

#include <mlaas/backend.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { ECHO_WIDTH_MOST = 1 << 20, ECHO_ROWS_MOST = 1 << 20 };

/* Memory of one run's output. Kept for the next one: a run allocates nothing once enough of them are there. */
struct echo_buffer {
  struct echo_buffer *next;
  size_t size; /* of data */
  float data[];
};

struct echo_model {
  struct mlaas_tensor_info input, output;
  pthread_mutex_t lock;
  struct echo_buffer *idle; /* under the lock */
};

static inline enum mlaas_status echo_number(const struct mlaas_backend_option *option, long least, long most,
                                            long *number, struct mlaas_error *error) {
  char *end;
  *number = strtol(option->value, &end, 10);
  if (end == option->value || *end || *number < least || *number > most)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "option %.64s: expected a whole number of %ld to %ld, found %.64s",
                              option->key, least, most, option->value);
  return MLAAS_OK;
}

/* Whether the key is one of this model's; then *status says whether the value is good. */
static inline bool echo_option(struct echo_model *echo, const struct mlaas_backend_option *option,
                               enum mlaas_status *status, struct mlaas_error *error) {
  long number = 0;
  if (strcmp(option->key, "inputs") == 0) {
    *status = echo_number(option, 0, ECHO_WIDTH_MOST, &number, error);
    echo->input.shape[1] = number ? number : -1;
  } else if (strcmp(option->key, "outputs") == 0) {
    *status = echo_number(option, 1, ECHO_WIDTH_MOST, &number, error);
    echo->output.shape[1] = number;
  } else if (strcmp(option->key, "rows") == 0) {
    *status = echo_number(option, -1, ECHO_ROWS_MOST, &number, error);
    if (*status == MLAAS_OK && number == 0)
      *status = mlaas_backend_fail(error, MLAAS_ARGUMENT, "option rows: expected -1 or at least 1, found 0");
    echo->input.shape[0] = echo->output.shape[0] = number;
  } else {
    return false;
  }
  return true;
}

static inline enum mlaas_status echo_unknown(const struct mlaas_backend_option *option, const char *known,
                                             struct mlaas_error *error) {
  return mlaas_backend_fail(error, MLAAS_ARGUMENT, "unknown option %.64s; known are %s", option->key, known);
}

static inline enum mlaas_status echo_init(struct echo_model *echo, const struct mlaas_backend_config *config,
                                          struct mlaas_error *error) {
  if (!config->path || access(config->path, R_OK) != 0)
    return mlaas_backend_fail(error, MLAAS_NOT_FOUND, "there is no file %.512s", config->path ? config->path : "");
  echo->input = (struct mlaas_tensor_info){"x", MLAAS_DTYPE_FLOAT32, 2, {-1, 1}};
  echo->output = (struct mlaas_tensor_info){"y", MLAAS_DTYPE_FLOAT32, 2, {-1, 1}};
  echo->idle = NULL;
  pthread_mutex_init(&echo->lock, NULL);
  return MLAAS_OK;
}

static inline void echo_reset(struct echo_model *echo) {
  while (echo->idle) {
    struct echo_buffer *buffer = echo->idle;
    echo->idle = buffer->next;
    free(buffer);
  }
  pthread_mutex_destroy(&echo->lock);
}

/* An idle buffer of at least `size` bytes, or a new one. NULL when out of memory. */
static inline struct echo_buffer *echo_take(struct echo_model *echo, size_t size) {
  pthread_mutex_lock(&echo->lock);
  struct echo_buffer *buffer = echo->idle;
  if (buffer)
    echo->idle = buffer->next;
  pthread_mutex_unlock(&echo->lock);
  if (buffer && buffer->size >= size)
    return buffer;
  struct echo_buffer *larger = realloc(buffer, sizeof *buffer + size);
  if (larger)
    larger->size = size;
  else
    free(buffer);
  return larger;
}

static inline void echo_give(struct echo_model *echo, struct echo_buffer *buffer) {
  pthread_mutex_lock(&echo->lock);
  buffer->next = echo->idle;
  echo->idle = buffer;
  pthread_mutex_unlock(&echo->lock);
}

static inline enum mlaas_status echo_run(struct echo_model *echo, const struct mlaas_tensor *input,
                                         struct mlaas_tensor *output, void **held, struct mlaas_error *error) {
  int64_t rows = input->shape[0], width = input->shape[1], wanted = echo->output.shape[1];
  if (rows < 0 || rows > INT64_MAX / ((int64_t)sizeof(float) * wanted))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "too many rows: %lld", (long long)rows);
  size_t size = (size_t)(rows * wanted) * sizeof(float);
  struct echo_buffer *buffer = echo_take(echo, size);
  if (!buffer)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for an output of %zu bytes", size);
  const float *x = input->data;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0, k = 0; j < wanted; j++, k = k + 1 < width ? k + 1 : 0)
      buffer->data[r * wanted + j] = width > 0 ? x[r * width + k] : 0;
  *output = (struct mlaas_tensor){MLAAS_DTYPE_FLOAT32, 2, {rows, wanted}, buffer->data, size};
  *held = buffer;
  return MLAAS_OK;
}

#endif
