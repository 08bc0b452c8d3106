/* Objects behind keys: what the tree of items looks like, what happens to bytes that are not what they say, and that
 * nothing which fails leaves a trace. That all values are right is asserted against ROOT and uproot in tests/python. */
#include "rootio/object/value.h"

#include "base/context.h"
#include "../sample.h"

#include <math.h>
#include <mlaas/file.h>

#define OBJECTS DATA "objects.root"

struct opened {
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_error error;
};

static struct opened open_file(const char *path) {
  struct opened opened = {0};
  struct mlaas_context_options options = {.size = sizeof options, .threads = 1};
  assert_int_equal(mlaas_context_new(&options, &opened.context, &opened.error), MLAAS_OK);
  assert_int_equal(mlaas_file_open(opened.context, path, &opened.file, &opened.error), MLAAS_OK);
  return opened;
}

static void close_file(struct opened *opened) {
  mlaas_file_close(opened->file);
  assert_int_equal(mlaas_context_memory_held(opened->context), 0);
  mlaas_context_put(opened->context);
}

static struct mlaas_object *open_object(struct opened *opened, const char *path) {
  struct mlaas_object *object;
  if (mlaas_object_open(opened->file, path, &object, &opened->error) != MLAAS_OK)
    fail_msg("%s: %s", path, opened->error.message);
  return object;
}

static double number(const struct mlaas_item *item, const char *name) {
  return mlaas_item_number(mlaas_item_find(item, name), 0);
}

/* ---- files ---- */

static void keys_are_listed(void **state) {
  (void)state;
  struct opened opened = open_file(OBJECTS);
  struct mlaas_object_info info;
  assert_true(mlaas_file_num_objects(opened.file) > 50);
  assert_int_equal(mlaas_file_num_tables(opened.file), 0);
  mlaas_file_object(opened.file, 0, &info);
  assert_string_equal(info.path, "h1C;1");
  assert_string_equal(info.class_name, "TH1C");
  assert_string_equal(info.title, "letter C");
  assert_true(info.stored_bytes > 0 && info.stored_bytes <= info.raw_bytes);
  close_file(&opened);
}

static void members_are_found(void **state) {
  (void)state;
  struct opened opened = open_file(OBJECTS);
  struct mlaas_object *object = open_object(&opened, "cutflow");
  const struct mlaas_item *item = mlaas_object_item(object);
  struct mlaas_object_info info;
  mlaas_object_info(object, &info);
  assert_string_equal(info.path, "cutflow;1");
  mlaas_file_close(opened.file); /* the object holds it */
  opened.file = NULL;
  assert_int_equal(item->kind, MLAAS_ITEM_OBJECT);
  assert_true(number(item, "fXaxis.fNbins") == 4);
  assert_true(number(item, "fEntries") == 4);
  assert_string_equal(mlaas_item_find(item, "fName")->as.text, "cutflow");
  assert_true(mlaas_item_number(mlaas_item_find(item, "fArray"), 3) == 35.25);
  assert_true(isnan(mlaas_item_number(mlaas_item_find(item, "fArray"), 6)));
  assert_true(isnan(mlaas_item_number(mlaas_item_find(item, "fArray"), -1)));
  assert_true(isnan(number(item, "fName")) && isnan(number(item, "nothing")));
  assert_null(mlaas_item_find(item, "fXaxis.nothing"));
  assert_null(mlaas_item_find(item, "nothing.fNbins"));
  assert_null(mlaas_item_find(NULL, "fName"));
  mlaas_object_close(object);
  mlaas_object_close(NULL);
  close_file(&opened);
}

static void references_share_their_target(void **state) {
  (void)state;
  struct opened opened = open_file(OBJECTS);
  struct mlaas_object *object = open_object(&opened, "twice;1");
  const struct mlaas_item *list = mlaas_object_item(object);
  assert_int_equal(list->kind, MLAAS_ITEM_LIST);
  assert_int_equal(list->count, 2);
  assert_int_equal(list->as.items[0].kind, MLAAS_ITEM_OBJECT);
  assert_int_equal(list->as.items[1].kind, MLAAS_ITEM_REFERENCE);
  assert_ptr_equal(list->as.items[1].as.target->as.members, list->as.items[0].as.members);
  assert_string_equal(mlaas_item_find(&list->as.items[1], "fName")->as.text, "in");
  mlaas_object_close(object);
  object = open_object(&opened, "list");
  assert_null(mlaas_object_item(object)->as.items[0].option);
  assert_string_equal(mlaas_object_item(object)->as.items[1].option, "option");
  mlaas_object_close(object);
  close_file(&opened);
}

static void histograms_are_seen(void **state) {
  (void)state;
  struct opened opened = open_file(OBJECTS);
  struct mlaas_object *object = open_object(&opened, "cutflow");
  struct mlaas_histogram histogram;
  assert_true(mlaas_object_histogram(object, &histogram));
  assert_int_equal(histogram.dimensions, 1);
  assert_int_equal(histogram.num_bins, 6);
  assert_null(histogram.axes[0].edges);
  assert_int_equal(histogram.axes[0].labels->count, 4);
  assert_true(number(&histogram.axes[0].labels->as.items[2], "fUniqueID") == 3);
  assert_true(mlaas_histogram_value(&histogram, 1) == 1000 && mlaas_histogram_sum(&histogram) == 1437.75);
  mlaas_object_close(object);
  object = open_object(&opened, "profile2");
  assert_true(mlaas_object_histogram(object, &histogram));
  assert_int_equal(histogram.dimensions, 2);
  assert_int_equal(histogram.num_bins, 20);
  assert_true(mlaas_histogram_value(&histogram, 6) ==
              mlaas_item_number(histogram.contents, 6) / mlaas_item_number(histogram.bin_entries, 6));
  mlaas_object_close(object);
  object = open_object(&opened, "variable");
  assert_true(mlaas_object_histogram(object, &histogram));
  assert_true(histogram.axes[0].edges[1] == 0.1);
  mlaas_object_close(object);
  object = open_object(&opened, "graph");
  assert_false(mlaas_object_histogram(object, &histogram));
  mlaas_object_close(object);
  close_file(&opened);
}

static void what_is_not_there_is_said(void **state) {
  (void)state;
  struct opened opened = open_file(OBJECTS);
  struct mlaas_object *object;
  assert_int_equal(mlaas_object_open(opened.file, "cutflov", &object, &opened.error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(opened.error.message, "did you mean cutflow;1?"));
  assert_int_equal(mlaas_object_open(opened.file, "cutflow;2", &object, NULL), MLAAS_NOT_FOUND);
  close_file(&opened);
  opened = open_file(DATA "tntuple.root");
  struct mlaas_table_info info;
  mlaas_file_table(opened.file, 0, &info);
  assert_int_equal(mlaas_object_open(opened.file, info.path, &object, &opened.error), MLAAS_ARGUMENT);
  close_file(&opened);
}

/* ---- bytes by hand ---- */

static struct mlaas_streamer_element number_of[] = {
    {.kind = "TStreamerBasicType", .name = "n", .title = "", .type_name = "int", .type = 6},
    {.kind = "TStreamerBasicPointer", .name = "a", .title = "", .type_name = "short*", .type = 42, .count_name = "n"},
};
static struct mlaas_streamer_element unknown_inside[] = {
    {.kind = "TStreamerBasicType", .name = "x", .title = "", .type_name = "int", .type = 3},
    {.kind = "TStreamerObjectAny", .name = "y", .title = "", .type_name = "Nobody", .type = 62},
    {.kind = "TStreamerBasicType", .name = "z", .title = "", .type_name = "int", .type = 3},
};
static struct mlaas_streamer_element of_itself[] = {
    {.kind = "TStreamerBase", .name = "Loop", .title = "", .type_name = "BASE", .type = 0, .base_version = 1},
};
static struct mlaas_streamer_element no_members[1];
static struct mlaas_streamer_info infos[] = {
    {"Array", 1, 1, number_of, 2},
    {"Empty", 1, 1, no_members, 0},
    {"Holder", 1, 1, unknown_inside, 3},
    {"Loop", 1, 1, of_itself, 1},
};

struct decoded {
  struct mlaas_budget *budget;
  struct mlaas_arena arena;
  struct mlaas_item item;
  struct mlaas_error error;
};

static enum mlaas_status decode(struct decoded *decoded, const char *class_name, const void *data, size_t size) {
  const struct mlaas_streamers streamers = {infos, sizeof infos / sizeof *infos};
  *decoded = (struct decoded){.budget = mlaas_budget_new(64 << 20)};
  mlaas_arena_init(&decoded->arena, decoded->budget);
  return mlaas_object_decode(&streamers, 64000, class_name, data, (int64_t)size, 0, &decoded->arena, &decoded->item,
                             &decoded->error);
}

static void forget(struct decoded *decoded) {
  mlaas_arena_reset(&decoded->arena);
  assert_int_equal(mlaas_budget_held(decoded->budget), 0);
  mlaas_budget_put(decoded->budget);
}

#define DECODE(decoded, class_name, bytes) decode(decoded, class_name, bytes, sizeof(bytes) - 1)

static void counts_are_checked(void **state) {
  (void)state;
  struct decoded decoded;
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0b\0\1\0\0\0\2\1\0\7\xff\xfe"), MLAAS_OK);
  const struct mlaas_item *array = mlaas_item_find(&decoded.item, "a");
  assert_int_equal(array->count, 2);
  assert_int_equal(array->as.array.format, 'h');
  assert_true(mlaas_item_number(array, 0) == 7 && mlaas_item_number(array, 1) == -2);
  forget(&decoded);
  /* a flag of 0: the pointer was null */
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\7\0\1\0\0\0\2\0"), MLAAS_OK);
  assert_int_equal(mlaas_item_find(&decoded.item, "a")->count, 0);
  forget(&decoded);
  /* more than there are bytes, fewer than none */
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0b\0\1\0\0\0\3\1\0\7\xff\xfe"), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(decoded.error.message, "do not fit"));
  forget(&decoded);
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0b\0\1\xff\0\0\3\1\0\7\xff\xfe"), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(decoded.error.message, "counter"));
  forget(&decoded);
}

static void objects_end_where_they_say(void **state) {
  (void)state;
  struct decoded decoded;
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0c\0\1\0\0\0\2\1\0\7\xff\xfe!"), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(decoded.error.message, "leaves 1 bytes"));
  forget(&decoded);
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0b\0\1\0\0\0\2\1\0\7\xff\xfe!"), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(decoded.error.message, "leaves 1 of its 16 bytes over"));
  forget(&decoded);
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0c\0\1\0\0\0\2\1\0\7\xff\xfe"), MLAAS_FORMAT);
  forget(&decoded);
  assert_int_equal(DECODE(&decoded, "Array", "\x40\0\0\x0b\0\2\0\0\0\2\1\0\7\xff\xfe"), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(decoded.error.message, "version 2 of its class Array"));
  forget(&decoded);
  assert_int_equal(DECODE(&decoded, "Array", ""), MLAAS_FORMAT);
  forget(&decoded);
}

static void unknown_parts_are_left_behind(void **state) {
  (void)state;
  struct decoded decoded;
  const char *framed = "\x40\0\0\x10\0\1\0\0\0\5\x40\0\0\2\0\1\0\0\0\6";
  assert_int_equal(decode(&decoded, "Holder", framed, 20), MLAAS_OK);
  assert_true(number(&decoded.item, "x") == 5 && number(&decoded.item, "z") == 6);
  const struct mlaas_item *part = mlaas_item_find(&decoded.item, "y");
  assert_int_equal(part->kind, MLAAS_ITEM_UNREADABLE);
  assert_non_null(strstr(part->as.reason, "does not describe version 1 of its class Nobody"));
  forget(&decoded);
  /* without a byte count nobody knows where z begins: it is not there */
  const char *bare = "\x40\0\0\x0c\0\1\0\0\0\5\0\1\0\0\0\6";
  assert_int_equal(decode(&decoded, "Holder", bare, 16), MLAAS_OK);
  assert_true(number(&decoded.item, "x") == 5);
  assert_int_equal(mlaas_item_find(&decoded.item, "y")->kind, MLAAS_ITEM_UNREADABLE);
  assert_null(mlaas_item_find(&decoded.item, "z"));
  forget(&decoded);
}

static void nesting_has_a_limit(void **state) {
  (void)state;
  struct decoded decoded;
  enum { MANY = 20000 };
  char *bytes = calloc(2, MANY);
  for (int i = 0; i < MANY; i++)
    bytes[2 * i + 1] = 1; /* the version of a base, and of its base */
  assert_int_equal(decode(&decoded, "Loop", bytes, (size_t)2 * MANY), MLAAS_LIMIT);
  free(bytes);
  forget(&decoded);
  bytes = calloc(MANY, 1);
  char *type = calloc(1, 6000);
  for (int i = 0; i < 500; i++)
    memcpy(type + 7 * i, "vector<", 7);
  assert_int_equal(decode(&decoded, type, bytes, MANY), MLAAS_UNSUPPORTED);
  free(type);
  free(bytes);
  forget(&decoded);
}

static void items_without_bytes_have_a_ceiling(void **state) {
  (void)state;
  struct decoded decoded;
  char bytes[] = "\x40\0\0\x0e\x40\x0a\0\1\x7f\xff\xff\xff......";
  struct mlaas_streamer_element element[] = {
      {.kind = "TStreamerSTL", .name = "v", .title = "", .type_name = "vector<Empty>", .type = 500, .stl_type = 1}};
  struct mlaas_streamer_info *last = &infos[sizeof infos / sizeof *infos - 1], kept = *last;
  *last = (struct mlaas_streamer_info){"Vector", 1, 1, element, 1};
  char object[64] = "\x40\0\0\x14\0\1";
  memcpy(object + 6, bytes, 18);
  assert_int_equal(decode(&decoded, "Vector", object, 24), MLAAS_OK);
  assert_int_equal(mlaas_item_find(&decoded.item, "v")->kind, MLAAS_ITEM_UNREADABLE);
  forget(&decoded);
  memcpy(object, "\x40\0\0\x0e\0\1\x40\0\0\x08\x40\x0a\0\1\0\0\0\5", 18);
  assert_int_equal(decode(&decoded, "Vector", object, 18), MLAAS_OK);
  assert_int_equal(mlaas_item_find(&decoded.item, "v")->count, 5);
  forget(&decoded);
  *last = kept;
}

static void references_to_what_encloses_them_have_no_target(void **state) {
  (void)state;
  struct decoded decoded;
  /* a TList with an Array, whose place another TList refers to while it is read: here simply the list itself (1), one
   * that is not there (99), and null */
  const char list[] = "\x40\0\0\x24\0\5\0\1\0\0\0\0\0\0\0\0\0\0\0\0\3"
                      "\0\0\0\1\0\0\0\0\x63\0\0\0\0\0\0";
  size_t size = sizeof list - 1;
  char bytes[sizeof list];
  memcpy(bytes, list, sizeof list);
  bytes[3] = (char)(size - 4);
  assert_int_equal(decode(&decoded, "TList", bytes, size), MLAAS_OK);
  assert_int_equal(decoded.item.count, 3);
  assert_int_equal(decoded.item.as.items[0].kind, MLAAS_ITEM_REFERENCE);
  assert_null(decoded.item.as.items[0].as.target);
  assert_int_equal(decoded.item.as.items[1].kind, MLAAS_ITEM_REFERENCE);
  assert_int_equal(decoded.item.as.items[2].kind, MLAAS_ITEM_NULL);
  forget(&decoded);
}

/* ---- forms of members, by hand ---- */

#define NUMBER(called, code)                                                                                           \
  { .kind = "TStreamerBasicType", .name = called, .title = "", .type_name = "number", .type = code }
#define STL(called, type_of, length)                                                                                   \
  {                                                                                                                    \
    .kind = "TStreamerSTL", .name = called, .title = "", .type_name = type_of, .type = 500, .array_length = length,    \
    .stl_type = 1, .content_type = 61                                                                                  \
  }

/* Decodes an object of version 1 that has this one element. */
static enum mlaas_status decode_member(struct decoded *decoded, struct mlaas_streamer_element *element,
                                       const char *bytes, size_t size) {
  static struct mlaas_streamer_element base[] = {NUMBER("a", 3), NUMBER("b", 2)};
  static struct mlaas_streamer_element derived[] = {
      {.kind = "TStreamerBase", .name = "Base", .title = "", .type_name = "BASE", .type = 0, .base_version = 1},
      NUMBER("c", 1)};
  struct mlaas_streamer_info described[] = {
      {"Base", 1, 1, base, 2}, {"Derived", 0xabcd, 1, derived, 2}, {"One", 1, 1, element, 1}, {"Zero", 5, 0, base, 1}};
  const struct mlaas_streamers streamers = {described, 4};
  uint8_t object[256] = {0x40, 0, 0, (uint8_t)(size + 2), 0, 1};
  memcpy(object + 6, bytes, size);
  *decoded = (struct decoded){.budget = mlaas_budget_new(1 << 20)};
  mlaas_arena_init(&decoded->arena, decoded->budget);
  return mlaas_object_decode(&streamers, 51000, "One", object, (int64_t)size + 6, 0, &decoded->arena, &decoded->item,
                             &decoded->error);
}

#define DECODE_MEMBER(decoded, element, bytes)                                                                         \
  assert_int_equal(decode_member(decoded, element, bytes, sizeof(bytes) - 1), MLAAS_OK)

static const struct mlaas_item *item_of(const struct decoded *decoded, const char *name, int64_t i) {
  const struct mlaas_item *list = mlaas_item_find(&decoded->item, name);
  assert_non_null(list);
  if (list->kind == MLAAS_ITEM_UNREADABLE)
    fail_msg("%s", list->as.reason);
  assert_true(list->kind == MLAAS_ITEM_LIST || list->kind == MLAAS_ITEM_MAP);
  assert_true(i < (list->kind == MLAAS_ITEM_MAP ? 2 : 1) * list->count);
  return &list->as.items[i];
}

static void member_wise_bases_are_columns(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element element = STL("v", "vector<Derived>", 0);
  /* frame, version of the class, 2 items: both a, both b, both c */
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x16\x40\x0a\0\1\0\0\0\2\0\0\0\1\0\0\0\2\0\3\0\4\5\6");
  assert_true(number(item_of(&decoded, "v", 0), "a") == 1 && number(item_of(&decoded, "v", 1), "a") == 2);
  assert_true(number(item_of(&decoded, "v", 0), "b") == 3 && number(item_of(&decoded, "v", 1), "c") == 6);
  forget(&decoded);
  /* the same, described by its checksum */
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x13\x40\x0a\0\0\0\0\xab\xcd\0\0\0\1\0\0\0\1\0\3\5");
  assert_true(number(item_of(&decoded, "v", 0), "c") == 5);
  forget(&decoded);
  /* before version 8 of the frame nothing said which version */
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x0d\x40\x07\0\0\0\1\0\0\0\1\0\3\5");
  assert_true(number(item_of(&decoded, "v", 0), "b") == 3);
  forget(&decoded);
  /* item by item: each with frames of its own, its base's too */
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x19\0\x0a\0\0\0\1\x40\0\0\x0f\0\1\x40\0\0\x08\0\1\0\0\0\1\0\3\5");
  assert_true(number(item_of(&decoded, "v", 0), "a") == 1 && number(item_of(&decoded, "v", 0), "c") == 5);
  forget(&decoded);
}

static void arrays_of_collections_share_a_frame(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element element = STL("v", "vector<short>", 2);
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x0e\0\x0a\0\0\0\2\0\1\0\2\0\0\0\0");
  assert_int_equal(item_of(&decoded, "v", 0)->count, 2);
  assert_int_equal(item_of(&decoded, "v", 1)->count, 0);
  assert_true(mlaas_item_number(item_of(&decoded, "v", 0), 1) == 2);
  forget(&decoded);
}

static void pairs_need_no_description(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element element = STL("m", "map<short,vector<short> >", 0);
  /* both keys, then both values in a frame of their own */
  DECODE_MEMBER(&decoded, &element,
                "\x40\0\0\x20\x40\x0a\0\0\0\0\0\7\0\0\0\2\0\1\0\2"
                "\x40\0\0\x0c\0\x0a\0\0\0\1\0\x09\0\0\0\0");
  assert_true(mlaas_item_number(item_of(&decoded, "m", 2), 0) == 2);
  assert_true(mlaas_item_number(item_of(&decoded, "m", 1), 0) == 9);
  assert_int_equal(item_of(&decoded, "m", 3)->count, 0);
  forget(&decoded);
  /* an empty one has no columns */
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x0c\x40\x0a\0\0\0\0\0\7\0\0\0\0");
  assert_int_equal(mlaas_item_find(&decoded.item, "m")->count, 0);
  forget(&decoded);
}

static void classes_that_are_collections_say_of_what(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element element = STL("This", "MyVector", 0);
  element.title = "<Base> Used to call the proper TStreamerInfo case";
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x0e\x40\x0a\0\1\0\0\0\1\0\0\0\1\0\3");
  assert_true(number(item_of(&decoded, "This", 0), "b") == 3);
  forget(&decoded);
  element.title = "Used to call the proper TStreamerInfo case";
  DECODE_MEMBER(&decoded, &element, "\x40\0\0\x0e\x40\x0a\0\1\0\0\0\1\0\0\0\1\0\3");
  assert_int_equal(mlaas_item_find(&decoded.item, "This")->kind, MLAAS_ITEM_UNREADABLE);
  forget(&decoded);
}

static void loops_and_custom_members(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element elements[] = {
      NUMBER("n", 6),
      {.kind = "TStreamerLoop", .name = "l", .title = "", .type_name = "TString**", .type = 501, .count_name = "n"}};
  struct mlaas_streamer_info described[] = {{"Loop", 1, 1, elements, 2}};
  const struct mlaas_streamers streamers = {described, 1};
  decoded = (struct decoded){.budget = mlaas_budget_new(1 << 20)};
  mlaas_arena_init(&decoded.arena, decoded.budget);
  /* up to 5.15/08 what pointers point to stood there without class tags */
  assert_int_equal(mlaas_object_decode(&streamers, 51508, "Loop", "\x40\0\0\x10\0\1\0\0\0\2\x40\0\0\6\0\5\1a\1b", 20, 0,
                                       &decoded.arena, &decoded.item, &decoded.error),
                   MLAAS_OK);
  assert_string_equal(item_of(&decoded, "l", 1)->as.text, "b");
  forget(&decoded);
  struct mlaas_streamer_element custom = {
      .kind = "TStreamerObjectAny", .name = "x", .title = "", .type_name = "Custom", .type = 500};
  DECODE_MEMBER(&decoded, &custom, "\x40\0\0\4\0\1??");
  assert_int_equal(mlaas_item_find(&decoded.item, "x")->kind, MLAAS_ITEM_UNREADABLE);
  forget(&decoded);
}

static void versions_of_zero(void **state) {
  (void)state;
  struct decoded decoded;
  struct mlaas_streamer_element zero = {
      .kind = "TStreamerObjectAny", .name = "x", .title = "", .type_name = "Zero", .type = 62};
  /* a class that has version 0 itself: no checksum follows */
  DECODE_MEMBER(&decoded, &zero, "\x40\0\0\6\0\0\0\0\0\x08");
  assert_true(number(&decoded.item, "x.a") == 8);
  forget(&decoded);
  struct mlaas_streamer_element foreign = zero;
  foreign.type_name = "const Derived";
  DECODE_MEMBER(&decoded, &foreign, "\x40\0\0\x13\0\0\0\0\xab\xcd\x40\0\0\x08\0\1\0\0\0\1\0\3\5");
  assert_true(number(&decoded.item, "x.c") == 5);
  forget(&decoded);
  DECODE_MEMBER(&decoded, &foreign, "\x40\0\0\x13\0\0\0\0\xab\xce\x40\0\0\x08\0\1\0\0\0\1\0\3\5");
  assert_non_null(strstr(mlaas_item_find(&decoded.item, "x")->as.reason, "checksum 0000abce"));
  forget(&decoded);
}

static void names_may_be_spelled_in_ways(void **state) {
  (void)state;
  struct mlaas_streamer_element x = NUMBER("x", 3);
  struct mlaas_streamer_info described[] = {{"My<vector<int>,double>", 1, 1, &x, 1}};
  const struct mlaas_streamers streamers = {described, 1};
  static const char *const names[] = {"My<vector<int>,double>", "My<std::vector<Int_t>, Double_t>",
                                      "My<vector<int> ,double >"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct decoded decoded = {.budget = mlaas_budget_new(1 << 20)};
    mlaas_arena_init(&decoded.arena, decoded.budget);
    assert_int_equal(mlaas_object_decode(&streamers, 60000, names[i], "\x40\0\0\6\0\1\0\0\0\7", 10, 0, &decoded.arena,
                                         &decoded.item, &decoded.error),
                     MLAAS_OK);
    assert_true(number(&decoded.item, "x") == 7);
    forget(&decoded);
  }
}

/* ---- everything broken, everything missing ---- */

/* Goes to every item, as a caller would. */
static double visit(const struct mlaas_item *item, int depth) {
  double sum = item->kind == MLAAS_ITEM_ARRAY && item->count ? mlaas_item_number(item, item->count - 1) : 0;
  assert_true(depth < 1000);
  if (item->kind == MLAAS_ITEM_TEXT)
    sum += item->as.text[item->count] == '\0';
  if (item->kind == MLAAS_ITEM_UNREADABLE)
    sum += (double)strlen(item->as.reason);
  for (int64_t i = 0; item->kind == MLAAS_ITEM_OBJECT && i < item->count; i++)
    sum += visit(&item->as.members[i].item, depth + 1);
  int64_t count = item->kind == MLAAS_ITEM_LIST ? item->count : item->kind == MLAAS_ITEM_MAP ? 2 * item->count : 0;
  for (int64_t i = 0; i < count; i++)
    sum += visit(&item->as.items[i], depth + 1);
  return sum;
}

static void try_bytes(struct sample *sample, const struct mlaas_key *key, const uint8_t *data, int64_t size) {
  struct mlaas_arena arena;
  struct mlaas_item item;
  struct mlaas_error error;
  mlaas_arena_init(&arena, sample->budget);
  if (mlaas_object_decode(&sample->streamers, sample->container.version, key->class_name, data, size, key->key_len,
                          &arena, &item, &error) == MLAAS_OK)
    visit(&item, 0);
  mlaas_arena_reset(&arena);
}

static uint32_t next_random(uint32_t *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

static void damaged_objects_are_survived(void **state) {
  (void)state;
  struct sample sample = sample_tree(OBJECTS);
  uint32_t seed = 5;
  for (size_t i = 0; i < sample.container.num_keys; i++) {
    const struct mlaas_key *key = &sample.container.keys[i];
    struct mlaas_block payload;
    assert_int_equal(mlaas_key_payload(&sample.container, key, &payload, &sample.error), MLAAS_OK);
    for (int k = 0; k < 60; k++) {
      uint8_t *copy = malloc((size_t)key->object_len + 1); /* its own block, so that reading beyond it is seen */
      memcpy(copy, payload.data, (size_t)key->object_len);
      int64_t size = k % 3 ? key->object_len : (int64_t)(next_random(&seed) % (uint32_t)(key->object_len + 1));
      for (uint32_t n = next_random(&seed) % 4; n > 0 && size; n--)
        copy[next_random(&seed) % (uint32_t)size] = (uint8_t)next_random(&seed);
      copy = realloc(copy, (size_t)size + 1);
      try_bytes(&sample, key, copy, size);
      free(copy);
    }
    mlaas_block_reset(&payload);
  }
  sample_free(&sample);
}

static void failing_allocations_leave_nothing(void **state) {
  (void)state;
  static const char *const paths[] = {"holder", "map", "cutflow", "clones", "symmetric", "buffered", "no such object"};
  struct opened opened = open_file(OBJECTS);
  int64_t held = mlaas_context_memory_held(opened.context);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    enum mlaas_status status = MLAAS_MEMORY;
    for (long n = 1; status == MLAAS_MEMORY; n++) {
      struct mlaas_object *object = NULL;
      mlaas_memory_fail(n, n % 2 == 0);
      status = mlaas_object_open(opened.file, paths[i], &object, &opened.error);
      mlaas_memory_fail(0, false);
      mlaas_object_close(object);
      assert_int_equal(mlaas_context_memory_held(opened.context), held);
      assert_true(n < 5000);
    }
    assert_int_equal(status, i < 6 ? MLAAS_OK : MLAAS_NOT_FOUND);
  }
  close_file(&opened);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_listed),
      cmocka_unit_test(members_are_found),
      cmocka_unit_test(references_share_their_target),
      cmocka_unit_test(histograms_are_seen),
      cmocka_unit_test(what_is_not_there_is_said),
      cmocka_unit_test(counts_are_checked),
      cmocka_unit_test(objects_end_where_they_say),
      cmocka_unit_test(unknown_parts_are_left_behind),
      cmocka_unit_test(nesting_has_a_limit),
      cmocka_unit_test(items_without_bytes_have_a_ceiling),
      cmocka_unit_test(references_to_what_encloses_them_have_no_target),
      cmocka_unit_test(member_wise_bases_are_columns),
      cmocka_unit_test(arrays_of_collections_share_a_frame),
      cmocka_unit_test(pairs_need_no_description),
      cmocka_unit_test(classes_that_are_collections_say_of_what),
      cmocka_unit_test(loops_and_custom_members),
      cmocka_unit_test(versions_of_zero),
      cmocka_unit_test(names_may_be_spelled_in_ways),
      cmocka_unit_test(damaged_objects_are_survived),
      cmocka_unit_test(failing_allocations_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
