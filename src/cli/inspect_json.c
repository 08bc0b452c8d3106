/* What `mlaas inspect --json` says about a file. */
#include "cli/inspect.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

json_t *mlaas_inspect_text(const char *from) {
  if (!from)
    return json_null();
  json_t *made = json_string(from);
  if (made)
    return made;
  char safe[512];
  size_t length = strlen(from) < sizeof safe ? strlen(from) : sizeof safe - 1;
  for (size_t i = 0; i < length; i++)
    safe[i] = (unsigned char)from[i] < 0x80 ? from[i] : '?';
  safe[length] = 0;
  return json_string(safe);
}

enum mlaas_status mlaas_inspect_print(json_t *page, const char *format, struct mlaas_error *error) {
  json_t *whole = json_object();
  json_object_set_new(whole, "format", json_string(format));
  json_object_set_new(whole, "version", json_integer(1));
  json_object_update(whole, page);
  char *text = json_dumps(whole, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  json_decref(whole);
  json_decref(page);
  if (!text)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the JSON");
  puts(text);
  free(text);
  return MLAAS_OK;
}

static json_t *column_json(const struct mlaas_column_info *column) {
  json_t *made = json_object();
  json_object_set_new(made, "name", mlaas_inspect_text(column->name));
  json_object_set_new(made, "type", mlaas_inspect_text(column->type_name));
  json_object_set_new(made, "title", mlaas_inspect_text(column->title));
  json_object_set_new(made, "counter", mlaas_inspect_text(column->counter));
  json_object_set_new(made, "stored_bytes", json_integer(column->stored_bytes));
  json_object_set_new(made, "raw_bytes", json_integer(column->raw_bytes));
  json_object_set_new(made, "baskets", json_integer(column->num_baskets));
  json_object_set_new(made, "compression", json_integer(column->compression));
  json_object_set_new(made, "unsupported", mlaas_inspect_text(column->unsupported));
  return made;
}

static void add_details(json_t *made, const struct mlaas_table *table, bool brief) {
  size_t count = 0;
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  json_t *starts = json_array(), *columns = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(starts, json_integer(clusters[i]));
  for (size_t i = 0; !brief && i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info column;
    mlaas_table_column(table, i, &column);
    json_array_append_new(columns, column_json(&column));
  }
  json_object_set_new(made, "title", mlaas_inspect_text(mlaas_table_title(table)));
  json_object_set_new(made, "entries", json_integer(mlaas_table_num_entries(table)));
  json_object_set_new(made, "num_branches", json_integer((json_int_t)mlaas_table_num_columns(table)));
  json_object_set_new(made, "clusters", starts);
  if (brief)
    json_decref(columns);
  else
    json_object_set_new(made, "branches", columns);
}

static json_t *table_json(struct mlaas_file *file, const struct mlaas_table_info *info, bool brief) {
  struct mlaas_table *table = NULL;
  struct mlaas_error error;
  json_t *made = json_object();
  json_object_set_new(made, "path", mlaas_inspect_text(info->path));
  json_object_set_new(made, "class", mlaas_inspect_text(info->class_name));
  bool open = mlaas_table_open(file, info->path, &table, &error) == MLAAS_OK;
  json_object_set_new(made, "unsupported", open ? json_null() : mlaas_inspect_text(error.message));
  if (open)
    add_details(made, table, brief);
  mlaas_table_close(table);
  return made;
}

enum mlaas_status mlaas_inspect_json(struct mlaas_file *file, const char *path, bool brief, json_t *files,
                                     struct mlaas_error *error) {
  struct mlaas_table *chosen = NULL;
  if (path)
    MLAAS_TRY(mlaas_table_open(file, path, &chosen, error));
  struct mlaas_file_info info;
  mlaas_file_info(file, &info);
  json_t *made = json_object(), *tables = json_array();
  json_object_set_new(made, "url", mlaas_inspect_text(info.url));
  json_object_set_new(made, "id", mlaas_inspect_text(info.id));
  json_object_set_new(made, "size", json_integer(info.size));
  json_object_set_new(made, "root_version", json_integer(info.version));
  json_object_set_new(made, "compression", json_integer(info.compression));
  for (size_t i = 0; i < mlaas_file_num_tables(file); i++) {
    struct mlaas_table_info table;
    mlaas_file_table(file, i, &table);
    if (!chosen || strcmp(table.path, mlaas_table_path(chosen)) == 0)
      json_array_append_new(tables, table_json(file, &table, brief));
  }
  json_object_set_new(made, "tables", tables);
  json_array_append_new(files, made);
  mlaas_table_close(chosen);
  return MLAAS_OK;
}
