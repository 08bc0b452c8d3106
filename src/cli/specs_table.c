/* Statistics as a table for people, from the JSON that programs get. */
#include "cli/specs_table.h"

#include "base/error.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <jansson.h>

enum { NARROW = 100, NARROW_COLUMNS = 6 }; /* a terminal of fewer characters gets no counts */

static void add_number(struct mlaas_grid *grid, const json_t *column, const char *key) {
  const json_t *value = json_object_get(column, key);
  char text[MLAAS_UNITS_TEXT] = "-";
  if (json_is_number(value))
    snprintf(text, sizeof text, "%.5g", json_number_value(value));
  mlaas_grid_add(grid, text);
}

static void add_count(struct mlaas_grid *grid, int64_t count) {
  char text[MLAAS_UNITS_TEXT] = "-";
  mlaas_grid_add(grid, count ? mlaas_count_format(count, text) : text);
}

/* Shortest and longest list: "0..7"; "-" for a branch with one value per entry. */
static void add_lengths(struct mlaas_grid *grid, const json_t *column) {
  const json_t *lengths = json_object_get(column, "lengths");
  size_t least = 0, most = json_array_size(lengths);
  char text[MLAAS_UNITS_TEXT] = "-";
  while (least < most && json_integer_value(json_array_get(lengths, least)) == 0)
    least++;
  while (most > least && json_integer_value(json_array_get(lengths, most - 1)) == 0)
    most--;
  if (json_is_true(json_object_get(column, "jagged")))
    snprintf(text, sizeof text, "%zu..%zu", least, most ? most - 1 : 0);
  mlaas_grid_add(grid, text);
}

static void add_row(struct mlaas_grid *grid, const json_t *column) {
  const char *name = json_string_value(json_object_get(column, "name"));
  mlaas_grid_add(grid, name ? name : "?");
  add_lengths(grid, column);
  add_number(grid, column, "min");
  add_number(grid, column, "max");
  add_number(grid, column, "mean");
  add_number(grid, column, "sd");
  if (grid->columns == NARROW_COLUMNS)
    return;
  add_count(grid, json_integer_value(json_object_get(column, "count")));
  add_count(grid,
            json_integer_value(json_object_get(column, "nan")) + json_integer_value(json_object_get(column, "inf")));
  add_count(grid, json_integer_value(json_object_get(column, "missing")));
}

static void write_files(const json_t *files, FILE *out) {
  struct mlaas_grid grid;
  mlaas_grid_init(&grid, "rl");
  for (size_t i = 0; i < json_array_size(files); i++) {
    const json_t *file = json_array_get(files, i);
    const char *url = json_string_value(json_object_get(file, "url"));
    char text[MLAAS_UNITS_TEXT];
    mlaas_grid_add(&grid, mlaas_count_format(json_integer_value(json_object_get(file, "entries")), text));
    mlaas_grid_add(&grid, url ? url : "?");
  }
  mlaas_grid_write(&grid, 2, out);
  mlaas_grid_reset(&grid);
}

static void write_columns(const json_t *columns, FILE *out) {
  static const char *const heads[] = {"branch", "lengths", "min", "max", "mean", "sd", "values", "nan, inf", "missing"};
  struct mlaas_grid grid;
  mlaas_grid_init(&grid, mlaas_terminal_width(out) < NARROW ? "lrrrrr" : "lrrrrrrrr");
  for (size_t i = 0; i < grid.columns; i++)
    mlaas_grid_add(&grid, heads[i]);
  for (size_t i = 0; i < json_array_size(columns); i++)
    add_row(&grid, json_array_get(columns, i));
  mlaas_grid_write(&grid, 2, out);
  mlaas_grid_reset(&grid);
}

enum mlaas_status mlaas_specs_table(const char *json, FILE *out, struct mlaas_error *error) {
  json_t *specs = json_loads(json, 0, NULL);
  if (!specs)
    return mlaas_fail(error, MLAAS_INTERNAL, "the statistics cannot be read back");
  const char *table = json_string_value(json_object_get(specs, "table"));
  mlaas_terminal_put(out, table ? table : "?");
  fputc('\n', out);
  write_files(json_object_get(specs, "files"), out);
  fputc('\n', out);
  write_columns(json_object_get(specs, "columns"), out);
  json_decref(specs);
  return MLAAS_OK;
}
