/* Trials that are remembered by the fingerprint of the files: while the server runs, and beyond it in a file in the
 * folder of models, which counts only for the same program with the same options.
 */
#include "model/repository/trial.h"

#include "base/error.h"
#include "model/check.h"
#include "model/folder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { REMEMBERED = 4096, FILE_BYTES = 1 << 20, LINE = 64 };

struct mlaas_checks {
  const struct mlaas_repository_options *options;
  pthread_mutex_t lock;
  uint64_t good[REMEMBERED]; /* a ring */
  size_t next;
  uint64_t salt; /* of the program and the options */
  bool written;  /* the file is ours: lines may be added to it */
  char path[PATH_MAX];
};

/* ---- the file: a line with the salt, then a line per fingerprint ---- */

static uint64_t mix(uint64_t salt, const char *text) {
  return text ? XXH3_64bits_withSeed(text, strlen(text), salt) : salt + 1;
}

/* Another program, other plug-ins or other libraries may think otherwise of a model. */
static uint64_t make_salt(const struct mlaas_repository_options *options) {
  struct stat about = {0};
  char facts[LINE];
  if (stat(options->checker, &about) != 0)
    about.st_size = 0;
  snprintf(facts, sizeof facts, "%lld %lld", (long long)about.st_size, (long long)about.st_mtim.tv_sec);
  uint64_t salt = mix(mix(1, MLAAS_VERSION), facts);
  salt = mix(mix(salt, options->model.backend), options->model.backends);
  salt = mix(mix(salt, options->model.libraries), options->model.options);
  return mix(mix(salt, getenv("MLAAS_BACKENDS")), getenv("MLAAS_LIBRARIES"));
}

static void read_file(struct mlaas_checks *checks) {
  char *text = NULL, head[LINE];
  size_t length = 0;
  if (mlaas_file_text(checks->path, FILE_BYTES, &text, &length, NULL) != MLAAS_OK)
    return;
  snprintf(head, sizeof head, "mlaas-checked 1 %016" PRIx64 "\n", checks->salt);
  checks->written = strncmp(text, head, strlen(head)) == 0;
  for (char *line = text + (checks->written ? strlen(head) : 0); checks->written && line + 17 <= text + length;
       line += 17) {
    char *end = NULL;
    uint64_t fingerprint = strtoull(line, &end, 16);
    if (end != line + 16 || *end != '\n')
      break; /* cut short by a crash: the rest is tried again */
    checks->good[checks->next++ % REMEMBERED] = fingerprint;
  }
  checks->written = checks->written && length < FILE_BYTES / 2;
  mlaas_free(text);
}

/* `lock` is held. Best effort: what cannot be written is tried again by the next server. */
static void write_line(struct mlaas_checks *checks, uint64_t fingerprint) {
  char text[2 * LINE];
  int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (checks->written ? O_APPEND : O_TRUNC);
  int file = open(checks->path, flags, 0644);
  if (file < 0)
    return;
  int length = checks->written ? snprintf(text, sizeof text, "%016" PRIx64 "\n", fingerprint)
                               : snprintf(text, sizeof text, "mlaas-checked 1 %016" PRIx64 "\n%016" PRIx64 "\n",
                                          checks->salt, fingerprint);
  checks->written = write(file, text, (size_t)length) == length;
  close(file);
}

/* ---- what is remembered ---- */

enum mlaas_status mlaas_checks_new(const struct mlaas_repository_options *options, struct mlaas_checks **out,
                                   struct mlaas_error *error) {
  struct mlaas_checks *checks = *out = mlaas_alloc(sizeof *checks);
  if (!checks)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the trials of models");
  pthread_mutex_init(&checks->lock, NULL);
  checks->options = options;
  if (!options->checker || snprintf(checks->path, PATH_MAX, "%s/.mlaas-checked", options->folder) >= PATH_MAX)
    return MLAAS_OK;
  checks->salt = make_salt(options);
  read_file(checks);
  return MLAAS_OK;
}

void mlaas_checks_free(struct mlaas_checks *checks) {
  if (checks)
    pthread_mutex_destroy(&checks->lock);
  mlaas_free(checks);
}

static bool is_good(struct mlaas_checks *checks, uint64_t fingerprint) {
  bool found = false;
  pthread_mutex_lock(&checks->lock);
  for (size_t i = 0; i < REMEMBERED && !found; i++)
    found = checks->good[i] == fingerprint;
  pthread_mutex_unlock(&checks->lock);
  return found;
}

static void remember(struct mlaas_checks *checks, uint64_t fingerprint) {
  pthread_mutex_lock(&checks->lock);
  checks->good[checks->next++ % REMEMBERED] = fingerprint;
  if (!checks->options->read_only)
    write_line(checks, fingerprint);
  pthread_mutex_unlock(&checks->lock);
}

enum mlaas_status mlaas_checks_try(struct mlaas_checks *checks, const char *path, uint64_t fingerprint,
                                   struct mlaas_error *error) {
  const struct mlaas_repository_options *options = checks->options;
  struct mlaas_check check = {.program = options->checker,
                              .path = path,
                              .model = &options->model,
                              .limit_ms = options->check_ms,
                              .limit_memory = options->check_memory};
  if (!check.program || is_good(checks, fingerprint))
    return MLAAS_OK;
  MLAAS_TRY(mlaas_check_run(&check, error));
  remember(checks, fingerprint);
  return MLAAS_OK;
}
