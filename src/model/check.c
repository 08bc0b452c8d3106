/* The parent's side of a trial: starts the child, listens to it for so long and so much, ends it, says what came of it.
 * The child limits its own memory and processor time (cli/model_check.c), since only it can before it begins.
 */
#define _GNU_SOURCE /* posix_spawn_file_actions_addclosefrom_np, pipe2 */
#include "model/check.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 64 << 10, WORDS = 4 << 10, MOST_ARGUMENTS = 20, NUMBER = 32 };

struct child {
  pid_t pid;
  int answer, words; /* its standard output and error */
  char answer_text[ANSWER + 1], words_text[WORDS + 1];
  size_t answer_size, words_size; /* words: the last ones */
};

static int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- starting ---- */

static size_t add_option(char **argv, size_t at, const char *name, const char *value) {
  if (value && *value) {
    argv[at++] = (char *)(uintptr_t)name; /* posix_spawn changes neither */
    argv[at++] = (char *)(uintptr_t)value;
  }
  return at;
}

static void make_arguments(const struct mlaas_check *check, char numbers[3][NUMBER], char **argv) {
  const struct mlaas_model_options *model = check->model;
  size_t at = 0;
  int64_t seconds = check->limit_ms / 1000 + 1;
  snprintf(numbers[0], NUMBER, "%lld", (long long)check->limit_memory);
  snprintf(numbers[1], NUMBER, "%lld", (long long)seconds);
  snprintf(numbers[2], NUMBER, "%d", model->threads);
  argv[at++] = (char *)(uintptr_t)check->program;
  argv[at++] = (char *)(uintptr_t) "model-check";
  at = add_option(argv, at, "--memory", check->limit_memory > 0 ? numbers[0] : NULL);
  at = add_option(argv, at, "--seconds", numbers[1]);
  at = add_option(argv, at, "--threads", model->threads > 0 ? numbers[2] : NULL);
  at = add_option(argv, at, "--backend", model->backend);
  at = add_option(argv, at, "--backends", model->backends);
  at = add_option(argv, at, "--libraries", model->libraries);
  at = add_option(argv, at, "--options", model->options);
  argv[at++] = (char *)(uintptr_t) "--";
  argv[at++] = (char *)(uintptr_t)check->path;
  argv[at] = NULL;
}

/* A process group of its own, so that what it starts is ended with it; no descriptor and no blocked signal of ours. */
static int spawn(const struct mlaas_check *check, int answer, int words, pid_t *pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, usual;
  char numbers[3][NUMBER], *argv[MOST_ARGUMENTS];
  make_arguments(check, numbers, argv);
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, answer, 1);
  posix_spawn_file_actions_adddup2(&files, words, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  sigaddset(&usual, SIGINT);
  sigaddset(&usual, SIGTERM);
  sigaddset(&usual, SIGHUP);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int failed = posix_spawnp(pid, check->program, &files, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

static void close_pair(int pair[2]) {
  if (pair[0] >= 0)
    close(pair[0]);
  if (pair[1] >= 0)
    close(pair[1]);
}

static enum mlaas_status start(const struct mlaas_check *check, struct child *child, struct mlaas_error *error) {
  int answer[2] = {-1, -1}, words[2] = {-1, -1};
  int failed = pipe2(answer, O_CLOEXEC) != 0 || pipe2(words, O_CLOEXEC) != 0 ? errno : 0;
  if (!failed)
    failed = spawn(check, answer[1], words[1], &child->pid);
  if (failed) {
    close_pair(answer);
    close_pair(words);
    mlaas_fail_errno(error, failed, "the model cannot be tried: %s cannot be started", check->program);
    return error ? (error->status = MLAAS_IO) : MLAAS_IO;
  }
  close(answer[1]);
  close(words[1]);
  child->answer = answer[0];
  child->words = words[0];
  fcntl(child->answer, F_SETFL, O_NONBLOCK);
  fcntl(child->words, F_SETFL, O_NONBLOCK);
  return MLAAS_OK;
}

/* ---- listening ---- */

/* False: the other end is closed. */
static bool read_answer(struct child *child) {
  char rest[4096]; /* beyond the bound it is read and dropped */
  bool room = child->answer_size < ANSWER;
  ssize_t got = room ? read(child->answer, child->answer_text + child->answer_size, ANSWER - child->answer_size)
                     : read(child->answer, rest, sizeof rest);
  if (got > 0 && room)
    child->answer_size += (size_t)got;
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Keeps the last words. */
static bool read_words(struct child *child) {
  char part[WORDS];
  ssize_t got = read(child->words, part, sizeof part);
  if (got <= 0)
    return got < 0 && (errno == EINTR || errno == EAGAIN);
  size_t size = (size_t)got, keep = WORDS - size < child->words_size ? WORDS - size : child->words_size;
  memmove(child->words_text, child->words_text + child->words_size - keep, keep);
  memcpy(child->words_text + keep, part, size);
  child->words_size = keep + size;
  return true;
}

/* Until both ends are closed or time is up; true: in time. */
static bool listen_to(struct child *child, int64_t end) {
  struct pollfd ends[2] = {{.fd = child->answer, .events = POLLIN}, {.fd = child->words, .events = POLLIN}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    int64_t left = end - now_ms();
    if (left <= 0)
      return false;
    if (poll(ends, 2, left < 1000 ? (int)left : 1000) < 0 && errno != EINTR)
      return false;
    if (ends[0].fd >= 0 && ends[0].revents && !read_answer(child))
      ends[0].fd = -1;
    if (ends[1].fd >= 0 && ends[1].revents && !read_words(child))
      ends[1].fd = -1;
  }
  return true;
}

/* A child may close its ends and stay. */
static bool wait_for_end(struct child *child, int64_t end, int *how) {
  for (;;) {
    pid_t done = waitpid(child->pid, how, WNOHANG);
    if (done == child->pid || (done < 0 && errno != EINTR))
      return done == child->pid;
    if (now_ms() >= end)
      return false;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

/* ---- what came of it ---- */

static enum mlaas_status status_of(const char *name) {
  for (int i = 1; name && i < MLAAS_STATUS_COUNT; i++)
    if (strcmp(name, mlaas_status_name((enum mlaas_status)i)) == 0)
      return (enum mlaas_status)i;
  return MLAAS_FORMAT;
}

static enum mlaas_status take_answer(struct child *child, struct mlaas_error *error) {
  const char *line = child->answer_text; /* a library may have printed before */
  for (char *at = child->answer_text; (at = strchr(at, '\n')) && at[1]; at++)
    line = at + 1;
  json_t *answer = json_loads(line, 0, NULL);
  enum mlaas_status status = MLAAS_OK;
  if (!json_is_object(answer)) {
    status = mlaas_fail(error, MLAAS_FORMAT, "the model ended the program when it was tried");
  } else if (!json_is_true(json_object_get(answer, "ok"))) {
    const char *message = json_string_value(json_object_get(answer, "message"));
    status = status_of(json_string_value(json_object_get(answer, "status")));
    mlaas_fail(error, status, "%s", message ? message : "the model cannot be opened");
  }
  json_decref(answer);
  return status;
}

/* The last line of what it said, which often tells why. */
static const char *last_words(struct child *child) {
  char *text = child->words_text;
  size_t size = child->words_size;
  while (size && (text[size - 1] == '\n' || text[size - 1] == ' '))
    size--;
  text[size] = 0;
  char *line = strrchr(text, '\n');
  for (char *at = text; *at; at++)
    if ((unsigned char)*at < ' ' || (unsigned char)*at >= 127)
      *at = ' ';
  return line ? line + 1 : text;
}

static enum mlaas_status judge(struct child *child, bool in_time, int how, int64_t limit_ms,
                               struct mlaas_error *error) {
  bool ended = WIFSIGNALED(how);
  int signal = ended ? WTERMSIG(how) : 0;
  if (!in_time || signal == SIGXCPU)
    return mlaas_fail(error, MLAAS_TIMEOUT, "the model was not through with its trial after %.1f seconds",
                      (double)limit_ms / 1000);
  child->answer_text[child->answer_size] = 0;
  if (!ended)
    return take_answer(child, error);
  const char *words = last_words(child);
  return mlaas_fail(error, MLAAS_FORMAT, "the model crashed when it was tried (signal %d)%s%.300s", signal,
                    *words ? ": " : "", words);
}

enum mlaas_status mlaas_check_run(const struct mlaas_check *check, struct mlaas_error *error) {
  struct child *child = mlaas_alloc(sizeof *child);
  if (!child)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the trial of a model");
  int64_t end = now_ms() + check->limit_ms;
  int how = 0;
  enum mlaas_status status = start(check, child, error);
  if (status == MLAAS_OK) {
    bool in_time = listen_to(child, end) && wait_for_end(child, end, &how);
    kill(-child->pid, SIGKILL); /* also what it may have left behind */
    if (!in_time)
      while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR)
        ;
    close(child->answer);
    close(child->words);
    status = judge(child, in_time, how, check->limit_ms, error);
  }
  mlaas_free(child);
  return mlaas_fail_in(error, status, "%s", check->path);
}
