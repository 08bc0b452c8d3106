/* TLS as a filter under the codec: OpenSSL between two memory buffers. Knows no protocol above it. */
#ifndef MLAAS_NET_TLS_H
#define MLAAS_NET_TLS_H

#include "net/server.h"

#include <uv.h>

struct mlaas_connection;
struct ssl_ctx_st;

/* Reads the files. Errors: NOT_FOUND, FORMAT. */
enum mlaas_status mlaas_tls_context_new(const struct mlaas_tls_options *options, struct ssl_ctx_st **context,
                                        struct mlaas_error *error);
void mlaas_tls_context_free(struct ssl_ctx_st *context);

/* The connection speaks TLS from now on. False: out of memory. */
bool mlaas_tls_start(struct mlaas_connection *connection, struct ssl_ctx_st *context);
void mlaas_tls_free(struct mlaas_connection *connection); /* legal without */
void mlaas_tls_received(struct mlaas_connection *connection, const char *data, size_t size);
void mlaas_tls_resume(struct mlaas_connection *connection); /* the codec has room again */
void mlaas_tls_written(struct mlaas_connection *connection);
bool mlaas_tls_send(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count);
void mlaas_tls_shutdown(struct mlaas_connection *connection);

#endif
