/* From a basket's bytes to values and offsets in memory. Knows no file: what is checked here is that the bytes of each
 * entry are used up exactly. Messages say what is wrong; the reader adds where.
 */
#ifndef MLAAS_ROOTIO_VALUE_DECODE_H
#define MLAAS_ROOTIO_VALUE_DECODE_H

#include "rootio/container/basket.h"
#include "rootio/value/plan.h"

/* `count` values from `in`; `out` must not overlap. */
void mlaas_values_decode(const struct mlaas_scalar *value, const uint8_t *in, int64_t count, void *out);
/* The same where they lie; only for packings that keep the width. */
void mlaas_values_decode_in_place(const struct mlaas_scalar *value, void *data, int64_t count);
bool mlaas_values_keep_width(const struct mlaas_scalar *value);

/* Entries of one length. buffers[i] is where the values of buffer i begin. Errors: FORMAT. */
enum mlaas_status mlaas_decode_flat(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    uint8_t *const *buffers, struct mlaas_block *scratch, struct mlaas_error *error);

/* Values in the lists of a basket: (bytes - headers) / bytes of one; negative when that does not come out even. */
int64_t mlaas_list_items(const struct mlaas_branch_plan *plan, int64_t entries, int64_t bytes);

struct mlaas_list_sink {
  int32_t *ends; /* of each entry's list */
  int32_t base;  /* where the first list begins */
  int64_t items; /* values there is room for: exactly as many must come */
  uint8_t *values;
};
/* One level of lists of plain items. `counts` are used where the basket has no offsets; NULL where there are none.
 * Errors: FORMAT, UNSUPPORTED (no offsets and no counts), LIMIT. */
enum mlaas_status mlaas_decode_list(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    const int32_t *counts, const struct mlaas_list_sink *sink,
                                    struct mlaas_block *scratch, struct mlaas_error *error);

/* The items of all lists side by side, without their headers, the order of each `width` bytes turned round (1: not);
 * for decode_list. begins[0 .. entries] ascend from 0 to the basket's size by at least a header and by whole items.
 * Returns how many entries were right: fewer than all when the next one's header does not say its size. */
int32_t mlaas_lists_strip(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                          const int32_t *begins, int32_t width, uint8_t *out);

/* What another branch says of a basket: lengths of its lists, entry by entry. */
struct mlaas_counts {
  const int32_t *values; /* -1: what is there is no length */
  int64_t count;
  const int32_t *ends; /* how many there are up to each entry's end; NULL: one for each entry */
};

/* A basket decoded into memory of its own: by buffer number, offsets beginning with 0. */
struct mlaas_piece {
  size_t num_buffers;
  int64_t entries;
  int64_t *used; /* elements in each */
  struct mlaas_block *blocks;
};

enum mlaas_status mlaas_piece_init(struct mlaas_piece *piece, size_t num_buffers, struct mlaas_error *error);
void mlaas_piece_reset(struct mlaas_piece *piece); /* legal on a zeroed one */
int64_t mlaas_piece_bytes(const struct mlaas_piece *piece);
/* A whole basket of any layout. `counts` may be NULL, or its values. */
enum mlaas_status mlaas_decode_piece(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                     const struct mlaas_counts *counts, struct mlaas_budget *budget,
                                     struct mlaas_block *scratch, struct mlaas_piece *piece, struct mlaas_error *error);
/* Walks entry by entry; for decode_piece. */
enum mlaas_status mlaas_decode_walk(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    const struct mlaas_counts *counts, struct mlaas_piece *piece,
                                    struct mlaas_error *error);

/* Adds to counts[buffer] the elements that rows [start, stop) of `node` have in `piece`, offsets without the first.
 * NULL: where every list and text is empty. */
void mlaas_piece_count(const struct mlaas_node *node, const struct mlaas_piece *piece, int64_t start, int64_t stop,
                       int64_t *counts);
/* Copies these rows: elements of buffer i go to blocks[i] behind the bases[i] there, offsets moved accordingly. */
void mlaas_piece_place(const struct mlaas_node *node, const struct mlaas_piece *piece, int64_t start, int64_t stop,
                       const int64_t *bases, const struct mlaas_block *blocks);

#endif
