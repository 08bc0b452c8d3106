/* TLS is not there yet. */
#include "net/tls.h"

#include "base/error.h"

enum mlaas_status mlaas_tls_context_new(const struct mlaas_tls_options *options, struct ssl_ctx_st **context,
                                        struct mlaas_error *error) {
  (void)options;
  (void)context;
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "TLS is not there yet");
}
void mlaas_tls_context_free(struct ssl_ctx_st *context) { (void)context; }
bool mlaas_tls_start(struct mlaas_connection *connection, struct ssl_ctx_st *context) {
  (void)connection;
  (void)context;
  return false;
}
void mlaas_tls_free(struct mlaas_connection *connection) { (void)connection; }
void mlaas_tls_received(struct mlaas_connection *connection, const char *data, size_t size) {
  (void)connection;
  (void)data;
  (void)size;
}
void mlaas_tls_resume(struct mlaas_connection *connection) { (void)connection; }
void mlaas_tls_written(struct mlaas_connection *connection) { (void)connection; }
bool mlaas_tls_send(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count) {
  (void)connection;
  (void)parts;
  return !count;
}
void mlaas_tls_shutdown(struct mlaas_connection *connection) { (void)connection; }
