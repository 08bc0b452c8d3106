/* Classes of ROOT whose bytes no streamer info describes. Private to class_node.c. */
#ifndef MLAAS_ROOTIO_VALUE_CLASS_KNOWN_H
#define MLAAS_ROOTIO_VALUE_CLASS_KNOWN_H

#include "rootio/value/class_node.h"

struct mlaas_node *mlaas_node_new_skip(struct mlaas_node_maker *maker, enum mlaas_skip skip, int32_t size);
/* True where `name` has a streamer written by hand: then *node is its node, or NULL as every maker says. */
bool mlaas_known_class(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node);
/* The same for classes that a file ought to describe, and may not. */
bool mlaas_known_layout(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node);

#endif
