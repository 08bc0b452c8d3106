/* Members of structs as columns of a table, behind its others: found by name, and read without the rest where the file
 * allows it. Must not know how branches or fields are decoded.
 */
#include "rootio/value/members.h"
#include "rootio/table/table.h"

#include "base/error.h"

#include <string.h>

struct found {
  struct mlaas_table_column column;
  struct found *next;
};

struct search {
  struct mlaas_table *table;
  const struct mlaas_table_column *whole;
  struct found *first, **end;
  size_t count;
};

/* ---- names of types, as C++ has them ---- */

static const char *name_of_value(const char *format) {
  static const char formats[] = "bcCsSiIlLfg";
  static const char *const names[] = {"bool",     "int8_t",  "uint8_t",  "int16_t", "uint16_t", "int32_t",
                                      "uint32_t", "int64_t", "uint64_t", "float",   "double"};
  const char *at = strchr(formats, format[0]);
  return at && format[0] && !format[1] ? names[at - formats] : "?";
}

static const char *type_name(struct mlaas_arena *arena, const struct mlaas_node *node, struct mlaas_error *error) {
  if (node->kind == MLAAS_NODE_VALUE)
    return name_of_value(node->format);
  if (node->kind == MLAAS_NODE_TEXT)
    return "std::string";
  if (node->num_children == 0)
    return "?";
  const char *inner = type_name(arena, node->children, error);
  if (!inner)
    return NULL;
  if (node->kind == MLAAS_NODE_FIXED)
    return mlaas_arena_format(arena, error, "std::array<%s,%d>", inner, node->size);
  return mlaas_arena_format(arena, error, "std::%s<%s>", node->kind == MLAAS_NODE_OPTION ? "optional" : "vector",
                            inner);
}

/* ---- the columns ---- */

static enum mlaas_status project(struct search *search, struct mlaas_node *shown, struct found *found,
                                 struct mlaas_error *error) {
  struct mlaas_arena *arena = &search->table->arena;
  struct mlaas_field_plan *part = mlaas_arena_alloc(arena, 1, sizeof *part, error);
  if (!part)
    return error->status;
  found->column.field = part;
  return mlaas_field_plan_project(search->whole->field, shown, arena, part, error);
}

static enum mlaas_status add_member(void *context, const char *name, struct mlaas_node *shown,
                                    struct mlaas_error *error) {
  struct search *search = context;
  struct mlaas_arena *arena = &search->table->arena;
  struct found *found = mlaas_arena_alloc(arena, 1, sizeof *found, error);
  if (!found)
    return error->status;
  found->column = *search->whole;
  found->column.name = name;
  found->column.shown = shown;
  found->column.plan.type_name = type_name(arena, shown, error);
  if (!found->column.plan.type_name)
    return error->status;
  if (found->column.field)
    MLAAS_TRY(project(search, shown, found, error));
  *search->end = found;
  search->end = &found->next;
  search->count++;
  return MLAAS_OK;
}

/* Moves all columns where there is room for members too. */
static enum mlaas_status make_room(struct mlaas_table *table, size_t more, struct mlaas_error *error) {
  struct mlaas_table_column *old = table->columns;
  size_t count = table->num_columns;
  table->num_columns = 0;
  MLAAS_TRY(mlaas_table_make_room(table, count + more, error));
  for (size_t i = 0; i < count; i++)
    mlaas_table_add(table, &old[i]);
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_add_members(struct mlaas_table *table, struct mlaas_error *error) {
  struct search search = {.table = table};
  search.end = &search.first;
  for (size_t i = 0; i < table->num_columns; i++) {
    search.whole = &table->columns[i];
    if (search.whole->plan.root)
      MLAAS_TRY(
          mlaas_node_members(search.whole->plan.root, search.whole->name, &table->arena, add_member, &search, error));
  }
  if (search.count == 0)
    return MLAAS_OK;
  MLAAS_TRY(make_room(table, search.count, error));
  size_t wholes = table->num_columns;
  for (const struct found *found = search.first; found; found = found->next)
    mlaas_table_add(table, &found->column);
  table->num_members = table->num_columns - wholes;
  table->num_columns = wholes;
  return MLAAS_OK;
}
