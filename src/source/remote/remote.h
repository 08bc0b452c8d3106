/* The nouns of a remote source, for the files of this folder alone.
 *
 *   remote   one open file: replicas, of which one at a time is in use, and the spans of it that are held or coming
 *   span     bytes [offset, offset + length) of a file: queued (announced, no memory), coming, or ready
 *   flight   one request: some spans, some ranges of a waiting reader's own memory
 *   cache    what the remotes of one context share: room for spans, the order in which they go, flights that wait
 *   replica  one URL of the file; `opened` is a handle of its wire, counted, for flights may outlast it
 *
 * Everything here is guarded by cache->lock, but what a flight that is started owns: its fetch, and the memory it
 * fills. No function of a wire is called with the lock held, for it may call back at once.
 */
#ifndef MLAAS_SOURCE_REMOTE_REMOTE_H
#define MLAAS_SOURCE_REMOTE_REMOTE_H

#include "base/context.h"
#include "source/source.h"

#include <pthread.h>
#include <sys/types.h>

enum { MLAAS_MOST_REPLICAS = 16 };

struct mlaas_remote;
struct mlaas_flight;

/* ---- spans ---- */

/* Somebody announced a range that ends here so many times; whoever reads the byte before has read it. */
struct mlaas_want {
  int64_t end, times;
};

enum mlaas_span_state { MLAAS_SPAN_QUEUED, MLAAS_SPAN_COMING, MLAAS_SPAN_READY, MLAAS_SPAN_FAILED };

struct mlaas_span {
  int64_t offset, length;
  struct mlaas_remote *remote;
  enum mlaas_span_state state;
  struct mlaas_block block;
  struct mlaas_flight *flight; /* queued or coming with it */
  int users;                   /* readers that wait for it or copy from it */
  bool indexed;                /* readers find it */
  bool announced;              /* ever */
  int64_t pending;             /* sum of the wants */
  struct mlaas_want *wants;    /* ascending ends */
  size_t num_wants, room_wants;
  int64_t call, since_ms;           /* of the announcement; when it came */
  struct mlaas_span *older, *newer; /* in the cache's list of what may go */
};

struct mlaas_cache {
  struct mlaas_context *context; /* its key; not counted: every remote counts it */
  struct mlaas_cache *next;
  int count; /* guarded by the table of caches */
  pthread_mutex_t lock;
  struct mlaas_budget *budget; /* which caches of contexts that differ in options only share */
  struct mlaas_need need;
  int64_t ceiling, held;
  struct mlaas_span *oldest, *newest;   /* ready, unused, nobody announced them or all was read: may go */
  struct mlaas_flight *demands, *queue; /* wait for a free request: asked for; announced, which wait for room too */
  struct mlaas_flight *last_demand, *last_queued;
  int num_ahead; /* requests on their way that nobody waited for when they started */
  int64_t bytes_ahead;
  struct mlaas_remote *remotes;
  bool pumping; /* somebody starts what can be started */
  int64_t swept_ms;
};

/* The cache of the context, made by the first remote. NULL: no memory. */
struct mlaas_cache *mlaas_cache_get(struct mlaas_context *context);
struct mlaas_cache *mlaas_cache_hold(struct mlaas_cache *cache);
void mlaas_cache_put(struct mlaas_cache *cache);

/* All of these with the lock held. */
struct mlaas_span *mlaas_span_new(struct mlaas_remote *remote, int64_t offset, int64_t length); /* NULL: no memory */
/* Memory for a span, by letting others go; false: it has to wait. */
bool mlaas_span_fill(struct mlaas_span *span);
bool mlaas_cache_has_room(struct mlaas_cache *cache, int64_t bytes);
void mlaas_span_use(struct mlaas_span *span);
void mlaas_span_unuse(struct mlaas_span *span);
/* Its bytes are there. */
void mlaas_span_ready(struct mlaas_span *span);
/* Gives its memory back but stays announced. */
void mlaas_span_requeue(struct mlaas_span *span);
/* Readers do not find it any more; freed with its last user. Never while coming. */
void mlaas_span_drop(struct mlaas_span *span);
/* A range that ends at `end` will be read in this span. */
void mlaas_span_want(struct mlaas_span *span, int64_t end);

/* The first span of the remote that ends behind `offset`: its index, or num_spans. */
size_t mlaas_spans_find(const struct mlaas_remote *remote, int64_t offset);
bool mlaas_spans_reserve(struct mlaas_remote *remote, size_t more);
/* Ascending, none overlaps another or one that is there; room was reserved. */
void mlaas_spans_add(struct mlaas_remote *remote, struct mlaas_span *const *spans, size_t count);
/* This was read: wants that end in it are met, spans of which nothing is wanted any more go. */
void mlaas_spans_note_read(struct mlaas_remote *remote, int64_t offset, int64_t length);

/* ---- replicas ---- */

struct mlaas_opened {
  const struct mlaas_wire *wire;
  void *handle;                /* as `wire`, never changed: read without the lock */
  struct mlaas_wire_file file; /* its limits may become others */
  bool settled;                /* they are the server's own */
  int replica, count;
  struct mlaas_opened *next; /* of those to be closed */
};

struct mlaas_replica {
  char *url, *shown; /* shown: without credentials */
  char host[128];
  const struct mlaas_wire *wire;
  bool dead;           /* another file */
  bool met;            /* was open before: its tag is known */
  char tag[128];       /* of the wire's file */
  int failures;        /* since it last delivered */
  int64_t aside_until; /* not chosen before, if there are others */
};

/* How one request ended badly. */
struct mlaas_failure {
  int64_t serial;
  int replica;
  const struct mlaas_opened *opened; /* to compare only */
  enum mlaas_status status;
  bool transient;
  int64_t retry_after_ms;
  char message[320];
};

/* What one call has gone through. */
struct mlaas_tries {
  int64_t began_ms, deadline_ms, offset; /* offset: of what is read now, -1: it is opened */
  struct {
    int count;    /* of the tries there are; one whose failure is final has none left */
    int attempts; /* that there were */
    int silences; /* of these, those without an answer */
    enum mlaas_status status;
    char message[320];
  } at[MLAAS_MOST_REPLICAS];
};

struct mlaas_remote {
  struct mlaas_context *context;
  const struct mlaas_remote_options *options;
  struct mlaas_cache *cache;
  struct mlaas_remote *next;
  pid_t owner;
  pthread_cond_t changed; /* a flight ended, a replica was opened */
  int64_t size;           /* -1: not known yet */
  int64_t head_bytes;     /* so many first bytes have this hash; 0: not known yet */
  uint64_t head_hash;
  struct mlaas_replica replicas[MLAAS_MOST_REPLICAS];
  int num_replicas, current;
  struct mlaas_opened *opened; /* the one in use; NULL: one has to be opened */
  struct mlaas_opened *unneeded;
  struct mlaas_wire_file limits; /* of the one opened last; only these fields */
  bool opening, closing;
  struct mlaas_span **spans; /* ascending, none overlaps */
  size_t num_spans, room_spans;
  struct mlaas_flight *started;
  int in_flight, starting;
  int64_t not_before_ms;   /* reading ahead waits so long after a failure */
  int64_t calls, consumed; /* announcements: how many there were, of which the latest was read from */
  int64_t slack;           /* bytes that may still be read in vain around small ranges */
  struct mlaas_failure failure;
  struct mlaas_source_counters counters;
};

/* "a|b|c" into replicas, with wires found. */
enum mlaas_status mlaas_replicas_parse(struct mlaas_remote *remote, const char *url, struct mlaas_error *error);
void mlaas_replicas_reset(struct mlaas_remote *remote);
void mlaas_tries_begin(struct mlaas_tries *tries, const struct mlaas_remote *remote);
/* Opens a replica if none is in use. With the lock held, which is let go meanwhile. */
enum mlaas_status mlaas_replica_ensure(struct mlaas_remote *remote, struct mlaas_tries *tries,
                                       struct mlaas_error *error);
/* Decides what follows a failure: OK and how long to wait before trying again, or the error. With the lock held. */
enum mlaas_status mlaas_replica_failed(struct mlaas_remote *remote, struct mlaas_tries *tries,
                                       const struct mlaas_failure *failure, int64_t *delay_ms,
                                       struct mlaas_error *error);
/* TIMEOUT, with what was tried. */
enum mlaas_status mlaas_tries_too_late(const struct mlaas_remote *remote, const struct mlaas_tries *tries,
                                       struct mlaas_error *error);
/* Waits for the limits of the server in use. With the lock held, which is let go meanwhile. Errors: CANCELLED, TIMEOUT.
 */
enum mlaas_status mlaas_replica_settle(struct mlaas_remote *remote, const struct mlaas_tries *tries,
                                       struct mlaas_error *error);
void mlaas_opened_put(struct mlaas_remote *remote, struct mlaas_opened *opened);
/* Closes what nobody uses any more. With the lock held, which is let go meanwhile; not from a wire's thread. */
void mlaas_remote_tidy(struct mlaas_remote *remote);

/* ---- speed of servers, for the life of the process ---- */

void mlaas_speed_host(const char *url, char *host, size_t size);
void mlaas_speed_note(const char *host, int64_t ms, int64_t bytes);
void mlaas_speed_note_failure(const char *host);
/* It said something, and be it no. */
void mlaas_speed_note_answer(const char *host);
/* A call that began at `since_ms` heard nothing from it: unless it answered somebody else meanwhile it counts as silent
 * for the next `for_ms`, or until it answers. Whoever comes to a silent server asks twice, however many retries
 * there are. */
void mlaas_speed_note_silence(const char *host, int64_t since_ms, int64_t for_ms);
bool mlaas_speed_is_silent(const char *host);
/* What a mebibyte is expected to take. */
int64_t mlaas_speed_expect_ms(const char *host);

/* ---- flights ---- */

enum mlaas_flight_state { MLAAS_FLIGHT_WAITING, MLAAS_FLIGHT_STARTED, MLAAS_FLIGHT_DONE };

struct mlaas_flight {
  struct mlaas_fetch fetch; /* first: the wire gives it back */
  struct mlaas_remote *remote;
  struct mlaas_opened *opened;
  struct mlaas_flight *previous, *next; /* in the list it waits in, or of those started */
  enum mlaas_flight_state state;
  bool announced; /* all of it are spans that were */
  bool ahead;     /* nobody waits for it yet */
  bool cancelled; /* by us */
  bool starting;  /* its wire's start has not returned */
  bool is_direct; /* fills a reader's memory, too */
  bool is_repeat; /* counts as a retry when it starts */
  int failures, count_refs;
  int64_t began_ms, bytes;
  size_t count;
  struct mlaas_span **spans; /* NULL: straight into a reader's memory */
  struct mlaas_range ranges[];
};

/* All with the lock held; pump, cancel let it go meanwhile. NULL: no memory. The first count goes to demand or
 * announce, and is given back when the flight ends. */
struct mlaas_flight *mlaas_flight_new(struct mlaas_remote *remote, size_t count);
void mlaas_flight_put(struct mlaas_flight *flight);
void mlaas_flight_demand(struct mlaas_flight *flight);
void mlaas_flight_announce(struct mlaas_flight *flight);
/* Somebody asks for what was only announced. False: there is no room. */
bool mlaas_flight_promote(struct mlaas_flight *flight);
/* Takes a flight that has not started off its list. */
void mlaas_flight_withdraw(struct mlaas_flight *flight);
void mlaas_flight_cancel(struct mlaas_flight *flight);
/* It may have been made for the limits of another server than the one in use. */
bool mlaas_flight_fits(const struct mlaas_flight *flight);
/* Flights asked for but not started fail: their readers look for another replica. */
void mlaas_remote_ground(struct mlaas_remote *remote);
void mlaas_cache_pump(struct mlaas_cache *cache);
/* Waits for a change for at most `ms`, and no longer than 50 ms where somebody may cancel. */
void mlaas_remote_doze(struct mlaas_remote *remote, int64_t ms);

/* ---- reading ---- */

enum mlaas_status mlaas_remote_read(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count,
                                    struct mlaas_error *error);
void mlaas_remote_announce(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count);
/* Announces anew, within the limits of the server in use, what waits beyond them. */
void mlaas_remote_recut(struct mlaas_remote *remote);
/* The range and as much around it as slack allows, which is spent, up to what is here or on its way. With the lock
 * held. */
struct mlaas_range mlaas_remote_widen(struct mlaas_remote *remote, struct mlaas_range range);
/* Begins to fetch this into the cache, for nobody in particular. */
void mlaas_remote_prefetch(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count);

#endif
