/* Codecs against the compressors of the same libraries: every codec, several blocks, damage at every byte. */
#include "rootio/container/codec.h"

#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include <cmocka.h>

enum { PLAIN = 3000, ROOM = 64 << 10 };

static struct mlaas_budget *budget;
static struct mlaas_codec codec;
static uint8_t plain[PLAIN];

static int set_up(void **state) {
  (void)state;
  budget = mlaas_budget_new(32 << 20);
  mlaas_codec_init(&codec, budget);
  for (int i = 0; i < PLAIN; i++)
    plain[i] = (uint8_t)(i * i / 100 % 7 + i % 3);
  return budget ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  mlaas_codec_reset(&codec);
  mlaas_codec_reset(&codec);
  int64_t held = mlaas_budget_held(budget);
  mlaas_budget_put(budget);
  return held == 0 ? 0 : -1;
}

static void put24(uint8_t *bytes, size_t value) {
  for (int i = 0; i < 3; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
}

static size_t deflate_with(const uint8_t *in, size_t size, uint8_t *out, bool raw) {
  struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
  size_t made = raw ? libdeflate_deflate_compress(compressor, in, size, out, ROOM)
                    : libdeflate_zlib_compress(compressor, in, size, out, ROOM);
  libdeflate_free_compressor(compressor);
  return made;
}

static size_t lz4_with(const uint8_t *in, size_t size, uint8_t *out) {
  int made = LZ4_compress_default((const char *)in, (char *)out + 8, (int)size, ROOM - 8);
  uint64_t hash = __builtin_bswap64(XXH64(out + 8, (size_t)made, 0));
  memcpy(out, &hash, 8);
  return (size_t)made + 8;
}

static size_t lzma_with(const uint8_t *in, size_t size, uint8_t *out) {
  size_t made = 0;
  assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, in, size, out, &made, ROOM), LZMA_OK);
  return made;
}

/* One block with its header; returns its size. */
static size_t make_block(const char *magic, const uint8_t *in, size_t size, uint8_t *out) {
  size_t made = 0;
  if (strcmp(magic, "ZL") == 0 || strcmp(magic, "CS") == 0)
    made = deflate_with(in, size, out + 9, *magic == 'C');
  else if (strcmp(magic, "L4") == 0)
    made = lz4_with(in, size, out + 9);
  else if (strcmp(magic, "ZS") == 0)
    made = ZSTD_compress(out + 9, ROOM, in, size, 5);
  else
    made = lzma_with(in, size, out + 9);
  memcpy(out, magic, 2);
  out[2] = *magic == 'Z' && magic[1] == 'L' ? 8 : *magic == 'C' ? 8 : *magic == 'X' ? 0 : 1;
  put24(out + 3, made);
  put24(out + 6, size);
  return made + 9;
}

static const char *const magics[] = {"ZL", "L4", "ZS", "XZ", "CS"};
enum { CODECS = sizeof magics / sizeof *magics };

static void every_codec_inflates_one_and_several_blocks(void **state) {
  (void)state;
  static uint8_t in[4 * ROOM], out[PLAIN];
  for (int i = 0; i < CODECS; i++) {
    size_t size = make_block(magics[i], plain, PLAIN, in);
    memset(out, 0, PLAIN);
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, NULL), MLAAS_OK);
    assert_memory_equal(out, plain, PLAIN);
    size = make_block(magics[i], plain, 1000, in); /* and one of another codec behind it */
    size += make_block(magics[(i + 1) % CODECS], plain + 1000, PLAIN - 1000, in + size);
    memset(out, 0, PLAIN);
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, NULL), MLAAS_OK);
    assert_memory_equal(out, plain, PLAIN);
  }
}

static void stored_bytes_may_have_slack(void **state) {
  (void)state;
  uint8_t out[10];
  assert_int_equal(mlaas_codec_decode(&codec, plain, 12, out, 10, 0, NULL), MLAAS_OK);
  assert_memory_equal(out, plain, 10);
  assert_int_equal(mlaas_codec_decode(&codec, plain, 0, out, 0, 0, NULL), MLAAS_OK);
}

static void the_largest_block_is_read(void **state) {
  (void)state;
  size_t size = (1 << 24) - 1;
  uint8_t *in = malloc(1 << 17), *zeros = calloc(2, size), *out = zeros + size;
  memset(out, 1, size);
  uint8_t *packed = in + 9;
  struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(1);
  size_t made = libdeflate_zlib_compress(compressor, zeros, size, packed, (1 << 17) - 9);
  libdeflate_free_compressor(compressor);
  memcpy(in, "ZL\x08", 3);
  put24(in + 3, made);
  put24(in + 6, size);
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)made + 9, out, (int64_t)size, 0, NULL), MLAAS_OK);
  assert_memory_equal(out, zeros, size);
  free(in);
  free(zeros);
}

static void both_ends_must_be_exact(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN + 1];
  struct mlaas_error error;
  for (int i = 0; i < CODECS; i++) {
    size_t size = make_block(magics[i], plain, PLAIN, in);
    for (size_t cut = 1; cut <= size; cut++)
      assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)(size - cut), out, PLAIN, 0, &error), MLAAS_FORMAT);
    in[size] = 0;
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size + 1, out, PLAIN, 500, &error), MLAAS_FORMAT);
    assert_int_equal(error.offset, 500 + (int64_t)size);
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN - 1, 0, &error), MLAAS_FORMAT);
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN + 1, 0, &error), MLAAS_FORMAT);
    put24(in + 6, PLAIN - 1); /* a block that promises less than it holds */
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN - 1, 0, &error), MLAAS_FORMAT);
  }
}

static void each_flipped_bit_is_noticed_where_there_is_a_checksum(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  for (int i = 0; i < CODECS; i++) {
    bool checked = strcmp(magics[i], "CS") != 0 && strcmp(magics[i], "ZS") != 0;
    size_t size = make_block(magics[i], plain, PLAIN, in);
    for (size_t bit = 0; bit < size * 8; bit++) {
      in[bit / 8] ^= (uint8_t)(1 << bit % 8);
      enum mlaas_status status = mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, NULL);
      assert_true(status != MLAAS_OK || bit / 8 == 2 || !checked || memcmp(out, plain, PLAIN) == 0);
      in[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
  }
}

static void checksums_have_their_own_status(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  struct mlaas_error error;
  size_t size = make_block("ZL", plain, PLAIN, in);
  in[size - 1] ^= 1;
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 70, &error), MLAAS_CHECKSUM);
  assert_non_null(strstr(error.message, "Adler-32"));
  assert_int_equal(error.offset, 70);
  size = make_block("L4", plain, PLAIN, in);
  in[size - 1] ^= 1;
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 70, &error), MLAAS_CHECKSUM);
  assert_non_null(strstr(error.message, "XXH64"));
}

static void unknown_codecs_and_methods_are_named(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  struct mlaas_error error;
  size_t size;
  for (int i = 0; i < CODECS; i++) {
    size = make_block(magics[i], plain, PLAIN, in);
    in[2] += 3;
    assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_FORMAT);
    assert_non_null(strstr(error.message, "where"));
  }
  size = make_block("ZL", plain, PLAIN, in);
  in[2] = 7;
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "method 7"));
  in[0] = 'Q';
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(error.message, "0x51 0x4c"));
  memcpy(in, "ZL\x08", 3);
  put24(in + 6, 0); /* an empty block would be a step that gets nowhere */
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_FORMAT);
  assert_int_equal(mlaas_codec_decode(&codec, in, -1, out, PLAIN, 0, &error), MLAAS_FORMAT);
}

/* Blocks without input, and chains that never reach their end. */
static void blocks_that_get_nowhere_are_refused(void **state) {
  (void)state;
  uint8_t in[64] = {0}, out[PLAIN];
  struct mlaas_error error;
  for (int i = 0; i < CODECS; i++) {
    memcpy(in, magics[i], 2);
    in[2] = *magics[i] == 'Z' && magics[i][1] == 'L' ? 8 : *magics[i] == 'C' ? 8 : *magics[i] == 'X' ? 0 : 1;
    put24(in + 3, 0);
    put24(in + 6, PLAIN);
    assert_int_not_equal(mlaas_codec_decode(&codec, in, 9, out, PLAIN, 0, &error), MLAAS_OK);
    put24(in + 3, 55); /* all of it, and all zeros */
    assert_int_not_equal(mlaas_codec_decode(&codec, in, 64, out, PLAIN, 0, &error), MLAAS_OK);
    put24(in + 6, (1 << 24) - 1); /* more than is wanted */
    assert_int_equal(mlaas_codec_decode(&codec, in, 64, out, PLAIN, 0, &error), MLAAS_FORMAT);
    assert_int_equal(mlaas_codec_check(in, 64, PLAIN, 0, &error), MLAAS_FORMAT);
  }
}

/* A frame that asks for a window of 2 GiB gets none: it is inflated where its bytes belong. */
static void windows_of_zstd_take_no_memory(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  struct mlaas_error error;
  int64_t before = mlaas_budget_peak(budget);
  for (int log = 10; log <= 41; log++) {
    memcpy(in, "ZS\1", 3);
    /* magic, no content size, window, one raw block that is the last, 100 bytes */
    const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD, 0, (uint8_t)((log - 10) << 3), (100 << 3 | 1) & 0xFF, 100 >> 5, 0};
    memcpy(in + 9, frame, sizeof frame);
    memcpy(in + 9 + sizeof frame, plain, 100);
    put24(in + 3, sizeof frame + 100);
    put24(in + 6, 200);
    assert_int_equal(mlaas_codec_decode(&codec, in, 9 + (int64_t)sizeof frame + 100, out, 200, 0, &error),
                     MLAAS_FORMAT);
  }
  assert_true(mlaas_budget_peak(budget) < before + (1 << 20));
}

static void dictionaries_count_in_the_budget(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  struct mlaas_error error;
  struct mlaas_budget *small = mlaas_budget_new(1 << 19); /* preset 1 wants a dictionary of 1 MiB */
  struct mlaas_codec poor;
  size_t size = make_block("XZ", plain, PLAIN, in);
  mlaas_codec_init(&poor, small);
  assert_int_equal(mlaas_codec_decode(&poor, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_LIMIT);
  assert_non_null(strstr(error.message, "memory ceiling"));
  mlaas_codec_reset(&poor);
  assert_int_equal(mlaas_budget_held(small), 0);
  mlaas_budget_put(small);
  assert_int_equal(mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, &error), MLAAS_OK);
  assert_true(mlaas_budget_held(budget) > 1 << 20);
}

static void decoders_survive_each_failed_allocation(void **state) {
  (void)state;
  static uint8_t in[2 * ROOM], out[PLAIN];
  size_t size = make_block("XZ", plain, PLAIN, in);
  long n = 0;
  enum mlaas_status status;
  do {
    mlaas_codec_reset(&codec);
    mlaas_memory_fail(++n, false);
    status = mlaas_codec_decode(&codec, in, (int64_t)size, out, PLAIN, 0, NULL);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
  } while (status != MLAAS_OK);
  assert_true(n > 2);
}

static void the_hash_is_the_librarys_at_every_length(void **state) {
  (void)state;
  for (size_t begin = 0; begin < 3; begin++)
    for (size_t size = 0; size <= 700; size++)
      assert_int_equal(mlaas_codec_xxh64(plain + begin, size), XXH64(plain + begin, size, 0));
  assert_int_equal(mlaas_codec_xxh64(plain, PLAIN), XXH64(plain, PLAIN, 0));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(every_codec_inflates_one_and_several_blocks),
      TEST(the_hash_is_the_librarys_at_every_length),
      TEST(stored_bytes_may_have_slack),
      TEST(the_largest_block_is_read),
      TEST(both_ends_must_be_exact),
      TEST(each_flipped_bit_is_noticed_where_there_is_a_checksum),
      TEST(checksums_have_their_own_status),
      TEST(unknown_codecs_and_methods_are_named),
      TEST(blocks_that_get_nowhere_are_refused),
      TEST(windows_of_zstd_take_no_memory),
      TEST(dictionaries_count_in_the_budget),
      TEST(decoders_survive_each_failed_allocation),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
