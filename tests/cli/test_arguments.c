/* Options and operands as typed, against a table made for the test. */
#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct mlaas_option options[] = {
    {.name = "files", .type = MLAAS_OPTION_FILE, .argument = "FILE", .required = true, .help = "Files"},
    {.name = "memory", .type = MLAAS_OPTION_SIZE, .argument = "SIZE", .help = "Ceiling"},
    {.name = "patience", .type = MLAAS_OPTION_SECONDS, .argument = "SECONDS", .help = "Patience"},
    {.name = "threads", .type = MLAAS_OPTION_COUNT, .argument = "N", .help = "Threads"},
    {.name = "format", .type = MLAAS_OPTION_CHOICE, .argument = "F", .choices = "root|csv", .help = "Format"},
    {.name = "rename", .type = MLAAS_OPTION_TEXT, .argument = "A=B", .repeats = true, .help = "Rename"},
    {.name = "json", .help = "JSON"},
    {0}};

static const struct mlaas_command command = {
    .name = "test", .operands = "FILE", .summary = "Test", .options = options, .least_operands = 1, .most_operands = 2};

static struct mlaas_arguments *arguments;
static struct mlaas_error error;
static bool help;

/* Parses the words up to NULL. */
static enum mlaas_status parse(const char *first, ...) {
  char *words[20];
  int count = 0;
  va_list more;
  va_start(more, first);
  for (const char *word = first; word; word = va_arg(more, const char *))
    words[count++] = (char *)(uintptr_t)word;
  va_end(more);
  mlaas_arguments_free(arguments);
  memset(&error, 0, sizeof error);
  return mlaas_arguments_parse(&command, count, words, &arguments, &help, &error);
}

static int free_arguments(void **state) {
  (void)state;
  mlaas_arguments_free(arguments);
  arguments = NULL;
  return 0;
}

static void both_spellings_are_read(void **state) {
  (void)state;
  assert_int_equal(parse("a", "--files=x", "--memory", "300MB", "--threads=4", "--json", "b", NULL), MLAAS_OK);
  assert_string_equal(mlaas_arguments_text(arguments, "files"), "x");
  assert_int_equal(mlaas_arguments_number(arguments, "memory", 0), 300000000);
  assert_int_equal(mlaas_arguments_number(arguments, "threads", 0), 4);
  assert_true(mlaas_arguments_flag(arguments, "json"));
  assert_null(mlaas_arguments_text(arguments, "format"));
  assert_int_equal(mlaas_arguments_num_operands(arguments), 2);
  assert_string_equal(mlaas_arguments_operands(arguments)[0], "a");
  assert_string_equal(mlaas_arguments_operands(arguments)[1], "b");
}

static void the_last_value_counts_and_all_are_kept(void **state) {
  (void)state;
  assert_int_equal(parse("a", "--files=1", "--files=2", "--rename=p=q", "--rename", "r=s", NULL), MLAAS_OK);
  assert_string_equal(mlaas_arguments_text(arguments, "files"), "2");
  assert_int_equal(mlaas_arguments_count(arguments, "rename"), 2);
  assert_string_equal(mlaas_arguments_nth(arguments, "rename", 0), "p=q");
  assert_string_equal(mlaas_arguments_nth(arguments, "rename", 1), "r=s");
  assert_null(mlaas_arguments_nth(arguments, "rename", 2));
  assert_int_equal(mlaas_arguments_number(arguments, "threads", -7), -7);
}

static void times_have_fractions_and_units(void **state) {
  (void)state;
  assert_int_equal(parse("a", "--files=x", "--patience", "0.5", NULL), MLAAS_OK);
  assert_true(mlaas_arguments_seconds(arguments, "patience", 7) == 0.5);
  assert_int_equal(parse("a", "--files=x", "--patience=250ms", NULL), MLAAS_OK);
  assert_true(mlaas_arguments_seconds(arguments, "patience", 7) == 0.25);
  assert_int_equal(parse("a", "--files=x", NULL), MLAAS_OK);
  assert_true(mlaas_arguments_seconds(arguments, "patience", 7) == 7);
  assert_int_equal(parse("a", "--files=x", "--patience", "soon", NULL), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "--patience is 'soon'; it must be a time such as 15, 0.5, 500ms or 2min");
}

static void two_dashes_end_the_options(void **state) {
  (void)state;
  assert_int_equal(parse("--files=x", "--", "--json", "-", NULL), MLAAS_OK);
  assert_false(mlaas_arguments_flag(arguments, "json"));
  assert_string_equal(mlaas_arguments_operands(arguments)[0], "--json");
  assert_string_equal(mlaas_arguments_operands(arguments)[1], "-");
}

static void help_needs_nothing_else(void **state) {
  (void)state;
  assert_int_equal(parse("--help", "--nonsense", NULL), MLAAS_OK);
  assert_true(help);
  assert_int_equal(parse("-h", NULL), MLAAS_OK);
  assert_true(help);
}

static void assert_refused(const char *part) {
  assert_int_equal(error.status, MLAAS_ARGUMENT);
  if (!strstr(error.message, part))
    fail_msg("'%s' is not in '%s'", part, error.message);
}

static void mistakes_are_said(void **state) {
  (void)state;
  (void)parse("a", NULL);
  assert_refused("--files is missing");
  (void)parse("--files=x", NULL);
  assert_refused("FILE is missing");
  (void)parse("--files=x", "a", "b", "c", NULL);
  assert_refused("'c' is one word too many");
  (void)parse("--fils=x", NULL);
  assert_refused("did you mean --files?");
  (void)parse("--xyzzy", NULL);
  assert_refused("'mlaas help test' lists them");
  (void)parse("-f", "x", NULL);
  assert_refused("options are spelled out");
  (void)parse("--files", NULL);
  assert_refused("--files needs a value: --files FILE");
  (void)parse("--files=", "a", NULL);
  assert_refused("--files is empty");
  (void)parse("--json=1", NULL);
  assert_refused("--json takes no value");
  (void)parse("--threads=-1", NULL);
  assert_refused("whole number");
  (void)parse("--threads", "99999999999999999999", NULL);
  assert_refused("whole number");
  (void)parse("--memory=much", NULL);
  assert_refused("300MB");
  (void)parse("--format=roo", NULL);
  assert_refused("one of root|csv");
  (void)parse("--format=root|csv", NULL);
  assert_refused("one of root|csv");
}

static void every_command_is_complete(void **state) {
  (void)state;
  const struct mlaas_command *found;
  for (size_t i = 0; mlaas_command_at(i); i++) {
    const struct mlaas_command *one = mlaas_command_at(i);
    assert_int_equal(mlaas_command_find(one->name, &found, NULL), MLAAS_OK);
    assert_ptr_equal(found, one);
    assert_non_null(one->run);
    assert_non_null(one->operands);
    assert_true(one->summary[strlen(one->summary) - 1] != '.');
    for (const struct mlaas_option *option = one->options; option && option->name; option++) {
      assert_int_equal(option->argument == NULL, option->type == MLAAS_OPTION_FLAG);
      assert_int_equal(option->choices != NULL, option->type == MLAAS_OPTION_CHOICE);
      assert_true(option->help[strlen(option->help) - 1] != '.');
    }
  }
  assert_int_equal(mlaas_command_find("tran", &found, &error), MLAAS_ARGUMENT);
  assert_refused("did you mean 'train'?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(both_spellings_are_read, free_arguments),
      cmocka_unit_test_teardown(the_last_value_counts_and_all_are_kept, free_arguments),
      cmocka_unit_test_teardown(times_have_fractions_and_units, free_arguments),
      cmocka_unit_test_teardown(two_dashes_end_the_options, free_arguments),
      cmocka_unit_test_teardown(help_needs_nothing_else, free_arguments),
      cmocka_unit_test_teardown(mistakes_are_said, free_arguments),
      cmocka_unit_test(every_command_is_complete),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
