/* What the parts of the XRootD wire share. Includes XrdCl and mlaas/wire.h only.
 *
 * Rules of XrdCl that shape all of it: a callback runs on one of its few threads and must not wait for anything that
 * XrdCl does; deleting an open File waits for the server; nothing that was sent can be taken back. */
#ifndef MLAAS_WIRES_XROOTD_PARTS_HH
#define MLAAS_WIRES_XROOTD_PARTS_HH

#include <mlaas/wire.h>

#include <XrdCl/XrdClFile.hh>
#include <XrdCl/XrdClFileSystem.hh>

#include <functional>
#include <memory>
#include <string>

namespace mlaas {

/* ---- errors (xrootd_status.cc) ---- */

enum mlaas_status fail(struct mlaas_error *error, enum mlaas_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a status of XrdCl means to us; `what` ("cannot open root://...") comes first in the message. `access` says how
 * we asked to be let in, for the advice when we were not. */
enum mlaas_status fail_with(struct mlaas_error *error, const XrdCl::XRootDStatus &status, bool *transient,
                            const std::string &what, const std::string &access);
/* The connection broke under TLS; a server that is not believed, or TLS that cannot begin at all, is something else. */
bool is_lost_under_tls(const XrdCl::XRootDStatus &status);
/* The file has to be opened again before another request can go well. */
bool needs_reopening(const XrdCl::XRootDStatus &status);
/* The server cannot do several ranges at a time, or not these; single ones may go well. */
bool refuses_vectors(const XrdCl::XRootDStatus &status);
/* Text of a server without what may be secret. */
std::string without_secrets(const std::string &text);

/* ---- names and credentials (xrootd_url.cc) ---- */

/* The options with their defaults, and texts of our own. */
struct Settings {
  explicit Settings(const struct mlaas_remote_options *options);
  int64_t connect_ms, timeout_ms, deadline_ms;
  std::string token_file, certificate, key, authorities;
  bool insecure;
};

struct Address {
  std::string url;    /* for XrdCl: with credentials */
  std::string plain;  /* for people: without */
  std::string server; /* for people: who is asked first, "host:port" */
  std::string access; /* for people: how we ask to be let in, "the token of BEARER_TOKEN" */
};

/* Checks `url` and adds the credentials that the settings and the environment name. Errors: ARGUMENT, IO. */
enum mlaas_status find_address(const std::string &url, const Settings &settings, Address *address,
                               struct mlaas_error *error);
/* Seconds, as XrdCl counts; at least 1. */
uint16_t seconds(int64_t milliseconds);
/* XrdCl's own settings are for users who would wait for half an hour; those of the user's environment are kept. */
void set_patience(const Settings &settings);

/* ---- questions (xrootd_ask.cc) ---- */

struct Answer {
  XrdCl::XRootDStatus status;
  std::unique_ptr<XrdCl::AnyObject> response; /* nullptr when there is none */
  int64_t hosts = 0;                          /* servers that were asked, one after the other */
};
/* Calls `begin` with a handler and waits for its answer, at most `milliseconds`; an answer that comes later is dropped,
 * and `keep` lives until then. */
Answer ask(int64_t milliseconds, std::shared_ptr<void> keep,
           const std::function<XrdCl::XRootDStatus(XrdCl::ResponseHandler *)> &begin);

/* How many ranges, and of how many bytes, a server takes in one request. */
struct Limits {
  int64_t ranges, range_bytes;
};
constexpr Limits early_limits = {16, 256 << 10}; /* until it has answered: enough for both ends of a file */

/* The question of one server for its limits. */
struct Question;
using SharedQuestion = std::shared_ptr<Question>;

/* That of the server of `url`, which is sent if nobody has asked it. Does not wait. */
SharedQuestion ask_limits(const XrdCl::URL &url, const Settings &settings, int64_t *requests);
/* False: no answer within `milliseconds`. A server that does not say has the usual limits. */
bool limits_of(const SharedQuestion &question, int64_t milliseconds, Limits *limits);
enum mlaas_status list_directory(const char *url, const struct mlaas_remote_options *options,
                                 bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                 struct mlaas_error *error);

} // namespace mlaas

#endif
