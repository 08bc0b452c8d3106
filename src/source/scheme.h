/* The schemes there are, for the table of source.c alone. */
#ifndef MLAAS_SOURCE_SCHEME_H
#define MLAAS_SOURCE_SCHEME_H

#include "source/source.h"

extern const struct mlaas_source_scheme mlaas_source_scheme_file;
extern const struct mlaas_source_scheme mlaas_source_scheme_remote; /* whatever has a wire */

#endif
