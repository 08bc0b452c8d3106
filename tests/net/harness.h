/* A server on a thread with a handler that does what the path says, and a plain client: for the tests of net. */
#ifndef TESTS_NET_HARNESS_H
#define TESTS_NET_HARNESS_H

#include "net/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the handler saw. */
struct seen {
  atomic_int begun, handled, finished, gone, setups, teardowns;
  atomic_int last_status;
  atomic_llong bytes_in, bytes_out;
  atomic_bool let_go; /* set by the test: /held is answered */
};

/* For what comes on any machine sooner or later; shorter than the server's own times where it matters what closes. */
enum { PATIENCE_MS = 60000, CLOSED_MS = 20000 };

extern struct seen the_seen;
extern struct mlaas_server *the_server;
extern int the_port;

/* Paths: /echo (the body), /later?ms=N (the path, after a while), /held (the path, when the test lets go), /hang
 * (replies only when the client has gone), /work (from a worker thread), /big?n=N (N times 'x'), /file?n=N (the file of
 * the tests), /early (404 in begin), /small (10 bytes at most), /headers (X-Test and X-Long), /bad-header, /error,
 * /request (what the handler sees), /none (204). */
void serve(const struct mlaas_server_options *options);
void stop_serving(void); /* waits for the thread, checks that every exchange was finished, that memory is back */
void wait_until(const atomic_int *value, int least);

int dial(void);
int dial_port(int port);
void say(int client, const char *text);
void say_bytes(int client, const void *data, size_t size);
/* The next reply of a connection: status, -1: closed without, -2: nothing for `ms`. */
int hear_within(int client, char *head, size_t head_room, char *body, size_t body_room, int ms);
int hear(int client, char *body, size_t room);
/* Sends `text` on a new connection, returns the status of the first reply. */
int ask(const char *text, char *body, size_t room);
bool is_closed(int client, int ms); /* the server ends it within that time */
int64_t now_ms(void);

#endif
