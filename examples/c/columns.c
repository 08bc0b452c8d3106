/* The C interface on one page: opens a ROOT file, reads the first entries of its only tree, and adds up the values
 * of each column of 32-bit floats. Build it against an installed library: cc columns.c $(pkg-config --cflags --libs
 * mlaas) -o columns
 */
#include <mlaas/file.h>
#include <stdio.h>
#include <string.h>

enum { ENTRIES = 1000 };

static enum mlaas_status add_up(struct mlaas_table *table, struct mlaas_error *error) {
  int64_t entries = mlaas_table_num_entries(table), stop = entries < ENTRIES ? entries : ENTRIES;
  struct mlaas_reader *reader = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray array = {0};
  enum mlaas_status status = mlaas_table_schema(table, NULL, 0, &schema, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(table, NULL, 0, &reader, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_read(reader, 0, stop, &array, error);
  for (int64_t i = 0; status == MLAAS_OK && i < schema.n_children; i++) {
    if (strcmp(schema.children[i]->format, "f") != 0)
      continue;
    const float *values = array.children[i]->buffers[1];
    double sum = 0;
    for (int64_t row = 0; row < array.length; row++)
      sum += (double)values[array.children[i]->offset + row];
    printf("%-20s sum of %lld values: %g\n", schema.children[i]->name, (long long)array.length, sum);
  }
  mlaas_reader_close(reader);
  if (array.release)
    array.release(&array);
  if (schema.release)
    schema.release(&schema);
  return status;
}

int main(int argc, char **argv) {
  struct mlaas_context *context = NULL;
  struct mlaas_file *file = NULL;
  struct mlaas_table *table = NULL;
  struct mlaas_error error = {.offset = -1};
  if (argc != 2) {
    fprintf(stderr, "usage: columns FILE.root\n");
    return mlaas_status_exit_code(MLAAS_ARGUMENT);
  }
  enum mlaas_status status = mlaas_context_new(NULL, &context, &error);
  if (status == MLAAS_OK)
    status = mlaas_file_open(context, argv[1], &file, &error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(file, NULL, &table, &error);
  if (status == MLAAS_OK)
    status = add_up(table, &error);
  if (status != MLAAS_OK) {
    char text[2048];
    mlaas_error_format(&error, text, sizeof text);
    fprintf(stderr, "columns: %s\n", text);
  }
  mlaas_table_close(table);
  mlaas_file_close(file);
  mlaas_context_put(context);
  return mlaas_status_exit_code(status);
}
