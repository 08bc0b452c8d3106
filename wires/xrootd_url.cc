/* URLs of XRootD, and what lets us in: tokens by WLCG's rules of discovery, certificates. Must not know what is read.
 *
 * Where credentials go. A token travels in the URL's "authz" when the connection is under TLS (roots://), or when the
 * user allows servers that prove nothing (`insecure`) or wrote it into the URL. Over root:// it is otherwise left to
 * XrdCl's own ztn, which sends it only if the server asks and once the connection is under TLS. Proxies and
 * certificates go by XrdCl's parameters xrd.gsiusr*, which it keeps apart per connection; what only the environment
 * can say (folders of authorities, a file of ztn's token) is put there. */
#include "xrootd_parts.hh"

#include <XrdCl/XrdClDefaultEnv.hh>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

namespace mlaas {

namespace {

constexpr size_t longest_token = 64 * 1024, longest_url = 16 * 1024;

std::string text_of(const char *text) { return text ? text : ""; }

std::string environment(const char *name) { return text_of(getenv(name)); }

struct Token {
  std::string text, name; /* name: "the token of BEARER_TOKEN" */
};

/* What is wrong with settings is ARGUMENT: it is no file's fault. `strict`: a file in a folder that others can write to
 * is ours or nobody's. */
enum mlaas_status read_token(const std::string &path, bool strict, Token *token, struct mlaas_error *error) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status;
  if (descriptor < 0)
    return fail(error, MLAAS_ARGUMENT, "cannot read %s, '%s': %s", token->name.c_str(), path.c_str(), strerror(errno));
  std::string text(longest_token + 1, 0);
  ssize_t length = fstat(descriptor, &status) == 0 ? read(descriptor, &text[0], text.size()) : -1;
  close(descriptor);
  if (length < 0 || (size_t)length > longest_token)
    return fail(error, MLAAS_ARGUMENT, "'%s' is no token: %s", path.c_str(),
                length < 0 ? "it cannot be read" : "too long");
  if (strict && status.st_uid != geteuid())
    return fail(error, MLAAS_ARGUMENT, "the token in '%s' belongs to somebody else", path.c_str());
  if (status.st_mode & 077) /* ztn refuses it, and XrdCl does not say why */
    token->name += " (others may read it, and XRootD's login takes none such: chmod 600)";
  text.resize((size_t)length);
  token->text = text;
  return MLAAS_OK;
}

/* Blanks around it are allowed; what could end a parameter of a URL is not. */
enum mlaas_status check_token(Token *token, struct mlaas_error *error) {
  std::string &text = token->text;
  while (!text.empty() && isspace((unsigned char)text.back()))
    text.pop_back();
  while (!text.empty() && isspace((unsigned char)text.front()))
    text.erase(0, 1);
  if (text.empty())
    return fail(error, MLAAS_ARGUMENT, "%s is empty", token->name.c_str());
  for (char c : text)
    if (!isalnum((unsigned char)c) && !strchr("-._~+/=", c))
      return fail(error, MLAAS_ARGUMENT, "%s is no bearer token: it holds other characters than those have",
                  token->name.c_str());
  return MLAAS_OK;
}

/* The token that the settings name, or WLCG's discovery finds; an empty text where there is none. */
enum mlaas_status find_token(const Settings &settings, Token *token, struct mlaas_error *error) {
  std::string file = settings.token_file, folder = environment("XDG_RUNTIME_DIR");
  std::string user = "/bt_u" + std::to_string(geteuid());
  enum mlaas_status status = MLAAS_OK;
  if (!file.empty()) {
    token->name = "the token in '" + file + "'";
    status = read_token(file, false, token, error);
  } else if (!environment("BEARER_TOKEN").empty()) {
    token->name = "the token of BEARER_TOKEN";
    token->text = environment("BEARER_TOKEN");
  } else if (!(file = environment("BEARER_TOKEN_FILE")).empty()) {
    token->name = "the token of BEARER_TOKEN_FILE";
    status = read_token(file, false, token, error);
  } else {
    if (!folder.empty() && access((folder + user).c_str(), F_OK) == 0)
      file = folder + user;
    else if (access(("/tmp" + user).c_str(), F_OK) == 0)
      file = "/tmp" + user;
    if (file.empty())
      return MLAAS_OK;
    token->name = "the token in '" + file + "'";
    status = read_token(file, true, token, error);
  }
  return status == MLAAS_OK ? check_token(token, error) : status;
}

/* For libraries that look nowhere else. Nothing is written when it is there already: other threads may be reading. */
void put_environment(const char *name, const std::string &value) {
  static std::mutex lock;
  std::lock_guard<std::mutex> guard(lock);
  if (environment(name) != value)
    setenv(name, value.c_str(), 1);
}

void add_parameter(std::string *url, const std::string &name, const std::string &value) {
  *url += (url->find('?') == std::string::npos ? '?' : '&') + name + '=' + value;
}

bool has_parameter(const std::string &url, const char *name) {
  return url.find(std::string("?") + name + "=") != std::string::npos ||
         url.find(std::string("&") + name + "=") != std::string::npos;
}

bool is_folder(const std::string &path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

enum mlaas_status add_certificate(const Settings &settings, bool secure, Address *address, struct mlaas_error *error) {
  for (const std::string *file : {&settings.certificate, &settings.key}) /* XrdCl would go on without */
    if (!file->empty() && access(file->c_str(), R_OK) != 0)
      return fail(error, MLAAS_ARGUMENT, "cannot read the certificate or key in '%s': %s", file->c_str(),
                  strerror(errno));
  if (!settings.certificate.empty()) {
    if (settings.key.empty()) {
      add_parameter(&address->url, "xrd.gsiusrpxy", settings.certificate);
    } else {
      add_parameter(&address->url, "xrd.gsiusrcrt", settings.certificate);
      add_parameter(&address->url, "xrd.gsiusrkey", settings.key);
    }
    address->access += " and the certificate in '" + settings.certificate + "'";
    if (!settings.key.empty())
      address->access += " (XRootD's login wants a proxy of it, in one file: voms-proxy-init or xrdgsiproxy makes one)";
  } else if (!environment("X509_USER_PROXY").empty()) {
    address->access += " and the certificate of X509_USER_PROXY";
  }
  if (settings.authorities.empty())
    return MLAAS_OK;
  if (is_folder(settings.authorities))
    put_environment("X509_CERT_DIR", settings.authorities);
  else if (secure)
    return fail(error, MLAAS_ARGUMENT,
                "XRootD takes the authorities to trust from a folder of certificates with hashed names (openssl rehash "
                "FOLDER makes them), and '%s' is no folder",
                settings.authorities.c_str());
  return MLAAS_OK;
}

enum mlaas_status add_token(const Settings &settings, bool secure, Address *address, struct mlaas_error *error) {
  Token token;
  if (has_parameter(address->url, "authz")) {
    address->access = "the token in the URL";
    return MLAAS_OK;
  }
  enum mlaas_status status = find_token(settings, &token, error);
  if (status != MLAAS_OK)
    return status;
  if (!settings.token_file.empty())
    put_environment("BEARER_TOKEN_FILE",
                    settings.token_file); /* the only way to ztn, which some servers want to login */
  if (token.text.empty()) {
    address->access = "no token";
  } else if (secure || settings.insecure) {
    add_parameter(&address->url, "authz", "Bearer%20" + token.text);
    address->access = token.name;
  } else {
    address->access = token.name + ", which is sent only over TLS: try roots://";
  }
  return MLAAS_OK;
}

} // namespace

Settings::Settings(const struct mlaas_remote_options *options)
    : connect_ms(options && options->connect_ms > 0 ? options->connect_ms : 10000),
      timeout_ms(options && options->timeout_ms > 0 ? options->timeout_ms : 15000),
      deadline_ms(options && options->deadline_ms > 0 ? options->deadline_ms : 120000),
      token_file(options ? text_of(options->token_file) : ""),
      certificate(options ? text_of(options->certificate) : ""), key(options ? text_of(options->key) : ""),
      authorities(options ? text_of(options->authorities) : ""), insecure(options && options->insecure) {}

enum mlaas_status find_address(const std::string &url, const Settings &settings, Address *address,
                               struct mlaas_error *error) {
  address->plain = without_secrets(url);
  for (char c : url)
    if (iscntrl((unsigned char)c))
      return fail(error, MLAAS_ARGUMENT, "'%s' is no URL: there is a control character in it", address->plain.c_str());
  if (url.size() > longest_url)
    return fail(error, MLAAS_ARGUMENT, "a URL of %zu characters is too long", url.size());
  XrdCl::URL parsed(url);
  if (!parsed.IsValid() || parsed.GetPort() <= 0 || parsed.GetPort() > 65535)
    return fail(error, MLAAS_ARGUMENT, "'%s' is no URL like root://host:port//path", address->plain.c_str());
  if (parsed.GetPath().empty())
    return fail(error, MLAAS_ARGUMENT, "'%s' names a server but no file: root://host:port//path",
                address->plain.c_str());
  address->server = parsed.GetHostName() + ":" + std::to_string(parsed.GetPort());
  bool secure = url.compare(0, 5, "roots") == 0 || url.compare(0, 6, "xroots") == 0;
  address->url = url.compare(0, 1, "x") == 0 ? url.substr(1) : url;
  enum mlaas_status status = add_token(settings, secure, address, error);
  return status == MLAAS_OK ? add_certificate(settings, secure, address, error) : status;
}

uint16_t seconds(int64_t milliseconds) {
  int64_t rounded = milliseconds <= 1000 ? 1 : (milliseconds - 1) / 1000 + 1;
  return rounded > UINT16_MAX ? UINT16_MAX : (uint16_t)rounded;
}

void set_patience(const Settings &settings) {
  XrdCl::Env *env = XrdCl::DefaultEnv::GetEnv();
  if (!env)
    return;
  /* What came from the user's XRD_... is not replaced by PutInt. */
  env->PutInt("ConnectionWindow", seconds(settings.connect_ms));
  env->PutInt("ConnectionRetry", 1);
  env->PutInt("StreamErrorWindow", 0); /* the layer above waits between attempts */
  env->PutInt("RequestTimeout", seconds(settings.timeout_ms));
  env->PutInt("StreamTimeout", seconds(settings.timeout_ms));
  env->PutInt("TimeoutResolution", 1);
}

} // namespace mlaas
