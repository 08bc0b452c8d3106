/* Names of members that a class has twice, from different bases: as many names of bases in front as tell them apart,
 * those that both come through left out. Knows nodes only.
 */
#include "rootio/ntuple/plan.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* A member and the bases it comes through, outermost first. */
struct member {
  struct mlaas_node *node;
  const char *own; /* its name before */
  const struct chain *chain;
  size_t order, prefixes;
};

struct chain {
  const struct chain *outer;
  const char *base;
  size_t depth; /* 1 for a direct base */
};

struct members {
  struct member *list;
  size_t count, room;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
};

static size_t count_members(const struct mlaas_node *node) {
  size_t count = 0;
  for (size_t i = 0; i < node->num_children; i++)
    count += node->children[i].inlined ? count_members(&node->children[i]) : 1;
  return count;
}

static enum mlaas_status collect(struct members *members, struct mlaas_node *node, const struct chain *chain) {
  for (size_t i = 0; i < node->num_children; i++) {
    struct mlaas_node *child = &node->children[i];
    if (!child->inlined) {
      members->list[members->count] = (struct member){child, child->name, chain, members->count, 0};
      members->count++;
      continue;
    }
    struct chain *inner = mlaas_arena_alloc(members->arena, 1, sizeof *inner, members->error);
    if (!inner)
      return members->error->status;
    *inner = (struct chain){chain, child->name, chain ? chain->depth + 1 : 1};
    MLAAS_TRY(collect(members, child, inner));
  }
  return MLAAS_OK;
}

static int compare_members(const void *left, const void *right) {
  const struct member *a = left, *b = right;
  int order = strcmp(a->own, b->own);
  if (order == 0)
    order = strcmp(a->node->name, b->node->name);
  return order ? order : a->order < b->order ? -1 : a->order > b->order;
}

static size_t depth_of(const struct chain *chain) { return chain ? chain->depth : 0; }

static const struct chain *chain_at(const struct chain *chain, size_t depth) {
  while (depth_of(chain) > depth)
    chain = chain->outer;
  return chain;
}

/* Bases that all of them come through. */
static size_t count_common(const struct member *group, size_t count) {
  size_t depth = depth_of(group[0].chain);
  const struct chain *common = group[0].chain;
  for (size_t i = 1; i < count; i++) {
    if (depth_of(group[i].chain) < depth)
      depth = depth_of(group[i].chain);
    const struct chain *other = chain_at(group[i].chain, depth);
    common = chain_at(common, depth);
    while (common != other) {
      common = common->outer;
      other = other->outer;
    }
    depth = depth_of(common);
  }
  return depth;
}

/* "A::B::member" with member->prefixes bases behind the common ones. */
static enum mlaas_status rename_member(const struct members *members, struct member *member, size_t common) {
  const char *name = member->own;
  size_t last = common + member->prefixes;
  for (const struct chain *base = chain_at(member->chain, last); depth_of(base) > common; base = base->outer) {
    name = mlaas_arena_format(members->arena, members->error, "%s::%s", base->base, name);
    if (!name)
      return members->error->status;
  }
  member->node->name = name;
  return MLAAS_OK;
}

/* Until all names of the group differ or nothing is left to put in front. */
static enum mlaas_status tell_apart(const struct members *members, struct member *group, size_t count) {
  size_t common = count_common(group, count);
  for (bool changed = true; changed;) {
    changed = false;
    qsort(group, count, sizeof *group, compare_members);
    for (size_t i = 0, next; i < count; i = next) {
      for (next = i + 1; next < count && strcmp(group[next].node->name, group[i].node->name) == 0;)
        next++;
      for (size_t k = i; next - i > 1 && k < next; k++) {
        bool more = depth_of(group[k].chain) > common + group[k].prefixes;
        group[k].prefixes += more;
        changed |= more;
      }
    }
    for (size_t i = 0; changed && i < count; i++)
      MLAAS_TRY(rename_member(members, &group[i], common));
  }
  return MLAAS_OK;
}

static enum mlaas_status qualify(struct members *members, struct mlaas_node *record) {
  MLAAS_TRY(collect(members, record, NULL));
  qsort(members->list, members->count, sizeof *members->list, compare_members);
  for (size_t i = 0, next; i < members->count; i = next) {
    for (next = i + 1; next < members->count && strcmp(members->list[next].own, members->list[i].own) == 0;)
      next++;
    if (next - i > 1)
      MLAAS_TRY(tell_apart(members, &members->list[i], next - i));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_ntuple_qualify(struct mlaas_node *record, struct mlaas_arena *arena,
                                       struct mlaas_error *error) {
  size_t count = count_members(record);
  struct members members = {.list = mlaas_alloc((count + 1) * sizeof *members.list), .arena = arena, .error = error};
  if (!members.list)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a class of %zu members", count);
  enum mlaas_status status = qualify(&members, record);
  mlaas_free(members.list);
  return status;
}
