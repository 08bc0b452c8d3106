/* Which branches lie beside which, by their names: counters are found so. ROOT's own reference to a counter leads to
 * the wrong one where a tree has two objects of a class. */
#include "rootio/tree/reader.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { COUNTED = 40, MOST_COUNTED = 60, LOOP = 501, LOOPS = 521 };

static bool is_counted(int32_t type) {
  return (type > COUNTED && type < MOST_COUNTED) || type == LOOP || type == LOOPS;
}

/* A member's name, without dimensions and the dot of a whole object. */
static size_t length_of(const char *name) {
  size_t length = strcspn(name, "[");
  while (length > 0 && name[length - 1] == '.')
    length--;
  return length;
}

/* "a.b." of "a.b.c". */
static size_t length_of_front(const char *name) {
  size_t length = length_of(name);
  while (length > 0 && name[length - 1] != '.')
    length--;
  return length;
}

struct key {
  const struct mlaas_branch *parent;
  const char *front, *rest;
  size_t front_length, rest_length;
};

static size_t hash_of(const struct key *key, size_t size) {
  XXH64_hash_t hash = XXH3_64bits_withSeed(key->front, key->front_length, (uintptr_t)key->parent);
  return XXH3_64bits_withSeed(key->rest, key->rest_length, hash) & (size - 1);
}

static struct key key_of(const struct mlaas_branch *branch) {
  size_t front = length_of_front(branch->name), length = length_of(branch->name);
  return (struct key){branch->parent, branch->name, branch->name + front, front, length - front};
}

static bool is_called(const struct mlaas_branch *branch, const struct key *key) {
  struct key own = key_of(branch);
  return own.parent == key->parent && own.front_length == key->front_length && own.rest_length == key->rest_length &&
         memcmp(own.front, key->front, key->front_length) == 0 && memcmp(own.rest, key->rest, key->rest_length) == 0;
}

static struct mlaas_branch **slot_of(const struct mlaas_tree *tree, const struct key *key) {
  size_t at = hash_of(key, tree->names_size);
  while (tree->names[at] && !is_called(tree->names[at], key))
    at = (at + 1) & (tree->names_size - 1);
  return &tree->names[at];
}

static bool has_counted(const struct mlaas_tree *tree) {
  for (size_t i = 0; i < tree->num_all; i++)
    for (size_t k = 0; k < tree->all[i]->num_leaves; k++)
      if (is_counted(tree->all[i]->leaves[k]->type))
        return true;
  return false;
}

enum mlaas_status mlaas_tree_names(struct mlaas_tree *tree, struct mlaas_error *error) {
  if (!has_counted(tree))
    return MLAAS_OK;
  size_t size = 16;
  while (size < 2 * tree->num_all)
    size *= 2;
  tree->names = mlaas_arena_alloc(&tree->arena, size, sizeof *tree->names, error);
  if (!tree->names)
    return error->status;
  tree->names_size = size;
  for (size_t i = 0; i < tree->num_all; i++) {
    struct key key = key_of(tree->all[i]);
    struct mlaas_branch **slot = slot_of(tree, &key);
    if (!*slot)
      *slot = tree->all[i];
  }
  return MLAAS_OK;
}

const struct mlaas_branch *mlaas_tree_sibling(const struct mlaas_tree *tree, const struct mlaas_branch *branch,
                                              const char *name) {
  if (!tree->names)
    return NULL;
  struct key key = {branch->parent, branch->name, name, length_of_front(branch->name), strlen(name)};
  return *slot_of(tree, &key);
}
