/* A context: the budget and the pool that one job's handles share. */
#define _GNU_SOURCE
#include "base/context.h"

#include "base/error.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

enum { DEFAULT_MEMORY = 1 << 30, MOST_THREADS = 1024, MOST_NESTING = 1000 };

enum { CONNECT_MS = 10000, TIMEOUT_MS = 15000, DEADLINE_MS = 120000, RETRIES = 4, MOST_CACHE = 256 << 20 };

struct mlaas_context {
  long count;
  struct mlaas_context *parent; /* whose budget and pool it uses; NULL: it has its own */
  struct mlaas_budget *budget;
  struct mlaas_pool *pool;
  struct mlaas_remote_options remote;
  const struct mlaas_foreign *foreign;
};

/* The texts of the options for remote files. */
static const size_t remote_texts[] = {
    offsetof(struct mlaas_remote_options, token_file),  offsetof(struct mlaas_remote_options, certificate),
    offsetof(struct mlaas_remote_options, key),         offsetof(struct mlaas_remote_options, authorities),
    offsetof(struct mlaas_remote_options, s3_endpoint), offsetof(struct mlaas_remote_options, s3_region)};
enum { NUM_REMOTE_TEXTS = sizeof remote_texts / sizeof *remote_texts };

static const char **remote_text(struct mlaas_remote_options *remote, size_t i) {
  return (const char **)(void *)((char *)remote + remote_texts[i]);
}

static int available_cores(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return n > 0 ? n : 1;
}

/* In the order of enum mlaas_ceiling. */
static const size_t limit_fields[MLAAS_NUM_CEILINGS] = {
    offsetof(struct mlaas_limits, metadata), offsetof(struct mlaas_limits, basket), offsetof(struct mlaas_limits, page),
    offsetof(struct mlaas_limits, nesting), offsetof(struct mlaas_limits, columns)};

static int64_t *limit_of(struct mlaas_limits *limits, int ceiling) {
  return (int64_t *)(void *)((char *)limits + limit_fields[ceiling]);
}

static enum mlaas_status check_limits(struct mlaas_limits *limits, struct mlaas_error *error) {
  for (int i = 0; i < MLAAS_NUM_CEILINGS; i++)
    if (*limit_of(limits, i) < 0)
      return mlaas_fail(error, MLAAS_ARGUMENT, "a limit is %lld; it must be positive", (long long)*limit_of(limits, i));
  if (limits->nesting > MOST_NESTING)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the limit on nesting is %lld; at most %d fit a thread's stack",
                      (long long)limits->nesting, MOST_NESTING);
  return MLAAS_OK;
}

static void set_limits(struct mlaas_budget *budget, struct mlaas_context_options *options) {
  for (int i = 0; i < MLAAS_NUM_CEILINGS; i++)
    mlaas_budget_set_limit(budget, (enum mlaas_ceiling)i, *limit_of(&options->limits, i));
  mlaas_budget_set_trust(budget, options->trust_pages);
}

static int64_t or_default(int64_t value, int64_t otherwise) { return value > 0 ? value : otherwise; }

static enum mlaas_status take_remote(struct mlaas_context *context, const struct mlaas_remote_options *given,
                                     struct mlaas_error *error) {
  struct mlaas_remote_options *remote = &context->remote;
  int64_t quarter = mlaas_budget_ceiling(context->budget) / 4;
  if (given) /* callers built against an older header give less */
    memcpy(remote, given, given->size < sizeof *remote ? given->size : sizeof *remote);
  remote->size = sizeof *remote;
  remote->connect_ms = or_default(remote->connect_ms, CONNECT_MS);
  remote->timeout_ms = or_default(remote->timeout_ms, TIMEOUT_MS);
  remote->deadline_ms = or_default(remote->deadline_ms, DEADLINE_MS);
  remote->retries = remote->retries == 0 ? RETRIES : remote->retries;
  remote->cache = or_default(remote->cache, quarter < MOST_CACHE ? quarter : MOST_CACHE);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < NUM_REMOTE_TEXTS; i++) { /* all of them: what is not copied must not be freed */
    const char **text = remote_text(remote, i), *lent = *text;
    *text = lent && *lent && status == MLAAS_OK ? mlaas_strdup(lent) : NULL;
    if (lent && *lent && !*text)
      status = MLAAS_MEMORY;
  }
  return status == MLAAS_OK ? MLAAS_OK : mlaas_fail(error, status, "no memory for a context");
}

enum mlaas_status mlaas_context_new(const struct mlaas_context_options *given, struct mlaas_context **context,
                                    struct mlaas_error *error) {
  struct mlaas_context_options wanted = {0}, *options = &wanted;
  if (given && given->size < offsetof(struct mlaas_context_options, limits))
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "the options' size is %zu; it must be sizeof(struct mlaas_context_options)", given->size);
  if (given) /* callers built against an older header give less */
    memcpy(&wanted, given, given->size < sizeof wanted ? given->size : sizeof wanted);
  int64_t memory = options->memory ? options->memory : DEFAULT_MEMORY;
  int threads = options->threads ? options->threads : available_cores();
  if (memory < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the memory ceiling is %lld bytes; it must be positive",
                      (long long)memory);
  if (threads < 0 || threads > MOST_THREADS)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%d threads were asked for; 1 to %d are possible", threads, MOST_THREADS);
  MLAAS_TRY(check_limits(&options->limits, error));
  struct mlaas_context *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a context");
  made->count = 1;
  made->budget = mlaas_budget_new(memory);
  made->pool = mlaas_pool_new(threads);
  if (!made->budget || !made->pool) {
    mlaas_context_put(made);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a context");
  }
  made->foreign = options->foreign;
  set_limits(made->budget, options);
  enum mlaas_status status = take_remote(made, options->remote, error);
  if (status != MLAAS_OK) {
    mlaas_context_put(made);
    return status;
  }
  *context = made;
  return MLAAS_OK;
}

enum mlaas_status mlaas_context_derive(struct mlaas_context *context, const struct mlaas_remote_options *remote,
                                       struct mlaas_context **derived, struct mlaas_error *error) {
  struct mlaas_context *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a context");
  *made = (struct mlaas_context){.count = 1,
                                 .parent = mlaas_context_get(context),
                                 .budget = context->budget,
                                 .pool = context->pool,
                                 .foreign = context->foreign};
  enum mlaas_status status = take_remote(made, remote, error);
  if (status == MLAAS_OK)
    *derived = made;
  else
    mlaas_context_put(made);
  return status;
}

struct mlaas_context *mlaas_context_get(struct mlaas_context *context) {
  __atomic_add_fetch(&context->count, 1, __ATOMIC_RELAXED);
  return context;
}

void mlaas_context_put(struct mlaas_context *context) {
  if (!context || __atomic_sub_fetch(&context->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  for (size_t i = 0; i < NUM_REMOTE_TEXTS; i++) {
    union {
      const char *lent;
      char *own;
    } text = {*remote_text(&context->remote, i)};
    mlaas_free(text.own);
  }
  if (!context->parent) {
    mlaas_pool_free(context->pool);
    mlaas_budget_put(context->budget);
  }
  mlaas_context_put(context->parent);
  mlaas_free(context);
}

struct mlaas_budget *mlaas_context_budget(const struct mlaas_context *context) {
  return context->budget;
}
struct mlaas_pool *mlaas_context_pool(const struct mlaas_context *context) {
  return context->pool;
}
const struct mlaas_remote_options *mlaas_context_remote(const struct mlaas_context *context) {
  return &context->remote;
}
const struct mlaas_foreign *mlaas_context_foreign(const struct mlaas_context *context) { return context->foreign; }
int64_t mlaas_context_memory_held(const struct mlaas_context *context) { return mlaas_budget_held(context->budget); }
int64_t mlaas_context_memory_peak(const struct mlaas_context *context) { return mlaas_budget_peak(context->budget); }
int64_t mlaas_context_memory_ceiling(const struct mlaas_context *context) {
  return mlaas_budget_ceiling(context->budget);
}
int mlaas_context_threads(const struct mlaas_context *context) { return mlaas_pool_threads(context->pool); }

void mlaas_context_limits(const struct mlaas_context *context, struct mlaas_limits *limits) {
  for (int i = 0; i < MLAAS_NUM_CEILINGS; i++)
    *limit_of(limits, i) = mlaas_budget_limit(context->budget, (enum mlaas_ceiling)i);
}
