/* OpenSSL between two memory buffers: bytes of the wire on one side, the codec's on the other. Knows no protocol above.
 */
#include "net/tls.h"

#include "base/error.h"
#include "net/connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MOST_SUBJECT = 1024, MOST_SEALED = 64 << 10, RECORD = 16 << 10 };

struct mlaas_tls {
  SSL *ssl;
  BIO *in, *out;     /* the SSL's */
  char *pending;     /* sealed bytes that the socket has not taken */
  uv_buf_t parts[2]; /* what is not sealed yet */
  unsigned first, count;
  bool sending, pumping, stalled, greeted;
  char subject[MOST_SUBJECT];
};

/* ---- the context: files ---- */

static enum mlaas_status fail(struct mlaas_error *error, const char *what, const char *file) {
  char text[256];
  struct stat stat_of;
  if (stat(file, &stat_of) < 0) {
    int code = errno;
    ERR_clear_error();
    return mlaas_fail_errno(error, code, "%s %s cannot be read", what, file);
  }
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  ERR_clear_error();
  return mlaas_fail(error, MLAAS_FORMAT, "%s %s is not usable: %s", what, file, text);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                           unsigned in_size, void *context) {
  (void)ssl;
  (void)context;
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char *chosen = NULL;
  if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* Clients that show a certificate do a whole handshake each time: a resumed session would carry neither their chain nor
 * what has become of it since. Proxies of the grid are accepted as what they stand for. */
static enum mlaas_status verify_clients(SSL_CTX *context, const struct mlaas_tls_options *options,
                                        struct mlaas_error *error) {
  struct stat stat_of;
  bool folder = stat(options->client_ca, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
  if (folder) {
    if (!SSL_CTX_load_verify_dir(context, options->client_ca))
      return fail(error, "the folder of certificate authorities", options->client_ca);
  } else {
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca);
    if (!names || !SSL_CTX_load_verify_file(context, options->client_ca)) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      return fail(error, "the file of certificate authorities", options->client_ca);
    }
    SSL_CTX_set_client_CA_list(context, names);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (options->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_ALLOW_PROXY_CERTS);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return MLAAS_OK;
}

static enum mlaas_status fill_context(SSL_CTX *context, const struct mlaas_tls_options *options,
                                      struct mlaas_error *error) {
  static const unsigned char id[] = "mlaas";
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do without */
  SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
  if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1)
    return fail(error, "the certificate", options->certificate);
  if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
    return fail(error, "the key", options->key);
  if (SSL_CTX_check_private_key(context) != 1)
    return fail(error, "the key of the certificate", options->key);
  return options->client_ca ? verify_clients(context, options, error) : MLAAS_OK;
}

enum mlaas_status mlaas_tls_context_new(const struct mlaas_tls_options *options, struct ssl_ctx_st **out,
                                        struct mlaas_error *error) {
  if (!options->certificate || !options->key)
    return mlaas_fail(error, MLAAS_ARGUMENT, "TLS needs both a certificate and its key");
  if (options->client_required && !options->client_ca)
    return mlaas_fail(error, MLAAS_ARGUMENT, "client certificates are required, but no authority is given");
  ERR_clear_error();
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (!context)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for TLS");
  enum mlaas_status status = fill_context(context, options, error);
  if (status == MLAAS_OK)
    *out = context;
  else
    SSL_CTX_free(context);
  return status;
}

void mlaas_tls_context_free(struct ssl_ctx_st *context) { SSL_CTX_free(context); }

/* ---- the client's name ---- */

/* "/DC=ch/CN=name", with what would look like another part escaped. False: longer than there is room for. */
static bool format_subject(const X509 *certificate, char *text, size_t room) {
  const X509_NAME *name = X509_get_subject_name(certificate);
  size_t used = 0;
  for (int i = 0; i < X509_NAME_entry_count(name); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    char key[80];
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_undef)
      snprintf(key, sizeof key, "%s", OBJ_nid2sn(nid));
    else
      OBJ_obj2txt(key, sizeof key, X509_NAME_ENTRY_get_object(entry), 1);
    unsigned char *value = NULL;
    int length = ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry));
    if (length < 0 || used + strlen(key) + (size_t)length * 4 + 3 > room) {
      OPENSSL_free(value);
      return false;
    }
    used += (size_t)snprintf(text + used, room - used, "/%s=", key);
    for (int k = 0; k < length; k++)
      if (value[k] < 0x20 || value[k] == 0x7f)
        used += (size_t)snprintf(text + used, room - used, "\\x%02x", value[k]);
      else
        used += (size_t)snprintf(text + used, room - used, "%s%c", strchr("/\\", value[k]) ? "\\" : "", value[k]);
    OPENSSL_free(value);
  }
  return used > 0;
}

/* The person's certificate: the first of the verified chain that is no proxy. */
static const X509 *find_person(const SSL *ssl) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); i++) {
    X509 *certificate = sk_X509_value(chain, i);
    if (!(X509_get_extension_flags(certificate) & EXFLAG_PROXY))
      return certificate;
  }
  return NULL;
}

static void greet(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  tls->greeted = true;
  const X509 *person = SSL_get_verify_result(tls->ssl) == X509_V_OK ? find_person(tls->ssl) : NULL;
  if (person && format_subject(person, tls->subject, sizeof tls->subject))
    connection->subject = tls->subject;
  mlaas_connection_wait(connection, MLAAS_WAIT_IDLE);
}

/* ---- a connection ---- */

static void tls_free(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  SSL_free(tls->ssl);
  mlaas_free(tls->pending);
  mlaas_free(tls);
  connection->tls = NULL;
  connection->filter = NULL;
}

/* Sealed bytes to the socket. True: all of them are out. */
static bool flush(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  char *data = NULL;
  if (connection->closing)
    return true;
  if (connection->writing)
    return false;
  long size = BIO_get_mem_data(tls->out, &data);
  if (size <= 0)
    return true;
  uv_buf_t part = uv_buf_init(data, (unsigned)size);
  int done = uv_try_write(&connection->uv.stream, &part, 1);
  if (done == size) {
    (void)BIO_reset(tls->out);
    return true;
  }
  if (done < 0 && done != UV_EAGAIN) {
    mlaas_connection_close(connection);
    return true;
  }
  size_t taken = done < 0 ? 0 : (size_t)done;
  part.len = (size_t)size - taken;
  part.base = tls->pending = mlaas_alloc(part.len); /* the buffer may move when more is sealed */
  if (!part.base) {
    mlaas_connection_close(connection);
    return true;
  }
  memcpy(part.base, data + taken, part.len);
  (void)BIO_reset(tls->out);
  if (!mlaas_connection_write(connection, &part, 1))
    return false;
  mlaas_free(tls->pending);
  tls->pending = NULL;
  return true;
}

/* ---- sending ---- */

/* The next bytes to seal: head and body of a small reply in one record. */
static uv_buf_t next_part(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  uv_buf_t *parts = tls->parts + tls->first;
  if (tls->count - tls->first < 2 || parts[0].len + parts[1].len > RECORD)
    return parts[0];
  char *gathered = connection->hub->cipher; /* free: what was received has been taken over */
  memcpy(gathered, parts[0].base, parts[0].len);
  memcpy(gathered + parts[0].len, parts[1].base, parts[1].len);
  return uv_buf_init(gathered, (unsigned)(parts[0].len + parts[1].len));
}

static void took(struct mlaas_tls *tls, size_t size) {
  while (tls->first < tls->count) {
    uv_buf_t *part = &tls->parts[tls->first];
    size_t here = size < part->len ? size : part->len;
    part->base += here;
    part->len -= here;
    size -= here;
    if (part->len)
      return;
    tls->first++;
  }
}

/* Seals and sends until all is out (true) or the socket takes no more. */
static bool push(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  for (;;) {
    size_t sealed = 0;
    while (tls->first < tls->count && sealed < MOST_SEALED && !connection->writing) {
      uv_buf_t part = next_part(connection);
      size_t size = part.len < RECORD ? part.len : RECORD, done = 0;
      ERR_clear_error();
      if (size && !SSL_write_ex(tls->ssl, part.base, size, &done)) {
        mlaas_connection_close(connection);
        return true;
      }
      took(tls, done);
      sealed += done;
    }
    if (!flush(connection))
      return false;
    if (tls->first == tls->count || connection->closing)
      return true;
  }
}

static bool tls_send(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count) {
  struct mlaas_tls *tls = connection->tls;
  tls->first = 0;
  tls->count = count;
  memcpy(tls->parts, parts, count * sizeof *parts);
  tls->sending = !push(connection);
  return !tls->sending;
}

static void tls_written(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  mlaas_free(tls->pending);
  tls->pending = NULL;
  if (!push(connection) || connection->closing || !tls->sending)
    return;
  tls->sending = false;
  connection->codec->sent(connection);
}

static void tls_shutdown(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  if (SSL_is_init_finished(tls->ssl) && !connection->writing) {
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
  }
  char *data = NULL;
  long size = BIO_get_mem_data(tls->out, &data);
  uv_buf_t part = uv_buf_init(data, size > 0 ? (unsigned)size : 0);
  if (size > 0 && !connection->writing && uv_is_writable(&connection->uv.stream))
    uv_try_write(&connection->uv.stream, &part, 1); /* a courtesy */
  (void)BIO_reset(tls->out);
}

/* ---- receiving ---- */

static void broken(struct mlaas_connection *connection) {
  static char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 48\r\n"
                       "Connection: close\r\n\r\n{\"error\": \"this port speaks HTTPS, use https:\"}\n";
  bool plain = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  uv_buf_t part = uv_buf_init(text, sizeof text - 1);
  mlaas_count(&connection->hub->counters.bad_requests, 1);
  if (plain && !connection->writing)
    uv_try_write(&connection->uv.stream, &part, 1);
  ERR_clear_error();
  mlaas_connection_close(connection);
}

/* Opens what is there, as far as the codec has room. */
static void pull(struct mlaas_connection *connection) {
  struct mlaas_tls *tls = connection->tls;
  if (tls->pumping)
    return;
  tls->pumping = true;
  while (!connection->closing && !connection->ended) {
    char *room = NULL;
    size_t size = 0, done = 0;
    connection->codec->room(connection, &room, &size);
    if (connection->closing)
      break;
    tls->stalled = size == 0;
    if (tls->stalled) {
      mlaas_connection_pause(connection);
      break;
    }
    ERR_clear_error();
    int opened = SSL_read_ex(tls->ssl, room, size, &done), code = SSL_get_error(tls->ssl, opened);
    if (!tls->greeted && SSL_is_init_finished(tls->ssl))
      greet(connection);
    if (opened == 1) {
      connection->codec->received(connection, done);
    } else if (code == SSL_ERROR_WANT_READ) {
      connection->codec->received(connection, 0);
      break;
    } else if (code == SSL_ERROR_ZERO_RETURN) {
      connection->ended = true;
      mlaas_connection_pause(connection);
      connection->since = mlaas_hub_now(connection->hub);
      connection->codec->received(connection, 0);
      connection->codec->ended(connection);
    } else {
      broken(connection);
    }
  }
  tls->pumping = false;
  if (!connection->closing)
    flush(connection);
}

static void tls_received(struct mlaas_connection *connection, const char *data, size_t size) {
  if (size && BIO_write(connection->tls->in, data, (int)size) != (int)size) {
    ERR_clear_error();
    mlaas_connection_close(connection);
    return;
  }
  if (size)
    pull(connection);
}

static void tls_resume(struct mlaas_connection *connection) {
  if (connection->tls->stalled && !connection->tls->pumping) {
    connection->tls->stalled = false;
    pull(connection);
  }
}

static const struct mlaas_filter filter = {
    .received = tls_received,
    .resume = tls_resume,
    .written = tls_written,
    .send = tls_send,
    .shutdown = tls_shutdown,
    .free = tls_free,
};

bool mlaas_tls_start(struct mlaas_connection *connection, struct ssl_ctx_st *context) {
  struct mlaas_tls *tls = mlaas_alloc(sizeof *tls);
  if (!tls)
    return false;
  tls->ssl = SSL_new(context);
  tls->in = BIO_new(BIO_s_mem());
  tls->out = BIO_new(BIO_s_mem());
  if (!tls->ssl || !tls->in || !tls->out) {
    SSL_free(tls->ssl);
    BIO_free(tls->in);
    BIO_free(tls->out);
    mlaas_free(tls);
    ERR_clear_error();
    return false;
  }
  SSL_set_bio(tls->ssl, tls->in, tls->out);
  SSL_set_accept_state(tls->ssl);
  connection->tls = tls;
  connection->filter = &filter;
  return true;
}
