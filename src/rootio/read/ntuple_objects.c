/* Streamed fields: objects as ROOT streams them, walked as those in a tree's basket are. Must not know pages. */
#include "rootio/read/ntuple_job.h"

#include "base/error.h"

#include <string.h>

/* Where each object begins, as a basket would say it. */
static enum mlaas_status write_offsets(struct mlaas_budget *budget, const int32_t *ends, int64_t count,
                                       struct mlaas_block *offsets, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_block_new(budget, 4 * count, offsets, error));
  uint32_t *out = offsets->data;
  for (int64_t i = 0; i < count; i++)
    out[i] = __builtin_bswap32((uint32_t)ends[i]);
  return MLAAS_OK;
}

/* The objects' buffers are the field's from now on; the bytes that they came from are not needed any more. */
static void hand_over(const struct mlaas_field_read *read, const struct mlaas_field_object *object, size_t bytes,
                      struct mlaas_piece *piece) {
  for (size_t i = 0; i < piece->num_buffers; i++) {
    read->blocks[object->node->buffer + i] = piece->blocks[i];
    piece->blocks[i] = (struct mlaas_block){0};
  }
  mlaas_piece_reset(piece);
  mlaas_block_reset(&read->blocks[bytes]);
  mlaas_block_reset(&read->blocks[bytes + 1]);
}

enum mlaas_status mlaas_objects_decode(const struct mlaas_fields_job *job, const struct mlaas_field_read *read,
                                       const struct mlaas_field_object *object, struct mlaas_error *error) {
  size_t buffer = read->plan->feeds[object->feed].buffer;
  int64_t count = read->feeds[object->feed].found;
  const int32_t *ends = read->blocks[buffer].data;
  struct mlaas_block offsets = {0}, scratch = {0};
  struct mlaas_piece piece = {0};
  MLAAS_TRY(write_offsets(job->budget, ends, count, &offsets, error));
  struct mlaas_basket basket = {
      .entries = (int32_t)count, .data = read->blocks[buffer + 1].data, .size = ends[count], .offsets = offsets.data};
  enum mlaas_status status = mlaas_decode_piece(&object->walk, &basket, NULL, job->budget, &scratch, &piece, error);
  if (status == MLAAS_OK)
    hand_over(read, object, buffer, &piece);
  mlaas_block_reset(&offsets);
  mlaas_block_reset(&scratch);
  return status;
}
