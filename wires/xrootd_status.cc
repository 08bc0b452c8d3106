/* What XrdCl's results mean to us: a status, whether trying again may help, and a text without secrets. Must not know
 * what was asked for. */
#include "xrootd_parts.hh"

#include <XProtocol/XProtocol.hh>

#include <cctype>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace mlaas {

enum mlaas_status fail(struct mlaas_error *error, enum mlaas_status status, const char *format, ...) {
  if (!error)
    return status;
  error->status = status;
  error->sys_errno = 0;
  error->offset = -1;
  error->where[0] = 0;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return status;
}

/* What follows a "?" may be a token, what stands before an "@" a password. Nor does a server write to terminals. */
std::string without_secrets(const std::string &text) {
  constexpr size_t longest = 16 * 1024; /* servers may say more than anybody reads */
  if (text.size() > longest)
    return without_secrets(text.substr(0, longest));
  std::string clean;
  size_t word = 0; /* where the word begins in `clean` */
  bool query = false;
  for (char c : text) {
    if (c == 0) /* servers count the one at the end */
      break;
    bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\'' || c == '"' || c == ',' || c == ';';
    if (blank) {
      query = false;
      clean += c == '\n' || c == '\t' ? ' ' : c;
      word = clean.size();
    } else if (iscntrl((unsigned char)c)) {
      clean += '?';
    } else if (c == '?') {
      query = true;
    } else if (c == '@' && !query) {
      size_t slashes = clean.find("//", word);
      if (slashes != std::string::npos && clean.find('/', slashes + 2) == std::string::npos)
        clean.erase(slashes + 2);
      else
        clean += c;
    } else if (!query) {
      clean += c;
    }
  }
  size_t bearer = clean.find("Bearer");
  if (bearer != std::string::npos)
    clean.erase(bearer);
  while (!clean.empty() && (clean.back() == ' ' || clean.back() == '.'))
    clean.pop_back();
  return clean;
}

/* XrdCl has one code for all that goes wrong under TLS, and its words are the only difference: it cannot begin at all,
 * does not believe the server ("error_ssl" when connecting; "Unable to validate ..."), or has lost the connection. */
bool is_lost_under_tls(const XrdCl::XRootDStatus &status) {
  if (status.code != XrdCl::errTlsError)
    return false;
  std::string words = status.ToString() + " " + status.GetErrorMessage();
  for (const char *refusal : {"error_ssl", "validate", "verif", "certificate", "not configured", "context"})
    if (words.find(refusal) != std::string::npos)
      return false;
  return true;
}

bool needs_reopening(const XrdCl::XRootDStatus &status) {
  if (is_lost_under_tls(status))
    return true;
  switch (status.code) {
  case XrdCl::errErrorResponse:
    return status.errNo == kXR_FileNotOpen;
  case XrdCl::errInvalidOp:
  case XrdCl::errOperationInterrupted:
    return true;
  default:
    return XrdCl::Status::IsSocketError(status.code);
  }
}

bool refuses_vectors(const XrdCl::XRootDStatus &status) {
  if (status.code == XrdCl::errNotSupported || status.code == XrdCl::errNotImplemented)
    return true;
  if (status.code != XrdCl::errErrorResponse)
    return false;
  switch (status.errNo) {
  case kXR_ArgInvalid:
  case kXR_ArgMissing:
  case kXR_ArgTooLong:
  case kXR_InvalidRequest:
  case kXR_NoMemory: /* what servers say to a range that is too long */
  case kXR_Unsupported:
    return true;
  default:
    return false;
  }
}

namespace {

struct Meaning {
  enum mlaas_status status;
  bool transient;
  bool access; /* we were not let in */
};

Meaning meaning_of_answer(uint32_t number) {
  switch (number) {
  case kXR_NotFound:
    return {MLAAS_NOT_FOUND, false, false};
  case kXR_NotAuthorized:
  case kXR_AuthFailed:
  case kXR_TLSRequired:
  case kXR_SigVerErr:
  case kXR_DecryptErr:
    return {MLAAS_IO, false, true};
  case kXR_Unsupported:
    return {MLAAS_UNSUPPORTED, false, false};
  case kXR_ReqTimedOut:
    return {MLAAS_TIMEOUT, true, false};
  case kXR_FSError: /* the server's disks and memory: it may be better later, or at another */
  case kXR_IOError:
  case kXR_NoMemory:
  case kXR_ServerError:
  case kXR_noserver:
  case kXR_Cancelled:
  case kXR_ChkSumErr:
  case kXR_inProgress:
  case kXR_Overloaded:
  case kXR_BadPayload:
  case kXR_noReplicas:
  case kXR_TooManyErrs:
  case kXR_FileLocked:
  case kXR_FileNotOpen: /* the server forgot us: it was started again */
    return {MLAAS_IO, true, false};
  default:
    return {MLAAS_IO, false, false};
  }
}

Meaning meaning_of(const XrdCl::XRootDStatus &status) {
  switch (status.code) {
  case XrdCl::errErrorResponse:
    return meaning_of_answer(status.errNo);
  case XrdCl::errNotFound:
    return {MLAAS_NOT_FOUND, false, false};
  case XrdCl::errOperationExpired:
  case XrdCl::errSocketTimeout:
    return {MLAAS_TIMEOUT, true, false};
  case XrdCl::errAuthFailed:
  case XrdCl::errLoginFailed:
    return {MLAAS_IO, false, true};
  case XrdCl::errTlsError:
    return {MLAAS_IO, is_lost_under_tls(status), false};
  case XrdCl::errInvalidArgs:
    return {MLAAS_ARGUMENT, false, false};
  case XrdCl::errNotSupported:
  case XrdCl::errNotImplemented:
  case XrdCl::errQueryNotSupported:
    return {MLAAS_UNSUPPORTED, false, false};
  case XrdCl::errConfig:
  case XrdCl::errUninitialized:
  case XrdCl::errInvalidRedirectURL:
  case XrdCl::errRedirectLimit:
  case XrdCl::errResponseNegative:
    return {MLAAS_IO, false, false};
  default: /* sockets, streams and messages that went astray */
    return {MLAAS_IO, true, false};
  }
}

/* Where XrdCl is too short for somebody who does not know it. */
const char *better_words(uint16_t code) {
  switch (code) {
  case XrdCl::errInvalidAddr:
    return "there is no such host";
  case XrdCl::errConnectionError:
    return "no connection: refused, or no answer in time";
  case XrdCl::errSocketError:
  case XrdCl::errSocketDisconnected:
  case XrdCl::errStreamDisconnect:
    return "the connection was lost";
  case XrdCl::errOperationExpired:
  case XrdCl::errSocketTimeout:
    return "no answer in time";
  default:
    return nullptr;
  }
}

std::string in_words(const XrdCl::XRootDStatus &status) {
  std::string message = without_secrets(status.GetErrorMessage());
  if (is_lost_under_tls(status)) /* what errno says then is chance */
    return "the connection was lost (under TLS)";
  if (const char *words = better_words(status.code))
    return message.empty() ? words : std::string(words) + " (" + message + ")";
  if (status.code == XrdCl::errErrorResponse)
    return message.empty() ? "the server refused, error " + std::to_string(status.errNo)
                           : "the server says \"" + message + "\"";
  std::string text = without_secrets(status.ToString());
  if (text.compare(0, 8, "[ERROR] ") == 0 || text.compare(0, 8, "[FATAL] ") == 0)
    text.erase(0, 8);
  return message.empty() ? text : text + ": " + message;
}

} // namespace

enum mlaas_status fail_with(struct mlaas_error *error, const XrdCl::XRootDStatus &status, bool *transient,
                            const std::string &what, const std::string &access) {
  Meaning meaning = meaning_of(status);
  if (transient)
    *transient = meaning.transient;
  std::string advice;
  if (meaning.access)
    advice = "; we came with " + access;
  if (status.code == XrdCl::errTlsError && !meaning.transient &&
      status.GetErrorMessage().find("not configured") == std::string::npos)
    advice = "; is its certificate from one of the authorities of the option for them, of X509_CERT_DIR or of "
             "/etc/grid-security/certificates?";
  if (status.GetErrorMessage().find("relative path") != std::string::npos)
    advice = "; two slashes behind the host begin an absolute path: root://host//path";
  return fail(error, meaning.status, "%s: %s%s", what.c_str(), in_words(status).c_str(), advice.c_str());
}

} // namespace mlaas
