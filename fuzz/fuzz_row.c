/* TFaaS's protobuf messages. What a Row gave can be written as one again, and then gives the same. */
#include "serve/body/row.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct mlaas_row *row, struct mlaas_arena *arena) {
  size_t room = row->model.size + 12 + row->num_values * 5, used = 0;
  struct mlaas_row again;
  char *text = malloc(room);
  if (!text)
    return;
  for (size_t i = 0; i < row->num_values; i++, used += 5) {
    text[used] = 2 << 3 | 5;
    memcpy(text + used + 1, &row->values[i], 4);
  }
  text[used++] = 3 << 3 | 2;
  size_t left = row->model.size;
  for (; left >= 128; left >>= 7)
    text[used++] = (char)(left | 128);
  text[used++] = (char)left;
  if (row->model.size)
    memcpy(text + used, row->model.data, row->model.size);
  used += row->model.size;
  if (mlaas_row_decode((struct mlaas_slice){text, used}, arena, &again, NULL) != MLAAS_OK ||
      again.num_values != row->num_values || again.num_keys != 0 || again.model.size != row->model.size ||
      (row->num_values && memcmp(again.values, row->values, row->num_values * sizeof *row->values) != 0))
    abort();
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_arena arena;
  struct mlaas_row row;
  struct mlaas_budget *budget = mlaas_budget_new(256 << 20);
  mlaas_arena_init(&arena, budget);
  if (mlaas_row_decode((struct mlaas_slice){(const char *)data, size}, &arena, &row, NULL) == MLAAS_OK) {
    check_again(&row, &arena);
    if (!mlaas_predictions_encode(row.values, row.num_values, NULL, 0, &arena).data)
      abort();
  }
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  return 0;
}
