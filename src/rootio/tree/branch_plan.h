/* From a branch to its plan (value/plan.h): what its entries are made of, or the reason why it cannot be read. Reads no
 * basket. */
#ifndef MLAAS_ROOTIO_TREE_BRANCH_PLAN_H
#define MLAAS_ROOTIO_TREE_BRANCH_PLAN_H

#include "rootio/tree/tree.h"
#include "rootio/value/plan.h"

/* Fills `plan`, strings and nodes from `arena`. Errors: MEMORY, LIMIT; what cannot be read is no error. */
enum mlaas_status mlaas_branch_plan_make(const struct mlaas_branch *branch, const struct mlaas_streamers *streamers,
                                         const struct mlaas_tree *tree, struct mlaas_arena *arena,
                                         struct mlaas_branch_plan *plan, struct mlaas_error *error);
/* The same once the classes of TClonesArrays were found; NULL for none. */
enum mlaas_status mlaas_branch_plan_again(const struct mlaas_branch *branch, const struct mlaas_streamers *streamers,
                                          const struct mlaas_tree *tree, const struct mlaas_clones *clones,
                                          struct mlaas_arena *arena, struct mlaas_branch_plan *plan,
                                          struct mlaas_error *error);

#endif
