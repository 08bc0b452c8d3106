/* One header of a request. */
#ifndef MLAAS_NET_HEADER_H
#define MLAAS_NET_HEADER_H

#include "base/slice.h"

struct mlaas_header {
  struct mlaas_slice name, value; /* value without blanks around it */
};

#endif
