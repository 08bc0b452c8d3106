/* Which wire a URL gets: plug-ins made up for this, good ones and others. */
#include "base/memory.h"
#include "source/source.h"
#include "source/wires.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], plugin[96];

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/mlaas-wires-XXXXXX");
  if (!mkdtemp(folder))
    return -1;
  snprintf(plugin, sizeof plugin, "%s/mlaas-xrootd.so", folder);
  return setenv("MLAAS_WIRES", folder, 1);
}

static int remove_folder(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  unlink(plugin);
  return rmdir(folder);
}

/* From now on mlaas-xrootd.so is this one of the plug-ins made for tests. */
static void install(const char *name) {
  char made[1024];
  snprintf(made, sizeof made, "%s/made-wire-%s.so", MLAAS_TEST_WIRES, name);
  unlink(plugin);
  assert_int_equal(symlink(made, plugin), 0);
}

static void assert_refused(const char *url, const char *why) {
  const struct mlaas_wire *wire = NULL;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_wire_find(url, &wire, &error), MLAAS_UNSUPPORTED);
  assert_null(wire);
  if (!strstr(error.message, why))
    fail_msg("'%s' is not in '%s'", why, error.message);
}

static void a_plug_in_is_found_by_scheme(void **state) {
  (void)state;
  static const char *const urls[] = {"root://host//x", "xroot://host//x", "roots://host//x", "xroots://host//x"};
  const struct mlaas_wire *first = NULL;
  install("good");
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    const struct mlaas_wire *wire = NULL;
    assert_int_equal(mlaas_wire_find(urls[i], &wire, NULL), MLAAS_OK);
    assert_true(!first || wire == first); /* loaded once */
    first = wire;
  }
  struct mlaas_wire_file file;
  struct mlaas_error error = {0};
  bool transient = true;
  assert_int_equal(first->open("root://host//x", NULL, &file, &transient, &error), MLAAS_NOT_FOUND);
  assert_string_equal(error.message, "root://host//x");
}

static void what_is_no_plug_in_is_refused(void **state) {
  (void)state;
  install("old");
  assert_refused("root://host//x", "was made for version 99 of the protocols' interface, not 1");
  install("partial");
  assert_refused("root://host//x", "lacks functions of a protocol");
  install("none");
  assert_refused("root://host//x", "was made for version 0");
  install("nameless");
  assert_refused("root://host//x", "is no protocol of mlaas");
  unlink(plugin);
  FILE *text = fopen(plugin, "w");
  assert_non_null(text);
  fputs("no library\n", text);
  fclose(text);
  assert_refused("root://host//x", "cannot be loaded");
  assert_refused("root://host//x", "libxrootd-client-dev"); /* what to install */
}

static void unknown_schemes_hear_what_there_is(void **state) {
  (void)state;
  assert_refused("gopher://host/x", "the scheme 'gopher' is not known");
  assert_refused("gopher://host/x", "file://");
  assert_refused("gopher://user:secret@host/x", "root://");
  assert_refused("roo://host/x", "'roo' is not known");
  assert_refused("rootss://host/x", "'rootss' is not known");
  assert_refused("://host/x", "is not known");
  assert_refused("no url", "is not known");
}

static void loading_survives_failed_allocations(void **state) {
  (void)state;
  static const struct mlaas_wire *wire;
  struct mlaas_error error = {0};
  install("spare"); /* one that was not loaded yet */
  mlaas_memory_fail(1, true);
  assert_int_equal(mlaas_wire_find("root://host//x", &wire, &error), MLAAS_MEMORY);
  mlaas_memory_fail(0, false);
  assert_int_equal(mlaas_wire_find("root://host//x", &wire, &error), MLAAS_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plug_in_is_found_by_scheme),
      cmocka_unit_test(what_is_no_plug_in_is_refused),
      cmocka_unit_test(unknown_schemes_hear_what_there_is),
      cmocka_unit_test(loading_survives_failed_allocations),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
