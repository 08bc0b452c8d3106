/* The walk from a column's root to each member, and the nodes that show it. Must not know how values are read. */
#include "rootio/value/members.h"

#include "base/error.h"

#include <string.h>

enum { MOST_LEVELS = 16, MOST_DEPTH = 64 };

struct walk {
  struct mlaas_arena *arena;
  mlaas_members_hook *hook;
  void *context;
  struct mlaas_error *error;
  const struct mlaas_node *levels[MOST_LEVELS]; /* lists, arrays and options above */
  size_t num_levels;
  int depth;
};

static bool holds_struct(const struct mlaas_node *node) {
  for (; node->num_children > 0 && node->kind != MLAAS_NODE_STRUCT; node = node->children)
    ;
  return node->kind == MLAAS_NODE_STRUCT;
}

/* A level as it was, with another child. */
static struct mlaas_node *copy_level(struct walk *walk, const struct mlaas_node *level, struct mlaas_node *child) {
  struct mlaas_node *copy = mlaas_arena_alloc(walk->arena, 1, sizeof *copy, walk->error);
  if (!copy)
    return NULL;
  *copy = *level;
  copy->children = child;
  copy->num_children = 1;
  if (copy->kind == MLAAS_NODE_LIST)
    copy->format = "+l"; /* keys alone are no map */
  return copy;
}

static bool is_option_in_option(const struct walk *walk, const struct mlaas_node *member) {
  return member->kind == MLAAS_NODE_OPTION && walk->num_levels > 0 &&
         walk->levels[walk->num_levels - 1]->kind == MLAAS_NODE_OPTION;
}

static enum mlaas_status show(struct walk *walk, const struct mlaas_node *member, const char *name) {
  if (is_option_in_option(walk, member))
    return MLAAS_OK;
  struct mlaas_node *shown = mlaas_arena_alloc(walk->arena, 1, sizeof *shown, walk->error);
  if (!shown)
    return walk->error->status;
  *shown = *member;
  for (size_t i = walk->num_levels; i-- > 0 && shown;)
    shown = copy_level(walk, walk->levels[i], shown);
  return shown ? walk->hook(walk->context, name, shown, walk->error) : walk->error->status;
}

static enum mlaas_status visit(struct walk *walk, const struct mlaas_node *node, const char *name);

static enum mlaas_status visit_members(struct walk *walk, const struct mlaas_node *node, const char *name) {
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    if (child->inlined) {
      MLAAS_TRY(visit_members(walk, child, name));
      continue;
    }
    if (child->kind == MLAAS_NODE_SKIP)
      continue;
    const char *path = mlaas_arena_format(walk->arena, walk->error, "%s.%s", name, child->name);
    if (!path)
      return walk->error->status;
    MLAAS_TRY(holds_struct(child) ? visit(walk, child, path) : show(walk, child, path));
  }
  return MLAAS_OK;
}

/* `node` holds a struct. */
static enum mlaas_status visit(struct walk *walk, const struct mlaas_node *node, const char *name) {
  enum mlaas_status status = MLAAS_OK;
  if (walk->depth == MOST_DEPTH)
    return MLAAS_OK;
  walk->depth++;
  if (node->kind == MLAAS_NODE_STRUCT) {
    status = visit_members(walk, node, name);
  } else if (walk->num_levels < MOST_LEVELS && !is_option_in_option(walk, node)) {
    walk->levels[walk->num_levels++] = node;
    status = visit(walk, node->children, name);
    walk->num_levels--;
  }
  walk->depth--;
  return status;
}

enum mlaas_status mlaas_node_members(const struct mlaas_node *root, const char *name, struct mlaas_arena *arena,
                                     mlaas_members_hook *hook, void *context, struct mlaas_error *error) {
  struct mlaas_error local;
  struct walk walk = {.arena = arena, .hook = hook, .context = context, .error = error ? error : &local};
  return holds_struct(root) ? visit(&walk, root, name) : MLAAS_OK;
}
