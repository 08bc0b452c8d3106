/* `mlaas predict`: checks what was typed, then hands over to Python, where the model's framework is. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/python.h"

#include <string.h>
#include <sys/stat.h>

static const struct mlaas_option options[] = {
    {.name = "out",
     .type = MLAAS_OPTION_DIRECTORY,
     .argument = "DIR",
     .fallback = ".",
     .help = "Folder for the scores: STEM.scores.root for the input STEM.root"},
    {.name = "format",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "FORMAT",
     .choices = "root|parquet|csv|npz",
     .fallback = "root",
     .help = "Format of the scores"},
    {.name = "rename",
     .type = MLAAS_OPTION_TEXT,
     .argument = "OLD=NEW",
     .repeats = true,
     .help = "Read the branch NEW of these files where the model was trained on OLD, as for a systematic variation"},
    {.name = "tag",
     .type = MLAAS_OPTION_TEXT,
     .argument = "TAG",
     .help = "A word for the names of the output, such as jesUp: STEM.jesUp.scores.root"},
    {.name = "backend",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "NAME",
     .choices = "tensorflow|onnxruntime|openvino|xgboost|python",
     .help = "What runs the model; the one in C that fits by default, python is the framework that trained it"},
    MLAAS_OPTIONS_OF_BAD_FILES,
    MLAAS_OPTIONS_OF_WORK,
    MLAAS_OPTION_VERBOSE,
    MLAAS_OPTIONS_OF_REMOTE,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

static enum mlaas_status check_bundle(const char *path, struct mlaas_error *error) {
  char model[4096];
  struct stat about;
  if (stat(path, &about) != 0)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no bundle %s; 'mlaas train --out %s' would write one", path,
                      path);
  int length = snprintf(model, sizeof model, "%s/model.json", path);
  if (length < 0 || (size_t)length >= sizeof model)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the name %s is too long", path);
  if (!S_ISDIR(about.st_mode) || stat(model, &about) != 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is no bundle: it has no model.json", path);
  return MLAAS_OK;
}

static json_t *names_of(const struct mlaas_list *list) {
  json_t *names = json_array();
  for (size_t i = 0; i < list->count; i++)
    json_array_append_new(names, json_string(list->names[i]));
  return names;
}

/* {"OLD": "NEW"} from the words OLD=NEW. */
static enum mlaas_status read_renames(const struct mlaas_arguments *arguments, json_t *renames,
                                      struct mlaas_error *error) {
  for (size_t i = 0; i < mlaas_arguments_count(arguments, "rename"); i++) {
    const char *text = mlaas_arguments_nth(arguments, "rename", i), *equals = strchr(text, '=');
    char old[512];
    if (!equals || equals == text || !equals[1] || (size_t)(equals - text) >= sizeof old)
      return mlaas_fail(error, MLAAS_ARGUMENT, "--rename is '%s'; it must be OLD=NEW, two names of branches", text);
    snprintf(old, sizeof old, "%.*s", (int)(equals - text), text);
    json_object_set_new(renames, old, json_string(equals + 1));
  }
  return MLAAS_OK;
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const char *const *operands = mlaas_arguments_operands(arguments);
  const char *tag = mlaas_arguments_text(arguments, "tag");
  struct mlaas_list list = {0};
  MLAAS_TRY(check_bundle(operands[0], error));
  if (tag && strchr(tag, '/'))
    return mlaas_fail(error, MLAAS_ARGUMENT, "--tag is '%s'; it becomes part of a file name and must have no /", tag);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 1; status == MLAAS_OK && i < mlaas_arguments_num_operands(arguments); i++)
    status = mlaas_arguments_files(arguments, NULL, operands[i], &list, error);
  json_t *given = mlaas_python_options(arguments), *renames = json_object();
  if (status == MLAAS_OK)
    status = read_renames(arguments, renames, error);
  json_object_set_new(given, "bundle", json_string(operands[0]));
  json_object_set_new(given, "files", names_of(&list));
  if (json_object_size(renames))
    json_object_set(given, "rename", renames);
  json_decref(renames);
  mlaas_list_reset(&list);
  if (status == MLAAS_OK)
    return mlaas_python_run("predict", given, error);
  json_decref(given);
  return status;
}

const struct mlaas_command mlaas_command_predict = {
    .name = "predict",
    .operands = "BUNDLE FILE...",
    .summary = "Write the scores of a trained model beside ROOT files",
    .text = "Streams the files through the recipe and the model of a bundle. For each input there is one output with "
            "exactly its entries in their order, so that ROOT's AddFriend fits: the identifiers, the scores (score, or "
            "score_CLASS), and split: 0 train, 1 validation, 2 test, -1 never seen in training.\n\n"
            "FILE is a file of events, a URL, a pattern, a text file of names, or names with commas between. Only the "
            "recipe's branches are "
            "read. Needs the Python package mlaas, see 'mlaas help train'.",
    .examples = "  mlaas predict bundle data.root --out scores\n"
                "  mlaas predict bundle files.txt --out scores --tag jesUp --rename jetPt=jetPt_jesUp\n",
    .options = options,
    .least_operands = 2,
    .most_operands = -1,
    .run = run,
};
