/* The page that `mlaas inspect` shows of a file: its tables, and of each branch name, type, size and compression. */
#include "base/error.h"
#include "cli/inspect.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <string.h>

enum { NARROW = 76, NARROW_COLUMNS = 3 }; /* a terminal of fewer characters gets name, type and size */

struct sums {
  int64_t stored, raw, baskets;
  size_t unsupported;
};

static struct sums add_up(const struct mlaas_table *table) {
  struct sums sums = {0};
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info column;
    mlaas_table_column(table, i, &column);
    sums.stored += column.stored_bytes;
    sums.raw += column.raw_bytes;
    sums.baskets += column.num_baskets;
    sums.unsupported += column.unsupported != NULL;
  }
  return sums;
}

static void add_ratio(struct mlaas_grid *grid, int64_t raw, int64_t stored) {
  char text[MLAAS_UNITS_TEXT] = "-";
  if (stored > 0 && raw > 0)
    snprintf(text, sizeof text, "%.2f", (double)raw / (double)stored);
  mlaas_grid_add(grid, text);
}

int32_t mlaas_inspect_compression(const struct mlaas_table *table, const struct mlaas_column_info *column) {
  struct mlaas_file_info info;
  mlaas_file_info(mlaas_table_file(table), &info);
  bool silent = column->compression == 0 && column->stored_bytes < column->raw_bytes;
  return silent ? info.compression : column->compression;
}

static void add_column(struct mlaas_grid *grid, const struct mlaas_table *table,
                       const struct mlaas_column_info *column) {
  char text[MLAAS_UNITS_TEXT];
  mlaas_grid_add(grid, column->name);
  mlaas_grid_add(grid, column->type_name ? column->type_name : "?");
  mlaas_grid_add(grid, mlaas_size_format(column->stored_bytes, text));
  if (grid->columns == NARROW_COLUMNS)
    return;
  mlaas_grid_add(grid, mlaas_size_format(column->raw_bytes, text));
  add_ratio(grid, column->raw_bytes, column->stored_bytes);
  mlaas_grid_add(grid, mlaas_count_format(column->num_baskets, text));
  mlaas_grid_add(grid, mlaas_compression_format(mlaas_inspect_compression(table, column), text));
}

static void show_columns(const struct mlaas_table *table) {
  static const char *const heads[] = {"branch", "type", "stored", "raw", "ratio", "baskets", "compression"};
  struct mlaas_grid grid;
  mlaas_grid_init(&grid, mlaas_terminal_width(stdout) < NARROW ? "llr" : "llrrrrl");
  for (size_t i = 0; i < grid.columns; i++)
    mlaas_grid_add(&grid, heads[i]);
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info column;
    mlaas_table_column(table, i, &column);
    if (!column.unsupported)
      add_column(&grid, table, &column);
  }
  mlaas_grid_write(&grid, 2, stdout);
  mlaas_grid_reset(&grid);
}

static void show_unsupported(const struct mlaas_table *table, size_t count) {
  char number[MLAAS_UNITS_TEXT];
  printf("  cannot be read (%s):\n", mlaas_count_format((int64_t)count, number));
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    struct mlaas_column_info column;
    char line[2048];
    mlaas_table_column(table, i, &column);
    if (!column.unsupported)
      continue;
    snprintf(line, sizeof line, "    %s (%s): %s", column.name, column.type_name ? column.type_name : "?",
             column.unsupported);
    mlaas_terminal_put(stdout, line);
    putchar('\n');
  }
}

/* "dir/tree;1  TTree "title"" */
static void show_name(const char *path, const char *class_name, const char *title) {
  char line[2048];
  bool titled = title && title[0];
  snprintf(line, sizeof line, "%s  %s%s%s%s", path, class_name, titled ? " \"" : "", titled ? title : "",
           titled ? "\"" : "");
  putchar('\n');
  mlaas_terminal_put(stdout, line);
  putchar('\n');
}

static void show_table(const struct mlaas_table *table, const char *class_name, bool brief) {
  struct sums sums = add_up(table);
  size_t columns = mlaas_table_num_columns(table), clusters = 0;
  char text[5][MLAAS_UNITS_TEXT];
  (void)mlaas_table_clusters(table, &clusters);
  show_name(mlaas_table_path(table), class_name, mlaas_table_title(table));
  printf("  %s entries, %s branches, %s cluster%s, %s stored, %s raw",
         mlaas_count_format(mlaas_table_num_entries(table), text[0]), mlaas_count_format((int64_t)columns, text[1]),
         mlaas_count_format((int64_t)clusters, text[2]), clusters == 1 ? "" : "s",
         mlaas_size_format(sums.stored, text[3]), mlaas_size_format(sums.raw, text[4]));
  if (sums.stored > 0)
    printf(", ratio %.2f", (double)sums.raw / (double)sums.stored);
  putchar('\n');
  if (!brief && columns > sums.unsupported)
    show_columns(table);
  if (sums.unsupported)
    show_unsupported(table, sums.unsupported);
}

void mlaas_inspect_head(const struct mlaas_file *file) {
  struct mlaas_file_info info;
  mlaas_file_info(file, &info);
  char size[MLAAS_UNITS_TEXT], version[MLAAS_UNITS_TEXT], compression[MLAAS_UNITS_TEXT];
  size_t tables = mlaas_file_num_tables(file);
  printf("%s\n  %s, written by ROOT %s, compression %s, %zu table%s\n  id %s\n", info.url,
         mlaas_size_format(info.size, size), mlaas_root_version_format(info.version, version),
         mlaas_compression_format(info.compression, compression), tables, tables == 1 ? "" : "s", info.id);
}

/* A table that cannot be opened is said and passed over. */
static void show_tables(struct mlaas_file *file, bool brief) {
  mlaas_inspect_head(file);
  for (size_t i = 0; i < mlaas_file_num_tables(file); i++) {
    struct mlaas_table_info info;
    struct mlaas_table *table = NULL;
    struct mlaas_error error;
    mlaas_file_table(file, i, &info);
    if (mlaas_table_open(file, info.path, &table, &error) == MLAAS_OK) {
      show_table(table, info.class_name, brief);
    } else {
      show_name(info.path, info.class_name, NULL);
      printf("  cannot be read: ");
      mlaas_terminal_put(stdout, error.message);
      putchar('\n');
    }
    mlaas_table_close(table);
  }
}

const char *mlaas_inspect_class(const struct mlaas_table *table) {
  const struct mlaas_file *file = mlaas_table_file(table);
  for (size_t i = 0; i < mlaas_file_num_tables(file); i++) {
    struct mlaas_table_info info;
    mlaas_file_table(file, i, &info);
    if (strcmp(info.path, mlaas_table_path(table)) == 0)
      return info.class_name;
  }
  return "";
}

static enum mlaas_status show_one(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error) {
  struct mlaas_table *table = NULL;
  MLAAS_TRY(mlaas_table_open(file, path, &table, error));
  mlaas_inspect_head(file);
  show_table(table, mlaas_inspect_class(table), brief);
  mlaas_table_close(table);
  return MLAAS_OK;
}

enum mlaas_status mlaas_inspect_page(struct mlaas_file *file, const char *path, bool brief, struct mlaas_error *error) {
  if (path)
    return show_one(file, path, brief, error);
  show_tables(file, brief);
  return MLAAS_OK;
}
