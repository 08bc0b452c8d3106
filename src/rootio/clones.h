/* The classes of TClonesArrays inside of objects: only their bytes name them. */
#ifndef MLAAS_ROOTIO_CLONES_H
#define MLAAS_ROOTIO_CLONES_H

#include "rootio/table.h"

/* Reads the first basket of a branch whose plan lacks the classes of TClonesArrays, and plans again with what it says.
 * A basket that cannot be read is no error here: reading the column will say so. Errors: MEMORY, LIMIT. */
enum mlaas_status mlaas_clones_find(struct mlaas_table *table, struct mlaas_branch_plan *plan,
                                    struct mlaas_error *error);

#endif
