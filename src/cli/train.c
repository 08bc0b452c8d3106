/* `mlaas train`: checks what was typed, then hands over to Python, where the user's framework is. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/python.h"

#include <mlaas/dataset.h>

static const struct mlaas_option options[] = {
    {.name = "files",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .required = true,
     .help = "Files of events: a text file with one name a line (# begins a comment), names with commas between, URLs, "
             "patterns such as data/*.root"},
    {.name = "labels",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "The label of each file or pattern, in the same order: a text file, numbers with commas between, or the "
             "name of a "
             "branch that holds the label"},
    {.name = "model",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .required = true,
     .help = "Python file with a function model(idim), or model(), that returns a Keras, PyTorch, XGBoost or "
             "scikit-learn model"},
    {.name = "params",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "JSON file of parameters; an unknown key is refused with a suggestion"},
    {.name = "out",
     .type = MLAAS_OPTION_DIRECTORY,
     .argument = "BUNDLE",
     .fallback = "bundle",
     .help = "Folder to write: model, recipe, metrics, report"},
    {.name = "specs",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "Statistics made before by 'mlaas specs'; refused when they are of other files"},
    {.name = "set",
     .type = MLAAS_OPTION_TEXT,
     .argument = "KEY=VALUE",
     .repeats = true,
     .help = "Set one parameter, stronger than the file's"},
    {.name = "resume", .help = "Go on with the training that was interrupted, from its last checkpoint"},
    {.name = "compat",
     .help = "Do as the original workflow.py did: its order, normalisation, split and epochs per chunk"},
    {.name = "seed", .type = MLAAS_OPTION_COUNT, .argument = "N", .help = "Seed of shuffling and split"},
    MLAAS_OPTIONS_OF_BAD_FILES,
    MLAAS_OPTIONS_OF_WORK,
    MLAAS_OPTION_VERBOSE,
    MLAAS_OPTIONS_OF_REMOTE,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

static enum mlaas_status check_files(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  struct mlaas_list list = {0};
  const char *text = mlaas_arguments_text(arguments, "files");
  enum mlaas_status status = mlaas_arguments_files(arguments, NULL, text, &list, error);
  mlaas_list_reset(&list);
  return mlaas_fail_in(error, status, "--files");
}

/* All that can be found wrong before Python starts, which takes seconds. */
static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  char *params = NULL;
  MLAAS_TRY(mlaas_file_check("the model file", mlaas_arguments_text(arguments, "model"), error));
  MLAAS_TRY(mlaas_arguments_params(arguments, &params, error));
  mlaas_text_free(params);
  MLAAS_TRY(check_files(arguments, error));
  return mlaas_python_run("train", mlaas_python_options(arguments), error);
}

const struct mlaas_command mlaas_command_train = {
    .name = "train",
    .operands = "",
    .summary = "Train a model on files of events and write a bundle",
    .text =
        "Files are ROOT files, or CSV, JSON, Parquet, ORC, Avro, Arrow, HDF5 or NumPy files, also mixed "
        "(docs/formats.md). "
        "Streams them in bounded memory into the model that a Python file returns, with true epochs over all "
        "entries, a seeded shuffle and one split into train, validation and test for the whole run. At the end the "
        "test part is evaluated once.\n\n"
        "The bundle holds the model, the recipe that makes its inputs from branches, metrics and a report.html; "
        "'mlaas predict' needs nothing else. It appears whole or not at all. Ctrl-C stops cleanly; --resume goes on "
        "from the last checkpoint.\n\n"
        "Needs the Python package mlaas. The interpreter is $MLAAS_PYTHON, else a python3 beside this program, else "
        "python3 of PATH.",
    .examples =
        "  mlaas train --files=files.txt --labels=labels.txt --model=model.py --params=params.json\n"
        "  mlaas train --files signal.root,background.root --labels 1,0 --model bdt.py --out bdt --set seed=7\n",
    .options = options,
    .run = run,
};
