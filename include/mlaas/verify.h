/* Is a file sound? Reads all of it: the payload behind every key, every basket of every branch and every page of every
 * ntuple, also those whose values nobody here can decode, compares every checksum, that of the file's server too, and
 * decodes every column and object that can be. What is broken is told by a callback, finding by finding, and does not
 * stop the rest.
 *
 *     static void say(void *context, const struct mlaas_finding *finding) { puts(finding->message); }
 *     ...
 *     struct mlaas_verify_options options = {.size = sizeof options, .finding = say};
 *     struct mlaas_verify_report report = {.size = sizeof report};
 *     if (mlaas_verify(context, "events.root", &options, &report, &error) == MLAAS_OK && report.status == MLAAS_OK)
 *       puts("sound");
 */
#ifndef MLAAS_VERIFY_H
#define MLAAS_VERIFY_H

#include <mlaas/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_finding {
  /* FORMAT, CHECKSUM, IO: broken. LIMIT: a ceiling was too low to look. UNSUPPORTED: nobody here can tell. */
  enum mlaas_status status;
  const char *part;    /* "file", "key", "streamer info", "table", "branch", "basket", "page", "column" or "object" */
  const char *path;    /* of the key or table, with cycle; "" where it concerns the file */
  const char *column;  /* branch or field; "" where it concerns none */
  int64_t number;      /* of the basket in its branch, of the page in its column; -1 */
  int64_t offset;      /* byte in the file; -1 where unknown */
  const char *message; /* one sentence: what was expected, what was found */
};

struct mlaas_verify_options {
  size_t size;           /* sizeof(struct mlaas_verify_options): lets the struct grow */
  const char *table;     /* this table alone, with or without ";cycle"; NULL: the whole file */
  int64_t most_findings; /* of a damaged file this many are told, all are counted; 0: 1000 */
  /* Called on the caller's thread, in an order that does not depend on the number of threads. Either may be NULL. */
  void (*finding)(void *context, const struct mlaas_finding *finding);
  bool (*progress)(void *context, int64_t done, int64_t total); /* bytes; false: stop */
  void *context;
};

struct mlaas_verify_report {
  size_t size; /* sizeof(struct mlaas_verify_report) */
  enum mlaas_status
      status;          /* OK: sound, as far as could be told; else that of the first finding that is no UNSUPPORTED */
  int64_t findings;    /* UNSUPPORTED ones not counted */
  int64_t unsupported; /* findings of that status */
  int64_t keys, tables;
  int64_t columns;   /* that were decoded */
  int64_t undecoded; /* columns of which only the bytes were checked */
  int64_t baskets, pages;
  char checksum[72];        /* "adler32:0a1b2c3d", the server's, where its bytes were compared with it; else "" */
  struct mlaas_costs costs; /* what reading took */
};

/* Verifies a file that is open. OK means that the work was done, whatever was found: see report->status. Memory stays
 * under the ceiling of the file's context. `options` may be NULL. Errors: NOT_FOUND (options->table), MEMORY, STATE,
 * CANCELLED (by progress). */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_file_verify(struct mlaas_file *file,
                                                              const struct mlaas_verify_options *options,
                                                              struct mlaas_verify_report *report,
                                                              struct mlaas_error *error);
/* Opens and verifies; a file that is too damaged to be opened has a finding of part "file". Errors: as above, and
 * NOT_FOUND, IO (it cannot be read at all). */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_verify(struct mlaas_context *context, const char *url,
                                                         const struct mlaas_verify_options *options,
                                                         struct mlaas_verify_report *report, struct mlaas_error *error);

#ifdef __cplusplus
}
#endif
#endif
