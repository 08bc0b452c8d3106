/* Put before a program by LD_PRELOAD: counts its allocations in the 8 bytes of the file $COUNT_ALLOCATIONS, where a
 * test reads them while the program runs. Must not allocate itself.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_long unseen;
static atomic_long *counter = &unseen;

__attribute__((constructor)) static void find_counter(void) {
  const char *path = getenv("COUNT_ALLOCATIONS");
  int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0)
    return;
  void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED)
    counter = shared;
  close(file);
}

static void count(void) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

SHOWN void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}

SHOWN void *calloc(size_t number, size_t size) {
  count();
  return __libc_calloc(number, size);
}

SHOWN void *realloc(void *old, size_t size) {
  count();
  return __libc_realloc(old, size);
}
