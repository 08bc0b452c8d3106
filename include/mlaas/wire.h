/* What a protocol supplies to remote sources: one table of functions, built in (HTTP) or in a plug-in (XRootD).
 *
 * A plug-in is called mlaas-NAME.so, includes this header only, and exports one symbol, mlaas_wire_get. Everything that
 * protocols have in common is done above it: coalescing, splitting by the limits given here, cache, read-ahead, retry,
 * other replicas, deadlines. A wire does one request at a time as well as it can and says truthfully how it went.
 *
 * Thread rules: all functions may be called from any thread, for several handles at once; `done` may be called from any
 * thread, also from within start, and must be called exactly once per started fetch. Nothing is printed.
 */
#ifndef MLAAS_WIRE_H
#define MLAAS_WIRE_H

#include <mlaas/context.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MLAAS_WIRE_VERSION = 1 };

/* One range to read into the caller's memory (which the caller has counted). */
struct mlaas_range {
  int64_t offset, length;
  void *data;
};

/* One request: some ranges of an open file. The caller's memory until `done` was called. */
struct mlaas_fetch {
  const struct mlaas_range *ranges; /* ascending, none overlaps or is empty, within the file and the limits */
  size_t num_ranges;
  void (*done)(struct mlaas_fetch *fetch);
  void *wire; /* the wire's own, between start and done */
  /* Set before done: */
  enum mlaas_status status;
  struct mlaas_error error;
  bool transient;         /* trying again may help, here or elsewhere: a lost connection, 503; never 404 or 403 */
  int64_t retry_after_ms; /* as the server asked for, else 0 */
  int64_t requests;       /* messages sent to a server, redirects and repeats included */
  int64_t delivered;      /* bytes of content that came, wanted or not */
};

struct mlaas_wire_file {
  void *handle;
  int64_t size;
  char tag[128];              /* what changes when the file does: ETag, Last-Modified or "" */
  char server[256];           /* who delivers, behind redirects: "host:port" */
  int64_t requests;           /* messages that opening took */
  size_t most_ranges;         /* of one request, at least 1 */
  int64_t most_range_bytes;   /* of one range */
  int64_t most_request_bytes; /* of all ranges of one request */
  int64_t gap;                /* bytes that are cheaper to fetch in vain than to ask for another range */
  int most_requests;          /* at a time, for one file */
};

struct mlaas_wire_entry {
  const char *url; /* whole, without credentials */
  int64_t size;    /* -1 unknown */
  bool is_directory;
};

struct mlaas_wire {
  uint32_t version;           /* MLAAS_WIRE_VERSION it was compiled with */
  uint32_t size;              /* sizeof(struct mlaas_wire) */
  const char *const *schemes; /* "http", "https", ... , NULL */

  /* Opens a file for reading; waits for at most connect_ms + timeout_ms. *transient as in a fetch. Errors: NOT_FOUND,
   * IO (permission, network: in the server's words, with what to do), TIMEOUT, ARGUMENT (the URL), MEMORY. */
  enum mlaas_status (*open)(const char *url, const struct mlaas_remote_options *options, struct mlaas_wire_file *file,
                            bool *transient, struct mlaas_error *error);
  /* Begins to fill all ranges of `fetch`; `done` tells the end. A server that cannot do several ranges is asked for
   * single ones by the wire itself. Content of another size or tag than at opening is STALE, an answer that ends early
   * IO and transient. No fetch lasts longer than timeout_ms without a byte. */
  void (*start)(void *handle, struct mlaas_fetch *fetch);
  /* Makes `done` come soon, with CANCELLED unless all was there already; the caller waits for it. Not called before
   * start has returned, nor once the caller has seen done, but the two may cross: `fetch` stays valid until both have
   * returned, and a cancel that finds done called or about to be called does nothing. */
  void (*cancel)(void *handle, struct mlaas_fetch *fetch);
  /* "adler32:0a1b2c3d" as the server says it. UNSUPPORTED where it does not. */
  enum mlaas_status (*checksum)(void *handle, char *text, size_t size, struct mlaas_error *error);
  /* Names in a directory, in any order; `entry` returns false to stop. UNSUPPORTED where the protocol does not list. */
  enum mlaas_status (*list)(const char *url, const struct mlaas_remote_options *options,
                            bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                            struct mlaas_error *error);
  /* Nothing is on its way: done was called for every fetch, and every start and cancel has returned; a call of done may
   * not have returned yet, so a wire's own threads touch the handle no more once they call it. Does not wait for the
   * server. */
  void (*close)(void *handle);
  /* May be NULL. Limits as open left them may be such as every server takes, while the server was asked for its own:
   * puts those into `file` when they are there, after at most `milliseconds`. False: not yet. Called until it is true,
   * by one thread at a time; others may start and cancel fetches of the same handle meanwhile. */
  bool (*settle)(void *handle, struct mlaas_wire_file *file, int milliseconds);
};

/* The one symbol of a plug-in. Static storage. */
MLAAS_API const struct mlaas_wire *mlaas_wire_get(void);

#ifdef __cplusplus
}
#endif
#endif
