/* From streamer info to nodes: a class becomes a struct of its members, bases inlined. Knows no branch and no bytes. */
#ifndef MLAAS_ROOTIO_VALUE_CLASS_NODE_H
#define MLAAS_ROOTIO_VALUE_CLASS_NODE_H

#include "rootio/value/node.h"
#include "rootio/record/streamer.h"

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
  int depth;
  int32_t num_nodes;
  const struct mlaas_clones *clones; /* or NULL */
  bool ambiguous;                    /* of a class that was met the file describes several versions */
  int32_t num_clones;                /* TClonesArrays met */
  bool outside;                      /* the member's counter is another branch; for the first member alone */
  int32_t content;                   /* ROOT's code of what a collection holds; 61 where it is a class, or unknown */
};

/* `error` may be NULL. */
void mlaas_node_maker_init(struct mlaas_node_maker *maker, const struct mlaas_streamers *streamers,
                           struct mlaas_arena *arena, struct mlaas_error *error);
struct mlaas_node *mlaas_node_refuse(struct mlaas_node_maker *maker, const char *why);
/* "BEFORE NAME AFTER". */
struct mlaas_node *mlaas_node_refuse_class(struct mlaas_node_maker *maker, const char *before, const char *name,
                                           const char *after);
struct mlaas_node *mlaas_node_new(struct mlaas_node_maker *maker, enum mlaas_node_kind kind, const char *format);
struct mlaas_node *mlaas_node_new_list(struct mlaas_node_maker *maker, enum mlaas_extent extent,
                                       struct mlaas_node *child);
struct mlaas_node *mlaas_node_new_fixed(struct mlaas_node_maker *maker, int32_t size, struct mlaas_node *child);

/* An object as it stands in a member, with its frame; `version` -1 and `checksum` 0: the newest that the file
 * describes. Classes with a streamer of their own are known by name. */
struct mlaas_node *mlaas_class_node(struct mlaas_node_maker *maker, const char *name, int32_t version,
                                    uint32_t checksum);
/* A class by its info alone, as mlaas_class_node. */
struct mlaas_node *mlaas_info_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_info *info);
/* One member. `before` are the `num_before` members in front of it, where its counter may be. A base class comes
 * inlined. */
struct mlaas_node *mlaas_element_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                      const struct mlaas_node *before, size_t num_before);
/* A pointer with class tag to `name`. */
struct mlaas_node *mlaas_pointer_node(struct mlaas_node_maker *maker, const char *name);
/* True where two spellings of a type mean the same: blanks and "std::" aside. */
bool mlaas_type_same(const char *left, const char *right);
/* By name in ROOT's spelling; as mlaas_streamers_find. */
const struct mlaas_streamer_info *mlaas_node_find_info(struct mlaas_node_maker *maker, const char *name,
                                                       int32_t version, uint32_t checksum);

#endif
