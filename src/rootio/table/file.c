/* A file: opened, and the list of its tables. Must not know how a table is decoded. */
#include "rootio/table/foreign.h"

#include "base/error.h"

#include <stdlib.h>
#include <mlaas/place.h>
#include <string.h>

struct mlaas_file *mlaas_file_get(struct mlaas_file *file) {
  __atomic_add_fetch(&file->count, 1, __ATOMIC_RELAXED);
  return file;
}

void mlaas_file_close(struct mlaas_file *file) {
  if (!file || __atomic_sub_fetch(&file->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  mlaas_foreign_close(file->foreign);
  mlaas_container_reset(&file->container);
  mlaas_context_put(file->context);
  mlaas_free(file);
}

const char *mlaas_file_url(const struct mlaas_file *file) {
  struct mlaas_file_info info;
  if (!file->foreign)
    return mlaas_source_url(file->container.source);
  mlaas_foreign_info(file, &info);
  return info.url;
}

static bool is_ntuple(const char *class_name) {
  return strcmp(class_name, "ROOT::RNTuple") == 0 || strcmp(class_name, "ROOT::Experimental::RNTuple") == 0;
}

static enum mlaas_status set_entry(struct mlaas_file *file, const struct mlaas_key *key, struct mlaas_file_table *table,
                                   struct mlaas_error *error) {
  table->key = key;
  table->is_ntuple = is_ntuple(key->class_name);
  const char *directory = key->directory ? key->directory : "";
  table->path = mlaas_arena_format(&file->container.arena, error, "%s%s%s;%d", directory, *directory ? "/" : "",
                                   key->name, key->cycle);
  return table->path ? MLAAS_OK : error->status;
}

static enum mlaas_status list_tables(struct mlaas_file *file, struct mlaas_error *error) {
  struct mlaas_container *container = &file->container;
  file->tables = mlaas_arena_alloc(&container->arena, container->num_keys, sizeof *file->tables, error);
  file->objects = mlaas_arena_alloc(&container->arena, container->num_keys, sizeof *file->objects, error);
  if (!file->tables || !file->objects)
    return error->status;
  for (size_t i = 0; i < container->num_keys; i++) {
    const struct mlaas_key *key = &container->keys[i];
    if (is_ntuple(key->class_name) || mlaas_tree_is_tree(&file->streamers, key->class_name))
      MLAAS_TRY(set_entry(file, key, &file->tables[file->num_tables++], error));
    else if (!mlaas_file_is_directory(key))
      MLAAS_TRY(set_entry(file, key, &file->objects[file->num_objects++], error));
  }
  return mlaas_file_index_objects(file, error);
}

static enum mlaas_status open_source(struct mlaas_file *file, struct mlaas_source *source, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_container_open(&file->container, source, mlaas_context_budget(file->context), error));
  MLAAS_TRY(mlaas_streamers_read(&file->container, &file->streamers, error));
  return list_tables(file, error);
}

enum mlaas_status mlaas_file_from_source(struct mlaas_context *context, struct mlaas_source *source,
                                         struct mlaas_file **file, struct mlaas_error *error) {
  struct mlaas_file *made = mlaas_alloc(sizeof *made);
  if (!made) {
    mlaas_source_put(source);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a file");
  }
  made->count = 1;
  made->context = mlaas_context_get(context);
  enum mlaas_status status = open_source(made, source, error);
  if (status == MLAAS_OK)
    *file = made;
  else
    mlaas_file_close(made);
  return status;
}

enum mlaas_status mlaas_file_open(struct mlaas_context *context, const char *url, struct mlaas_file **file,
                                  struct mlaas_error *error) {
  struct mlaas_error local;
  struct mlaas_source *source;
  error = error ? error : &local;
  bool is_foreign = false;
  enum mlaas_status status = mlaas_foreign_open(context, url, file, &is_foreign, error);
  if (status == MLAAS_OK && !is_foreign)
    status = mlaas_source_open(context, url, &source, error);
  if (status == MLAAS_OK && !is_foreign)
    status = mlaas_file_from_source(context, source, file, error);
  if (status == MLAAS_OK)
    return MLAAS_OK;
  char shown[400];
  mlaas_place_show(url, shown, sizeof shown);
  return strstr(error->where, shown) ? status : mlaas_fail_in(error, status, "%s", shown);
}

void mlaas_file_counters(const struct mlaas_file *file, struct mlaas_source_counters *counters) {
  *counters = (struct mlaas_source_counters){0};
  if (file->foreign)
    mlaas_foreign_counters(file, counters);
  else if (file->container.source)
    mlaas_source_counters(file->container.source, counters);
}

void mlaas_file_costs(const struct mlaas_file *file, struct mlaas_costs *costs) {
  struct mlaas_source_counters counters;
  mlaas_file_counters(file, &counters);
  *costs = (struct mlaas_costs){counters.requests, counters.ranges,  counters.bytes,    counters.delivered,
                                counters.hits,     counters.retries, counters.failovers};
}

void mlaas_file_info(const struct mlaas_file *file, struct mlaas_file_info *info) {
  if (file->foreign) {
    mlaas_foreign_info(file, info);
    return;
  }
  const struct mlaas_container *container = &file->container;
  struct mlaas_source_counters counters;
  mlaas_file_counters(file, &counters);
  *info = (struct mlaas_file_info){.url = mlaas_source_url(container->source),
                                   .id = container->id,
                                   .version = container->version,
                                   .compression = container->compression,
                                   .size = mlaas_source_size(container->source),
                                   .bytes_read = counters.bytes,
                                   .read_requests = counters.requests,
                                   .is_remote = mlaas_source_is_remote(container->source)};
}

size_t mlaas_file_num_tables(const struct mlaas_file *file) { return file->num_tables; }

void mlaas_file_table(const struct mlaas_file *file, size_t i, struct mlaas_table_info *info) {
  *info = (struct mlaas_table_info){.path = file->tables[i].path, .class_name = file->tables[i].key->class_name};
}
