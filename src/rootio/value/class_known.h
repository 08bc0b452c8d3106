/* Classes of ROOT whose bytes no streamer info describes. For class_node.c only. */
#ifndef MLAAS_ROOTIO_VALUE_CLASS_KNOWN_H
#define MLAAS_ROOTIO_VALUE_CLASS_KNOWN_H

#include "rootio/value/node_maker.h"

/* True where `name` has a streamer written by hand: then *node is its node, or NULL as every maker says. */
bool mlaas_known_class(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node);
/* The same for classes that a file ought to describe, and may not. */
bool mlaas_known_layout(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node);

#endif
