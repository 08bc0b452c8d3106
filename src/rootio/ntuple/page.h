/* Inflated pages of an RNTuple's column to values in memory. Every encoding begins anew with each page. Knows no
 * fields: what C type the user sees is the reader's to make of it.
 */
#ifndef MLAAS_ROOTIO_NTUPLE_PAGE_H
#define MLAAS_ROOTIO_NTUPLE_PAGE_H

#include "rootio/ntuple/ntuple.h"

/* An element of a SWITCH column: which alternative (0: none) and where in its columns, counted from the cluster. */
struct mlaas_ntuple_switch {
  int64_t index;
  uint32_t tag;
};

/* Elements [start, stop) of an inflated page of `elements` (so of (elements * bits + 7) / 8 bytes). `out`, aligned for
 * its values, by the column's type:
 *   BIT                             one byte each, 0 or 1
 *   BYTE CHAR (U)INT8..64           as wide as stored
 *   REAL16 REAL32 REAL32_TRUNC      float, exactly
 *   REAL64 REAL32_QUANT             double: the writer's arithmetic; a float field rounds it once
 *   INDEX32 INDEX64                 int64_t, ends as stored, counted from the cluster
 *   SWITCH                          struct mlaas_ntuple_switch
 * and split types like their plain ones. Errors: INTERNAL (a range outside the page), UNSUPPORTED (type). */
enum mlaas_status mlaas_ntuple_page_decode(const struct mlaas_ntuple_column *column, const uint8_t *page,
                                           int32_t elements, int32_t start, int32_t stop, void *out,
                                           struct mlaas_error *error);
/* True where an inflated page is what a decoded one looks like. */
bool mlaas_ntuple_page_is_plain(const struct mlaas_ntuple_column *column);
/* Bytes of one value in `out`; 0 for an unknown type. */
size_t mlaas_ntuple_page_width(const struct mlaas_ntuple_column *column);

#endif
