/* What folders and files say of themselves. */
#include "model/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "root.h"

static struct mlaas_manifest read_good(const char *name) {
  struct mlaas_manifest manifest;
  struct mlaas_error error = {0};
  if (mlaas_manifest_read(below(name), &manifest, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return manifest;
}

static void read_bad(const char *name, enum mlaas_status status, const char *words) {
  struct mlaas_manifest manifest;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_manifest_read(below(name), &manifest, &error), status);
  assert_int_equal(error.status, status);
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s: %s'", words, error.where, error.message);
  mlaas_manifest_reset(&manifest);
}

/* PATH below the folder, as the back end gets it. */
static void check(const char *name, const char *backend, const char *path) {
  struct mlaas_manifest manifest = read_good(name);
  assert_string_equal(manifest.backend, backend);
  assert_string_equal(manifest.path, below(path));
  assert_false(manifest.bundle);
  assert_int_equal(manifest.version, 1);
  mlaas_manifest_reset(&manifest);
}

static const char params[] = "{\"name\": \"m\", \"model\": \"model.pb\", \"labels\": \"labels.txt\", "
                             "\"input_node\": \"in\", \"output_node\": \"out\", \"img_channels\": 3}";
static const char bundle[] =
    "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"higgs\", \"model_version\": 7, \"back_end\": "
    "\"xgboost\","
    " \"file\": \"model.ubj\", \"inputs\": [{\"name\": \"x\", \"mask\": \"nan\"}], \"labels\": [\"0\", \"1\"]}";

static void files_are_known_by_their_ends(void **state) {
  (void)state;
  put_text(root, "a.onnx", "x");
  put_text(root, "b.pb", "x");
  put_text(root, "c.ubj", "x");
  put_text(root, "d.json", "{}");
  put_text(root, "echo.json", "{\"inputs\": 3, \"rows\": 4}");
  put_text(root, "readme.txt", "x");
  check("a.onnx", "onnxruntime", "a.onnx");
  check("b.pb", "tensorflow", "b.pb");
  check("c.ubj", "xgboost", "c.ubj");
  check("d.json", "xgboost", "d.json");
  struct mlaas_manifest manifest = read_good("echo.json");
  assert_string_equal(manifest.backend, "echo");
  assert_string_equal(manifest.name, "echo");
  assert_int_equal(json_integer_value(json_object_get(manifest.options, "inputs")), 3);
  mlaas_manifest_reset(&manifest);
  read_bad("readme.txt", MLAAS_UNSUPPORTED, "no back end is known for it");
  read_bad("nothing.onnx", MLAAS_NOT_FOUND, "there is no such model");
}

static void folders_are_known_by_their_files(void **state) {
  (void)state;
  put_text(root, "onnx/model.onnx", "x");
  put_text(root, "onnx/config.pbtxt", "x");
  put_text(root, "saved/saved_model.pb", "x");
  put_text(root, "saved/fingerprint.pb", "x");
  put_text(root, "frozen/graph.pb", "x");
  put_text(root, "xgb/model.ubj", "x");
  put_text(root, "xgb/model.json", "{\"learner\": {}}");
  put_text(root, "xgb/reference.json", "{}");
  put_text(root, "xgbjson/model.json", "{\"learner\": {}}");
  put_text(root, "xgbjson/reference.json", "{}");
  put_text(root, "damaged/model.json", "{\"learner\"");
  put_text(root, "two/a.onnx", "x");
  put_text(root, "two/b.onnx", "x");
  put_text(root, "kinds/a.onnx", "x");
  put_text(root, "kinds/b.pb", "x");
  put_text(root, "preferred/a.onnx", "x");
  put_text(root, "preferred/model.onnx", "x");
  put_text(root, "empty/notes.txt", "x");
  check("onnx", "onnxruntime", "onnx/model.onnx");
  check("saved", "tensorflow", "saved");
  check("frozen", "tensorflow", "frozen/graph.pb");
  check("xgb", "xgboost", "xgb/model.ubj");
  check("xgbjson", "xgboost", "xgbjson/model.json");
  check("damaged", "xgboost", "damaged/model.json");
  check("preferred", "onnxruntime", "preferred/model.onnx");
  read_bad("two", MLAAS_UNSUPPORTED, "several models");
  read_bad("kinds", MLAAS_UNSUPPORTED, "several models");
  read_bad("empty", MLAAS_UNSUPPORTED, "holds no model");
}

static void the_place_names_what_has_no_name(void **state) {
  (void)state;
  put_text(root, "jets/3/model.onnx", "x");
  struct mlaas_manifest manifest = read_good("jets/3");
  assert_string_equal(manifest.name, "jets");
  assert_int_equal(manifest.version, 3);
  mlaas_manifest_reset(&manifest);
  manifest = read_good("jets/3/model.onnx");
  assert_string_equal(manifest.name, "model");
  mlaas_manifest_reset(&manifest);
}

static void a_folder_of_tfaas_is_read(void **state) {
  (void)state;
  put_text(root, "m/params.json", params);
  put_text(root, "m/model.pb", "x");
  put_text(root, "m/labels.txt", "cat\r\n\ndog\nbird\n\n\n");
  struct mlaas_manifest manifest = read_good("m");
  assert_string_equal(manifest.name, "m");
  assert_string_equal(manifest.backend, "tensorflow");
  assert_string_equal(manifest.path, below("m/model.pb"));
  assert_int_equal(manifest.img_channels, 3);
  assert_int_equal(manifest.num_labels, 4);
  assert_string_equal(manifest.labels[0], "cat");
  assert_string_equal(manifest.labels[1], "");
  assert_string_equal(manifest.labels[3], "bird");
  assert_null(manifest.labels[4]);
  assert_null(manifest.warning);
  assert_true(manifest.normalised);
  assert_string_equal(json_string_value(json_object_get(manifest.options, "input_node")), "in");
  assert_string_equal(json_string_value(json_object_get(manifest.options, "output_node")), "out");
  mlaas_manifest_reset(&manifest);
}

/* The spellings of 2019 and Go's disregard of case. */
static void old_spellings_of_params_are_read(void **state) {
  (void)state;
  put_text(
      root, "m/params.json",
      "{\"NAME\": \"m\", \"Model\": \"model.pb\", \"inputNode\": \"in\", \"OUTPUTNODE\": \"out\", \"input\": \"raw\"}");
  put_text(root, "m/model.pb", "x");
  struct mlaas_manifest manifest = read_good("m");
  assert_string_equal(manifest.name, "m");
  assert_string_equal(json_string_value(json_object_get(manifest.options, "input_node")), "in");
  assert_string_equal(json_string_value(json_object_get(manifest.options, "output_node")), "out");
  assert_false(manifest.normalised);
  assert_int_equal(manifest.num_labels, 0);
  assert_non_null(manifest.labels);
  mlaas_manifest_reset(&manifest);
}

/* TFaaS refuses a frozen graph without the labels that it names; elsewhere answers do without. */
static void missing_labels_are_a_warning(void **state) {
  (void)state;
  put_text(root, "m/params.json", "{\"name\": \"m\", \"model\": \"m.onnx\", \"labels\": \"labels.txt\"}");
  put_text(root, "m/m.onnx", "x");
  struct mlaas_manifest manifest = read_good("m");
  assert_int_equal(manifest.num_labels, 0);
  assert_non_null(strstr(manifest.warning, "labels.txt"));
  mlaas_manifest_reset(&manifest);
  put_text(root, "f/params.json", params);
  put_text(root, "f/model.pb", "x");
  read_bad("f", MLAAS_FORMAT, "labels.txt");
}

/* A SavedModel needs no assets/, and its nodes are named by its signature. */
static void params_name_the_kind_of_model(void **state) {
  (void)state;
  put_text(root, "s/params.json", "{\"name\": \"s\", \"model\": \"saved_model.pb\", \"input_name\": \"wrong\"}");
  put_text(root, "s/saved_model.pb", "x");
  put_text(root, "o/params.json",
           "{\"name\": \"o\", \"model\": \"net.onnx\", \"back_end\": \"openvino\","
           " \"backend_options\": {\"precision\": \"bf16\"}, \"threads\": 2}");
  put_text(root, "o/net.onnx", "x");
  put_text(root, "n/params.json", "{\"name\": \"n\"}");
  put_text(root, "n/model.ubj", "x");
  struct mlaas_manifest manifest = read_good("s");
  assert_string_equal(manifest.path, below("s"));
  assert_int_equal(json_object_size(manifest.options), 0);
  mlaas_manifest_reset(&manifest);
  manifest = read_good("o");
  assert_string_equal(manifest.backend, "openvino");
  assert_string_equal(json_string_value(json_object_get(manifest.options, "precision")), "bf16");
  assert_int_equal(manifest.threads, 2);
  mlaas_manifest_reset(&manifest);
  check("n", "xgboost", "n/model.ubj");
}

static void names_do_not_leave_the_folder(void **state) {
  (void)state;
  static const char *const names[] = {"../model.pb", "/etc/passwd", "..", "a/b.pb", "."};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[256];
    snprintf(text, sizeof text, "{\"name\": \"m\", \"model\": \"%s\"}", names[i]);
    put_text(root, "m/params.json", text);
    read_bad("m", MLAAS_FORMAT, "\"model\" has to be the name of a file");
    snprintf(text, sizeof text, "{\"name\": \"m\", \"labels\": \"%s\"}", names[i]);
    put_text(root, "m/params.json", text);
    read_bad("m", MLAAS_FORMAT, "\"labels\" has to be the name of a file");
  }
}

static void damaged_params_are_refused(void **state) {
  (void)state;
  put_text(root, "m/model.pb", "x");
  put_text(root, "m/params.json", "{not json");
  read_bad("m", MLAAS_FORMAT, "no JSON");
  put_text(root, "m/params.json", "[]");
  read_bad("m", MLAAS_FORMAT, "expected a JSON object");
  put_text(root, "m/params.json", "");
  read_bad("m", MLAAS_FORMAT, "no JSON");
  put_text(root, "m/params.json", "{\"img_channels\": \"3\"}");
  read_bad("m", MLAAS_FORMAT, "img_channels");
  put_text(root, "m/params.json", "{\"input\": \"yes\"}");
  read_bad("m", MLAAS_FORMAT, "\"raw\" or \"normalised\"");
  put_text(root, "m/params.json", "{\"model\": \"other.pb\"}");
  read_bad("m", MLAAS_NOT_FOUND, "other.pb");
  char *large = malloc((1 << 20) + 100);
  memset(large, ' ', (1 << 20) + 100);
  put_bytes(root, "m/params.json", large, (1 << 20) + 100);
  free(large);
  read_bad("m", MLAAS_LIMIT, "more than");
}

static void a_bundle_is_read(void **state) {
  (void)state;
  put_text(root, "b/model.json", bundle);
  put_text(root, "b/model.ubj", "x");
  put_text(root, "b/params.json", "{\"name\": \"other\", \"input\": \"raw\", \"model\": \"model.ubj\"}");
  struct mlaas_manifest manifest = read_good("b");
  assert_true(manifest.bundle);
  assert_true(manifest.mask_is_nan);
  assert_false(manifest.normalised);
  assert_string_equal(manifest.name, "higgs");
  assert_int_equal(manifest.version, 7);
  assert_string_equal(manifest.path, below("b/model.ubj"));
  assert_int_equal(manifest.num_labels, 2);
  assert_string_equal(manifest.labels[1], "1");
  assert_null(manifest.recipe);
  mlaas_manifest_reset(&manifest);
  mlaas_manifest_reset(&manifest);
}

static void bundles_of_all_frameworks_are_read(void **state) {
  (void)state;
  put_text(root, "k/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"k\", \"back_end\": "
           "\"tensorflow\", \"file\": \"saved_model\"}");
  read_bad("k", MLAAS_NOT_FOUND, "saved_model");
  put_text(root, "k/saved_model/saved_model.pb", "x");
  struct mlaas_manifest manifest = read_good("k");
  assert_string_equal(manifest.path, below("k/saved_model"));
  mlaas_manifest_reset(&manifest);
  put_text(root, "t/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"t\", \"back_end\": "
           "\"onnx\", \"file\": \"model.onnx\"}");
  put_text(root, "t/model.onnx", "x");
  manifest = read_good("t");
  assert_string_equal(manifest.backend, "onnxruntime");
  assert_false(manifest.mask_is_nan);
  mlaas_manifest_reset(&manifest);
}

static void damaged_bundles_are_refused(void **state) {
  (void)state;
  put_text(root, "b/model.ubj", "x");
  put_text(root, "b/model.json", "{\"format\": \"other\", \"version\": 1}");
  read_bad("b", MLAAS_FORMAT, "'other'");
  put_text(root, "b/model.json", "{\"format\": \"mlaas-model\", \"version\": 2}");
  read_bad("b", MLAAS_UNSUPPORTED, "newer than this program");
  put_text(root, "b/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"back_end\": \"python\", \"file\": \"x\"}");
  read_bad("b", MLAAS_UNSUPPORTED, "Python only");
  put_text(root, "b/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"back_end\": \"xgboost\", \"file\": \"../model.ubj\"}");
  read_bad("b", MLAAS_FORMAT, "\"file\" has to be the name");
  put_text(root, "b/model.json", bundle);
  put_text(root, "b/recipe.json", "{\"format\": \"mlaas-recipe\"}");
  read_bad("b", MLAAS_FORMAT, "");
  put_text(root, "b/model.json", "{\"format\"");
  read_bad("b", MLAAS_FORMAT, "no JSON"); /* with a recipe beside it, it is a bundle's */
}

static void a_pipe_in_place_of_a_file_does_not_hang(void **state) {
  (void)state;
  put_text(root, "m/model.pb", "x");
  assert_int_equal(mkfifo(below("m/params.json"), 0644), 0);
  struct mlaas_manifest manifest = read_good("m"); /* no regular file, so not there */
  assert_null(manifest.params);
  mlaas_manifest_reset(&manifest);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  put_text(root, "m/params.json", params);
  put_text(root, "m/model.pb", "x");
  put_text(root, "m/labels.txt", "a\nb\n");
  put_text(root, "b/model.json", bundle);
  put_text(root, "b/model.ubj", "x");
  static const char *const names[] = {"m", "b"};
  for (size_t i = 0; i < 2; i++) {
    enum mlaas_status status = MLAAS_MEMORY;
    for (long n = 1; status != MLAAS_OK; n++) {
      struct mlaas_manifest manifest;
      struct mlaas_error error = {0};
      mlaas_memory_fail(n, false);
      status = mlaas_manifest_read(below(names[i]), &manifest, &error);
      mlaas_memory_fail(0, false);
      if (status != MLAAS_OK)
        assert_int_equal(status, MLAAS_MEMORY);
      mlaas_manifest_reset(&manifest);
      assert_true(n < 100);
    }
  }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(files_are_known_by_their_ends),
      IN_FOLDER(folders_are_known_by_their_files),
      IN_FOLDER(the_place_names_what_has_no_name),
      IN_FOLDER(a_folder_of_tfaas_is_read),
      IN_FOLDER(old_spellings_of_params_are_read),
      IN_FOLDER(missing_labels_are_a_warning),
      IN_FOLDER(params_name_the_kind_of_model),
      IN_FOLDER(names_do_not_leave_the_folder),
      IN_FOLDER(damaged_params_are_refused),
      IN_FOLDER(a_bundle_is_read),
      IN_FOLDER(bundles_of_all_frameworks_are_read),
      IN_FOLDER(damaged_bundles_are_refused),
      IN_FOLDER(a_pipe_in_place_of_a_file_does_not_hang),
      IN_FOLDER(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
