/* A request on a connection that is kept takes nothing from the heap, once the pools are filled. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS = 0 };
static atomic_long the_mallocs;
#elif defined(__has_feature)
enum { COUNTS = 0 };
static atomic_long the_mallocs;
#else
enum { COUNTS = 1 };
static atomic_long the_mallocs;

/* glibc's own, under the names that it keeps for those who stand in front of it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  atomic_fetch_add(&the_mallocs, 1);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  atomic_fetch_add(&the_mallocs, 1);
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  atomic_fetch_add(&the_mallocs, 1);
  return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  atomic_fetch_add(&the_mallocs, 1);
  return __libc_memalign(alignment, size);
}
#endif

static char the_body[65536];

static void converse(int client, const char *text, size_t size, int count) {
  for (int i = 0; i < count; i++) {
    say_bytes(client, text, size);
    assert_int_equal(hear(client, the_body, sizeof the_body), 200);
  }
}

static void requests_take_nothing_from_the_heap(void **state) {
  (void)state;
  static char text[8][20000];
  memset(text, 'x', sizeof text);
  const char *heads[] = {
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 617\r\n\r\n",
      "GET /echo?a=b HTTP/1.1\r\nHost: a\r\nX-Request-Id: z\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
      "GET /headers HTTP/1.1\r\nHost: a\r\nX-Test: t\r\n\r\n", /* a reply from the arena */
      "GET /%65cho HTTP/1.1\r\nHost: a\r\n\r\n",               /* a path from the arena */
  };
  const size_t bodies[] = {617, 0, 1007, 0, 0};
  serve(&(struct mlaas_server_options){0});
  int client = dial();
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 5; i++) {
      size_t head = strlen(heads[i]);
      memcpy(text[i], heads[i], head);
      if (i == 2)
        memcpy(text[i] + head + 1000, "\r\n0\r\n\r\n", 7);
      converse(client, text[i], head + bodies[i], 20);
      long before = atomic_load(&the_mallocs);
      converse(client, text[i], head + bodies[i], 1000);
      assert_int_equal(atomic_load(&the_mallocs) - before, 0);
    }
  close(client);
  stop_serving();
}

int main(void) {
  long before = atomic_load(&the_mallocs);
  free(malloc(1));
  if (COUNTS && atomic_load(&the_mallocs) == before)
    return 1; /* the counter is not asked */
  const struct CMUnitTest tests[] = {cmocka_unit_test(requests_take_nothing_from_the_heap)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
