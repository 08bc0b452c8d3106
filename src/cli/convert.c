/* `mlaas convert`: checks what was typed, then hands over to Python, where the libraries of the formats are. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/python.h"

#include <string.h>

static const struct mlaas_option options[] = {
    {.name = "columns",
     .type = MLAAS_OPTION_TEXT,
     .argument = "NAMES",
     .repeats = true,
     .help = "Write these columns only: names with commas between, which may have * and ?"},
    {.name = "to",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "FORMAT",
     .choices = "parquet|arrow|feather|orc|csv|jsonl|root|rntuple",
     .fallback = "by the end of OUT",
     .help = "Format of the result"},
    {.name = "table",
     .type = MLAAS_OPTION_TEXT,
     .argument = "PATH",
     .help = "The tree, ntuple or group to read, where a file has several"},
    {.name = "cache",
     .type = MLAAS_OPTION_DIRECTORY,
     .argument = "DIR",
     .fallback = "$MLAAS_CACHE or the system's",
     .help = "Folder for temporary files, which inputs need that can only be read from the beginning to the end"},
    MLAAS_OPTIONS_OF_WORK,
    MLAAS_OPTION_VERBOSE,
    MLAAS_OPTIONS_OF_REMOTE,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const char *const *operands = mlaas_arguments_operands(arguments);
  size_t count = mlaas_arguments_num_operands(arguments);
  json_t *given = mlaas_python_options(arguments), *files = json_array();
  struct mlaas_list list = {0};
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i + 1 < count; i++)
    status = mlaas_arguments_files(arguments, NULL, operands[i], &list, error);
  for (size_t i = 0; i < list.count; i++)
    json_array_append_new(files, json_string(list.names[i]));
  mlaas_list_reset(&list);
  json_object_set_new(given, "files", files);
  json_object_set_new(given, "out", json_string(operands[count - 1]));
  if (status == MLAAS_OK)
    return mlaas_python_run("convert", given, error);
  json_decref(given);
  return status;
}

const struct mlaas_command mlaas_command_convert = {
    .name = "convert",
    .operands = "FILE... OUT",
    .summary = "Write the events of files in another format",
    .text =
        "FILE is a ROOT, CSV, JSON, Parquet, ORC, Avro, Arrow, Feather, HDF5 or NumPy file, a URL, a pattern, a text "
        "file of names, or names with commas between. The events of all of them go to OUT, one file after another, in "
        "bounded memory; "
        "OUT appears whole or not at all.\n\n"
        "Types are kept where the target has them. As a tree (root) or an ntuple (rntuple) what training sees is "
        "written: structs as columns of their members, NaN for missing numbers. CSV has no lists. Needs the Python "
        "package mlaas with pyarrow, see 'mlaas help train'.",
    .examples = "  mlaas convert events.root events.parquet\n"
                "  mlaas convert --columns 'run,event,jet_*' a.root b.root jets.arrow\n"
                "  mlaas convert events.csv.gz events.root\n"
                "  mlaas convert 'root://se.example.org//store/*.root' all.parquet\n",
    .options = options,
    .least_operands = 2,
    .most_operands = -1,
    .run = run,
};
