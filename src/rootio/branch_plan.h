/* How a branch is decoded: what its entries are made of, or the reason why it cannot be read. Reads no basket. */
#ifndef MLAAS_ROOTIO_BRANCH_PLAN_H
#define MLAAS_ROOTIO_BRANCH_PLAN_H

#include "rootio/node.h"
#include "rootio/tree.h"

enum mlaas_layout {
  MLAAS_LAYOUT_FLAT, /* every entry has the same bytes */
  MLAAS_LAYOUT_LIST, /* one level of lists of plain items, `header_bytes` in front of each */
  MLAAS_LAYOUT_WALK  /* all else: entry by entry */
};

struct mlaas_branch_plan {
  const struct mlaas_branch *branch;
  bool has_data;           /* false: a mere parent, no column */
  bool absent;             /* the branch was never filled: the root is an option, every row of it is missing */
  bool elsewhere;          /* baskets are in another file: side_file.h */
  size_t side;             /* which one, for those who read them; 0: the tree's own */
  const char *unsupported; /* then all below but type_name is zero */
  const char *type_name;
  enum mlaas_layout layout;
  struct mlaas_node *root;
  size_t num_buffers;
  int32_t entry_bytes;                /* FLAT */
  int32_t header_bytes;               /* LIST: 0; 1, a flag; 10, byte count, version and count */
  int32_t item_bytes;                 /* LIST */
  const struct mlaas_branch *counter; /* LIST without header: its entries are the counts */
  bool counts_given;                  /* WALK: `counter` has the lengths of lists, in the file's order */
  int32_t unknown_clones;             /* the first TClonesArray whose class its bytes have to tell, from 1; 0: none */
  struct mlaas_node *unknown_root;    /* then what to look for it with */
  bool ambiguous;                     /* classes in it have several versions in the file; unknown_root is set */
  struct mlaas_clones_sample *sample; /* decoding only looks for classes and versions; else NULL */
};

/* The class of a TClonesArray, or the version of a class that is not the planned one, as bytes have it. */
struct mlaas_clones_sample {
  int32_t wanted; /* -1: a version */
  bool found;
  char name[256];
  struct mlaas_class_version version;
};

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
