/* Where a branch's baskets lie, and from that where the tree's clusters begin. */
#include "rootio/tree/reader.h"

#include <string.h>

/* ---- baskets ---- */

enum mlaas_status mlaas_tree_embedded(struct mlaas_tree_reader *reader, struct mlaas_basket_ref **slots,
                                      size_t *count) {
  struct mlaas_cursor *cursor = &reader->cursor;
  struct mlaas_frame frame;
  int32_t items = mlaas_cursor_array(cursor, &frame);
  *slots = NULL;
  for (int32_t i = 0; i < items && cursor->status == MLAAS_OK; i++) {
    struct mlaas_pointer pointer;
    if (mlaas_objects_begin(&reader->objects, &pointer) != MLAAS_OK || pointer.kind != MLAAS_POINTER_NEW)
      continue;
    if (!*slots)
      *slots = mlaas_tree_alloc(reader, (size_t)items, sizeof **slots);
    if (pointer.end < 0)
      mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "a basket inside the tree has no byte count");
    if (cursor->status == MLAAS_OK && strcmp(pointer.class_name, "TBasket") == 0) {
      (*slots)[i].embedded = cursor->data + cursor->position;
      (*slots)[i].embedded_size = pointer.end - cursor->position;
      *count = (size_t)i + 1;
    }
    mlaas_objects_end(&reader->objects, &pointer);
  }
  mlaas_cursor_leave(cursor, &frame);
  return cursor->status;
}

struct lists {
  const struct mlaas_value *bytes, *entry, *seek;
  const struct mlaas_basket_ref *slots;
  size_t num_slots;
};

static int64_t item(const struct mlaas_value *value, int64_t i) {
  return value->data && i < value->number ? mlaas_value_item(value, i) : 0;
}

static int64_t items(const struct mlaas_value *value) { return value->data ? value->number : 0; }

/* Slot i may be embedded, which counts whatever its seek says, or on disk. The slot that was being filled when the tree
 * was written (write_basket) is nearly always embedded, or empty; slots behind it hold left-overs. */
static int64_t count_slots(const struct mlaas_branch *branch, const struct lists *lists) {
  int64_t count = branch->write_basket > 0 ? branch->write_basket : 0;
  bool embedded = count < (int64_t)lists->num_slots && lists->slots[count].embedded;
  bool stored = item(lists->seek, count) != 0 && item(lists->entry, count) < branch->entry_number;
  return embedded || stored ? count + 1 : count;
}

static enum mlaas_status mark(struct mlaas_tree_reader *reader, struct mlaas_branch *branch, const char *what,
                              int64_t i, int64_t count) {
  branch->num_baskets = 0;
  branch->damaged = true;
  branch->unsupported = mlaas_arena_format(&reader->tree->arena, reader->error, "basket %lld of %lld %s", (long long)i,
                                           (long long)count, what);
  return branch->unsupported ? MLAAS_OK : mlaas_tree_fail(reader, reader->error->status);
}

static const char *place_basket(const struct lists *lists, int64_t i, struct mlaas_basket_ref *basket) {
  bool embedded = i < (int64_t)lists->num_slots && lists->slots[i].embedded;
  if (embedded && (item(lists->seek, i) <= 0 || mlaas_basket_holds_values(&lists->slots[i]))) {
    *basket = lists->slots[i];
    basket->num_bytes = basket->embedded_size < INT32_MAX ? (int32_t)basket->embedded_size : INT32_MAX;
  } else {
    basket->seek = item(lists->seek, i);
    basket->num_bytes = (int32_t)item(lists->bytes, i);
    if (basket->seek <= 0 || basket->num_bytes <= 0)
      return "is neither in the file nor in the tree";
  }
  return NULL;
}

enum mlaas_status mlaas_tree_baskets(struct mlaas_tree_reader *reader, struct mlaas_branch *branch,
                                     const struct mlaas_value *values, const struct mlaas_basket_ref *slots,
                                     size_t num_slots) {
  struct lists lists = {&values[MLAAS_MEMBER_fBasketBytes], &values[MLAAS_MEMBER_fBasketEntry],
                        &values[MLAAS_MEMBER_fBasketSeek], slots, num_slots};
  int64_t count = count_slots(branch, &lists);
  if (count > items(lists.entry))
    return mark(reader, branch, "has no first entry", items(lists.entry), count);
  branch->baskets = mlaas_tree_alloc(reader, (size_t)count, sizeof *branch->baskets);
  if (!branch->baskets)
    return reader->cursor.status;
  for (int64_t i = 0; i < count; i++) {
    int64_t first = item(lists.entry, i), next = i + 1 < count ? item(lists.entry, i + 1) : branch->entry_number;
    if (first < 0 || next < first)
      return mark(reader, branch, "ends before it begins", i, count);
    if (next == first)
      continue; /* an empty one, or the place where the next would have gone */
    struct mlaas_basket_ref *basket = &branch->baskets[branch->num_baskets++];
    const char *fault = place_basket(&lists, i, basket);
    if (fault)
      return mark(reader, branch, fault, i, count);
    basket->entry = first;
  }
  return MLAAS_OK;
}

/* ---- clusters ---- */

/* The largest number of baskets of a branch: no tree has more clusters, whatever its numbers say. */
static size_t most_baskets(const struct mlaas_tree *tree) {
  size_t most = 1;
  for (size_t i = 0; i < tree->num_all; i++)
    if (tree->all[i]->num_baskets > most)
      most = tree->all[i]->num_baskets;
  return most;
}

/* First entries of the clusters of one size in [start, end), appended; false when there are too many. */
static bool append_range(struct mlaas_tree *tree, int64_t start, int64_t end, int64_t size, size_t room) {
  if (size <= 0 || size > end - start)
    size = end - start;
  for (int64_t first = start; first < end; first += size) {
    if (tree->num_clusters == room)
      return false;
    tree->clusters[tree->num_clusters++] = first;
    if (size > end - first)
      break;
  }
  return true;
}

/* As the writer noted it: ranges with a size each, then fAutoFlush for the rest. */
static bool clusters_by_note(struct mlaas_tree *tree, size_t room) {
  int64_t start = 0;
  if (tree->auto_flush <= 0)
    return false;
  for (size_t i = 0; i < tree->num_cluster_ranges; i++) {
    int64_t end = tree->cluster_ends[i] < tree->entries ? tree->cluster_ends[i] + 1 : tree->entries;
    if (end < start || !append_range(tree, start, end, tree->cluster_sizes[i], room))
      return false;
    start = end;
  }
  return append_range(tree, start, tree->entries, tree->auto_flush, room);
}

/* Keeps those of the clusters that begin a basket of this branch too. */
static void keep_common(struct mlaas_tree *tree, const struct mlaas_branch *branch) {
  size_t kept = 0, basket = 0;
  for (size_t i = 0; i < tree->num_clusters; i++) {
    while (basket < branch->num_baskets && branch->baskets[basket].entry < tree->clusters[i])
      basket++;
    if (basket < branch->num_baskets && branch->baskets[basket].entry == tree->clusters[i])
      tree->clusters[kept++] = tree->clusters[i];
  }
  tree->num_clusters = kept;
}

/* Entries where every branch begins a basket. */
static void clusters_by_baskets(struct mlaas_tree *tree) {
  const struct mlaas_branch *fewest = NULL;
  for (size_t i = 0; i < tree->num_all; i++)
    if (tree->all[i]->num_baskets && (!fewest || tree->all[i]->num_baskets < fewest->num_baskets))
      fewest = tree->all[i];
  tree->num_clusters = 0;
  for (size_t i = 0; fewest && i < fewest->num_baskets; i++)
    if (fewest->baskets[i].entry < tree->entries)
      tree->clusters[tree->num_clusters++] = fewest->baskets[i].entry;
  for (size_t i = 0; i < tree->num_all; i++)
    if (tree->all[i]->num_baskets)
      keep_common(tree, tree->all[i]);
}

enum mlaas_status mlaas_tree_clusters(struct mlaas_tree *tree, struct mlaas_error *error) {
  size_t room = most_baskets(tree) + tree->num_cluster_ranges + 1;
  if (tree->entries == 0)
    return MLAAS_OK;
  tree->clusters = mlaas_arena_alloc(&tree->arena, room, sizeof *tree->clusters, error);
  if (!tree->clusters)
    return error->status;
  if (!clusters_by_note(tree, room))
    clusters_by_baskets(tree);
  if (tree->num_clusters == 0 || tree->clusters[0] != 0) {
    size_t kept = tree->num_clusters < room ? tree->num_clusters : room - 1;
    memmove(tree->clusters + 1, tree->clusters, kept * sizeof *tree->clusters);
    tree->clusters[0] = 0;
    tree->num_clusters = kept + 1;
  }
  return MLAAS_OK;
}
