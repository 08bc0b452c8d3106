/* A temporary folder for each test. Include after cmocka.h. */
#ifndef MLAAS_TESTS_MODEL_ROOT_H
#define MLAAS_TESTS_MODEL_ROOT_H

#include "base/memory.h"

#include "folders.h"

__attribute__((unused)) static char root[TEST_PATH];

__attribute__((unused)) static int make_root(void **state) {
  (void)state;
  make_temporary(root);
  return 0;
}

__attribute__((unused)) static int remove_root(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  remove_tree(root);
  return 0;
}

/* ROOT/NAME, until the fourth call from now. */
__attribute__((unused)) static char *below(const char *name) {
  static char paths[4][2 * TEST_PATH];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

#endif
