/* The parts of the program `drive`: what each of its requests does, and digests of what was read. */
#ifndef MLAAS_TESTS_REMOTE_DRIVE_H
#define MLAAS_TESTS_REMOTE_DRIVE_H

#include <jansson.h>
#include <mlaas/dataset.h>
#include <mlaas/file.h>

/* One handle at a time: a table, or a loader. */
struct drive {
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_table *table;
  struct mlaas_dataset *dataset;
  struct mlaas_loader *loader;
};

/* A new context as "threads" and "memory" of a request say. */
enum mlaas_status drive_context(struct drive *drive, const json_t *request, struct mlaas_error *error);

/* Each answers a request by an object. */
typedef enum mlaas_status drive_do(struct drive *drive, const json_t *request, json_t *answer,
                                   struct mlaas_error *error);
drive_do drive_open;    /* url, table, remote -> entries */
drive_do drive_info;    /* -> id, size, read_requests, bytes_read */
drive_do drive_columns; /* -> digest of every column of every entry */
drive_do drive_load;    /* urls, labels, params, split, shuffle -> rows */
drive_do drive_next;    /* -> digest, file and entry of each row; nothing behind the last batch */
drive_do drive_state;   /* -> state */
drive_do drive_restore; /* state */
drive_do drive_stats;   /* -> stats */

/* CRC-32 goes on from `crc`. Of a column: its name, the format of its elements, its length, and its bytes, behind the
 * lengths of its lists where it has such. False for a type that no sample has. */
bool drive_digest_column(uint32_t *crc, const struct ArrowSchema *schema, const struct ArrowArray *array);
uint32_t drive_digest_batch(const struct mlaas_batch *batch);

#endif
