/* From a branch's record to a plan: which kinds of branches there are, which of them are columns, and leaves. What is
 * not certain is refused. Must not know any basket's bytes.
 */
#include "rootio/tree/branch_plan.h"

#include "base/error.h"
#include "rootio/tree/branch_element.h"

#include <string.h>

enum { TYPE_CLONES = 3, TYPE_COLLECTION = 4 };

/* ---- plain branches ---- */

struct leaf_type {
  int32_t code, unsigned_code;
  const char *name, *unsigned_name;
};

static const struct leaf_type leaf_types[] = {
    [MLAAS_LEAF_O] = {18, 18, "Bool_t", "Bool_t"},         [MLAAS_LEAF_B] = {1, 11, "Char_t", "UChar_t"},
    [MLAAS_LEAF_S] = {2, 12, "Short_t", "UShort_t"},       [MLAAS_LEAF_I] = {3, 13, "Int_t", "UInt_t"},
    [MLAAS_LEAF_L] = {16, 17, "Long64_t", "ULong64_t"},    [MLAAS_LEAF_G] = {4, 14, "Long_t", "ULong_t"},
    [MLAAS_LEAF_F] = {5, 5, "Float_t", "Float_t"},         [MLAAS_LEAF_D] = {8, 8, "Double_t", "Double_t"},
    [MLAAS_LEAF_F16] = {19, 19, "Float16_t", "Float16_t"}, [MLAAS_LEAF_D32] = {9, 9, "Double32_t", "Double32_t"},
};

static const struct leaf_type *type_of_leaf(const struct mlaas_leaf *leaf) {
  size_t kind = (size_t)leaf->kind;
  return kind < sizeof leaf_types / sizeof leaf_types[0] && leaf_types[kind].name ? &leaf_types[kind] : NULL;
}

static enum mlaas_status leaf_node(struct mlaas_branch_maker *maker, const struct mlaas_leaf *leaf,
                                   struct mlaas_shape *shape, struct mlaas_node **node) {
  const struct leaf_type *type = type_of_leaf(leaf);
  struct mlaas_scalar value;
  const char *format;
  *node = NULL;
  if (!type)
    return mlaas_maker_refuse(maker, "a leaf of this type is not read yet");
  if (!mlaas_shape_of_leaf(leaf, shape))
    return mlaas_maker_refuse(maker, "the dimensions of its leaf contradict each other");
  if (!mlaas_maker_value(leaf->is_unsigned ? type->unsigned_code : type->code, leaf->title, &value, &format))
    return mlaas_maker_refuse(maker, "the range of its Float16_t or Double32_t is ambiguous");
  return mlaas_maker_array(maker, &value, format, shape, node);
}

static const char *brackets_of(const char *title, int *length) {
  const char *start = strchr(title, '['), *slash = start ? strchr(start, '/') : NULL;
  *length = start ? (int)(slash ? slash - start : (int)strlen(start)) : 0;
  return start ? start : "";
}

static enum mlaas_status plan_leaf(struct mlaas_branch_maker *maker, const struct mlaas_leaf *leaf) {
  struct mlaas_node *node;
  struct mlaas_shape shape;
  if (leaf->kind == MLAAS_LEAF_C) {
    maker->plan->type_name = "char*";
    MLAAS_TRY(mlaas_maker_text(maker, MLAAS_EXTENT_LEAF, false, &node));
    return mlaas_maker_finish(maker, node, 0);
  }
  MLAAS_TRY(leaf_node(maker, leaf, &shape, &node));
  if (!node)
    return MLAAS_OK;
  const struct leaf_type *type = type_of_leaf(leaf);
  int length;
  const char *brackets = brackets_of(leaf->title, &length);
  maker->plan->type_name = mlaas_arena_format(maker->arena, maker->error, "%s%.*s",
                                              leaf->is_unsigned ? type->unsigned_name : type->name, length, brackets);
  if (!maker->plan->type_name)
    return MLAAS_MEMORY;
  if (leaf->count)
    return mlaas_maker_rest(maker, node, 0, leaf->count->branch);
  return shape.counted ? mlaas_maker_refuse(maker, "its counter is missing") : mlaas_maker_finish(maker, node, 0);
}

/* ---- leaf lists ---- */

/* Bytes of an entry behind leaf `first`, which have to be the same in all; -1 where they are not. */
static int64_t bytes_behind(const struct mlaas_branch *branch, const struct mlaas_node *nodes, size_t first) {
  int64_t sum = 0;
  for (size_t i = first + 1; i < branch->num_leaves; i++) {
    int64_t bytes = mlaas_node_stored(&nodes[i]);
    if (bytes <= 0 || bytes > INT32_MAX - sum)
      return -1;
    sum += bytes;
  }
  return sum;
}

/* An empty text has no bytes at all, not even its length: only the end of the entry tells. */
static enum mlaas_status check_texts(struct mlaas_branch_maker *maker, struct mlaas_node *nodes) {
  for (size_t i = 0; i < maker->branch->num_leaves; i++) {
    int64_t behind = nodes[i].kind == MLAAS_NODE_TEXT ? bytes_behind(maker->branch, nodes, i) : 0;
    if (behind < 0)
      return mlaas_maker_refuse(maker, "leaves of varying length follow a text, which does not tell where it ends");
    if (nodes[i].kind == MLAAS_NODE_TEXT)
      nodes[i].size = (int32_t)behind;
  }
  return MLAAS_OK;
}

/* A list of `item` as long as the counter says: a leaf in front, or one of another branch. */
static enum mlaas_status counted_leaf(struct mlaas_branch_maker *maker, const struct mlaas_leaf *leaf, size_t before,
                                      struct mlaas_node *nodes, struct mlaas_node *item, struct mlaas_node **list) {
  const struct mlaas_branch *branch = maker->branch;
  size_t at = 0;
  while (at < before && branch->leaves[at] != leaf->count)
    at++;
  bool inside = at < before;
  MLAAS_TRY(mlaas_maker_list(maker, inside ? MLAAS_EXTENT_MEMBER : MLAAS_EXTENT_GIVEN, false, item, list));
  (*list)->per_count = 1;
  if (inside) {
    (*list)->counter = &nodes[at];
    bool plain = nodes[at].kind == MLAAS_NODE_VALUE && nodes[at].value.packing == MLAAS_PACKED_PLAIN;
    return plain && strchr("cCsSiIlL", nodes[at].format[0]) ? MLAAS_OK
                                                            : mlaas_maker_refuse(maker, "its counter is no integer");
  }
  struct mlaas_branch_plan *plan = maker->plan;
  if (leaf->count->branch == branch || (plan->counter && plan->counter != leaf->count->branch))
    return mlaas_maker_refuse(maker, "its leaves are counted by several branches, or by one behind");
  plan->counter = leaf->count->branch;
  plan->counts_given = true;
  return MLAAS_OK;
}

static enum mlaas_status leaf_of_list(struct mlaas_branch_maker *maker, size_t i, struct mlaas_node *nodes) {
  const struct mlaas_leaf *leaf = maker->branch->leaves[i];
  struct mlaas_shape shape = {.num_dims = 0};
  struct mlaas_node *node;
  if (leaf->kind == MLAAS_LEAF_C)
    MLAAS_TRY(mlaas_maker_text(maker, MLAAS_EXTENT_LEAF, false, &node));
  else
    MLAAS_TRY(leaf_node(maker, leaf, &shape, &node));
  if (!node)
    return MLAAS_OK;
  if (leaf->count && leaf->kind != MLAAS_LEAF_C)
    MLAAS_TRY(counted_leaf(maker, leaf, i, nodes, node, &node));
  else if (shape.counted)
    return mlaas_maker_refuse(maker, "its counter is missing");
  nodes[i] = *node;
  nodes[i].name = leaf->name;
  return MLAAS_OK;
}

/* The leaves lie one behind the other, whatever the struct in the writer's memory looked like. */
static enum mlaas_status plan_leaves(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  struct mlaas_node *root;
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_STRUCT, "+s", &root));
  root->num_children = branch->num_leaves;
  root->children = mlaas_arena_alloc(maker->arena, branch->num_leaves, sizeof *root->children, maker->error);
  if (!root->children)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < branch->num_leaves && !maker->plan->unsupported; i++)
    MLAAS_TRY(leaf_of_list(maker, i, root->children));
  maker->plan->type_name = "struct";
  if (!maker->plan->unsupported)
    MLAAS_TRY(check_texts(maker, root->children));
  return maker->plan->unsupported ? MLAAS_OK : mlaas_maker_finish(maker, root, 0);
}

/* ---- all ---- */

/* True where the branch was switched off while the tree was filled. */
static bool is_absent(const struct mlaas_branch *branch, int64_t entries) {
  return entries > 0 && branch->num_baskets == 0 && branch->entry_number == 0 && branch->entries == 0;
}

static bool is_elsewhere(const struct mlaas_branch *branch) {
  for (size_t i = 0; branch->file_name && *branch->file_name && i < branch->num_baskets; i++)
    if (!branch->baskets[i].embedded)
      return true;
  return false;
}

static enum mlaas_status refuse_entries(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  int64_t first = branch->num_baskets ? branch->baskets[0].entry : 0,
          last = branch->num_baskets ? branch->entry_number : 0;
  const char *why = mlaas_arena_format(maker->arena, maker->error, "it has entries %lld to %lld of the tree's %lld",
                                       (long long)first, (long long)last, (long long)maker->tree->entries);
  return why ? mlaas_maker_refuse(maker, why) : MLAAS_MEMORY;
}

/* Refuses a branch whose baskets do not hold every entry of the tree, each once. */
static enum mlaas_status check_baskets(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  int64_t entries = maker->tree->entries;
  maker->plan->elsewhere = is_elsewhere(branch);
  if (entries == 0 || is_absent(branch, entries))
    return MLAAS_OK;
  if (branch->num_baskets == 0 || branch->entry_number < entries || branch->baskets[0].entry != 0)
    return refuse_entries(maker);
  for (size_t i = 1; i < branch->num_baskets; i++)
    if (branch->baskets[i].entry < branch->baskets[i - 1].entry)
      return mlaas_maker_refuse(maker, "its baskets are out of order");
  if (branch->baskets[branch->num_baskets - 1].entry > branch->entry_number)
    return mlaas_maker_refuse(maker, "its baskets are out of order");
  return MLAAS_OK;
}

/* Nesting is that of classes, which has its limit. */
static bool holds_nothing(const struct mlaas_node *node) {
  if (node->kind == MLAAS_NODE_SKIP)
    return true;
  for (size_t i = 0; i < node->num_children; i++)
    if (!holds_nothing(&node->children[i]))
      return false;
  return node->kind == MLAAS_NODE_STRUCT;
}

/* A branch that only holds others together. */
static bool is_parent_only(const struct mlaas_branch *branch) {
  if (branch->type == TYPE_CLONES || branch->type == TYPE_COLLECTION)
    return false;
  if (branch->num_children > 0)
    return true;
  if (!branch->is_element)
    return false;
  bool inner = branch->type == 1 || branch->type == 2 || branch->id == -2;
  return inner && branch->num_baskets == 0;
}

/* A base class without members has a branch of its own in files before ROOT 6.02: frames with nothing inside. */
static bool is_empty_base(const struct mlaas_branch_plan *plan) {
  return plan->branch->type == 1 && plan->branch->is_element && !plan->unsupported && plan->root &&
         holds_nothing(plan->root);
}

static enum mlaas_status plan_any(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  if (branch->unsupported)
    return mlaas_maker_refuse(maker, branch->unsupported);
  MLAAS_TRY(check_baskets(maker));
  if (maker->plan->unsupported)
    return MLAAS_OK;
  if (branch->is_element)
    return mlaas_maker_element(maker);
  if (strcmp(branch->class_name, "TBranchObject") == 0)
    return mlaas_maker_object(maker);
  if (strcmp(branch->class_name, "TBranch") != 0) {
    const char *why =
        mlaas_arena_format(maker->arena, maker->error, "branches of class %s are not read yet", branch->class_name);
    return why ? mlaas_maker_refuse(maker, why) : MLAAS_MEMORY;
  }
  if (branch->num_leaves == 0)
    return mlaas_maker_refuse(maker, "its record has no leaf");
  return branch->num_leaves == 1 ? plan_leaf(maker, branch->leaves[0]) : plan_leaves(maker);
}

/* Every row of it is missing. */
static enum mlaas_status make_absent(struct mlaas_branch_maker *maker) {
  struct mlaas_branch_plan *plan = maker->plan;
  struct mlaas_node *option;
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_OPTION, plan->root->format, &option));
  option->children = plan->root;
  option->num_children = 1;
  plan->absent = true;
  plan->counter = NULL;
  plan->counts_given = false;
  return mlaas_maker_finish(maker, option, -1);
}

enum mlaas_status mlaas_branch_plan_make(const struct mlaas_branch *branch, const struct mlaas_streamers *streamers,
                                         const struct mlaas_tree *tree, struct mlaas_arena *arena,
                                         struct mlaas_branch_plan *plan, struct mlaas_error *error) {
  return mlaas_branch_plan_again(branch, streamers, tree, NULL, arena, plan, error);
}

enum mlaas_status mlaas_branch_plan_again(const struct mlaas_branch *branch, const struct mlaas_streamers *streamers,
                                          const struct mlaas_tree *tree, const struct mlaas_clones *clones,
                                          struct mlaas_arena *arena, struct mlaas_branch_plan *plan,
                                          struct mlaas_error *error) {
  struct mlaas_error local;
  struct mlaas_branch_maker maker = {branch, streamers, tree, arena, plan, error ? error : &local, clones};
  *plan = (struct mlaas_branch_plan){.branch = branch, .type_name = ""};
  if (is_parent_only(branch))
    return MLAAS_OK;
  plan->has_data = true;
  if (plan_any(&maker) != MLAAS_OK)
    return maker.error->status;
  if (!plan->unsupported && is_absent(branch, tree->entries) && make_absent(&maker) != MLAAS_OK)
    return maker.error->status;
  plan->has_data = !is_empty_base(plan);
  if (!plan->type_name)
    plan->type_name = "";
  return MLAAS_OK;
}
