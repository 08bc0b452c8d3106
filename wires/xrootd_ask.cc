/* Questions to a server: limits, directories, and waiting for one answer. Must not know what files hold. */
#include "xrootd_parts.hh"

#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <unistd.h>

namespace mlaas {

namespace {

/* Shared by who waits and XrdCl, which may answer after we left. */
struct Waiting {
  std::mutex lock;
  std::condition_variable answered;
  bool done = false;
  Answer answer;
};

class Waiter : public XrdCl::ResponseHandler {
public:
  Waiter(std::shared_ptr<Waiting> waiting, std::shared_ptr<void> keep)
      : waiting(std::move(waiting)), keep(std::move(keep)) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    {
      std::lock_guard<std::mutex> guard(waiting->lock);
      waiting->answer.status = *status;
      waiting->answer.response.reset(response);
      waiting->answer.hosts = hosts ? (int64_t)hosts->size() : 0; /* what was at hand has none */
      waiting->done = true;
    }
    waiting->answered.notify_all();
    delete status;
    delete hosts;
    delete this;
  }

private:
  std::shared_ptr<Waiting> waiting;
  std::shared_ptr<void> keep;
};

} // namespace

Answer ask(int64_t milliseconds, std::shared_ptr<void> keep,
           const std::function<XrdCl::XRootDStatus(XrdCl::ResponseHandler *)> &begin) {
  auto waiting = std::make_shared<Waiting>();
  auto *waiter = new Waiter(waiting, std::move(keep));
  XrdCl::XRootDStatus status = begin(waiter);
  if (!status.IsOK()) {
    delete waiter; /* XrdCl calls it only for what began */
    Answer answer;
    answer.status = status;
    return answer;
  }
  std::unique_lock<std::mutex> guard(waiting->lock);
  if (!waiting->answered.wait_for(guard, std::chrono::milliseconds(milliseconds), [&] { return waiting->done; })) {
    Answer late;
    late.status = XrdCl::XRootDStatus(XrdCl::stError, XrdCl::errOperationExpired);
    return late;
  }
  return std::move(waiting->answer);
}

/* ---- limits ---- */

namespace {

constexpr Limits usual_limits = {1024, 2097136}; /* of servers that do not say */

/* Lines of numbers in the order of the question; a server that does not know a name repeats it. */
Limits parse_limits(const std::string &text) {
  Limits limits = usual_limits;
  const char *next = text.c_str();
  char *end = nullptr;
  long long values[2];
  for (long long &value : values) {
    value = strtoll(next, &end, 10);
    if (end == next)
      value = 0;
    size_t line = text.find('\n', (size_t)(next - text.c_str()));
    next = line == std::string::npos ? text.c_str() + text.size() : text.c_str() + line + 1;
  }
  if (values[0] >= 1)
    limits.ranges = values[0] < 65536 ? values[0] : 65536;
  if (values[1] >= 4096)
    limits.range_bytes = values[1] < 1 << 30 ? values[1] : 1 << 30;
  return limits;
}

struct Known {
  std::mutex lock;
  std::map<std::string, SharedQuestion> questions; /* by host; those on their way, and those with an answer */
};

/* Never freed: threads of XrdCl may outlive static objects. */
Known &known() {
  static Known *all = new Known;
  return *all;
}

} // namespace

struct Question {
  const pid_t owner = getpid(); /* a child does not hear the answer to its parent's */
  std::mutex lock;
  std::condition_variable answered;
  bool done = false;
  Limits limits = usual_limits;
};

namespace {

/* `text` nullptr: there is none, and it is asked again next time. */
void answer_question(const SharedQuestion &question, const std::string &host, XrdCl::Buffer *text) {
  Limits limits = usual_limits;
  try {
    if (text)
      limits = parse_limits(text->ToString());
  } catch (const std::bad_alloc &) { /* who called is XrdCl */
  }
  {
    std::lock_guard<std::mutex> guard(known().lock);
    auto found = known().questions.find(host);
    if (!text && found != known().questions.end() && found->second == question)
      known().questions.erase(found);
  }
  {
    std::lock_guard<std::mutex> guard(question->lock);
    question->limits = limits;
    question->done = true;
  }
  question->answered.notify_all();
}

class Listener : public XrdCl::ResponseHandler {
public:
  Listener(SharedQuestion question, std::string host, std::shared_ptr<XrdCl::FileSystem> server)
      : question(std::move(question)), host(std::move(host)), server(std::move(server)) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    XrdCl::Buffer *text = nullptr;
    if (status->IsOK() && response)
      response->Get(text);
    answer_question(question, host, text);
    delete status;
    delete response;
    delete hosts;
    delete this;
  }

private:
  SharedQuestion question;
  std::string host;
  std::shared_ptr<XrdCl::FileSystem> server;
};

/* Others may wait for the answer already, so there is one in any case. */
void send_question(const SharedQuestion &question, const std::string &host, const XrdCl::URL &url,
                   const Settings &settings) {
  try {
    auto server = std::make_shared<XrdCl::FileSystem>(url);
    XrdCl::Buffer words;
    words.FromString("readv_iov_max readv_ior_max");
    auto listener = std::make_unique<Listener>(question, host, server);
    XrdCl::XRootDStatus status =
        server->Query(XrdCl::QueryCode::Config, words, listener.get(), seconds(settings.timeout_ms));
    if (status.IsOK())
      listener.release(); /* it deletes itself */
    else
      answer_question(question, host, nullptr);
  } catch (const std::bad_alloc &) {
    answer_question(question, host, nullptr);
  }
}

} // namespace

SharedQuestion ask_limits(const XrdCl::URL &url, const Settings &settings, int64_t *requests) {
  std::string host = url.GetHostId();
  auto question = std::make_shared<Question>();
  {
    std::lock_guard<std::mutex> guard(known().lock);
    SharedQuestion &there = known().questions[host];
    if (there && (there->owner == question->owner || limits_of(there, 0, nullptr)))
      return there;
    there = question;
  }
  send_question(question, host, url, settings);
  ++*requests;
  return question;
}

bool limits_of(const SharedQuestion &question, int64_t milliseconds, Limits *limits) {
  std::unique_lock<std::mutex> guard(question->lock);
  bool done =
      question->answered.wait_for(guard, std::chrono::milliseconds(milliseconds), [&] { return question->done; });
  if (done && limits)
    *limits = question->limits;
  return done;
}

/* ---- directories ---- */

/* A redirector knows names of some servers only, so all that hold the directory are asked; what several have comes
 * once. An answer that lacks a server's names is no answer: files would be left out without a word. */
enum mlaas_status list_directory(const char *url, const struct mlaas_remote_options *options,
                                 bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                 struct mlaas_error *error) {
  Settings settings(options);
  Address address;
  set_patience(settings);
  enum mlaas_status status = find_address(url, settings, &address, error);
  if (status != MLAAS_OK)
    return status;
  XrdCl::URL parsed(address.url);
  XrdCl::FileSystem server(parsed);
  XrdCl::DirectoryList *raw = nullptr;
  XrdCl::XRootDStatus listed = server.DirList(
      parsed.GetPathWithParams(), XrdCl::DirListFlags::Stat | XrdCl::DirListFlags::Locate | XrdCl::DirListFlags::Merge,
      raw, seconds(settings.timeout_ms));
  std::unique_ptr<XrdCl::DirectoryList> list(raw);
  if (!listed.IsOK())
    return fail_with(error, listed, nullptr, address.server, address.access);
  if (!list || listed.code == XrdCl::suPartial)
    return fail(error, MLAAS_IO, "%s: some of its servers did not answer", address.server.c_str());
  std::string folder = address.plain;
  while (!folder.empty() && folder.back() == '/')
    folder.pop_back();
  std::set<std::string> seen;
  for (auto item = list->Begin(); item != list->End(); ++item) {
    const std::string &name = (*item)->GetName();
    if (name.empty() || name == "." || name == ".." || !seen.insert(name).second)
      continue;
    const XrdCl::StatInfo *about = (*item)->GetStatInfo();
    std::string full = folder + "/" + name;
    struct mlaas_wire_entry found = {};
    found.url = full.c_str();
    found.is_directory = about && about->TestFlags(XrdCl::StatInfo::IsDir);
    found.size = about ? (int64_t)about->GetSize() : -1;
    if (!entry(context, &found))
      break;
  }
  return MLAAS_OK;
}

} // namespace mlaas
