/* Classes of ROOT whose streamers are written by hand, so that no file describes their bytes. Must not know branches.
 */
#include "rootio/value/class_known.h"

#include "base/error.h"
#include "rootio/value/type_name.h"

#include <string.h>

static struct mlaas_node *text(struct mlaas_node_maker *maker) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_TEXT, "u");
  if (node)
    node->extent = MLAAS_EXTENT_SHORT;
  return node;
}

static struct mlaas_node *value(struct mlaas_node_maker *maker, int32_t code) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_VALUE, "");
  if (node)
    mlaas_scalar_of_code(code, &node->value, &node->format);
  return node;
}

/* Room for `count` members, none of them there yet. */
static struct mlaas_node *group(struct mlaas_node_maker *maker, size_t count) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_STRUCT, "+s");
  if (!node)
    return NULL;
  node->children = mlaas_arena_alloc(maker->arena, count, sizeof *node, maker->error);
  if (!node->children)
    maker->status = maker->error->status;
  return node->children ? node : NULL;
}

/* NULL for `node` or `member` stays NULL: a row of calls is checked once. */
static struct mlaas_node *with(struct mlaas_node *node, const char *name, const struct mlaas_node *member) {
  if (!node || !member)
    return NULL;
  node->children[node->num_children] = *member;
  node->children[node->num_children++].name = name;
  return node;
}

static struct mlaas_node *tobject(struct mlaas_node_maker *maker) {
  struct mlaas_node *node = group(maker, 3);
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_BYTES, 2));
  node = with(node, "fUniqueID", value(maker, 13));
  return with(node, "fBits", value(maker, 15));
}

static struct mlaas_node *tdatime(struct mlaas_node_maker *maker) {
  return with(group(maker, 1), "fDatime", value(maker, 13));
}

/* TObject's version and numbers, the first of which says whom it means. */
static struct mlaas_node *tref(struct mlaas_node_maker *maker) {
  struct mlaas_node *node = group(maker, 3);
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_BYTES, 2));
  node = with(node, "ref", value(maker, 13));
  return with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_TREF, 0));
}

static struct mlaas_node *trefarray(struct mlaas_node_maker *maker) {
  static const struct mlaas_object_class object = {.name = "TRefArray", .version = 1};
  struct mlaas_node *node = group(maker, 5);
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_TOBJECT, 0));
  node = with(node, "fName", text(maker));
  node = with(node, "fSize", value(maker, 3));
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_BYTES, 6)); /* fLowerBound, the process */
  struct mlaas_node *item = node ? value(maker, 3) : NULL; /* 24 bits and a process: signed, as uproot has them */
  struct mlaas_node *list = item ? mlaas_node_new_list(maker, MLAAS_EXTENT_MEMBER, item) : NULL;
  if (!list)
    return NULL;
  list->counter = &node->children[2];
  node->object = &object;
  return with(node, "refs", list);
}

/* TArrayX: a count and the values, no frame. */
static struct mlaas_node *tarray(struct mlaas_node_maker *maker, int32_t code) {
  struct mlaas_node *item = value(maker, code);
  struct mlaas_node *list = item ? mlaas_node_new_list(maker, MLAAS_EXTENT_COUNT, item) : NULL;
  if (list)
    list->name = "fArray";
  return list;
}

/* Behind the object of its base class, outside of the byte count, half of the values. */
static struct mlaas_node *tmatrixtsym(struct mlaas_node_maker *maker, int32_t code, const char *base_name) {
  struct mlaas_node *node = group(maker, 2), *base = node ? maker->class_of(maker, base_name) : NULL;
  struct mlaas_node *item = base ? value(maker, code) : NULL;
  struct mlaas_node *list = item ? mlaas_node_new_list(maker, MLAAS_EXTENT_MEMBER, item) : NULL;
  if (!list || base->kind != MLAAS_NODE_STRUCT)
    return mlaas_node_refuse(maker, "the base class of a matrix is not in the file");
  for (size_t i = 0; i < base->num_children; i++) {
    struct mlaas_node *member = &base->children[i];
    if (strcmp(member->name, "fNrows") == 0 && member->kind == MLAAS_NODE_VALUE)
      list->counter = member;
    if (strcmp(member->name, "fNelems") == 0 && strcmp(member->format, "i") == 0)
      member->format = "I"; /* as uproot has it */
  }
  if (!list->counter)
    return mlaas_node_refuse(maker, "the base class of a matrix has no number of rows");
  list->triangle = true;
  base->inlined = true;
  return with(with(node, "", base), "fElements", list);
}

/* A TClonesArray says of which class it is in its bytes: a list of that class where they were asked. */
static struct mlaas_node *tclonesarray(struct mlaas_node_maker *maker) {
  int32_t which = maker->num_clones++;
  const char *name = maker->clones && which < maker->clones->count ? maker->clones->names[which] : NULL;
  if (!name)
    return mlaas_node_new_skip(maker, MLAAS_SKIP_CLONES, which);
  if (!*name)
    return mlaas_node_refuse(maker, "no entry names the class of a TClonesArray");
  struct mlaas_node *item = maker->class_of(maker, name);
  if (item && (item->kind != MLAAS_NODE_STRUCT || !item->object))
    return mlaas_node_refuse_class(maker, "a TClonesArray of", name, "is not read");
  struct mlaas_node *option = item ? mlaas_node_new(maker, MLAAS_NODE_OPTION, "") : NULL;
  if (!option)
    return NULL;
  option->children = item;
  option->num_children = 1;
  option->object = item->object;
  return mlaas_node_new_list(maker, MLAAS_EXTENT_CLONES, option);
}

/* What holds objects of classes that only its bytes name. */
static const char *const containers[] = {"TObjArray",   "TList",          "THashList",      "TSortedList",
                                         "TMap",        "THashTable",     "TOrdCollection", "TExMap",
                                         "TCollection", "TSeqCollection", "TBtree"};

bool mlaas_known_class(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node) {
  static const struct {
    const char *name;
    int32_t code;
  } arrays[] = {{"TArrayC", 1},    {"TArrayS", 2}, {"TArrayI", 3}, {"TArrayL", 4},
                {"TArrayL64", 16}, {"TArrayF", 5}, {"TArrayD", 8}};
  *node = NULL;
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    if (strcmp(name, arrays[i].name) == 0) {
      *node = tarray(maker, arrays[i].code);
      return true;
    }
  for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++)
    if (strcmp(name, containers[i]) == 0) {
      mlaas_node_refuse_class(maker, "the classes of what a", name, "holds are not known beforehand");
      return true;
    }
  if (strcmp(name, "TClonesArray") == 0)
    *node = tclonesarray(maker);
  else if (strcmp(name, "TString") == 0 || strcmp(name, "string") == 0)
    *node = text(maker);
  else if (strcmp(name, "TObject") == 0)
    *node = tobject(maker);
  else if (strcmp(name, "TDatime") == 0)
    *node = tdatime(maker);
  else if (strcmp(name, "TRef") == 0)
    *node = tref(maker);
  else if (strcmp(name, "TRefArray") == 0)
    *node = trefarray(maker);
  else if (strcmp(name, "TQObject") == 0)
    *node = mlaas_node_new_skip(maker, MLAAS_SKIP_BYTES, 0);
  else if (mlaas_type_same(name, "TMatrixTSym<double>"))
    *node = tmatrixtsym(maker, 8, "TMatrixTBase<double>");
  else if (mlaas_type_same(name, "TMatrixTSym<float>"))
    *node = tmatrixtsym(maker, 5, "TMatrixTBase<float>");
  else
    return false;
  return true;
}

static struct mlaas_node *xyz(struct mlaas_node_maker *maker, const struct mlaas_object_class *object, int count) {
  static const char *const names[] = {"fX", "fY", "fZ"};
  struct mlaas_node *node = group(maker, 4);
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_TOBJECT, 0));
  for (int i = 0; i < count; i++)
    node = with(node, names[i], value(maker, 8));
  if (node)
    node->object = object;
  return node;
}

static struct mlaas_node *texts(struct mlaas_node_maker *maker, const struct mlaas_object_class *object,
                                const char *first, const char *second) {
  struct mlaas_node *node = group(maker, 3);
  node = with(node, "", mlaas_node_new_skip(maker, MLAAS_SKIP_TOBJECT, 0));
  node = with(node, first, text(maker));
  if (second)
    node = with(node, second, text(maker));
  if (node)
    node->object = object;
  return node;
}

bool mlaas_known_layout(struct mlaas_node_maker *maker, const char *name, struct mlaas_node **node) {
  static const struct mlaas_object_class named = {.name = "TNamed", .version = 1};
  static const struct mlaas_object_class string = {.name = "TObjString", .version = 1};
  static const struct mlaas_object_class vector2 = {.name = "TVector2", .version = 3};
  static const struct mlaas_object_class vector3 = {.name = "TVector3", .version = 3};
  static const struct mlaas_object_class lorentz = {.name = "TLorentzVector", .version = 4};
  *node = NULL;
  if (strcmp(name, "TNamed") == 0)
    *node = texts(maker, &named, "fName", "fTitle");
  else if (strcmp(name, "TObjString") == 0)
    *node = texts(maker, &string, "fString", NULL);
  else if (strcmp(name, "TVector2") == 0)
    *node = xyz(maker, &vector2, 2);
  else if (strcmp(name, "TVector3") == 0)
    *node = xyz(maker, &vector3, 3);
  else if (strcmp(name, "TLorentzVector") == 0) {
    struct mlaas_node *all = group(maker, 3);
    all = with(all, "", mlaas_node_new_skip(maker, MLAAS_SKIP_TOBJECT, 0));
    all = with(all, "fP", xyz(maker, &vector3, 3));
    *node = with(all, "fE", value(maker, 8));
    if (*node)
      (*node)->object = &lorentz;
  } else
    return false;
  return true;
}
