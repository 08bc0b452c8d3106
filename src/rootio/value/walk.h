/* One entry's bytes on their way into the buffers of a piece. Private to decode_walk.c (values, texts, collections) and
 * decode_object.c (frames, pointers, what is left out). */
#ifndef MLAAS_ROOTIO_VALUE_WALK_H
#define MLAAS_ROOTIO_VALUE_WALK_H

#include "rootio/value/decode.h"

enum { MLAAS_BYTE_COUNT = 0x40000000, MLAAS_REFERENCED = 0x10 };

struct mlaas_walk {
  const uint8_t *at, *end; /* of the entry or of the frame within it; of the basket where there are no offsets */
  bool bounded;            /* `end` is the entry's own */
  const uint8_t *data;     /* of the basket, from which references count, with `key_len` */
  const uint8_t *entry;    /* where this one begins */
  bool displaced;          /* references do not point to where things are now */
  int32_t index;           /* of the entry */
  const struct mlaas_counts *counts; /* from another branch; NULL where nobody gave any */
  int32_t key_len;
  int references; /* being followed */
  struct mlaas_clones_sample *sample;
  struct mlaas_piece *piece;
  struct mlaas_error *error;
};

/* What stood in front of an object; `stop` is NULL where it has no byte count. */
struct mlaas_walk_frame {
  const uint8_t *stop, *outer_end;
  bool outer_bounded, member_wise;
  int32_t version;
};

enum mlaas_status mlaas_walk_short(const struct mlaas_walk *walk, int64_t wanted);

#define MLAAS_WALK_NEED(walk, count)                                                                                   \
  do {                                                                                                                 \
    if ((count) > (walk)->end - (walk)->at)                                                                            \
      return mlaas_walk_short(walk, count);                                                                            \
  } while (0)

static inline uint32_t mlaas_walk_u32(struct mlaas_walk *walk) {
  uint32_t word;
  __builtin_memcpy(&word, walk->at, 4);
  walk->at += 4;
  return __builtin_bswap32(word);
}

/* Room for `count` more elements of `width` bytes; *place is where they go. */
enum mlaas_status mlaas_walk_reserve(struct mlaas_walk *walk, size_t buffer, int64_t count, int64_t width,
                                     void **place);
/* `count` rows of `node`, one after another. */
enum mlaas_status mlaas_walk_nodes(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count);

/* Byte count and version: of rows that stand together; `end` becomes the frame's. */
enum mlaas_status mlaas_walk_enter(struct mlaas_walk *walk, struct mlaas_walk_frame *frame);
/* Byte count, version and checksum of one object of a class, which must be the one the node was made for. */
enum mlaas_status mlaas_walk_enter_object(struct mlaas_walk *walk, const struct mlaas_object_class *object,
                                          struct mlaas_walk_frame *frame);
/* The version of what a collection written member by member holds, behind the collection's own frame. */
enum mlaas_status mlaas_walk_content(struct mlaas_walk *walk, const struct mlaas_object_class *object);
/* All bytes of the frame have to be used up. */
enum mlaas_status mlaas_walk_leave(struct mlaas_walk *walk, const struct mlaas_walk_frame *frame);
/* A row of an OPTION. */
enum mlaas_status mlaas_walk_pointer(struct mlaas_walk *walk, const struct mlaas_node *node);
/* A row of a list that is a TClonesArray; *count slots. */
enum mlaas_status mlaas_walk_clones(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *count);
/* `count` objects member by member. */
enum mlaas_status mlaas_walk_columns(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count);
/* A row of a SKIP; `framed` ones have been entered. */
enum mlaas_status mlaas_walk_skip(struct mlaas_walk *walk, const struct mlaas_node *node);

#endif
