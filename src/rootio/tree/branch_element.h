/* Plans of branches whose entries are classes, or members of them. */
#ifndef MLAAS_ROOTIO_TREE_BRANCH_ELEMENT_H
#define MLAAS_ROOTIO_TREE_BRANCH_ELEMENT_H

#include "rootio/tree/branch_maker.h"

/* Plans a TBranchObject. */
enum mlaas_status mlaas_maker_object(struct mlaas_branch_maker *maker);
/* Plans a TBranchElement. */
enum mlaas_status mlaas_maker_element(struct mlaas_branch_maker *maker);

#endif
