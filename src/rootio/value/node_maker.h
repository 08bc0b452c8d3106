/* Who makes nodes, and what all makers of them need. Knows no class and no type. */
#ifndef MLAAS_ROOTIO_VALUE_NODE_MAKER_H
#define MLAAS_ROOTIO_VALUE_NODE_MAKER_H

#include "rootio/record/streamer.h"
#include "rootio/value/node.h"

enum { MLAAS_MOST_NODES = 20000 }; /* a class whose members are classes of many members grows fast */

/* A class whose members are being made, and the one around it: a class inside itself has no end. */
struct mlaas_open_class {
  const char *name;
  const struct mlaas_open_class *outer;
};

/* Who makes nodes: functions return NULL with either a reason in `unsupported` or a failure in `status`. */
struct mlaas_node_maker {
  const struct mlaas_streamers *streamers;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  const char *unsupported;
  enum mlaas_status status;
  const struct mlaas_open_class *open;
  /* Classes inside of what is made, by name: class_node.c. */
  struct mlaas_node *(*class_of)(struct mlaas_node_maker *maker, const char *name);
  struct mlaas_node *(*pointer_to)(struct mlaas_node_maker *maker, const char *name);
  int depth;
  int32_t num_nodes;
  const struct mlaas_clones *clones; /* or NULL */
  bool ambiguous;                    /* of a class that was met the file describes several versions */
  int32_t num_clones;                /* TClonesArrays met */
  bool outside;                      /* the member's counter is another branch; for the first member alone */
  int32_t content;                   /* ROOT's code of what a collection holds; 61 where it is a class, or unknown */
};

struct mlaas_node *mlaas_node_refuse(struct mlaas_node_maker *maker, const char *why);
/* "BEFORE NAME AFTER". */
struct mlaas_node *mlaas_node_refuse_class(struct mlaas_node_maker *maker, const char *before, const char *name,
                                           const char *after);
struct mlaas_node *mlaas_node_new(struct mlaas_node_maker *maker, enum mlaas_node_kind kind, const char *format);
struct mlaas_node *mlaas_node_new_list(struct mlaas_node_maker *maker, enum mlaas_extent extent,
                                       struct mlaas_node *child);
struct mlaas_node *mlaas_node_new_fixed(struct mlaas_node_maker *maker, int32_t size, struct mlaas_node *child);
struct mlaas_node *mlaas_node_new_skip(struct mlaas_node_maker *maker, enum mlaas_skip skip, int32_t size);
/* Takes maker->error over as the failure: NULL. */
void *mlaas_node_failed(struct mlaas_node_maker *maker);

/* True where two spellings of a type mean the same: blanks and "std::" aside. */
bool mlaas_type_same(const char *left, const char *right);
/* By name in ROOT's spelling; as mlaas_streamers_find. */
const struct mlaas_streamer_info *mlaas_node_find_info(struct mlaas_node_maker *maker, const char *name,
                                                       int32_t version, uint32_t checksum);

#endif
