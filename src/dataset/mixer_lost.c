/* Files that stop being readable in mid-epoch, where on_bad_file lets the others go on: the rest of their rows is left
 * out of the epoch, and counted. Must not know why they cannot be read.
 */
#include "dataset/losses.h"
#include "dataset/mixer.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Ranks of one epoch end together, so none may leave rows out alone. */
enum mlaas_status mlaas_mixer_lost_init(struct mlaas_mixer *mixer, struct mlaas_error *error) {
  const struct mlaas_dataset *dataset = mixer->dataset;
  if (dataset->params.bad_file == MLAAS_BAD_FILE_FAIL || mixer->options.order.world > 1)
    return MLAAS_OK;
  mixer->losses = mlaas_arena_alloc(&mixer->arena, dataset->num_files, sizeof *mixer->losses, error);
  return mixer->losses ? MLAAS_OK : MLAAS_MEMORY;
}

static void note_reason(struct mlaas_mixer_loss *loss, const char *reason) {
  snprintf(loss->reason, sizeof loss->reason, "%s", reason);
}

bool mlaas_mixer_is_lost(struct mlaas_mixer *mixer, size_t file) {
  struct mlaas_mixer_loss *loss = mixer->losses ? &mixer->losses[file] : NULL;
  const char *silence = loss && !loss->gone ? mlaas_dataset_silence(mixer->dataset, file) : NULL;
  if (silence) { /* in an epoch before, or for another loader */
    loss->gone = true;
    note_reason(loss, silence);
  }
  return loss && loss->gone;
}

bool mlaas_mixer_lose(struct mlaas_mixer *mixer, size_t file, enum mlaas_status status, const struct mlaas_error *why) {
  if (!mixer->losses || !mlaas_dataset_may_lose(mixer->dataset, status))
    return false;
  struct mlaas_mixer_loss *loss = &mixer->losses[file];
  loss->gone = true;
  if (why)
    mlaas_error_format(why, loss->reason, sizeof loss->reason);
  if (status == MLAAS_TIMEOUT) /* waiting once was enough */
    mlaas_dataset_note_silence(mixer->dataset, file, loss->reason);
  return true;
}

/* A row that is not there has -1 - file instead of its file until the batch is closed up. */
void mlaas_mixer_leave_out(struct mlaas_mixer *mixer, size_t file, const int32_t *slots, size_t count,
                           struct mlaas_batch *const *batches) {
  int64_t batch_rows = mixer->options.batch_rows;
  mixer->holes |= count > 0;
  for (size_t i = 0; i < count; i++)
    batches[slots[i] / batch_rows]->file[slots[i] % batch_rows] = -1 - (int32_t)file;
}

static void move_row(const struct mlaas_layout *layout, struct mlaas_batch *batch, int64_t to, int64_t from) {
  for (size_t k = 0; k < layout->num_inputs; k++) {
    int64_t width = layout->slots[k] * layout->features[k];
    const struct mlaas_batch_input *input = &batch->inputs[k];
    memcpy(input->x + to * width, input->x + from * width, (size_t)width * sizeof *input->x);
    memcpy(input->mask + to * width, input->mask + from * width, (size_t)width);
  }
  batch->y[to] = batch->y[from];
  batch->w[to] = batch->w[from];
  batch->raw_w[to] = batch->raw_w[from];
  batch->file[to] = batch->file[from];
  batch->entry[to] = batch->entry[from];
  batch->part[to] = batch->part[from];
}

void mlaas_mixer_close_up(struct mlaas_mixer *mixer, struct mlaas_batch *const *batches, size_t count) {
  if (!mixer->holes)
    return;
  mixer->holes = false;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_batch *batch = batches[i];
    int64_t kept = 0;
    for (int64_t row = 0; row < batch->rows; row++) {
      if (batch->file[row] < 0) {
        mixer->losses[-1 - batch->file[row]].fresh++;
        continue;
      }
      if (kept != row)
        move_row(&mixer->layout, batch, kept, row);
      kept++;
    }
    batch->rows = kept;
  }
}

void mlaas_mixer_forget_lost(struct mlaas_mixer *mixer) {
  for (size_t i = 0; mixer->losses && i < mixer->dataset->num_files; i++)
    mixer->losses[i].gone = false;
}

void mlaas_mixer_settle_lost(struct mlaas_mixer *mixer, bool delivered) {
  for (size_t i = 0; mixer->losses && i < mixer->dataset->num_files; i++) {
    struct mlaas_mixer_loss *loss = &mixer->losses[i];
    loss->rows += delivered ? loss->fresh : 0;
    loss->fresh = 0;
    if (delivered && loss->rows && !loss->told[0])
      memcpy(loss->told, loss->reason, sizeof loss->told);
  }
}
