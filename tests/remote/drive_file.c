/* Opens a file, says what it is, reads all of it. Must not know of data sets. */
#include "drive.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2000 };

/* How servers are reached is a parameter of data sets, which a context takes from there. */
static enum mlaas_status way_to_servers(struct drive *drive, const json_t *request, struct mlaas_context **derived,
                                        struct mlaas_error *error) {
  json_t *params = json_pack("{s:O?}", "remote", json_object_get(request, "remote"));
  char *text = json_dumps(params, 0);
  enum mlaas_status status = mlaas_params_context(text, drive->context, derived, error);
  free(text);
  json_decref(params);
  return status;
}

enum mlaas_status drive_open(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  struct mlaas_context *derived = NULL;
  enum mlaas_status status = drive_context(drive, request, error);
  if (status == MLAAS_OK)
    status = way_to_servers(drive, request, &derived, error);
  if (status == MLAAS_OK)
    status = mlaas_file_open(derived, json_string_value(json_object_get(request, "url")), &drive->file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(drive->file, json_string_value(json_object_get(request, "table")), &drive->table, error);
  if (status == MLAAS_OK)
    json_object_set_new(answer, "entries", json_integer(mlaas_table_num_entries(drive->table)));
  mlaas_context_put(derived);
  return status;
}

enum mlaas_status drive_info(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)request;
  (void)error;
  struct mlaas_file_info info;
  mlaas_file_info(drive->file, &info);
  json_object_set_new(answer, "id", json_string(info.id));
  json_object_set_new(answer, "size", json_integer(info.size));
  json_object_set_new(answer, "read_requests", json_integer(info.read_requests));
  json_object_set_new(answer, "bytes_read", json_integer(info.bytes_read));
  return MLAAS_OK;
}

static enum mlaas_status fail(struct mlaas_error *error, const char *message) {
  snprintf(error->message, sizeof error->message, "%s", message);
  return error->status = MLAAS_INTERNAL;
}

static bool digest_rows(const struct ArrowSchema *schema, const struct ArrowArray *array, uint32_t *crc) {
  for (int64_t i = 0; i < array->n_children; i++)
    if (!drive_digest_column(crc, schema->children[i], array->children[i]))
      return false;
  return true;
}

static enum mlaas_status digest_table(struct mlaas_table *table, struct mlaas_reader *reader,
                                      const struct ArrowSchema *schema, uint32_t *crc, struct mlaas_error *error) {
  int64_t entries = mlaas_table_num_entries(table), ahead = 0;
  for (int64_t start = 0; start < entries; start += ROWS) {
    struct ArrowArray array;
    if (ahead < entries)
      ahead = mlaas_reader_ahead(reader, ahead, entries, 0);
    enum mlaas_status status =
        mlaas_reader_read(reader, start, start + ROWS < entries ? start + ROWS : entries, &array, error);
    if (status != MLAAS_OK)
      return status;
    bool known = digest_rows(schema, &array, crc);
    array.release(&array);
    if (!known)
      return fail(error, "the sample has a column of a type that this program was not made for");
  }
  return MLAAS_OK;
}

enum mlaas_status drive_columns(struct drive *drive, const json_t *request, json_t *answer, struct mlaas_error *error) {
  (void)request;
  struct mlaas_reader *reader = NULL;
  struct ArrowSchema schema = {0};
  uint32_t crc = 0;
  enum mlaas_status status = mlaas_table_schema(drive->table, NULL, 0, &schema, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(drive->table, NULL, 0, &reader, error);
  if (status == MLAAS_OK)
    status = digest_table(drive->table, reader, &schema, &crc, error);
  if (status == MLAAS_OK)
    json_object_set_new(answer, "digest", json_integer(crc));
  mlaas_reader_close(reader);
  if (schema.release)
    schema.release(&schema);
  return status;
}
