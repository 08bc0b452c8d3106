/* Answers of several parts: the first line is the Content-Type, the rest the body. In one piece and byte by byte they
 * have to give the same, and nothing may be written beside the ranges. */
#include "source/http/byteranges.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_SIZE = 1000, COUNT = 4 };

struct outcome {
  struct mlaas_byteranges parser;
  struct mlaas_scatter scatter;
  struct mlaas_range ranges[COUNT];
  int64_t filled[COUNT];
  bool good;
};

static void parse(struct outcome *outcome, struct mlaas_slice type, const char *body, size_t size, size_t step) {
  static const int64_t places[COUNT][2] = {{0, 10}, {10, 5}, {100, 50}, {990, 10}};
  *outcome = (struct outcome){0};
  for (size_t i = 0; i < COUNT; i++)
    outcome->ranges[i] =
        (struct mlaas_range){places[i][0], places[i][1], calloc(1, (size_t)places[i][1])}; /* each on its own heap */
  outcome->scatter = (struct mlaas_scatter){.ranges = outcome->ranges, .count = COUNT, .filled = outcome->filled};
  outcome->good = mlaas_byteranges_init(&outcome->parser, type, FILE_SIZE, &outcome->scatter, 10);
  for (size_t at = 0; outcome->good && at < size; at += step)
    outcome->good = mlaas_byteranges_feed(&outcome->parser, body + at, step < size - at ? step : size - at);
}

/* Where the last boundary is at hand before the rest of its line, that rest does not count. */
static bool is_ceiling(const struct outcome *outcome) {
  return outcome->parser.problem && strstr(outcome->parser.problem, "than is sensible");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
  if (!line)
    return 0;
  struct mlaas_slice type = {(const char *)data, (size_t)(line - data)};
  struct outcome whole, pieces;
  parse(&whole, type, (const char *)line + 1, size - type.size - 1, size);
  parse(&pieces, type, (const char *)line + 1, size - type.size - 1, 1);
  bool ceiling = is_ceiling(&whole) || is_ceiling(&pieces);
  if ((whole.good != pieces.good && !ceiling) ||
      (whole.good && pieces.good && whole.parser.state != pieces.parser.state))
    abort();
  for (size_t i = 0; i < COUNT; i++) {
    if (whole.good && pieces.good &&
        (whole.filled[i] != pieces.filled[i] ||
         memcmp(whole.ranges[i].data, pieces.ranges[i].data, (size_t)whole.ranges[i].length) != 0))
      abort();
    free(whole.ranges[i].data);
    free(pieces.ranges[i].data);
  }
  return 0;
}
