/* Rows of several requests side by side in one memory: joins inputs into a run, gathers outputs of a request that was
 * run in parts. Knows no request, no queue, no thread.
 */
#ifndef MLAAS_MODEL_RUN_ROWS_H
#define MLAAS_MODEL_RUN_ROWS_H

#include "base/error.h"

#include <mlaas/tensor.h>
#include <stdbool.h>

enum {
  MLAAS_ROWS_MOST = 1 << 30, /* bytes of one tensor: answers may be much larger than requests */
  MLAAS_ROWS_KEEP = 64 << 20 /* bytes of one tensor that are kept for the next use */
};

/* Memory for tensors that is used again and again. Zeroed, it is empty. */
struct mlaas_rows {
  struct mlaas_tensor *tensors;
  size_t count;
  int64_t rows, filled; /* rows there is room for; rows there are */
  struct mlaas_rows_memory {
    void *data;
    size_t capacity;
  } * memory;  /* of each tensor */
  size_t room; /* tensors and memory there is room for */
  struct mlaas_rows_text {
    struct mlaas_rows_text *next;
    char data[];
  } * texts; /* what elements of BYTES point to, where it was copied */
};

/* Whether rows of `a` and `b` can stand in one tensor: dtypes and all lengths but the first are equal. */
bool mlaas_rows_joinable(const struct mlaas_tensor *a, const struct mlaas_tensor *b, size_t count);
/* Rows [from, from + rows) of a tensor with at least one row. */
struct mlaas_tensor mlaas_rows_view(const struct mlaas_tensor *tensor, int64_t from, int64_t rows);

/* Empties, and makes room for `rows` rows of tensors like `like`. Allocates nothing that is there already. LIMIT,
 * MEMORY. */
enum mlaas_status mlaas_rows_begin(struct mlaas_rows *rows, const struct mlaas_tensor *like, size_t count,
                                   int64_t total, struct mlaas_error *error);
/* Appends the first `n` rows of joinable tensors. */
void mlaas_rows_add(struct mlaas_rows *rows, const struct mlaas_tensor *tensors, int64_t n);
/* Copies whole tensors of any shape. LIMIT, MEMORY. */
enum mlaas_status mlaas_rows_copy(struct mlaas_rows *rows, const struct mlaas_tensor *tensors, size_t count,
                                  struct mlaas_error *error);
/* Copies the texts that elements from row `from` on point to (of whole tensors: 0). MEMORY, LIMIT. */
enum mlaas_status mlaas_rows_own(struct mlaas_rows *rows, int64_t from, struct mlaas_error *error);
/* Lets go what is large and all texts, keeps the rest. */
void mlaas_rows_trim(struct mlaas_rows *rows);
void mlaas_rows_reset(struct mlaas_rows *rows);

#endif
