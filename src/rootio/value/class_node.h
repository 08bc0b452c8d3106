/* From streamer info to nodes: a class becomes a struct of its members, bases inlined. Knows no branch and no bytes. */
#ifndef MLAAS_ROOTIO_VALUE_CLASS_NODE_H
#define MLAAS_ROOTIO_VALUE_CLASS_NODE_H

#include "rootio/value/node_maker.h"

/* `error` may be NULL. */
void mlaas_node_maker_init(struct mlaas_node_maker *maker, const struct mlaas_streamers *streamers,
                           struct mlaas_arena *arena, struct mlaas_error *error);

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
/* The node of a type without any file, so that classes are those known by name: numbers, strings, sequences, maps and
 * sets of them to any depth. The outermost sequence is framed, inner ones are not; a string is framed only as a member
 * of a class (`member`). On success either *node is set, or *unsupported says why not. Errors: MEMORY, LIMIT. */
enum mlaas_status mlaas_type_parse(const char *name, bool member, struct mlaas_arena *arena, struct mlaas_node **node,
                                   const char **unsupported, struct mlaas_error *error);

#endif
