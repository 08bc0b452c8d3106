/* A server for tests of the client: a thread that reads whole requests and answers each with the next reply of a
 * script, byte for byte, or with what a function makes of the request.
 */
#ifndef MLAAS_TESTS_FAKE_SERVER_H
#define MLAAS_TESTS_FAKE_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { FAKE_MOST = 1 << 20, FAKE_CONNECTIONS = 64 };

struct fake_reply {
  const char *bytes;
  int delay_ms; /* before the reply */
  bool close;   /* after the reply */
};

struct fake_server {
  /* set before start */
  const struct fake_reply *script; /* the last one is repeated */
  size_t script_length;
  /* Instead of a script: writes the reply to one whole request; returns its size. */
  size_t (*answer)(const char *request, size_t size, char *reply, size_t room);
  /* looked at by tests when nothing is on its way */
  char url[64];
  char last[FAKE_MOST]; /* the last request, ended by a zero */
  size_t last_size;
  int requests, connections;
  /* private */
  int listener, stop[2];
  pthread_t thread;
  pthread_mutex_t lock;
};

bool fake_server_start(struct fake_server *server);
/* What the server wrote down before now may be looked at. */
void fake_server_settle(struct fake_server *server);
void fake_server_stop(struct fake_server *server);

#endif
