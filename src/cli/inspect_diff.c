/* `mlaas inspect --diff A B`: what differs between the schemas of two files. Compares what metadata says, no values. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <stdlib.h>
#include <string.h>

enum { DIFFERENT = 1 }; /* exit code, as of diff */

/* ---- comparing, into JSON: tables: [{path, change, columns: [...] ...}] ---- */

/* Notes key: [left, right] where they differ. */
static void note(json_t *made, const char *key, json_t *left, json_t *right) {
  if (!json_equal(left, right)) {
    json_t *pair = json_array();
    json_array_append(pair, left);
    json_array_append(pair, right);
    json_object_set_new(made, key, pair);
  }
  json_decref(left);
  json_decref(right);
}

static json_t *compression_text(const struct mlaas_table *table, const struct mlaas_column_info *column) {
  char text[MLAAS_UNITS_TEXT];
  return json_string(mlaas_compression_format(mlaas_inspect_compression(table, column), text));
}

static json_t *named(const char *key, const char *name, const char *change) {
  json_t *made = json_object();
  json_object_set_new(made, key, mlaas_inspect_text(name));
  json_object_set_new(made, "change", json_string(change));
  return made;
}

static void diff_column(const struct mlaas_table *left, size_t i, const struct mlaas_table *right, size_t k,
                        json_t *columns) {
  struct mlaas_column_info a, b;
  mlaas_table_column(left, i, &a);
  mlaas_table_column(right, k, &b);
  json_t *made = named("name", a.name, "changed");
  size_t before = json_object_size(made);
  note(made, "type", mlaas_inspect_text(a.type_name), mlaas_inspect_text(b.type_name));
  if (json_object_size(made) == before) /* a leaf list's title says its types once more */
    note(made, "title", mlaas_inspect_text(a.title), mlaas_inspect_text(b.title));
  note(made, "counter", mlaas_inspect_text(a.counter), mlaas_inspect_text(b.counter));
  note(made, "compression", compression_text(left, &a), compression_text(right, &b));
  note(made, "unsupported", mlaas_inspect_text(a.unsupported), mlaas_inspect_text(b.unsupported));
  if (json_object_size(made) > before)
    json_array_append(columns, made);
  json_decref(made);
}

static void one_sided(json_t *columns, const struct mlaas_column_info *column, const char *change) {
  json_t *made = named("name", column->name, change);
  json_object_set_new(made, "type", mlaas_inspect_text(column->type_name));
  json_array_append_new(columns, made);
}

/* Names of one side, sorted, with their places. */
struct names {
  struct name {
    const char *text;
    size_t at;
  } * list;
  size_t count;
};

static int compare_names(const void *left, const void *right) {
  const struct name *a = left, *b = right;
  int order = strcmp(a->text, b->text);
  return order ? order : a->at < b->at ? -1 : a->at > b->at;
}

static int match_name(const void *text, const void *name) { return strcmp(text, ((const struct name *)name)->text); }

static const struct name *find_name(const struct names *names, const char *text) {
  return names->count ? bsearch(text, names->list, names->count, sizeof *names->list, match_name) : NULL;
}

static enum mlaas_status new_names(size_t most, struct names *names, struct mlaas_error *error) {
  *names = (struct names){mlaas_alloc((most + 1) * sizeof *names->list), 0};
  return names->list ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu names", most);
}

static void add_name(struct names *names, const char *text, size_t at) {
  names->list[names->count++] = (struct name){text, at};
}

static void sort_names(struct names *names) { qsort(names->list, names->count, sizeof *names->list, compare_names); }

static enum mlaas_status list_columns(const struct mlaas_table *table, struct names *names, struct mlaas_error *error) {
  MLAAS_TRY(new_names(mlaas_table_num_columns(table), names, error));
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    add_name(names, info.name, i);
  }
  sort_names(names);
  return MLAAS_OK;
}

/* In the order of A, then what only B has in the order of B. */
static enum mlaas_status diff_columns(const struct mlaas_table *a, const struct mlaas_table *b, json_t *columns,
                                      struct mlaas_error *error) {
  struct names of_a = {0}, of_b = {0};
  struct mlaas_column_info left, right;
  enum mlaas_status status = list_columns(a, &of_a, error);
  if (status == MLAAS_OK)
    status = list_columns(b, &of_b, error);
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_table_num_columns(a); i++) {
    mlaas_table_column(a, i, &left);
    const struct name *found = find_name(&of_b, left.name);
    if (found)
      diff_column(a, i, b, found->at, columns);
    else
      one_sided(columns, &left, "removed");
  }
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_table_num_columns(b); i++) {
    mlaas_table_column(b, i, &right);
    if (!find_name(&of_a, right.name))
      one_sided(columns, &right, "added");
  }
  mlaas_free(of_a.list);
  mlaas_free(of_b.list);
  return status;
}

static json_t *integer(size_t number) { return json_integer((json_int_t)number); }

static enum mlaas_status diff_tables(const char *path, const struct mlaas_table *a, const struct mlaas_table *b,
                                     json_t *tables, struct mlaas_error *error) {
  json_t *made = named("path", path, "changed"), *columns = json_array();
  size_t before = json_object_size(made), clusters_a = 0, clusters_b = 0;
  (void)mlaas_table_clusters(a, &clusters_a);
  (void)mlaas_table_clusters(b, &clusters_b);
  note(made, "class", mlaas_inspect_text(mlaas_inspect_class(a)), mlaas_inspect_text(mlaas_inspect_class(b)));
  note(made, "title", mlaas_inspect_text(mlaas_table_title(a)), mlaas_inspect_text(mlaas_table_title(b)));
  note(made, "entries", integer((size_t)mlaas_table_num_entries(a)), integer((size_t)mlaas_table_num_entries(b)));
  note(made, "clusters", integer(clusters_a), integer(clusters_b));
  enum mlaas_status status = diff_columns(a, b, columns, error);
  if (json_array_size(columns))
    json_object_set(made, "columns", columns);
  if (status == MLAAS_OK && json_object_size(made) > before)
    json_array_append(tables, made);
  json_decref(columns);
  json_decref(made);
  return status;
}

/* ---- tables of both files ---- */

/* Paths without their cycle, of the highest cycle of each name; in memory of `texts`. */
static enum mlaas_status list_tables(const struct mlaas_file *file, struct names *names, struct mlaas_error *error) {
  size_t count = mlaas_file_num_tables(file), kept = 0;
  MLAAS_TRY(new_names(count, names, error));
  for (size_t i = 0; i < count; i++) {
    struct mlaas_table_info info;
    mlaas_file_table(file, i, &info);
    char *path = mlaas_strdup(info.path);
    if (!path)
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for a path");
    *strrchr(path, ';') = 0;
    add_name(names, path, i);
  }
  sort_names(names);
  for (size_t i = 0; i < names->count; i++) {
    if (kept && strcmp(names->list[kept - 1].text, names->list[i].text) == 0)
      mlaas_free((void *)(uintptr_t)names->list[i].text);
    else
      names->list[kept++] = names->list[i];
  }
  names->count = kept;
  return MLAAS_OK;
}

static void free_tables(struct names *names) {
  for (size_t i = 0; i < names->count; i++)
    mlaas_free((void *)(uintptr_t)names->list[i].text);
  mlaas_free(names->list);
}

/* A table that cannot be opened in one file is said as such; in both, its reasons are compared. */
static enum mlaas_status diff_pair(struct mlaas_file *a, struct mlaas_file *b, const char *path_a, const char *path_b,
                                   json_t *tables, struct mlaas_error *error) {
  struct mlaas_table *left = NULL, *right = NULL;
  struct mlaas_error why_a = {0}, why_b = {0};
  bool open_a = mlaas_table_open(a, path_a, &left, &why_a) == MLAAS_OK;
  bool open_b = mlaas_table_open(b, path_b, &right, &why_b) == MLAAS_OK;
  enum mlaas_status status = MLAAS_OK;
  if (open_a && open_b) {
    status = diff_tables(path_a, left, right, tables, error);
  } else {
    json_t *made = named("path", path_a, "changed");
    note(made, "unsupported", open_a ? json_null() : mlaas_inspect_text(why_a.message),
         open_b ? json_null() : mlaas_inspect_text(why_b.message));
    if (json_object_get(made, "unsupported"))
      json_array_append(tables, made);
    json_decref(made);
  }
  mlaas_table_close(left);
  mlaas_table_close(right);
  return status;
}

static enum mlaas_status diff_all(struct mlaas_file *a, struct mlaas_file *b, json_t *tables,
                                  struct mlaas_error *error) {
  struct names of_a = {0}, of_b = {0};
  enum mlaas_status status = list_tables(a, &of_a, error);
  if (status == MLAAS_OK)
    status = list_tables(b, &of_b, error);
  for (size_t i = 0; status == MLAAS_OK && i < of_a.count; i++) {
    const char *path = of_a.list[i].text;
    if (find_name(&of_b, path))
      status = diff_pair(a, b, path, path, tables, error);
    else
      json_array_append_new(tables, named("path", path, "removed"));
  }
  for (size_t i = 0; status == MLAAS_OK && i < of_b.count; i++)
    if (!find_name(&of_a, of_b.list[i].text))
      json_array_append_new(tables, named("path", of_b.list[i].text, "added"));
  free_tables(&of_a);
  free_tables(&of_b);
  return status;
}

/* The table that was named has to be in both files. */
static enum mlaas_status diff_named(struct mlaas_file *a, struct mlaas_file *b, const char *path, json_t *tables,
                                    struct mlaas_error *error) {
  struct mlaas_table *left = NULL, *right = NULL;
  enum mlaas_status status = mlaas_table_open(a, path, &left, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(b, path, &right, error);
  if (status == MLAAS_OK)
    status = diff_tables(path, left, right, tables, error);
  mlaas_table_close(left);
  mlaas_table_close(right);
  return status;
}

/* ---- saying it ---- */

static void put_change(const char *key, const json_t *pair) {
  char text[1024], number[2][MLAAS_UNITS_TEXT];
  const char *sides[2];
  for (size_t i = 0; i < 2; i++) {
    const json_t *side = json_array_get(pair, i);
    sides[i] = json_is_integer(side)  ? mlaas_count_format(json_integer_value(side), number[i])
               : json_is_string(side) ? json_string_value(side)
                                      : "none";
  }
  snprintf(text, sizeof text, "%s: %s -> %s", key, sides[0], sides[1]);
  mlaas_terminal_put(stdout, text);
}

static void put_changes(const json_t *made) {
  static const char *const keys[] = {"class",    "type",    "title",       "entries",
                                     "clusters", "counter", "compression", "unsupported"};
  const char *gap = "  ";
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const json_t *pair = json_object_get(made, keys[i]);
    if (!json_is_array(pair))
      continue;
    fputs(gap, stdout);
    put_change(keys[i], pair);
    gap = ", ";
  }
}

static char sign_of(const json_t *made) {
  const char *change = json_string_value(json_object_get(made, "change"));
  return *change == 'a' ? '+' : *change == 'r' ? '-' : '~';
}

static void put_column(const json_t *column) {
  printf("  %c ", sign_of(column));
  mlaas_terminal_put(stdout, json_string_value(json_object_get(column, "name")));
  const json_t *type = json_object_get(column, "type");
  if (json_is_string(type)) {
    fputs("  ", stdout);
    mlaas_terminal_put(stdout, json_string_value(type));
  }
  put_changes(column);
  putchar('\n');
}

static void put_table(const json_t *table) {
  const json_t *columns = json_object_get(table, "columns");
  printf("%c ", sign_of(table));
  mlaas_terminal_put(stdout, json_string_value(json_object_get(table, "path")));
  put_changes(table);
  putchar('\n');
  for (size_t i = 0; i < json_array_size(columns); i++)
    put_column(json_array_get(columns, i));
}

static enum mlaas_status say(const struct mlaas_arguments *arguments, json_t *tables, struct mlaas_error *error) {
  const char *const *urls = mlaas_arguments_operands(arguments);
  if (!mlaas_arguments_flag(arguments, "json")) {
    for (size_t i = 0; i < json_array_size(tables); i++) {
      if (i == 0) {
        for (size_t k = 0; k < 2; k++) {
          fputs(k ? "+++ " : "--- ", stdout);
          mlaas_terminal_put(stdout, urls[k]);
          putchar('\n');
        }
      }
      put_table(json_array_get(tables, i));
    }
    return MLAAS_OK;
  }
  json_t *page = json_object(), *files = json_array();
  json_array_append_new(files, mlaas_inspect_text(urls[0]));
  json_array_append_new(files, mlaas_inspect_text(urls[1]));
  json_object_set_new(page, "files", files);
  json_object_set_new(page, "equal", json_boolean(json_array_size(tables) == 0));
  json_object_set(page, "tables", tables);
  return mlaas_inspect_print(page, "mlaas-inspect-diff", error);
}

enum mlaas_status mlaas_inspect_diff(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                     struct mlaas_error *error) {
  const char *const *urls = mlaas_arguments_operands(arguments), *path = mlaas_arguments_text(arguments, "table");
  if (mlaas_arguments_num_operands(arguments) != 2)
    return mlaas_fail(error, MLAAS_ARGUMENT, "--diff compares two files; %zu were given",
                      mlaas_arguments_num_operands(arguments));
  struct mlaas_file *a = NULL, *b = NULL;
  json_t *tables = json_array();
  enum mlaas_status status = mlaas_file_open(context, urls[0], &a, error);
  if (status == MLAAS_OK)
    status = mlaas_file_open(context, urls[1], &b, error);
  if (status == MLAAS_OK)
    status = path ? diff_named(a, b, path, tables, error) : diff_all(a, b, tables, error);
  if (status == MLAAS_OK)
    status = say(arguments, tables, error);
  if (status == MLAAS_OK && json_array_size(tables))
    mlaas_arguments_conclude(arguments, DIFFERENT);
  json_decref(tables);
  mlaas_file_close(a);
  mlaas_file_close(b);
  return status;
}
