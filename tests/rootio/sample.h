/* Sample files in memory, opened with a budget of their own, for the tests of this folder. */
#ifndef MLAAS_TESTS_ROOTIO_SAMPLE_H
#define MLAAS_TESTS_ROOTIO_SAMPLE_H

#include "base/memory.h"
#include "rootio/tree/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA TESTS_ROOT "/tests/data/"
#define PLAIN_METADATA TESTS_ROOT "/fuzz/seeds/fuzz_open/" /* files whose metadata are not compressed */

struct sample {
  uint8_t *data;
  size_t size;
  struct mlaas_budget *budget;
  struct mlaas_container container;
  struct mlaas_streamers streamers;
  struct mlaas_tree tree;
  struct mlaas_error error;
};

/* The bytes alone. */
static inline struct sample sample_load(const char *path) {
  struct sample sample = {.budget = mlaas_budget_new(64 << 20)};
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  sample.size = (size_t)ftell(file);
  sample.data = malloc(sample.size);
  rewind(file);
  assert_int_equal(fread(sample.data, 1, sample.size, file), sample.size);
  fclose(file);
  return sample;
}

/* The first `size` bytes as a container. */
static inline enum mlaas_status sample_open(struct sample *sample, size_t size) {
  struct mlaas_source *source;
  enum mlaas_status status = mlaas_source_from_memory(sample->data, size, &source, &sample->error);
  return status ? status : mlaas_container_open(&sample->container, source, sample->budget, &sample->error);
}

static inline const struct mlaas_key *sample_key(const struct sample *sample, const char *name, int cycle) {
  for (size_t i = 0; i < sample->container.num_keys; i++) {
    const struct mlaas_key *key = &sample->container.keys[i];
    if (strcmp(key->name, name) == 0 && key->cycle == cycle)
      return key;
  }
  return NULL;
}

static inline void sample_close(struct sample *sample) {
  mlaas_tree_reset(&sample->tree);
  mlaas_container_reset(&sample->container);
}

/* Everything, and every byte of the budget has come back. */
static inline void sample_free(struct sample *sample) {
  sample_close(sample);
  assert_int_equal(mlaas_budget_held(sample->budget), 0);
  mlaas_budget_put(sample->budget);
  free(sample->data);
}

/* Opens the file and reads all its trees; the last one stays in sample->tree. */
static inline enum mlaas_status sample_read_all(struct sample *sample, size_t size) {
  enum mlaas_status status = sample_open(sample, size);
  if (status == MLAAS_OK)
    status = mlaas_streamers_read(&sample->container, &sample->streamers, &sample->error);
  for (size_t i = 0; status == MLAAS_OK && i < sample->container.num_keys; i++) {
    const struct mlaas_key *key = &sample->container.keys[i];
    mlaas_tree_reset(&sample->tree);
    if (mlaas_tree_is_tree(&sample->streamers, key->class_name))
      status = mlaas_tree_read(&sample->container, &sample->streamers, key, &sample->tree, &sample->error);
  }
  return status;
}

static inline struct sample sample_tree(const char *path) {
  struct sample sample = sample_load(path);
  assert_int_equal(sample_read_all(&sample, sample.size), MLAAS_OK);
  return sample;
}

static inline const struct mlaas_branch *sample_branch(const struct sample *sample, const char *name) {
  for (size_t i = 0; i < sample->tree.num_all; i++)
    if (strcmp(sample->tree.all[i]->path, name) == 0)
      return sample->tree.all[i];
  return NULL;
}

#endif
