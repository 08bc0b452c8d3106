/* Pictures of many kinds against what TensorFlow 2.21 decodes (tests/data/images/decoded.txt: file, channels, bytes),
 * and damaged ones. */
#include "serve/body/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 8 << 20 };
#include "arena.h"

#define FOLDER MLAAS_TEST_DATA "/images/"

enum { PIXELS_MOST = 10000 };

/* The file in memory of just its size; freed by the caller. */
static struct mlaas_slice read_file(const char *name) {
  char path[512];
  snprintf(path, sizeof path, FOLDER "%s", name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  char *data = malloc(size);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, size, file), size);
  fclose(file);
  return (struct mlaas_slice){data, size};
}

static void drop(struct mlaas_slice file) { free((void *)(uintptr_t)file.data); }

static void check_pixels(const char *name, int channels, const char *hex) {
  struct mlaas_slice file = read_file(name);
  struct mlaas_tensor bytes, numbers;
  struct mlaas_image_size size;
  assert_int_equal(mlaas_image_measure(file, PIXELS_MOST, &size, &the_error), MLAAS_OK);
  assert_int_equal(size.height, 10);
  assert_int_equal(size.width, 12);
  assert_int_equal(mlaas_image_decode(file, channels, MLAAS_DTYPE_UINT8, PIXELS_MOST, &the_arena, &bytes, &the_error),
                   MLAAS_OK);
  assert_int_equal(
      mlaas_image_decode(file, channels, MLAAS_DTYPE_FLOAT32, PIXELS_MOST, &the_arena, &numbers, &the_error), MLAAS_OK);
  size_t count = (size_t)(10 * 12 * channels);
  assert_int_equal(strlen(hex), 2 * count);
  assert_int_equal(bytes.size, count);
  assert_int_equal(numbers.size, 4 * count);
  for (int i = 0; i < 4; i++)
    assert_int_equal(numbers.shape[i], ((const int64_t[]){1, 10, 12, channels})[i]);
  for (size_t i = 0; i < count; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    unsigned long wanted = strtoul(digits, NULL, 16);
    if (((unsigned char *)bytes.data)[i] != wanted || ((float *)numbers.data)[i] != (float)wanted)
      fail_msg("%s, %d channels, byte %zu: %u, wanted %lu", name, channels, i, ((unsigned char *)bytes.data)[i],
               wanted);
  }
  drop(file);
}

static void pixels_are_as_tensorflow_decodes_them(void **state) {
  (void)state;
  static char line[4096], name[64], hex[4096];
  int channels, cases = 0;
  FILE *file = fopen(FOLDER "decoded.txt", "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file)) {
    assert_int_equal(sscanf(line, "%63s %d %4095s", name, &channels, hex), 3);
    check_pixels(name, channels, hex);
    cases++;
  }
  fclose(file);
  assert_int_equal(cases, 22);
}

static void what_is_cut_is_no_image(void **state) {
  (void)state;
  const char *names[] = {"color.png", "palette.png", "color.jpg", "progressive.jpg"};
  for (size_t i = 0; i < 4; i++) {
    struct mlaas_slice file = read_file(names[i]);
    struct mlaas_tensor tensor;
    /* the last bytes of a JPEG are its end mark, those of a PNG an empty chunk: both have to be there */
    for (size_t size = 0; size < file.size - 1; size += size < 40 ? 1 : 7) {
      char *part = malloc(size ? size : 1);
      assert_non_null(part);
      memcpy(part, file.data, size);
      enum mlaas_status status = mlaas_image_decode((struct mlaas_slice){part, size}, 3, MLAAS_DTYPE_FLOAT32,
                                                    PIXELS_MOST, &the_arena, &tensor, &the_error);
      assert_int_equal(status, MLAAS_ARGUMENT);
      assert_non_null(strstr(the_error.message, "Invalid image"));
      free(part);
    }
    drop(file);
  }
}

static void damage_never_harms(void **state) {
  (void)state;
  const char *names[] = {"color.png", "deep.png", "progressive.jpg", "cmyk.jpg"};
  for (size_t i = 0; i < 4; i++) {
    struct mlaas_slice file = read_file(names[i]);
    char *data = (char *)(uintptr_t)file.data;
    for (size_t at = 0; at < file.size; at += 3) {
      struct mlaas_tensor tensor;
      data[at] ^= 0x55;
      enum mlaas_status status =
          mlaas_image_decode(file, 3, MLAAS_DTYPE_FLOAT32, PIXELS_MOST, &the_arena, &tensor, &the_error);
      if (status != MLAAS_OK && status != MLAAS_ARGUMENT && status != MLAAS_LIMIT)
        fail_msg("%s, byte %zu: status %d: %s", names[i], at, status, the_error.message);
      data[at] ^= 0x55;
      free_arena(state);
      make_arena(state);
    }
    drop(file);
  }
}

static void sizes_are_checked_before_memory_is_taken(void **state) {
  (void)state;
  const char *names[] = {"color.png", "color.jpg"};
  for (int i = 0; i < 2; i++) {
    struct mlaas_slice file = read_file(names[i]);
    struct mlaas_image_size size;
    struct mlaas_tensor tensor;
    mlaas_memory_fail(1, true);
    assert_int_equal(mlaas_image_decode(file, 3, MLAAS_DTYPE_FLOAT32, 119, &the_arena, &tensor, &the_error),
                     MLAAS_LIMIT);
    assert_non_null(strstr(the_error.message, "12 x 10"));
    assert_int_equal(mlaas_image_measure(file, 119, &size, &the_error), MLAAS_LIMIT);
    assert_int_equal(mlaas_image_decode(file, 3, MLAAS_DTYPE_FLOAT32, 120, &the_arena, &tensor, &the_error),
                     MLAAS_MEMORY);
    mlaas_memory_fail(0, false);
    drop(file);
  }
}

static void not_everything_is_an_image(void **state) {
  (void)state;
  const char *bad[] = {"", "\x89PNG", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "GIF89a", "this is not a picture"};
  struct mlaas_tensor tensor;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(mlaas_image_decode(mlaas_slice_of(bad[i]), 3, MLAAS_DTYPE_FLOAT32, PIXELS_MOST, &the_arena,
                                        &tensor, &the_error),
                     MLAAS_ARGUMENT);
  struct mlaas_slice file = read_file("color.jpg");
  assert_int_equal(mlaas_image_decode(file, 4, MLAAS_DTYPE_FLOAT32, PIXELS_MOST, &the_arena, &tensor, &the_error),
                   MLAAS_UNSUPPORTED);
  assert_int_equal(mlaas_image_decode(file, 3, MLAAS_DTYPE_INT64, PIXELS_MOST, &the_arena, &tensor, &the_error),
                   MLAAS_UNSUPPORTED);
  assert_int_equal(mlaas_image_decode(file, 0, MLAAS_DTYPE_UINT8, PIXELS_MOST, &the_arena, &tensor, &the_error),
                   MLAAS_UNSUPPORTED);
  drop(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pixels_are_as_tensorflow_decodes_them, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(what_is_cut_is_no_image, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(damage_never_harms, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(sizes_are_checked_before_memory_is_taken, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(not_everything_is_an_image, make_arena, free_arena),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
