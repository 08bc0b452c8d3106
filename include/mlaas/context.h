/* What the handles of one job share: a ceiling on memory and a pool of threads.
 *
 * A context is counted: every file, table and loader made with it holds one count, so the caller may
 * put its own at any time. Thread safe. Threads start at the first use, never in mlaas_context_new; after fork() a
 * child must make a new context (a loader does so itself from its state), handles of the parent return MLAAS_STATE.
 */
#ifndef MLAAS_CONTEXT_H
#define MLAAS_CONTEXT_H

#include <mlaas/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_context;
struct mlaas_foreign; /* mlaas/foreign.h */

/* What one thing in a file may claim before it is believed; 0: the default. Files made to do harm claim far more than
 * they hold; honest ones stay far below the defaults. What is beyond is refused with LIMIT and the name of the field.
 */
struct mlaas_limits {
  int64_t metadata; /* bytes of one record of metadata, inflated (a tree's, a list of keys, an envelope); 256 MiB */
  int64_t basket;   /* bytes of one basket, inflated; 256 MiB, where ROOT aims at 32 kB and ends at 2 GiB */
  int64_t page;    /* bytes of one RNTuple page, inflated; 256 MiB, where ROOT writes up to 1 MiB and others clusters */
  int64_t nesting; /* levels of directories, objects, branches, fields and types; 100, at most 1000 */
  int64_t columns; /* branches, fields and columns of one table; 1,000,000 */
};

/* How remote files are reached; times in milliseconds; 0 and NULL: the default, which for texts is what the protocol's
 * customary environment variables say (BEARER_TOKEN, BEARER_TOKEN_FILE, X509_USER_PROXY, https_proxy, AWS_ACCESS_KEY_ID
 * ...). */
struct mlaas_remote_options {
  size_t size;             /* sizeof(struct mlaas_remote_options): lets the struct grow */
  int64_t connect_ms;      /* for a connection, TLS and login included; 10,000 */
  int64_t timeout_ms;      /* without a byte of an answer, before a request is given up; 15,000 */
  int64_t deadline_ms;     /* for one read with all its retries and replicas; 120,000 */
  int retries;             /* of one request at one replica; 4; -1: none */
  int64_t cache;           /* bytes kept or on their way; a quarter of the ceiling, at most 256 MiB */
  const char *token_file;  /* a bearer token; read again with every request (XRootD: every file opened) */
  const char *certificate; /* of the client, with its key or a proxy certificate's chain (PEM) */
  const char *key;         /* where it is not in `certificate` */
  const char *authorities; /* a file or folder of certificates to trust */
  const char *s3_endpoint; /* "https://s3.example.org": where s3://BUCKET/KEY is */
  const char *s3_region;   /* "us-east-1" */
  bool insecure;           /* servers' certificates are not checked: for tests */
};

struct mlaas_context_options {
  size_t size;    /* sizeof(struct mlaas_context_options): lets the struct grow */
  int64_t memory; /* ceiling in bytes on everything the library holds; 0: 1 GiB */
  int threads;    /* threads that decode, the caller's included; 0: one per available core */
  struct mlaas_limits limits;
  bool trust_pages;                          /* true: the checksums of RNTuple pages are not compared */
  const struct mlaas_remote_options *remote; /* copied with its texts; NULL: the defaults */
  const struct mlaas_foreign *foreign;       /* reads other formats; must outlive the context; NULL: ROOT files only */
};

/* `options` may be NULL for the defaults. On success *context has one count. Errors: ARGUMENT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_context_new(const struct mlaas_context_options *options,
                                                              struct mlaas_context **context,
                                                              struct mlaas_error *error);
/* One count more; returns `context`. */
MLAAS_API struct mlaas_context *mlaas_context_get(struct mlaas_context *context);
/* Gives one count back, with the last one everything; NULL is allowed. */
MLAAS_API void mlaas_context_put(struct mlaas_context *context);

/* Bytes held now, the most that were ever held, and the ceiling. */
MLAAS_API int64_t mlaas_context_memory_held(const struct mlaas_context *context);
MLAAS_API int64_t mlaas_context_memory_peak(const struct mlaas_context *context);
MLAAS_API int64_t mlaas_context_memory_ceiling(const struct mlaas_context *context);
/* The limits in force: no field is 0. */
MLAAS_API void mlaas_context_limits(const struct mlaas_context *context, struct mlaas_limits *limits);
/* Threads that decode, the caller's included. */
MLAAS_API int mlaas_context_threads(const struct mlaas_context *context);

/* ---- interrupts ---- */

/* Ctrl-C for calls that wait for servers or read much. While a thread watches, whatever waits in it, or in threads that
 * work for it, ends within a tenth of a second with CANCELLED once mlaas_interrupt was called, and what is decoded
 * behind the basket or page at hand; that may be done by a signal handler. The interrupt lasts until
 * mlaas_interrupt_clear. There is one for the whole process. */
MLAAS_API void mlaas_interrupt_watch(bool watch);
MLAAS_API void mlaas_interrupt(void);
MLAAS_API void mlaas_interrupt_clear(void);

#ifdef __cplusplus
}
#endif
#endif
