/* Members of structs as columns: their names, their types, and the buffers they share with the whole. */
#include "base/error.h"
#include "column/arrow.h"
#include "rootio/value/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct mlaas_node number(const char *name) {
  return (struct mlaas_node){.kind = MLAAS_NODE_VALUE,
                             .name = name,
                             .format = "f",
                             .value = {.packing = MLAAS_PACKED_PLAIN, .stored = 4, .width = 4}};
}

static struct mlaas_node around(enum mlaas_node_kind kind, const char *format, const char *name,
                                struct mlaas_node *children, size_t count) {
  return (struct mlaas_node){
      .kind = kind, .format = format, .name = name, .children = children, .num_children = count, .size = 2};
}

struct seen {
  size_t count;
  const char *names[8];
  const struct mlaas_node *shown[8];
};

static enum mlaas_status note(void *context, const char *name, struct mlaas_node *shown, struct mlaas_error *error) {
  struct seen *seen = context;
  (void)error;
  assert_true(seen->count < 8);
  seen->names[seen->count] = name;
  seen->shown[seen->count++] = shown;
  return MLAAS_OK;
}

static void list(const struct mlaas_node *root, struct mlaas_arena *arena, struct seen *seen) {
  *seen = (struct seen){0};
  assert_int_equal(mlaas_node_members(root, "jets", arena, note, seen, NULL), MLAAS_OK);
}

/* vector<struct { base { pt }, pairs[2] { x }, texts }> */
static void members_are_named_by_their_paths(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  struct mlaas_node pt = number("pt"), x = number("x"), text = {.kind = MLAAS_NODE_TEXT, .format = "u", .name = ""};
  struct mlaas_node pair = around(MLAAS_NODE_STRUCT, "+s", "", &x, 1);
  struct mlaas_node members[4] = {around(MLAAS_NODE_STRUCT, "+s", "Base", &pt, 1),
                                  around(MLAAS_NODE_FIXED, "+w:2", "pairs", &pair, 1),
                                  {.kind = MLAAS_NODE_SKIP, .name = "hidden"},
                                  around(MLAAS_NODE_LIST, "+l", "texts", &text, 1)};
  members[0].inlined = true;
  struct mlaas_node jet = around(MLAAS_NODE_STRUCT, "+s", "", members, 4);
  struct mlaas_node root = around(MLAAS_NODE_LIST, "+l", "", &jet, 1);
  mlaas_node_number(&root, 0);
  struct seen seen;
  list(&root, &arena, &seen);
  assert_int_equal(seen.count, 3);
  assert_string_equal(seen.names[0], "jets.pt");
  assert_string_equal(seen.names[1], "jets.pairs.x");
  assert_string_equal(seen.names[2], "jets.texts");
  assert_int_equal(seen.shown[0]->buffer, root.buffer);
  assert_int_equal(seen.shown[0]->children->buffer, pt.buffer);
  struct ArrowSchema schema;
  assert_int_equal(mlaas_node_schema(seen.shown[1], "jets.pairs.x", &schema, NULL), MLAAS_OK);
  assert_string_equal(schema.format, "+l");
  assert_string_equal(schema.children[0]->format, "+w:2");
  assert_string_equal(schema.children[0]->children[0]->format, "f");
  mlaas_schema_release(&schema);
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

static void a_map_gives_lists_of_keys_and_values(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  struct mlaas_node pair[2] = {number("key"), number("value")};
  struct mlaas_node entries = around(MLAAS_NODE_STRUCT, "+s", "", pair, 2);
  struct mlaas_node root = around(MLAAS_NODE_LIST, "+m", "", &entries, 1);
  mlaas_node_number(&root, 0);
  struct seen seen;
  list(&root, &arena, &seen);
  assert_int_equal(seen.count, 2);
  assert_string_equal(seen.names[1], "jets.value");
  assert_string_equal(seen.shown[1]->format, "+l");
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

/* A missing struct leaves its members missing; what may be missing twice has no Arrow type. */
static void options_stay_options_once(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  struct mlaas_node inner = number("");
  struct mlaas_node members[2] = {number("x"), around(MLAAS_NODE_OPTION, NULL, "perhaps", &inner, 1)};
  struct mlaas_node object = around(MLAAS_NODE_STRUCT, "+s", "", members, 2);
  struct mlaas_node root = around(MLAAS_NODE_OPTION, NULL, "", &object, 1);
  mlaas_node_number(&root, 0);
  struct seen seen;
  list(&root, &arena, &seen);
  assert_int_equal(seen.count, 1);
  assert_string_equal(seen.names[0], "jets.x");
  struct ArrowSchema schema;
  assert_int_equal(mlaas_node_schema(seen.shown[0], "x", &schema, NULL), MLAAS_OK);
  assert_string_equal(schema.format, "f");
  assert_int_equal(schema.flags & ARROW_FLAG_NULLABLE, ARROW_FLAG_NULLABLE);
  mlaas_schema_release(&schema);
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

static void what_has_no_struct_has_no_members(void **state) {
  (void)state;
  struct mlaas_node value = number(""), root = around(MLAAS_NODE_LIST, "+l", "", &value, 1);
  struct seen seen;
  mlaas_node_number(&root, 0);
  list(&root, NULL, &seen);
  assert_int_equal(seen.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_are_named_by_their_paths),
      cmocka_unit_test(a_map_gives_lists_of_keys_and_values),
      cmocka_unit_test(options_stay_options_once),
      cmocka_unit_test(what_has_no_struct_has_no_members),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
