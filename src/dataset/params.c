/* params.json: the one table of parameters, and the check of a text against it. What a value may be beyond its type is
 * in params_value.c. Knows no data set. */
#include "dataset/params.h"

#include "base/error.h"
#include "dataset/params_value.h"
#include "recipe/json.h"

#include <string.h>

struct row {
  struct mlaas_param param;
  double low, high; /* of int and number */
  mlaas_value_check *check;
};

#define PLAIN 0, 0, NULL
#define ANY_INT 9e15

/* clang-format off */
static const struct row rows[] = {
    /* data */
    {{"branch", "tree table", "text", "null", "Path of the tree, for instance boostedAk8/events; without it the only tree of the file."}, PLAIN},
    {{"friends", "with_friends", "bool", "false", "Whether the columns of the tree's friends (TTree::AddFriend) are branches too, as alias.branch. Friends that are matched by an index or have fewer entries are left out: values could be missing."}, PLAIN},
    {{"nevts", "nevents nevt", "int", "-1", "Entries to take from all files together, in proportion to their size; -1: all."}, -1, ANY_INT, mlaas_value_nevts},
    {{"identifier", "identifiers", "list or text", "[\"run\", \"event\", \"luminosityBlock\"]", "Branches that name an event; never features; those that a file lacks are ignored."}, 0, 0, mlaas_value_names},
    {{"selected_branches", "", "list or text", "[]", "Branches to use, as a list or separated by commas; empty: all. Wins over exclude_branches."}, 0, 0, mlaas_value_names},
    {{"exclude_branches", "", "list or text", "[]", "Branches not to use: a list, a text separated by commas, or the name of a file with one branch a line; * and ? stand for any characters."}, 0, 0, mlaas_value_names_or_file},
    {{"redirector", "root_directory root_redirector", "text", "\"\"", "Put in front of names of files that are not here, for instance root://cms-xrd-global.cern.ch; names with a scheme stay as they are."}, PLAIN},
    {{"on_bad_file", "", "choice fail|skip|quota", "\"fail\"", "What happens with a file that cannot be opened or read, after all retries and replicas, or is damaged. fail: everything stops; skip: it is left out, told of, and the others share nevts anew; quota: as skip, but the entries wanted of it come from the other files of its label."}, PLAIN},
    {{"remote", "", "object", "null", "How files on servers are reached: connect_timeout, timeout (without an answer) and deadline (of one read with all retries) in seconds, retries, cache (bytes), token_file, certificate, key, authorities, s3_endpoint, s3_region, insecure."}, 0, 0, mlaas_value_remote},
    {{"weight", "weights", "text or list", "null", "Weight of an event: a branch, or one number per file; never a feature."}, 0, 0, mlaas_value_weight},
    {{"class_norm", "", "choice equal|none", "null", "equal: every class weighs the same in training, mean |w| = 1 (the default with weight); none: weights as they are."}, PLAIN},
    {{"negative_weights", "", "choice keep|abs|drop", "\"keep\"", "What training does with events of negative weight."}, PLAIN},
    /* sampling */
    {{"shuffle", "", "bool", "true", "Whether training sees the entries in random order, another one each epoch."}, PLAIN},
    {{"shuffle_buffer", "", "int", "0", "Rows among which neighbours are mixed; 0: as many as the memory allows."}, 0, ANY_INT, NULL},
    {{"seed", "random_seed", "int", "0", "Seed of the split and of the shuffle."}, 0, ANY_INT, NULL},
    {{"split", "", "number or list or object", "[0.64, 0.16, 0.2]", "Shares of train, validation and test, or the share of test alone (validation is then 20 % of the rest)."}, 0, 0, mlaas_value_split},
    {{"split_by", "", "list or text", "[]", "Integer branches whose values decide the part of an entry; empty: file and entry number decide."}, 0, 0, mlaas_value_names},
    /* tensors */
    {{"scaler", "", "choice standard|minmax|none", "\"standard\"", "standard: (x - mean) / sd; minmax: (x - min) / (max - min); statistics over all entries."}, PLAIN},
    {{"clip", "", "number or list", "null", "Bounds of scaled values: [low, high], or c for [-c, c]."}, 0, 0, mlaas_value_clip},
    {{"pad", "pad_value", "number", "0", "What padded and missing slots hold, after scaling."}, -3e38, 3e38, NULL},
    {{"missing", "sentinels", "list or number", "[]", "Values that mean missing, for instance [-999]; NaN and infinities always do."}, 0, 0, mlaas_value_missing},
    {{"width", "", "int or number or text or object", "0.999", "Slots of a jagged branch: a number of slots, max, a quantile below 1 of the lengths, or an object with one of these per collection."}, 0, 0, mlaas_value_width},
    {{"sort_by", "", "text or object", "null", "Branch by which the slots of its collection are ordered, largest first; an object: one per collection. Without: file order."}, 0, 0, mlaas_value_sort_by},
    {{"inputs", "", "list", "null", "Named inputs, objects with name, kind (flat or padded), collection or branches, width; without: one flat input x."}, 0, 0, mlaas_value_inputs},
    /* training */
    {{"batch_size", "", "int", "256", "Rows of a batch."}, 1, 1 << 24, NULL},
    {{"epochs", "", "int", "10", "Passes over the training data."}, 1, 1e6, NULL},
    {{"training", "", "choice standard|chunks", "null", "standard: epochs over all data; chunks: all epochs on one chunk, then the next (compat only, and its default)."}, PLAIN},
    {{"chunk_size", "", "int", "1000", "Rows of a chunk; used by compat only; -1: all."}, -1, ANY_INT, mlaas_value_nevts},
    {{"early_stopping", "patience", "int or bool or object", "0", "Epochs without a better validation loss after which training stops; 0 or false: never; true: 5; or an object with patience, monitor and min_delta."}, 0, 1e6, mlaas_value_stopping},
    {{"checkpoint", "", "int or bool", "1", "Epochs between checkpoints; 0 or false: none."}, 0, 1e6, mlaas_value_count},
    {{"metrics", "", "bool or object", "true", "Whether metrics are printed; an object sets the threshold of accuracy and confusion: {\"threshold\": 0.5}."}, 0, 0, mlaas_value_metrics},
    {{"learning_rate", "lr", "number", "null", "Learning rate where the model brings no optimiser of its own (PyTorch); without: 0.001."}, 1e-300, 1e6, NULL},
    {{"leak_guard", "", "choice warn|error|off", "\"warn\"", "What happens when a branch alone gives the label away."}, PLAIN},
    {{"hist", "", "text", "null", "Name under which the report draws the distributions of the features, for instance pdfs."}, PLAIN},
    {{"name", "", "text", "null", "Name of the model in its bundle; without: the name of the bundle."}, PLAIN},
    /* machine */
    {{"memory", "", "int or text", "1073741824", "Ceiling on memory, in bytes or as text: \"1 GB\", \"500 MB\", \"2 GiB\"."}, 0, 0, mlaas_value_memory},
    {{"threads", "", "int", "0", "Threads that read; 0: one per core."}, 0, 1024, NULL},
    {{"verbose", "", "int", "0", "0, 1 or 2: how much is told."}, 0, 9, NULL},
    {{"compat", "", "bool", "false", "Takes, order, formula and split of MLaaS4HEP, defects included."}, PLAIN},
    {{"nan", "", "number or text", "null", "Accepted and ignored, as in MLaaS4HEP: see missing and pad."}, PLAIN},
};
/* clang-format on */

enum { NUM_ROWS = sizeof rows / sizeof *rows };

const struct mlaas_param *mlaas_param_at(size_t i) { return i < NUM_ROWS ? &rows[i].param : NULL; }

/* Whether `word` is one of the words of `text`, which end at `end` or at the end of the text. */
static bool has_word(const char *text, char end, const char *word) {
  size_t length = strlen(word);
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, (char[]){end, 0});
    if (n == length && memcmp(at, word, n) == 0)
      return true;
    at += n + (at[n] != 0);
  }
  return false;
}

static const struct row *find_row(const char *key) {
  for (size_t i = 0; i < NUM_ROWS; i++)
    if (strcmp(rows[i].param.name, key) == 0 || has_word(rows[i].param.synonyms, ' ', key))
      return &rows[i];
  return NULL;
}

static enum mlaas_status fail_unknown(const char *key, struct mlaas_error *error) {
  const char *names[NUM_ROWS];
  for (size_t i = 0; i < NUM_ROWS; i++)
    names[i] = rows[i].param.name;
  const char *nearest = mlaas_nearest(key, names, NUM_ROWS);
  if (nearest)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there is no parameter \"%.80s\"; did you mean \"%s\"?", key, nearest);
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no parameter \"%.80s\"; `mlaas train --help` lists them", key);
}

/* ---- types ---- */

static bool fits_one(const json_t *value, const char *type, size_t length) {
  static const char choice[] = "choice ";
  char word[96];
  if (length >= sizeof word)
    return false;
  memcpy(word, type, length);
  word[length] = 0;
  if (strncmp(word, choice, sizeof choice - 1) == 0)
    return json_is_string(value) && has_word(word + sizeof choice - 1, '|', json_string_value(value));
  return (strcmp(word, "int") == 0 && json_is_integer(value)) ||
         (strcmp(word, "number") == 0 && json_is_number(value)) ||
         (strcmp(word, "bool") == 0 && json_is_boolean(value)) ||
         (strcmp(word, "text") == 0 && json_is_string(value)) || (strcmp(word, "list") == 0 && json_is_array(value)) ||
         (strcmp(word, "object") == 0 && json_is_object(value));
}

static bool fits(const json_t *value, const char *type) {
  for (const char *at = type; *at;) {
    const char *next = strstr(at, " or ");
    if (fits_one(value, at, next ? (size_t)(next - at) : strlen(at)))
      return true;
    if (!next)
      return false;
    at = next + 4;
  }
  return false;
}

static enum mlaas_status check_type(const struct row *row, const json_t *value, struct mlaas_error *error) {
  const struct mlaas_param *param = &row->param;
  if (!fits(value, param->type)) {
    char *found = json_dumps(value, JSON_ENCODE_ANY);
    mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has to be %s, not %.120s", param->name, param->type,
               found ? found : "this");
    free(found);
    return MLAAS_ARGUMENT;
  }
  if (row->low < row->high && json_is_number(value)) {
    double number = json_number_value(value);
    if (!(number >= row->low && number <= row->high))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has to lie between %g and %g, not %g", param->name,
                        row->low, row->high, number);
  }
  return MLAAS_OK;
}

/* ---- the check ---- */

/* Takes `value` over. */
static enum mlaas_status put_value(json_t *effective, const struct row *row, json_t *value, struct mlaas_error *error) {
  if (!value)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  enum mlaas_status status = MLAAS_OK;
  if (!json_is_null(value))
    status = check_type(row, value, error);
  if (status == MLAAS_OK && !json_is_null(value) && row->check)
    status = row->check(row->param.name, &value, error);
  if (status == MLAAS_OK && json_object_set(effective, row->param.name, value) != 0)
    status = mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  json_decref(value);
  return status;
}

/* Keys of `given` to their rows: unknown ones, and one parameter under two names, are errors. */
static enum mlaas_status assign(const json_t *given, const json_t **values, struct mlaas_error *error) {
  const char *seen[NUM_ROWS] = {NULL};
  for (void *at = json_object_iter((json_t *)(uintptr_t)given); at;
       at = json_object_iter_next((json_t *)(uintptr_t)given, at)) {
    const char *key = json_object_iter_key(at);
    const struct row *row = find_row(key);
    if (!row)
      return fail_unknown(key, error);
    size_t i = (size_t)(row - rows);
    if (seen[i])
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameters \"%s\" and \"%s\" are the same: give one of them", seen[i],
                        key);
    seen[i] = key;
    values[i] = json_object_iter_value(at);
  }
  return MLAAS_OK;
}

/* null and "" stand for the default, and so does an empty list of names: all as in MLaaS4HEP. */
static bool is_default(const struct row *row, const json_t *value) {
  return !value || json_is_null(value) || (json_is_string(value) && !*json_string_value(value)) ||
         (row->check == mlaas_value_names && json_is_array(value) && json_array_size(value) == 0);
}

/* Defaults that hang on other parameters. */
static enum mlaas_status settle(json_t *effective, struct mlaas_error *error) {
  bool failed = false;
  if (json_is_null(json_object_get(effective, "class_norm"))) {
    bool weighted = !json_is_null(json_object_get(effective, "weight"));
    failed |= json_object_set_new(effective, "class_norm", json_string(weighted ? "equal" : "none")) != 0;
  }
  if (json_is_null(json_object_get(effective, "training"))) {
    bool compat = json_is_true(json_object_get(effective, "compat"));
    failed |= json_object_set_new(effective, "training", json_string(compat ? "chunks" : "standard")) != 0;
  }
  if (failed)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  const char *training = json_string_value(json_object_get(effective, "training"));
  if (!json_is_true(json_object_get(effective, "compat")) && strcmp(training, "chunks") == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"training\" can be \"chunks\" only together with compat");
  return MLAAS_OK;
}

static enum mlaas_status parse(const char *json, json_t **given, struct mlaas_error *error) {
  json_error_t where = {0};
  bool empty = !json || json[strspn(json, " \t\r\n")] == 0;
  *given = empty ? json_object() : json_loads(json, JSON_REJECT_DUPLICATES, &where);
  if (!*given && (empty || json_error_code(&where) == json_error_out_of_memory))
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  if (!*given)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the parameters are no JSON: %s (line %d, column %d)", where.text,
                      where.line, where.column);
  if (json_is_object(*given))
    return MLAAS_OK;
  json_decref(*given);
  return mlaas_fail(error, MLAAS_ARGUMENT, "the parameters have to be a JSON object, {\"key\": value, ...}");
}

enum mlaas_status mlaas_params_effective(const char *json, json_t **effective, struct mlaas_error *error) {
  const json_t *values[NUM_ROWS] = {NULL};
  json_t *given = NULL;
  MLAAS_TRY(parse(json, &given, error));
  json_t *result = json_object();
  enum mlaas_status status = result ? assign(given, values, error) : mlaas_fail(error, MLAAS_MEMORY, "out of memory");
  for (size_t i = 0; status == MLAAS_OK && i < NUM_ROWS; i++) {
    json_t *value = is_default(&rows[i], values[i]) ? json_loads(rows[i].param.fallback, JSON_DECODE_ANY, NULL)
                                                    : json_deep_copy(values[i]);
    status = put_value(result, &rows[i], value, error);
  }
  if (status == MLAAS_OK)
    status = settle(result, error);
  json_decref(given);
  if (status == MLAAS_OK)
    *effective = result;
  else
    json_decref(result);
  return status;
}

enum mlaas_status mlaas_params_check(const char *json, char **effective, struct mlaas_error *error) {
  json_t *result = NULL;
  MLAAS_TRY(mlaas_params_effective(json, &result, error));
  enum mlaas_status status = mlaas_json_format(result, effective, error);
  json_decref(result);
  return status;
}
