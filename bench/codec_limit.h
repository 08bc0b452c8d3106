/* The limit of every reader: all baskets of a tree, or pages of an ntuple, read and inflated, and nothing else done
 * with them. */
#ifndef MLAAS_BENCH_CODEC_LIMIT_H
#define MLAAS_BENCH_CODEC_LIMIT_H

#include <stdint.h>

struct codec_limit;

struct codec_limit_result {
  double cpu, wall; /* seconds */
  int64_t stored, raw, payloads, bad;
};

/* The baskets of the file's only table (the highest cycle); NULL with a message on stderr. */
struct codec_limit *codec_limit_open(const char *path);
void codec_limit_close(struct codec_limit *limit);
/* One pass on this thread: pread, then the fastest library of each codec. LZ4's checksum is left out. */
struct codec_limit_result codec_limit_run(struct codec_limit *limit);

double bench_cpu(void); /* of all threads */
double bench_wall(void);

#endif
