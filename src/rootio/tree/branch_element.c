/* Plans of TBranchElements and TBranchObjects, from the branch's record and the streamer info: members, objects,
 * standard collections. What is not certain is refused. Must not know any basket's bytes.
 */
#include "rootio/tree/branch_element.h"

#include "base/error.h"
#include "rootio/value/class_node.h"
#include "rootio/value/type_name.h"

#include <string.h>

enum { ARRAY = 20, COUNTED = 40, OBJECT = 60 }; /* offsets of ROOT's codes */
enum { CODE_TEXT = 7, CODE_TSTRING = 65 };
enum { TYPE_BASE = 1, TYPE_CLONES = 3, TYPE_COLLECTION = 4, TYPE_CLONES_MEMBER = 31, TYPE_COLLECTION_MEMBER = 41 };

/* The member's own name: behind the last dot, without dimensions. */
static bool is_member_name(const char *branch, const char *member) {
  size_t length = strcspn(branch, "[");
  while (length > 0 && branch[length - 1] == '.')
    length--;
  size_t wanted = strlen(member);
  return length >= wanted && strncmp(branch + length - wanted, member, wanted) == 0 &&
         (length == wanted || branch[length - wanted - 1] == '.');
}

static const struct mlaas_streamer_element *element_in(const struct mlaas_branch_maker *maker, const char *class_name) {
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

static const struct mlaas_streamer_element *find_element(const struct mlaas_branch_maker *maker) {
  const struct mlaas_streamer_element *element = element_in(maker, maker->branch->element_class);
  return element ? element : element_in(maker, maker->branch->clones_class);
}

static bool in_collection(const struct mlaas_branch *branch) {
  return branch->type == TYPE_CLONES_MEMBER || branch->type == TYPE_COLLECTION_MEMBER;
}

/* An array in each object of a collection, as long as another branch says for that object. */
static enum mlaas_status plan_arrays(struct mlaas_branch_maker *maker, struct mlaas_node *item,
                                     const struct mlaas_branch *counter) {
  struct mlaas_node *array;
  MLAAS_TRY(mlaas_maker_list(maker, MLAAS_EXTENT_GIVEN, false, item, &array));
  array->flagged = true;
  array->per_count = 1;
  maker->plan->counts_given = true;
  return mlaas_maker_rest(maker, array, -1, counter);
}

/* A pointer with a count: one flag byte, then the values. */
static enum mlaas_status plan_counted(struct mlaas_branch_maker *maker, const struct mlaas_streamer_element *element,
                                      struct mlaas_node *node) {
  const struct mlaas_leaf *leaf = maker->branch->leaves[0];
  const struct mlaas_branch *counter = NULL;
  if (element && element->count_name)
    counter = mlaas_tree_sibling(maker->tree, maker->branch, element->count_name);
  if (in_collection(maker->branch))
    return counter ? plan_arrays(maker, node, counter) : mlaas_maker_refuse(maker, "its counter is missing");
  if (!counter && leaf->count)
    counter = leaf->count->branch;
  return mlaas_maker_rest(maker, node, 1, counter);
}

/* As the leaf says it. In collections it has only the product of the dimensions, which are left as one; of an array of
 * one item it says nothing, but the class does. */
static bool shape_of_member(const struct mlaas_streamer_element *element, const struct mlaas_leaf *leaf,
                            struct mlaas_shape *shape) {
  if (!mlaas_shape_of_leaf(leaf, shape))
    return false;
  if (shape->num_dims == 0 && element && element->array_length == 1 && element->array_dim > 0)
    shape->dims[shape->num_dims++] = 1;
  return true;
}

/* Members that are numbers, alone, in fixed arrays or counted. */
static enum mlaas_status plan_numbers(struct mlaas_branch_maker *maker, int32_t code,
                                      const struct mlaas_streamer_element *element) {
  const struct mlaas_branch *branch = maker->branch;
  const struct mlaas_leaf *leaf = branch->leaves[0];
  struct mlaas_shape shape;
  struct mlaas_scalar value;
  const char *format;
  struct mlaas_node *node;
  if (mlaas_code_is_packed(code % ARRAY) && !element)
    return mlaas_maker_refuse(maker, "its class is not in the streamer info");
  if (!mlaas_maker_value(code % ARRAY, element ? element->title : "", &value, &format))
    return mlaas_maker_refuse(maker, "the range of its Float16_t or Double32_t is ambiguous");
  if (!shape_of_member(element, leaf, &shape))
    return mlaas_maker_refuse(maker, "the dimensions of its leaf contradict each other");
  if (code < COUNTED && (code > ARRAY) != (shape.num_dims > 0))
    return mlaas_maker_refuse(maker, "the dimensions of its leaf and of its class contradict each other");
  if (code > COUNTED && shape.num_dims > 0)
    return mlaas_maker_refuse(maker, "counted arrays of arrays in classes are not read yet");
  if (element && element->type_name && *element->type_name)
    maker->plan->type_name = element->type_name;
  MLAAS_TRY(mlaas_maker_array(maker, &value, format, &shape, &node));
  if (code > COUNTED)
    return plan_counted(maker, element, node);
  if (in_collection(branch) || leaf->count)
    return mlaas_maker_rest(maker, node, 0, branch->count ? branch->count : leaf->count ? leaf->count->branch : NULL);
  return mlaas_maker_finish(maker, node, 0);
}

/* ---- objects ---- */

/* Ends the plan with what `nodes` made: in a collection, as many as fill the entry. */
static enum mlaas_status plan_node(struct mlaas_branch_maker *maker, const struct mlaas_node_maker *nodes,
                                   struct mlaas_node *node) {
  int64_t per;
  int32_t known = maker->clones ? maker->clones->count : 0;
  if (node && (nodes->num_clones > known || nodes->ambiguous)) {
    maker->plan->unknown_clones = nodes->num_clones > known ? known + 1 : 0;
    maker->plan->ambiguous = nodes->ambiguous;
    maker->plan->unknown_root = node;
  }
  if (!node)
    return nodes->status != MLAAS_OK ? nodes->status : mlaas_maker_refuse(maker, nodes->unsupported);
  if (node->kind == MLAAS_NODE_SKIP)
    return mlaas_maker_refuse(maker, "the classes of its objects are not known beforehand");
  node->name = "";
  node->inlined = false;
  if (in_collection(maker->branch))
    return mlaas_maker_rest(maker, node, -1, maker->plan->counter);
  bool plain = node->kind == MLAAS_NODE_LIST && node->extent == MLAAS_EXTENT_COUNT && node->framed &&
               !node->may_be_empty && mlaas_node_inner(node->children, &per)->kind == MLAAS_NODE_VALUE;
  return mlaas_maker_finish(maker, node, plain ? 10 : node->kind == MLAAS_NODE_LIST ? -1 : 0);
}

/* A member of a class that is no number. */
static enum mlaas_status plan_object(struct mlaas_branch_maker *maker, const struct mlaas_streamer_element *element) {
  struct mlaas_node_maker nodes;
  mlaas_node_maker_init(&nodes, maker->streamers, maker->arena, maker->error);
  nodes.clones = maker->clones;
  bool base = strcmp(element->kind, "TStreamerBase") == 0;
  maker->plan->type_name = base ? element->name : element->type_name;
  if (element->count_name && *element->count_name && strcmp(element->kind, "TStreamerLoop") == 0) {
    if (in_collection(maker->branch)) /* those that exist have streamers of their own, which only their bytes tell */
      return mlaas_maker_refuse(maker, "arrays of objects in the objects of a collection are not read");
    maker->plan->counter = mlaas_tree_sibling(maker->tree, maker->branch, element->count_name);
    nodes.outside = maker->plan->counts_given = maker->plan->counter != NULL;
  }
  if (base && strcmp(element->name, "TObject") == 0) /* else it is left out, here it is all there is */
    return plan_node(maker, &nodes, mlaas_class_node(&nodes, "TObject", -1, 0));
  return plan_node(maker, &nodes, mlaas_element_node(&nodes, element, NULL, 0));
}

/* A string, a collection or an object of a class, all of it in one branch. The frame of the class itself is there only
 * where its own streamer wrote the entry. */
static enum mlaas_status plan_whole(struct mlaas_branch_maker *maker, const char *type_name) {
  const struct mlaas_branch *branch = maker->branch;
  struct mlaas_node_maker nodes;
  struct mlaas_node *node;
  mlaas_node_maker_init(&nodes, maker->streamers, maker->arena, maker->error);
  nodes.clones = maker->clones;
  maker->plan->type_name = type_name;
  const struct mlaas_streamer_info *info =
      mlaas_node_find_info(&nodes, type_name, branch->class_version, branch->checksum);
  if (info && branch->type >= 0 && !strchr(type_name, '<') && strcmp(type_name, "TString") != 0)
    node = mlaas_info_node(&nodes, info);
  else
    node = mlaas_type_node(&nodes, type_name, false);
  if (node && node->kind == MLAAS_NODE_VALUE)
    return mlaas_maker_refuse(maker, "a number where an object was expected");
  if (node && branch->type >= 0)
    node->object = NULL;
  return plan_node(maker, &nodes, node);
}

/* An object with its frame, and perhaps the name of its class in front. */
enum mlaas_status mlaas_maker_object(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  struct mlaas_node_maker nodes;
  if (branch->num_leaves != 1 || branch->leaves[0]->kind != MLAAS_LEAF_OBJECT)
    return mlaas_maker_refuse(maker, "its record has no leaf of an object");
  const struct mlaas_leaf *leaf = branch->leaves[0];
  maker->plan->type_name = *leaf->title ? leaf->title : branch->element_class;
  mlaas_node_maker_init(&nodes, maker->streamers, maker->arena, maker->error);
  nodes.clones = maker->clones;
  struct mlaas_node *node = mlaas_class_node(&nodes, maker->plan->type_name, -1, 0);
  if (node && leaf->is_virtual)
    node->title = maker->plan->type_name;
  return plan_node(maker, &nodes, node);
}

static enum mlaas_status plan_member(struct mlaas_branch_maker *maker, int32_t code) {
  static const struct mlaas_streamer_element text = {
      .kind = "", .name = "", .title = "", .type_name = "char*", .type = 7};
  static const struct mlaas_streamer_element tstring = {
      .kind = "", .name = "", .title = "", .type_name = "TString", .type = CODE_TSTRING};
  const struct mlaas_streamer_element *element = find_element(maker);
  int32_t basic = code % ARRAY;
  struct mlaas_scalar value;
  const char *format;
  if (code > 0 && code < OBJECT && mlaas_scalar_of_code(basic, &value, &format))
    return plan_numbers(maker, code, element);
  if (code == CODE_TEXT)
    return plan_object(maker, element && element->type == CODE_TEXT ? element : &text);
  if (code == CODE_TSTRING)
    return plan_object(maker, element && element->type == CODE_TSTRING ? element : &tstring);
  if (!element)
    return mlaas_maker_refuse(maker, "its class is not in the streamer info");
  return plan_object(maker, element);
}

static enum mlaas_status plan_count(struct mlaas_branch_maker *maker) {
  struct mlaas_node *node;
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_VALUE, "i", &node));
  mlaas_scalar_of_code(3, &node->value, &node->format);
  maker->plan->type_name = maker->branch->element_class;
  return mlaas_maker_finish(maker, node, 0);
}

enum mlaas_status mlaas_maker_element(struct mlaas_branch_maker *maker) {
  const struct mlaas_branch *branch = maker->branch;
  if (branch->type == TYPE_CLONES || branch->type == TYPE_COLLECTION)
    return plan_count(maker);
  if (branch->num_leaves == 0 && branch->type == TYPE_BASE) {
    const struct mlaas_streamer_element *base = find_element(maker);
    return base ? plan_object(maker, base) : mlaas_maker_refuse(maker, "its class is not in the streamer info");
  }
  if (branch->num_leaves != 1)
    return mlaas_maker_refuse(maker, "its record has no leaf");
  int32_t code = branch->leaves[0]->type;
  struct mlaas_scalar value;
  const char *format;
  if (branch->id >= 0 || (code > 0 && code < COUNTED && mlaas_scalar_of_code(code % ARRAY, &value, &format)))
    return plan_member(maker, code);
  if (branch->parent)
    return mlaas_maker_refuse_class(maker, branch->element_class);
  return plan_whole(maker, branch->element_class);
}
