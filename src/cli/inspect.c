/* `mlaas inspect`: what is in a ROOT file, and what of it can be read. The views are in inspect_*.c. */
#include "base/error.h"
#include "cli/costs.h"
#include "cli/files.h"
#include "cli/inspect.h"
#include "cli/python.h"

static const struct mlaas_option options[] = {
    {.name = "table",
     .type = MLAAS_OPTION_TEXT,
     .argument = "PATH",
     .help = "Show this tree or ntuple only, such as dir/tree or dir/tree;1"},
    {.name = "brief", .help = "Show the tables without their branches"},
    {.name = "tree", .help = "Draw directories, tables, branches and members as a tree"},
    {.name = "histograms", .help = "List histograms, graphs and other objects with their numbers and a sketch"},
    {.name = "verify",
     .help = "Read everything, compare every checksum and say what is broken and where; the exit code says so too"},
    {.name = "diff",
     .help = "Compare the schemas of two files; the exit code is 1 where they "
             "differ"},
    {.name = "json", .help = "Write JSON to standard output"},
    {.name = "threads",
     .type = MLAAS_OPTION_COUNT,
     .argument = "N",
     .fallback = "one per core",
     .help = "Threads that verify"},
    {.name = "memory",
     .type = MLAAS_OPTION_SIZE,
     .argument = "SIZE",
     .fallback = "1GiB",
     .help = "Ceiling on the memory for reading"},
    MLAAS_OPTION_VERBOSE,
    MLAAS_OPTIONS_OF_REMOTE,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

static enum mlaas_status inspect_file(struct mlaas_context *context, const char *url,
                                      const struct mlaas_arguments *arguments, json_t *files,
                                      struct mlaas_error *error) {
  const char *path = mlaas_arguments_text(arguments, "table");
  bool brief = mlaas_arguments_flag(arguments, "brief");
  struct mlaas_file *file = NULL;
  MLAAS_TRY(mlaas_file_open(context, url, &file, error));
  enum mlaas_status status = MLAAS_OK;
  if (mlaas_arguments_flag(arguments, "histograms"))
    mlaas_inspect_objects(file, files);
  else if (files)
    status = mlaas_inspect_json(file, path, brief, files, error);
  else if (mlaas_arguments_flag(arguments, "tree"))
    status = mlaas_inspect_tree(file, path, brief, error);
  else
    status = mlaas_inspect_page(file, path, brief, error);
  struct mlaas_costs costs;
  mlaas_file_costs(file, &costs);
  fflush(stdout);
  mlaas_costs_show(arguments, url, &costs);
  mlaas_file_close(file);
  return status;
}

static enum mlaas_status inspect_files(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                       struct mlaas_error *error) {
  json_t *files = mlaas_arguments_flag(arguments, "json") ? json_array() : NULL;
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_arguments_num_operands(arguments); i++) {
    if (i > 0 && !files)
      printf("\n");
    status = inspect_file(context, mlaas_arguments_operands(arguments)[i], arguments, files, error);
  }
  if (status == MLAAS_OK && files) {
    json_t *page = json_object();
    json_object_set(page, "files", files);
    status = mlaas_inspect_print(
        page, mlaas_arguments_flag(arguments, "histograms") ? "mlaas-objects" : "mlaas-inspect", error);
  }
  json_decref(files);
  return status;
}

/* One view at a time. */
static enum mlaas_status check_view(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  static const char *const views[] = {"tree", "histograms", "diff", "verify"};
  const char *chosen = NULL;
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
    if (!mlaas_arguments_flag(arguments, views[i]))
      continue;
    if (chosen)
      return mlaas_fail(error, MLAAS_ARGUMENT, "--%s and --%s are two different views; ask for one", chosen, views[i]);
    chosen = views[i];
  }
  return MLAAS_OK;
}

/* Files of other formats are opened in Python. */
static enum mlaas_status inspect_in_python(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  static const char *const others[] = {"tree", "histograms", "verify", "diff"};
  json_t *given = mlaas_python_options(arguments), *files = json_array();
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (mlaas_arguments_flag(arguments, others[i])) {
      json_decref(given);
      json_decref(files);
      return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is for ROOT files only", others[i]);
    }
  for (size_t i = 0; i < mlaas_arguments_num_operands(arguments); i++)
    json_array_append_new(files, json_string(mlaas_arguments_operands(arguments)[i]));
  json_object_set_new(given, "files", files);
  return mlaas_python_run("inspect", given, error);
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  struct mlaas_context *context = NULL;
  bool verify = mlaas_arguments_flag(arguments, "verify"), foreign = false;
  MLAAS_TRY(mlaas_arguments_context(arguments, verify ? mlaas_arguments_number(arguments, "threads", 0) : 1, &context,
                                    error));
  enum mlaas_status status =
      mlaas_arguments_expand(arguments, context, mlaas_arguments_text(arguments, "redirector"), error);
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_arguments_num_operands(arguments); i++)
    foreign = foreign || mlaas_name_is_foreign(mlaas_arguments_operands(arguments)[i]);
  if (status == MLAAS_OK && !foreign)
    status = check_view(arguments, error);
  if (status == MLAAS_OK)
    status = foreign                                   ? inspect_in_python(arguments, error)
             : verify                                  ? mlaas_inspect_verify(context, arguments, error)
             : mlaas_arguments_flag(arguments, "diff") ? mlaas_inspect_diff(context, arguments, error)
                                                       : inspect_files(context, arguments, error);
  mlaas_context_put(context);
  return status;
}

const struct mlaas_command mlaas_command_inspect = {
    .name = "inspect",
    .operands = "FILE...",
    .summary = "Show the tables of files: branches, types, sizes, what cannot be read",
    .text =
        "Reads metadata only, unless --verify is given, so it takes moments whatever the size of the file. Sizes are "
        "as stored and "
        "decompressed; a cluster is a range of entries that shares no basket with the next. What cannot be read is "
        "listed with its reason, and never stops the rest.\n\n"
        "--verify reads every record, basket and page, also of branches whose values cannot be decoded, and decodes "
        "all others. It exits with 0 when all is sound, with 5 or 6 where bytes or checksums are wrong. --diff exits "
        "with 1 where the schemas differ.",
    .examples = "  mlaas inspect events.root\n"
                "  mlaas inspect --brief *.root\n"
                "  mlaas inspect --tree events.root\n"
                "  mlaas inspect --histograms cutflow.root\n"
                "  mlaas inspect --verify *.root\n"
                "  mlaas inspect --diff old.root new.root\n"
                "  mlaas inspect --json --table boostedAk8/events events.root\n",
    .options = options,
    .least_operands = 1,
    .most_operands = -1,
    .run = run,
};
