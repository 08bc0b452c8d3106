/* A tree from its key: the record, its own members, and the order and paths of its branches. */
#include "rootio/tree/reader.h"

#include <string.h>

bool mlaas_tree_is_tree(const struct mlaas_streamers *streamers, const char *class_name) {
  static const char *const known[] = {"TTree", "TNtuple", "TNtupleD", "TChain"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i], class_name) == 0)
      return true;
  return mlaas_streamers_derives(streamers, class_name, "TTree");
}

static enum mlaas_status tree_hook(void *context, enum mlaas_member member) {
  struct mlaas_tree_reader *reader = context;
  struct mlaas_tree *tree = reader->tree;
  if (member == MLAAS_MEMBER_fBranches)
    return mlaas_tree_branches(reader, NULL, &tree->branches, &tree->num_branches);
  struct mlaas_frame frame = mlaas_cursor_frame(&reader->cursor); /* fLeaves: the branches have them */
  mlaas_cursor_leave(&reader->cursor, &frame);
  return reader->cursor.status;
}

static void fill_ranges(struct mlaas_tree_reader *reader, const struct mlaas_value *values) {
  struct mlaas_tree *tree = reader->tree;
  const struct mlaas_value *ends = &values[MLAAS_MEMBER_fClusterRangeEnd], *sizes = &values[MLAAS_MEMBER_fClusterSize];
  if (!ends->data || !sizes->data || ends->number <= 0 || ends->number != sizes->number)
    return;
  size_t count = (size_t)ends->number;
  tree->cluster_ends = mlaas_tree_alloc(reader, count, sizeof(int64_t));
  tree->cluster_sizes = mlaas_tree_alloc(reader, count, sizeof(int64_t));
  if (reader->cursor.status != MLAAS_OK)
    return;
  tree->num_cluster_ranges = count;
  for (size_t i = 0; i < count; i++) {
    tree->cluster_ends[i] = mlaas_value_item(ends, (int64_t)i);
    tree->cluster_sizes[i] = mlaas_value_item(sizes, (int64_t)i);
  }
}

static void fill_tree(struct mlaas_tree_reader *reader, const struct mlaas_value *values) {
  struct mlaas_tree *tree = reader->tree;
  tree->name = mlaas_tree_text(reader, &values[MLAAS_MEMBER_name]);
  tree->title = mlaas_tree_text(reader, &values[MLAAS_MEMBER_title]);
  tree->entries = values[MLAAS_MEMBER_fEntries].number;
  tree->raw_bytes = values[MLAAS_MEMBER_fTotBytes].number;
  tree->stored_bytes = values[MLAAS_MEMBER_fZipBytes].number;
  tree->auto_flush = values[MLAAS_MEMBER_fAutoFlush].number;
  if (tree->entries < 0)
    mlaas_cursor_fail(&reader->cursor, MLAAS_FORMAT, "the tree has %lld entries", (long long)tree->entries);
  fill_ranges(reader, values);
}

/* Depth first: paths, and the list of all. Nesting is bounded by that of the objects. */
static enum mlaas_status list_branches(struct mlaas_tree_reader *reader, struct mlaas_branch **branches, size_t count) {
  struct mlaas_tree *tree = reader->tree;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_branch *branch = branches[i];
    branch->path = branch->parent
                       ? mlaas_arena_format(&tree->arena, reader->error, "%s/%s", branch->parent->path, branch->name)
                       : branch->name;
    if (!branch->path)
      return reader->error->status;
    tree->all[tree->num_all++] = branch;
    if (branch->count && !branch->count->path)
      branch->count->path = branch->count->name; /* TBranchClones' counter is in no list */
    MLAAS_TRY(list_branches(reader, branch->children, branch->num_children));
  }
  return MLAAS_OK;
}

static enum mlaas_status read_tree(struct mlaas_tree_reader *reader) {
  struct mlaas_tree *tree = reader->tree;
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  MLAAS_TRY(mlaas_layout_read(reader->layouts, tree->class_name, &reader->objects, values, tree_hook, reader));
  fill_tree(reader, values);
  MLAAS_TRY(reader->cursor.status);
  tree->all = mlaas_tree_alloc(reader, reader->num_branches, sizeof *tree->all);
  if (!tree->all)
    return reader->cursor.status;
  MLAAS_TRY(list_branches(reader, tree->branches, tree->num_branches));
  MLAAS_TRY(mlaas_tree_names(tree, reader->error));
  return mlaas_tree_clusters(tree, reader->error);
}

enum mlaas_status mlaas_tree_read(struct mlaas_container *container, const struct mlaas_streamers *streamers,
                                  const struct mlaas_key *key, struct mlaas_tree *tree, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_tree_reader reader = {.tree = tree, .streamers = streamers, .error = error ? error : &ignored};
  *tree = (struct mlaas_tree){0};
  mlaas_arena_init(&tree->arena, container->budget);
  enum mlaas_status status = mlaas_key_payload(container, key, &tree->payload, reader.error);
  if (status == MLAAS_OK) {
    tree->class_name = mlaas_arena_strndup(&tree->arena, key->class_name, strlen(key->class_name), reader.error);
    reader.layouts = mlaas_layouts_new(streamers, &tree->arena, reader.error);
    if (!tree->class_name || !reader.layouts)
      status = reader.error->status;
  }
  if (status == MLAAS_OK) {
    mlaas_cursor_init(&reader.cursor, tree->payload.data, tree->payload.size, -1, reader.error);
    mlaas_objects_init(&reader.objects, &reader.cursor, key->key_len, container->budget);
    status = read_tree(&reader);
    mlaas_objects_reset(&reader.objects);
  }
  if (status != MLAAS_OK)
    mlaas_tree_reset(tree);
  return status;
}

void mlaas_tree_reset(struct mlaas_tree *tree) {
  mlaas_block_reset(&tree->payload);
  mlaas_arena_reset(&tree->arena);
  *tree = (struct mlaas_tree){0};
}
