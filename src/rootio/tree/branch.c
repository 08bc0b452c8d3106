/* Branches: names, baskets, children. One that cannot be understood is marked and left by its byte count; what is
 * around it goes on. */
#include "rootio/tree/reader.h"

#include <string.h>

struct branch_context {
  struct mlaas_tree_reader *reader;
  struct mlaas_branch *branch;
  struct mlaas_basket_ref *slots; /* fBaskets: those in the record */
  size_t num_slots;
};

static enum mlaas_status branch_hook(void *context, enum mlaas_member member) {
  struct branch_context *here = context;
  struct mlaas_branch *branch = here->branch;
  switch (member) {
  case MLAAS_MEMBER_fBranches:
    return mlaas_tree_branches(here->reader, branch, &branch->children, &branch->num_children);
  case MLAAS_MEMBER_fLeaves:
    return mlaas_tree_leaves(here->reader, branch);
  case MLAAS_MEMBER_fBaskets:
    return mlaas_tree_embedded(here->reader, &here->slots, &here->num_slots);
  case MLAAS_MEMBER_fBranchCount:
    return mlaas_tree_branch_pointer(here->reader, &branch->count);
  case MLAAS_MEMBER_fBranchCount2:
    return mlaas_tree_branch_pointer(here->reader, &branch->count2);
  default:
    return mlaas_objects_skip(&here->reader->objects);
  }
}

static void fill_branch(struct mlaas_tree_reader *reader, struct mlaas_branch *branch,
                        const struct mlaas_value *values) {
  branch->name = mlaas_tree_text(reader, &values[MLAAS_MEMBER_name]);
  branch->title = mlaas_tree_text(reader, &values[MLAAS_MEMBER_title]);
  branch->compression = (int32_t)values[MLAAS_MEMBER_fCompress].number;
  branch->basket_size = (int32_t)values[MLAAS_MEMBER_fBasketSize].number;
  branch->entry_offset_len = (int32_t)values[MLAAS_MEMBER_fEntryOffsetLen].number;
  branch->write_basket = (int32_t)values[MLAAS_MEMBER_fWriteBasket].number;
  branch->split_level = (int32_t)values[MLAAS_MEMBER_fSplitLevel].number;
  branch->io_bits = (uint8_t)values[MLAAS_MEMBER_fIOFeatures].number;
  branch->entries = values[MLAAS_MEMBER_fEntries].number;
  branch->entry_number = values[MLAAS_MEMBER_fEntryNumber].number;
  branch->first_entry = values[MLAAS_MEMBER_fFirstEntry].number;
  branch->raw_bytes = values[MLAAS_MEMBER_fTotBytes].number;
  branch->stored_bytes = values[MLAAS_MEMBER_fZipBytes].number;
  if (values[MLAAS_MEMBER_fFileName].number > 0)
    branch->file_name = mlaas_tree_text(reader, &values[MLAAS_MEMBER_fFileName]);
}

static void fill_element(struct mlaas_tree_reader *reader, struct mlaas_branch *branch,
                         const struct mlaas_value *values) {
  branch->is_element = mlaas_streamers_derives(reader->streamers, branch->class_name, "TBranchElement");
  if (values[MLAAS_MEMBER_fClassName].data) /* TBranchObject has it too */
    branch->element_class = mlaas_tree_text(reader, &values[MLAAS_MEMBER_fClassName]);
  if (values[MLAAS_MEMBER_fContName].data)
    branch->container_class = mlaas_tree_text(reader, &values[MLAAS_MEMBER_fContName]);
  if (!branch->is_element)
    return;
  if (!branch->element_class)
    branch->element_class = ""; /* where the file's own description of TBranchElement leaves it out */
  branch->parent_class = mlaas_tree_text(reader, &values[MLAAS_MEMBER_fParentName]);
  branch->clones_class = mlaas_tree_text(reader, &values[MLAAS_MEMBER_fClonesName]);
  branch->checksum = (uint32_t)values[MLAAS_MEMBER_fCheckSum].number;
  branch->class_version = (int32_t)values[MLAAS_MEMBER_fClassVersion].number;
  branch->id = (int32_t)values[MLAAS_MEMBER_fID].number;
  branch->type = (int32_t)values[MLAAS_MEMBER_fType].number;
  branch->streamer_type = (int32_t)values[MLAAS_MEMBER_fStreamerType].number;
  branch->maximum = (int32_t)values[MLAAS_MEMBER_fMaximum].number;
}

/* Classes that stream themselves; only the front is common. */
static enum mlaas_status read_foreign(struct mlaas_tree_reader *reader, struct mlaas_branch *branch) {
  struct mlaas_cursor *cursor = &reader->cursor;
  mlaas_cursor_frame(cursor);
  struct mlaas_named named = mlaas_cursor_tnamed(cursor);
  struct mlaas_value name = {named.name_length, (const uint8_t *)named.name, 1};
  struct mlaas_value title = {named.title_length, (const uint8_t *)named.title, 1};
  branch->name = mlaas_tree_text(reader, &name);
  branch->title = mlaas_tree_text(reader, &title);
  return mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "branches of class %s are not read yet", branch->class_name);
}

static enum mlaas_status read_branch(struct mlaas_tree_reader *reader, struct mlaas_branch *branch) {
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  struct branch_context context = {.reader = reader, .branch = branch};
  if (!mlaas_streamers_derives(reader->streamers, branch->class_name, "TBranch"))
    return read_foreign(reader, branch);
  enum mlaas_status status =
      mlaas_layout_read(reader->layouts, branch->class_name, &reader->objects, values, branch_hook, &context);
  fill_branch(reader, branch, values); /* even after a failure: what was read names the branch */
  fill_element(reader, branch, values);
  MLAAS_TRY(status);
  MLAAS_TRY(mlaas_tree_baskets(reader, branch, values, context.slots, context.num_slots));
  return reader->cursor.status;
}

/* A failure that concerns this branch alone, if its end is known: says so in the branch and goes on behind it. */
static enum mlaas_status contain_failure(struct mlaas_tree_reader *reader, struct mlaas_branch *branch,
                                         const struct mlaas_pointer *pointer, int depth) {
  enum mlaas_status status = reader->cursor.status;
  if ((status != MLAAS_FORMAT && status != MLAAS_UNSUPPORTED) || pointer->end < 0)
    return status;
  reader->cursor.status = MLAAS_OK;
  reader->objects.depth = depth;
  branch->num_baskets = 0;
  const char *reason = mlaas_arena_format(&reader->tree->arena, reader->error, "%s", reader->error->message);
  branch->unsupported = reason;
  branch->damaged = status == MLAAS_FORMAT;
  if (!reason)
    return mlaas_tree_fail(reader, reader->error->status);
  mlaas_cursor_seek(&reader->cursor, pointer->end);
  return reader->cursor.status;
}

/* Reads a branch that follows the cursor. While it is read its path is "", so that nothing inside can list it again. */
static enum mlaas_status read_new(struct mlaas_tree_reader *reader, const struct mlaas_pointer *pointer,
                                  struct mlaas_branch **branch) {
  int depth = reader->objects.depth - 1;
  struct mlaas_branch *made = mlaas_tree_alloc(reader, 1, sizeof *made);
  if (!made)
    return reader->cursor.status;
  made->class_name = pointer->class_name;
  made->name = made->title = made->path = "";
  mlaas_objects_bind(&reader->objects, pointer, made, MLAAS_BOUND_BRANCH);
  *branch = made;
  mlaas_tree_fail(reader, mlaas_budget_check(reader->objects.budget, MLAAS_CEILING_COLUMNS,
                                             (int64_t)++reader->num_branches, reader->cursor.error));
  if (read_branch(reader, made) != MLAAS_OK || mlaas_objects_end(&reader->objects, pointer) != MLAAS_OK)
    return contain_failure(reader, made, pointer, depth);
  return MLAAS_OK;
}

enum mlaas_status mlaas_tree_branch_pointer(struct mlaas_tree_reader *reader, struct mlaas_branch **branch) {
  struct mlaas_pointer pointer;
  *branch = NULL;
  MLAAS_TRY(mlaas_objects_begin(&reader->objects, &pointer));
  if (pointer.kind == MLAAS_POINTER_KNOWN && pointer.type == MLAAS_BOUND_BRANCH)
    *branch = pointer.object;
  if (pointer.kind != MLAAS_POINTER_NEW)
    return MLAAS_OK;
  MLAAS_TRY(read_new(reader, &pointer, branch));
  (*branch)->path = NULL; /* a list is still to come that has it */
  return MLAAS_OK;
}

static enum mlaas_status read_listed(struct mlaas_tree_reader *reader, struct mlaas_branch *parent,
                                     struct mlaas_branch **branches, size_t *count) {
  struct mlaas_pointer pointer;
  struct mlaas_branch *branch = NULL;
  MLAAS_TRY(mlaas_objects_begin(&reader->objects, &pointer));
  if (pointer.kind == MLAAS_POINTER_NULL)
    return MLAAS_OK;
  if (pointer.kind == MLAAS_POINTER_NEW)
    MLAAS_TRY(read_new(reader, &pointer, &branch));
  else if (pointer.kind == MLAAS_POINTER_KNOWN && pointer.type == MLAAS_BOUND_BRANCH) {
    branch = pointer.object;
    if (branch->path)
      return mlaas_cursor_fail(&reader->cursor, MLAAS_FORMAT, "branch '%s' is listed twice", branch->name);
    branch->path = "";
  } else
    return mlaas_cursor_fail(&reader->cursor, MLAAS_FORMAT, "a list of branches refers to something else");
  branch->parent = parent;
  branches[(*count)++] = branch;
  return MLAAS_OK;
}

enum mlaas_status mlaas_tree_branches(struct mlaas_tree_reader *reader, struct mlaas_branch *parent,
                                      struct mlaas_branch ***branches, size_t *count) {
  struct mlaas_frame frame;
  int32_t items = mlaas_cursor_array(&reader->cursor, &frame);
  *count = 0;
  *branches = mlaas_tree_alloc(reader, (size_t)items, sizeof **branches);
  for (int32_t i = 0; i < items && reader->cursor.status == MLAAS_OK; i++)
    read_listed(reader, parent, *branches, count);
  mlaas_cursor_leave(&reader->cursor, &frame);
  return reader->cursor.status;
}
