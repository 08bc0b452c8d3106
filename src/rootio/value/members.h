/* Members of structs as columns of their own: "jets.pt", where jets is a list of structs, is a list of numbers. Such a
 * column is another tree of nodes over some of the same buffers. Knows no branch and no field.
 */
#ifndef MLAAS_ROOTIO_VALUE_MEMBERS_H
#define MLAAS_ROOTIO_VALUE_MEMBERS_H

#include "rootio/value/node.h"

/* Called for each member; `name` and `shown` live in the arena. */
typedef enum mlaas_status mlaas_members_hook(void *context, const char *name, struct mlaas_node *shown,
                                             struct mlaas_error *error);

/* All members below `root` that hold no struct themselves, in order; none where `root` has no struct. Members of bases
 * go by their own names. Left out: an option in an option (Arrow has one validity for both), and what lies deeper than
 * 16 lists, arrays and options. Errors: MEMORY, LIMIT, and those of `hook`. */
enum mlaas_status mlaas_node_members(const struct mlaas_node *root, const char *name, struct mlaas_arena *arena,
                                     mlaas_members_hook *hook, void *context, struct mlaas_error *error);

#endif
