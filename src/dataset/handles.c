/* Files that are open, and what they cost. Knows no branches. */
#include "dataset/handles.h"

#include "base/error.h"
#include "rootio/table/table.h"

enum { KEPT_SHARE = 8, MOST_IDLE = 64 }; /* files wait open while less than this part of the ceiling is held */

/* The handles are what changes of a data set that is otherwise immutable. */
static struct mlaas_handles *handles_of(const struct mlaas_dataset *dataset) { return dataset->handles; }

enum mlaas_status mlaas_handles_init(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  struct mlaas_handles *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a data set");
  pthread_mutex_init(&made->lock, NULL);
  dataset->handles = made;
  made->closed = mlaas_arena_alloc(&dataset->arena, dataset->num_files, sizeof *made->closed, error);
  made->silent =
      made->closed ? mlaas_arena_alloc(&dataset->arena, dataset->num_files, sizeof *made->silent, error) : NULL;
  return made->silent ? MLAAS_OK : MLAAS_MEMORY;
}

static void free_handle(struct mlaas_handle *handle) {
  if (handle->table)
    mlaas_table_close(handle->table);
  if (handle->file)
    mlaas_file_close(handle->file);
  mlaas_free(handle);
}

void mlaas_handles_reset(struct mlaas_dataset *dataset) {
  struct mlaas_handles *handles = dataset->handles;
  if (!handles)
    return;
  mlaas_handles_drop(dataset);
  for (size_t i = 0; handles->silent && i < dataset->num_files; i++)
    mlaas_free(handles->silent[i]);
  pthread_mutex_destroy(&handles->lock);
  mlaas_free(handles);
  dataset->handles = NULL;
}

/* ---- one file ---- */

/* Takes the first idle handle of file `index` (or of any: SIZE_MAX) out of its rest, or NULL. */
static struct mlaas_handle *wake(struct mlaas_handles *handles, size_t index) {
  pthread_mutex_lock(&handles->lock);
  struct mlaas_handle *handle = handles->first;
  while (handle && !(handle->idle && (index == SIZE_MAX || handle->index == index)))
    handle = handle->next;
  if (handle) {
    handle->idle = false;
    handles->num_idle--;
  }
  pthread_mutex_unlock(&handles->lock);
  return handle;
}

/* With the columns of its friends where the parameters say so. */
static enum mlaas_status open_table(const struct mlaas_dataset *dataset, struct mlaas_file *file,
                                    struct mlaas_table **table, struct mlaas_error *error) {
  struct mlaas_table *alone = NULL;
  MLAAS_TRY(mlaas_table_open(file, dataset->params.table, &alone, error));
  if (!dataset->params.friends) {
    *table = alone;
    return MLAAS_OK;
  }
  enum mlaas_status status = mlaas_table_with_friends(alone, table, error);
  mlaas_table_close(alone);
  return status;
}

enum mlaas_status mlaas_handle_open(const struct mlaas_dataset *dataset, size_t index, struct mlaas_handle **handle,
                                    bool *fresh, struct mlaas_error *error) {
  struct mlaas_handles *handles = handles_of(dataset);
  *handle = wake(handles, index);
  *fresh = !*handle;
  if (*handle)
    return MLAAS_OK;
  struct mlaas_handle *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open '%s'", dataset->files[index].url);
  made->index = index;
  enum mlaas_status status = mlaas_file_open(dataset->context, dataset->files[index].place, &made->file, error);
  if (status == MLAAS_OK)
    status = open_table(dataset, made->file, &made->table, error);
  if (status != MLAAS_OK) {
    free_handle(made);
    return status;
  }
  pthread_mutex_lock(&handles->lock);
  made->next = handles->first;
  handles->first = made;
  pthread_mutex_unlock(&handles->lock);
  *handle = made;
  return MLAAS_OK;
}

static void retire(struct mlaas_handles *handles, struct mlaas_handle *handle) {
  struct mlaas_source_counters counters;
  pthread_mutex_lock(&handles->lock);
  mlaas_handle_counters(handle, &counters);
  mlaas_source_counters_add(&handles->closed[handle->index], &counters);
  struct mlaas_handle **at = &handles->first;
  while (*at != handle)
    at = &(*at)->next;
  *at = handle->next;
  pthread_mutex_unlock(&handles->lock);
  free_handle(handle);
}

void mlaas_handle_close(const struct mlaas_dataset *dataset, struct mlaas_handle *handle) {
  struct mlaas_handles *handles = handles_of(dataset);
  struct mlaas_budget *budget = mlaas_context_budget(dataset->context);
  if (!handle)
    return;
  struct mlaas_file_info info;
  mlaas_file_info(handle->file, &info);
  bool keep = !handle->bad && info.is_remote && mlaas_budget_held(budget) < mlaas_budget_ceiling(budget) / KEPT_SHARE;
  pthread_mutex_lock(&handles->lock);
  handle->idle = keep = keep && handles->num_idle < MOST_IDLE;
  handles->num_idle += keep;
  pthread_mutex_unlock(&handles->lock);
  if (!keep)
    retire(handles, handle);
}

bool mlaas_handles_drop(const struct mlaas_dataset *dataset) {
  struct mlaas_handles *handles = handles_of(dataset);
  bool any = false;
  for (struct mlaas_handle *handle; (handle = wake(handles, SIZE_MAX)) != NULL; any = true)
    retire(handles, handle);
  return any;
}

/* ---- what it cost ---- */

void mlaas_handle_counters(const struct mlaas_handle *handle, struct mlaas_source_counters *counters) {
  mlaas_table_counters(handle->table, counters);
}

void mlaas_dataset_counters(const struct mlaas_dataset *dataset, size_t index, struct mlaas_source_counters *counters) {
  struct mlaas_handles *handles = handles_of(dataset);
  pthread_mutex_lock(&handles->lock);
  *counters = handles->closed[index];
  for (const struct mlaas_handle *handle = handles->first; handle; handle = handle->next) {
    struct mlaas_source_counters more;
    if (handle->index != index)
      continue;
    mlaas_handle_counters(handle, &more);
    mlaas_source_counters_add(counters, &more);
  }
  pthread_mutex_unlock(&handles->lock);
}

json_t *mlaas_counters_json(const struct mlaas_source_counters *counters) {
  return json_pack("{sI sI sI sI sI sI sI}", "requests", (json_int_t)counters->requests, "ranges",
                   (json_int_t)counters->ranges, "bytes", (json_int_t)counters->bytes, "delivered",
                   (json_int_t)counters->delivered, "hits", (json_int_t)counters->hits, "retries",
                   (json_int_t)counters->retries, "failovers", (json_int_t)counters->failovers);
}
