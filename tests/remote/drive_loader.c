/* A data set and a loader of it, batch by batch. Must not know what is in them. */
#include "drive.h"

#include <stdlib.h>

static enum mlaas_status open_dataset(struct drive *drive, const json_t *request, struct mlaas_error *error) {
  const json_t *urls = json_object_get(request, "urls");
  size_t count = json_array_size(urls);
  const char **names = calloc(count + 1, sizeof *names);
  char *labels = json_dumps(json_object_get(request, "labels"), 0);
  char *params = json_dumps(json_object_get(request, "params"), 0);
  for (size_t i = 0; names && i < count; i++)
    names[i] = json_string_value(json_array_get(urls, i));
  enum mlaas_status status = MLAAS_MEMORY;
  if (names && labels && params)
    status = mlaas_dataset_open(drive->context, names, count, labels, params, &drive->dataset, error);
  free(names);
  free(labels);
  free(params);
  return status;
}

enum mlaas_status drive_load(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  struct mlaas_loader_options options = {
      .size = sizeof options,
      .split = json_string_value(json_object_get(request, "split")),
      .shuffle = json_is_true(json_object_get(request, "shuffle")),
      .world = 1,
  };
  enum mlaas_status status = drive_context(drive, request, error);
  if (status == MLAAS_OK)
    status = open_dataset(drive, request, error);
  if (status == MLAAS_OK)
    status = mlaas_dataset_scan(drive->dataset, NULL, NULL, error);
  if (status == MLAAS_OK)
    status = mlaas_loader_open(drive->dataset, &options, &drive->loader, error);
  if (status == MLAAS_OK)
    json_object_set_new(answer, "rows", json_integer(mlaas_loader_num_rows(drive->loader)));
  return status;
}

enum mlaas_status drive_next(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)request;
  struct mlaas_batch *batch = NULL;
  enum mlaas_status status = mlaas_loader_next(drive->loader, -1, &batch, error);
  if (status != MLAAS_OK || !batch)
    return status;
  json_t *files = json_array(), *entries = json_array();
  for (int64_t i = 0; i < batch->rows; i++) {
    json_array_append_new(files, json_integer(batch->file[i]));
    json_array_append_new(entries, json_integer(batch->entry[i]));
  }
  json_object_set_new(answer, "digest", json_integer(drive_digest_batch(batch)));
  json_object_set_new(answer, "file", files);
  json_object_set_new(answer, "entry", entries);
  mlaas_batch_release(batch);
  return MLAAS_OK;
}

static void set_json(json_t *answer, const char *name, char *text) {
  json_object_set_new(answer, name, json_loads(text, 0, NULL));
  mlaas_text_free(text);
}

enum mlaas_status drive_state(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)request;
  char *text = NULL;
  enum mlaas_status status = mlaas_loader_state(drive->loader, &text, error);
  if (status == MLAAS_OK)
    set_json(answer, "state", text);
  return status;
}

enum mlaas_status drive_restore(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)answer;
  char *text = json_dumps(json_object_get(request, "state"), 0);
  enum mlaas_status status = mlaas_loader_restore(drive->loader, text, error);
  free(text);
  return status;
}

enum mlaas_status drive_stats(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)request;
  char *text = NULL;
  enum mlaas_status status = mlaas_loader_stats(drive->loader, &text, error);
  if (status == MLAAS_OK)
    set_json(answer, "stats", text);
  return status;
}
