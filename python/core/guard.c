/* The last resort of a command that was told to stop: somebody else's library may not come back for minutes, or never
 * (HDF5's with damaged lists, a cloud's that tries again and again), and Python's handlers of signals run only when it
 * does. A thread that needs no Python hears of signals through the pipe that signal.set_wakeup_fd writes to, and ends
 * the process where nobody else has. */
#include "core.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { AGAIN_MS = 300, LATER_MS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int descriptor, patience; /* milliseconds; 0: the first signal asks, only the second one counts */
static char command[64], after[200], file[PATH_MAX];
static bool over;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end(int number) {
  char text[400];
  pthread_mutex_lock(&lock);
  if (over) {
    pthread_mutex_unlock(&lock);
    return;
  }
  if (file[0])
    unlink(file);
  int length = snprintf(text, sizeof text, "\nmlaas %s: %s%s\n", command,
                        number == SIGTERM ? "terminated" : "interrupted", after);
  if (length < 0 || write(STDERR_FILENO, text, (size_t)length) < 0)
    length = 0;
  _exit(128 + number);
}

static void *watch(void *unused) {
  int64_t deadline = INT64_MAX;
  int asked = 0, number = SIGINT;
  (void)unused;
  for (;;) {
    int64_t now = now_ms(), left = deadline - now;
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    unsigned char byte;
    if (left <= 0) {
      end(number);
      return NULL;
    }
    if (poll(&one, 1, left < INT_MAX ? (int)left : -1) <= 0)
      continue;
    if (read(descriptor, &byte, 1) != 1)
      return NULL;
    if (byte != SIGINT && byte != SIGTERM)
      continue;
    number = byte;
    int64_t more = asked++ == 0 ? (patience ? patience : INT64_MAX - now) : patience ? AGAIN_MS : LATER_MS;
    deadline = deadline < now + more ? deadline : now + more;
  }
}

PyObject *core_guard(PyObject *module, PyObject *arguments) {
  const char *word, *text;
  pthread_t thread;
  sigset_t all, before;
  (void)module;
  if (!PyArg_ParseTuple(arguments, "iiss:guard", &descriptor, &patience, &word, &text))
    return NULL;
  snprintf(command, sizeof command, "%s", word);
  snprintf(after, sizeof after, "%s%s", *text ? "; " : "", text);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&thread, NULL, watch, NULL) == 0) /* without it all is as it was */
    pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  Py_RETURN_NONE;
}

PyObject *core_guard_file(PyObject *module, PyObject *path) {
  PyObject *name = NULL;
  (void)module;
  if (path != Py_None && !PyUnicode_FSConverter(path, &name))
    return NULL;
  const char *text = name ? PyBytes_AsString(name) : "";
  pthread_mutex_lock(&lock);
  snprintf(file, sizeof file, "%s", strlen(text) < sizeof file ? text : "");
  pthread_mutex_unlock(&lock);
  Py_XDECREF(name);
  Py_RETURN_NONE;
}

PyObject *core_guard_end(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  pthread_mutex_lock(&lock);
  over = true;
  pthread_mutex_unlock(&lock);
  Py_RETURN_NONE;
}
