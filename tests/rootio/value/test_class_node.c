/* Classes by streamer info made by hand, and objects of them in bytes made by hand: what comes out, what is refused. */
#include "../classes.h"
#include "../plans.h"
#include "rootio/value/class_node.h"

#include <stdio.h>
#include <stdlib.h>

static struct mlaas_streamer_element wide[] = {OBJECT("a", "Wide0", 62), OBJECT("b", "Wide0", 62),
                                               OBJECT("c", "Wide0", 62)};

/* ---- what was decoded, as text ---- */

struct made {
  struct mlaas_arena arena;
  struct mlaas_budget *budget;
  struct mlaas_branch_plan plan;
  struct mlaas_piece piece;
  struct mlaas_error error;
  const char *unsupported;
  char text[4096];
  size_t used;
};

static void put(struct made *made, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct made *made, const char *format, ...) {
  va_list words;
  va_start(words, format);
  made->used += (size_t)vsnprintf(made->text + made->used, sizeof made->text - made->used, format, words);
  va_end(words);
  assert_true(made->used < sizeof made->text);
}

static void put_value(struct made *made, const struct mlaas_node *node, int64_t row) {
  const uint8_t *at = (const uint8_t *)made->piece.blocks[node->buffer].data + row * node->value.width;
  double number;
  int64_t integer = 0;
  if (node->format[0] == 'g') {
    memcpy(&number, at, 8);
    put(made, "%g", number);
  } else {
    int shift = 64 - 8 * node->value.width;
    memcpy(&integer, at, (size_t)node->value.width);
    put(made, "%lld", (long long)((int64_t)((uint64_t)integer << shift) >> shift));
  }
}

static void put_row(struct made *made, const struct mlaas_node *node, int64_t row);

static void put_members(struct made *made, const struct mlaas_node *node, int64_t row) {
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    if (child->kind == MLAAS_NODE_SKIP)
      continue;
    if (child->inlined) {
      put_members(made, child, row);
      continue;
    }
    put(made, "%s:", child->name);
    put_row(made, child, row);
    put(made, " ");
  }
}

static void put_row(struct made *made, const struct mlaas_node *node, int64_t row) {
  const int32_t *ends = node->kind == MLAAS_NODE_VALUE ? NULL : made->piece.blocks[node->buffer].data;
  switch (node->kind) {
  case MLAAS_NODE_VALUE:
    put_value(made, node, row);
    break;
  case MLAAS_NODE_TEXT:
    put(made, "'%.*s'", ends[row + 1] - ends[row], (const char *)made->piece.blocks[node->buffer + 1].data + ends[row]);
    break;
  case MLAAS_NODE_OPTION:
    if (!((const uint8_t *)made->piece.blocks[node->buffer].data)[row])
      put(made, "null");
    else
      put_row(made, node->children, row);
    break;
  case MLAAS_NODE_STRUCT:
    put(made, "{");
    put_members(made, node, row);
    put(made, "}");
    break;
  default:
    put(made, "[");
    for (int64_t i = node->kind == MLAAS_NODE_FIXED ? row * node->size : ends[row];
         i < (node->kind == MLAAS_NODE_FIXED ? (row + 1) * node->size : ends[row + 1]); i++) {
      put_row(made, node->children, i);
      put(made, " ");
    }
    put(made, "]");
  }
}

static void make(struct made *made, const char *type, bool framed) {
  struct mlaas_node_maker nodes;
  *made = (struct made){.budget = mlaas_budget_new(16 << 20)};
  mlaas_arena_init(&made->arena, made->budget);
  mlaas_node_maker_init(&nodes, &streamers, &made->arena, &made->error);
  struct mlaas_node *node = mlaas_type_node(&nodes, type, false);
  made->unsupported = nodes.unsupported;
  if (!node)
    return;
  if (!framed)
    node->object = NULL;
  made->plan =
      (struct mlaas_branch_plan){.layout = MLAAS_LAYOUT_WALK, .root = node, .num_buffers = mlaas_node_number(node, 0)};
}

/* One entry, with its ends given. */
static enum mlaas_status decode(struct made *made, const uint8_t *data, int64_t size) {
  static const uint8_t offsets[] = {0, 0, 0, 70};
  struct mlaas_basket basket = basket_of(data, size, 1, offsets);
  uint8_t *exact = malloc((size_t)size + (size == 0)); /* so that a sanitizer sees who reads too far */
  memcpy(exact, data, (size_t)size);
  basket.data = exact;
  made->used = 0;
  enum mlaas_status status =
      mlaas_decode_piece(&made->plan, &basket, NULL, made->budget, NULL, &made->piece, &made->error);
  if (status == MLAAS_OK) {
    put_row(made, made->plan.root, 0);
    mlaas_piece_reset(&made->piece);
  }
  free(exact);
  return status;
}

static void forget(struct made *made) {
  mlaas_arena_reset(&made->arena);
  assert_int_equal(mlaas_budget_held(made->budget), 0);
  mlaas_budget_put(made->budget);
}

/* Bytes that give `wanted`, and of which none may be missing. */
static void expect(const char *type, bool framed, const uint8_t *data, int64_t size, const char *wanted) {
  struct made made;
  make(&made, type, framed);
  assert_null(made.unsupported);
  if (decode(&made, data, size) != MLAAS_OK)
    fail_msg("%s: %s", type, made.error.message);
  assert_string_equal(made.text, wanted);
  for (int64_t i = made.plan.root->may_be_empty; i < size; i++)
    assert_int_not_equal(decode(&made, data, i), MLAAS_OK);
  forget(&made);
}

static void refused(const char *type, const uint8_t *data, int64_t size, enum mlaas_status status, const char *why) {
  struct made made;
  make(&made, type, true);
  assert_null(made.unsupported);
  assert_int_equal(decode(&made, data, size), status);
  if (!strstr(made.error.message, why))
    fail_msg("%s: %s", type, made.error.message);
  forget(&made);
}

#define EXPECT(type, framed, data, wanted) expect(type, framed, data, sizeof(data), wanted)
#define REFUSED(type, data, status, why) refused(type, data, sizeof(data), status, why)

/* ---- tests ---- */

#define POINT(a, b) 0x40, 0, 0, 8, 0, 1, 0, 0, 0, a, 0, b

static void members_follow_each_other_with_bases_inlined(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40,        0,   0,   16,   0,    2,               /* Base: its own frame */
                                 0,           1,   0,   0,    0,    7, 3, 0,   0, 0, /* TObject */
                                 0,           0,   0,   2,                           /* n */
                                 1,           0,   5,   0xFF, 0xFE,                  /* dyn: a flag, two numbers */
                                 1,           2,   3,   4,                           /* grid */
                                 2,           'h', 'i',                              /* ts */
                                 0x40,        0,   0,   4,    0,    9, 1, 'x',       /* s */
                                 POINT(8, 9), 0,   0,   0,    128};
  EXPECT("All", false, data, "{n:2 dyn:[5 -2 ] grid:[[1 2 ] [3 4 ] ] ts:'hi' s:'x' p:{x:8 y:9 } d:0.5 }");
}

static void a_referenced_base_is_longer_and_a_flag_may_say_that_nothing_follows(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40, 0, 0, 18, 0, 2, 0, 1, 0,    0, 0, 7, 3, 0, 0, 0x10,        0, 1, 0, 0,
                                 0,    3, 0, 1,  2, 3, 4, 0, 0x40, 0, 0, 3, 0, 9, 0, POINT(8, 9), 0, 0, 0, 0};
  EXPECT("All", false, data, "{n:3 dyn:[] grid:[[1 2 ] [3 4 ] ] ts:'' s:'' p:{x:8 y:9 } d:0 }");
}

static void a_count_that_does_not_fit_is_refused(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40, 0, 0, 23, 0, 3, 0x40, 0, 0,    16, 0, 2, 0, 1,
                                 0,    0, 0, 7,  3, 0, 0,    0, 0x7F, 0,  0, 2, 1};
  REFUSED("All", data, MLAAS_FORMAT, "2130706434 elements of dyn do not fit");
}

static void a_negative_count_is_refused(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40, 0, 0, 23, 0, 3, 0x40, 0, 0,    16,   0,    2,    0, 1,
                                 0,    0, 0, 7,  3, 0, 0,    0, 0xFF, 0xFF, 0xFF, 0xFE, 1};
  REFUSED("All", data, MLAAS_FORMAT, "-2 elements of dyn do not fit");
}

static void collections_of_objects_come_both_ways(void **state) {
  (void)state;
  static const uint8_t by_object[] = {0x40, 0, 0, 30, 0, 9, 0, 0, 0, 2, POINT(1, 2), POINT(3, 4)};
  static const uint8_t by_member[] = {0x40, 0, 0, 20, 0x40, 9, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 2, 0, 4};
  static const uint8_t foreign[] = {0x40, 0, 0, 24, 0x40, 9, 0, 0, 0, 0, 9, 1, 0, 0,
                                    0,    2, 0, 0,  0,    1, 0, 0, 0, 3, 0, 2, 0, 4};
  static const uint8_t old[] = {0x40, 0, 0, 18, 0x40, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 2, 0, 4};
  static const uint8_t inner[] = {0x40, 0, 0, 26, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, POINT(1, 2), 0, 0, 0, 0};
  static const uint8_t empty[] = {0x40, 0, 0, 8, 0x40, 9, 0, 1, 0, 0, 0, 0};
  EXPECT("vector<Point>", true, by_object, "[{x:1 y:2 } {x:3 y:4 } ]");
  EXPECT("std::set<Point,less<Point> >", true, by_member, "[{x:1 y:2 } {x:3 y:4 } ]");
  EXPECT("list<Point>", true, foreign, "[{x:1 y:2 } {x:3 y:4 } ]");
  EXPECT("vector<Point>", true, old, "[{x:1 y:2 } {x:3 y:4 } ]");
  EXPECT("vector<vector<Point> >", true, inner, "[[{x:1 y:2 } ] [] ]");
  EXPECT("vector<Point>", true, empty, "[]");
}

static void columns_have_no_frames_for_bases_and_one_for_texts(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40, 0, 0, 39, 0x40, 9, 0, 1, 0, 0, 0, 2,               /* two of Deep */
                                 1,    2, 1, 2,                                           /* j, then k, of both */
                                 0x40, 0, 0, 14, 0,    9, 0, 0, 0, 1, 1, 'a', 0, 0, 0, 0, /* texts */
                                 1,    7, 1, 8,  9};                                      /* v: as many as k */
  static const uint8_t size = sizeof data;
  uint8_t right[sizeof data];
  memcpy(right, data, size);
  right[3] = size - 4;
  right[19] = 12;
  expect("vector<Deep>", true, right, size, "[{j:1 k:1 texts:['a' ] v:[7 ] } {j:2 k:2 texts:[] v:[8 9 ] } ]");
}

static void maps_and_pairs_come_both_ways(void **state) {
  (void)state;
  static const uint8_t by_object[] = {0x40, 0, 0, 14, 0, 9, 0, 0, 0, 2, 1, 'a', 0, 7, 1, 'b', 0, 8};
  static const uint8_t by_member[] = {0x40, 0,    0, 26, 0x40, 9, 0, 0, 1,   2, 3,   4, 0, 0, 0,
                                      2,    0x40, 0, 0,  6,    0, 9, 1, 'a', 1, 'b', 0, 7, 0, 8};
  static const uint8_t framed[] = {0x40, 0, 0, 16, 0, 0, 1, 2, 3, 4, 0x40, 0, 0, 4, 0, 9, 1, 'a', 0, 7};
  static const uint8_t plain[] = {0x40, 0, 0, 4, 0, 9, 1, 'a', 0, 7};
  EXPECT("map<string,short>", true, by_object, "[{key:'a' value:7 } {key:'b' value:8 } ]");
  EXPECT("unordered_map<string,short>", true, by_member, "[{key:'a' value:7 } {key:'b' value:8 } ]");
  EXPECT("pair<string,short>", true, framed, "{first:'a' second:7 }");
  EXPECT("pair<string,short>", false, plain, "{first:'a' second:7 }");
  expect("map<string,vector<map<int,short> > >", true,
         (const uint8_t[]){0x40, 0, 0, 22, 0, 9, 0, 0, 0, 1, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 5}, 26,
         "[{key:'a' value:[[{key:4 value:5 } ] ] } ]");
}

static void bitsets_and_arrays_are_lists_and_fixed_lists(void **state) {
  (void)state;
  static const uint8_t bits[] = {0x40, 0, 0, 9, 0, 9, 0, 0, 0, 3, 1, 0, 1};
  static const uint8_t arrays[] = {0x40, 0, 0, 16, 0x40, 9, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1, 0, 5, 0, 6};
  EXPECT("bitset<3>", true, bits, "[1 0 1 ]");
  EXPECT("vector<array<short,2> >", true, arrays, "[[5 6 ] ]");
}

/* Positions count from the key, 70 bytes in front, and 2 more. */
static const uint8_t pointers[] = {
    0x40, 0,   0,   22,  0xFF, 0xFF,        0xFF, 0xFF, 'P',
    'o',  'i', 'n', 't', 0,    POINT(1, 2),                          /* a: at 0, its class at 4 */
    0x40, 0,   0,   16,  0x80, 0,           0,    76,   POINT(3, 4), /* b: of the same class */
    0,    0,   0,   0,                                               /* c */
    9};

static void pointers_have_class_tags_and_references(void **state) {
  (void)state;
  uint8_t again[26 + 4 + 4 + 1];
  memcpy(again, pointers, 26);
  memcpy(again + 26, (uint8_t[]){0, 0, 0, 72, 0, 0, 0, 72, 9}, 9);
  static const uint8_t missing[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
  EXPECT("Holder", false, pointers, "{a:{x:1 y:2 } b:{x:3 y:4 } last:9 }");
  EXPECT("Holder", false, again, "{a:{x:1 y:2 } b:{x:1 y:2 } last:9 }");
  EXPECT("Holder", false, missing, "{a:null b:null last:9 }");
}

static void pointers_that_lead_astray_are_refused(void **state) {
  (void)state;
  static const struct {
    int at;
    uint8_t value;
    const char *why;
  } cases[] = {{9, 'a', "holds an object of another class, Paint"},
               {33, 77, "leads to where no class is named"},
               {33, 103, "leaves its entry"},
               {33, 10, "leaves its entry"},
               {30, 0, "has the class tag"},
               {19, 2, "has version 2, its column has version 1"},
               {3, 200, "does not fit"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct made made;
    uint8_t data[sizeof pointers];
    memcpy(data, pointers, sizeof data);
    data[cases[i].at] = cases[i].value;
    make(&made, "Holder", false);
    assert_int_not_equal(decode(&made, data, sizeof data), MLAAS_OK);
    if (!strstr(made.error.message, cases[i].why))
      fail_msg("%zu: %s", i, made.error.message);
    forget(&made);
  }
}

static void an_object_of_another_version_is_refused(void **state) {
  (void)state;
  static const uint8_t version[] = {0x40, 0, 0, 8, 0, 2, 0, 0, 0, 1, 0, 2};
  static const uint8_t checksum[] = {0x40, 0, 0, 12, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 0, 2};
  static const uint8_t longer[] = {0x40, 0, 0, 9, 0, 1, 0, 0, 0, 1, 0, 2, 0};
  REFUSED("Point", version, MLAAS_UNSUPPORTED, "an object of class Point has version 2, its column has version 1");
  REFUSED("Point", checksum, MLAAS_UNSUPPORTED, "has the checksum 0x902, its column has 0x901");
  REFUSED("Point", longer, MLAAS_FORMAT, "1 bytes of an object are left over");
}

static void a_version_that_the_bytes_have_is_found_by_looking(void **state) {
  (void)state;
  struct mlaas_streamer_element older[] = {NUMBER("x", 2)};
  struct mlaas_streamer_info both[] = {INFO("Point", 1, 0x900, older), INFO("Point", 2, 0x901, point)};
  const struct mlaas_streamers two = {both, 2};
  static const uint8_t data[] = {0x40, 0, 0, 14, 0, 9, 0, 0, 0, 1, 0x40, 0, 0, 4, 0, 1, 0, 7};
  static const struct mlaas_class_version seen = {"Point", 1, 0};
  static const struct mlaas_clones told = {.versions = &seen, .num_versions = 1};
  struct mlaas_clones_sample sample = {.wanted = -1};
  struct made made = {.budget = mlaas_budget_new(16 << 20)};
  struct mlaas_node_maker nodes;
  mlaas_arena_init(&made.arena, made.budget);
  for (int round = 0; round < 2; round++) {
    mlaas_node_maker_init(&nodes, &two, &made.arena, &made.error);
    nodes.clones = round ? &told : NULL;
    struct mlaas_node *node = mlaas_type_node(&nodes, "vector<Point>", false);
    assert_non_null(node);
    assert_true(nodes.ambiguous);
    made.plan = (struct mlaas_branch_plan){.layout = MLAAS_LAYOUT_WALK, .root = node, .sample = round ? NULL : &sample};
    made.plan.num_buffers = mlaas_node_number(node, 0);
    assert_int_equal(decode(&made, data, sizeof data), round ? MLAAS_OK : MLAAS_UNSUPPORTED);
  }
  assert_true(sample.found);
  assert_string_equal(sample.version.name, "Point");
  assert_int_equal(sample.version.version, 1);
  assert_string_equal(made.text, "[{x:7 } ]");
  forget(&made);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static const char *const types[] = {"All", "Holder", "map<string,vector<pair<int,Deep> > >",
                                      "vector<TMatrixTSym<double> >"};
  static const uint8_t offsets[] = {0, 0, 0, 70};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    for (long n = 1, done = 0; !done; n++) {
      struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
      struct mlaas_arena arena;
      struct mlaas_error error = {0};
      struct mlaas_node_maker nodes;
      struct mlaas_piece piece = {0};
      mlaas_arena_init(&arena, budget);
      mlaas_node_maker_init(&nodes, &streamers, &arena, &error);
      mlaas_memory_fail(n, false);
      struct mlaas_node *node = mlaas_type_node(&nodes, types[i], false);
      enum mlaas_status status = nodes.status;
      if (node) {
        struct mlaas_branch_plan plan = {.layout = MLAAS_LAYOUT_WALK, .root = node};
        struct mlaas_basket basket = basket_of(pointers, sizeof pointers, 1, offsets);
        plan.num_buffers = mlaas_node_number(node, 0);
        node->object = NULL;
        status = mlaas_decode_piece(&plan, &basket, NULL, budget, NULL, &piece, &error);
      }
      done = status != MLAAS_MEMORY;
      mlaas_memory_fail(0, false);
      if (status == MLAAS_OK && node)
        mlaas_piece_reset(&piece);
      mlaas_arena_reset(&arena);
      assert_int_equal(mlaas_budget_held(budget), 0);
      mlaas_budget_put(budget);
    }
}

static void loops_are_lists_of_objects(void **state) {
  (void)state;
  static const uint8_t data[] = {0, 0, 0, 2, 0x40, 0, 0, 26, 0, 9, POINT(1, 2), POINT(3, 4)};
  EXPECT("Loop", false, data, "{n:2 points:[{x:1 y:2 } {x:3 y:4 } ] }");
}

static void roots_own_classes_are_known(void **state) {
  (void)state;
  static const uint8_t reference[] = {0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1};
  static const uint8_t references[] = {0x40, 0, 0, 31, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'p',
                                       0,    0, 0, 2,  0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 8};
  static const uint8_t array[] = {0, 0, 0, 2, 0, 1, 0, 2};
  static const uint8_t date[] = {0, 0, 1, 0};
  uint8_t right[sizeof references];
  memcpy(right, references, sizeof references);
  right[3] = sizeof references - 4;
  EXPECT("TRef", true, reference, "{ref:5 }");
  expect("TRefArray", true, right, sizeof right, "{fName:'p' fSize:2 refs:[7 8 ] }");
  EXPECT("TArrayS", true, array, "[1 2 ]");
  EXPECT("TDatime", true, date, "{fDatime:256 }");
}

static void a_class_in_itself_is_left_out_where_its_length_is_known(void **state) {
  (void)state;
  static const uint8_t data[] = {0x40, 0, 0, 9, 0, 9, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 3};
  EXPECT("Self", false, data, "{id:3 }");
}

static void classes_that_grow_without_end_are_refused(void **state) {
  (void)state;
  struct mlaas_streamer_info chain[12];
  struct mlaas_streamer_element elements[12][3];
  char names[12][8];
  for (int i = 0; i < 12; i++) {
    snprintf(names[i], sizeof names[i], "W%c", 'a' + i);
    memcpy(elements[i], wide, sizeof wide);
    for (int j = 0; j < 3; j++)
      elements[i][j].type_name = i < 11 ? names[i + 1] : "Wa";
    chain[i] = (struct mlaas_streamer_info){names[i], (uint32_t)i + 1, 1, elements[i], 3};
  }
  for (int i = 0; i < 11; i++)
    snprintf(names[i], sizeof names[i], "W%c", 'a' + i);
  struct mlaas_streamers many = {chain, 12};
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_arena arena;
  struct mlaas_error error;
  struct mlaas_node_maker nodes;
  mlaas_arena_init(&arena, budget);
  mlaas_node_maker_init(&nodes, &many, &arena, &error);
  assert_null(mlaas_class_node(&nodes, "Wa", -1, 0));
  assert_string_equal(nodes.unsupported, "a class of so many members is not read");
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_follow_each_other_with_bases_inlined),
      cmocka_unit_test(a_referenced_base_is_longer_and_a_flag_may_say_that_nothing_follows),
      cmocka_unit_test(a_count_that_does_not_fit_is_refused),
      cmocka_unit_test(a_negative_count_is_refused),
      cmocka_unit_test(collections_of_objects_come_both_ways),
      cmocka_unit_test(columns_have_no_frames_for_bases_and_one_for_texts),
      cmocka_unit_test(maps_and_pairs_come_both_ways),
      cmocka_unit_test(bitsets_and_arrays_are_lists_and_fixed_lists),
      cmocka_unit_test(pointers_have_class_tags_and_references),
      cmocka_unit_test(pointers_that_lead_astray_are_refused),
      cmocka_unit_test(an_object_of_another_version_is_refused),
      cmocka_unit_test(a_version_that_the_bytes_have_is_found_by_looking),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(loops_are_lists_of_objects),
      cmocka_unit_test(roots_own_classes_are_known),
      cmocka_unit_test(a_class_in_itself_is_left_out_where_its_length_is_known),
      cmocka_unit_test(classes_that_grow_without_end_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
