/* How the entries of a branch are decoded: what they are made of and how they lie, or the reason why they cannot be
 * read. Knows of branches that there are some, and not what they are: tree/branch_plan.h makes the plans. */
#ifndef MLAAS_ROOTIO_VALUE_PLAN_H
#define MLAAS_ROOTIO_VALUE_PLAN_H

#include "rootio/value/node.h"

struct mlaas_branch;

enum mlaas_layout {
  MLAAS_LAYOUT_FLAT, /* every entry has the same bytes */
  MLAAS_LAYOUT_LIST, /* one level of lists of plain items, `header_bytes` in front of each */
  MLAAS_LAYOUT_WALK  /* all else: entry by entry */
};

struct mlaas_branch_plan {
  const struct mlaas_branch *branch;
  bool has_data;           /* false: a mere parent, no column */
  bool absent;             /* the branch was never filled: the root is an option, every row of it is missing */
  bool elsewhere;          /* baskets are in another file: table/side_file.h */
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
  const char *counter_name;           /* then, for messages */
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

#endif
