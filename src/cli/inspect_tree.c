/* `mlaas inspect --tree`: directories, tables, branches and what branches are made of, drawn as a tree. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/outline.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <mlaas/object.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1024, DEEPEST = 24 };

/* ---- types ---- */

/* What Arrow calls a type, as people say it. Sub-types of structs stand on lines of their own. */
static const char *word_of(const char *format) {
  static const struct {
    const char *format, *word;
  } words[] = {{"b", "bool"},   {"c", "int8"},   {"C", "uint8"},   {"s", "int16"},  {"S", "uint16"},
               {"i", "int32"},  {"I", "uint32"}, {"l", "int64"},   {"L", "uint64"}, {"f", "float"},
               {"g", "double"}, {"u", "string"}, {"+s", "struct"}, {"+m", "map"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].format, format) == 0)
      return words[i].word;
  return format;
}

static void type_text(const struct ArrowSchema *schema, char *text, size_t size) {
  char before[LINE] = "", after[DEEPEST + 1] = "";
  int depth = 0;
  while (schema->n_children == 1 && depth < DEEPEST && schema->format[0] == '+' && strchr("lw", schema->format[1])) {
    size_t at = strlen(before);
    if (schema->format[1] == 'w')
      snprintf(before + at, sizeof before - at, "array%s<", strchr(schema->format, ':'));
    else
      snprintf(before + at, sizeof before - at, "list<");
    after[depth++] = '>';
    schema = schema->children[0];
  }
  snprintf(text, size, "%s%s%s", before, word_of(schema->format), after);
}

/* The struct inside lists and maps of a column, or NULL. */
static const struct ArrowSchema *find_struct(const struct ArrowSchema *schema) {
  for (int depth = 0; depth < DEEPEST && schema->n_children > 0; depth++) {
    if (strcmp(schema->format, "+s") == 0)
      return schema;
    schema = schema->children[0];
  }
  return NULL;
}

static void add_members(struct mlaas_outline *outline, int depth, const struct ArrowSchema *schema) {
  const struct ArrowSchema *inside = find_struct(schema);
  for (int64_t i = 0; inside && depth < MLAAS_OUTLINE_DEPTH && i < inside->n_children; i++) {
    char type[LINE];
    type_text(inside->children[i], type, sizeof type);
    mlaas_outline_add(outline, depth, inside->children[i]->name, type);
    add_members(outline, depth + 1, inside->children[i]);
  }
}

/* ---- paths: "a/b/c" after "a/x" stands below a line "a" that is there already ---- */

/* Adds a line for each part of `path` but the last that `before` does not share; returns the last part and its depth.
 */
static const char *enter(struct mlaas_outline *outline, const char *before, const char *path, const char *mark,
                         int *depth) {
  bool shared = true;
  for (const char *slash; (slash = strchr(path, '/')) && slash[1]; path = slash + 1) {
    size_t length = (size_t)(slash - path);
    shared = shared && strncmp(before, path, length) == 0 && (before[length] == '/' || !before[length]);
    if (shared) {
      before += length + (before[length] == '/');
    } else {
      char name[LINE];
      snprintf(name, sizeof name, "%.*s%s", (int)(length < LINE / 2 ? length : LINE / 2), path, mark);
      mlaas_outline_add(outline, *depth, name, NULL);
    }
    ++*depth;
  }
  return path;
}

/* ---- tables ---- */

static void describe_column(const struct mlaas_column_info *column, char *text, size_t size) {
  char stored[MLAAS_UNITS_TEXT];
  const char *type = column->type_name ? column->type_name : "?";
  if (column->unsupported)
    snprintf(text, size, "%s  cannot be read: %s", type, column->unsupported);
  else
    snprintf(text, size, "%s  %s", type, mlaas_size_format(column->stored_bytes, stored));
}

/* A branch that has data and children (split collections, for one) is the line that its children stand below. */
static void add_columns(struct mlaas_outline *outline, int depth, const struct mlaas_table *table,
                        const struct ArrowSchema *schema) {
  char text[2 * LINE];
  const char *before = "";
  int64_t readable = 0;
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info column;
    mlaas_table_column(table, i, &column);
    int at = depth;
    const char *name = enter(outline, before, column.name, "", &at);
    describe_column(&column, text, sizeof text);
    mlaas_outline_add(outline, at, name, text);
    if (!column.unsupported && readable < schema->n_children)
      add_members(outline, at + 1, schema->children[readable++]);
    before = column.name;
  }
}

static enum mlaas_status add_table(struct mlaas_outline *outline, int depth, const char *name, const char *class_name,
                                   struct mlaas_table *table, bool brief, struct mlaas_error *error) {
  char text[LINE], entries[MLAAS_UNITS_TEXT], stored[MLAAS_UNITS_TEXT];
  int64_t bytes = 0;
  size_t columns = mlaas_table_num_columns(table);
  for (size_t i = 0; i < columns; i++) {
    struct mlaas_column_info column;
    mlaas_table_column(table, i, &column);
    bytes += column.stored_bytes;
  }
  snprintf(text, sizeof text, "%s  %s entries, %zu branch%s, %s", class_name,
           mlaas_count_format(mlaas_table_num_entries(table), entries), columns, columns == 1 ? "" : "es",
           mlaas_size_format(bytes, stored));
  mlaas_outline_add(outline, depth, name, text);
  if (brief)
    return MLAAS_OK;
  struct ArrowSchema schema;
  MLAAS_TRY(mlaas_table_schema(table, NULL, 0, &schema, error));
  add_columns(outline, depth + 1, table, &schema);
  schema.release(&schema);
  return MLAAS_OK;
}

/* ---- the file ---- */

struct place {
  const char *path, *class_name, *title;
  bool is_table;
  size_t order; /* in the file */
};

/* By directory, what lies in it before what lies in its directories; then as in the file, tables first. */
static int compare_places(const void *left, const void *right) {
  const struct place *a = left, *b = right;
  const char *end_a = strrchr(a->path, '/'), *end_b = strrchr(b->path, '/');
  size_t length_a = end_a ? (size_t)(end_a - a->path) : 0, length_b = end_b ? (size_t)(end_b - b->path) : 0;
  for (size_t i = 0; i < length_a && i < length_b; i++)
    if (a->path[i] != b->path[i]) { /* a slash comes before all else, so that directories stay together */
      int x = a->path[i] == '/' ? 0 : (unsigned char)a->path[i], y = b->path[i] == '/' ? 0 : (unsigned char)b->path[i];
      return x - y;
    }
  if (length_a != length_b)
    return length_a < length_b ? -1 : 1;
  if (a->is_table != b->is_table)
    return a->is_table ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static size_t list_places(const struct mlaas_file *file, const char *path, struct place *places) {
  size_t count = 0;
  for (size_t i = 0; i < mlaas_file_num_tables(file); i++) {
    struct mlaas_table_info info;
    mlaas_file_table(file, i, &info);
    if (!path || strcmp(info.path, path) == 0)
      places[count++] = (struct place){info.path, info.class_name, "", true, i};
  }
  for (size_t i = 0; !path && i < mlaas_file_num_objects(file); i++) {
    struct mlaas_object_info info;
    mlaas_file_object(file, i, &info);
    places[count++] = (struct place){info.path, info.class_name, info.title ? info.title : "", false, i};
  }
  qsort(places, count, sizeof *places, compare_places);
  return count;
}

static enum mlaas_status add_place(struct mlaas_outline *outline, struct mlaas_file *file, const struct place *place,
                                   const char *before, bool brief, struct mlaas_error *error) {
  char text[2 * LINE];
  int depth = 1;
  const char *name = enter(outline, before, place->path, "/", &depth);
  if (!place->is_table) {
    bool titled = place->title[0];
    snprintf(text, sizeof text, "%s%s%s%s", place->class_name, titled ? "  \"" : "", place->title, titled ? "\"" : "");
    mlaas_outline_add(outline, depth, name, text);
    return MLAAS_OK;
  }
  struct mlaas_table *table = NULL;
  struct mlaas_error why;
  if (mlaas_table_open(file, place->path, &table, &why) != MLAAS_OK) {
    snprintf(text, sizeof text, "%s  cannot be read: %s", place->class_name, why.message);
    mlaas_outline_add(outline, depth, name, text);
    return MLAAS_OK;
  }
  enum mlaas_status status = add_table(outline, depth, name, place->class_name, table, brief, error);
  mlaas_table_close(table);
  return status;
}

static enum mlaas_status draw(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error) {
  size_t most = mlaas_file_num_tables(file) + mlaas_file_num_objects(file);
  struct place *places = mlaas_alloc((most + 1) * sizeof *places);
  if (!places)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of %zu objects", most);
  struct mlaas_file_info info;
  mlaas_file_info(file, &info);
  struct mlaas_outline outline = {0};
  char size[MLAAS_UNITS_TEXT];
  mlaas_outline_add(&outline, 0, info.url, mlaas_size_format(info.size, size));
  size_t count = list_places(file, path, places);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < count; i++)
    status = add_place(&outline, file, &places[i], i ? places[i - 1].path : "", brief, error);
  if (status == MLAAS_OK)
    status = mlaas_outline_write(&outline, stdout, error);
  mlaas_outline_reset(&outline);
  mlaas_free(places);
  return status;
}

enum mlaas_status mlaas_inspect_tree(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error) {
  if (!path)
    return draw(file, NULL, brief, error);
  struct mlaas_table *table = NULL;
  MLAAS_TRY(mlaas_table_open(file, path, &table, error));
  enum mlaas_status status = draw(file, mlaas_table_path(table), brief, error);
  mlaas_table_close(table);
  return status;
}
