/* One pass over the JSON body of a prediction: strict, without a tree. Accepts exactly what RFC 8259 does, with a bound
 * on depth, valid UTF-8, and numbers that a double can hold. Knows the members of TFaaS's Row and ours beside them:
 *
 *   keys: list of texts; values: list of numbers or lists of numbers (null: missing); model: text (null: none);
 *   model_version: number; events: list of objects {name: number, null, or list} or of lists; input: "raw" or
 *   "normalised"; labels: true or false.
 *
 * Names of members in any case, as Go reads them; the last of equal ones counts; unknown ones are checked and skipped.
 */
#ifndef MLAAS_SERVE_BODY_JSON_SCAN_H
#define MLAAS_SERVE_BODY_JSON_SCAN_H

#include "base/memory.h"
#include "base/slice.h"

/* A value: `count` numbers of `numbers` from `first`; -1: a single one. */
struct mlaas_json_cell {
  struct mlaas_slice key; /* of an event that is an object */
  size_t first;
  int32_t count;
};

/* The values of an event, or of the request itself. cells NULL: single numbers from `first` on, without names. */
struct mlaas_json_row {
  const struct mlaas_json_cell *cells;
  size_t first, count;
  bool named;
};

enum mlaas_json_input { MLAAS_JSON_UNSAID, MLAAS_JSON_RAW, MLAAS_JSON_NORMALISED };

/* All in the arena, or in the body. */
struct mlaas_json_request {
  struct mlaas_slice model;
  int64_t version; /* 0: not said */
  enum mlaas_json_input input;
  int labels; /* -1: not said */
  const struct mlaas_slice *keys;
  size_t num_keys;
  bool has_keys, has_values, has_events;
  struct mlaas_json_row values;
  struct mlaas_json_row *events;
  size_t num_events;
  bool has_nan;            /* NaN is a value, as in protobuf, and not null */
  const double *numbers;   /* NaN for null */
  const int64_t *integers; /* NULL, or the same exactly, where a whole number is beyond what doubles hold exactly */
};

/* Errors: ARGUMENT with what is wrong and error->offset, LIMIT and MEMORY of the arena. */
enum mlaas_status mlaas_json_scan(struct mlaas_slice body, struct mlaas_arena *arena,
                                  struct mlaas_json_request *request, struct mlaas_error *error);

#endif
