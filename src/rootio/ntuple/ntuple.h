/* RNTuple's description of itself: fields, columns, clusters and where the pages are, out of anchor, header, footer and
 * page lists (format 1.0.0.0 to 1.0.2.x). Everything is checked against everything else here, so that those who read
 * pages need not: ids are in range and acyclic, locators lie in the file, element counts add up. Knows no values.
 */
#ifndef MLAAS_ROOTIO_NTUPLE_NTUPLE_H
#define MLAAS_ROOTIO_NTUPLE_NTUPLE_H

#include "rootio/container/container.h"

#include <stdbool.h>

/* Column types by their codes in the format. */
enum mlaas_ntuple_type {
  MLAAS_NTUPLE_BIT = 0x00,
  MLAAS_NTUPLE_BYTE = 0x01,
  MLAAS_NTUPLE_CHAR = 0x02,
  MLAAS_NTUPLE_INT8 = 0x03,
  MLAAS_NTUPLE_UINT8 = 0x04,
  MLAAS_NTUPLE_INT16 = 0x05,
  MLAAS_NTUPLE_UINT16 = 0x06,
  MLAAS_NTUPLE_INT32 = 0x07,
  MLAAS_NTUPLE_UINT32 = 0x08,
  MLAAS_NTUPLE_INT64 = 0x09,
  MLAAS_NTUPLE_UINT64 = 0x0a,
  MLAAS_NTUPLE_REAL16 = 0x0b,
  MLAAS_NTUPLE_REAL32 = 0x0c,
  MLAAS_NTUPLE_REAL64 = 0x0d,
  MLAAS_NTUPLE_INDEX32 = 0x0e,
  MLAAS_NTUPLE_INDEX64 = 0x0f,
  MLAAS_NTUPLE_SWITCH = 0x10,
  MLAAS_NTUPLE_SPLIT_INT16 = 0x11,
  MLAAS_NTUPLE_SPLIT_UINT16 = 0x12,
  MLAAS_NTUPLE_SPLIT_INT32 = 0x13,
  MLAAS_NTUPLE_SPLIT_UINT32 = 0x14,
  MLAAS_NTUPLE_SPLIT_INT64 = 0x15,
  MLAAS_NTUPLE_SPLIT_UINT64 = 0x16,
  MLAAS_NTUPLE_SPLIT_REAL16 = 0x17, /* in the format's table; ROOT never wrote it */
  MLAAS_NTUPLE_SPLIT_REAL32 = 0x18,
  MLAAS_NTUPLE_SPLIT_REAL64 = 0x19,
  MLAAS_NTUPLE_SPLIT_INDEX32 = 0x1a,
  MLAAS_NTUPLE_SPLIT_INDEX64 = 0x1b,
  MLAAS_NTUPLE_REAL32_TRUNC = 0x1c,
  MLAAS_NTUPLE_REAL32_QUANT = 0x1d,
  MLAAS_NTUPLE_NUM_TYPES
};

/* Structural roles of fields. */
enum mlaas_ntuple_role {
  MLAAS_NTUPLE_PLAIN,
  MLAAS_NTUPLE_COLLECTION,
  MLAAS_NTUPLE_RECORD,
  MLAAS_NTUPLE_VARIANT,
  MLAAS_NTUPLE_STREAMED
};

struct mlaas_ntuple_field {
  const char *name, *type_name, *type_alias, *description;
  uint32_t type_version; /* UINT32_MAX: a class without one, the checksum tells */
  uint32_t type_checksum;
  uint32_t parent; /* a top-level field is its own parent */
  enum mlaas_ntuple_role role;
  uint64_t array_size; /* 0: not repetitive */
  int64_t source;      /* a projected field shows the columns of this one; -1 */
  uint32_t *children;  /* in the order of their ids */
  size_t num_children;
  uint32_t *columns;       /* ids (aliases resolved to the real column), representation by representation */
  size_t num_columns;      /* of all representations */
  size_t columns_each;     /* of one; 0 where there are none */
  const char *unsupported; /* of top-level fields: why it and all below it cannot be read */
};

struct mlaas_ntuple_column {
  enum mlaas_ntuple_type type;
  uint16_t bits;
  uint32_t field;
  uint16_t representation;
  int64_t first_element;   /* deferred: zeros come before it; counted over the whole ntuple */
  double minimum, maximum; /* REAL32_QUANT */
};

struct mlaas_ntuple_page {
  int64_t first;    /* of its elements, counted from the cluster's first */
  int32_t elements; /* > 0 */
  int32_t stored;   /* bytes in the file, without checksum */
  int32_t size;     /* bytes inflated: (elements * bits + 7) / 8 */
  bool checksum;    /* 8 bytes, XXH3-64 of the stored ones, follow in the file */
  int64_t seek;
};

/* One column in one cluster. Pages follow each other without gaps; elements in front of the first page, or all where
 * there is none, are zeros (deferred columns only). */
struct mlaas_ntuple_range {
  struct mlaas_ntuple_page *pages;
  size_t num_pages;
  int64_t elements;     /* zeros included */
  int64_t first;        /* elements of this column in the clusters before, of whichever representation */
  uint32_t compression; /* a hint: algorithm * 100 + level */
  bool suppressed;      /* another representation of the field is here instead; elements is 0 */
};

/* In the order of their entries, each beginning where the one before ends. */
struct mlaas_ntuple_cluster {
  int64_t first_entry, entries;
  struct mlaas_ntuple_range *ranges; /* by column id */
};

struct mlaas_ntuple {
  const char *name, *description, *writer;
  int64_t entries;
  struct mlaas_ntuple_field *fields; /* by id, header and schema extension */
  size_t num_fields;
  struct mlaas_ntuple_column *columns; /* by id, aliases left out */
  size_t num_columns;
  struct mlaas_ntuple_cluster *clusters;
  size_t num_clusters;
  const uint8_t *streamers; /* a serialised TList of streamer info for streamed fields, or NULL */
  int64_t streamers_size;
  struct mlaas_arena arena; /* everything above */
};

/* Reads and checks all of it. Hashes of anchor and envelopes are verified. Errors: FORMAT, CHECKSUM, UNSUPPORTED
 * (feature flags, sharded clusters, an older format), LIMIT, MEMORY. On failure nothing is left. */
enum mlaas_status mlaas_ntuple_read(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_ntuple *ntuple, struct mlaas_error *error);
void mlaas_ntuple_reset(struct mlaas_ntuple *ntuple); /* legal on a zeroed one */

#endif
