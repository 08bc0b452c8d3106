/* Files beside a tree's own that hold baskets of some of its branches (TBranch::SetFile). Only names below the folder
 * of the tree's file are followed: the name comes from a file that nobody vouches for. */
#ifndef MLAAS_ROOTIO_TABLE_SIDE_FILE_H
#define MLAAS_ROOTIO_TABLE_SIDE_FILE_H

#include "rootio/table/table.h"

/* Finds, and opens where it is the first to ask for it, the file that holds the baskets of `plan`, whose branch has a
 * file's name. Sets plan->side, or says in plan->unsupported why it cannot be read. Errors: MEMORY, LIMIT. */
enum mlaas_status mlaas_side_file_find(struct mlaas_table *table, struct mlaas_branch_plan *plan,
                                       struct mlaas_error *error);
void mlaas_side_files_close(struct mlaas_table *table);
/* The source that holds the baskets of `plan`. */
struct mlaas_source *mlaas_side_file_source(const struct mlaas_table *table, const struct mlaas_branch_plan *plan);

#endif
