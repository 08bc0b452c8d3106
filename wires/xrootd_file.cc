/* Opening and closing files, and asking for their checksums. Must not know how ranges are read. */
#include "xrootd_file.hh"

#include <XrdCl/XrdClConstants.hh>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <unistd.h>

namespace mlaas {

namespace {

constexpr int64_t most_request_bytes = 64 << 20;
constexpr int64_t gap = 4096; /* a range more costs a server a read, not a message */
constexpr int most_requests = 8;
constexpr int most_openings = 3;

class Closer : public XrdCl::ResponseHandler {
public:
  explicit Closer(XrdCl::File *file) : file(file) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    delete status;
    delete response;
    delete hosts;
    if (!file->IsOpen()) /* else its destructor would wait here, on a thread of XrdCl */
      delete file;
    delete this;
  }

private:
  XrdCl::File *file;
};

struct Retire {
  pid_t owner;
  uint16_t patience;
  void operator()(XrdCl::File *file) const {
    if (owner != getpid()) /* the connection is the parent's */
      return;
    if (!file->IsOpen()) {
      delete file;
      return;
    }
    auto *closer = new (std::nothrow) Closer(file);
    if (closer && !file->Close(closer, patience).IsOK())
      delete closer; /* and the file stays: deleting an open one waits */
  }
};

/* Gets what XrdCl keeps of the opening, which it tells before Stat returns. On the heap, for nobody promises that. */
class Reminder : public XrdCl::ResponseHandler {
public:
  struct Shared {
    std::mutex lock;
    Known known = {-1, 0};
  };
  explicit Reminder(std::shared_ptr<Shared> to) : shared(std::move(to)) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    XrdCl::StatInfo *info = nullptr;
    if (response)
      response->Get(info);
    if (status->IsOK() && info) {
      std::lock_guard<std::mutex> guard(shared->lock);
      shared->known = {(int64_t)info->GetSize(), info->GetModTime()};
    }
    delete status;
    delete response;
    delete hosts;
    delete this;
  }

private:
  std::shared_ptr<Shared> shared;
};

/* The size at opening: servers send it along; one that did not is asked. */
enum mlaas_status find_size(Handle *handle, int64_t *requests, bool *transient, struct mlaas_error *error) {
  SharedFile file = handle->file;
  const Settings &settings = handle->settings;
  Answer answer = ask(settings.timeout_ms, file, [&](XrdCl::ResponseHandler *handler) {
    return file->Stat(false, handler, seconds(settings.timeout_ms));
  });
  XrdCl::StatInfo *info = nullptr;
  if (answer.response)
    answer.response->Get(info);
  if (!answer.status.IsOK() || !info)
    return fail_with(error, answer.status, transient, handle->address.server, handle->address.access);
  *requests += answer.hosts; /* none where the answer was at hand */
  handle->size = (int64_t)info->GetSize();
  handle->changed = info->GetModTime();
  if (handle->size < 0)
    return fail(error, MLAAS_IO, "%s says a size beyond any file's", handle->address.server.c_str());
  return MLAAS_OK;
}

XrdCl::URL url_of_server(const SharedFile &file) {
  std::string last;
  file->GetProperty("LastURL", last);
  XrdCl::URL url(last);
  XrdCl::URL::ParamsMap kept;
  for (const auto &parameter : url.GetParams())
    if (parameter.first.compare(0, 4, "xrd.") == 0) /* a connection is found by them */
      kept.insert(parameter);
  url.SetPath("");
  url.SetParams(kept);
  return url;
}

/* After a connection that was lost in the handshake of TLS, XrdCl 5 spoils up to as many more as were lost: servers end
 * them when the handshake is done. It connects again by itself where it sees an end, but not where a reset comes first,
 * which is chance: then we do, so that these do not use up the attempts that are for faults. */
Answer open_patiently(Handle *handle, int64_t *requests) {
  using Clock = std::chrono::steady_clock;
  int64_t patience = handle->settings.connect_ms + handle->settings.timeout_ms, left = patience;
  Clock::time_point end = Clock::now() + std::chrono::milliseconds(patience);
  Answer answer;
  for (int i = 0; i < most_openings && left > 0; i++) {
    SharedFile file = handle->file = new_file(*handle);
    answer = ask(left, file, [&](XrdCl::ResponseHandler *handler) {
      return file->Open(handle->address.url, XrdCl::OpenFlags::Read, XrdCl::Access::None, handler, seconds(left));
    });
    *requests += answer.hosts;
    if (answer.status.IsOK() || !is_lost_under_tls(answer.status))
      break;
    left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  }
  return answer;
}

/* Those of the server, if its answer comes within `milliseconds`; until then such as are early enough. */
bool use_limits(Handle *handle, struct mlaas_wire_file *file, int64_t milliseconds) {
  Limits limits = early_limits;
  bool there = limits_of(handle->question, milliseconds, &limits);
  handle->range_bytes = limits.range_bytes;
  handle->settled = there;
  file->most_ranges = (size_t)limits.ranges;
  file->most_range_bytes = limits.range_bytes;
  file->most_request_bytes = std::max(most_request_bytes, limits.range_bytes);
  return there;
}

enum mlaas_status open_now(Handle *handle, struct mlaas_wire_file *file, bool *transient, struct mlaas_error *error) {
  const Settings &settings = handle->settings;
  enum mlaas_status status = find_address(handle->url, settings, &handle->address, error);
  if (status != MLAAS_OK)
    return status;
  Answer answer = open_patiently(handle, &file->requests);
  if (!answer.status.IsOK()) {
    status = fail_with(error, answer.status, transient, handle->address.server, handle->address.access);
    if (answer.status.code == XrdCl::errInvalidAddr)
      *transient = false; /* a name that was mistyped more likely than a name server that is ill */
    return status;
  }
  status = find_size(handle, &file->requests, transient, error);
  if (status != MLAAS_OK)
    return status;
  handle->server = handle->first_server = server_of(handle->file);
  handle->question = ask_limits(url_of_server(handle->file), settings, &file->requests);
  use_limits(handle, file, 0);
  file->size = handle->size;
  snprintf(file->tag, sizeof file->tag, "%llu", (unsigned long long)handle->changed);
  snprintf(file->server, sizeof file->server, "%s", handle->server.c_str());
  file->gap = gap;
  file->most_requests = most_requests;
  return MLAAS_OK;
}

} // namespace

Handle::Handle(const char *url, const struct mlaas_remote_options *options)
    : url(url), settings(options), owner(getpid()) {}

/* XrdCl would open it again by itself when a connection is lost, and not see that the file is another one now: we do.
 */
SharedFile new_file(const Handle &handle) {
  SharedFile file(new XrdCl::File(), Retire{handle.owner, seconds(handle.settings.timeout_ms)});
  file->SetProperty("ReadRecovery", "false");
  return file;
}

std::string server_of(const SharedFile &file) {
  std::string server;
  file->GetProperty("DataServer", server);
  size_t at = server.rfind('@');
  return at == std::string::npos ? server : server.substr(at + 1);
}

Known known_of(const SharedFile &file) {
  auto shared = std::make_shared<Reminder::Shared>();
  auto reminder = std::make_unique<Reminder>(shared);
  if (!file->Stat(false, reminder.get()).IsOK())
    return {-1, 0};
  reminder.release(); /* it has deleted itself, or will */
  std::lock_guard<std::mutex> guard(shared->lock);
  return shared->known;
}

enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options, struct mlaas_wire_file *file,
                            bool *transient, struct mlaas_error *error) {
  auto handle = std::make_shared<Handle>(url, options);
  *transient = false;
  memset(file, 0, sizeof *file);
  set_patience(handle->settings);
  enum mlaas_status status = open_now(handle.get(), file, transient, error);
  if (status == MLAAS_OK)
    file->handle = new SharedHandle(handle);
  return status;
}

/* "adler32 0a1b2c3d" becomes "adler32:0a1b2c3d". A server may have to read the whole file for it. */
enum mlaas_status ask_checksum(void *opaque, char *text, size_t size, struct mlaas_error *error) {
  SharedHandle handle = *static_cast<SharedHandle *>(opaque);
  if (handle->owner != getpid())
    return fail(error, MLAAS_STATE, "the file was opened before a fork");
  XrdCl::URL url(handle->address.url);
  auto server = std::make_shared<XrdCl::FileSystem>(url);
  XrdCl::Buffer question;
  question.FromString(url.GetPathWithParams());
  int64_t patience = handle->settings.deadline_ms;
  Answer answer = ask(patience, server, [&](XrdCl::ResponseHandler *handler) {
    return server->Query(XrdCl::QueryCode::Checksum, question, handler, seconds(patience));
  });
  if (!answer.status.IsOK())
    return fail_with(error, answer.status, nullptr, handle->address.server, handle->address.access);
  XrdCl::Buffer *buffer = nullptr;
  if (answer.response)
    answer.response->Get(buffer);
  std::string said = buffer ? buffer->ToString() : "";
  said = said.c_str(); /* up to its first zero byte */
  size_t blank = said.find(' '), digits = 0;
  for (char &c : said)
    c = iscntrl((unsigned char)c) ? '?' : c;
  if (blank != std::string::npos)
    digits = strspn(said.c_str() + blank + 1, "0123456789abcdefABCDEF");
  if (blank == std::string::npos || blank == 0 || digits == 0 || blank + 1 + digits >= size)
    return fail(error, MLAAS_IO, "the checksum that the server gives is none: '%.100s'", said.c_str());
  snprintf(text, size, "%.*s:%.*s", (int)blank, said.c_str(), (int)digits, said.c_str() + blank + 1);
  return MLAAS_OK;
}

bool settle_file(void *opaque, struct mlaas_wire_file *file, int milliseconds) {
  Handle *handle = static_cast<SharedHandle *>(opaque)->get();
  return use_limits(handle, file, milliseconds);
}

void close_file(void *opaque) { delete static_cast<SharedHandle *>(opaque); }

} // namespace mlaas
