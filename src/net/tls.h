/* TLS as a filter under the codec: OpenSSL between two memory buffers. Knows no protocol above it. */
#ifndef MLAAS_NET_TLS_H
#define MLAAS_NET_TLS_H

#include "net/options.h"

struct mlaas_connection;
struct ssl_ctx_st;

/* Reads the files. Errors: NOT_FOUND, FORMAT. */
enum mlaas_status mlaas_tls_context_new(const struct mlaas_tls_options *options, struct ssl_ctx_st **context,
                                        struct mlaas_error *error);
void mlaas_tls_context_free(struct ssl_ctx_st *context);

/* The connection speaks TLS from now on: it has a filter. False: out of memory. */
bool mlaas_tls_start(struct mlaas_connection *connection, struct ssl_ctx_st *context);

#endif
