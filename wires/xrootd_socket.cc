/* Ending connections by their sockets, which wakes whoever polls them. Must not know what goes over them, nor XrdCl:
 * its own way to end one (ForceDisconnect, up to 5.5 at least) waits for the thread that polls while it holds a lock
 * that this thread may be waiting for. */
#include "xrootd_socket.hh"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace mlaas {

namespace {

struct Closing {
  void operator()(DIR *folder) const { closedir(folder); }
};

/* IPv4 as IPv6 has it, for a socket may be of either kind. */
in6_addr mapped(const in_addr &address) {
  in6_addr result = {};
  result.s6_addr[10] = result.s6_addr[11] = 0xff;
  memcpy(result.s6_addr + 12, &address, sizeof address);
  return result;
}

bool parse_address(std::string text, in6_addr *address) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  if (text.compare(0, 2, "::") == 0 && text.find('.') != std::string::npos) /* "::ffff:1.2.3.4", or without "ffff:" */
    text = text.substr(text.rfind(':') + 1);
  in_addr narrow;
  if (inet_pton(AF_INET, text.c_str(), &narrow) == 1) {
    *address = mapped(narrow);
    return true;
  }
  return inet_pton(AF_INET6, text.c_str(), address) == 1;
}

bool leads_to(int descriptor, const in6_addr &address, int port) {
  sockaddr_storage peer = {};
  socklen_t length = sizeof peer;
  if (getpeername(descriptor, reinterpret_cast<sockaddr *>(&peer), &length) != 0)
    return false;
  in6_addr found = {};
  in_port_t at = 0;
  if (peer.ss_family == AF_INET) {
    const auto *narrow = reinterpret_cast<const sockaddr_in *>(&peer);
    found = mapped(narrow->sin_addr);
    at = narrow->sin_port;
  } else if (peer.ss_family == AF_INET6) {
    const auto *wide = reinterpret_cast<const sockaddr_in6 *>(&peer);
    found = wide->sin6_addr;
    at = wide->sin6_port;
  }
  return at == htons((uint16_t)port) && memcmp(&found, &address, sizeof found) == 0;
}

} // namespace

int shut_connections(const std::string &text, int port) {
  in6_addr address;
  std::unique_ptr<DIR, Closing> folder(opendir("/proc/self/fd"));
  int count = 0;
  if (!folder || !parse_address(text, &address))
    return 0;
  while (const dirent *entry = readdir(folder.get())) {
    bool is_number = entry->d_name[0] != '.';
    int descriptor = is_number ? (int)strtol(entry->d_name, nullptr, 10) : -1;
    if (leads_to(descriptor, address, port))
      count += shutdown(descriptor, SHUT_RDWR) == 0;
  }
  return count;
}

} // namespace mlaas
