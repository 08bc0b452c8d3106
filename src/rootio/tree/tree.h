/* A TTree's record: branches, leaves and where the baskets lie, decoded and cross-checked. Knows nothing of decoding
 * values: see branch_plan.h for that. */
#ifndef MLAAS_ROOTIO_TREE_TREE_H
#define MLAAS_ROOTIO_TREE_TREE_H

#include "rootio/container/basket.h"
#include "rootio/record/streamer.h"

enum mlaas_leaf_kind {
  MLAAS_LEAF_UNKNOWN,
  MLAAS_LEAF_O, /* bool */
  MLAAS_LEAF_B, /* int8 */
  MLAAS_LEAF_S, /* int16 */
  MLAAS_LEAF_I, /* int32 */
  MLAAS_LEAF_L, /* int64 */
  MLAAS_LEAF_G, /* long, 8 bytes on disk */
  MLAAS_LEAF_F, /* float */
  MLAAS_LEAF_D, /* double */
  MLAAS_LEAF_F16,
  MLAAS_LEAF_D32,
  MLAAS_LEAF_C,       /* text */
  MLAAS_LEAF_ELEMENT, /* TLeafElement: the type is in the streamer info */
  MLAAS_LEAF_OBJECT   /* TLeafObject */
};

struct mlaas_leaf {
  const char *name, *title;
  enum mlaas_leaf_kind kind;
  int32_t len;      /* fixed length over all dimensions; 0 and below are as the file says */
  int32_t len_type; /* bytes of one value */
  int32_t offset;   /* inside the entry, for leaf lists */
  bool is_range, is_unsigned;
  int64_t maximum;          /* TLeafI and kin: the largest value the writer saw, a hint only */
  struct mlaas_leaf *count; /* resolved fLeafCount, or NULL */
  struct mlaas_branch *branch;
  int32_t id, type; /* TLeafElement */
  bool is_virtual;  /* TLeafObject: the name of its class is in front of each object */
};

struct mlaas_branch {
  const char *class_name; /* TBranch, TBranchElement, TBranchObject, TBranchClones, TBranchSTL ... */
  const char *name, *title;
  const char *path;        /* from the tree, "/" between parent and child, as uproot's keys() spells it */
  const char *unsupported; /* why its record could not be understood, else NULL */
  bool damaged;            /* then: it contradicts itself, no version of ROOT would understand it */
  int32_t compression, basket_size, entry_offset_len, write_basket, split_level;
  uint8_t io_bits;
  int64_t entries, entry_number, first_entry, raw_bytes, stored_bytes;
  const char *file_name;            /* baskets in another file; NULL in nearly all */
  struct mlaas_basket_ref *baskets; /* num_baskets of them in entry order; entry_number ends the last */
  size_t num_baskets;
  /* TBranchElement; is_element false and the rest zero for plain branches */
  bool is_element;
  const char *element_class, *parent_class, *clones_class;
  const char *container_class; /* TBranchSTL: the collection; NULL for all others */
  uint32_t checksum;
  int32_t class_version, id, type, streamer_type, maximum;
  struct mlaas_branch *count, *count2; /* fBranchCount, fBranchCount2 */
  struct mlaas_branch *parent, **children;
  struct mlaas_leaf **leaves;
  size_t num_children, num_leaves;
};

struct mlaas_tree {
  const char *name, *title, *class_name;
  int64_t entries, raw_bytes, stored_bytes, auto_flush;
  int64_t *cluster_ends, *cluster_sizes; /* fClusterRangeEnd, fClusterSize */
  size_t num_cluster_ranges;
  struct mlaas_branch **branches; /* top level */
  size_t num_branches;
  struct mlaas_branch **names; /* open hash of siblings by name, in trees that need it; NULL where free */
  size_t names_size;
  struct mlaas_branch **all; /* every branch, depth first: parents before children */
  size_t num_all;
  int64_t *clusters; /* first entries, ascending; see mlaas_table_clusters */
  size_t num_clusters;
  struct mlaas_block payload; /* the decompressed record; embedded baskets point into it */
  struct mlaas_arena arena;
};

/* True for TTree and classes derived from it, by the file's streamer info (TNtuple, TNtupleD, TChain are known). */
bool mlaas_tree_is_tree(const struct mlaas_streamers *streamers, const char *class_name);
/* Decodes the tree behind `key`. A branch that cannot be understood is marked, the rest goes on; only damage of the
 * frame around it fails. Clusters come from auto_flush and the cluster ranges, else from the common basket boundaries.
 * Reset is legal on a zeroed tree. */
enum mlaas_status mlaas_tree_read(struct mlaas_container *container, const struct mlaas_streamers *streamers,
                                  const struct mlaas_key *key, struct mlaas_tree *tree, struct mlaas_error *error);
void mlaas_tree_reset(struct mlaas_tree *tree);
/* The branch beside `branch` that holds the member called `name` of the same object, or NULL: its name is that of
 * `branch` with the last part replaced. */
const struct mlaas_branch *mlaas_tree_sibling(const struct mlaas_tree *tree, const struct mlaas_branch *branch,
                                              const char *name);

#endif
