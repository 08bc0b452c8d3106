/* An open file and its fetches, for xrootd_file.cc and xrootd_fetch.cc alone. */
#ifndef MLAAS_WIRES_XROOTD_FILE_HH
#define MLAAS_WIRES_XROOTD_FILE_HH

#include "xrootd_parts.hh"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <sys/types.h>

namespace mlaas {

/* Closed without waiting when the last holder lets go. */
using SharedFile = std::shared_ptr<XrdCl::File>;

struct Handle;

/* One fetch on its way; the handlers that XrdCl holds keep it. */
struct Job : std::enable_shared_from_this<Job> {
  Handle *handle = nullptr;
  struct mlaas_fetch *fetch = nullptr;
  SharedFile file;
  int64_t bytes = 0;
  bool again = false; /* the file was opened again for it */
  std::atomic<bool> cancelled{false};
  std::mutex lock; /* over what follows */
  bool ended = false;
  std::condition_variable end;
  /* Single reads. */
  size_t next = 0, running = 0, answers = 0;
  bool failed = false, finished = false;
  XrdCl::XRootDStatus failure; /* OK: a range came short */
  size_t short_range = 0;
  int64_t short_length = 0;
};

using SharedJob = std::shared_ptr<Job>;
using SharedHandle = std::shared_ptr<Handle>; /* what mlaas_wire_file.handle points to */

/* Kept by whoever opened the file, and by an opening that is under way. */
struct Handle : std::enable_shared_from_this<Handle> {
  Handle(const char *url, const struct mlaas_remote_options *options);
  const std::string url;
  const Settings settings;
  const pid_t owner;
  /* At the opening; never changed. */
  int64_t size = 0;
  uint64_t changed = 0; /* when, by `first_server`: copies elsewhere have other times */
  std::string first_server;
  SharedQuestion question;             /* for the limits of that server */
  std::atomic<bool> settled{false};    /* they are its own */
  std::atomic<int64_t> range_bytes{0}; /* the longest range of a request for several */
  std::atomic<bool> single{false};     /* the server refused several ranges, within its limits */
  std::atomic<int64_t> asked{0};       /* bytes on their way */
  std::mutex lock;                     /* over what follows; nothing of XrdCl is called under it */
  Address address;
  SharedFile file;
  std::string server;
  bool opening = false;           /* once more */
  std::vector<SharedJob> waiting; /* for that */
};

SharedFile new_file(const Handle &handle);
/* "host:port" of who delivers. */
std::string server_of(const SharedFile &file);
/* What the server said of the file when it was opened; size -1: nothing. Does not wait. */
struct Known {
  int64_t size;
  uint64_t changed;
};
Known known_of(const SharedFile &file);

enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options, struct mlaas_wire_file *file,
                            bool *transient, struct mlaas_error *error);
enum mlaas_status ask_checksum(void *handle, char *text, size_t size, struct mlaas_error *error);
bool settle_file(void *handle, struct mlaas_wire_file *file, int milliseconds);
void close_file(void *handle);

void start_fetch(void *handle, struct mlaas_fetch *fetch);
void cancel_fetch(void *handle, struct mlaas_fetch *fetch);

} // namespace mlaas

#endif
