/* Temporary folders of models for tests. Include after cmocka.h. */
#ifndef MLAAS_TESTS_MODEL_FOLDERS_H
#define MLAAS_TESTS_MODEL_FOLDERS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEST_PATH = 512 };

__attribute__((unused)) static void make_temporary(char path[TEST_PATH]) {
  const char *base = getenv("TMPDIR");
  snprintf(path, TEST_PATH, "%s/mlaas-test-XXXXXX", base && *base ? base : "/tmp");
  assert_non_null(mkdtemp(path));
}

/* Writes ROOT/NAME, making the folders on the way. */
__attribute__((unused)) static void put_bytes(const char *root, const char *name, const void *data, size_t size) {
  char path[2 * TEST_PATH];
  snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(path, 0755);
    *slash = '/';
  }
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

__attribute__((unused)) static void put_text(const char *root, const char *name, const char *text) {
  put_bytes(root, name, text, strlen(text));
}

__attribute__((unused)) static void remove_tree(const char *path) {
  DIR *dir = opendir(path);
  struct dirent *entry;
  while (dir && (entry = readdir(dir))) {
    char below[2 * TEST_PATH];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (unlink(below) != 0)
      remove_tree(below);
  }
  if (dir)
    closedir(dir);
  rmdir(path);
}

#endif
