/* Files made to do harm, from small ones with a few bytes changed: what they claim must cost neither memory nor time.
 * Baskets, codecs and ntuples have their own in container/test_basket.c, value/test_decode.c, container/test_codec.c
 * and ntuple/test_hostile.c.
 */
#include "rootio/value/class_node.h"
#include "rootio/record/layout.h"
#include "rootio/table/table.h"
#include "rootio/value/type_name.h"
#include "sample.h"

#include <libdeflate.h>
#include <mlaas/verify.h>

enum { SLACK = 8 << 20 };

static void put32(uint8_t *bytes, uint32_t word) {
  word = __builtin_bswap32(word);
  memcpy(bytes, &word, 4);
}

static bool is_refusal(enum mlaas_status status) {
  return status == MLAAS_FORMAT || status == MLAAS_UNSUPPORTED || status == MLAAS_LIMIT;
}

/* ---- lengths ---- */

/* Each word of the metadata is once as large as can be, negative, or a byte count of everything. */
static void extreme_lengths_cost_nothing(void **state) {
  (void)state;
  static const char *const paths[] = {PLAIN_METADATA "chain-1.root", PLAIN_METADATA "old-branch-split1.root"};
  static const uint32_t words[] = {0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x3FFFFFFF, 0x00FFFFFF};
  for (size_t f = 0; f < sizeof paths / sizeof *paths; f++) {
    struct sample sample = sample_load(paths[f]);
    int refused = 0;
    for (size_t at = 0; at + 4 <= sample.size; at += 11) {
      uint8_t kept[4];
      memcpy(kept, sample.data + at, 4);
      put32(sample.data + at, words[at % 6]);
      enum mlaas_status status = sample_read_all(&sample, sample.size);
      assert_true(status == MLAAS_OK || is_refusal(status));
      refused += status != MLAAS_OK;
      sample_close(&sample);
      memcpy(sample.data + at, kept, 4);
    }
    assert_true(refused > 100);
    assert_true(mlaas_budget_peak(sample.budget) < SLACK);
    sample_free(&sample);
  }
}

/* ---- bombs ---- */

/* `blocks` blocks of zeros, 16 MiB less a byte each, behind 100 bytes of nothing. */
static struct sample make_bomb(int blocks, struct mlaas_key *key) {
  enum { LARGEST = (1 << 24) - 1, FRONT = 100, ROOM = 1 << 17 };
  struct sample sample = {.budget = mlaas_budget_new(1 << 30), .data = calloc(1, FRONT + (size_t)blocks * ROOM)};
  uint8_t *zeros = calloc(1, LARGEST), *block = malloc(ROOM);
  struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
  size_t made = libdeflate_zlib_compress(compressor, zeros, LARGEST, block + 9, ROOM - 9);
  libdeflate_free_compressor(compressor);
  memcpy(block, "ZL\x08", 3);
  for (int i = 0; i < 3; i++) {
    block[3 + i] = (uint8_t)(made >> 8 * i);
    block[6 + i] = 0xFF;
  }
  sample.size = FRONT;
  for (int i = 0; i < blocks; i++, sample.size += 9 + made)
    memcpy(sample.data + sample.size, block, 9 + made);
  *key = (struct mlaas_key){
      .offset = 50, .key_len = 50, .num_bytes = (int32_t)(sample.size - 50), .object_len = blocks * LARGEST};
  free(zeros);
  free(block);
  return sample;
}

static void a_bomb_is_refused_before_it_is_inflated(void **state) {
  (void)state;
  struct mlaas_key key;
  struct mlaas_block payload;
  struct sample sample = make_bomb(20, &key);
  struct mlaas_container container = {.budget = sample.budget, .end = (int64_t)sample.size};
  assert_int_equal(mlaas_source_from_memory(sample.data, sample.size, &container.source, NULL), MLAAS_OK);
  assert_int_equal(mlaas_key_payload(&container, &key, &payload, &sample.error), MLAAS_LIMIT);
  assert_non_null(strstr(sample.error.message, "a record of 335544300 bytes is above the limit"));
  assert_non_null(strstr(sample.error.message, "limits.metadata"));
  assert_true(mlaas_budget_peak(sample.budget) < SLACK);
  mlaas_budget_set_limit(sample.budget, MLAAS_CEILING_METADATA, 400 << 20);
  assert_int_equal(mlaas_key_payload(&container, &key, &payload, &sample.error), MLAAS_OK);
  mlaas_block_reset(&payload);
  mlaas_source_put(container.source);
  sample_free(&sample);
}

/* What a file that is opened and read by the public functions says under the given limits. */
static enum mlaas_status read_under(const char *path, struct mlaas_limits limits, struct mlaas_error *error) {
  struct mlaas_context_options options = {.size = sizeof options, .threads = 1, .limits = limits};
  struct mlaas_context *context;
  struct mlaas_file *file = NULL;
  struct mlaas_table *table = NULL;
  struct mlaas_reader *reader = NULL;
  assert_int_equal(mlaas_context_new(&options, &context, error), MLAAS_OK);
  enum mlaas_status status = mlaas_file_open(context, path, &file, error);
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_file_num_tables(file); i++) {
    struct mlaas_table_info info;
    struct ArrowArray array;
    mlaas_file_table(file, i, &info);
    status = mlaas_table_open(file, info.path, &table, error);
    if (status == MLAAS_OK)
      status = mlaas_reader_open(table, NULL, 0, &reader, error);
    if (status == MLAAS_OK)
      status = mlaas_reader_read(reader, 0, mlaas_table_num_entries(table), &array, error);
    if (status == MLAAS_OK)
      array.release(&array);
    mlaas_reader_close(reader);
    mlaas_table_close(table);
    reader = NULL;
    table = NULL;
  }
  mlaas_file_close(file);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
  return status;
}

static void every_ceiling_is_kept_and_named(void **state) {
  (void)state;
  struct mlaas_error error;
  static const struct {
    const char *path, *name;
    struct mlaas_limits limits;
  } cases[] = {
      {DATA "tntuple.root", "limits.metadata", {.metadata = 300}},
      {DATA "autoflush.root", "limits.basket", {.basket = 90}},
      {DATA "ntuple-late.root", "limits.page", {.page = 8}},
      {DATA "names.root", "limits.nesting", {.nesting = 1}},
      {DATA "old-branch-split1.root", "limits.columns", {.columns = 3}},
      {DATA "ntuple-late.root", "limits.columns", {.columns = 2}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(read_under(cases[i].path, (struct mlaas_limits){0}, &error), MLAAS_OK);
    assert_int_equal(read_under(cases[i].path, cases[i].limits, &error), MLAAS_LIMIT);
    assert_non_null(strstr(error.message, cases[i].name));
  }
}

static void note_what_is_left_out(void *context, const struct mlaas_finding *finding) {
  if (strstr(finding->message, "what begins at entry 100 is left out"))
    ++*(int *)context;
}

/* No range of entries is small enough: the verifier does not try each of 1,700. */
static void verifying_ends_where_every_row_fails(void **state) {
  (void)state;
  int left_out = 0;
  struct mlaas_context_options options = {.size = sizeof options, .threads = 1, .limits = {.basket = 100}};
  struct mlaas_verify_options how = {.size = sizeof how, .finding = note_what_is_left_out, .context = &left_out};
  struct mlaas_verify_report report = {.size = sizeof report};
  struct mlaas_context *context;
  struct mlaas_error error;
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_OK);
  assert_int_equal(mlaas_verify(context, DATA "loader/b.root", &how, &report, &error), MLAAS_OK);
  assert_int_not_equal(report.status, MLAAS_OK);
  assert_int_equal(left_out, 1);
  mlaas_context_put(context);
}

/* ---- references ---- */

struct objects_of {
  struct mlaas_budget *budget;
  struct mlaas_cursor cursor;
  struct mlaas_objects objects;
  struct mlaas_error error;
};

static void begin_objects(struct objects_of *of, const uint8_t *bytes, size_t size) {
  of->budget = mlaas_budget_new(1 << 20);
  mlaas_cursor_init(&of->cursor, bytes, (int64_t)size, -1, &of->error);
  mlaas_objects_init(&of->objects, &of->cursor, 70, of->budget);
}

static void end_objects(struct objects_of *of) {
  mlaas_objects_reset(&of->objects);
  assert_int_equal(mlaas_budget_held(of->budget), 0);
  mlaas_budget_put(of->budget);
}

static void objects_nest_as_deep_as_the_limit_says(void **state) {
  (void)state;
  uint8_t bytes[600];
  struct objects_of of;
  struct mlaas_pointer pointer;
  for (int i = 0; i < 100; i++)
    memcpy(bytes + 6 * i,
           "\xff\xff\xff\xff"
           "A",
           6); /* a new class, and nothing but the next object in it */
  begin_objects(&of, bytes, sizeof bytes);
  mlaas_budget_set_limit(of.budget, MLAAS_CEILING_NESTING, 40);
  for (int i = 0; i < 40; i++)
    assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_OK);
  assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_LIMIT);
  assert_non_null(strstr(of.error.message, "41 levels of nesting"));
  end_objects(&of);
}

/* A class tag must point to a tag further up that introduced a class; a reference to an object that was met. */
static void tags_must_hit_what_is_there(void **state) {
  (void)state;
  enum { ORIGIN = 70, MAP_OFFSET = 2 };
  static const uint32_t tags[] = {0x80000000u, 0x80000001u, 0x80000000u | (ORIGIN + MAP_OFFSET + 1),
                                  0x80000000u | (ORIGIN + MAP_OFFSET + 6), /* itself */
                                  0x80000000u | (ORIGIN + MAP_OFFSET + 8)};
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    uint8_t bytes[16] = "\xff\xff\xff\xff"
                        "A";
    struct objects_of of;
    struct mlaas_pointer pointer;
    put32(bytes + 6, tags[i]);
    begin_objects(&of, bytes, sizeof bytes);
    assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_OK);
    assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_FORMAT);
    assert_non_null(strstr(of.error.message, "class at"));
    end_objects(&of);
  }
  uint8_t bytes[16] = "\xff\xff\xff\xff"
                      "A";
  struct objects_of of;
  struct mlaas_pointer pointer;
  put32(bytes + 6, 12345); /* an object that nobody has met */
  begin_objects(&of, bytes, sizeof bytes);
  assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_OK);
  assert_int_equal(mlaas_objects_begin(&of.objects, &pointer), MLAAS_OK);
  assert_int_equal(pointer.kind, MLAAS_POINTER_LOST);
  end_objects(&of);
}

/* Every word of a tree's record is once a reference to one of its first objects: a branch inside itself among them. */
static void references_make_no_circles(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "old-branch-split1.root");
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  const struct mlaas_key key = sample.container.keys[0];
  sample_close(&sample);
  uint8_t *record = sample.data + key.offset;
  int twice = 0, targets = 0;
  for (int32_t target = key.key_len; target < key.num_bytes - 8 && targets < 2; target++) {
    static const uint8_t new_class[] = {0xFF, 0xFF, 0xFF, 0xFF, 'T', 'B'};
    if (memcmp(record + target + 4, new_class, sizeof new_class) != 0)
      continue; /* no branch begins here */
    targets++;
    for (int32_t at = key.key_len; at < key.num_bytes - 4; at++) {
      uint8_t kept[4];
      memcpy(kept, record + at, 4);
      put32(record + at, (uint32_t)target + 2);
      enum mlaas_status status = sample_read_all(&sample, sample.size);
      assert_true(status == MLAAS_OK || is_refusal(status));
      twice += status != MLAAS_OK && strstr(sample.error.message, "twice");
      sample_close(&sample);
      memcpy(record + at, kept, 4);
    }
  }
  assert_true(twice > 0);
  assert_true(mlaas_budget_peak(sample.budget) < SLACK);
  sample_free(&sample);
}

/* ---- classes that are made of themselves ---- */

enum { BASES = 40 };

/* Every class has every other as a base, or as a member. */
static void make_circles(struct mlaas_streamer_info *infos, struct mlaas_streamer_element (*elements)[BASES],
                         char (*names)[8], const char *kind) {
  for (int i = 0; i < BASES; i++) {
    snprintf(names[i], sizeof names[i], "C%02d", i);
    infos[i] =
        (struct mlaas_streamer_info){.name = names[i], .version = 1, .elements = elements[i], .num_elements = BASES};
    for (int k = 0; k < BASES; k++)
      elements[i][k] = (struct mlaas_streamer_element){.kind = kind,
                                                       .name = names[k],
                                                       .title = "",
                                                       .type_name = names[k],
                                                       .type = strcmp(kind, "TStreamerBase") == 0 ? 0 : 62,
                                                       .base_version = 1,
                                                       .count_name = "",
                                                       .count_class = ""};
  }
}

static void classes_in_circles_come_to_an_end(void **state) {
  (void)state;
  static struct mlaas_streamer_info infos[BASES];
  static struct mlaas_streamer_element elements[BASES][BASES];
  static char names[BASES][8];
  static const char *const kinds[] = {"TStreamerBase", "TStreamerObjectAny"};
  for (int i = 0; i < 2; i++) {
    make_circles(infos, elements, names, kinds[i]);
    const struct mlaas_streamers streamers = {infos, BASES};
    assert_false(mlaas_streamers_derives(&streamers, "C00", "TTree"));
    struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
    struct mlaas_arena arena;
    struct mlaas_error error;
    struct mlaas_node_maker maker;
    mlaas_arena_init(&arena, budget);
    mlaas_node_maker_init(&maker, &streamers, &arena, &error);
    assert_null(mlaas_class_node(&maker, "C00", 1, 0));
    assert_true(maker.unsupported || maker.status != MLAAS_OK);
    mlaas_arena_reset(&arena);
    assert_true(mlaas_budget_peak(budget) < SLACK);
    mlaas_budget_put(budget);
  }
}

/* Pointers to nothing but "const". */
static void pointers_without_a_type_are_refused(void **state) {
  (void)state;
  static const char *const names[] = {"const *", "const ", "const", "*", "", "const **", " "};
  const struct mlaas_streamers none = {0};
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int32_t type = 61; type <= 69; type++) {
      struct mlaas_streamer_element element = {.kind = "TStreamerObjectAnyPointer",
                                               .name = "p",
                                               .title = "",
                                               .type_name = names[i],
                                               .type = type,
                                               .count_name = "",
                                               .count_class = ""};
      struct mlaas_node_maker maker;
      struct mlaas_arena arena;
      struct mlaas_error error;
      mlaas_arena_init(&arena, budget);
      mlaas_node_maker_init(&maker, &none, &arena, &error);
      struct mlaas_node *node = mlaas_element_node(&maker, &element, NULL, 0);
      assert_true(node || maker.unsupported);
      mlaas_arena_reset(&arena);
    }
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

/* A branch whose class is its own base, in a record that is nothing but versions. */
static void bases_nest_only_so_deep(void **state) {
  (void)state;
  struct mlaas_streamer_element element = {.kind = "TStreamerBase",
                                           .name = "TBranch",
                                           .title = "",
                                           .type_name = "BASE",
                                           .base_version = 1,
                                           .count_name = ""};
  struct mlaas_streamer_info info = {.name = "TBranch", .version = 1, .elements = &element, .num_elements = 1};
  const struct mlaas_streamers streamers = {&info, 1};
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  struct mlaas_arena arena;
  struct objects_of of;
  uint8_t bytes[2000];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = i % 2;
  begin_objects(&of, bytes, sizeof bytes);
  mlaas_arena_init(&arena, of.budget);
  struct mlaas_layouts *layouts = mlaas_layouts_new(&streamers, &arena, &of.error);
  assert_non_null(layouts);
  assert_int_equal(mlaas_layout_read(layouts, "TBranch", &of.objects, values, NULL, NULL), MLAAS_FORMAT);
  assert_non_null(strstr(of.error.message, "nested too deep"));
  mlaas_arena_reset(&arena);
  end_objects(&of);
}

static void types_nest_only_so_deep(void **state) {
  (void)state;
  enum { DEEP = 5000 };
  char *name = malloc(DEEP * 9 + 8), *at = name;
  for (int i = 0; i < DEEP; i++, at += 7)
    memcpy(at, "vector<", 7);
  memcpy(at, "int", 3);
  at += 3;
  for (int i = 0; i < DEEP; i++, at += 2)
    memcpy(at, " >", 2);
  *at = 0;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  struct mlaas_node *node = NULL;
  const char *unsupported = NULL;
  mlaas_arena_init(&arena, budget);
  enum mlaas_status status = mlaas_type_parse(name, false, &arena, &node, &unsupported, NULL);
  assert_true(status == MLAAS_LIMIT || (status == MLAAS_OK && !node && unsupported));
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  free(name);
}

/* A file whose own description of TBranchElement leaves the class out. */
static void elements_without_a_class_are_refused(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "clones-split99.root");
  for (size_t i = 0; i + 10 < sample.size; i++)
    if (memcmp(sample.data + i, "fClassName", 10) == 0)
      sample.data[i] = 'g';
  struct mlaas_source *source;
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_table *table;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_source_from_memory(sample.data, sample.size, &source, NULL), MLAAS_OK);
  assert_int_equal(mlaas_file_from_source(context, source, &file, &sample.error), MLAAS_OK);
  assert_int_equal(mlaas_table_open(file, NULL, &table, &sample.error), MLAAS_OK);
  size_t elements = 0;
  for (size_t i = 0; i < table->tree.num_all; i++)
    if (table->tree.all[i]->is_element) {
      assert_string_equal(table->tree.all[i]->element_class, "");
      elements++;
    }
  assert_true(elements > 0);
  mlaas_table_close(table);
  mlaas_file_close(file);
  mlaas_context_put(context);
  sample_free(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(extreme_lengths_cost_nothing),
      cmocka_unit_test(a_bomb_is_refused_before_it_is_inflated),
      cmocka_unit_test(every_ceiling_is_kept_and_named),
      cmocka_unit_test(verifying_ends_where_every_row_fails),
      cmocka_unit_test(objects_nest_as_deep_as_the_limit_says),
      cmocka_unit_test(tags_must_hit_what_is_there),
      cmocka_unit_test(references_make_no_circles),
      cmocka_unit_test(classes_in_circles_come_to_an_end),
      cmocka_unit_test(bases_nest_only_so_deep),
      cmocka_unit_test(pointers_without_a_type_are_refused),
      cmocka_unit_test(types_nest_only_so_deep),
      cmocka_unit_test(elements_without_a_class_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
