/* The classes of TClonesArrays inside of objects, which only their bytes name, and which of several versions of a class
 * the bytes have. */
#ifndef MLAAS_ROOTIO_TABLE_CLONES_H
#define MLAAS_ROOTIO_TABLE_CLONES_H

#include "rootio/table/table.h"

/* Reads the first basket of a branch whose plan lacks such things, and plans again with what it says.
 * A basket that cannot be read is no error here: reading the column will say so. Errors: MEMORY, LIMIT. */
enum mlaas_status mlaas_clones_find(struct mlaas_table *table, struct mlaas_branch_plan *plan,
                                    struct mlaas_error *error);

#endif
