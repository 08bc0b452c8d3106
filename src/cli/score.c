/* `mlaas score`: events of files to a server, scores to a file, in the order of the events. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/events.h"
#include "cli/files.h"
#include "cli/remote.h"
#include "cli/score_rows.h"
#include "cli/terminal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct mlaas_option options[] = {
    MLAAS_OPTIONS_OF_SERVER,
    {.name = "model", .type = MLAAS_OPTION_TEXT, .argument = "NAME", .help = "Model that scores", .required = true},
    {.name = "model-version",
     .type = MLAAS_OPTION_COUNT,
     .argument = "N",
     .fallback = "the newest",
     .help = "Version of the model"},
    {.name = "input",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "KIND",
     .choices = "raw|normalised",
     .fallback = "as the server says",
     .help = "Whether the model's recipe is applied to the values"},
    {.name = "out", .type = MLAAS_OPTION_FILE, .argument = "FILE", .fallback = "-", .help = "Where the scores go"},
    {.name = "format",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "FORMAT",
     .choices = "csv|json",
     .fallback = "csv",
     .help = "Format of the scores: CSV, or a line of JSON for each event"},
    {.name = "from",
     .type = MLAAS_OPTION_CHOICE,
     .argument = "FORMAT",
     .choices = "root|csv|json",
     .fallback = "by the file's name",
     .help = "Format of the events; standard input is json unless it says csv"},
    {.name = "table",
     .type = MLAAS_OPTION_TEXT,
     .argument = "PATH",
     .fallback = "that of the training",
     .help = "Tree or ntuple of ROOT files"},
    {.name = "batch", .type = MLAAS_OPTION_COUNT, .argument = "N", .fallback = "500", .help = "Events in a request"},
    {.name = "connections",
     .type = MLAAS_OPTION_COUNT,
     .argument = "N",
     .fallback = "4",
     .help = "Requests under way at once"},
    {.name = "params",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "JSON file of parameters, of which redirector and remote say how files on servers are reached"},
    {.name = "set",
     .type = MLAAS_OPTION_TEXT,
     .argument = "KEY=VALUE",
     .repeats = true,
     .help = "Set one parameter, stronger than the file's"},
    MLAAS_OPTIONS_OF_WORK,
    MLAAS_OPTIONS_OF_LIMITS,
    {0}};

enum { MOST_CONNECTIONS = 256, MOST_BATCH = 1000000, AHEAD = 4 };

struct job;

/* A batch on its way, in a ring: parts leave in the order in which they were sent. */
struct slot {
  struct job *job;
  struct mlaas_score_rows_part part;
  bool back;
};

struct job {
  const struct mlaas_arguments *arguments;
  struct mlaas_client *client;
  struct mlaas_context *context;
  struct mlaas_recipe *recipe; /* NULL where the model has none, or nothing was read from ROOT */
  struct mlaas_client_query query;
  struct mlaas_client_batch *batch;
  struct mlaas_score_rows rows;
  struct mlaas_list list;
  struct mlaas_meter meter;
  struct slot *ring;
  size_t ring_size, oldest, used, most;
  int64_t total; /* events of the files that are known, -1: not known */
  enum mlaas_status status;
  struct mlaas_error error; /* of the first batch that failed */
};

/* ---- batches that come back ---- */

static void take_reply(void *user, struct mlaas_client_result *result, const struct mlaas_client_error *problem) {
  struct slot *slot = user;
  struct job *job = slot->job;
  slot->back = true;
  if (job->status != MLAAS_OK)
    return;
  if (problem) {
    job->status = mlaas_remote_fail(problem, &job->error);
    snprintf(job->error.where, sizeof job->error.where, "%s, events %lld to %lld", slot->part.file,
             (long long)slot->part.first, (long long)slot->part.first + (long long)slot->part.count - 1);
  } else {
    job->status = mlaas_score_rows_format(&job->rows, result, &slot->part, &job->error);
  }
}

/* Writes what is back and due; with `all` works until everything is. */
static enum mlaas_status collect(struct job *job, bool all, struct mlaas_error *error) {
  while (job->used && job->status == MLAAS_OK) {
    struct slot *slot = &job->ring[job->oldest];
    if (slot->back) {
      MLAAS_TRY(mlaas_score_rows_write(&job->rows, &slot->part, error));
      job->oldest = (job->oldest + 1) % job->ring_size;
      job->used--;
      if (job->total >= 0)
        mlaas_meter_show(&job->meter, job->rows.written, job->total);
      continue;
    }
    struct mlaas_client_error problem;
    if (!all && job->used < job->ring_size)
      break;
    if (mlaas_client_poll(job->client, 1, &problem) != MLAAS_CLIENT_OK)
      return mlaas_remote_fail(&problem, error);
  }
  if (job->status != MLAAS_OK && error)
    *error = job->error;
  return job->status;
}

static enum mlaas_status send_batch(struct job *job, const char *file, int64_t first, struct mlaas_error *error) {
  struct mlaas_client_error problem;
  struct slot *slot = &job->ring[(job->oldest + job->used) % job->ring_size];
  *slot = (struct slot){job, {file, first, mlaas_client_batch_count(job->batch), NULL, 0}, false};
  if (mlaas_client_submit(job->client, &job->query, job->batch, take_reply, slot, &problem) != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  job->used++;
  return MLAAS_OK;
}

/* ---- files ---- */

static enum mlaas_status score_events(struct job *job, const char *name, struct mlaas_events *events,
                                      struct mlaas_error *error) {
  for (;;) {
    int64_t first = events->next;
    mlaas_client_batch_clear(job->batch);
    MLAAS_TRY(events->read(events, job->most, job->batch, error));
    if (mlaas_client_batch_count(job->batch) == 0)
      return MLAAS_OK;
    MLAAS_TRY(collect(job, false, error));
    MLAAS_TRY(send_batch(job, name, first, error));
    MLAAS_TRY(collect(job, false, error));
  }
}

static enum mlaas_events_format format_of(const struct job *job, const char *name) {
  enum mlaas_events_format format = strcmp(name, "-") == 0 ? MLAAS_EVENTS_JSON : MLAAS_EVENTS_ROOT;
  const char *from = mlaas_arguments_text(job->arguments, "from");
  if (!from)
    (void)mlaas_events_format_of(name, &format);
  else
    format = strcmp(from, "root") == 0 ? MLAAS_EVENTS_ROOT : *from == 'c' ? MLAAS_EVENTS_CSV : MLAAS_EVENTS_JSON;
  return format;
}

static enum mlaas_status open_events(struct job *job, const char *name, struct mlaas_events **events,
                                     struct mlaas_error *error) {
  enum mlaas_events_format format = format_of(job, name);
  if (format != MLAAS_EVENTS_ROOT)
    return mlaas_events_open_text(job->context, name, format, events, error);
  return mlaas_events_open_root(job->context, name, mlaas_arguments_text(job->arguments, "table"), job->recipe, events,
                                error);
}

static enum mlaas_status score_files(struct job *job, struct mlaas_error *error) {
  for (size_t i = 0; i < job->list.count; i++) {
    struct mlaas_events *events = NULL;
    MLAAS_TRY(open_events(job, job->list.names[i], &events, error));
    enum mlaas_status status = score_events(job, job->list.names[i], events, error);
    events->close(events);
    MLAAS_TRY(status);
  }
  return collect(job, true, error);
}

/* ROOT files may also come in lists; all of them are looked at first, for their number of events. */
static enum mlaas_status list_files(struct job *job, bool *root, struct mlaas_error *error) {
  const char *const *operands = mlaas_arguments_operands(job->arguments);
  *root = false;
  for (size_t i = 0; i < mlaas_arguments_num_operands(job->arguments); i++) {
    if (format_of(job, operands[i]) == MLAAS_EVENTS_ROOT) {
      *root = true;
      MLAAS_TRY(mlaas_arguments_files(job->arguments, job->context, operands[i], &job->list, error));
      continue;
    }
    char **names = mlaas_realloc(job->list.names, (job->list.count + 1) * sizeof *names);
    if (names)
      job->list.names = names;
    if (!names || !(names[job->list.count] = mlaas_strdup(operands[i])))
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for the list of files");
    job->list.count++;
  }
  return MLAAS_OK;
}

static enum mlaas_status count_events(struct job *job, struct mlaas_error *error) {
  job->total = 0;
  for (size_t i = 0; i < job->list.count; i++) {
    struct mlaas_events *events = NULL;
    if (format_of(job, job->list.names[i]) != MLAAS_EVENTS_ROOT) {
      job->total = -1;
      return MLAAS_OK;
    }
    MLAAS_TRY(open_events(job, job->list.names[i], &events, error));
    job->total += events->total;
    events->close(events);
  }
  return MLAAS_OK;
}

/* ---- the model ---- */

/* What training did to the branches: the model's folder on the server has it. */
static enum mlaas_status fetch_recipe(struct job *job, const json_t *about, struct mlaas_error *error) {
  struct mlaas_client_error problem;
  const char *name = job->query.model, *folder = json_string_value(json_object_get(about, "folder"));
  const char *version = folder ? strchr(folder, '/') : NULL;
  char file[PATH_MAX], *text = NULL;
  size_t size = 0;
  if (job->query.version && version)
    snprintf(file, sizeof file, "%lld/recipe.json", (long long)job->query.version);
  else
    snprintf(file, sizeof file, "%s%srecipe.json", version ? version + 1 : "", version ? "/" : "");
  enum mlaas_client_status status = mlaas_client_fetch(job->client, name, file, &text, &size, &problem);
  if (status == MLAAS_CLIENT_NOT_FOUND)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "model %s has no recipe on the server, so ROOT files cannot be turned into its inputs; send CSV "
                      "or JSON",
                      name);
  if (status != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  enum mlaas_status parsed = mlaas_recipe_parse(text, size, &job->recipe, error);
  mlaas_client_free(text);
  return mlaas_fail_in(error, parsed, "recipe of model %s", name);
}

static enum mlaas_status keep_labels(struct job *job, const json_t *labels, struct mlaas_error *error) {
  size_t i, count = json_array_size(labels);
  const json_t *label;
  if (!count || !(job->rows.labels = mlaas_alloc(count * sizeof *job->rows.labels)))
    return count ? mlaas_fail(error, MLAAS_MEMORY, "no memory for the labels") : MLAAS_OK;
  json_array_foreach(labels, i, label) {
    const char *text = json_string_value(label);
    if (!(job->rows.labels[i] = mlaas_strdup(text ? text : "")))
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for the labels");
    job->rows.num_labels++;
  }
  return MLAAS_OK;
}

static enum mlaas_status learn_model(struct job *job, bool root, struct mlaas_error *error) {
  json_t *about = NULL;
  MLAAS_TRY(mlaas_remote_model(job->client, job->query.model, &about, error));
  enum mlaas_status status = keep_labels(job, json_object_get(about, "labels"), error);
  if (status == MLAAS_OK && root)
    status = fetch_recipe(job, about, error);
  json_decref(about);
  return status;
}

/* ---- the whole ---- */

static enum mlaas_status prepare(struct job *job, struct mlaas_error *error) {
  const struct mlaas_arguments *arguments = job->arguments;
  int64_t connections = mlaas_arguments_number(arguments, "connections", 4);
  int64_t most = mlaas_arguments_number(arguments, "batch", 500);
  const char *format = mlaas_arguments_text(arguments, "format");
  bool root = false;
  if (connections < 1 || connections > MOST_CONNECTIONS)
    return mlaas_fail(error, MLAAS_ARGUMENT, "--connections must be 1 to %d", MOST_CONNECTIONS);
  if (most < 1 || most > MOST_BATCH)
    return mlaas_fail(error, MLAAS_ARGUMENT, "--batch must be 1 to %d", MOST_BATCH);
  job->most = (size_t)most;
  job->ring_size = (size_t)connections * AHEAD;
  job->query = (struct mlaas_client_query){.size = sizeof job->query,
                                           .model = mlaas_arguments_text(arguments, "model"),
                                           .version = mlaas_arguments_number(arguments, "model-version", 0),
                                           .input = mlaas_arguments_text(arguments, "input")};
  job->rows.json = format && *format == 'j';
  job->batch = mlaas_client_batch_new();
  job->ring = mlaas_alloc(job->ring_size * sizeof *job->ring);
  if (!job->batch || !job->ring)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to begin");
  MLAAS_TRY(mlaas_arguments_context(arguments, mlaas_arguments_number(arguments, "threads", 0), &job->context, error));
  MLAAS_TRY(list_files(job, &root, error));
  job->rows.files = job->list.count > 1;
  MLAAS_TRY(mlaas_remote_open(arguments, (int)connections, &job->client, error));
  MLAAS_TRY(learn_model(job, root, error));
  return count_events(job, error);
}

static void reset(struct job *job) {
  mlaas_client_close(job->client); /* calls back for what is under way */
  for (size_t i = 0; i < job->ring_size && job->ring; i++)
    free(job->ring[i].part.text);
  mlaas_free(job->ring);
  mlaas_client_batch_free(job->batch);
  mlaas_recipe_put(job->recipe);
  mlaas_context_put(job->context);
  mlaas_list_reset(&job->list);
  mlaas_score_rows_reset(&job->rows);
}

/* Scores into `out`, which stays open. */
static enum mlaas_status score_to(struct job *job, FILE *out, struct mlaas_error *error) {
  job->rows.out = out;
  mlaas_meter_init(&job->meter, "scoring", "events", mlaas_arguments_flag(job->arguments, "quiet"));
  enum mlaas_status status = score_files(job, error);
  if (status == MLAAS_OK && fflush(out) != 0)
    status = mlaas_fail_errno(error, errno, "the scores cannot be written");
  if (status == MLAAS_OK)
    mlaas_meter_end(&job->meter, job->rows.written);
  else
    mlaas_meter_break(&job->meter);
  return status;
}

static enum mlaas_status score_to_file(struct job *job, const char *path, struct mlaas_error *error) {
  struct mlaas_output output;
  MLAAS_TRY(mlaas_output_open(&output, path, error));
  return mlaas_output_close(&output, score_to(job, output.stream, error), error);
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const char *path = mlaas_arguments_text(arguments, "out");
  struct job job = {.arguments = arguments, .total = -1};
  enum mlaas_status status = prepare(&job, error);
  if (status == MLAAS_OK && path && strcmp(path, "-") != 0)
    status = score_to_file(&job, path, error);
  else if (status == MLAAS_OK)
    status = score_to(&job, stdout, error);
  reset(&job);
  return status;
}

const struct mlaas_command mlaas_command_score = {
    .name = "score",
    .operands = "FILE...",
    .summary = "Send events of files to a model server and write their scores",
    .text =
        "FILE is a ROOT file (or a list or pattern of them, as for predict), a CSV file whose first line names the "
        "columns, or a "
        "file with a JSON object of names and values for each event; \"-\" is standard input. Names are those of the "
        "branches in training, jetPt_0 for a slot of a jagged branch or a list for all of it; the server applies the "
        "model's recipe. Of ROOT files only the branches of the recipe are read and sent. Any of them may be on a "
        "server; --params FILE "
        "or --set remote={...} say how it is reached, with the parameters of docs/remote.md.\n\n"
        "Scores come in the order of the events, with their number in the file, and are those of 'mlaas predict'.",
    .examples = "  mlaas score --model tth data.root --out scores.csv\n"
                "  mlaas score --model tth --url https://models.example.org events.csv\n"
                "  echo '{\"nJets\": 6, \"jetPt\": [120.5, 80.2]}' | mlaas score --model tth -\n",
    .options = options,
    .least_operands = 1,
    .most_operands = -1,
    .run = run,
};
