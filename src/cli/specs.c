/* `mlaas specs`: one pass over a data set, and what it learned. Knows the library's data sets, not their inside. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/costs.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/python.h"
#include "cli/specs_table.h"
#include "cli/terminal.h"

#include <mlaas/dataset.h>
#include <signal.h>
#include <string.h>

static const struct mlaas_option options[] = {
    {.name = "files",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .required = true,
     .help = "Files of events: a text file with one name a line (# begins a comment), names with commas between, URLs, "
             "patterns such as data/*.root"},
    {.name = "params",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "JSON file of parameters: the tree, the branches, what counts as missing"},
    {.name = "set",
     .type = MLAAS_OPTION_TEXT,
     .argument = "KEY=VALUE",
     .repeats = true,
     .help = "Set one parameter, stronger than the file's"},
    {.name = "out", .type = MLAAS_OPTION_FILE, .argument = "FILE", .help = "Write the statistics as JSON"},
    {.name = "global",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "Write them in the form of the original's global-specs.json"},
    {.name = "merge",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .repeats = true,
     .help = "Add statistics of other files, made by this command elsewhere"},
    {.name = "json", .help = "Write the statistics to standard output instead of the table"},
    MLAAS_OPTIONS_OF_BAD_FILES,
    MLAAS_OPTIONS_OF_WORK,
    MLAAS_OPTION_VERBOSE,
    MLAAS_OPTIONS_OF_REMOTE,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number) {
  (void)number;
  interrupted = 1;
  mlaas_interrupt(); /* what waits for servers */
}

struct progress {
  struct mlaas_meter meter;
  int64_t done;
};

static int show_progress(void *context, int64_t done, int64_t total) {
  struct progress *progress = context;
  progress->done = done;
  mlaas_meter_show(&progress->meter, done, total);
  return interrupted;
}

static enum mlaas_status scan(struct mlaas_dataset *dataset, bool quiet, struct mlaas_error *error) {
  struct progress progress = {0};
  struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = SA_RESETHAND}; /* the second Ctrl-C kills */
  mlaas_meter_init(&progress.meter, "scanning", "entries", quiet);
  sigaction(SIGINT, &action, NULL);
  mlaas_interrupt_watch(true);
  enum mlaas_status status = mlaas_dataset_scan(dataset, show_progress, &progress, error);
  mlaas_interrupt_watch(false);
  if (status == MLAAS_CANCELLED)
    status = mlaas_fail(error, status, "interrupted; nothing was written");
  if (status == MLAAS_OK)
    mlaas_meter_end(&progress.meter, progress.done);
  else
    mlaas_meter_break(&progress.meter);
  return status;
}

static enum mlaas_status merge_file(struct mlaas_specs *specs, const char *path, struct mlaas_error *error) {
  struct mlaas_specs *other = NULL;
  char *text = NULL;
  MLAAS_TRY(mlaas_text_read(path, &text, error));
  enum mlaas_status status = mlaas_specs_parse(text, strlen(text), &other, error);
  if (status == MLAAS_OK)
    status = mlaas_specs_merge(specs, other, error);
  mlaas_specs_free(other);
  mlaas_free(text);
  return mlaas_fail_in(error, status, "%s", path);
}

/* The specs of the data set with those of --merge added: a copy, because the data set's are its own. */
static enum mlaas_status merge_all(const struct mlaas_arguments *arguments, const struct mlaas_specs *scanned,
                                   struct mlaas_specs **specs, struct mlaas_error *error) {
  char *json = NULL;
  MLAAS_TRY(mlaas_specs_format(scanned, &json, error));
  enum mlaas_status status = mlaas_specs_parse(json, strlen(json), specs, error);
  mlaas_text_free(json);
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_arguments_count(arguments, "merge"); i++)
    status = merge_file(*specs, mlaas_arguments_nth(arguments, "merge", i), error);
  return status;
}

static enum mlaas_status write_results(const struct mlaas_arguments *arguments, const struct mlaas_specs *specs,
                                       struct mlaas_error *error) {
  const char *out = mlaas_arguments_text(arguments, "out"), *global = mlaas_arguments_text(arguments, "global");
  char *json = NULL, *original = NULL;
  enum mlaas_status status = mlaas_specs_format(specs, &json, error);
  if (status == MLAAS_OK && out)
    status = mlaas_text_write(out, json, error);
  if (status == MLAAS_OK && global)
    status = mlaas_specs_format_global(specs, &original, error);
  if (status == MLAAS_OK && global)
    status = mlaas_text_write(global, original, error);
  if (status == MLAAS_OK && mlaas_arguments_flag(arguments, "json"))
    status = mlaas_text_write("-", json, error);
  else if (status == MLAAS_OK)
    status = mlaas_specs_table(json, stdout, error);
  mlaas_text_free(original);
  mlaas_text_free(json);
  return status;
}

static enum mlaas_status open_dataset(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                      struct mlaas_dataset **dataset, struct mlaas_error *error) {
  struct mlaas_list list = {0};
  char *params = NULL;
  enum mlaas_status status = mlaas_arguments_params(arguments, &params, error);
  if (status == MLAAS_OK)
    status = mlaas_arguments_files(arguments, context, mlaas_arguments_text(arguments, "files"), &list, error);
  if (status == MLAAS_OK)
    status = mlaas_dataset_open(context, (const char *const *)list.names, list.count, NULL, params, dataset, error);
  mlaas_list_reset(&list);
  mlaas_text_free(params);
  return status;
}

/* Files of other formats are read in Python; only the pass over them is done there. */
static enum mlaas_status scan_in_python(const struct mlaas_arguments *arguments, const struct mlaas_list *list,
                                        struct mlaas_error *error) {
  static const char *const mine[] = {"out", "global", "merge", "json"};
  json_t *given = mlaas_python_options(arguments), *names = json_array();
  struct mlaas_specs *scanned = NULL, *specs = NULL;
  char *text = NULL;
  int exit_code = 0;
  for (size_t i = 0; i < list->count; i++)
    json_array_append_new(names, json_string(list->names[i]));
  json_object_set_new(given, "files", names);
  for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
    json_object_del(given, mine[i]);
  enum mlaas_status status = mlaas_python_read("specs", given, &text, &exit_code, error);
  if (status == MLAAS_OK && text)
    status = mlaas_specs_parse(text, strlen(text), &scanned, error);
  if (status == MLAAS_OK && text)
    status = merge_all(arguments, scanned, &specs, error);
  if (status == MLAAS_OK && text)
    status = write_results(arguments, specs, error);
  mlaas_specs_free(specs);
  mlaas_specs_free(scanned);
  mlaas_free(text);
  mlaas_arguments_conclude(arguments, exit_code);
  return status;
}

/* The files that were left out: on standard error, and by the exit code. */
static enum mlaas_status tell_lost(const struct mlaas_arguments *arguments, const struct mlaas_dataset *dataset,
                                   struct mlaas_error *error) {
  char *text = NULL;
  MLAAS_TRY(mlaas_dataset_describe(dataset, &text, error));
  json_t *all = json_loads(text, 0, NULL), *lost = json_object_get(all, "lost");
  for (size_t i = 0; i < json_array_size(lost); i++) {
    const json_t *file = json_array_get(lost, i), *entries = json_object_get(file, "entries");
    const char *url = json_string_value(json_object_get(file, "url"));
    const char *reason = json_string_value(json_object_get(file, "reason"));
    size_t length = strlen(url);
    if (strncmp(reason, url, length) == 0 && strncmp(reason + length, ": ", 2) == 0) /* once is enough */
      reason += length + 2;
    char amount[40] = "";
    if (json_is_integer(entries))
      snprintf(amount, sizeof amount, ", %lld entries", (long long)json_integer_value(entries));
    fprintf(stderr, "mlaas specs: %s was left out (%s%s): %s\n", url, json_string_value(json_object_get(file, "stage")),
            amount, reason);
  }
  if (json_array_size(lost))
    mlaas_arguments_conclude(arguments, mlaas_status_exit_code(MLAAS_INCOMPLETE));
  json_decref(all);
  mlaas_text_free(text);
  return MLAAS_OK;
}

static enum mlaas_status scan_here(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  struct mlaas_context *context = NULL;
  struct mlaas_dataset *dataset = NULL;
  struct mlaas_specs *specs = NULL;
  enum mlaas_status status =
      mlaas_arguments_context(arguments, mlaas_arguments_number(arguments, "threads", 0), &context, error);
  if (status == MLAAS_OK)
    status = open_dataset(context, arguments, &dataset, error);
  if (status == MLAAS_OK)
    status = scan(dataset, mlaas_arguments_flag(arguments, "quiet"), error);
  if (status == MLAAS_OK)
    status = merge_all(arguments, mlaas_dataset_specs(dataset), &specs, error);
  if (status == MLAAS_OK)
    status = write_results(arguments, specs, error);
  if (dataset && status == MLAAS_OK)
    mlaas_costs_show_all(arguments, dataset);
  if (status == MLAAS_OK)
    status = tell_lost(arguments, dataset, error);
  mlaas_specs_free(specs);
  mlaas_dataset_close(dataset);
  mlaas_context_put(context);
  return status;
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  struct mlaas_list list = {0};
  bool foreign = false;
  const char *files = mlaas_arguments_text(arguments, "files");
  enum mlaas_status status = mlaas_arguments_files(arguments, NULL, files, &list, error);
  for (size_t i = 0; i < list.count; i++)
    foreign = foreign || mlaas_name_is_foreign(list.names[i]);
  if (status == MLAAS_OK)
    status = foreign ? scan_in_python(arguments, &list, error) : scan_here(arguments, error);
  mlaas_list_reset(&list);
  return status;
}

const struct mlaas_command mlaas_command_specs = {
    .name = "specs",
    .operands = "",
    .summary = "Scan files once: ranges, means, list lengths, missing values of every branch",
    .text =
        "The statistics are what recipes are made from. Training scans by itself; scanning before is for looking at "
        "the data, for sharing the work among machines (--merge), and for files that are trained on often "
        "(mlaas train --specs).",
    .examples = "  mlaas specs --files=files.txt --params=params.json --out specs.json\n"
                "  mlaas specs --files signal.root,background.root --global global-specs.json\n",
    .options = options,
    .run = run,
};
