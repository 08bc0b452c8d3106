/* Less of a field: the feeds that a part of its buffers needs. Must not know how nodes were made. */
#include "rootio/ntuple/plan.h"

#include "base/error.h"

/* Objects are decoded whole, from bytes of their own, so one that holds `last` needs those. */
static void mark_objects(const struct mlaas_field_plan *plan, size_t last, bool *needed) {
  for (size_t i = 0; i < plan->num_objects; i++) {
    const struct mlaas_field_object *object = &plan->objects[i];
    if (last >= object->node->buffer && last < object->node->buffer + object->walk.num_buffers)
      needed[object->feed] = needed[object->feed + 1] = true;
  }
}

/* The objects whose feeds are needed, with the places of those now. */
static enum mlaas_status keep_objects(const struct mlaas_field_plan *plan, const bool *needed, const int *places,
                                      struct mlaas_arena *arena, struct mlaas_field_plan *part,
                                      struct mlaas_error *error) {
  part->num_objects = 0;
  part->objects = mlaas_arena_alloc(arena, plan->num_objects + 1, sizeof *part->objects, error);
  if (!part->objects)
    return error->status;
  for (size_t i = 0; i < plan->num_objects; i++)
    if (needed[plan->objects[i].feed]) {
      part->objects[part->num_objects] = plan->objects[i];
      part->objects[part->num_objects++].feed = (size_t)places[plan->objects[i].feed];
    }
  return MLAAS_OK;
}

/* Marks what fills the values at the end of `shown`, then all that counts their rows: lists, options, variants. */
static void mark_shown(const struct mlaas_field_plan *plan, const struct mlaas_node *shown, bool *needed) {
  while (shown->num_children > 0)
    shown = shown->children;
  size_t last = shown->buffer + (shown->kind == MLAAS_NODE_TEXT);
  mark_objects(plan, last, needed);
  for (size_t i = plan->num_feeds; i-- > 0;) { /* parents come first */
    const struct mlaas_field_feed *feed = &plan->feeds[i];
    needed[i] |= feed->buffer >= shown->buffer && feed->buffer <= last;
    if (needed[i] && feed->parent != MLAAS_FEED_ENTRIES)
      needed[feed->parent] = true;
  }
}

enum mlaas_status mlaas_field_plan_project(const struct mlaas_field_plan *plan, struct mlaas_node *shown,
                                           struct mlaas_arena *arena, struct mlaas_field_plan *part,
                                           struct mlaas_error *error) {
  size_t most = plan->num_feeds + 1;
  bool *needed = mlaas_arena_alloc(arena, most, sizeof *needed, error);
  int *places = mlaas_arena_alloc(arena, most, sizeof *places, error);
  *part = *plan;
  part->root = shown;
  part->feeds = mlaas_arena_alloc(arena, most, sizeof *part->feeds, error);
  if (!needed || !places || !part->feeds)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a part of a field");
  mark_shown(plan, shown, needed);
  part->num_feeds = 0;
  part->num_levels = 0;
  for (size_t i = 0; i < plan->num_feeds; i++) {
    if (!needed[i])
      continue;
    struct mlaas_field_feed *feed = &part->feeds[part->num_feeds];
    *feed = plan->feeds[i];
    if (feed->parent != MLAAS_FEED_ENTRIES)
      feed->parent = places[feed->parent];
    if (feed->level >= part->num_levels)
      part->num_levels = feed->level + 1;
    places[i] = (int)part->num_feeds++;
  }
  return keep_objects(plan, needed, places, arena, part, error);
}
