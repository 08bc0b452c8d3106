/* Files that a run does without (the parameter on_bad_file): which errors allow it, what is remembered of them, and the
 * plan without them. Reads nothing.
 */
#include "dataset/losses.h"

#include "base/error.h"
#include "dataset/handles.h"

#include <mlaas/status.h>
#include <string.h>

bool mlaas_dataset_may_lose(const struct mlaas_dataset *dataset, enum mlaas_status status) {
  if (dataset->params.bad_file == MLAAS_BAD_FILE_FAIL)
    return false;
  return status == MLAAS_NOT_FOUND || status == MLAAS_IO || status == MLAAS_TIMEOUT || status == MLAAS_FORMAT ||
         status == MLAAS_CHECKSUM || status == MLAAS_STALE;
}

enum mlaas_status mlaas_dataset_lose(struct mlaas_dataset *dataset, size_t index, const char *stage,
                                     const struct mlaas_error *why, struct mlaas_error *error) {
  struct mlaas_dataset_file *file = &dataset->files[index];
  char reason[1024];
  mlaas_error_format(why, reason, sizeof reason);
  int64_t entries = file->id ? file->entries : -1;
  json_t *record = json_pack("{ss ss ss ss so sI}", "url", file->url, "stage", stage, "status",
                             mlaas_status_name(why->status), "reason", reason, "entries",
                             entries < 0 ? json_null() : json_integer((json_int_t)entries), "index", (json_int_t)index);
  if (!record || json_array_append_new(dataset->lost, record) != 0)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to remember a file that is left out");
  file->lost = true;
  file->lost_entries = entries;
  file->entries = 0;
  char amount[80] = "";
  if (entries >= 0)
    snprintf(amount, sizeof amount, ", with its %lld entries", (long long)entries);
  return mlaas_dataset_warn(dataset, error, "%s is left out%s: %.700s", file->url, amount, reason);
}

enum mlaas_status mlaas_dataset_check_lost(const struct mlaas_dataset *dataset, struct mlaas_error *error) {
  const json_t *first = json_array_get(dataset->lost, 0);
  for (size_t i = 0; i < dataset->num_files; i++)
    if (dataset->files[i].entries > 0)
      return MLAAS_OK;
  if (!first)
    return mlaas_fail(error, MLAAS_ARGUMENT, "none of the %zu files has entries", dataset->num_files);
  return mlaas_fail(error, MLAAS_IO, "no file is left: %zu of %zu are bad, the first: %.800s",
                    json_array_size(dataset->lost), dataset->num_files,
                    json_string_value(json_object_get(first, "reason")));
}

/* ---- silence ---- */

void mlaas_dataset_note_silence(const struct mlaas_dataset *dataset, size_t index, const char *why) {
  struct mlaas_handles *handles = dataset->handles;
  char *text = mlaas_strdup(why); /* without memory for it the file is only asked again */
  pthread_mutex_lock(&handles->lock);
  bool first = !handles->silent[index];
  if (first)
    __atomic_store_n(&handles->silent[index], text, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&handles->lock);
  if (!first)
    mlaas_free(text);
}

const char *mlaas_dataset_silence(const struct mlaas_dataset *dataset, size_t index) {
  return __atomic_load_n(&dataset->handles->silent[index], __ATOMIC_ACQUIRE);
}

/* ---- quotas as if nothing were lost ---- */

/* Entries of a lost file: as they are known, else those of the others of its group, or of all, on average. */
static int64_t entries_of(const struct mlaas_dataset *dataset, const struct mlaas_plan_source *sources, size_t index) {
  const struct mlaas_dataset_file *file = &dataset->files[index];
  if (!file->lost || file->lost_entries >= 0)
    return file->lost ? file->lost_entries : file->entries;
  int64_t sums[2] = {0}, counts[2] = {0};
  for (size_t i = 0; i < dataset->num_files; i++)
    for (int all = 0; all < 2; all++)
      if (!dataset->files[i].lost && (all || sources[i].group == sources[index].group)) {
        sums[all] += dataset->files[i].entries;
        counts[all]++;
      }
  int all = counts[0] == 0;
  return counts[all] ? sums[all] / counts[all] : 0;
}

/* What is wanted of the lost files of a group, from the others of it, as far as they have entries. */
static enum mlaas_status share_group(const struct mlaas_dataset *dataset, struct mlaas_plan_source *sources,
                                     size_t group, int64_t *rooms, int64_t *shares, struct mlaas_error *error) {
  int64_t wanted = 0;
  for (size_t i = 0; i < dataset->num_files; i++) {
    bool member = sources[i].group == group;
    if (member && dataset->files[i].lost) {
      wanted += sources[i].quota;
      sources[i].quota = 0;
    }
    rooms[i] = member && !dataset->files[i].lost ? sources[i].entries - sources[i].quota : 0;
  }
  if (wanted == 0)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_plan_apportion(rooms, dataset->num_files, wanted, shares, error));
  for (size_t i = 0; i < dataset->num_files; i++)
    sources[i].quota += shares[i];
  return MLAAS_OK;
}

enum mlaas_status mlaas_dataset_quotas(const struct mlaas_dataset *dataset, struct mlaas_plan_source *sources,
                                       struct mlaas_error *error) {
  size_t count = dataset->num_files;
  if (dataset->params.bad_file != MLAAS_BAD_FILE_QUOTA || dataset->params.nevents < 0 ||
      json_array_size(dataset->lost) == 0)
    return MLAAS_OK;
  int64_t *sizes = mlaas_alloc(2 * count * sizeof *sizes), *shares = sizes + count;
  if (!sizes)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the quotas of %zu files", count);
  for (size_t i = 0; i < count; i++)
    sizes[i] = entries_of(dataset, sources, i);
  enum mlaas_status status = mlaas_plan_apportion(sizes, count, dataset->params.nevents, shares, error);
  for (size_t i = 0; i < count && status == MLAAS_OK; i++) {
    sources[i].fixed = true;
    sources[i].quota = shares[i];
  }
  for (size_t i = 0; i < count && status == MLAAS_OK; i++) /* once for each group, at its first lost file */
    if (dataset->files[i].lost && sources[i].quota > 0)
      status = share_group(dataset, sources, sources[i].group, sizes, shares, error);
  mlaas_free(sizes);
  return status;
}
