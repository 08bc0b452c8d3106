/* What the planners of branches share: the branch in hand, and nodes made for it. Private to branch_plan.c (which kinds
 * of branches there are, leaves) and branch_element.c (members of classes). */
#ifndef MLAAS_ROOTIO_TREE_BRANCH_MAKER_H
#define MLAAS_ROOTIO_TREE_BRANCH_MAKER_H

#include "rootio/tree/tree.h"
#include "rootio/value/plan.h"

enum { MLAAS_MOST_DIMENSIONS = 8 };

struct mlaas_branch_maker {
  const struct mlaas_branch *branch;
  const struct mlaas_streamers *streamers;
  const struct mlaas_tree *tree;
  struct mlaas_arena *arena;
  struct mlaas_branch_plan *plan;
  struct mlaas_error *error;
  const struct mlaas_clones *clones; /* of TClonesArrays in it, as far as known; or NULL */
};

/* The fixed dimensions of a leaf, and whether its title names a counter. */
struct mlaas_shape {
  int32_t dims[MLAAS_MOST_DIMENSIONS];
  int num_dims;
  bool counted;
};

/* The shape of a leaf from title and length; false if they disagree. */
bool mlaas_shape_of_leaf(const struct mlaas_leaf *leaf, struct mlaas_shape *shape);
/* True for ROOT's codes of Float16_t and Double32_t. */
bool mlaas_code_is_packed(int32_t code);
/* Value and format of a basic code; `range` is the title that may hold the range of a packed one. */
bool mlaas_maker_value(int32_t code, const char *range, struct mlaas_scalar *value, const char **format);

/* Notes why the branch cannot be read, which is no error: OK, or MEMORY. `why` outlives the plan. */
enum mlaas_status mlaas_maker_refuse(struct mlaas_branch_maker *maker, const char *why);
enum mlaas_status mlaas_maker_refuse_class(struct mlaas_branch_maker *maker, const char *class_name);

/* Nodes in the maker's arena. */
enum mlaas_status mlaas_maker_node(struct mlaas_branch_maker *maker, enum mlaas_node_kind kind, const char *format,
                                   struct mlaas_node **node);
enum mlaas_status mlaas_maker_list(struct mlaas_branch_maker *maker, enum mlaas_extent extent, bool framed,
                                   struct mlaas_node *child, struct mlaas_node **node);
enum mlaas_status mlaas_maker_text(struct mlaas_branch_maker *maker, enum mlaas_extent extent, bool framed,
                                   struct mlaas_node **node);
/* A value inside as many fixed arrays as there are dimensions. */
enum mlaas_status mlaas_maker_array(struct mlaas_branch_maker *maker, const struct mlaas_scalar *value,
                                    const char *format, const struct mlaas_shape *shape, struct mlaas_node **node);

/* Ends the plan with `root`, in the layout that it allows. `header_bytes` are those in front of a list's items; below 0
 * to walk it always. */
enum mlaas_status mlaas_maker_finish(struct mlaas_branch_maker *maker, struct mlaas_node *root, int32_t header_bytes);
/* Ends the plan with a list of as many items as fill the entry. */
enum mlaas_status mlaas_maker_rest(struct mlaas_branch_maker *maker, struct mlaas_node *item, int32_t header_bytes,
                                   const struct mlaas_branch *counter);

#endif
