/* The inside of files and tables, for the files that implement mlaas/file.h. */
#ifndef MLAAS_ROOTIO_TABLE_TABLE_H
#define MLAAS_ROOTIO_TABLE_TABLE_H

#include "base/context.h"
#include "rootio/ntuple/plan.h"
#include "rootio/tree/tree.h"

#include <mlaas/file.h>

struct mlaas_file_table {
  const struct mlaas_key *key;
  const char *path;           /* with cycle */
  bool is_ntuple, is_foreign; /* foreign: of another format */
};

struct mlaas_foreign_handle; /* foreign.c */

struct mlaas_file {
  long count;
  struct mlaas_context *context;
  struct mlaas_container container;
  struct mlaas_streamers streamers;
  struct mlaas_file_table *tables; /* in the container's arena */
  size_t num_tables;
  struct mlaas_file_table *objects; /* keys that are neither tables nor directories, in the container's arena */
  size_t num_objects;
  uint32_t *object_index; /* open hash of their paths, with and without cycle: object + 1, 0 where free */
  size_t object_slots;
  struct mlaas_foreign_handle *foreign; /* a file of another format: there is no container */
};

struct mlaas_file *mlaas_file_get(struct mlaas_file *file);
const char *mlaas_file_url(const struct mlaas_file *file);
bool mlaas_file_is_directory(const struct mlaas_key *key);
/* Makes the index of file->objects; once, when all are there. */
enum mlaas_status mlaas_file_index_objects(struct mlaas_file *file, struct mlaas_error *error);
/* The object at `path`, with or without cycle (the highest then), or NULL. */
const struct mlaas_file_table *mlaas_file_find_object(const struct mlaas_file *file, const char *path);
/* mlaas_file_open of an open source, which is taken over on success and on failure; `error` is not NULL. */
enum mlaas_status mlaas_file_from_source(struct mlaas_context *context, struct mlaas_source *source,
                                         struct mlaas_file **file, struct mlaas_error *error);
/* What reading the file has cost; of a file of another format nothing is known. */
void mlaas_file_counters(const struct mlaas_file *file, struct mlaas_source_counters *counters);
/* The same with the files of its friends and those beside it that hold baskets. */
void mlaas_table_counters(const struct mlaas_table *table, struct mlaas_source_counters *counters);
/* As mlaas_table_open finds it. */
enum mlaas_status mlaas_file_find_table(const struct mlaas_file *file, const char *path,
                                        const struct mlaas_file_table **found, struct mlaas_error *error);

struct mlaas_table_column {
  const char *name;
  struct mlaas_branch_plan plan;        /* of a field: type_name, unsupported, root and num_buffers */
  const struct mlaas_field_plan *field; /* NULL for a branch */
  const struct mlaas_node *shown;       /* what comes out: the plan's root, of a member a part of it */
  /* of a table with friends: */
  size_t friend_number, origin; /* whose column it is (0: the table's own), and which one there */
  const char *counter;          /* of a friend's column */
  bool missing;                 /* of a friend's column: it need not have all rows */
};

/* A file beside the table's own that holds baskets of some branches. */
struct mlaas_side_file {
  const char *name;            /* as the branches say it */
  struct mlaas_source *source; /* NULL: it cannot be used */
  const char *fault;
};

struct mlaas_table {
  long count;
  struct mlaas_file *file;
  const struct mlaas_file_table *entry;
  struct mlaas_tree tree;     /* empty for an ntuple */
  struct mlaas_ntuple ntuple; /* empty for a tree */
  int64_t *clusters;          /* of an ntuple, where those begin that are not empty */
  size_t num_clusters;
  int64_t num_entries;
  const char *title;
  struct mlaas_table_column *columns; /* members of structs come behind the others */
  size_t num_columns, num_members;
  struct mlaas_side_file *sides;
  size_t num_sides;
  uint32_t *index; /* open hash of names: column + 1, 0 where free */
  size_t index_size;
  struct mlaas_foreign_table *foreign; /* of a file of another format */
  struct mlaas_join *join;             /* of a table with friends: all above but columns and index is empty */
  struct mlaas_arena arena;
};

struct mlaas_table *mlaas_table_get(struct mlaas_table *table);
/* The chosen columns, or all readable ones; *count of them, in memory that the caller frees. Errors: ARGUMENT,
 * UNSUPPORTED, MEMORY. */
enum mlaas_status mlaas_table_choose(const struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                     size_t **chosen, size_t *count, struct mlaas_error *error);
/* The plan of a branch that is a column, or NULL. */
const struct mlaas_branch_plan *mlaas_table_plan(const struct mlaas_table *table, const struct mlaas_branch *branch);
/* Name of the column that counts `plan`'s lists, or NULL. */
const char *mlaas_table_counter(const struct mlaas_branch_plan *plan);

/* Where the cluster ends that holds `entry`, but not behind `stop`. */
int64_t mlaas_table_cluster_end(const struct mlaas_table *table, int64_t entry, int64_t stop);

/* ---- for those who open ---- */

/* Room for `most` columns and their names. */
enum mlaas_status mlaas_table_make_room(struct mlaas_table *table, size_t most, struct mlaas_error *error);
/* Of several columns of one name the first is kept. */
void mlaas_table_add(struct mlaas_table *table, const struct mlaas_table_column *column);
/* Adds the members of all columns, when these are there. */
enum mlaas_status mlaas_table_add_members(struct mlaas_table *table, struct mlaas_error *error);
enum mlaas_status mlaas_table_open_ntuple(struct mlaas_table *table, struct mlaas_error *error);
void mlaas_table_field(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info);

#endif
