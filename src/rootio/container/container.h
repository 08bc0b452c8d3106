/* The TFile container: header, keys, directories, and the payload behind a key. Knows nothing of trees. */
#ifndef MLAAS_ROOTIO_CONTAINER_CONTAINER_H
#define MLAAS_ROOTIO_CONTAINER_CONTAINER_H

#include "base/memory.h"
#include "rootio/container/codec.h"
#include "rootio/container/cursor.h"
#include "source/source.h"

/* One key: from a directory's list, or in front of a record (a basket's too). */
struct mlaas_key {
  int64_t offset;     /* of the record in the file */
  int32_t num_bytes;  /* key and stored payload */
  int32_t object_len; /* payload after decompression */
  int16_t key_len;    /* the payload starts here, counted from offset */
  int16_t cycle, version;
  uint32_t date;
  const char *class_name, *name, *title; /* in the container's arena when from a directory, else NULL */
  const char *directory;                 /* "" or "dir/sub", from a directory's list only */
};

struct mlaas_container {
  struct mlaas_source *source; /* one count */
  struct mlaas_budget *budget;
  struct mlaas_arena arena; /* all names and lists of this file */
  int32_t version, compression;
  int64_t end;            /* fEND, at most the source's size */
  int64_t cut;            /* bytes that fEND says the source should have and has not: it is truncated */
  char id[64];            /* UUID of the root directory, ":" and the size of the source */
  struct mlaas_key *keys; /* of all directories, depth first in the file's order, directories themselves included */
  size_t num_keys;
  struct mlaas_key streamer_key; /* offset 0 where there is none */
};

/* Reads header and all key lists. The source is taken over on success and on failure. Reset is legal on a zeroed one.
 */
enum mlaas_status mlaas_container_open(struct mlaas_container *container, struct mlaas_source *source,
                                       struct mlaas_budget *budget, struct mlaas_error *error);
void mlaas_container_reset(struct mlaas_container *container);
/* Decodes the numbers of the key at the cursor (names are skipped and stay NULL) and checks them against each other:
 * key_len >= fixed part, num_bytes >= key_len, object_len >= 0. Moves behind the fixed part and the three strings. */
enum mlaas_status mlaas_key_decode(struct mlaas_cursor *cursor, struct mlaas_key *key);
/* The decompressed payload of a key of this container. FORMAT if the key's lengths do not fit the file. */
enum mlaas_status mlaas_key_payload(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_block *payload, struct mlaas_error *error);

#endif
