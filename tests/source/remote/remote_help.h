/* What the tests of remote files share: a file with known bytes on the made-up wire, contexts, reads that compare. */
#ifndef TESTS_REMOTE_HELP_H
#define TESTS_REMOTE_HELP_H

#include "base/context.h"
#include "source/source.h"

#include "fake_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 3000000, MIB = 1 << 20 };

extern unsigned char bytes[SIZE];
extern const char *const url; /* to serve them as */

/* The made-up wire, with short waits between attempts. */
int set_up(void **state);
int tear_down(void **state);

/* 0: the defaults. Its memory is 64 MiB. */
struct mlaas_context *make_context(int64_t cache, int64_t deadline_ms, int retries);
struct mlaas_source *open_file(struct mlaas_context *context, const char *name);
/* For deadlines that a busy machine may miss: again until it is there, and nothing of it on its way. */
struct mlaas_source *open_in_the_end(struct mlaas_context *context, const char *name);
/* Nothing is held afterwards. */
void close_all(struct mlaas_context *context, struct mlaas_source *source);
struct mlaas_source_counters counters_of(const struct mlaas_source *source);
/* Reads them together; what comes is compared. */
enum mlaas_status read_ranges(struct mlaas_source *source, int64_t (*wanted)[2], size_t count,
                              struct mlaas_error *error);
void assert_reads(struct mlaas_source *source, int64_t offset, int64_t length);
void announce(struct mlaas_source *source, int64_t (*wanted)[2], size_t count);

#endif
