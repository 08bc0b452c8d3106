/* A loop on a thread of its own, and loads that are waited for. Include after cmocka.h. */
#ifndef MLAAS_TESTS_MODEL_WAITING_H
#define MLAAS_TESTS_MODEL_WAITING_H

#include "model/repository/repository.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

struct waiting_loop {
  struct mlaas_loop *loop;
  pthread_t thread;
};

__attribute__((unused)) static void *waiting_run(void *context) {
  mlaas_loop_run(((struct waiting_loop *)context)->loop);
  return NULL;
}

__attribute__((unused)) static void waiting_begin(struct waiting_loop *waiting) {
  assert_int_equal(mlaas_loop_new(0, &waiting->loop, NULL), MLAAS_OK);
  assert_int_equal(pthread_create(&waiting->thread, NULL, waiting_run, waiting), 0);
}

__attribute__((unused)) static void waiting_end(struct waiting_loop *waiting) {
  mlaas_loop_stop(waiting->loop);
  pthread_join(waiting->thread, NULL);
  mlaas_loop_free(waiting->loop);
}

struct waiting_load {
  struct mlaas_waiter waiter;
  pthread_mutex_t lock;
  pthread_cond_t cond;
  bool done;
};

__attribute__((unused)) static void waiting_done(void *context) {
  struct waiting_load *load = context;
  pthread_mutex_lock(&load->lock);
  load->done = true;
  pthread_cond_signal(&load->cond);
  pthread_mutex_unlock(&load->lock);
}

__attribute__((unused)) static void waiting_start(struct waiting_loop *waiting, struct waiting_load *load,
                                                  struct mlaas_repository *repository, const char *name,
                                                  int64_t version, bool again) {
  *load = (struct waiting_load){.waiter = {.loop = waiting->loop, .done = waiting_done, .context = load}};
  pthread_mutex_init(&load->lock, NULL);
  pthread_cond_init(&load->cond, NULL);
  mlaas_repository_load(repository, mlaas_slice_of(name), version, again, &load->waiter);
}

__attribute__((unused)) static enum mlaas_status waiting_finish(struct waiting_load *load, struct mlaas_error *error) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  pthread_mutex_lock(&load->lock);
  int failed = 0;
  while (!load->done && !failed)
    failed = pthread_cond_timedwait(&load->cond, &load->lock, &until);
  pthread_mutex_unlock(&load->lock);
  assert_int_equal(failed, 0); /* nobody answered */
  pthread_mutex_destroy(&load->lock);
  pthread_cond_destroy(&load->cond);
  *error = load->waiter.error;
  return load->waiter.status;
}

__attribute__((unused)) static enum mlaas_status waiting_load(struct waiting_loop *waiting,
                                                              struct mlaas_repository *repository, const char *name,
                                                              int64_t version, bool again, struct mlaas_error *error) {
  struct waiting_load load;
  waiting_start(waiting, &load, repository, name, version, again);
  return waiting_finish(&load, error);
}

/* Gives an instance back a little later, on another thread. */
struct put_later {
  struct mlaas_instance *instance;
  pthread_t thread;
};

__attribute__((unused)) static void *put_later_run(void *context) {
  usleep(100000);
  mlaas_instance_put(((struct put_later *)context)->instance);
  return NULL;
}

__attribute__((unused)) static void put_later_start(struct put_later *later) {
  assert_int_equal(pthread_create(&later->thread, NULL, put_later_run, later), 0);
}

__attribute__((unused)) static void put_later_join(struct put_later *later) { pthread_join(later->thread, NULL); }

#endif
