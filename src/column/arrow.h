/* Building Arrow schemas and arrays whose buffers are counted blocks that go home on release. Knows no file format. */
#ifndef MLAAS_COLUMN_ARROW_H
#define MLAAS_COLUMN_ARROW_H

#include "base/memory.h"

#include <mlaas/arrow.h>
#include <stdbool.h>

/* ---- schema: format strings and names are copied ---- */

/* `format` as Arrow spells it: "b" "c" "C" "s" "S" "i" "I" "l" "L" "f" "g" "u" "+s" "+l" "+m" "+w:3". Children are made
 * empty and filled by the caller. Errors: MEMORY. On failure *schema holds nothing. */
enum mlaas_status mlaas_schema_init(struct ArrowSchema *schema, const char *format, const char *name,
                                    size_t num_children, struct mlaas_error *error);
/* Adds one key and value to the metadata (Arrow's binary form). */
enum mlaas_status mlaas_schema_annotate(struct ArrowSchema *schema, const char *key, const char *value,
                                        struct mlaas_error *error);
/* Value of a key in the metadata, or NULL; *length of it. Borrowed. */
const char *mlaas_schema_metadata(const struct ArrowSchema *schema, const char *key, size_t *length);
void mlaas_schema_release(struct ArrowSchema *schema); /* legal on a released or zeroed one */

/* ---- array ---- */

/* An array of `length` rows with `num_buffers` (validity first, NULL: all valid) and `num_children` empty children. The
 * blocks are moved in: buffers[i] for i >= 1 point to blocks[i - 1].data; blocks are zeroed. Errors: MEMORY; then
 * blocks stay with the caller. Release is thread safe with respect to other arrays and frees children first. */
enum mlaas_status mlaas_array_init(struct ArrowArray *array, int64_t length, struct mlaas_block *blocks,
                                   size_t num_blocks, size_t num_children, struct mlaas_error *error);
/* Marks rows as missing: bit i of `bits` is 0 where row i is, `missing` of them. The block is moved in. For an array of
 * mlaas_array_init that has none yet. */
void mlaas_array_set_validity(struct ArrowArray *array, struct mlaas_block *bits, int64_t missing);
void mlaas_array_release(struct ArrowArray *array); /* legal on a released or zeroed one */
/* Bytes per value of a primitive format ("f": 4), 0 for others ("b" is bits). */
size_t mlaas_format_width(const char *format);

/* ---- stream ---- */

/* What a stream's callback returns for an error, an errno value; the words go to `message` for get_last_error. */
int mlaas_stream_error(const struct mlaas_error *error, char *message, size_t size);

#endif
