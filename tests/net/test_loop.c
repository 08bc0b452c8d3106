/* The loop: posts of many threads in their order, work on other threads, tasks behind every round, and its end. */
#include "base/memory.h"
#include "net/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

enum { POSTERS = 4, POSTS = 5000 };

struct poster {
  struct mlaas_loop *loop;
  struct mlaas_post posts[POSTS];
  int numbers[POSTS];
  int next, wrong; /* the loop's thread */
};

static struct poster the_posters[POSTERS];
static int the_rounds, the_left;

static void take(void *context) {
  int *number = context;
  struct poster *poster = NULL;
  for (int i = 0; i < POSTERS; i++)
    if (number >= the_posters[i].numbers && number < the_posters[i].numbers + POSTS)
      poster = &the_posters[i];
  poster->wrong += *number != poster->next || !mlaas_loop_here(poster->loop);
  poster->next++;
  if (--the_left == 0)
    mlaas_loop_stop(poster->loop);
}

static void *post_all(void *context) {
  struct poster *poster = context;
  for (int i = 0; i < POSTS; i++) {
    poster->numbers[i] = i;
    poster->posts[i] = (struct mlaas_post){.task = take, .context = &poster->numbers[i]};
    mlaas_loop_post(poster->loop, &poster->posts[i]);
  }
  return NULL;
}

static void count_round(void *context) { ++*(int *)context; }

static struct mlaas_loop *new_loop(int index) {
  struct mlaas_loop *loop = NULL;
  assert_int_equal(mlaas_loop_new(index, &loop, NULL), MLAAS_OK);
  assert_int_equal(mlaas_loop_index(loop), index);
  return loop;
}

static void posts_of_a_thread_keep_their_order(void **state) {
  (void)state;
  pthread_t threads[POSTERS];
  struct mlaas_loop *loop = new_loop(3);
  the_left = POSTERS * POSTS;
  the_rounds = 0;
  mlaas_loop_after_round(loop, count_round, &the_rounds);
  assert_false(mlaas_loop_here(loop));
  for (int i = 0; i < POSTERS; i++) {
    the_posters[i].loop = loop;
    the_posters[i].next = the_posters[i].wrong = 0;
    assert_int_equal(pthread_create(&threads[i], NULL, post_all, &the_posters[i]), 0);
  }
  mlaas_loop_run(loop);
  for (int i = 0; i < POSTERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(the_posters[i].next, POSTS);
    assert_int_equal(the_posters[i].wrong, 0);
  }
  assert_true(the_rounds > 0);
  mlaas_loop_free(loop);
}

/* What a task of a post does to a task of rounds that is freed with its owner. */
static void go_away(void *context) {
  struct mlaas_loop *loop = context;
  mlaas_loop_forget_round(loop, count_round, &the_rounds);
  the_rounds = 0;
  mlaas_loop_stop(loop);
}

static void rounds_end_for_who_goes_away(void **state) {
  (void)state;
  static int others;
  struct mlaas_loop *loop = new_loop(0);
  struct mlaas_post post = {.task = go_away, .context = loop};
  mlaas_loop_after_round(loop, count_round, &the_rounds);
  mlaas_loop_after_round(loop, count_round, &others);
  mlaas_loop_post(loop, &post);
  others = 0;
  mlaas_loop_run(loop);
  assert_int_equal(the_rounds, 0);
  assert_true(others > 0);
  mlaas_loop_free(loop);
}

/* ---- work ---- */

struct errand {
  struct mlaas_loop *loop;
  pthread_t worked, done;
  int left;
};

static void work(void *context) { ((struct errand *)context)->worked = pthread_self(); }

static void end_errand(void *context) {
  struct errand *errand = context;
  errand->done = pthread_self();
  mlaas_loop_stop(errand->loop);
}

static void start_errand(void *context) {
  struct errand *errand = context;
  assert_int_equal(mlaas_loop_work(errand->loop, work, end_errand, errand, NULL), MLAAS_OK);
}

static void work_runs_elsewhere_and_ends_here(void **state) {
  (void)state;
  struct errand errand = {.loop = new_loop(0)};
  struct mlaas_post post = {.task = start_errand, .context = &errand};
  mlaas_loop_post(errand.loop, &post); /* before it runs */
  mlaas_loop_run(errand.loop);
  assert_true(pthread_equal(errand.done, pthread_self()));
  assert_false(pthread_equal(errand.worked, pthread_self()));
  mlaas_loop_free(errand.loop);
}

static void work_without_memory_is_refused(void **state) {
  (void)state;
  struct errand errand = {.loop = new_loop(0)};
  mlaas_memory_fail(1, false);
  assert_int_equal(mlaas_loop_work(errand.loop, work, end_errand, &errand, NULL), MLAAS_MEMORY);
  struct mlaas_loop *none = NULL;
  mlaas_memory_fail(1, false);
  assert_int_equal(mlaas_loop_new(0, &none, NULL), MLAAS_MEMORY);
  assert_null(none);
  mlaas_memory_fail(0, false);
  mlaas_loop_free(errand.loop);
  mlaas_loop_free(NULL);
}

/* ---- rounds ---- */

struct rounds {
  struct mlaas_loop *loop;
  uv_timer_t timer;
  int queued, handled, agains;
  bool timed;
};

/* What a task leaves behind is taken up before the loop sleeps, also when it came from a timer. */
static void empty_queue(void *context) {
  struct rounds *rounds = context;
  if (!rounds->queued)
    return;
  rounds->queued--;
  rounds->handled++;
  if (rounds->queued) {
    rounds->agains++;
    mlaas_loop_again(rounds->loop);
  } else if (rounds->timed) {
    mlaas_loop_stop(rounds->loop);
  }
}

static void on_timer(uv_timer_t *timer) {
  struct rounds *rounds = timer->data;
  rounds->queued = 5;
  rounds->timed = true;
  uv_close((uv_handle_t *)timer, NULL);
}

static void a_task_may_ask_for_another_turn(void **state) {
  (void)state;
  struct rounds rounds = {.loop = new_loop(0), .queued = 3};
  mlaas_loop_after_round(rounds.loop, empty_queue, &rounds);
  uv_timer_init(mlaas_loop_uv(rounds.loop), &rounds.timer);
  rounds.timer.data = &rounds;
  uv_timer_start(&rounds.timer, on_timer, 10, 0);
  mlaas_loop_run(rounds.loop); /* does not end if the five wait for another event */
  assert_int_equal(rounds.handled, 8);
  assert_int_equal(rounds.agains, 6);
  mlaas_loop_free(rounds.loop);
}

static void *stop_it(void *context) {
  mlaas_loop_stop(context);
  mlaas_loop_stop(context);
  return NULL;
}

static void it_is_stopped_from_anywhere(void **state) {
  (void)state;
  for (int i = 0; i < 50; i++) {
    pthread_t thread;
    struct mlaas_loop *loop = new_loop(0);
    assert_int_equal(pthread_create(&thread, NULL, stop_it, loop), 0);
    mlaas_loop_run(loop);
    pthread_join(thread, NULL);
    mlaas_loop_free(loop);
  }
  mlaas_loop_free(new_loop(1)); /* never run */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(posts_of_a_thread_keep_their_order), cmocka_unit_test(work_runs_elsewhere_and_ends_here),
      cmocka_unit_test(work_without_memory_is_refused),     cmocka_unit_test(a_task_may_ask_for_another_turn),
      cmocka_unit_test(it_is_stopped_from_anywhere),        cmocka_unit_test(rounds_end_for_who_goes_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
