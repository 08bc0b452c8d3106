/* Plain heap with a switch to make it fail, and arenas. The budget is in budget.c. */
#include "base/memory.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_countdown;
static atomic_bool fail_sticky;

void mlaas_memory_fail(long n, bool sticky) {
  atomic_store(&fail_sticky, sticky);
  atomic_store(&fail_countdown, n);
}

bool mlaas_memory_fails_now(void) {
  long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  if (left == 0)
    return false;
  left = atomic_fetch_sub(&fail_countdown, 1) - 1;
  if (left > 0)
    return false;
  if (left == 0 && atomic_load(&fail_sticky))
    atomic_store(&fail_countdown, 1);
  else if (left < 0)
    atomic_store(&fail_countdown, 0); /* another thread took the failing one */
  return left == 0;
}

void *mlaas_alloc(size_t size) { return mlaas_memory_fails_now() ? NULL : calloc(1, size ? size : 1); }

void *mlaas_realloc(void *old, size_t size) { return mlaas_memory_fails_now() ? NULL : realloc(old, size ? size : 1); }

void mlaas_free(void *pointer) { free(pointer); }

char *mlaas_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = mlaas_alloc(size);
  return copy ? memcpy(copy, text, size) : NULL;
}

/* ---- arena: a list of blocks, the newest first; pieces are cut from its front ---- */

enum { CHUNK_BYTES = 32 << 10, ALIGN = 16 };

struct mlaas_arena_chunk {
  struct mlaas_block block;
  struct mlaas_arena_chunk *next;
  char pad[8]; /* the pieces behind stay aligned */
};

void mlaas_arena_init(struct mlaas_arena *arena, struct mlaas_budget *budget) {
  *arena = (struct mlaas_arena){.budget = budget};
}

void mlaas_arena_reset(struct mlaas_arena *arena) {
  while (arena->chunks) {
    struct mlaas_block block = arena->chunks->block; /* the chunk lives in its own block */
    arena->chunks = arena->chunks->next;
    mlaas_block_reset(&block);
  }
  arena->used = arena->room = 0;
}

void mlaas_arena_clear(struct mlaas_arena *arena) {
  struct mlaas_arena_chunk *kept = NULL;
  while (arena->chunks) {
    struct mlaas_arena_chunk *chunk = arena->chunks;
    arena->chunks = chunk->next;
    if (!kept && chunk->block.size == CHUNK_BYTES) {
      kept = chunk;
      continue;
    }
    struct mlaas_block block = chunk->block;
    mlaas_block_reset(&block);
  }
  if (kept)
    kept->next = NULL;
  arena->chunks = kept;
  arena->used = 0;
  arena->room = kept ? CHUNK_BYTES - sizeof *kept : 0;
}

static enum mlaas_status add_chunk(struct mlaas_arena *arena, size_t size, struct mlaas_error *error) {
  size_t room = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES - sizeof(struct mlaas_arena_chunk);
  struct mlaas_block block = {0};
  MLAAS_TRY(mlaas_block_new(arena->budget, (int64_t)(room + sizeof(struct mlaas_arena_chunk)), &block, error));
  struct mlaas_arena_chunk *chunk = block.data;
  chunk->block = block;
  chunk->next = arena->chunks;
  arena->chunks = chunk;
  arena->used = 0;
  arena->room = room;
  return MLAAS_OK;
}

void *mlaas_arena_alloc(struct mlaas_arena *arena, size_t count, size_t size, struct mlaas_error *error) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > (size_t)INT64_MAX / 2) {
    mlaas_fail(error, MLAAS_LIMIT, "%zu items of %zu bytes are more than memory can hold", count, size);
    return NULL;
  }
  bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN; /* nothing has an address too */
  if (arena->room - arena->used < bytes && add_chunk(arena, bytes, error) != MLAAS_OK)
    return NULL;
  void *piece = (char *)(arena->chunks + 1) + arena->used;
  arena->used += bytes;
  return memset(piece, 0, bytes);
}

char *mlaas_arena_strndup(struct mlaas_arena *arena, const char *text, size_t length, struct mlaas_error *error) {
  char *copy = mlaas_arena_alloc(arena, length + 1, 1, error);
  return copy && length ? memcpy(copy, text, length) : copy;
}

char *mlaas_arena_format(struct mlaas_arena *arena, struct mlaas_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = mlaas_arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1, 1, error);
  if (text && length > 0) {
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
  }
  return text;
}
