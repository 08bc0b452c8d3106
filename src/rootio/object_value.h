/* Objects behind keys as trees of items (mlaas/object.h), for the files of this folder that make them. Knows nothing of
 * tables. */
#ifndef MLAAS_ROOTIO_OBJECT_VALUE_H
#define MLAAS_ROOTIO_OBJECT_VALUE_H

#include "rootio/object.h"
#include "rootio/table.h"

#include <mlaas/object.h>

/* True for a key that is offered as an object: neither a table nor a directory. */
bool mlaas_object_is_object(const struct mlaas_file *file, const struct mlaas_key *key);

#endif
