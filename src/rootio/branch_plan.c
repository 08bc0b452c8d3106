/* From a branch's record and the streamer info to a plan. What is not certain is refused. Must not know any basket's
 * bytes.
 */
#include "rootio/branch_plan.h"

#include "base/error.h"
#include "rootio/type_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIMENSIONS = 8, ARRAY = 20, COUNTED = 40, OBJECT = 60 }; /* offsets of ROOT's codes */
enum { CODE_TEXT = 7, CODE_TSTRING = 65, CODE_STL = 300, CODE_STRING = 365, CODE_STREAMER = 500 };
enum { TYPE_CLONES = 3, TYPE_COLLECTION = 4, TYPE_CLONES_MEMBER = 31, TYPE_COLLECTION_MEMBER = 41 };

struct maker {
  const struct mlaas_branch *branch;
  const struct mlaas_streamers *streamers;
  const struct mlaas_tree *tree;
  struct mlaas_arena *arena;
  struct mlaas_branch_plan *plan;
  struct mlaas_error *error;
};

/* The fixed dimensions of a leaf, and whether its title names a counter. */
struct shape {
  int32_t dims[MOST_DIMENSIONS];
  int num_dims;
  bool counted;
};

static enum mlaas_status refuse(struct maker *maker, const char *why) {
  maker->plan->unsupported = why;
  return MLAAS_OK;
}

static enum mlaas_status refuse_class(struct maker *maker, const char *class_name) {
  const char *why = mlaas_arena_format(maker->arena, maker->error, "objects of class %s are not read yet", class_name);
  return why ? refuse(maker, why) : MLAAS_MEMORY;
}

/* ---- nodes ---- */

static enum mlaas_status new_node(struct maker *maker, enum mlaas_node_kind kind, const char *format,
                                  struct mlaas_node **node) {
  *node = mlaas_arena_alloc(maker->arena, 1, sizeof **node, maker->error);
  if (!*node)
    return MLAAS_MEMORY;
  **node = (struct mlaas_node){.kind = kind, .format = format, .name = ""};
  return MLAAS_OK;
}

static enum mlaas_status new_list(struct maker *maker, enum mlaas_extent extent, bool framed, struct mlaas_node *child,
                                  struct mlaas_node **node) {
  MLAAS_TRY(new_node(maker, MLAAS_NODE_LIST, "+l", node));
  (*node)->extent = extent;
  (*node)->framed = framed;
  (*node)->children = child;
  (*node)->num_children = 1;
  return MLAAS_OK;
}

static enum mlaas_status new_text(struct maker *maker, enum mlaas_extent extent, bool framed,
                                  struct mlaas_node **node) {
  MLAAS_TRY(new_node(maker, MLAAS_NODE_TEXT, "u", node));
  (*node)->extent = extent;
  (*node)->framed = framed;
  return MLAAS_OK;
}

/* A value inside as many fixed arrays as there are dimensions. */
static enum mlaas_status new_array(struct maker *maker, const struct mlaas_scalar *value, const char *format,
                                   const struct shape *shape, struct mlaas_node **node) {
  MLAAS_TRY(new_node(maker, MLAAS_NODE_VALUE, format, node));
  (*node)->value = *value;
  for (int i = shape->num_dims; i-- > 0;) {
    struct mlaas_node *inner = *node;
    char *text = mlaas_arena_format(maker->arena, maker->error, "+w:%d", shape->dims[i]);
    if (!text)
      return MLAAS_MEMORY;
    MLAAS_TRY(new_node(maker, MLAAS_NODE_FIXED, text, node));
    (*node)->size = shape->dims[i];
    (*node)->children = inner;
    (*node)->num_children = 1;
  }
  return MLAAS_OK;
}

/* Chooses the layout that a finished tree of nodes allows. */
static enum mlaas_status finish(struct maker *maker, struct mlaas_node *root, int32_t header_bytes) {
  struct mlaas_branch_plan *plan = maker->plan;
  plan->root = root;
  plan->num_buffers = mlaas_node_number(root, 0);
  plan->header_bytes = header_bytes;
  plan->layout = MLAAS_LAYOUT_WALK;
  int64_t stored = mlaas_node_stored(root), per;
  if (stored > 0 && stored < INT32_MAX) {
    plan->layout = MLAAS_LAYOUT_FLAT;
    plan->entry_bytes = (int32_t)stored;
  } else if (stored >= INT32_MAX) {
    return refuse(maker, "entries of more than 2 GiB cannot be read");
  } else if (root->kind == MLAAS_NODE_LIST && header_bytes >= 0) {
    int64_t item = mlaas_node_stored(root->children);
    if (item > 0 && item < INT32_MAX && mlaas_node_inner(root->children, &per)->kind == MLAAS_NODE_VALUE) {
      plan->layout = MLAAS_LAYOUT_LIST;
      plan->item_bytes = (int32_t)item;
    }
  }
  return MLAAS_OK;
}

/* ---- titles ---- */

/* "x[n][3]/d[0,1,8]": brackets that follow each other; a comma means a range, not a dimension. */
static bool parse_title(const char *title, struct shape *shape) {
  *shape = (struct shape){.num_dims = 0};
  const char *at = strchr(title, '[');
  for (; at && *at == '['; at++) {
    const char *end = strchr(at, ']'), *comma = strchr(at, ',');
    if (!end)
      return false;
    if (comma && comma < end)
      return true;
    char *rest;
    long size = strtol(at + 1, &rest, 10);
    if (rest != end || size < 1) {
      if (shape->counted || shape->num_dims > 0)
        return false;
      shape->counted = true;
    } else if (size > INT32_MAX || shape->num_dims == MOST_DIMENSIONS) {
      return false;
    } else {
      shape->dims[shape->num_dims++] = (int32_t)size;
    }
    at = end;
  }
  return true;
}

/* The shape of a leaf from title and length, which have to agree. */
static bool shape_of(const struct mlaas_leaf *leaf, struct shape *shape) {
  if (!parse_title(leaf->title, shape))
    return false;
  int64_t product = 1;
  for (int i = 0; i < shape->num_dims; i++)
    if (__builtin_mul_overflow(product, shape->dims[i], &product) || product > INT32_MAX)
      return false;
  if (shape->num_dims == 0 && leaf->len > 1) {
    shape->dims[shape->num_dims++] = leaf->len;
    return true;
  }
  return leaf->len <= 0 || product == leaf->len;
}

static const char *brackets_of(const char *title, int *length) {
  const char *start = strchr(title, '['), *slash = start ? strchr(start, '/') : NULL;
  *length = start ? (int)(slash ? slash - start : (int)strlen(start)) : 0;
  return start ? start : "";
}

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

static bool is_packed(int32_t code) { return code == 19 || code == 9; }

/* Value and format of a basic code; `range` is the title that may hold the range of a packed one. */
static bool value_of(int32_t code, const char *range, struct mlaas_scalar *value, const char **format) {
  return mlaas_scalar_of_code(code, value, format) && (!is_packed(code) || mlaas_packing_parse(range, value));
}

static enum mlaas_status leaf_node(struct maker *maker, const struct mlaas_leaf *leaf, struct shape *shape,
                                   struct mlaas_node **node) {
  const struct leaf_type *type = type_of_leaf(leaf);
  struct mlaas_scalar value;
  const char *format;
  *node = NULL;
  if (!type)
    return refuse(maker, "a leaf of this type is not read yet");
  if (!shape_of(leaf, shape))
    return refuse(maker, "the dimensions of its leaf contradict each other");
  if (!value_of(leaf->is_unsigned ? type->unsigned_code : type->code, leaf->title, &value, &format))
    return refuse(maker, "the range of its Float16_t or Double32_t is ambiguous");
  return new_array(maker, &value, format, shape, node);
}

static enum mlaas_status list_of(struct maker *maker, struct mlaas_node *item, int32_t header_bytes,
                                 const struct mlaas_branch *counter) {
  struct mlaas_node *list;
  MLAAS_TRY(new_list(maker, MLAAS_EXTENT_REST, false, item, &list));
  maker->plan->counter = counter;
  return finish(maker, list, header_bytes);
}

static enum mlaas_status plan_leaf(struct maker *maker, const struct mlaas_leaf *leaf) {
  struct mlaas_node *node;
  struct shape shape;
  if (leaf->kind == MLAAS_LEAF_C) {
    maker->plan->type_name = "char*";
    MLAAS_TRY(new_text(maker, MLAAS_EXTENT_LEAF, false, &node));
    return finish(maker, node, 0);
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
    return list_of(maker, node, 0, leaf->count->branch);
  return shape.counted ? refuse(maker, "its counter is missing") : finish(maker, node, 0);
}

/* A leaf list: the leaves lie one behind the other, whatever the struct in the writer's memory looked like. */
static enum mlaas_status plan_leaves(struct maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  struct mlaas_node *root;
  MLAAS_TRY(new_node(maker, MLAAS_NODE_STRUCT, "+s", &root));
  root->num_children = branch->num_leaves;
  root->children = mlaas_arena_alloc(maker->arena, branch->num_leaves, sizeof *root->children, maker->error);
  if (!root->children)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < branch->num_leaves; i++) {
    struct mlaas_node *node;
    struct shape shape;
    if (branch->leaves[i]->kind == MLAAS_LEAF_C)
      return refuse(maker, "leaf lists with text are not read yet");
    MLAAS_TRY(leaf_node(maker, branch->leaves[i], &shape, &node));
    if (!node)
      return MLAAS_OK;
    if (branch->leaves[i]->count || shape.counted)
      return refuse(maker, "leaf lists with a counter inside are not read yet");
    root->children[i] = *node;
    root->children[i].name = branch->leaves[i]->name;
  }
  maker->plan->type_name = "struct";
  return finish(maker, root, 0);
}

/* ---- branches of classes ---- */

/* The member's own name: behind the last dot, without dimensions. */
static bool is_member_name(const char *branch, const char *member) {
  size_t length = strcspn(branch, "[");
  while (length > 0 && branch[length - 1] == '.')
    length--;
  size_t wanted = strlen(member);
  return length >= wanted && strncmp(branch + length - wanted, member, wanted) == 0 &&
         (length == wanted || branch[length - wanted - 1] == '.');
}

static const struct mlaas_streamer_element *element_in(const struct maker *maker, const char *class_name) {
  const struct mlaas_branch *branch = maker->branch;
  if (!class_name || !*class_name || branch->id < 0)
    return NULL;
  const struct mlaas_streamer_info *info =
      mlaas_streamers_find(maker->streamers, class_name, branch->class_version, branch->checksum);
  for (int attempt = 0; attempt < 2 && info; attempt++) {
    size_t at = (size_t)branch->id;
    if (at < info->num_elements && is_member_name(branch->name, info->elements[at].name))
      return &info->elements[at];
    info = mlaas_streamers_find(maker->streamers, class_name, -1, 0);
  }
  return NULL;
}

static const struct mlaas_streamer_element *find_element(const struct maker *maker) {
  const struct mlaas_streamer_element *element = element_in(maker, maker->branch->element_class);
  return element ? element : element_in(maker, maker->branch->clones_class);
}

static const struct mlaas_branch *sibling_called(const struct mlaas_branch *branch, const char *name) {
  for (size_t i = 0; branch->parent && i < branch->parent->num_children; i++)
    if (is_member_name(branch->parent->children[i]->name, name))
      return branch->parent->children[i];
  return NULL;
}

static bool in_collection(const struct mlaas_branch *branch) {
  return branch->type == TYPE_CLONES_MEMBER || branch->type == TYPE_COLLECTION_MEMBER;
}

/* A pointer with a count: one flag byte, then the values. */
static enum mlaas_status plan_counted(struct maker *maker, const struct mlaas_streamer_element *element,
                                      struct mlaas_node *node) {
  const struct mlaas_leaf *leaf = maker->branch->leaves[0];
  const struct mlaas_branch *counter = NULL;
  if (in_collection(maker->branch))
    return refuse(maker, "counted members of collections are not read yet");
  if (element && element->count_name)
    counter = sibling_called(maker->branch, element->count_name);
  if (!counter && leaf->count)
    counter = leaf->count->branch;
  return list_of(maker, node, 1, counter);
}

/* Members that are numbers, alone, in fixed arrays or counted. */
static enum mlaas_status plan_numbers(struct maker *maker, int32_t code, const struct mlaas_streamer_element *element) {
  const struct mlaas_branch *branch = maker->branch;
  const struct mlaas_leaf *leaf = branch->leaves[0];
  struct shape shape;
  struct mlaas_scalar value;
  const char *format;
  struct mlaas_node *node;
  if (is_packed(code % ARRAY) && !element)
    return refuse(maker, "its class is not in the streamer info");
  if (!value_of(code % ARRAY, element ? element->title : "", &value, &format))
    return refuse(maker, "the range of its Float16_t or Double32_t is ambiguous");
  if (!shape_of(leaf, &shape))
    return refuse(maker, "the dimensions of its leaf contradict each other");
  if (code < COUNTED && (code > ARRAY) != (shape.num_dims > 0))
    return refuse(maker, "the dimensions of its leaf and of its class contradict each other");
  if (code > COUNTED && shape.num_dims > 0)
    return refuse(maker, "counted arrays of arrays in classes are not read yet");
  if (element && element->type_name && *element->type_name)
    maker->plan->type_name = element->type_name;
  MLAAS_TRY(new_array(maker, &value, format, &shape, &node));
  if (code > COUNTED)
    return plan_counted(maker, element, node);
  if (in_collection(branch) || leaf->count)
    return list_of(maker, node, 0, branch->count ? branch->count : leaf->count ? leaf->count->branch : NULL);
  return finish(maker, node, 0);
}

/* Strings and standard collections. As members of a collection they stand in one frame, without frames of their own. */
static enum mlaas_status plan_type(struct maker *maker, const char *type_name, bool member) {
  struct mlaas_node *node, *list;
  const char *unsupported;
  maker->plan->type_name = type_name;
  MLAAS_TRY(mlaas_type_parse(type_name, member, maker->arena, &node, &unsupported, maker->error));
  if (!node)
    return refuse(maker, unsupported);
  if (node->kind == MLAAS_NODE_VALUE)
    return refuse(maker, "a number where an object was expected");
  if (!in_collection(maker->branch))
    return finish(maker, node, node->kind == MLAAS_NODE_LIST ? 10 : 0);
  bool framed = node->framed;
  node->framed = false;
  MLAAS_TRY(new_list(maker, MLAAS_EXTENT_REST, framed, node, &list));
  return finish(maker, list, -1);
}

static enum mlaas_status plan_char_star(struct maker *maker) {
  struct mlaas_node *node;
  if (in_collection(maker->branch))
    return refuse(maker, "char* members of collections are not read yet");
  maker->plan->type_name = "char*";
  MLAAS_TRY(new_text(maker, MLAAS_EXTENT_COUNT, false, &node));
  return finish(maker, node, 0);
}

static enum mlaas_status plan_member(struct maker *maker, int32_t code) {
  const struct mlaas_streamer_element *element = find_element(maker);
  int32_t basic = code % ARRAY;
  struct mlaas_scalar value;
  const char *format;
  if (code > 0 && code < OBJECT && mlaas_scalar_of_code(basic, &value, &format))
    return plan_numbers(maker, code, element);
  if (code == CODE_TEXT)
    return plan_char_star(maker);
  if (code == CODE_TSTRING)
    return plan_type(maker, "TString", true);
  if (!element)
    return refuse(maker, "its class is not in the streamer info");
  maker->plan->type_name = element->type_name;
  if (element->array_length > 0)
    return refuse(maker, "arrays of objects are not read yet");
  if (code == CODE_STRING)
    return plan_type(maker, "string", true);
  if (code == CODE_STL || code == CODE_STREAMER)
    return plan_type(maker, element->type_name, true);
  return refuse_class(maker, element->type_name);
}

static enum mlaas_status plan_count(struct maker *maker) {
  struct mlaas_node *node;
  MLAAS_TRY(new_node(maker, MLAAS_NODE_VALUE, "i", &node));
  mlaas_scalar_of_code(3, &node->value, &node->format);
  maker->plan->type_name = maker->branch->element_class;
  return finish(maker, node, 0);
}

static enum mlaas_status plan_element(struct maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  if (branch->type == TYPE_CLONES || branch->type == TYPE_COLLECTION)
    return plan_count(maker);
  if (branch->num_leaves != 1)
    return refuse(maker, "its record has no leaf");
  int32_t code = branch->leaves[0]->type;
  struct mlaas_scalar value;
  const char *format;
  if (branch->id >= 0 || (code > 0 && code < COUNTED && mlaas_scalar_of_code(code % ARRAY, &value, &format)))
    return plan_member(maker, code);
  if (branch->parent)
    return refuse_class(maker, branch->element_class);
  return plan_type(maker, branch->element_class, false);
}

/* ---- all ---- */

/* NULL when the baskets hold every entry of the tree, each once. */
static const char *fault_of_baskets(const struct mlaas_branch *branch, int64_t entries) {
  if (branch->file_name && *branch->file_name)
    return "its baskets are in another file, which is not read yet";
  if (entries == 0)
    return NULL;
  if (branch->num_baskets == 0 || branch->entry_number < entries || branch->baskets[0].entry != 0)
    return "it does not have all entries of the tree";
  for (size_t i = 1; i < branch->num_baskets; i++)
    if (branch->baskets[i].entry < branch->baskets[i - 1].entry)
      return "its baskets are out of order";
  if (branch->baskets[branch->num_baskets - 1].entry > branch->entry_number)
    return "its baskets are out of order";
  return NULL;
}

/* A branch that only holds others together. */
static bool is_parent_only(const struct mlaas_branch *branch) {
  if (branch->type == TYPE_CLONES || branch->type == TYPE_COLLECTION)
    return false;
  if (branch->num_children > 0)
    return true;
  return branch->is_element && branch->num_baskets == 0 && (branch->type == 1 || branch->type == 2 || branch->id == -2);
}

static enum mlaas_status plan_any(struct maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  const char *fault = fault_of_baskets(branch, maker->tree->entries);
  if (branch->unsupported)
    return refuse(maker, branch->unsupported);
  if (fault)
    return refuse(maker, fault);
  if (branch->is_element)
    return plan_element(maker);
  if (strcmp(branch->class_name, "TBranch") != 0) {
    const char *why =
        mlaas_arena_format(maker->arena, maker->error, "branches of class %s are not read yet", branch->class_name);
    return why ? refuse(maker, why) : MLAAS_MEMORY;
  }
  if (branch->num_leaves == 0)
    return refuse(maker, "its record has no leaf");
  return branch->num_leaves == 1 ? plan_leaf(maker, branch->leaves[0]) : plan_leaves(maker);
}

enum mlaas_status mlaas_branch_plan_make(const struct mlaas_branch *branch, const struct mlaas_streamers *streamers,
                                         const struct mlaas_tree *tree, struct mlaas_arena *arena,
                                         struct mlaas_branch_plan *plan, struct mlaas_error *error) {
  struct mlaas_error local;
  struct maker maker = {branch, streamers, tree, arena, plan, error ? error : &local};
  *plan = (struct mlaas_branch_plan){.branch = branch, .type_name = ""};
  if (is_parent_only(branch))
    return MLAAS_OK;
  plan->has_data = true;
  if (plan_any(&maker) != MLAAS_OK)
    return maker.error->status;
  if (!plan->type_name)
    plan->type_name = "";
  return MLAAS_OK;
}
