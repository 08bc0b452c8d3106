/* What the tests of batcher and executor share: a model whose runs are logged, held at a gate or made to fail; an
 * instance around it; loops with threads of their own that are told what to do; requests that check what they get.
 */
#ifndef TESTS_MODEL_BATCHING_H
#define TESTS_MODEL_BATCHING_H

#include "model/run/batcher.h"
#include "model/run/runners.h"

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIDTH_MOST = 4, ROWS_MOST = 64, LOG_MOST = 4096 };

/* ---- the model: y[r] = 2 x[r][0] + width of x; texts come back as they are ---- */

struct fake {
  struct mlaas_tensor_info input, output;
  pthread_mutex_t lock;
  pthread_cond_t moved;
  bool closed; /* runs wait */
  int inside;  /* runs that wait or compute */
  int most_inside;
  int num_runs, num_held;
  int rows[LOG_MOST]; /* of each run */
};

/* What a run gave out; freed at release, so that nobody can use it longer unseen. */
struct held {
  struct held *next; /* idle ones of the pool */
  float y[ROWS_MOST];
  struct mlaas_blob bytes[ROWS_MOST];
  char *text;
};

static inline enum mlaas_status run_texts(const struct mlaas_tensor *in, struct mlaas_tensor *out, struct held *held) {
  size_t total = 0, count = in->size / sizeof(struct mlaas_blob);
  const struct mlaas_blob *x = in->data;
  for (size_t i = 0; i < count; i++)
    total += x[i].size;
  char *to = held->text = malloc(total + 1);
  for (size_t i = 0; i < count; i++) {
    held->bytes[i] = (struct mlaas_blob){to, x[i].size};
    memcpy(to, x[i].data, x[i].size);
    to += x[i].size;
  }
  *out = (struct mlaas_tensor){MLAAS_DTYPE_BYTES, 1, {in->shape[0]}, held->bytes, in->size};
  return MLAAS_OK;
}

static inline enum mlaas_status run_floats(const struct mlaas_tensor *in, struct mlaas_tensor *out, struct held *held,
                                           struct mlaas_error *error) {
  const float *x = in->data;
  int64_t rows = in->shape[0], width = in->shape[1];
  for (int64_t r = 0; r < rows; r++) {
    if (isnan(x[r * width]))
      return mlaas_backend_fail(error, MLAAS_ARGUMENT, "a NaN it does not take");
    held->y[r] = 2 * x[r * width] + (float)width;
  }
  *out = (struct mlaas_tensor){MLAAS_DTYPE_FLOAT32, 1, {rows}, held->y, (size_t)rows * sizeof(float)};
  return MLAAS_OK;
}

static inline void log_run(struct fake *fake, int rows) {
  pthread_mutex_lock(&fake->lock);
  fake->rows[fake->num_runs++ % LOG_MOST] = rows;
  if (++fake->inside > fake->most_inside)
    fake->most_inside = fake->inside;
  pthread_cond_broadcast(&fake->moved);
  while (fake->closed)
    pthread_cond_wait(&fake->moved, &fake->lock);
  fake->inside--;
  pthread_cond_broadcast(&fake->moved);
  pthread_mutex_unlock(&fake->lock);
}

static inline enum mlaas_status fake_run(void *model, const struct mlaas_tensor *in, struct mlaas_tensor *out,
                                         void **held, struct mlaas_error *error) {
  struct fake *fake = model;
  log_run(fake, (int)in->shape[0]);
  struct held *mine = calloc(1, sizeof *mine);
  enum mlaas_status status =
      in->dtype == MLAAS_DTYPE_BYTES ? run_texts(in, out, mine) : run_floats(in, out, mine, error);
  if (status != MLAAS_OK) {
    free(mine);
    return status;
  }
  pthread_mutex_lock(&fake->lock);
  fake->num_held++;
  pthread_mutex_unlock(&fake->lock);
  *held = mine;
  return MLAAS_OK;
}

static inline void fake_release(void *model, void *held) {
  struct fake *fake = model;
  free(((struct held *)held)->text);
  free(held);
  pthread_mutex_lock(&fake->lock);
  fake->num_held--;
  pthread_cond_broadcast(&fake->moved);
  pthread_mutex_unlock(&fake->lock);
}

static inline void move_gate(struct fake *fake, bool closed) {
  pthread_mutex_lock(&fake->lock);
  fake->closed = closed;
  pthread_cond_broadcast(&fake->moved);
  pthread_mutex_unlock(&fake->lock);
}

static inline void wait_inside(struct fake *fake, int inside) {
  pthread_mutex_lock(&fake->lock);
  while (fake->inside != inside)
    pthread_cond_wait(&fake->moved, &fake->lock);
  pthread_mutex_unlock(&fake->lock);
}

static inline int num_runs(struct fake *fake) {
  pthread_mutex_lock(&fake->lock);
  int count = fake->num_runs;
  pthread_mutex_unlock(&fake->lock);
  return count;
}

/* ---- the instance ---- */

struct subject {
  struct fake fake;
  struct mlaas_model model;
  struct mlaas_instance instance;
  atomic_long count; /* of the instance, beside what requests have */
};

/* The repository's part. */
struct mlaas_instance *mlaas_instance_get(struct mlaas_instance *instance) {
  atomic_fetch_add((atomic_long *)instance->extra, 1);
  return instance;
}

void mlaas_instance_put(struct mlaas_instance *instance) { atomic_fetch_sub((atomic_long *)instance->extra, 1); }

static const struct mlaas_backend fake_backend = {.name = "fake", .run = fake_run, .release = fake_release};

/* Joining costs nothing extra: all that waits is one run of at most `most`. */
static inline void make_subject(struct subject *subject, int most) {
  *subject = (struct subject){0};
  pthread_mutex_init(&subject->fake.lock, NULL);
  pthread_cond_init(&subject->fake.moved, NULL);
  subject->fake.input = (struct mlaas_tensor_info){"x", MLAAS_DTYPE_FLOAT32, 2, {-1, -1}};
  subject->fake.output = (struct mlaas_tensor_info){"y", MLAAS_DTYPE_FLOAT32, 1, {-1}};
  subject->model = (struct mlaas_model){.backend = &fake_backend,
                                        .opened = &subject->fake,
                                        .inputs = &subject->fake.input,
                                        .num_inputs = 1,
                                        .outputs = &subject->fake.output,
                                        .num_outputs = 1,
                                        .batchable = true};
  subject->instance.name = "fake";
  subject->instance.version = 1;
  subject->instance.model = &subject->model;
  subject->instance.extra = &subject->count;
  subject->instance.timing.most = most;
  for (int n = 1; n <= most; n++)
    subject->instance.timing.cost[n] = 1000;
  mlaas_timing_plan(&subject->instance.timing);
}

/* Everything came back: memory of runs, counts, waiting. */
static inline void check_subject(struct subject *subject) {
  pthread_mutex_lock(&subject->fake.lock);
  while (subject->fake.num_held > 0)
    pthread_cond_wait(&subject->fake.moved, &subject->fake.lock);
  pthread_mutex_unlock(&subject->fake.lock);
  assert_int_equal(subject->instance.stats.waiting, 0);
  for (int i = 0; i < 60000 && atomic_load(&subject->count) > 0; i++)
    usleep(1000); /* a runner's last step */
  assert_int_equal(atomic_load(&subject->count), 0);
  pthread_mutex_destroy(&subject->fake.lock);
  pthread_cond_destroy(&subject->fake.moved);
}

/* ---- a loop with a thread of its own ---- */

static atomic_int the_order; /* in which requests are done */

struct side {
  struct mlaas_loop *loop;
  struct mlaas_batcher *batcher;
  pthread_t thread;
  bool submitting;
};

struct errand {
  struct mlaas_post post;
  void (*work)(struct side *side, void *argument);
  struct side *side;
  void *argument;
  sem_t done;
};

static inline void run_errand(void *context) {
  struct errand *errand = context;
  errand->work(errand->side, errand->argument);
  sem_post(&errand->done);
}

static inline void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0)
    ;
}

/* On the loop's thread; returns when it is done. */
static inline void tell(struct side *side, void (*work)(struct side *side, void *argument), void *argument) {
  struct errand errand = {.work = work, .side = side, .argument = argument};
  errand.post = (struct mlaas_post){.task = run_errand, .context = &errand};
  sem_init(&errand.done, 0, 0);
  mlaas_loop_post(side->loop, &errand.post);
  wait_for(&errand.done);
  sem_destroy(&errand.done);
}

static inline void *side_main(void *argument) {
  mlaas_loop_run(((struct side *)argument)->loop);
  return NULL;
}

static inline void open_side(struct side *side, int index) {
  *side = (struct side){0};
  atomic_store(&the_order, 0);
  assert_int_equal(mlaas_loop_new(index, &side->loop, NULL), MLAAS_OK);
  assert_int_equal(mlaas_batcher_new(side->loop, &side->batcher, NULL), MLAAS_OK);
  assert_int_equal(pthread_create(&side->thread, NULL, side_main, side), 0);
}

static inline void close_side(struct side *side) {
  mlaas_loop_stop(side->loop);
  pthread_join(side->thread, NULL);
  mlaas_batcher_free(side->batcher);
  mlaas_loop_free(side->loop);
}

/* ---- requests ---- */

struct request {
  struct mlaas_infer infer;
  struct mlaas_tensor input;
  struct side *side;
  float *x, *y;
  int64_t rows, y_rows;
  enum mlaas_status submitted, status;
  char message[128];
  int calls, order;
  bool inside_submit;
  struct request *cancels; /* when it is done */
  sem_t done;
};

/* Of a text that does not end with a zero. */
static inline float number_of(struct mlaas_blob text) {
  char copy[32] = "";
  memcpy(copy, text.data, text.size < sizeof copy ? text.size : sizeof copy - 1);
  return (float)strtol(copy, NULL, 10);
}

static inline void on_done(struct mlaas_infer *infer) {
  struct request *request = infer->context;
  request->calls++;
  request->order = ++the_order;
  request->status = infer->status;
  request->inside_submit |= request->side->submitting || !mlaas_loop_here(request->side->loop);
  if (infer->status == MLAAS_OK) {
    request->y_rows = infer->outputs[0].shape[0];
    for (int64_t r = 0; r < request->y_rows && infer->outputs[0].dtype == MLAAS_DTYPE_FLOAT32; r++)
      request->y[r] = ((const float *)infer->outputs[0].data)[r];
    const struct mlaas_blob *texts = infer->outputs[0].data;
    for (int64_t r = 0; r < request->y_rows && infer->outputs[0].dtype == MLAAS_DTYPE_BYTES; r++)
      request->y[r] = number_of(texts[r]);
  } else {
    snprintf(request->message, sizeof request->message, "%s", infer->error.message);
  }
  if (request->cancels)
    mlaas_infer_cancel(&request->cancels->infer);
  sem_post(&request->done);
}

/* x[r][0] = begin + r. */
static inline struct request *new_request(struct subject *subject, int64_t rows, int64_t width, float begin) {
  struct request *request = calloc(1, sizeof *request);
  request->rows = rows;
  request->x = calloc((size_t)(rows * width), sizeof(float));
  request->y = calloc((size_t)rows, sizeof(float));
  for (int64_t r = 0; r < rows; r++)
    request->x[r * width] = begin + (float)r;
  request->input =
      (struct mlaas_tensor){MLAAS_DTYPE_FLOAT32, 2, {rows, width}, request->x, (size_t)(rows * width) * sizeof(float)};
  request->infer = (struct mlaas_infer){
      .instance = &subject->instance, .inputs = &request->input, .rows = rows, .done = on_done, .context = request};
  sem_init(&request->done, 0, 0);
  return request;
}

static inline void do_submit(struct side *side, void *argument) {
  side->submitting = true;
  for (struct request **list = argument; *list; list++) {
    struct mlaas_error error = {.message = ""};
    (*list)->side = side;
    (*list)->submitted = mlaas_batcher_submit(side->batcher, &(*list)->infer, &error);
    if ((*list)->submitted != MLAAS_OK)
      snprintf((*list)->message, sizeof(*list)->message, "%s", error.message);
  }
  side->submitting = false;
}

/* In one round of the loop. */
#define SUBMIT(side, ...) tell(side, do_submit, (struct request *[]){__VA_ARGS__, NULL})

static inline void do_cancel(struct side *side, void *argument) {
  (void)side;
  mlaas_infer_cancel(argument);
}

static inline void cancel(struct request *request) { tell(request->side, do_cancel, &request->infer); }

/* Its memory is scribbled over, as a connection that is gone does. */
static inline void free_request(struct request *request) {
  for (int64_t i = 0; i < (int64_t)(request->input.size / sizeof(float)); i++)
    request->x[i] = NAN;
  free(request->x);
  free(request->y);
  sem_destroy(&request->done);
  free(request);
}

/* Waits for the end, checks and frees. */
static inline void expect(struct request *request, enum mlaas_status status) {
  wait_for(&request->done);
  assert_int_equal(request->status, status);
  assert_int_equal(request->calls, 1);
  assert_false(request->inside_submit);
  if (status == MLAAS_OK) {
    assert_int_equal(request->y_rows, request->rows);
    assert_true(request->infer.compute_ns > 0);
    assert_true(request->infer.queued_ns >= 0);
    int64_t width = request->input.shape[1];
    for (int64_t r = 0; r < request->rows && request->input.dtype == MLAAS_DTYPE_FLOAT32; r++)
      assert_true(request->y[r] == 2 * request->x[r * width] + (float)width);
  } else {
    assert_true(request->message[0] != 0);
  }
  free_request(request);
}

#endif
