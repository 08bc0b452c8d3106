/* Reading ROOT files, and what the context's functions know (mlaas/foreign.h): a file lists tables (TTree, RNTuple), a
 * table has columns, a reader decodes entry ranges of columns into Arrow arrays.
 *
 * Files and tables are immutable after opening and may be used by several threads; a reader or a stream belongs to one
 * thread at a time. A table holds its file, a reader holds its table: closing in any order is fine, and so is closing
 * NULL. What is borrowed lives as long as the handle it came from. Sizes are bytes, entries count from 0.
 * After fork() a child opens its own (mlaas/context.h).
 *
 * Whatever reads may fail with IO, TIMEOUT (the deadline of mlaas_remote_options), STALE (the file changed while open),
 * CANCELLED (mlaas_interrupt), FORMAT or CHECKSUM (the bytes, with their offset), UNSUPPORTED, LIMIT, MEMORY: below
 * these are "those of reading". A call that fails has given out nothing that is to be released.
 *
 * Arrow types: scalars are primitive (bool, int8 ... uint64, float, double); counted arrays and std::vector are
 * list<...> (32-bit offsets); std::vector of std::vector is list<list<...>>; strings are utf8 with the bytes as stored;
 * fixed dimensions are fixed_size_list; a leaf list of several leaves is a struct. A class is a struct of its members,
 * those of its base classes among them (TObject's two numbers are left out); maps are map, pairs structs of first and
 * second, bitsets lists of bool; behind a pointer there may be null. Members whose class only their bytes tell
 * (TObject*, TObjArray) and members of their own class have no place in a struct. All byte order is the machine's.
 */
#ifndef MLAAS_FILE_H
#define MLAAS_FILE_H

#include <mlaas/arrow.h>
#include <mlaas/context.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_file;
struct mlaas_table;
struct mlaas_reader;

/* ---- file -------------------------------------------------------------------------------------- */

/* Opens `url`: a path, SCHEME://..., or replicas of one file with "|" between them (mlaas/place.h; no patterns). Reads
 * header, key lists and streamer info; no tree yet. Holds the context. Errors: NOT_FOUND, UNSUPPORTED (scheme), and
 * those of reading. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_file_open(struct mlaas_context *context, const char *url,
                                                            struct mlaas_file **file, struct mlaas_error *error);
MLAAS_API void mlaas_file_close(struct mlaas_file *file);

/* What reading from a file has taken so far, by every handle; those of its friends not among it. */
struct mlaas_costs {
  int64_t requests;  /* system calls, or messages to servers, those of opening included */
  int64_t ranges;    /* asked for by readers; of a remote file many become one request */
  int64_t bytes;     /* asked for by readers */
  int64_t delivered; /* bytes that came, wanted or not */
  int64_t hits;      /* ranges that were there or on their way when asked for */
  int64_t retries;   /* requests sent again */
  int64_t failovers; /* changes to another replica */
};
MLAAS_API void mlaas_file_costs(const struct mlaas_file *file, struct mlaas_costs *costs);

struct mlaas_file_info {
  const char *url;       /* as it may be shown: without passwords and tokens */
  const char *id;        /* the same for every copy: "UUID:SIZE", of other formats "xxh3-HASH:SIZE" */
  int32_t version;       /* ROOT version that wrote it, e.g. 62804; 0: another format */
  int32_t compression;   /* 100 x algorithm + level, as the header says (a hint); -1 unknown */
  int64_t size;          /* bytes */
  int64_t bytes_read;    /* asked for so far, by every handle */
  int64_t read_requests; /* so far */
  bool is_remote;
};
/* Strings live as long as the file. */
MLAAS_API void mlaas_file_info(const struct mlaas_file *file, struct mlaas_file_info *info);

struct mlaas_table_info {
  const char *path;       /* with directory and cycle: "dir/tree;1" */
  const char *class_name; /* TTree, TNtuple, ROOT::RNTuple ... */
};
/* Tables in the file's order, every cycle of every name. */
MLAAS_API size_t mlaas_file_num_tables(const struct mlaas_file *file);
MLAAS_API void mlaas_file_table(const struct mlaas_file *file, size_t i, struct mlaas_table_info *info);

/* ---- table ------------------------------------------------------------------------------------- */

/* `path` with or without ";cycle" (highest cycle then); NULL: the file's only table (ARGUMENT if there are several).
 * Errors: NOT_FOUND (names the nearest), ARGUMENT, and those of reading. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_table_open(struct mlaas_file *file, const char *path,
                                                             struct mlaas_table **table, struct mlaas_error *error);
MLAAS_API void mlaas_table_close(struct mlaas_table *table);

MLAAS_API struct mlaas_file *mlaas_table_file(const struct mlaas_table *table); /* borrowed */
MLAAS_API const char *mlaas_table_path(const struct mlaas_table *table);        /* with cycle */
MLAAS_API const char *mlaas_table_title(const struct mlaas_table *table);
MLAAS_API int64_t mlaas_table_num_entries(const struct mlaas_table *table);
/* First entries of the clusters, ascending from 0; *count of them. Ranges between them share no basket where the writer
 * flushed by cluster. At least one when there are entries. The array lives as long as the table. */
MLAAS_API const int64_t *mlaas_table_clusters(const struct mlaas_table *table, size_t *count);

struct mlaas_column_info {
  const char *name;      /* full path, "/" between a branch and its sub-branches */
  const char *type_name; /* as ROOT says it: "float", "std::vector<float>", "Int_t[nJets]" */
  const char *title;
  const char *counter;     /* name of the counter column of a counted array, else NULL */
  const char *unsupported; /* why it cannot be read, NULL where it can */
  int64_t stored_bytes;    /* compressed, as in the file */
  int64_t raw_bytes;       /* decompressed */
  int64_t num_baskets;     /* of an RNTuple's field: pages, of all columns below it */
  int32_t compression;     /* 100 x algorithm + level; -1 unknown */
};
/* Columns in the tree's order: every branch that holds data, and every branch that cannot be read. */
MLAAS_API size_t mlaas_table_num_columns(const struct mlaas_table *table);
MLAAS_API void mlaas_table_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info);
/* Members of structs are columns too: "jets.pt" of a list<struct<pt, eta>> jets is a list, of which an ntuple reads no
 * more than it has to. They have the indices from num_columns on, up to num_columns + num_members; reading all columns
 * leaves them out. */
MLAAS_API size_t mlaas_table_num_members(const struct mlaas_table *table);
/* Index of the column called `name`, or NOT_FOUND with the nearest name in the message. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_table_find(const struct mlaas_table *table, const char *name,
                                                             size_t *column, struct mlaas_error *error);
/* A struct schema of the given columns in the given order; the caller releases it. columns == NULL: all readable ones.
 * A counted column carries the key "mlaas.counter" in its metadata. Errors: UNSUPPORTED, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_table_schema(const struct mlaas_table *table, const size_t *columns,
                                                               size_t num_columns, struct ArrowSchema *schema,
                                                               struct mlaas_error *error);

/* ---- friends and chains ------------------------------------------------------------------------ */

enum mlaas_link_kind {
  MLAAS_LINK_FRIEND, /* TTree::AddFriend: `alias` stands in front of its columns' names */
  MLAAS_LINK_CHAIN,  /* a file of a TChain */
  MLAAS_LINK_INDEX   /* the table's own TTreeIndex: `table` and `file` are the names of its two numbers */
};

struct mlaas_link_info {
  enum mlaas_link_kind kind;
  const char *alias, *table;
  const char *file; /* as it was named when the table was written; "" for the table's own file */
};
typedef void mlaas_table_link(void *context, const struct mlaas_link_info *link);
/* Calls `link` for every friend, file of a chain and index of a TTree; texts live during the call. Opens no other file.
 * Errors: those of reading. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_table_links(struct mlaas_table *table, mlaas_table_link *link,
                                                              void *context, struct mlaas_error *error);
/* The table with the columns of its friends as "alias.branch" behind its own; to be closed like any other. A friend's
 * rows are found by its index where it has one and `table` has the columns that it is made of, else row i is entry i.
 * Rows that a friend does not have are null (where TTree keeps the values of the row before); columns of
 * friends that are matched by entry and have all of them are not nullable. Files of friends are
 * looked for beside the table's file, then where they are named. Friends of friends are not followed. A table without
 * friends is its own result. Errors: NOT_FOUND (a friend's file or table), and those of opening a table. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status
mlaas_table_with_friends(struct mlaas_table *table, struct mlaas_table **joined, struct mlaas_error *error);

/* ---- reading ----------------------------------------------------------------------------------- */

/* A reader of some columns (NULL: all readable). It keeps the baskets that one range shares with the next, as far as
 * the ceiling allows. Errors: UNSUPPORTED, ARGUMENT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_reader_open(struct mlaas_table *table, const size_t *columns,
                                                              size_t num_columns, struct mlaas_reader **reader,
                                                              struct mlaas_error *error);
MLAAS_API void mlaas_reader_close(struct mlaas_reader *reader);
/* Decodes entries [start, stop) on the context's threads into a struct array of stop - start rows, one child per
 * column; the caller releases it (from any thread). The result does not depend on the number of threads.
 * Errors: ARGUMENT (range), LIMIT (the range does not fit under the ceiling: ask for less), and those of reading; the
 * reader may be used again after any of them. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_reader_read(struct mlaas_reader *reader, int64_t start, int64_t stop,
                                                              struct ArrowArray *array, struct mlaas_error *error);

/* Says early that entries [start, stop) will be read next, in this order: where the file is on a server, as much of
 * them begins to arrive as `room` holds (bytes on their way or waiting to be read; 0: what the context's cache holds),
 * whole clusters at a time. Returns the entry up to which that was: `stop` for files at hand, where nothing is done. A
 * hint: it never fails, and what was announced may be announced again. Of the reader's own thread. */
MLAAS_API int64_t mlaas_reader_ahead(struct mlaas_reader *reader, int64_t start, int64_t stop, int64_t room);
/* Bytes that were announced and not read yet. */
MLAAS_API int64_t mlaas_reader_ahead_bytes(const struct mlaas_reader *reader);

/* An Arrow C Stream of [start, stop) in batches of `batch_rows` entries (0: whole clusters, cut to fit the ceiling).
 * It holds the table and is released by the caller; get_next returns errno values, get_last_error the words. columns ==
 * NULL: all readable ones. Errors: ARGUMENT (range), UNSUPPORTED (a column), MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_table_stream(struct mlaas_table *table, const size_t *columns,
                                                               size_t num_columns, int64_t start, int64_t stop,
                                                               int64_t batch_rows, struct ArrowArrayStream *stream,
                                                               struct mlaas_error *error);

#ifdef __cplusplus
}
#endif
#endif
