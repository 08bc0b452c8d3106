/* What links a tree to others: its friends, the index by which entries are found, and the files of a TChain. Read only
 * when asked for. Knows the names that the file has, opens nothing.
 */
#ifndef MLAAS_ROOTIO_TREE_LINKS_H
#define MLAAS_ROOTIO_TREE_LINKS_H

#include "rootio/record/streamer.h"

/* A friend, or an element of a chain. */
struct mlaas_link {
  const char *alias; /* of a friend: what stands in front of its branches' names */
  const char *table; /* path without cycle */
  const char *file;  /* as the writer named it; "" where it is the tree's own */
};

/* TTreeIndex: pairs in ascending order, each with its entry. */
struct mlaas_tree_index {
  const char *major, *minor; /* what the pairs were made of: names of branches, or expressions */
  int64_t count;
  int64_t *majors, *minors, *entries;
};

struct mlaas_links {
  struct mlaas_link *friends;
  size_t num_friends;
  struct mlaas_tree_index *index; /* NULL: none */
  const char *index_fault;        /* why there is an index that cannot be used, else NULL */
  struct mlaas_link *parts;       /* of a TChain */
  size_t num_parts;
  struct mlaas_arena arena; /* all of it */
};

/* Reads the record of a tree once more. Errors: FORMAT, CHECKSUM, UNSUPPORTED, LIMIT, MEMORY; then nothing is left. */
enum mlaas_status mlaas_links_read(struct mlaas_container *container, const struct mlaas_streamers *streamers,
                                   const struct mlaas_key *key, struct mlaas_links *links, struct mlaas_error *error);
void mlaas_links_reset(struct mlaas_links *links);
/* The entry of a pair, or -1. */
int64_t mlaas_tree_index_find(const struct mlaas_tree_index *index, int64_t major, int64_t minor);

#endif
