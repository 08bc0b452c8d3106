/* Connections of this process, ended from outside of the library that made them. */
#ifndef MLAAS_WIRES_XROOTD_SOCKET_HH
#define MLAAS_WIRES_XROOTD_SOCKET_HH

#include <string>

namespace mlaas {

/* Shuts this process's TCP connections to `address` ("127.0.0.1", "[::1]", "[::127.0.0.1]" for IPv4 over an IPv6
 * socket) and port; gives how many. Whoever uses them sees their end at once. The descriptors stay open, and whose they
 * are. Any thread. */
int shut_connections(const std::string &address, int port);

} // namespace mlaas

#endif
