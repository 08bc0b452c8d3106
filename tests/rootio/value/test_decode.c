/* Kernels and layouts over bytes made by hand: what comes out, and what is refused. */
#include "../plans.h"

#include <math.h>
#include <stdlib.h>

struct decoded {
  struct mlaas_budget *budget;
  struct mlaas_block scratch;
  struct mlaas_piece piece;
  struct mlaas_error error;
};

static enum mlaas_status decode(struct decoded *decoded, const struct mlaas_branch_plan *plan,
                                const struct mlaas_basket *basket, const int32_t *counts) {
  *decoded = (struct decoded){.budget = mlaas_budget_new(1 << 20)};
  assert_int_equal(mlaas_block_new(decoded->budget, 0, &decoded->scratch, NULL), MLAAS_OK);
  struct mlaas_counts given = {.values = counts, .count = basket->entries};
  return mlaas_decode_piece(plan, basket, counts ? &given : NULL, decoded->budget, &decoded->scratch, &decoded->piece,
                            &decoded->error);
}

static void forget(struct decoded *decoded) {
  mlaas_piece_reset(&decoded->piece);
  mlaas_block_reset(&decoded->scratch);
  assert_int_equal(mlaas_budget_held(decoded->budget), 0);
  mlaas_budget_put(decoded->budget);
}

static void swaps_every_width_at_every_length(void **state) {
  (void)state;
  static const int32_t codes[] = {11, 12, 13, 17};
  for (int k = 0; k < 4; k++) {
    struct mlaas_scalar value;
    const char *format;
    uint8_t in[8 * 70], out[8 * 70 + 1], place[8 * 70];
    assert_true(mlaas_scalar_of_code(codes[k], &value, &format));
    for (size_t i = 0; i < sizeof in; i++)
      in[i] = (uint8_t)(i * 7 + 3);
    for (int64_t count = 0; count <= 70; count++) {
      memset(out, 0xEE, sizeof out);
      memcpy(place, in, sizeof in);
      mlaas_values_decode(&value, in, count, out);
      mlaas_values_decode_in_place(&value, place, count);
      for (int64_t i = 0; i < count * value.width; i++) {
        int64_t mirrored = i / value.width * value.width + value.width - 1 - i % value.width;
        assert_int_equal(out[i], in[mirrored]);
        assert_int_equal(place[i], in[mirrored]);
      }
      assert_int_equal(out[count * value.width], 0xEE);
    }
  }
}

static void bools_become_0_and_1(void **state) {
  (void)state;
  static const uint8_t in[] = {0, 1, 0x99, 0xFF};
  uint8_t out[4];
  struct mlaas_scalar value;
  const char *format;
  assert_true(mlaas_scalar_of_code(18, &value, &format));
  mlaas_values_decode(&value, in, 4, out);
  assert_memory_equal(out, ((uint8_t[]){0, 1, 1, 1}), 4);
}

static double unpack(const char *title, int32_t code, const uint8_t *in) {
  struct mlaas_scalar value;
  const char *format;
  double real;
  float single;
  assert_true(mlaas_scalar_of_code(code, &value, &format));
  assert_true(mlaas_packing_parse(title, &value));
  mlaas_values_decode(&value, in, 1, code == 9 ? (void *)&real : (void *)&single);
  return code == 9 ? real : (double)single;
}

/* ROOT divides by factor = 2^nbits / (max - min), and by 0xFFFFFFFF / (max - min) for 32 bits. */
static void ranges_are_read_as_root_reads_them(void **state) {
  (void)state;
  static const uint8_t three[] = {0, 0, 0, 3}, most[] = {0xFF, 0xFF, 0xFF, 0xFF}, one[] = {0x3F, 0x80, 0, 0};
  assert_true(unpack("[0,10.24,8] chi2", 9, three) == 3 / (256 / 10.24));
  assert_true(unpack("x[n]/d[-1,1,16]", 9, three) == 3 / (65536 / 2.0) - 1);
  assert_true(unpack("[-pi,pi]", 9, most) == 4294967295.0 / (4294967295.0 / (2 * M_PI)) - M_PI);
  assert_true(unpack("[0,twopi,4]", 9, three) == 3 / (16 / (2 * M_PI)));
  assert_true(unpack("[ - 2*pi , pi/4 , 5 ]", 9, three) == 3 / (32 / (M_PI / 4 + 2 * M_PI)) - 2 * M_PI);
  assert_true(unpack("no range", 9, one) == 1.0);
  assert_true(unpack("[0,0,20]", 9, one) == 1.0);
  assert_true(unpack("[0,16,8]", 19, three) == (double)(float)(3 / 16.0));
}

static void mantissas_keep_their_bits_and_sign(void **state) {
  (void)state;
  static const uint8_t plus[] = {127, 0x08, 0x00}, minus[] = {128, 0x20, 0x00};
  assert_true(unpack("", 19, plus) == 1.5);   /* 12 bits: 0x800 / 0x1000 */
  assert_true(unpack("", 19, minus) == -2.0); /* the sign is bit 13 */
  assert_true(unpack("[0,0,12]", 9, plus) == 1.5);
  assert_true(unpack("[0,0,16]", 19, plus) == 1.5); /* 16 is too many: 12 as by default */
}

static void a_range_that_root_overlooks_is_refused(void **state) {
  (void)state;
  struct mlaas_scalar value;
  const char *format;
  assert_true(mlaas_scalar_of_code(9, &value, &format));
  assert_false(mlaas_packing_parse("x[n][3]/d[0,1,8]", &value));
  assert_true(mlaas_packing_parse("x[n][3]", &value));
}

static void counted_lists_come_from_offsets_sizes_or_counts(void **state) {
  (void)state;
  static const uint8_t data[] = {0, 1, 0, 2, 0, 3};
  static const uint8_t offsets[] = {0, 0, 0, 70, 0, 0, 0, 74, 0, 0, 0, 74},
                       sizes[] = {0, 0, 0, 70, 0, 0, 0, 4, 0, 0, 0, 0};
  static const int32_t counts[] = {2, 0, 1};
  struct simple_plan simple;
  plan_list(&simple, 2, 0);
  for (int way = 0; way < 3; way++) {
    struct mlaas_basket basket = basket_of(data, 6, 3, way == 0 ? offsets : way == 1 ? sizes : NULL);
    basket.offsets_are_sizes = way == 1;
    struct decoded decoded;
    assert_int_equal(decode(&decoded, &simple.plan, &basket, way == 2 ? counts : NULL), MLAAS_OK);
    assert_memory_equal(decoded.piece.blocks[0].data, ((int32_t[]){0, 2, 2, 3}), 16);
    assert_memory_equal(decoded.piece.blocks[1].data, ((int16_t[]){1, 2, 3}), 6);
    forget(&decoded);
  }
}

/* Vectors of `width` bytes an item, of many lengths, in memory that ends where they end. */
struct vectors {
  uint8_t *data, *offsets;
  int64_t size;
  int32_t entries;
};

static void put32(uint8_t *out, uint32_t word) {
  word = __builtin_bswap32(word);
  memcpy(out, &word, 4);
}

static struct vectors make_vectors(int32_t width, int32_t entries) {
  enum { MOST = 300, HEADER = 10 };
  struct vectors made = {.offsets = malloc(4 * (size_t)entries), .entries = entries};
  made.data = malloc((size_t)entries * (HEADER + MOST * (size_t)width) + 1);
  for (int32_t i = 0; i < entries; i++) {
    int32_t items = i % 29 == 28 ? MOST - i % 50 : i * i % 13; /* most are shorter than what is copied at once */
    uint8_t *at = made.data + made.size;
    put32(made.offsets + 4 * i, (uint32_t)(70 + made.size));
    put32(at, 0x40000000U | (uint32_t)(6 + items * width));
    memcpy(at + 4, "\0\12", 2);
    put32(at + 6, (uint32_t)items);
    for (int32_t k = 0; k < items * width; k++)
      at[HEADER + k] = (uint8_t)(i * 31 + k * 7);
    made.size += HEADER + items * width;
  }
  made.data = realloc(made.data, (size_t)made.size + (made.size == 0));
  return made;
}

/* The bytes of all lists, turned round within each item, as a slow loop makes them. */
static void compare_vectors(const struct vectors *vectors, int32_t width, const struct mlaas_piece *piece) {
  const int32_t *ends = piece->blocks[0].data;
  const uint8_t *values = piece->blocks[1].data, *at = vectors->data;
  int64_t made = 0;
  for (int32_t i = 0; i < vectors->entries; i++) {
    int32_t items = at[8] << 8 | at[9];
    assert_int_equal(ends[i + 1] - ends[i], items);
    for (int32_t k = 0; k < items * width; k++)
      assert_int_equal(values[made + k], at[10 + k / width * width + width - 1 - k % width]);
    made += items * width;
    at += 10 + items * width;
  }
  assert_int_equal(piece->used[1], made / width);
}

static void vectors_of_every_length_lose_their_headers(void **state) {
  (void)state;
  static const int32_t codes[] = {11, 12, 3, 5, 8};
  for (size_t code = 0; code < sizeof codes / sizeof *codes; code++)
    for (int32_t entries = 0; entries < 90; entries++) {
      struct simple_plan simple;
      struct decoded decoded;
      plan_list(&simple, codes[code], 10);
      struct vectors vectors = make_vectors(simple.plan.item_bytes, entries);
      struct mlaas_basket basket = basket_of(vectors.data, vectors.size, entries, vectors.offsets);
      assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_OK);
      compare_vectors(&vectors, simple.plan.item_bytes, &decoded.piece);
      forget(&decoded);
      free(vectors.data);
      free(vectors.offsets);
    }
}

/* Wherever a header is damaged, but for the version's number, it is noticed. */
static void every_damaged_header_of_a_vector_is_noticed(void **state) {
  (void)state;
  enum { ENTRIES = 70, WIDTH = 4 };
  struct simple_plan simple;
  plan_list(&simple, 5, 10);
  struct vectors vectors = make_vectors(WIDTH, ENTRIES);
  struct mlaas_basket basket = basket_of(vectors.data, vectors.size, ENTRIES, vectors.offsets);
  int64_t at = 0;
  for (int32_t i = 0; i < ENTRIES; i++) {
    int64_t items = vectors.data[at + 8] << 8 | vectors.data[at + 9];
    for (int byte = 0; byte < 10; byte++) {
      struct decoded decoded;
      uint8_t good = vectors.data[at + byte];
      vectors.data[at + byte] ^= 0x40;
      enum mlaas_status status = decode(&decoded, &simple.plan, &basket, NULL);
      assert_int_equal(status, byte == 4 ? MLAAS_UNSUPPORTED : byte == 5 ? MLAAS_OK : MLAAS_FORMAT);
      vectors.data[at + byte] = good;
      forget(&decoded);
    }
    at += 10 + items * WIDTH;
  }
  free(vectors.data);
  free(vectors.offsets);
}

static void lists_that_do_not_add_up_are_refused(void **state) {
  (void)state;
  static const uint8_t data[] = {0, 1, 0, 2, 0, 3};
  static const uint8_t back[] = {0, 0, 0, 70, 0, 0, 0, 75, 0, 0, 0, 74},
                       odd[] = {0, 0, 0, 70, 0, 0, 0, 73, 0, 0, 0, 74},
                       late[] = {0, 0, 0, 72, 0, 0, 0, 74, 0, 0, 0, 74},
                       over[] = {0, 0, 0, 70, 0, 0, 0, 72, 0, 0, 0, 99};
  static const uint8_t *const wrong[] = {back, odd, late, over};
  static const int32_t counts[][3] = {{1, 1, 2}, {-1, 2, 2}, {1, 1, 0}};
  struct simple_plan simple;
  struct decoded decoded;
  plan_list(&simple, 2, 0);
  for (int i = 0; i < 4; i++) {
    struct mlaas_basket basket = basket_of(data, 6, 3, wrong[i]);
    assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_FORMAT);
    forget(&decoded);
  }
  struct mlaas_basket basket = basket_of(data, 6, 3, NULL);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(decode(&decoded, &simple.plan, &basket, counts[i]), MLAAS_FORMAT);
    forget(&decoded);
  }
  assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_UNSUPPORTED);
  forget(&decoded);
}

/* Vectors as ROOT writes them, of lengths that try every way of copying. */
static void vectors_lose_their_headers(void **state) {
  (void)state;
  enum { ENTRIES = 40 };
  static uint8_t data[ENTRIES * (10 + 4 * ENTRIES)], offsets[4 * ENTRIES];
  float expected[ENTRIES * ENTRIES];
  int32_t ends[ENTRIES + 1] = {0}, items = 0;
  int64_t size = 0;
  for (int i = 0; i < ENTRIES; i++) {
    uint32_t n = (uint32_t)(i * 17 % ENTRIES), at = (uint32_t)size + 70, count = 0x40000000 | (6 + 4 * n);
    for (int k = 0; k < 4; k++) {
      offsets[4 * i + k] = (uint8_t)(at >> (24 - 8 * k));
      data[size + k] = (uint8_t)(count >> (24 - 8 * k));
      data[size + 6 + k] = (uint8_t)(n >> (24 - 8 * k));
    }
    data[size + 4] = 0, data[size + 5] = 10;
    size += 10;
    for (uint32_t v = 0; v < n; v++, items++) {
      uint32_t word;
      expected[items] = (float)items + 0.5f;
      memcpy(&word, &expected[items], 4);
      for (int k = 0; k < 4; k++)
        data[size++] = (uint8_t)(word >> (24 - 8 * k));
    }
    ends[i + 1] = items;
  }
  struct simple_plan simple;
  plan_list(&simple, 5, 10);
  for (int with = 0; with < 2; with++) { /* without offsets each header leads to the next */
    struct mlaas_basket basket = basket_of(data, size, ENTRIES, with ? offsets : NULL);
    struct decoded decoded;
    assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_OK);
    assert_int_equal(decoded.piece.used[1], items);
    assert_memory_equal(decoded.piece.blocks[0].data, ends, sizeof ends);
    assert_memory_equal(decoded.piece.blocks[1].data, expected, (size_t)items * 4);
    forget(&decoded);
  }
  struct mlaas_basket basket = basket_of(data, size, ENTRIES, offsets);
  struct decoded decoded;
  data[4] = 0x40; /* member by member */
  assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_UNSUPPORTED);
  forget(&decoded);
  data[4] = 0;
  data[9] = 1; /* one item in an entry that has none */
  assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_FORMAT);
  forget(&decoded);
}

static struct mlaas_branch_plan walked(struct mlaas_arena *arena, const char *type, bool member) {
  struct mlaas_node *node;
  const char *unsupported;
  assert_int_equal(mlaas_type_parse(type, member, arena, &node, &unsupported, NULL), MLAAS_OK);
  assert_null(unsupported);
  return (struct mlaas_branch_plan){
      .layout = MLAAS_LAYOUT_WALK, .root = node, .num_buffers = mlaas_node_number(node, 0)};
}

static void nested_vectors_and_strings_are_walked(void **state) {
  (void)state;
  struct mlaas_arena arena;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  mlaas_arena_init(&arena, budget);
  static const uint8_t data[] = {0x40, 0, 0, 22, 0, 9,   0,   0,   0, 2, /* a vector of two */
                                 0,    0, 0, 2,  2, 'a', 'b', 0,         /* "ab", "" */
                                 0,    0, 0, 1,  3, 'x', 'y', 'z',       /* "xyz" */
                                 0x40, 0, 0, 6,  0, 9,   0,   0,   0, 0};
  static const uint8_t offsets[] = {0, 0, 0, 70, 0, 0, 0, 96};
  struct mlaas_branch_plan plan = walked(&arena, "std::vector<std::vector<std::string> >", false);
  struct mlaas_basket basket = basket_of(data, sizeof data, 2, offsets);
  struct decoded decoded;
  assert_int_equal(decode(&decoded, &plan, &basket, NULL), MLAAS_OK);
  assert_int_equal(plan.num_buffers, 4);
  assert_memory_equal(decoded.piece.blocks[0].data, ((int32_t[]){0, 2, 2}), 12);
  assert_memory_equal(decoded.piece.blocks[1].data, ((int32_t[]){0, 2, 3}), 12);
  assert_memory_equal(decoded.piece.blocks[2].data, ((int32_t[]){0, 2, 2, 5}), 16);
  assert_memory_equal(decoded.piece.blocks[3].data, "abxyz", 5);
  int64_t counts[4] = {0};
  mlaas_piece_count(plan.root, &decoded.piece, 1, 2, counts);
  assert_memory_equal(counts, ((int64_t[]){1, 0, 0, 0}), sizeof counts);
  forget(&decoded);
  for (int64_t size = 0; size < (int64_t)sizeof data; size++) { /* whatever is missing is noticed */
    basket.size = size;
    assert_int_equal(decode(&decoded, &plan, &basket, NULL), MLAAS_FORMAT);
    forget(&decoded);
  }
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

static void an_empty_text_of_a_leaf_has_no_bytes(void **state) {
  (void)state;
  struct mlaas_node node = {.kind = MLAAS_NODE_TEXT, .extent = MLAAS_EXTENT_LEAF, .name = ""};
  struct mlaas_branch_plan plan = {.layout = MLAAS_LAYOUT_WALK, .root = &node};
  plan.num_buffers = mlaas_node_number(&node, 0);
  uint8_t data[400] = {2, 'h', 'i', 255, 0, 0, 1, 44};
  memset(data + 8, 'z', 300);
  static const uint8_t offsets[] = {0, 0, 0, 70, 0, 0, 0, 70, 0, 0, 0, 73};
  struct mlaas_basket basket = basket_of(data, 308, 3, offsets);
  struct decoded decoded;
  assert_int_equal(decode(&decoded, &plan, &basket, NULL), MLAAS_OK);
  assert_memory_equal(decoded.piece.blocks[0].data, ((int32_t[]){0, 0, 2, 302}), 16);
  forget(&decoded);
  basket = basket_of(data, 0, 1000, NULL); /* only offsets can say that an entry has no byte */
  assert_int_equal(decode(&decoded, &plan, &basket, NULL), MLAAS_FORMAT);
  forget(&decoded);
}

static void referenced_objects_have_longer_flags(void **state) {
  (void)state;
  struct simple_plan simple;
  plan_value(&simple, 15);
  simple.plan.layout = MLAAS_LAYOUT_WALK;
  static const uint8_t data[] = {3, 0, 0, 0, 3, 0, 0, 0x10, 0, 7, 3, 0, 0, 1};
  struct mlaas_basket basket = basket_of(data, sizeof data, 3, NULL);
  struct decoded decoded;
  assert_int_equal(decode(&decoded, &simple.plan, &basket, NULL), MLAAS_OK);
  assert_memory_equal(decoded.piece.blocks[0].data, ((uint32_t[]){0x03000000, 0x03000010, 0x03000001}), 12);
  forget(&decoded);
}

static void types_that_are_not_understood_say_why(void **state) {
  (void)state;
  static const char *const types[][2] = {
      {"vector<Made>", "class Made is not in the file's streamer info"},
      {"map<int*,int>", "pointers to int are not read"},
      {"vector<int*>", "pointers to int are not read"},
      {"vector<TClonesArray>", "collections of objects whose class is not known beforehand are not read"},
      {"vector<TObject*>", "pointers to TObject may point to objects of many classes"},
      {"bitset<x>", "a type name that is not understood"},
      {"map<int>", "a type name that is not understood"},
      {"array<int,0>", "a type name that is not understood"},
      {"array<array<int,65536>,65536>", "the dimensions of an array are beyond what is read"},
      {"vector<int", "a type name that is not understood"},
  };
  struct mlaas_arena arena;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  mlaas_arena_init(&arena, budget);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    struct mlaas_node *node;
    const char *why;
    assert_int_equal(mlaas_type_parse(types[i][0], false, &arena, &node, &why, NULL), MLAAS_OK);
    assert_null(node);
    assert_string_equal(why, types[i][1]);
  }
  char deep[512] = "";
  for (size_t i = 0; i < 30; i++)
    memcpy(deep + 7 * i, "vector<", 8);
  struct mlaas_node *node;
  const char *why;
  assert_int_equal(mlaas_type_parse(deep, false, &arena, &node, &why, NULL), MLAAS_OK);
  assert_string_equal(why, "types nested as deeply are not read");
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(swaps_every_width_at_every_length),
      cmocka_unit_test(bools_become_0_and_1),
      cmocka_unit_test(ranges_are_read_as_root_reads_them),
      cmocka_unit_test(mantissas_keep_their_bits_and_sign),
      cmocka_unit_test(a_range_that_root_overlooks_is_refused),
      cmocka_unit_test(counted_lists_come_from_offsets_sizes_or_counts),
      cmocka_unit_test(vectors_of_every_length_lose_their_headers),
      cmocka_unit_test(every_damaged_header_of_a_vector_is_noticed),
      cmocka_unit_test(lists_that_do_not_add_up_are_refused),
      cmocka_unit_test(vectors_lose_their_headers),
      cmocka_unit_test(nested_vectors_and_strings_are_walked),
      cmocka_unit_test(an_empty_text_of_a_leaf_has_no_bytes),
      cmocka_unit_test(referenced_objects_have_longer_flags),
      cmocka_unit_test(types_that_are_not_understood_say_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
