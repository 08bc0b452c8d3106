/* Handing a command over to the Python package. */
#include "cli/python.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run instead of -m, so that a missing package gets a sentence and not a stack of calls, and so does Ctrl-C while the
 * interpreter and the package start: stop_later() has made both signals wait for this handler. The user's folder comes
 * behind all packages, or a file of his called numpy.py or xgboost.py would stand for one. */
static const char bootstrap[] =
    "import sys\n"
    "if sys.path[:1] == ['']:\n"
    "    sys.path.append(sys.path.pop(0))\n"
    "import os, signal\n"
    "def stop(number, frame):\n"
    "    os.write(2, f'\\nmlaas {sys.argv[1]}: interrupted\\n'.encode())\n"
    "    os._exit(128 + number)\n"
    "for number in (signal.SIGINT, signal.SIGTERM):\n"
    "    if signal.getsignal(number) is not signal.SIG_IGN:\n"
    "        signal.signal(number, stop)\n"
    "signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))\n"
    "import importlib.util\n"
    "if importlib.util.find_spec('mlaas') is None:\n"
    "    print(f'mlaas {sys.argv[1]}: the Python at {sys.executable} does not have the package mlaas. Install it from "
    "'\n"
    "          f'the source folder with \"{sys.executable} -m pip install .\", or name the interpreter that has it: '\n"
    "          'MLAAS_PYTHON=/path/to/python3', file=sys.stderr)\n"
    "    sys.exit(3)\n"
    "import runpy\n"
    "runpy.run_module('mlaas.run', run_name='__main__', alter_sys=True)\n";

/* Makes Ctrl-C and SIGTERM wait, also across exec, or (how = SIG_UNBLOCK) lets them through again. */
static void stop_later(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(how, &signals, NULL);
}

static json_t *value_of(const struct mlaas_arguments *arguments, const struct mlaas_option *option) {
  if (option->type == MLAAS_OPTION_FLAG)
    return json_true();
  if (option->type == MLAAS_OPTION_COUNT || option->type == MLAAS_OPTION_SIZE)
    return json_integer(mlaas_arguments_number(arguments, option->name, 0));
  if (option->type == MLAAS_OPTION_SECONDS)
    return json_real(mlaas_arguments_seconds(arguments, option->name, 0));
  if (!option->repeats)
    return json_string(mlaas_arguments_text(arguments, option->name));
  json_t *list = json_array();
  for (size_t i = 0; i < mlaas_arguments_count(arguments, option->name); i++)
    json_array_append_new(list, json_string(mlaas_arguments_nth(arguments, option->name, i)));
  return list;
}

json_t *mlaas_python_options(const struct mlaas_arguments *arguments) {
  json_t *options = json_object();
  const struct mlaas_command *command = mlaas_arguments_command(arguments);
  for (const struct mlaas_option *option = command->options; option && option->name; option++) {
    if (mlaas_arguments_count(arguments, option->name) == 0)
      continue;
    char key[64];
    snprintf(key, sizeof key, "%s", option->name);
    for (char *dash = key; (dash = strchr(dash, '-')) != NULL;)
      *dash = '_';
    if (json_object_set_new(options, key, value_of(arguments, option)) != 0) {
      json_decref(options);
      return NULL;
    }
  }
  return options;
}

/* A python3 in the folder of this program, as in a virtual environment; false when there is none. */
static bool python_beside(char *path, size_t size) {
  ssize_t length = readlink("/proc/self/exe", path, size - 1);
  if (length <= 0)
    return false;
  path[length] = 0;
  char *slash = strrchr(path, '/');
  if (!slash || (size_t)(slash - path) + sizeof "/python3" > size)
    return false;
  memcpy(slash, "/python3", sizeof "/python3");
  return access(path, X_OK) == 0;
}

enum mlaas_status mlaas_python_run(const char *command, json_t *options, struct mlaas_error *error) {
  char beside[PATH_MAX];
  const char *python = getenv("MLAAS_PYTHON");
  if (!python || !python[0])
    python = python_beside(beside, sizeof beside) ? beside : "python3";
  char *text = options ? json_dumps(options, JSON_COMPACT) : NULL;
  json_decref(options);
  if (!text)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the options, or one of them is not UTF-8");
  fflush(stdout);
  fflush(stderr);
  stop_later(SIG_BLOCK);
  execlp(python, python, "-c", bootstrap, command, text, (char *)NULL);
  int reason = errno;
  stop_later(SIG_UNBLOCK);
  free(text);
  return mlaas_fail_errno(error, reason, "%s needs Python, and '%s' could not be started (MLAAS_PYTHON names another)",
                          command, python);
}

enum { MOST_TEXT = 1 << 30 };

static enum mlaas_status read_all(int descriptor, char **text, struct mlaas_error *error) {
  size_t size = 0, room = 1 << 16;
  char *all = mlaas_alloc(room);
  while (all) {
    ssize_t got = read(descriptor, all + size, room - size - 1);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      break;
    size += (size_t)got;
    if (room - size > 1)
      continue;
    char *grown = room < MOST_TEXT ? mlaas_realloc(all, room *= 2) : NULL;
    if (!grown)
      mlaas_free(all);
    all = grown;
  }
  if (!all)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for what Python says");
  all[size] = '\0';
  *text = all;
  return MLAAS_OK;
}

/* In the child: never returns. */
static void become_python(const char *command, json_t *options, int descriptor) {
  struct mlaas_error error;
  prctl(PR_SET_PDEATHSIG, SIGTERM); /* not to outlive the command */
  dup2(descriptor, STDOUT_FILENO);
  close(descriptor);
  enum mlaas_status status = mlaas_python_run(command, options, &error);
  dprintf(STDERR_FILENO, "mlaas %s: %s\n", command, error.message);
  _exit(mlaas_status_exit_code(status));
}

enum mlaas_status mlaas_python_read(const char *command, json_t *options, char **text, int *exit_code,
                                    struct mlaas_error *error) {
  int ends[2], how = 0;
  *text = NULL;
  if (pipe(ends) != 0) {
    json_decref(options);
    return mlaas_fail_errno(error, errno, "no pipe for what Python says");
  }
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    become_python(command, options, ends[1]);
  }
  close(ends[1]);
  json_decref(options);
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction(SIGINT, &ignore, &before); /* Ctrl-C reaches the child, whose exit code says so */
  enum mlaas_status status =
      child < 0 ? mlaas_fail_errno(error, errno, "Python could not be started") : read_all(ends[0], text, error);
  close(ends[0]);
  while (child > 0 && waitpid(child, &how, 0) < 0 && errno == EINTR)
    ;
  sigaction(SIGINT, &before, NULL);
  *exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
  bool good = *exit_code == 0 || *exit_code == mlaas_status_exit_code(MLAAS_INCOMPLETE);
  if (status != MLAAS_OK || !good) {
    mlaas_free(*text);
    *text = NULL;
  }
  return status;
}
