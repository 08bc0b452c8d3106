/* Nodes in the memory of a plan, within bounds; names as ROOT spells them. Must not know any class. */
#include "rootio/value/node_maker.h"

#include "base/error.h"

#include <string.h>

struct mlaas_node *mlaas_node_refuse(struct mlaas_node_maker *maker, const char *why) {
  if (!maker->unsupported && maker->status == MLAAS_OK)
    maker->unsupported = why;
  return NULL;
}

void *mlaas_node_failed(struct mlaas_node_maker *maker) {
  maker->status = maker->error->status;
  return NULL;
}

struct mlaas_node *mlaas_node_refuse_class(struct mlaas_node_maker *maker, const char *before, const char *name,
                                           const char *after) {
  char *why = mlaas_arena_format(maker->arena, maker->error, "%s%s%s%s%s", before, *before ? " " : "", name,
                                 *after ? " " : "", after);
  return why ? mlaas_node_refuse(maker, why) : mlaas_node_failed(maker);
}

struct mlaas_node *mlaas_node_new(struct mlaas_node_maker *maker, enum mlaas_node_kind kind, const char *format) {
  if (++maker->num_nodes > MLAAS_MOST_NODES)
    return mlaas_node_refuse(maker, "a class of so many members is not read");
  struct mlaas_node *node = mlaas_arena_alloc(maker->arena, 1, sizeof *node, maker->error);
  if (!node)
    return mlaas_node_failed(maker);
  *node = (struct mlaas_node){.kind = kind, .format = format, .name = ""};
  return node;
}

struct mlaas_node *mlaas_node_new_list(struct mlaas_node_maker *maker, enum mlaas_extent extent,
                                       struct mlaas_node *child) {
  if (child->kind == MLAAS_NODE_SKIP)
    return mlaas_node_refuse(maker, "collections of objects whose class is not known beforehand are not read");
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_LIST, "+l");
  if (node) {
    node->extent = extent;
    node->children = child;
    node->num_children = 1;
    node->per_count = 1;
  }
  return node;
}

/* Values in one row of nested arrays. */
static int64_t size_of(const struct mlaas_node *node) {
  int64_t per;
  if (node->kind == MLAAS_NODE_SKIP)
    return node->per_count;
  mlaas_node_inner(node, &per);
  return per;
}

struct mlaas_node *mlaas_node_new_fixed(struct mlaas_node_maker *maker, int32_t size, struct mlaas_node *child) {
  if (size < 1 || size_of(child) > INT32_MAX / size)
    return mlaas_node_refuse(maker, "the dimensions of an array are beyond what is read");
  if (child->kind == MLAAS_NODE_SKIP) {
    child->per_count *= size;
    return child;
  }
  char *format = mlaas_arena_format(maker->arena, maker->error, "+w:%d", size);
  if (!format)
    return mlaas_node_failed(maker);
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_FIXED, format);
  if (node) {
    node->size = size;
    node->children = child;
    node->num_children = 1;
  }
  return node;
}

struct mlaas_node *mlaas_node_new_skip(struct mlaas_node_maker *maker, enum mlaas_skip skip, int32_t size) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_SKIP, "");
  if (node) {
    node->skip = skip;
    node->size = size;
    node->per_count = 1;
  }
  return node;
}

/* ---- names ---- */

static const char *next_letter(const char *at) {
  for (;;) {
    if (*at == ' ')
      at++;
    else if (strncmp(at, "std::", 5) == 0)
      at += 5;
    else
      return at;
  }
}

bool mlaas_type_same(const char *left, const char *right) {
  left = next_letter(left);
  right = next_letter(right);
  while (*left && *left == *right) {
    left = next_letter(left + 1);
    right = next_letter(right + 1);
  }
  return *left == *right;
}

const struct mlaas_streamer_info *mlaas_node_find_info(struct mlaas_node_maker *maker, const char *name,
                                                       int32_t version, uint32_t checksum) {
  const struct mlaas_streamer_info *info = mlaas_streamers_find(maker->streamers, name, version, checksum);
  if (info || !strchr(name, '<'))
    return info;
  /* ROOT's spelling: no blanks but between two closing brackets, and in "unsigned int" and its kin */
  size_t length = strlen(name), used = 0;
  char *spelled = mlaas_arena_alloc(maker->arena, 2 * length + 1, 1, maker->error);
  if (!spelled)
    return mlaas_node_failed(maker);
  for (const char *at = name; *at; at++) {
    if (strncmp(at, "std::", 5) == 0 && (at == name || strchr("<, ", at[-1]))) {
      at += 4;
      continue;
    }
    if (*at == ' ' && (used == 0 || strchr("<,> ", spelled[used - 1]) || strchr("<,>* ", at[1])))
      continue;
    if (*at == '>' && used > 0 && spelled[used - 1] == '>')
      spelled[used++] = ' ';
    spelled[used++] = *at;
  }
  spelled[used] = '\0';
  return mlaas_streamers_find(maker->streamers, spelled, version, checksum);
}
