/* What the files that decode a tree share. For them alone. */
#ifndef MLAAS_ROOTIO_TREE_READER_H
#define MLAAS_ROOTIO_TREE_READER_H

#include "base/error.h"
#include "rootio/record/layout.h"
#include "rootio/tree/tree.h"

enum mlaas_bound { MLAAS_BOUND_BRANCH = 1, MLAAS_BOUND_LEAF };

struct mlaas_tree_reader {
  struct mlaas_tree *tree;
  const struct mlaas_streamers *streamers;
  struct mlaas_layouts *layouts;
  struct mlaas_cursor cursor;
  struct mlaas_objects objects;
  struct mlaas_error *error;
  size_t num_branches; /* made so far, for tree->all */
};

/* Makes the cursor fail with what the last call wrote into reader->error. */
enum mlaas_status mlaas_tree_fail(struct mlaas_tree_reader *reader, enum mlaas_status status);
/* Zeroed memory of the tree, or NULL and the cursor has failed. */
void *mlaas_tree_alloc(struct mlaas_tree_reader *reader, size_t count, size_t size);
/* A member's text, terminated; "" where there is none. */
const char *mlaas_tree_text(struct mlaas_tree_reader *reader, const struct mlaas_value *value);

/* fBranches at the cursor: every branch that could be made, with all below it. */
enum mlaas_status mlaas_tree_branches(struct mlaas_tree_reader *reader, struct mlaas_branch *parent,
                                      struct mlaas_branch ***branches, size_t *count);
/* A pointer to a branch (fBranchCount). */
enum mlaas_status mlaas_tree_branch_pointer(struct mlaas_tree_reader *reader, struct mlaas_branch **branch);
/* fLeaves of a branch at the cursor. */
enum mlaas_status mlaas_tree_leaves(struct mlaas_tree_reader *reader, struct mlaas_branch *branch);
/* fBaskets at the cursor: finds the embedded ones; they are placed by mlaas_tree_baskets. */
enum mlaas_status mlaas_tree_embedded(struct mlaas_tree_reader *reader, struct mlaas_basket_ref **slots, size_t *count);
/* Fills branch->baskets, or marks the branch. */
enum mlaas_status mlaas_tree_baskets(struct mlaas_tree_reader *reader, struct mlaas_branch *branch,
                                     const struct mlaas_value *values, const struct mlaas_basket_ref *slots,
                                     size_t num_slots);
/* Fills tree->names, where there are arrays with counters among the members of objects. */
enum mlaas_status mlaas_tree_names(struct mlaas_tree *tree, struct mlaas_error *error);
/* Fills tree->clusters. */
enum mlaas_status mlaas_tree_clusters(struct mlaas_tree *tree, struct mlaas_error *error);

#endif
