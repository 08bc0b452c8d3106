/* A table with its friends: their columns as "alias.branch" beside its own. Matched by entry, or by the friend's index.
 */
#ifndef MLAAS_ROOTIO_TABLE_JOIN_H
#define MLAAS_ROOTIO_TABLE_JOIN_H

#include "rootio/tree/links.h"
#include "rootio/table/table.h"

/* Where a number of the pair comes from that an index is asked for. */
struct mlaas_join_key {
  bool is_column;
  size_t column; /* of the base */
  int64_t number;
};

struct mlaas_join_friend {
  const char *alias;
  struct mlaas_table *table;
  struct mlaas_links links;             /* the friend's own */
  const struct mlaas_tree_index *index; /* NULL: row i belongs to entry i */
  struct mlaas_join_key keys[2];
  const char *fault; /* why its columns cannot be matched, else NULL */
};

struct mlaas_join {
  struct mlaas_table *base;
  struct mlaas_join_friend *friends;
  size_t num_friends;
};

/* ---- for open.c ---- */

void mlaas_join_free(struct mlaas_join *join); /* legal on NULL */
void mlaas_join_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info);

/* ---- for chain.c ---- */

/* Where a file that `file` names is: the first of its places that can be opened, else the first. Text of the arena. */
enum mlaas_status mlaas_join_place(const struct mlaas_file *file, const char *name, struct mlaas_arena *arena,
                                   const char **url, struct mlaas_error *error);

/* ---- for read/reader.c ---- */

struct mlaas_join_reader;
enum mlaas_status mlaas_join_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                         struct mlaas_join_reader **reader, struct mlaas_error *error);
void mlaas_join_reader_close(struct mlaas_join_reader *reader); /* legal on NULL */
enum mlaas_status mlaas_join_reader_read(struct mlaas_join_reader *reader, int64_t start, int64_t stop,
                                         struct ArrowArray *array, struct mlaas_error *error);
/* As mlaas_reader_ahead. Which entries of a friend an index leads to is known only when its keys are. */
int64_t mlaas_join_reader_ahead(struct mlaas_join_reader *reader, int64_t start, int64_t stop, int64_t room);
int64_t mlaas_join_reader_ahead_bytes(const struct mlaas_join_reader *reader);

#endif
