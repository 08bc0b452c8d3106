/* A server that runs out of files goes on and ends when it is told to. It is this program again, as a child with a low
 * limit: the clients need files too.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GET "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"

enum { LONGEST = 300, CLIENTS = 300 };

/* ---- the child ---- */

static atomic_bool the_end;

/* Has every file that is free, now and again: what accepting meets changes between any two of its calls. */
static void *hog(void *context) {
  int files[128];
  while (!atomic_load(&the_end)) {
    size_t count = 0;
    while (count < sizeof files / sizeof *files && (files[count] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
      count++;
    usleep(1000);
    while (count)
      close(files[--count]);
    usleep(5000);
  }
  return context;
}

/* FILES LOOPS HOGS: prints the port and the ceiling of connections, and ends when its input does. */
static int be_server(char **arguments) {
  rlim_t files = (rlim_t)strtol(arguments[0], NULL, 10);
  int hogs = (int)strtol(arguments[2], NULL, 10);
  pthread_t threads[4];
  char byte;
  alarm(LONGEST); /* a server that hangs is killed, and that is seen */
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){files, files});
  serve(&(struct mlaas_server_options){.loops = (int)strtol(arguments[1], NULL, 10)});
  for (int i = 0; i < hogs; i++)
    pthread_create(&threads[i], NULL, hog, NULL);
  printf("%d %lld\n", the_port, (long long)mlaas_server_connections(the_server));
  fflush(stdout);
  while (read(0, &byte, 1) > 0)
    ;
  mlaas_server_stop(the_server); /* the door has to work while there is no file */
  usleep(20000);
  atomic_store(&the_end, true);
  for (int i = 0; i < hogs; i++)
    pthread_join(threads[i], NULL);
  stop_serving();
  return 0;
}

/* ---- the parent ---- */

struct child {
  pid_t process;
  int input, connections;
};

static struct child start(const char *files, const char *loops, const char *hogs) {
  struct child child;
  int in[2], out[2];
  char line[64] = {0}, *end = line;
  assert_int_equal(pipe(in), 0);
  assert_int_equal(pipe(out), 0);
  child.process = fork();
  assert_true(child.process >= 0);
  if (child.process == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    for (int i = 3; i < 64; i++)
      close(i);
    execl("/proc/self/exe", "test_files", files, loops, hogs, (char *)NULL);
    _exit(1);
  }
  close(in[0]);
  close(out[1]);
  for (size_t size = 0; size < sizeof line - 1 && !memchr(line, '\n', size);) {
    ssize_t count = read(out[0], line + size, sizeof line - 1 - size);
    assert_true(count > 0);
    size += (size_t)count;
  }
  close(out[0]);
  the_port = (int)strtol(line, &end, 10);
  child.connections = (int)strtol(end, NULL, 10);
  child.input = in[1];
  return child;
}

static void end(struct child child) {
  int status = 0;
  close(child.input);
  assert_int_equal(waitpid(child.process, &status, 0), child.process);
  assert_int_equal(status, 0);
}

/* What came of it: a status, -1: closed. That nothing comes is a failure. */
static int expect_something(int client) {
  char head[8192], body[8192];
  int status = hear_within(client, head, sizeof head, body, sizeof body, LONGEST * 1000);
  assert_true(status == 200 || status == 503 || status == -1);
  return status;
}

static void storm(int count) {
  int clients[CLIENTS];
  for (int i = 0; i < count; i++) {
    clients[i] = dial();
    if (i % 10 == 0)
      say(clients[i], GET);
  }
  for (int i = 0; i < count; i += 10)
    expect_something(clients[i]);
  for (int i = 0; i < count; i++)
    close(clients[i]);
}

/* As soon as it has seen that the others left. */
static void expect_service(void) {
  char body[64];
  int status = 0;
  for (int64_t until = now_ms() + LONGEST * 1000; status != 200 && now_ms() < until;)
    status = ask(GET, body, sizeof body);
  assert_int_equal(status, 200);
}

static void a_storm_of_clients_stops_nobody(void **state) {
  (void)state;
  static const char *cases[][2] = {{"40", "4"}, {"64", "4"}, {"64", "2"}, {"120", "2"}, {"64", "8"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct child child = start(cases[i][0], cases[i][1], "0");
    assert_in_range(child.connections, 1, 90);
    for (int round = 0; round < 3; round++) {
      storm(CLIENTS);
      expect_service();
    }
    end(child);
  }
}

static void files_that_others_take_stop_nobody(void **state) {
  (void)state;
  static const char *hogs[] = {"1", "3"};
  for (size_t i = 0; i < sizeof hogs / sizeof *hogs; i++) {
    struct child child = start("64", "4", hogs[i]);
    for (int round = 0; round < 2; round++) {
      storm(100);
      expect_service();
    }
    int waiting = dial(); /* and it ends, with somebody at the door */
    end(child);
    close(waiting);
  }
}

/* Connections get fewer where files are few, and those that are beyond are told. One loop takes them in their order. */
static void the_ceiling_of_connections_follows_the_files(void **state) {
  (void)state;
  int clients[100];
  struct child child = start("100", "1", "0");
  assert_in_range(child.connections, 20, 60);
  for (int i = 0; i < child.connections; i++) {
    clients[i] = dial();
    say(clients[i], "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  int beyond = dial();
  assert_int_equal(expect_something(beyond), 503);
  close(beyond);
  close(clients[0]);
  expect_service();
  for (int i = 1; i < child.connections; i++)
    close(clients[i]);
  end(child);
}

int main(int count, char **arguments) {
  if (count == 4)
    return be_server(arguments + 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_storm_of_clients_stops_nobody),
      cmocka_unit_test(files_that_others_take_stop_nobody),
      cmocka_unit_test(the_ceiling_of_connections_follows_the_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
