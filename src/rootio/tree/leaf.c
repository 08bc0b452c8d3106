/* Leaves: the type and shape of what a branch holds. A leaf may first be met as somebody's counter, before its own
 * branch lists it, or the other way round. */
#include "rootio/tree/reader.h"

#include <string.h>

struct leaf_context {
  struct mlaas_tree_reader *reader;
  struct mlaas_leaf *leaf;
};

static enum mlaas_leaf_kind kind_of(const char *class_name) {
  static const struct {
    const char *class_name;
    enum mlaas_leaf_kind kind;
  } kinds[] = {
      {"TLeafO", MLAAS_LEAF_O},           {"TLeafB", MLAAS_LEAF_B}, {"TLeafS", MLAAS_LEAF_S},
      {"TLeafI", MLAAS_LEAF_I},           {"TLeafL", MLAAS_LEAF_L}, {"TLeafG", MLAAS_LEAF_G},
      {"TLeafF", MLAAS_LEAF_F},           {"TLeafD", MLAAS_LEAF_D}, {"TLeafF16", MLAAS_LEAF_F16},
      {"TLeafD32", MLAAS_LEAF_D32},       {"TLeafC", MLAAS_LEAF_C}, {"TLeafElement", MLAAS_LEAF_ELEMENT},
      {"TLeafObject", MLAAS_LEAF_OBJECT},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].class_name, class_name) == 0)
      return kinds[i].kind;
  return MLAAS_LEAF_UNKNOWN;
}

static enum mlaas_status read_leaf_pointer(struct mlaas_tree_reader *reader, struct mlaas_leaf **leaf);

static enum mlaas_status leaf_hook(void *context, enum mlaas_member member) {
  const struct leaf_context *here = context;
  if (member == MLAAS_MEMBER_fLeafCount)
    return read_leaf_pointer(here->reader, &here->leaf->count);
  return mlaas_objects_skip(&here->reader->objects);
}

static enum mlaas_status read_leaf(struct mlaas_tree_reader *reader, const char *class_name, struct mlaas_leaf *leaf) {
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  struct leaf_context context = {reader, leaf};
  MLAAS_TRY(mlaas_layout_read(reader->layouts, class_name, &reader->objects, values, leaf_hook, &context));
  leaf->kind = kind_of(class_name);
  leaf->name = mlaas_tree_text(reader, &values[MLAAS_MEMBER_name]);
  leaf->title = mlaas_tree_text(reader, &values[MLAAS_MEMBER_title]);
  leaf->len = (int32_t)values[MLAAS_MEMBER_fLen].number;
  leaf->len_type = (int32_t)values[MLAAS_MEMBER_fLenType].number;
  leaf->offset = (int32_t)values[MLAAS_MEMBER_fOffset].number;
  leaf->is_range = values[MLAAS_MEMBER_fIsRange].number != 0;
  leaf->is_unsigned = values[MLAAS_MEMBER_fIsUnsigned].number != 0;
  leaf->maximum = values[MLAAS_MEMBER_fMaximum].number;
  leaf->id = (int32_t)values[MLAAS_MEMBER_fID].number;
  leaf->type = (int32_t)values[MLAAS_MEMBER_fType].number;
  const struct mlaas_value *is_virtual = &values[MLAAS_MEMBER_fVirtual]; /* before version 3 it was always so */
  leaf->is_virtual = is_virtual->width == 0 || is_virtual->number != 0;
  return reader->cursor.status;
}

/* A leaf, known or new. NULL where the pointer is null. */
static enum mlaas_status read_leaf_pointer(struct mlaas_tree_reader *reader, struct mlaas_leaf **leaf) {
  struct mlaas_pointer pointer;
  MLAAS_TRY(mlaas_objects_begin(&reader->objects, &pointer));
  *leaf = NULL;
  if (pointer.kind == MLAAS_POINTER_NULL)
    return MLAAS_OK;
  if (pointer.kind == MLAAS_POINTER_KNOWN && pointer.type == MLAAS_BOUND_LEAF) {
    *leaf = pointer.object;
    return MLAAS_OK;
  }
  if (pointer.kind != MLAAS_POINTER_NEW)
    return mlaas_cursor_fail(&reader->cursor, MLAAS_FORMAT, "a leaf is referred to that is not in the tree");
  struct mlaas_leaf *made = mlaas_tree_alloc(reader, 1, sizeof *made);
  if (!made)
    return reader->cursor.status;
  mlaas_objects_bind(&reader->objects, &pointer, made, MLAAS_BOUND_LEAF);
  MLAAS_TRY(read_leaf(reader, pointer.class_name, made));
  *leaf = made;
  return mlaas_objects_end(&reader->objects, &pointer);
}

enum mlaas_status mlaas_tree_leaves(struct mlaas_tree_reader *reader, struct mlaas_branch *branch) {
  struct mlaas_frame frame;
  int32_t count = mlaas_cursor_array(&reader->cursor, &frame);
  branch->leaves = mlaas_tree_alloc(reader, (size_t)count, sizeof *branch->leaves);
  for (int32_t i = 0; i < count && reader->cursor.status == MLAAS_OK; i++) {
    struct mlaas_leaf *leaf = NULL;
    if (read_leaf_pointer(reader, &leaf) != MLAAS_OK || !leaf)
      continue;
    leaf->branch = branch;
    branch->leaves[branch->num_leaves++] = leaf;
  }
  mlaas_cursor_leave(&reader->cursor, &frame);
  return reader->cursor.status;
}
