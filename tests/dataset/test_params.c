/* params.json: what is accepted, what it becomes, and what is refused in which words. */
#include "dataset/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void accept(struct mlaas_params *params, const char *json) {
  struct mlaas_error error;
  if (mlaas_params_init(params, json, &error) != MLAAS_OK)
    fail_msg("%s: %s", json ? json : "NULL", error.message);
}

static void refuse(const char *json, const char *message) {
  struct mlaas_params params;
  struct mlaas_error error;
  assert_int_equal(mlaas_params_init(&params, json, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, message);
}

static void defaults(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, NULL);
  assert_int_equal(p.nevents, -1);
  assert_int_equal(p.batch_size, 256);
  assert_true(p.shuffle && p.seed == 0 && !p.table && !p.compat);
  assert_true(p.shares[0] == 0.64 && p.shares[1] == 0.16 && p.shares[2] == 0.2);
  assert_int_equal(p.identifier.count, 3);
  assert_string_equal(p.identifier.names[1], "event");
  assert_int_equal(p.selected.count + p.exclude.count + p.split_by.count, 0);
  assert_true(p.scaler == MLAAS_SCALER_STANDARD && !p.clip && p.num_missing == 0);
  assert_true(p.width_quantile == 0.999 && p.width_fixed == 0 && !p.widths && !p.sort_by && !p.inputs);
  assert_true(p.class_norm == MLAAS_CLASS_NORM_NONE && p.negative == MLAAS_NEGATIVE_KEEP && !p.weight_branch);
  assert_int_equal(p.memory, 1 << 30);
  assert_int_equal(json_integer_value(json_object_get(p.json, "epochs")), 10);
  mlaas_params_reset(&p);
}

/* The published params.json, which names branches by "" and uses an old spelling. */
static void the_published_file(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{ \"nevents\": 30000, \"shuffle\": true, \"chunk_size\": 10000, \"epochs\": 5, \"batch_size\": 100,"
             "\"identifier\": [\"runNo\", \"evtNo\", \"lumi\"], \"branch\": \"boostedAk8/events\","
             "\"selected_branches\": \"\", \"exclude_branches\": \"\", \"hist\": \"pdfs\","
             "\"redirector\": \"root://xrootd.ba.infn.it\", \"verbose\": 1 }");
  assert_int_equal(p.nevents, 30000);
  assert_int_equal(p.batch_size, 100);
  assert_string_equal(p.table, "boostedAk8/events");
  assert_string_equal(p.identifier.names[0], "runNo");
  assert_int_equal(p.selected.count, 0);
  mlaas_params_reset(&p);
}

static void synonyms(void **state) {
  (void)state;
  static const char *const spellings[] = {"nevts", "nevents", "nevt"};
  for (size_t i = 0; i < 3; i++) {
    char json[64];
    struct mlaas_params p;
    snprintf(json, sizeof json, "{\"%s\": 7}", spellings[i]);
    accept(&p, json);
    assert_int_equal(p.nevents, 7);
    mlaas_params_reset(&p);
  }
  struct mlaas_params p;
  accept(&p, "{\"root_directory\": \"root://x\"}");
  assert_string_equal(json_string_value(json_object_get(p.json, "redirector")), "root://x");
  mlaas_params_reset(&p);
  refuse("{\"nevts\": 1, \"nevents\": 1}", "parameters \"nevts\" and \"nevents\" are the same: give one of them");
}

static void the_redirector_in_all_spellings(void **state) {
  (void)state;
  static const char *const spellings[] = {"redirector", "root_directory", "root_redirector"};
  for (size_t i = 0; i < 3; i++) {
    char json[64];
    struct mlaas_params p;
    snprintf(json, sizeof json, "{\"%s\": \"root://h/\"}", spellings[i]);
    accept(&p, json);
    assert_string_equal(p.redirector, "root://h/");
    mlaas_params_reset(&p);
  }
  struct mlaas_params p;
  accept(&p, "{\"redirector\": null}");
  assert_string_equal(p.redirector, "");
  mlaas_params_reset(&p);
  refuse("{\"redirector\": \"root://h\", \"root_directory\": \"root://h\"}",
         "parameters \"redirector\" and \"root_directory\" are the same: give one of them");
}

static void bad_files(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{}");
  assert_int_equal(p.bad_file, MLAAS_BAD_FILE_FAIL);
  mlaas_params_reset(&p);
  accept(&p, "{\"on_bad_file\": \"quota\"}");
  assert_int_equal(p.bad_file, MLAAS_BAD_FILE_QUOTA);
  mlaas_params_reset(&p);
  refuse("{\"on_bad_file\": \"ignore\"}", "parameter \"on_bad_file\" has to be choice fail|skip|quota, not \"ignore\"");
}

static void remote_options(void **state) {
  (void)state;
  struct mlaas_params p;
  struct mlaas_remote_options options = {.size = sizeof options, .deadline_ms = 5, .s3_region = "here"};
  accept(&p, "{\"remote\": {\"connect_timeout\": 2, \"timeout\": 1.5, \"retries\": 0, \"cache\": \"20 MB\","
             "\"token_file\": \"/t\", \"certificate\": \"c\", \"key\": \"k\", \"authorities\": null,"
             "\"s3_endpoint\": \"http://s\", \"insecure\": true}}");
  mlaas_params_remote(p.remote, &options);
  assert_int_equal(options.connect_ms, 2000);
  assert_int_equal(options.timeout_ms, 1500);
  assert_int_equal(options.deadline_ms, 5); /* not given: stays */
  assert_int_equal(options.retries, -1);
  assert_int_equal(options.cache, 20000000);
  assert_string_equal(options.token_file, "/t");
  assert_string_equal(options.certificate, "c");
  assert_string_equal(options.key, "k");
  assert_null(options.authorities);
  assert_string_equal(options.s3_endpoint, "http://s");
  assert_string_equal(options.s3_region, "here");
  assert_true(options.insecure);
  mlaas_params_reset(&p);
  mlaas_params_remote(NULL, &options);
  accept(&p, "{\"remote\": null}");
  assert_null(p.remote);
  mlaas_params_reset(&p);
  refuse("{\"remote\": {\"time_out\": 1}}", "parameter \"remote\" has no \"time_out\"; did you mean \"timeout\"?");
  refuse("{\"remote\": {\"timeout\": 0}}", "parameter \"remote\": timeout has to be seconds between 0.001 and 86400");
  refuse("{\"remote\": {\"timeout\": \"3\"}}",
         "parameter \"remote\": timeout has to be seconds between 0.001 and 86400");
  refuse("{\"remote\": {\"retries\": 1.5}}",
         "parameter \"remote\": retries has to be a whole number between 0 and 1000");
  refuse("{\"remote\": {\"key\": 1}}", "parameter \"remote\": key has to be a text");
  refuse("{\"remote\": {\"insecure\": 1}}", "parameter \"remote\": insecure has to be true or false");
  refuse("{\"remote\": {\"cache\": true}}", "parameter \"remote\": cache has to be a size");
  refuse("{\"remote\": {\"s3_endpoint\": \"s3.org\"}}",
         "parameter \"remote\": s3_endpoint is 's3.org'; it has to begin with https://");
  refuse("{\"remote\": 3}", "parameter \"remote\" has to be object, not 3");
}

static void lists_of_names(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{\"exclude_branches\": \"tau1, tau2 ,\\n tau3\", \"selected_branches\": \"a,b\", \"identifier\": []}");
  assert_int_equal(p.exclude.count, 3);
  assert_string_equal(p.exclude.names[1], "tau2");
  assert_string_equal(p.exclude.names[2], "tau3");
  assert_int_equal(p.selected.count, 2);
  assert_int_equal(p.identifier.count, 3); /* empty stands for the default, as in MLaaS4HEP */
  mlaas_params_reset(&p);
  refuse("{\"exclude_branches\": [\"a\", 3]}", "parameter \"exclude_branches\": item 2 is no name of a branch");
}

static void excluded_branches_from_a_file(void **state) {
  (void)state;
  char path[] = "/tmp/mlaas-params-XXXXXX", json[128];
  int fd = mkstemp(path);
  static const char text[] = "# weights\ngenEvtWeight\n  mva \n\ntriggerPre,category\n";
  assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
  close(fd);
  struct mlaas_params p;
  snprintf(json, sizeof json, "{\"exclude_branches\": \"%s\"}", path);
  accept(&p, json);
  assert_int_equal(p.exclude.count, 4);
  assert_string_equal(p.exclude.names[0], "genEvtWeight");
  assert_string_equal(p.exclude.names[1], "mva");
  assert_string_equal(p.exclude.names[3], "category");
  mlaas_params_reset(&p);
  unlink(path);
}

static void split_forms(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{\"split\": 0.3}");
  assert_true(fabs(p.shares[0] - 0.56) < 1e-15 && fabs(p.shares[1] - 0.14) < 1e-15 && p.shares[2] == 0.3);
  mlaas_params_reset(&p);
  accept(&p, "{\"split\": {\"train\": 0.75, \"test\": 0.25}}");
  assert_true(p.shares[0] == 0.75 && p.shares[1] == 0 && p.shares[2] == 0.25);
  mlaas_params_reset(&p);
  refuse("{\"split\": 1}", "parameter \"split\": the share of test has to be in [0, 1), not 1");
  refuse("{\"split\": [0.5, 0.5, 0.5]}", "parameter \"split\": the shares 0.5, 0.5, 0.5 have to sum to 1, not to 1.5");
  refuse("{\"split\": {\"trian\": 1}}", "parameter \"split\" has to name the shares of train, validation and test");
}

static void widths_and_orders(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{\"width\": \"max\", \"sort_by\": \"jetPt\"}");
  assert_true(p.width_quantile == 1 && p.width_fixed == 0);
  assert_string_equal(json_string_value(json_object_get(p.sort_by, "jetPt")), "jetPt");
  mlaas_params_reset(&p);
  accept(&p, "{\"width\": 5}");
  assert_int_equal(p.width_fixed, 5);
  mlaas_params_reset(&p);
  accept(&p, "{\"width\": {\"jet\": 5, \"lep\": \"max\", \"trk\": 0.9}}");
  assert_int_equal(json_object_size(p.widths), 3);
  mlaas_params_reset(&p);
  static const char message[] =
      "parameter \"width\" has to be a number of slots, a quantile between 0 and 1, \"max\", or "
      "an object with one of these per collection";
  refuse("{\"width\": 0}", message);
  refuse("{\"width\": 1.5}", message);
  refuse("{\"width\": {\"jet\": true}}", message);
}

static void numbers_and_switches(void **state) {
  (void)state;
  struct mlaas_params p;
  accept(&p, "{\"clip\": 5, \"missing\": -999, \"memory\": \"1 GB\", \"weight\": [1, 0.5], \"early_stopping\": true, "
             "\"checkpoint\": false, \"metrics\": {\"threshold\": 0.3}, \"pad\": -1, \"scaler\": \"minmax\"}");
  assert_true(p.clip && p.clip_low == -5 && p.clip_high == 5);
  assert_true(p.num_missing == 1 && p.missing[0] == -999 && p.pad == -1 && p.scaler == MLAAS_SCALER_MINMAX);
  assert_int_equal(p.memory, 1000000000);
  assert_true(p.num_weights == 2 && p.weight_of_file[1] == 0.5 && p.class_norm == MLAAS_CLASS_NORM_EQUAL);
  assert_int_equal(json_integer_value(json_object_get(p.json, "early_stopping")), 5);
  assert_int_equal(json_integer_value(json_object_get(p.json, "checkpoint")), 0);
  mlaas_params_reset(&p);
  accept(&p, "{\"memory\": \"512MiB\", \"weight\": \"genWeight\", \"class_norm\": \"none\"}");
  assert_int_equal(p.memory, 512 << 20);
  assert_string_equal(p.weight_branch, "genWeight");
  assert_int_equal(p.class_norm, MLAAS_CLASS_NORM_NONE);
  mlaas_params_reset(&p);
}

static void what_is_refused(void **state) {
  (void)state;
  refuse("{\"batchsize\": 3}", "there is no parameter \"batchsize\"; did you mean \"batch_size\"?");
  refuse("{\"zzzzzzzz\": 3}", "there is no parameter \"zzzzzzzz\"; `mlaas train --help` lists them");
  refuse("{\"batch_size\": \"256\"}", "parameter \"batch_size\" has to be int, not \"256\"");
  refuse("{\"batch_size\": 2.5}", "parameter \"batch_size\" has to be int, not 2.5");
  refuse("{\"batch_size\": 0}", "parameter \"batch_size\" has to lie between 1 and 1.67772e+07, not 0");
  refuse("{\"shuffle\": 1}", "parameter \"shuffle\" has to be bool, not 1");
  refuse("{\"scaler\": \"robust\"}", "parameter \"scaler\" has to be choice standard|minmax|none, not \"robust\"");
  refuse("{\"nevts\": 0}", "parameter \"nevts\" is 0: give a number of entries, or -1 for all");
  refuse("{\"memory\": \"1 XB\"}",
         "parameter \"memory\" has to be a size of at least 1 MB, for instance \"500 MB\" or \"2 GiB\"");
  refuse("{\"clip\": [3, 1]}", "parameter \"clip\": 3 is not below 1");
  refuse("{\"inputs\": [{\"name\": \"x\", \"kind\": \"ragged\"}]}",
         "parameter \"inputs\": input 1: kind has to be flat or padded");
  refuse("{\"inputs\": [{\"name\": \"x\", \"kind\": \"padded\"}]}",
         "parameter \"inputs\": input 1: a padded input takes either a collection or branches");
  refuse("{\"training\": \"chunks\"}", "parameter \"training\" can be \"chunks\" only together with compat");
  refuse("[1]", "the parameters have to be a JSON object, {\"key\": value, ...}");
  refuse("{\"seed\": 1, \"seed\": 2}",
         "the parameters are no JSON: duplicate object key near '\"seed\"' (line 1, column 18)");
}

static void effective_values_are_a_fixed_point(void **state) {
  (void)state;
  char *once = NULL, *twice = NULL;
  assert_int_equal(
      mlaas_params_check("{\"split\": 0.3, \"sort_by\": \"jetPt\", \"clip\": 3, \"memory\": \"1 GB\", \"compat\": "
                         "true, \"exclude_branches\": \"a,b\", \"weight\": \"w\"}",
                         &once, NULL),
      MLAAS_OK);
  assert_int_equal(mlaas_params_check(once, &twice, NULL), MLAAS_OK);
  assert_string_equal(once, twice);
  assert_non_null(strstr(once, "\"training\": \"chunks\""));
  mlaas_text_free(once);
  mlaas_text_free(twice);
}

/* Every default has its own type, and every row its help. */
static void the_table_is_consistent(void **state) {
  (void)state;
  size_t count = 0;
  for (const struct mlaas_param *param; (param = mlaas_param_at(count)); count++) {
    char json[256];
    struct mlaas_params p;
    snprintf(json, sizeof json, "{\"%s\": %s}", param->name, param->fallback);
    accept(&p, json);
    mlaas_params_reset(&p);
    assert_true(strlen(param->help) > 10 && param->help[strlen(param->help) - 1] == '.');
  }
  assert_true(count > 30);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  enum mlaas_status status = MLAAS_MEMORY;
  json_set_alloc_funcs(mlaas_alloc, mlaas_free);
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_params p = {0};
    assert_true(n < 5000);
    mlaas_memory_fail(n, n % 2);
    status = mlaas_params_init(&p, "{\"split\": 0.3, \"exclude_branches\": \"a,b\", \"weight\": [1, 2]}", NULL);
    mlaas_memory_fail(0, false);
    mlaas_params_reset(&p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults),
      cmocka_unit_test(the_published_file),
      cmocka_unit_test(synonyms),
      cmocka_unit_test(the_redirector_in_all_spellings),
      cmocka_unit_test(bad_files),
      cmocka_unit_test(remote_options),
      cmocka_unit_test(lists_of_names),
      cmocka_unit_test(excluded_branches_from_a_file),
      cmocka_unit_test(split_forms),
      cmocka_unit_test(widths_and_orders),
      cmocka_unit_test(numbers_and_switches),
      cmocka_unit_test(what_is_refused),
      cmocka_unit_test(effective_values_are_a_fixed_point),
      cmocka_unit_test(the_table_is_consistent),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
