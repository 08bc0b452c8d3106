/* TLS with certificates made here: what is agreed on, who is let in, and files that change while it runs. */
#define _GNU_SOURCE /* memmem */
#include "harness.h"

#include <netinet/in.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST "Host: a\r\n"

/* ---- certificates ---- */

struct identity {
  X509 *certificate;
  EVP_PKEY *key;
};

static char the_folder[64];
static struct identity the_ca, the_server_one, the_server_two, the_person, the_stranger, the_proxy;

static const char *path(const char *name) {
  static char paths[4][128];
  static int next;
  char *text = paths[next++ % 4];
  snprintf(text, sizeof paths[0], "%s/%s", the_folder, name);
  return text;
}

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509V3_CTX context = {0};
  CONF *none = NCONF_new(NULL);
  X509V3_set_nconf(&context, none);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  assert_non_null(extension);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  NCONF_free(none);
}

/* Names as {"DC", "ch", "CN", "x", NULL}; signed by `issuer`, or by itself. */
static struct identity make(const char *const *names, const struct identity *issuer, int nid, const char *extension) {
  static long serial;
  struct identity made = {X509_new(), EVP_EC_gen("P-256")};
  X509_set_version(made.certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made.certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.certificate), 36000);
  X509_set_pubkey(made.certificate, made.key);
  X509_NAME *name = X509_get_subject_name(made.certificate);
  for (; *names; names += 2)
    X509_NAME_add_entry_by_txt(name, names[0], MBSTRING_UTF8, (const unsigned char *)names[1], -1, -1, 0);
  X509_set_issuer_name(made.certificate, issuer ? X509_get_subject_name(issuer->certificate) : name);
  if (nid)
    add_extension(made.certificate, nid, extension);
  assert_true(X509_sign(made.certificate, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
  return made;
}

static void write_identity(const struct identity *identity, const char *certificate, const char *key) {
  FILE *file = fopen(path(certificate), "w");
  PEM_write_X509(file, identity->certificate);
  fclose(file);
  file = fopen(path(key), "w");
  PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
  fclose(file);
}

static int make_all(void **state) {
  (void)state;
  snprintf(the_folder, sizeof the_folder, "/tmp/mlaas-tls-XXXXXX");
  assert_non_null(mkdtemp(the_folder));
  the_ca = make((const char *[]){"CN", "ca", NULL}, NULL, NID_basic_constraints, "critical,CA:TRUE");
  the_server_one = make((const char *[]){"CN", "one", NULL}, &the_ca, NID_subject_alt_name, "DNS:a");
  the_server_two = make((const char *[]){"CN", "two", NULL}, &the_ca, NID_subject_alt_name, "DNS:a");
  const char *person[] = {"DC", "ch", "DC", "cern", "CN", "A/B \xc3\xa9", NULL};
  the_person = make(person, &the_ca, 0, NULL);
  the_stranger = make(person, NULL, 0, NULL);
  const char *proxy[] = {"DC", "ch", "DC", "cern", "CN", "A/B \xc3\xa9", "CN", "12345", NULL};
  the_proxy = make(proxy, &the_person, NID_proxyCertInfo, "critical,language:id-ppl-inheritAll");
  write_identity(&the_ca, "ca.pem", "ca.key");
  write_identity(&the_server_one, "server.pem", "server.key");
  write_identity(&the_stranger, "other.pem", "other.key");
  return 0;
}

static int forget_all(void **state) {
  (void)state;
  const char *names[] = {"ca.pem", "ca.key", "server.pem", "server.key", "other.pem", "other.key"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    unlink(path(names[i]));
  rmdir(the_folder);
  const struct identity *all[] = {&the_ca, &the_server_one, &the_server_two, &the_person, &the_stranger, &the_proxy};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    X509_free(all[i]->certificate);
    EVP_PKEY_free(all[i]->key);
  }
  return 0;
}

/* ---- a client ---- */

struct caller {
  SSL_CTX *context;
  SSL *ssl;
  int socket;
  const struct identity *identity, *above; /* shown, and what signed it */
  const char *protocol;                    /* ALPN, length first; NULL: none */
  int version;                             /* the only one; 0: any */
  SSL_SESSION *session;                    /* to go on with */
};

static void prepare(struct caller *caller) {
  caller->context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_file(caller->context, path("ca.pem"));
  SSL_CTX_set_verify(caller->context, SSL_VERIFY_PEER, NULL);
  if (caller->version) {
    SSL_CTX_set_security_level(caller->context, 0);
    SSL_CTX_set_min_proto_version(caller->context, caller->version);
    SSL_CTX_set_max_proto_version(caller->context, caller->version);
  }
  if (caller->identity) {
    SSL_CTX_use_certificate(caller->context, caller->identity->certificate);
    SSL_CTX_use_PrivateKey(caller->context, caller->identity->key);
  }
  if (caller->above)
    SSL_CTX_add1_chain_cert(caller->context, caller->above->certificate);
  if (caller->protocol)
    SSL_CTX_set_alpn_protos(caller->context, (const unsigned char *)caller->protocol,
                            (unsigned)strlen(caller->protocol));
}

static bool call(struct caller *caller) {
  prepare(caller);
  caller->socket = dial();
  caller->ssl = SSL_new(caller->context);
  if (caller->session)
    SSL_set_session(caller->ssl, caller->session);
  SSL_set_fd(caller->ssl, caller->socket);
  return SSL_connect(caller->ssl) == 1;
}

static void hang_up(struct caller *caller) {
  if (SSL_is_init_finished(caller->ssl))
    SSL_shutdown(caller->ssl);
  SSL_free(caller->ssl);
  SSL_CTX_free(caller->context);
  close(caller->socket);
  ERR_clear_error();
}

static char the_reply[4096];

/* The reply's body as far as it came with the first bytes; NULL: the connection was lost. */
static const char *talk(struct caller *caller, const char *text) {
  if (SSL_write(caller->ssl, text, (int)strlen(text)) <= 0)
    return NULL;
  size_t size = 0;
  const char *body = NULL;
  while (!body || strlen(body) < strtoul(strstr(the_reply, "Content-Length: ") + 16, NULL, 10)) {
    int count = SSL_read(caller->ssl, the_reply + size, (int)(sizeof the_reply - size - 1));
    if (count <= 0)
      return NULL;
    size += (size_t)count;
    the_reply[size] = 0;
    body = strstr(the_reply, "\r\n\r\n");
    body = body ? body + 4 : NULL;
  }
  return body;
}

static void serve_for(int64_t head_timeout_ms, const char *ca, bool required) {
  serve(&(struct mlaas_server_options){
      .loops = 2,
      .head_timeout_ms = head_timeout_ms,
      .tls = {
          .certificate = path("server.pem"), .key = path("server.key"), .client_ca = ca, .client_required = required}});
}

static void serve_tls(const char *ca, bool required) { serve_for(PATIENCE_MS, ca, required); }

/* ---- tests ---- */

static void requests_are_answered(void **state) {
  (void)state;
  const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  serve_tls(NULL, false);
  for (int i = 0; i < 2; i++) {
    struct caller caller = {.version = versions[i], .protocol = "\x02h2\x08http/1.1"};
    assert_true(call(&caller));
    const unsigned char *chosen = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(caller.ssl, &chosen, &size);
    assert_int_equal(size, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    for (int k = 0; k < 50; k++) {
      const char *body = talk(&caller, "GET /request HTTP/1.1\r\n" HOST "X-Request-Id: i\r\n\r\n");
      assert_non_null(body);
      assert_string_equal(body, "GET /request  a 11 127.0.0.1 - 1 i");
    }
    assert_int_equal(SSL_write(caller.ssl, "GET / HTTP/1.1\nx\n\n", 18), 18);
    assert_true(SSL_read(caller.ssl, the_reply, 12) == 12 && memcmp(the_reply, "HTTP/1.1 400", 12) == 0);
    hang_up(&caller);
  }
  stop_serving();
}

/* Bodies larger than any buffer, both ways at once, and requests that came ahead. */
static void much_goes_through(void **state) {
  (void)state;
  enum { SIZE = 8 << 20 };
  serve_tls(NULL, false);
  struct caller caller = {0};
  assert_true(call(&caller));
  char *sent = malloc(SIZE), *got = malloc(SIZE + 1000);
  for (int i = 0; i < SIZE; i++)
    sent[i] = (char)(i * 31 + i / 1000);
  for (int round = 0; round < 2; round++) {
    char head[128];
    int length = snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", SIZE);
    assert_int_equal(SSL_write(caller.ssl, head, length), length);
    assert_int_equal(SSL_write(caller.ssl, sent, SIZE), SIZE);
    size_t size = 0;
    char *body = NULL;
    while (!body || (size_t)(got + size - body) < SIZE) {
      int count = SSL_read(caller.ssl, got + size, (int)(SIZE + 1000 - size));
      assert_true(count > 0);
      size += (size_t)count;
      if (!body && size > 4)
        body = (char *)memmem(got, size, "\r\n\r\n", 4) + 4;
    }
    assert_memory_equal(body, sent, SIZE);
  }
  enum { AHEAD = 2000 };
  const char *request = "GET /later?ms=0 HTTP/1.1\r\n" HOST "\r\n";
  size_t one = strlen(request);
  for (int i = 0; i < AHEAD; i++)
    memcpy(sent + (size_t)i * one, request, one);
  assert_int_equal(SSL_write(caller.ssl, sent, (int)(AHEAD * one)), (int)(AHEAD * one));
  size_t answered = 0, tail = 0;
  while (answered < AHEAD) {
    int count = SSL_read(caller.ssl, got + tail, 60000);
    assert_true(count > 0);
    char *at = got, *end = got + tail + count, *found;
    while ((found = memmem(at, (size_t)(end - at), "/later?ms=0", 11))) {
      answered++;
      at = found + 11;
    }
    tail = (size_t)(end - at) < 10 ? (size_t)(end - at) : 10;
    memmove(got, end - tail, tail);
  }
  hang_up(&caller);
  free(sent);
  free(got);
  stop_serving();
}

static void old_and_foreign_protocols_are_refused(void **state) {
  (void)state;
  char body[256];
  serve_tls(NULL, false);
  struct caller old = {.version = TLS1_1_VERSION}, foreign = {.protocol = "\x02h2"};
  assert_false(call(&old));
  hang_up(&old);
  assert_false(call(&foreign));
  hang_up(&foreign);
  assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", body, sizeof body), 400);
  assert_non_null(strstr(body, "HTTPS"));
  int garbage = dial();
  say(garbage, "\x16\x03\x01\xff\xff garbage garbage garbage");
  assert_true(is_closed(garbage, CLOSED_MS));
  close(garbage);
  stop_serving();
  serve_for(300, NULL, false);
  int mute = dial();
  assert_true(is_closed(mute, CLOSED_MS)); /* no handshake in time */
  close(mute);
  stop_serving();
}

static void sessions_are_resumed(void **state) {
  (void)state;
  serve_tls(NULL, false);
  struct caller first = {0};
  assert_true(call(&first));
  assert_non_null(talk(&first, "GET /echo HTTP/1.1\r\n" HOST "\r\n"));
  struct caller second = {.session = SSL_get1_session(first.ssl)};
  hang_up(&first);
  assert_true(call(&second));
  assert_true(SSL_session_reused(second.ssl));
  assert_non_null(talk(&second, "GET /echo HTTP/1.1\r\n" HOST "\r\n"));
  SSL_SESSION_free(second.session);
  hang_up(&second);
  stop_serving();
}

static void client_certificates_are_verified(void **state) {
  (void)state;
  const struct {
    const struct identity *identity, *above;
    bool required, let_in;
    const char *subject;
  } cases[] = {
      {NULL, NULL, false, true, "-"},
      {NULL, NULL, true, false, NULL},
      {&the_person, NULL, false, true, "/DC=ch/DC=cern/CN=A\\/B \xc3\xa9"},
      {&the_person, NULL, true, true, "/DC=ch/DC=cern/CN=A\\/B \xc3\xa9"},
      {&the_stranger, NULL, false, false, NULL},
      {&the_stranger, NULL, true, false, NULL},
      {&the_proxy, &the_person, true, true, "/DC=ch/DC=cern/CN=A\\/B \xc3\xa9"}, /* of the grid: the person's */
      {&the_proxy, NULL, true, false, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    serve_tls(path("ca.pem"), cases[i].required);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
      struct caller caller = {.identity = cases[i].identity, .above = cases[i].above, .version = version};
      const char *body =
          call(&caller) ? talk(&caller, "GET /request HTTP/1.1\r\n" HOST "X-Request-Id: i\r\n\r\n") : NULL;
      if ((body != NULL) != cases[i].let_in)
        fail_msg("case %zu, version %x: %s", i, version, body ? body : "refused");
      if (body) {
        char expected[256];
        snprintf(expected, sizeof expected, "GET /request  a 11 127.0.0.1 %s 1 i", cases[i].subject);
        assert_string_equal(body, expected);
      }
      hang_up(&caller);
    }
    stop_serving();
  }
}

static const char *who(void) {
  static char name[64];
  struct caller caller = {0};
  assert_true(call(&caller));
  X509 *certificate = SSL_get1_peer_certificate(caller.ssl);
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  assert_non_null(talk(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n"));
  hang_up(&caller);
  return name;
}

static void files_are_read_again(void **state) {
  (void)state;
  struct mlaas_error error;
  serve_tls(NULL, false);
  struct caller kept = {0};
  assert_true(call(&kept));
  assert_string_equal(who(), "one");
  write_identity(&the_server_two, "server.pem", "server.key");
  assert_string_equal(who(), "one");
  assert_int_equal(mlaas_server_reload_tls(the_server, &error), MLAAS_OK);
  assert_string_equal(who(), "two");
  assert_non_null(talk(&kept, "GET /echo HTTP/1.1\r\n" HOST "\r\n")); /* what is open stays */
  write_identity(&the_server_one, "server.pem", "other.key");         /* the key of the second one stays: no pair */
  assert_int_equal(mlaas_server_reload_tls(the_server, &error), MLAAS_FORMAT);
  assert_string_equal(who(), "two");
  unlink(path("server.key"));
  assert_int_equal(mlaas_server_reload_tls(the_server, &error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.message, "server.key"));
  assert_string_equal(who(), "two");
  hang_up(&kept);
  stop_serving();
  write_identity(&the_server_one, "server.pem", "server.key");
}

static void nothing(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  (void)exchange;
}

static void bad_files_are_refused_at_the_start(void **state) {
  (void)state;
  struct mlaas_server *server = NULL;
  struct mlaas_error error;
  const struct {
    struct mlaas_tls_options tls;
    enum mlaas_status status;
  } cases[] = {
      {{.certificate = path("server.pem")}, MLAAS_ARGUMENT},
      {{.key = path("server.pem")}, MLAAS_ARGUMENT},
      {{.certificate = "/nonexistent", .key = "/nonexistent"}, MLAAS_NOT_FOUND},
      {{.certificate = "/bin/sh", .key = "/bin/sh"}, MLAAS_FORMAT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_server_options options = {
        .loops = 1, .handler = {.begin = nothing, .handle = nothing}, .tls = cases[i].tls};
    assert_int_equal(mlaas_server_open(&options, &server, &error), cases[i].status);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered),
      cmocka_unit_test(much_goes_through),
      cmocka_unit_test(old_and_foreign_protocols_are_refused),
      cmocka_unit_test(sessions_are_resumed),
      cmocka_unit_test(client_certificates_are_verified),
      cmocka_unit_test(files_are_read_again),
      cmocka_unit_test(bad_files_are_refused_at_the_start),
  };
  return cmocka_run_group_tests(tests, make_all, forget_all);
}
