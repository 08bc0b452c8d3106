/* What one entry of a column is made of: a tree of values, texts, lists, fixed arrays, structs and options. It says
 * which Arrow type comes out and, for trees, how the bytes lie in the file. Every node that needs memory numbers its
 * buffers; whoever decodes fills them by number, and mlaas_node_array makes Arrow of them. Knows no basket, no page, no
 * branch.
 */
#ifndef MLAAS_ROOTIO_VALUE_NODE_H
#define MLAAS_ROOTIO_VALUE_NODE_H

#include "base/memory.h"

#include <mlaas/arrow.h>
#include <stdbool.h>

enum mlaas_packing {
  MLAAS_PACKED_BOOL,     /* any byte but 0 is true; one byte in memory until the column is finished */
  MLAAS_PACKED_PLAIN,    /* big-endian */
  MLAAS_PACKED_DOUBLE32, /* a float in the file, a double in memory */
  MLAAS_PACKED_RANGE,    /* uint32 / factor + minimum */
  MLAAS_PACKED_MANTISSA, /* one byte of exponent, two of mantissa and sign */
  MLAAS_PACKED_FLAGS     /* TObject::fBits: 4 bytes, 2 more follow where the object is referenced */
};

struct mlaas_scalar {
  enum mlaas_packing packing;
  int32_t stored; /* bytes in the file; 0 where they vary */
  int32_t width;  /* bytes in memory */
  int32_t nbits;  /* MANTISSA */
  double factor, minimum;
};

enum mlaas_node_kind {
  MLAAS_NODE_VALUE,
  MLAAS_NODE_TEXT,
  MLAAS_NODE_LIST, /* format "+m", a map: its child is a struct of "key" and "value" */
  MLAAS_NODE_FIXED,
  MLAAS_NODE_STRUCT,
  MLAAS_NODE_OPTION, /* its child, which is no option, may be missing; a missing row has a row of zeros all the same */
  MLAAS_NODE_SKIP    /* bytes that nobody wants: no column and no buffer */
};

/* How the length of a text or a list is known. */
enum mlaas_extent {
  MLAAS_EXTENT_COUNT,  /* 4 bytes in front */
  MLAAS_EXTENT_SHORT,  /* texts: 1 byte in front, 255 means 4 more */
  MLAAS_EXTENT_LEAF,   /* texts of TLeafC: as SHORT, but nothing at all where the text is empty; `size` bytes follow */
  MLAAS_EXTENT_REST,   /* lists: up to the end of the entry; an empty entry is an empty list */
  MLAAS_EXTENT_MEMBER, /* lists: as many as an earlier member of the struct says, see `counter` */
  MLAAS_EXTENT_GIVEN,  /* lists: as many as another branch says, row for row */
  MLAAS_EXTENT_CLONES  /* lists: a TClonesArray, whose child is an option of its class */
};

/* What a SKIP node leaves out. */
enum mlaas_skip {
  MLAAS_SKIP_BYTES,   /* `size` bytes */
  MLAAS_SKIP_TOBJECT, /* the base class TObject: version, two numbers, one more where it is referenced */
  MLAAS_SKIP_TREF,    /* what a TRef has behind its number: bits, then the process or its UUID */
  MLAAS_SKIP_OBJECT,  /* one with a byte count; `framed`: one byte count for all rows */
  MLAAS_SKIP_POINTER, /* null, a reference, or a byte count with class and object; to its child where there is one */
  MLAAS_SKIP_CLONES   /* a TClonesArray, the `size`th, of a class that its bytes will name */
};

/* A class as the bytes of a column have it, where the file describes several versions. */
struct mlaas_class_version {
  const char *name;
  int32_t version;
  uint32_t checksum;
};

/* What the bytes of one column were asked for: the classes of its TClonesArrays, in the order of its nodes, and
 * versions of classes. */
struct mlaas_clones {
  const char *const *names; /* "" where no entry had it */
  int32_t count;
  const struct mlaas_class_version *versions;
  int32_t num_versions;
};

/* The class of an object in a tree's bytes: what its frame has to say. */
struct mlaas_object_class {
  const char *name;
  int32_t version;   /* 0: its frames may have neither version nor checksum; -1: a checksum only */
  uint32_t checksum; /* stands behind a version that is not positive */
  bool any;          /* pairs and arrays: the name says it all */
};

struct mlaas_node {
  enum mlaas_node_kind kind;
  enum mlaas_extent extent;
  bool framed;        /* byte count and version stand in front, once for all rows that stand together */
  const char *name;   /* of a struct's member, else "" */
  const char *format; /* Arrow's */
  struct mlaas_scalar value;
  int32_t size;     /* FIXED: items; TEXT of a leaf: bytes of the entry behind it */
  bool inlined;     /* STRUCT: a base class, its members are members of the struct around it */
  bool counts_rows; /* STRUCT without a buffer below it: has one of its own, of elements without bytes */
  size_t buffer;    /* VALUE: its values; LIST: its offsets; TEXT: offsets, and the bytes are the next one;
                       OPTION: a byte for each row, 0 or 1; STRUCT: where counts_rows */
  struct mlaas_node *children;
  size_t num_children;
  /* In the bytes of trees only: */
  const struct mlaas_object_class *object; /* each row has a frame of this class, but where members stand in columns;
                                              OPTION: a pointer to it, with class tag */
  const struct mlaas_node *counter;        /* EXTENT_MEMBER: a value of the same struct */
  int32_t per_count;                       /* EXTENT_MEMBER: lists that share one count */
  const char *title; /* of a whole entry: length and name of this class stand in front; NULL where not */
  bool flagged;      /* EXTENT_MEMBER, EXTENT_GIVEN: a byte in front says whether there are any */
  bool triangle;     /* EXTENT_MEMBER: n (n + 1) / 2 of them */
  bool bare;         /* STRUCT: a map's entry; but in columns its members have no frames for rows that stand together */
  bool may_be_empty; /* LIST: old writers left out the whole entry */
  enum mlaas_skip skip;
};

/* Numbers the buffers, depth first, and sets counts_rows; returns how many there are. */
size_t mlaas_node_number(struct mlaas_node *node, size_t next);
/* How many buffers the node itself has, from node->buffer on. */
size_t mlaas_node_num_buffers(const struct mlaas_node *node);
/* The buffer whose elements tell how many rows of `node` there are; *per elements for one row. */
size_t mlaas_node_rows_buffer(const struct mlaas_node *node, int64_t *per);
/* Goes down through fixed arrays; *per becomes the number of values in one `node`. */
const struct mlaas_node *mlaas_node_inner(const struct mlaas_node *node, int64_t *per);
/* Bytes of one `node` in the file; 0 where they vary. */
int64_t mlaas_node_stored(const struct mlaas_node *node);
/* Bytes of one element of buffer `buffer` in memory. */
size_t mlaas_node_element(const struct mlaas_node *node, size_t buffer);
/* True for the offsets of lists and texts, which have one element more than there are lists. */
bool mlaas_node_is_offsets(const struct mlaas_node *node, size_t buffer);
enum mlaas_status mlaas_node_schema(const struct mlaas_node *node, const char *name, struct ArrowSchema *schema,
                                    struct mlaas_error *error);
/* Builds the array of `length` rows over the blocks, by buffer number; used blocks are moved out, packed or not. */
enum mlaas_status mlaas_node_array(const struct mlaas_node *node, int64_t length, struct mlaas_block *blocks,
                                   struct ArrowArray *array, struct mlaas_error *error);

#endif
