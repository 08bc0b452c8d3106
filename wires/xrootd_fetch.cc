/* Reading ranges of an open file, and opening it again when its connection was lost for good. Must not know what the
 * bytes mean, nor of retries and replicas: those are the layer above.
 *
 * XrdCl reads into the caller's memory, and cannot take back a request. A fetch that is cancelled ends when its answer
 * comes; where that takes long, the connection is given up, so that nothing can come any more. Others that share it
 * hear of a lost connection and go on with a new one. */
#include "xrootd_file.hh"
#include "xrootd_socket.hh"

#ifdef MLAAS_XROOTD_PRIVATE
#include <XrdCl/XrdClDefaultEnv.hh>
#include <XrdCl/XrdClPostMaster.hh>
#include <XrdCl/XrdClPostMasterInterfaces.hh>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <new>
#include <unistd.h>

namespace mlaas {

namespace {

constexpr int64_t slowest = 128 << 10; /* bytes per second that are waited for; a connection that stalls ends sooner */
constexpr size_t most_singles = 16;    /* at a time, for one fetch */
constexpr auto grace = std::chrono::milliseconds(300); /* for the answer to a request that is cancelled */

const XrdCl::XRootDStatus no_memory(XrdCl::stError, XrdCl::errOSError, ENOMEM);

uint16_t patience(const Handle &handle) {
  return seconds(handle.settings.timeout_ms + handle.asked.load() * 1000 / slowest);
}

int64_t hosts_of(const XrdCl::HostList *hosts) { return hosts && !hosts->empty() ? (int64_t)hosts->size() : 1; }

/* ---- the end of a fetch ---- */

void finish(Job *job, enum mlaas_status status) {
  struct mlaas_fetch *fetch = job->fetch;
  if (status == MLAAS_OK)
    fetch->delivered += job->bytes;
  else if (fetch->error.offset < 0)
    fetch->error.offset = fetch->ranges[0].offset;
  fetch->status = status;
  job->handle->asked -= job->bytes;
  {
    std::lock_guard<std::mutex> guard(job->handle->lock);
    fetch->wire = nullptr; /* a cancel that comes from here on finds nothing */
  }
  {
    std::lock_guard<std::mutex> guard(job->lock);
    job->ended = true;
  }
  job->end.notify_all();
  fetch->done(fetch); /* the handle may be closed from here on */
}

/* The next request opens the file again. */
void forget_file(Job *job) {
  SharedFile lost; /* let go without the lock */
  std::lock_guard<std::mutex> guard(job->handle->lock);
  if (job->handle->file == job->file)
    lost.swap(job->handle->file);
}

void finish_with(Job *job, const XrdCl::XRootDStatus &status) {
  struct mlaas_fetch *fetch = job->fetch;
  Handle *handle = job->handle;
  if (job->cancelled) {
    finish(job, fail(&fetch->error, MLAAS_CANCELLED, "reading was cancelled"));
    return;
  }
  if (needs_reopening(status))
    forget_file(job);
  enum mlaas_status failed;
  try {
    std::string server, access;
    {
      std::lock_guard<std::mutex> guard(handle->lock);
      server = handle->server;
      access = handle->address.access;
    }
    char what[400];
    snprintf(what, sizeof what, "reading %lld bytes in %zu ranges from %s failed", (long long)job->bytes,
             fetch->num_ranges, server.c_str());
    failed = fail_with(&fetch->error, status, &fetch->transient, what, access);
  } catch (const std::bad_alloc &) { /* who called may be C, or XrdCl */
    failed = fail(&fetch->error, MLAAS_MEMORY, "out of memory for an answer of an XRootD server");
  }
  finish(job, failed);
}

void finish_short(Job *job, size_t range, int64_t length) {
  struct mlaas_fetch *fetch = job->fetch;
  fetch->transient = true;
  enum mlaas_status status = fail(&fetch->error, MLAAS_IO, "%lld bytes came where %lld were asked for",
                                  (long long)length, (long long)fetch->ranges[range].length);
  fetch->error.offset = fetch->ranges[range].offset;
  finish(job, status);
}

void finish_stale(Job *job, int64_t size) {
  finish(job, fail(&job->fetch->error, MLAAS_STALE, "the file is not what was opened: it has %lld bytes now, had %lld",
                   (long long)size, (long long)job->handle->size));
}

void finish_without_memory(Job *job) {
  finish(job, fail(&job->fetch->error, MLAAS_MEMORY, "out of memory for a request to an XRootD server"));
}

/* What could not be sent, because the connection was lost since the last time, is sent once more to a file that is open
 * anew. */
void finish_or_open_again(const SharedJob &job, const XrdCl::XRootDStatus &status);

/* ---- single ranges, some at a time ----
 * Only for what a server refuses to answer together: one range alone is asked for like several. XrdCl (seen in 5.5.3)
 * checks what comes for several, but with File::Read() parts of an answer (kXR_oksofar) that hold more than was asked
 * for are written behind the range, or to wherever the word behind its list of one range points. Nothing of ours is
 * called between the parts. */

void run_singles(const SharedJob &job);

class SingleReader : public XrdCl::ResponseHandler {
public:
  SingleReader(SharedJob job, size_t range) : job(std::move(job)), range(range) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    SharedJob kept = job;
    XrdCl::ChunkInfo *chunk = nullptr;
    if (response)
      response->Get(chunk);
    int64_t length = status->IsOK() && chunk ? chunk->length : 0;
    {
      std::lock_guard<std::mutex> guard(job->lock);
      job->running--;
      job->answers++;
      job->fetch->requests += hosts_of(hosts);
      if (!job->failed && length != job->fetch->ranges[range].length) {
        job->failed = true;
        job->failure = *status;
        job->short_range = range;
        job->short_length = length;
      }
    }
    delete status;
    delete response;
    delete hosts;
    delete this;
    run_singles(kept);
  }

private:
  SharedJob job;
  size_t range;
};

/* Sends one more, or says that there is none. */
bool send_single(const SharedJob &job, size_t range) {
  const struct mlaas_range *wanted = &job->fetch->ranges[range];
  auto *reader = new (std::nothrow) SingleReader(job, range);
  XrdCl::XRootDStatus status = no_memory;
  if (reader)
    status = job->file->Read((uint64_t)wanted->offset, (uint32_t)wanted->length, wanted->data, reader,
                             patience(*job->handle));
  if (status.IsOK())
    return true;
  delete reader;
  std::lock_guard<std::mutex> guard(job->lock);
  job->running--;
  if (!job->failed)
    job->failure = status;
  job->failed = true;
  return false;
}

/* Called when a fetch begins and after each answer, from any thread; the last one finds that nothing is left. */
void run_singles(const SharedJob &job) {
  for (;;) {
    size_t range;
    {
      std::lock_guard<std::mutex> guard(job->lock);
      if (job->finished)
        return;
      if (job->cancelled && job->next < job->fetch->num_ranges)
        job->failed = true;
      if (job->failed || job->next == job->fetch->num_ranges) {
        if (job->running > 0)
          return;
        job->finished = true;
        break;
      }
      if (job->running == most_singles)
        return;
      range = job->next++;
      job->running++;
    }
    send_single(job, range);
  }
  if (!job->failed)
    finish(job.get(), MLAAS_OK);
  else if (job->failure.IsOK() && !job->cancelled)
    finish_short(job.get(), job->short_range, job->short_length);
  else if (job->answers == 0)
    finish_or_open_again(job, job->failure);
  else
    finish_with(job.get(), job->failure);
}

/* ---- several ranges in one request ---- */

class VectorReader : public XrdCl::ResponseHandler {
public:
  explicit VectorReader(SharedJob job) : job(std::move(job)) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    job->fetch->requests += hosts_of(hosts);
    XrdCl::VectorReadInfo *info = nullptr;
    if (response)
      response->Get(info);
    if (status->IsOK())
      check(info);
    else if (refuses_vectors(*status) && !job->cancelled) {
      job->handle->single = job->handle->settled.load();
      run_singles(job);
    } else
      finish_with(job.get(), *status);
    delete status;
    delete response;
    delete hosts;
    delete this;
  }

private:
  void check(XrdCl::VectorReadInfo *info) {
    size_t came = info ? info->GetChunks().size() : 0;
    for (size_t i = 0; i < job->fetch->num_ranges; i++) {
      int64_t length = i < came ? info->GetChunks()[i].length : 0;
      if (length != job->fetch->ranges[i].length) {
        finish_short(job.get(), i, length);
        return;
      }
    }
    finish(job.get(), MLAAS_OK);
  }
  SharedJob job;
};

XrdCl::XRootDStatus send_vector(const SharedJob &job) {
  XrdCl::ChunkList chunks;
  chunks.reserve(job->fetch->num_ranges);
  for (size_t i = 0; i < job->fetch->num_ranges; i++) {
    const struct mlaas_range *range = &job->fetch->ranges[i];
    chunks.emplace_back((uint64_t)range->offset, (uint32_t)range->length, range->data);
  }
  auto reader = std::make_unique<VectorReader>(job);
  XrdCl::XRootDStatus status = job->file->VectorRead(chunks, nullptr, reader.get(), patience(*job->handle));
  if (status.IsOK())
    reader.release(); /* it deletes itself */
  return status;
}

void send(const SharedJob &job) {
  try {
    if (job->cancelled) {
      finish_with(job.get(), XrdCl::XRootDStatus());
    } else if (job->handle->single || (job->fetch->num_ranges == 1 && job->bytes > job->handle->range_bytes)) {
      run_singles(job);
    } else {
      XrdCl::XRootDStatus status = send_vector(job);
      if (!status.IsOK())
        finish_or_open_again(job, status);
    }
  } catch (const std::bad_alloc &) {
    finish_without_memory(job.get());
  }
}

/* Ends all that is on its way over the connection of `file`. XrdCl tells to its own kind only where that leads; without
 * its private headers a cancel waits for the answer, or until the time for one is up. */
void disconnect(const SharedFile &file) {
#ifdef MLAAS_XROOTD_PRIVATE
  std::string url;
  XrdCl::AnyObject answer;
  XrdCl::PostMaster *connections = XrdCl::DefaultEnv::GetPostMaster();
  if (!connections || !file || !file->GetProperty("LastURL", url))
    return;
  const XrdCl::URL server(url);
  if (!connections->QueryTransport(server, XrdCl::StreamQuery::IpAddr, answer).IsOK())
    return;
  std::string *address = nullptr;
  answer.Get(address);
  std::unique_ptr<std::string> ours(address); /* the answer does not own it */
  if (address)
    shut_connections(*address, server.GetPort());
#else
  (void)file;
#endif
}

/* ---- opening again ---- */

void end_opening(Handle *handle, std::vector<SharedJob> *jobs) {
  std::lock_guard<std::mutex> guard(handle->lock);
  handle->opening = false;
  jobs->swap(handle->waiting);
}

/* What it had is let go without the lock; whoever cancels it looks at the same time. */
void give_file(Job *job, SharedFile file) {
  std::lock_guard<std::mutex> guard(job->handle->lock);
  job->file.swap(file);
}

void fail_opening(Handle *handle, const XrdCl::XRootDStatus &status) {
  std::vector<SharedJob> jobs;
  end_opening(handle, &jobs);
  for (const SharedJob &job : jobs)
    finish_with(job.get(), status);
}

class Opener : public XrdCl::ResponseHandler {
public:
  Opener(SharedHandle handle, SharedFile file) : handle(std::move(handle)), file(std::move(file)) {}
  void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response,
                               XrdCl::HostList *hosts) override {
    if (status->IsOK())
      use(hosts_of(hosts));
    else
      fail_opening(handle.get(), *status);
    delete status;
    delete response;
    delete hosts;
    delete this;
  }

private:
  void use(int64_t requests) {
    std::vector<SharedJob> jobs;
    std::string server = server_of(file);
    Known known = known_of(file);
    bool same;
    SharedFile old; /* let go without the lock */
    {
      std::lock_guard<std::mutex> guard(handle->lock);
      same = known.size == handle->size && (server != handle->first_server || known.changed == handle->changed);
      if (same) {
        handle->file.swap(old);
        handle->file = file;
        handle->server = server;
      }
    }
    end_opening(handle.get(), &jobs);
    for (const SharedJob &job : jobs) {
      job->fetch->requests += requests;
      requests = 0; /* the first one pays */
      give_file(job.get(), file);
      if (same)
        send(job);
      else
        finish_stale(job.get(), known.size);
    }
  }
  SharedHandle handle;
  SharedFile file;
};

/* Tokens may have been renewed since: the address is made anew. */
void open_again(Handle *handle) {
  Address address;
  struct mlaas_error error = {};
  enum mlaas_status found = find_address(handle->url, handle->settings, &address, &error);
  if (found != MLAAS_OK) {
    fail_opening(handle, XrdCl::XRootDStatus(XrdCl::stError, XrdCl::errAuthFailed, 0, error.message));
    return;
  }
  SharedFile file = new_file(*handle);
  auto opener = std::make_unique<Opener>(handle->shared_from_this(), file);
  uint16_t patience = seconds(handle->settings.connect_ms + handle->settings.timeout_ms);
  XrdCl::XRootDStatus status =
      file->Open(address.url, XrdCl::OpenFlags::Read, XrdCl::Access::None, opener.get(), patience);
  if (status.IsOK())
    opener.release();
  else
    fail_opening(handle, status);
}

/* Either the job has an open file now, or it waits for one. */
void send_or_wait(Handle *handle, const SharedJob &job) {
  SharedHandle kept = handle->shared_from_this(); /* once the job is in the queue it may be cancelled, and all closed */
  SharedFile file;
  {
    std::lock_guard<std::mutex> guard(handle->lock);
    file = handle->file;
  }
  give_file(job.get(), std::move(file));
  if (job->file && job->file->IsOpen()) {
    send(job);
    return;
  }
  bool first = false, cancelled = false;
  try {
    std::lock_guard<std::mutex> guard(handle->lock);
    cancelled =
        job->cancelled; /* a cancel that came before found it in no queue, and would have to wait for the file */
    if (!cancelled) {
      handle->waiting.push_back(job);
      first = !handle->opening;
      handle->opening = true;
    }
  } catch (const std::bad_alloc &) {
    finish_without_memory(job.get());
  }
  if (cancelled)
    finish_with(job.get(), XrdCl::XRootDStatus());
  try {
    if (first)
      open_again(handle);
  } catch (const std::bad_alloc &) {
    fail_opening(handle, no_memory);
  }
}

void finish_or_open_again(const SharedJob &job, const XrdCl::XRootDStatus &status) {
  if (job->again || job->cancelled || !needs_reopening(status)) {
    finish_with(job.get(), status);
    return;
  }
  forget_file(job.get());
  job->again = true;
  job->failed = job->finished = false;
  job->failure = XrdCl::XRootDStatus();
  job->next = 0;
  send_or_wait(job->handle, job);
}

} // namespace

void start_fetch(void *opaque, struct mlaas_fetch *fetch) {
  Handle *handle = static_cast<SharedHandle *>(opaque)->get();
  fetch->transient = false;
  fetch->retry_after_ms = fetch->requests = fetch->delivered = 0;
  if (handle->owner != getpid()) {
    fetch->status = fail(&fetch->error, MLAAS_STATE, "the file was opened before a fork");
    fetch->done(fetch);
    return;
  }
  SharedJob job;
  try {
    job = std::make_shared<Job>();
  } catch (const std::bad_alloc &) {
    fetch->status = fail(&fetch->error, MLAAS_MEMORY, "out of memory for a request to an XRootD server");
    fetch->done(fetch);
    return;
  }
  job->handle = handle;
  job->fetch = fetch;
  for (size_t i = 0; i < fetch->num_ranges; i++)
    job->bytes += fetch->ranges[i].length;
  handle->asked += job->bytes;
  fetch->wire = job.get();
  send_or_wait(handle, job);
}

/* Who waits for a file to be opened again has sent nothing, and need not wait. */
static bool leave_queue(Handle *handle, const SharedJob &job) {
  auto found = std::find(handle->waiting.begin(), handle->waiting.end(), job);
  if (found == handle->waiting.end())
    return false;
  handle->waiting.erase(found);
  return true;
}

void cancel_fetch(void *opaque, struct mlaas_fetch *fetch) {
  Handle *handle = static_cast<SharedHandle *>(opaque)->get();
  SharedJob job;
  bool queued = false;
  {
    std::lock_guard<std::mutex> guard(handle->lock);
    if (!fetch->wire)
      return;
    job = static_cast<Job *>(fetch->wire)->shared_from_this();
    job->cancelled = true;
    queued = leave_queue(handle, job);
  }
  if (queued) {
    finish_with(job.get(), XrdCl::XRootDStatus());
    return;
  }
  std::unique_lock<std::mutex> guard(job->lock);
  if (job->end.wait_for(guard, grace, [&] { return job->ended; }))
    return;
  guard.unlock();
  SharedFile file;
  {
    std::lock_guard<std::mutex> again(handle->lock);
    file = job->file;
  }
  disconnect(file);
}

} // namespace mlaas
