/* Memory under a ceiling: blocks and arenas that are counted, and the door through which allocations fail in tests.
 * All memory whose size depends on a file, a request or an option comes from here.
 */
#ifndef MLAAS_BASE_MEMORY_H
#define MLAAS_BASE_MEMORY_H

#include <mlaas/status.h>
#include <stdbool.h>

/* ---- plain heap, for small things of fixed size; may be made to fail ---- */

void *mlaas_alloc(size_t size);              /* zeroed; NULL when out of memory */
void *mlaas_realloc(void *old, size_t size); /* content kept, new part not zeroed; old stays valid on NULL */
void mlaas_free(void *pointer);
char *mlaas_strdup(const char *text);

/* Tests only: the n-th allocation from now fails, and with `sticky` all after it; 0 switches it off. Covers budgets. */
void mlaas_memory_fail(long n, bool sticky);

/* Shared inside base/ only: true when this allocation has to fail. */
bool mlaas_memory_fails_now(void);

/* ---- budget: a ceiling in bytes shared by many threads ---- */

struct mlaas_budget;

/* Counted: new has one count. */
struct mlaas_budget *mlaas_budget_new(int64_t ceiling);
struct mlaas_budget *mlaas_budget_get(struct mlaas_budget *budget);
void mlaas_budget_put(struct mlaas_budget *budget);
int64_t mlaas_budget_ceiling(const struct mlaas_budget *budget);
int64_t mlaas_budget_held(struct mlaas_budget *budget); /* without freed blocks kept for reuse */
int64_t mlaas_budget_peak(struct mlaas_budget *budget);
/* Counts bytes that somebody else allocates (a codec's context): LIMIT beyond the ceiling. */
enum mlaas_status mlaas_budget_claim(struct mlaas_budget *budget, int64_t size, struct mlaas_error *error);
void mlaas_budget_return(struct mlaas_budget *budget, int64_t size);
/* Somebody who can do without some of what he holds; his memory. */
struct mlaas_need {
  void (*let_go)(void *context, int64_t size); /* must not take memory of the budget */
  void *context;
  struct mlaas_need *next; /* private */
};
/* From now on it is asked, after those that came later and only if these did not do, by whoever finds no room for
 * `size` bytes. */
void mlaas_budget_add_need(struct mlaas_budget *budget, struct mlaas_need *need);
/* It is not, nor is it still being asked when this returns. */
void mlaas_budget_remove_need(struct mlaas_budget *budget, struct mlaas_need *need);

/* Ceilings on single things that a file claims, beside the one on all memory: see struct mlaas_limits. They travel with
 * the budget because whatever decodes has one. */
enum mlaas_ceiling {
  MLAAS_CEILING_METADATA, /* bytes of one record that is no basket and no page: stored, and inflated */
  MLAAS_CEILING_BASKET,   /* bytes of one basket: stored, and inflated */
  MLAAS_CEILING_PAGE,     /* bytes of one page: stored, and inflated */
  MLAAS_CEILING_NESTING,  /* levels: directories, objects, branches, fields, types; recursion is at most so deep */
  MLAAS_CEILING_COLUMNS,  /* branches, fields and columns of one table */
  MLAAS_NUM_CEILINGS
};

/* 0 or less puts the default back. */
void mlaas_budget_set_limit(struct mlaas_budget *budget, enum mlaas_ceiling ceiling, int64_t value);
int64_t mlaas_budget_limit(const struct mlaas_budget *budget, enum mlaas_ceiling ceiling);
/* LIMIT, with the name of the option that raises it, when `wanted` is above; any `wanted` may be given. */
enum mlaas_status mlaas_budget_check(const struct mlaas_budget *budget, enum mlaas_ceiling ceiling, int64_t wanted,
                                     struct mlaas_error *error);
/* Whether pages of RNTuples are taken without comparing their checksums. */
void mlaas_budget_set_trust(struct mlaas_budget *budget, bool trust_pages);
bool mlaas_budget_trusts_pages(const struct mlaas_budget *budget);

/* A piece of counted memory that knows how to go home. Zeroed or reset, it holds nothing. */
struct mlaas_block {
  void *data;                  /* 64-byte aligned */
  int64_t size;                /* bytes asked for */
  int64_t capacity;            /* bytes counted */
  struct mlaas_budget *budget; /* holds one count */
};

/* Not zeroed. size 0 gives a valid pointer. Errors: LIMIT with the bytes asked for and held, MEMORY. Large blocks come
 * from the system, freed ones are kept for reuse and count as held for the ceiling only while nobody needs the room. */
enum mlaas_status mlaas_block_new(struct mlaas_budget *budget, int64_t size, struct mlaas_block *block,
                                  struct mlaas_error *error);
/* The same without asking others to let go, for those that are asked. */
enum mlaas_status mlaas_block_try(struct mlaas_budget *budget, int64_t size, struct mlaas_block *block,
                                  struct mlaas_error *error);
/* Grows to at least `size`, keeping the content; doubles. */
enum mlaas_status mlaas_block_grow(struct mlaas_block *block, int64_t size, struct mlaas_error *error);
void mlaas_block_reset(struct mlaas_block *block);

/* ---- arena: many small pieces with one lifetime, from a budget ---- */

struct mlaas_arena {
  struct mlaas_budget *budget;
  struct mlaas_arena_chunk *chunks;
  size_t used, room;
};

void mlaas_arena_init(struct mlaas_arena *arena, struct mlaas_budget *budget);
void mlaas_arena_reset(struct mlaas_arena *arena); /* frees all; legal on a zeroed arena */
/* Forgets all pieces but keeps one chunk of the usual size, if there is one, so that the next use allocates nothing. */
void mlaas_arena_clear(struct mlaas_arena *arena);
/* Zeroed, 16-byte aligned; NULL with `error` filled (LIMIT or MEMORY). count * size is checked for overflow. */
void *mlaas_arena_alloc(struct mlaas_arena *arena, size_t count, size_t size, struct mlaas_error *error);
char *mlaas_arena_strndup(struct mlaas_arena *arena, const char *text, size_t length, struct mlaas_error *error);
/* printf into the arena. */
char *mlaas_arena_format(struct mlaas_arena *arena, struct mlaas_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
