/* The wires there are: those built in, and plug-ins, which are loaded when a URL needs them. */
#ifndef MLAAS_SOURCE_WIRES_H
#define MLAAS_SOURCE_WIRES_H

#include <mlaas/wire.h>

extern const struct mlaas_wire mlaas_wire_http; /* http, https, dav, davs, s3 */

extern const struct mlaas_wire mlaas_wire_file; /* file:// among replicas; mlaas_wire_find does not give it */

/* The wire for "SCHEME://...". Errors: UNSUPPORTED: no such scheme (names those there are), or its plug-in is not
 * installed (says what to install). Thread safe; what was loaded stays for the life of the process. */
enum mlaas_status mlaas_wire_find(const char *url, const struct mlaas_wire **wire, struct mlaas_error *error);
/* Tests only: this one is asked first from now on; NULL: none. Not while sources are opened. */
void mlaas_wire_lend(const struct mlaas_wire *wire);

#endif
