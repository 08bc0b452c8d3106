/* The scanner of request bodies: what it finds, what it refuses, and jansson's opinion. */
#include "json_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 64 << 20 };
#include "arena.h"

static struct mlaas_json_request request;

static enum mlaas_status scan(const char *text) {
  the_error = (struct mlaas_error){0};
  return mlaas_json_scan(mlaas_slice_of(text), &the_arena, &request, &the_error);
}

#define assert_slice(slice, text) assert_true(mlaas_slice_is(slice, text))

static void a_row_of_tfaas_is_read(void **state) {
  (void)state;
  assert_int_equal(scan(" {\"keys\": [\"a\", \"b\\u0041\"], \"values\": [1.5, -2e-3 , 3], \"model\":\"m\"}\r\n"),
                   MLAAS_OK);
  assert_slice(request.model, "m");
  assert_int_equal(request.num_keys, 2);
  assert_slice(request.keys[0], "a");
  assert_slice(request.keys[1], "bA");
  assert_int_equal(request.values.count, 3);
  assert_null(request.values.cells);
  assert_true(request.numbers[request.values.first + 1] == -2e-3);
  assert_int_equal(request.labels, -1);
  assert_int_equal(request.input, MLAAS_JSON_UNSAID);
}

static void names_in_any_case_and_the_last_counts(void **state) {
  (void)state;
  assert_int_equal(scan("{\"VALUES\":[9,9],\"Values\":[1],\"MODEL\":\"a\",\"model\":\"b\",\"keys\":null}"), MLAAS_OK);
  assert_int_equal(request.values.count, 1);
  assert_true(request.numbers[request.values.first] == 1);
  assert_slice(request.model, "b");
  assert_false(request.has_keys);
}

static void unknown_members_are_skipped(void **state) {
  (void)state;
  assert_int_equal(scan("{\"x\":{\"a\":[1,{\"b\":null}],\"c\":\"\\ud83d\\ude00\"},\"version\":3,\"values\":[1]}"),
                   MLAAS_OK);
  assert_int_equal(request.values.count, 1);
  assert_int_equal(request.version, 0);
  assert_int_equal(scan("{\"x\":{\"a\":[1,]}}"), MLAAS_ARGUMENT);
  assert_int_equal(scan("{\"x\":tru}"), MLAAS_ARGUMENT);
}

static void lists_among_values_become_cells(void **state) {
  (void)state;
  assert_int_equal(scan("{\"values\":[7,[1,2],null,[]],\"model_version\":12,\"input\":\"RAW\",\"labels\":true}"),
                   MLAAS_OK);
  assert_int_equal(request.values.count, 4);
  assert_non_null(request.values.cells);
  assert_int_equal(request.values.cells[0].count, -1);
  assert_true(request.numbers[request.values.cells[0].first] == 7);
  assert_int_equal(request.values.cells[1].count, 2);
  assert_true(request.numbers[request.values.cells[1].first + 1] == 2);
  assert_true(isnan(request.numbers[request.values.cells[2].first]));
  assert_int_equal(request.values.cells[3].count, 0);
  assert_int_equal(request.version, 12);
  assert_int_equal(request.input, MLAAS_JSON_RAW);
  assert_int_equal(request.labels, 1);
}

static void events_are_objects_or_lists(void **state) {
  (void)state;
  assert_int_equal(scan("{\"events\":[{\"n\":3,\"pt\":[1.5,2]},[4,5],{},[]]}"), MLAAS_OK);
  assert_int_equal(request.num_events, 4);
  assert_true(request.events[0].named);
  assert_int_equal(request.events[0].count, 2);
  assert_slice(request.events[0].cells[1].key, "pt");
  assert_int_equal(request.events[0].cells[1].count, 2);
  assert_false(request.events[1].named);
  assert_null(request.events[1].cells);
  assert_true(request.numbers[request.events[1].first + 1] == 5);
  assert_int_equal(request.events[2].count, 0);
  assert_int_equal(request.events[3].count, 0);
}

static void many_values_are_kept(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  char *text = malloc(COUNT * 8 + 64);
  size_t used = (size_t)snprintf(text, 64, "{\"values\":[");
  for (int i = 0; i < COUNT; i++)
    used += (size_t)snprintf(text + used, 16, "%s%d", i ? "," : "", i);
  snprintf(text + used, 8, "]}");
  assert_int_equal(scan(text), MLAAS_OK);
  assert_int_equal(request.values.count, COUNT);
  for (int i = 0; i < COUNT; i++)
    assert_true(request.numbers[request.values.first + (size_t)i] == i);
  free(text);
}

static void integers_beyond_doubles_are_exact(void **state) {
  (void)state;
  assert_int_equal(scan("{\"values\":[1,2.5,9007199254740993,-3]}"), MLAAS_OK);
  assert_non_null(request.integers);
  assert_true(request.integers[request.values.first] == 1);
  assert_true(request.integers[request.values.first + 2] == 9007199254740993);
  assert_true(request.integers[request.values.first + 3] == -3);
  assert_int_equal(scan("{\"values\":[1,2]}"), MLAAS_OK);
  assert_null(request.integers);
}

static void bad_bodies_are_refused(void **state) {
  (void)state;
  static const char *const bodies[] = {"",
                                       " ",
                                       "x",
                                       "[]",
                                       "null",
                                       "\"a\"",
                                       "{",
                                       "{}x",
                                       "{\"values\":[1,2}",
                                       "{\"values\":[1,2],}",
                                       "{\"values\":[1,2,]}",
                                       "{\"values\":[,1]}",
                                       "{values:[1]}",
                                       "{'values':[1]}",
                                       "{\"values\" [1]}",
                                       "{\"values\":[1 2]}",
                                       "{\"values\":[01]}",
                                       "{\"values\":[+1]}",
                                       "{\"values\":[.5]}",
                                       "{\"values\":[1.]}",
                                       "{\"values\":[0x1]}",
                                       "{\"values\":[NaN]}",
                                       "{\"values\":[Infinity]}",
                                       "{\"values\":[-Infinity]}",
                                       "{\"values\":[1e400]}",
                                       "{\"values\":[\"1\"]}",
                                       "{\"values\":[true]}",
                                       "{\"values\":{\"a\":1}}",
                                       "{\"values\":1}",
                                       "{\"values\":[[[1]]]}",
                                       "{\"model\":3}",
                                       "{\"model\":[\"a\"]}",
                                       "{\"model\":\"a\nb\"}",
                                       "{\"model\":\"\\u0000\"}",
                                       "{\"model\":\"\\x\"}",
                                       "{\"model\":\"\\ud800\"}",
                                       "{\"model\":\"\\udc00\"}",
                                       "{\"model\":\"\\ud800\\u0041\"}",
                                       "{\"model\":\"\\u12\"}",
                                       "{\"model\":\"\xff\"}",
                                       "{\"model\":\"\xc0\x80\"}",
                                       "{\"model\":\"\xed\xa0\x80\"}",
                                       "{\"model\":\"\xf4\x90\x80\x80\"}",
                                       "{\"model\":\"a",
                                       "{\"model\":\"a\\",
                                       "{\"keys\":\"a\"}",
                                       "{\"keys\":[1]}",
                                       "{\"events\":1}",
                                       "{\"events\":[1]}",
                                       "{\"events\":[{\"a\":\"b\"}]}",
                                       "{\"events\":[{\"a\":[[1]]}]}",
                                       "{\"input\":\"maybe\"}",
                                       "{\"model_version\":-1}",
                                       "{\"model_version\":1.5}",
                                       "{\"model_version\":\"x\"}",
                                       "{\"a\":1 \"b\":2}",
                                       "{\"a\":}",
                                       "{\"a\":nul}",
                                       "\xef\xbb\xbf{}",
                                       "{\"a\":1}\x01",
                                       "{1:2}",
                                       "{\"a\"}",
                                       "{} {}",
                                       "// x\n{}"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    assert_int_equal(scan(bodies[i]), MLAAS_ARGUMENT);
    assert_true(the_error.message[0]);
  }
  assert_int_equal(scan("{\"values\":[1,x]}"), MLAAS_ARGUMENT);
  assert_int_equal(the_error.offset, 13);
  assert_int_equal(mlaas_json_scan((struct mlaas_slice){"{\"a\":\"b\0c\"}", 11}, &the_arena, &request, &the_error),
                   MLAAS_ARGUMENT);
}

static void depth_is_bounded(void **state) {
  (void)state;
  char text[4096];
  for (int depth = 2; depth < 1000; depth += 61) {
    size_t used = 0;
    used += (size_t)snprintf(text, sizeof text, "{\"a\":");
    memset(text + used, '[', (size_t)depth);
    memset(text + used + depth, ']', (size_t)depth);
    snprintf(text + used + 2 * depth, 4, "}");
    assert_int_equal(scan(text), depth < MLAAS_JSON_DEPTH ? MLAAS_OK : MLAAS_ARGUMENT);
  }
}

/* Bodies made of pieces at random: most are almost right. */
static void jansson_agrees(void **state) {
  (void)state;
  static const char *const pieces[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"values\"",
                                       "\"keys\"",
                                       "\"model\"",
                                       "\"events\"",
                                       "\"x\"",
                                       "1",
                                       "-2.5",
                                       "1e3",
                                       "0",
                                       "null",
                                       "true",
                                       "\"\"",
                                       "\"a\\n\"",
                                       "\"\\u00e9\"",
                                       " ",
                                       "\n",
                                       "\"\xc3\xa9\"",
                                       "1e999",
                                       "9007199254740993",
                                       "-",
                                       "\\",
                                       "{\"values\":[1,2],",
                                       "\"model\":\"m\"",
                                       "[1,null,[2]]",
                                       "{\"a\":1}",
                                       "{\"a\":[1,2]}",
                                       "[]",
                                       "{}"};
  static const char *const frames[] = {
      "{\"values\":%s}", "{\"events\":[%s]}", "{\"keys\":[%s]}", "{%s}", "%s", "{\"x\":%s,\"model\":\"m\"}"};
  uint64_t random = 12345;
  size_t judged = 0;
  for (int i = 0; i < 200000; i++) {
    char inner[256] = "", text[400];
    int count = (int)((random >> 33) % 6);
    for (int k = 0; k < count; k++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      strncat(inner, pieces[(random >> 33) % (sizeof pieces / sizeof *pieces)], sizeof inner - strlen(inner) - 1);
    }
    random = random * 6364136223846793005u + 1442695040888963407u;
    const char *frame = frames[(random >> 33) % 6], *at = strstr(frame, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - frame), frame, inner, at + 2);
    enum json_verdict verdict = json_judge(text, strlen(text), &the_arena);
    if (verdict == JSON_DIFFER)
      print_message("differ on: %s\n", text);
    assert_int_not_equal(verdict, JSON_DIFFER);
    judged += verdict == JSON_AGREE;
    if (i % 1000 == 0)
      mlaas_arena_reset(&the_arena);
  }
  assert_true(judged > 100000);
}

static void failing_memory_is_an_error(void **state) {
  (void)state;
  char text[2000];
  size_t used = (size_t)snprintf(text, sizeof text,
                                 "{\"keys\":[\"a\\n\"],\"events\":[{\"a\":[9007199254740993]},[1,[2]]],\"values\":[");
  for (int i = 0; i < 200; i++)
    used += (size_t)snprintf(text + used, 8, "%d,", i);
  snprintf(text + used, 8, "0]}");
  for (long n = 1;; n++) {
    mlaas_arena_reset(&the_arena);
    mlaas_memory_fail(n, false);
    enum mlaas_status status = scan(text);
    mlaas_memory_fail(0, false);
    if (status == MLAAS_OK)
      break;
    assert_int_equal(status, MLAAS_MEMORY);
    assert_true(n < 100);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_row_of_tfaas_is_read),
      cmocka_unit_test(names_in_any_case_and_the_last_counts),
      cmocka_unit_test(unknown_members_are_skipped),
      cmocka_unit_test(lists_among_values_become_cells),
      cmocka_unit_test(events_are_objects_or_lists),
      cmocka_unit_test(many_values_are_kept),
      cmocka_unit_test(integers_beyond_doubles_are_exact),
      cmocka_unit_test(bad_bodies_are_refused),
      cmocka_unit_test(depth_is_bounded),
      cmocka_unit_test(jansson_agrees),
      cmocka_unit_test(failing_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, make_arena, free_arena);
}
