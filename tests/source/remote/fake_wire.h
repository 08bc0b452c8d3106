/* A protocol made up in memory, "fake://HOST/NAME", that answers late, badly or not at all as a test wants.
 *
 * It holds its callers to the contract of mlaas/wire.h: ranges out of order, beyond a limit or the file's end, handles
 * used after closing, and fetches left behind are counted as violations, which fake_wire_stop asserts to be none. */
#ifndef TESTS_FAKE_WIRE_H
#define TESTS_FAKE_WIRE_H

#include <mlaas/wire.h>

#include <stdatomic.h>

enum fake_fault {
  FAKE_NONE,
  FAKE_TRANSIENT, /* a lost connection */
  FAKE_BUSY,      /* 503 with retry_after_ms */
  FAKE_FINAL,     /* permission denied */
  FAKE_MISSING,   /* no such file */
  FAKE_SHORT,     /* ends in the middle, after some bytes came */
  FAKE_STALL,     /* never answers, until it is cancelled; an opening: until the test ends */
  FAKE_SILENT,    /* the wire's own patience ended, at once */
  FAKE_MISTAKE,   /* a setting is wrong */
  FAKE_STALE,     /* the file changed */
  FAKE_CANCELLED, /* says so though nobody asked */
  FAKE_FAULTS
};

struct fake_file {
  char url[128];
  const unsigned char *bytes;
  atomic_int_fast64_t size; /* what an opening says */
  char tag[64];
  struct mlaas_wire_file limits; /* most_ranges, most_range_bytes, most_request_bytes, gap, most_requests */
  struct mlaas_wire_file early;  /* with most_ranges: limits until a fetch was started and `settle` was called */
  int delay_us;
  bool at_once;    /* done is called within start */
  int linger_us;   /* so long after it, start returns */
  int hesitate_us; /* so long start does nothing at first */
  int64_t retry_after_ms;
  /* The next `bad_fetches` and `bad_opens` fail in this way, those before `good_fetches` do not; then one in
   * `bad_one_in` in any way, if that is not 0. */
  atomic_int good_fetches, bad_fetches, bad_opens, bad_one_in;
  atomic_int fetch_fault, open_fault;
  /* Counted. */
  atomic_long opens, fetches, ranges, delivered, most_at_once;
  atomic_long at_once_now;
};

void fake_wire_start(unsigned seed);
/* Waits for its thread; asserts that all handles were closed, no fetch was left and the contract was kept. */
void fake_wire_stop(void);
/* A file to be served from now on; limits as those of XRootD, no delay, no faults. The bytes are borrowed. */
struct fake_file *fake_wire_serve(const char *url, const unsigned char *bytes, int64_t size);
/* Requests of all files that were not answered yet. */
long fake_wire_in_flight(void);
/* Until all are answered, and what the answers led to is done. */
void fake_wire_await_quiet(void);

extern const struct mlaas_wire fake_wire;

#endif
