/* Archives, plain and gzipped, into a folder that is emptied again: nothing may appear beside it. */
#define _GNU_SOURCE /* nftw */
#include "serve/body/archive.h"

#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char the_outer[64], the_folder[80];

static int forget(const char *path, const struct stat *info, int kind, struct FTW *at) {
  if (kind == FTW_SL || (kind == FTW_F && (info->st_mode & 07777) != 0644) || at->level > 18)
    abort();
  return at->level == 0 ? 0 : remove(path);
}

static void remove_outer(void) {
  rmdir(the_folder);
  rmdir(the_outer);
}

static int entries(const char *path) {
  int count = 0;
  DIR *folder = opendir(path);
  if (!folder)
    abort();
  while (readdir(folder))
    count++;
  closedir(folder);
  return count - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_archive_limits limits = {1 << 20, 20};
  struct mlaas_archive_top top;
  struct mlaas_arena arena;
  if (!the_outer[0]) {
    umask(0);
    snprintf(the_outer, sizeof the_outer, "%s/mlaas-fuzz-tar-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(the_outer))
      abort();
    snprintf(the_folder, sizeof the_folder, "%s/in", the_outer);
    if (mkdir(the_folder, 0755))
      abort();
    atexit(remove_outer);
  }
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  mlaas_arena_init(&arena, budget);
  enum mlaas_status status =
      mlaas_archive_unpack((struct mlaas_slice){(const char *)data, size}, the_folder, &limits, &arena, &top, NULL);
  if (status == MLAAS_OK && (entries(the_folder) == 0 || (top.name.size && !top.name.data)))
    abort();
  if (entries(the_outer) != 1)
    abort();
  nftw(the_folder, forget, 20, FTW_DEPTH | FTW_PHYS);
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  return 0;
}
