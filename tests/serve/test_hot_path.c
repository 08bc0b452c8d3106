/* A prediction on a connection that is kept takes nothing from the heap, once everything is warm. */
#define _GNU_SOURCE /* strcasestr */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static atomic_long taken;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
enum { COUNTS = 0 };
#else
enum { COUNTS = 1 };

/* glibc's own, under the names that it keeps for those who stand in front of it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  atomic_fetch_add(&taken, 1);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  atomic_fetch_add(&taken, 1);
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  atomic_fetch_add(&taken, 1);
  return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  atomic_fetch_add(&taken, 1);
  return __libc_memalign(alignment, size);
}
#endif

static int start(void **state) {
  (void)state;
  start_service((const char *const[]){"rate", "1000000-S", NULL}); /* with limits, metrics and log */
  return 0;
}

static int stop(void **state) {
  (void)state;
  stop_service();
  return 0;
}

static void converse(const char *path, const char *body, size_t size, int count) {
  for (int i = 0; i < count; i++)
    assert_int_equal(ask("POST", path, "User-Agent: test\r\nContent-Type: application/json\r\n", body, size), 200);
}

static void predictions_take_nothing_from_the_heap(void **state) {
  (void)state;
  static const char row[] = "\x12\x10\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\xc0\x3f\x1a\x04"
                            "echo";
  static const char *const bodies[] = {
      "{\"keys\":[\"a\",\"b\",\"c\",\"d\"],\"values\":[0.5123,1e-3,-7.25,3],\"model\":\"echo\"}",
      "{\"events\":[[1,2,3,4],[5,6,7,8]],\"model\":\"echo\"}",
      "{\"keys\":[\"n\",\"pt\",\"jet\"],\"values\":[3,45.5,[100,200]],\"model\":\"raw\"}",
  };
  for (size_t i = 0; i < 4; i++) {
    const char *path = i < 3 ? "/json" : "/proto", *body = i < 3 ? bodies[i] : row;
    size_t size = i < 3 ? strlen(body) : sizeof row - 1;
    converse(path, body, size, 50);
    long before = atomic_load(&taken);
    converse(path, body, size, 500);
    if (COUNTS)
      assert_int_equal(atomic_load(&taken) - before, 0);
  }
  assert_true(!COUNTS || atomic_load(&taken) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(predictions_take_nothing_from_the_heap, start, stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
