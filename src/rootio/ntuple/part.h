/* What the files that read an RNTuple's metadata share: little-endian frames and the state of one reading. For them
 * alone; readers of pages include ntuple.h.
 */
#ifndef MLAAS_ROOTIO_NTUPLE_PART_H
#define MLAAS_ROOTIO_NTUPLE_PART_H

#include "rootio/ntuple/ntuple.h"

enum { MLAAS_NTUPLE_HEADER = 1, MLAAS_NTUPLE_FOOTER = 2, MLAAS_NTUPLE_PAGE_LIST = 3 };

/* Where an envelope or a page lies. */
struct mlaas_ntuple_locator {
  uint64_t seek, stored;
  bool known; /* else a kind of locator that this file's readers have never heard of */
};

/* What a column is to the counting of elements. */
struct mlaas_ntuple_count {
  bool suppressed_late; /* deferred and, where page lists do not have it, suppressed */
  bool fixed;           /* `each` elements an entry; else as many as the index columns say */
  int64_t each;
};

/* One reading. Everything but `ntuple` is gone when it ends. */
struct mlaas_ntuple_build {
  struct mlaas_container *container;
  struct mlaas_ntuple *ntuple;
  struct mlaas_error *error; /* never NULL */
  uint64_t max_key_size;     /* an envelope beyond is spread over several records; 0: never */
  uint64_t header_hash;
  struct mlaas_arena scratch;
  size_t header_columns; /* page lists written before the schema was extended have only these */
  uint32_t *top;         /* of each field: its top-level field */
  const char **faults;   /* of each field, found before top-level fields were known */
  struct mlaas_ntuple_count *counts;
};

/* ---- little-endian, and frames ---- */

uint64_t mlaas_ntuple_little(struct mlaas_cursor *cursor, int size);
/* Enters a record frame (items NULL) or a list frame, of items of at least `least` bytes each; returns its end. */
int64_t mlaas_ntuple_enter(struct mlaas_cursor *cursor, uint32_t *items, int64_t least);
/* Moves to a frame's end, skipping what a newer format may have added. Being beyond it is a failure. */
void mlaas_ntuple_leave(struct mlaas_cursor *cursor, int64_t end);
/* A text as the format spells it, copied; an empty one is "". */
enum mlaas_status mlaas_ntuple_text(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor, const char **text);
struct mlaas_ntuple_locator mlaas_ntuple_locate(struct mlaas_cursor *cursor);
/* Reads, inflates and verifies an envelope; the cursor is put behind its front. The block is the caller's. */
enum mlaas_status mlaas_ntuple_envelope(struct mlaas_ntuple_build *build, int type,
                                        const struct mlaas_ntuple_locator *locator, uint64_t size,
                                        struct mlaas_block *envelope, struct mlaas_cursor *cursor);

/* ---- schema (schema.c) ---- */

/* The four lists at both cursors: the header's, and the extension's of the footer (NULL where it is empty). */
enum mlaas_status mlaas_ntuple_schema(struct mlaas_ntuple_build *build, struct mlaas_cursor *header,
                                      struct mlaas_cursor *extension);
/* The top-level field above `field` cannot be read, for a reason as of printf; the first one is kept. Errors: LIMIT,
 * MEMORY. */
enum mlaas_status mlaas_ntuple_refuse(struct mlaas_ntuple_build *build, uint32_t field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Bits of an element as the column's type allows them; false for an unknown type. */
bool mlaas_ntuple_bits(unsigned type, int *least, int *most);
/* Once all is known: what projects a refused field is refused. */
enum mlaas_status mlaas_ntuple_schema_finish(struct mlaas_ntuple_build *build);

/* ---- clusters and pages (pages.c) ---- */

/* The list of cluster groups at the cursor, and all their page lists. */
enum mlaas_status mlaas_ntuple_groups(struct mlaas_ntuple_build *build, struct mlaas_cursor *footer);
/* One page list at the cursor, behind its envelope's front; `clusters` (of struct mlaas_ntuple_cluster) grows. */
enum mlaas_status mlaas_ntuple_page_list(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor,
                                         uint32_t expected, struct mlaas_block *clusters);

#endif
