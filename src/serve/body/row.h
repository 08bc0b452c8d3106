/* TFaaS's protobuf messages: Row in (key = 1 repeated string, value = 2 repeated float, model = 3 string), Predictions
 * out (prediction = 1 repeated Class {label = 1, probability = 2}). Knows no model.
 */
#ifndef MLAAS_SERVE_BODY_ROW_H
#define MLAAS_SERVE_BODY_ROW_H

#include "base/memory.h"
#include "base/slice.h"

struct mlaas_row {
  struct mlaas_slice model;
  struct mlaas_slice *keys;
  size_t num_keys;
  float *values;
  size_t num_values;
};

/* Any sound message: fields in any order, values packed or not, the last model counts, unknown fields are skipped.
 * ARGUMENT with what is wrong and error->offset; LIMIT and MEMORY of the arena. */
enum mlaas_status mlaas_row_decode(struct mlaas_slice body, struct mlaas_arena *arena, struct mlaas_row *row,
                                   struct mlaas_error *error);

/* One class per score; labels NULL, or num_labels texts, the first for the first score. A score of 0 and a label that
 * is not there leave their fields out. Data NULL: out of memory. */
struct mlaas_slice mlaas_predictions_encode(const float *scores, size_t count, const char *const *labels,
                                            size_t num_labels, struct mlaas_arena *arena);

#endif
