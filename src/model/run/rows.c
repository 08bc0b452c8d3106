/* Joining and gathering rows. Must not know where they come from. */
#include "model/run/rows.h"

#include "base/memory.h"

#include <string.h>

static size_t row_bytes(const struct mlaas_tensor *tensor) {
  return tensor->shape[0] > 0 ? tensor->size / (size_t)tensor->shape[0] : 0;
}

bool mlaas_rows_joinable(const struct mlaas_tensor *a, const struct mlaas_tensor *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (a[i].dtype != b[i].dtype || a[i].num_dims != b[i].num_dims || a[i].num_dims < 1)
      return false;
    for (int32_t d = 1; d < a[i].num_dims; d++)
      if (a[i].shape[d] != b[i].shape[d])
        return false;
  }
  return true;
}

struct mlaas_tensor mlaas_rows_view(const struct mlaas_tensor *tensor, int64_t from, int64_t rows) {
  struct mlaas_tensor view = *tensor;
  size_t bytes = row_bytes(tensor);
  view.shape[0] = rows;
  view.data = (char *)tensor->data + (size_t)from * bytes;
  view.size = (size_t)rows * bytes;
  return view;
}

static void forget_texts(struct mlaas_rows *rows) {
  while (rows->texts) {
    struct mlaas_rows_text *text = rows->texts;
    rows->texts = text->next;
    mlaas_free(text);
  }
}

static enum mlaas_status make_room(struct mlaas_rows *rows, size_t count, struct mlaas_error *error) {
  forget_texts(rows);
  rows->rows = rows->filled = 0;
  if (count > rows->room) {
    struct mlaas_tensor *tensors = mlaas_realloc(rows->tensors, count * sizeof *tensors);
    if (tensors)
      rows->tensors = tensors;
    struct mlaas_rows_memory *memory = tensors ? mlaas_realloc(rows->memory, count * sizeof *memory) : NULL;
    if (!memory)
      return mlaas_fail(error, MLAAS_MEMORY, "out of memory for %zu tensors", count);
    rows->memory = memory;
    memset(memory + rows->room, 0, (count - rows->room) * sizeof *memory);
    rows->room = count;
  }
  rows->count = count;
  return MLAAS_OK;
}

/* Tensor `i` becomes like `like` with `size` bytes of its own. */
static enum mlaas_status shape(struct mlaas_rows *rows, size_t i, const struct mlaas_tensor *like, size_t size,
                               struct mlaas_error *error) {
  struct mlaas_rows_memory *memory = &rows->memory[i];
  if (size > memory->capacity) {
    mlaas_free(memory->data); /* its content is not needed */
    *memory = (struct mlaas_rows_memory){mlaas_alloc(size), size};
    if (!memory->data) {
      memory->capacity = 0;
      return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a tensor of %zu bytes", size);
    }
  }
  rows->tensors[i] = *like;
  rows->tensors[i].data = memory->data;
  rows->tensors[i].size = size;
  return MLAAS_OK;
}

enum mlaas_status mlaas_rows_begin(struct mlaas_rows *rows, const struct mlaas_tensor *like, size_t count,
                                   int64_t total, struct mlaas_error *error) {
  MLAAS_TRY(make_room(rows, count, error));
  for (size_t i = 0; i < count; i++) {
    size_t bytes = row_bytes(&like[i]);
    if (like[i].num_dims < 1 || (bytes > 0 && (uint64_t)total > MLAAS_ROWS_MOST / bytes))
      return mlaas_fail(error, MLAAS_LIMIT, "%lld rows of %zu bytes are more than the %d MiB that one tensor may have",
                        (long long)total, bytes, MLAAS_ROWS_MOST >> 20);
    MLAAS_TRY(shape(rows, i, &like[i], bytes * (size_t)total, error));
    rows->tensors[i].shape[0] = total;
  }
  rows->rows = total;
  return MLAAS_OK;
}

void mlaas_rows_add(struct mlaas_rows *rows, const struct mlaas_tensor *tensors, int64_t n) {
  for (size_t i = 0; i < rows->count; i++) {
    size_t bytes = row_bytes(&rows->tensors[i]);
    if (bytes > 0)
      memcpy((char *)rows->tensors[i].data + (size_t)rows->filled * bytes, tensors[i].data, bytes * (size_t)n);
  }
  rows->filled += n;
}

enum mlaas_status mlaas_rows_copy(struct mlaas_rows *rows, const struct mlaas_tensor *tensors, size_t count,
                                  struct mlaas_error *error) {
  MLAAS_TRY(make_room(rows, count, error));
  for (size_t i = 0; i < count; i++) {
    MLAAS_TRY(shape(rows, i, &tensors[i], tensors[i].size, error));
    if (tensors[i].size > 0)
      memcpy(rows->tensors[i].data, tensors[i].data, tensors[i].size);
  }
  return MLAAS_OK;
}

/* The elements of a BYTES tensor from row `from` on. */
static struct mlaas_blob *elements(const struct mlaas_rows *rows, size_t i, int64_t from, size_t *count) {
  const struct mlaas_tensor *tensor = &rows->tensors[i];
  *count = 0;
  if (tensor->dtype != MLAAS_DTYPE_BYTES)
    return NULL;
  size_t begin = (size_t)from * row_bytes(tensor);
  size_t end = rows->rows > 0 ? (size_t)rows->filled * row_bytes(tensor) : tensor->size;
  *count = (end - begin) / sizeof(struct mlaas_blob);
  return (struct mlaas_blob *)tensor->data + begin / sizeof(struct mlaas_blob);
}

enum mlaas_status mlaas_rows_own(struct mlaas_rows *rows, int64_t from, struct mlaas_error *error) {
  size_t total = 0, count;
  for (size_t i = 0; i < rows->count; i++) {
    const struct mlaas_blob *element = elements(rows, i, from, &count);
    for (size_t k = 0; k < count; k++) {
      if (element[k].size > MLAAS_ROWS_MOST - total)
        return mlaas_fail(error, MLAAS_LIMIT, "the texts are more than %d MiB", MLAAS_ROWS_MOST >> 20);
      total += element[k].size;
    }
  }
  if (total == 0)
    return MLAAS_OK;
  struct mlaas_rows_text *text = mlaas_alloc(sizeof *text + total);
  if (!text)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for %zu bytes of texts", total);
  text->next = rows->texts;
  rows->texts = text;
  char *to = text->data;
  for (size_t i = 0; i < rows->count; i++) {
    struct mlaas_blob *element = elements(rows, i, from, &count);
    for (size_t k = 0; k < count; k++) {
      if (element[k].size > 0)
        memcpy(to, element[k].data, element[k].size);
      element[k].data = to;
      to += element[k].size;
    }
  }
  return MLAAS_OK;
}

void mlaas_rows_trim(struct mlaas_rows *rows) {
  forget_texts(rows);
  rows->rows = rows->filled = 0;
  for (size_t i = 0; i < rows->room; i++)
    if (rows->memory[i].capacity > MLAAS_ROWS_KEEP) {
      mlaas_free(rows->memory[i].data);
      rows->memory[i] = (struct mlaas_rows_memory){0};
    }
  rows->count = 0;
}

void mlaas_rows_reset(struct mlaas_rows *rows) {
  forget_texts(rows);
  for (size_t i = 0; i < rows->room; i++)
    mlaas_free(rows->memory[i].data);
  mlaas_free(rows->memory);
  mlaas_free(rows->tensors);
  *rows = (struct mlaas_rows){0};
}
