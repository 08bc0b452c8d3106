/* `mlaas models`: the models of a server, listed, shown, uploaded, deleted, copied. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/remote.h"
#include "cli/terminal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct mlaas_option options[] = {MLAAS_OPTIONS_OF_SERVER,
                                              {.name = "name",
                                               .type = MLAAS_OPTION_TEXT,
                                               .argument = "NAME",
                                               .fallback = "the folder's name",
                                               .help = "Name of an uploaded model on the server"},
                                              {.name = "out",
                                               .type = MLAAS_OPTION_DIRECTORY,
                                               .argument = "DIR",
                                               .fallback = "the model's name",
                                               .help = "New folder for a downloaded model"},
                                              {.name = "json", .help = "Write what the server says, as JSON"},
                                              {0}};

struct job {
  const struct mlaas_arguments *arguments;
  struct mlaas_client *client;
  const char *operand; /* NULL where the action takes none */
};

static enum mlaas_status write_json(json_t *json, struct mlaas_error *error) {
  char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
  if (!text)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the JSON");
  puts(text);
  free(text);
  return MLAAS_OK;
}

/* ---- list ---- */

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void show_list(const json_t *models) {
  struct mlaas_grid grid;
  size_t i;
  const json_t *model;
  mlaas_grid_init(&grid, "lll");
  mlaas_grid_add(&grid, "model");
  mlaas_grid_add(&grid, "file");
  mlaas_grid_add(&grid, "description");
  json_array_foreach(models, i, model) {
    mlaas_grid_add(&grid, text_of(model, "name"));
    mlaas_grid_add(&grid, text_of(model, "model"));
    mlaas_grid_add(&grid, text_of(model, "description"));
  }
  if (json_array_size(models))
    mlaas_grid_write(&grid, 0, stdout);
  else
    fputs("the server has no models\n", stderr);
  mlaas_grid_reset(&grid);
}

static enum mlaas_status list(const struct job *job, struct mlaas_error *error) {
  struct mlaas_client_error problem;
  char *text = NULL;
  if (mlaas_client_models(job->client, &text, &problem) != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  json_t *models = json_loads(text, JSON_DECODE_ANY, NULL);
  mlaas_client_free(text);
  enum mlaas_status status = MLAAS_OK;
  if (!models)
    status = mlaas_fail(error, MLAAS_FORMAT, "the list of models is no JSON");
  else if (mlaas_arguments_flag(job->arguments, "json"))
    status = write_json(models, error);
  else
    show_list(models);
  json_decref(models);
  return status;
}

/* ---- show ---- */

static void put(const char *name, const char *text) {
  if (!text || !text[0])
    return;
  printf("  %-12s ", name);
  mlaas_terminal_put(stdout, text);
  putchar('\n');
}

static void put_number(const char *name, const json_t *value) {
  char text[40];
  if (!json_is_number(value))
    return;
  snprintf(text, sizeof text, "%.6g", json_number_value(value));
  put(name, text);
}

/* "x float32 [-1, 27]" */
static void put_tensors(const char *name, const json_t *tensors) {
  size_t i, k;
  const json_t *tensor, *dim;
  json_array_foreach(tensors, i, tensor) {
    char line[1024];
    size_t used = 0;
    const char *type = text_of(tensor, "datatype");
    int wrote =
        snprintf(line, sizeof line, "%s %s [", text_of(tensor, "name"), type[0] ? type : text_of(tensor, "dtype"));
    used = wrote > 0 && (size_t)wrote < sizeof line ? (size_t)wrote : sizeof line - 1;
    json_array_foreach(json_object_get(tensor, "shape"), k, dim) {
      char size[32];
      snprintf(size, sizeof size, json_is_integer(dim) && json_integer_value(dim) >= 0 ? "%s%lld" : "%s?",
               k ? ", " : "", (long long)json_integer_value(dim));
      if (used + strlen(size) + 2 < sizeof line)
        used += (size_t)snprintf(line + used, sizeof line - used, "%s", size);
    }
    snprintf(line + used, sizeof line - used, "]");
    put(i ? "" : name, line);
  }
}

static void put_labels(const json_t *labels) {
  char line[2048] = "";
  size_t i, used = 0;
  const json_t *label;
  json_array_foreach(labels, i, label) {
    const char *text = json_string_value(label);
    if (text && used + strlen(text) + 3 < sizeof line)
      used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i ? ", " : "", text);
  }
  put("labels", line);
}

static void show_model(const json_t *model) {
  const char *key;
  const json_t *value;
  size_t i;
  mlaas_terminal_put(stdout, text_of(model, "name"));
  putchar('\n');
  put_number("version", json_object_get(model, "version"));
  put("state", text_of(model, "state"));
  put("reason", text_of(model, "reason"));
  put("description", text_of(model, "description"));
  put("back end", text_of(model, "back_end"));
  put("input", text_of(model, "input"));
  put_tensors("inputs", json_object_get(model, "inputs"));
  put_tensors("outputs", json_object_get(model, "outputs"));
  if (json_is_array(json_object_get(model, "labels")))
    put_labels(json_object_get(model, "labels"));
  json_object_foreach((json_t *)(uintptr_t)json_object_get(model, "metrics"), key, value) put_number(key, value);
  json_array_foreach(json_object_get(model, "files"), i, value) put(i ? "" : "files", text_of(value, "name"));
}

static enum mlaas_status show(const struct job *job, struct mlaas_error *error) {
  json_t *model = NULL;
  MLAAS_TRY(mlaas_remote_model(job->client, job->operand, &model, error));
  enum mlaas_status status = MLAAS_OK;
  if (mlaas_arguments_flag(job->arguments, "json"))
    status = write_json(model, error);
  else
    show_model(model);
  json_decref(model);
  return status;
}

/* ---- upload, delete, download ---- */

static enum mlaas_status upload(const struct job *job, struct mlaas_error *error) {
  struct mlaas_client_error problem;
  const char *name = mlaas_arguments_text(job->arguments, "name");
  char whole[PATH_MAX];
  struct stat about;
  if (!realpath(job->operand, whole) || stat(whole, &about) != 0)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no folder %s", job->operand);
  if (!S_ISDIR(about.st_mode))
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is no folder; a bundle or the folder of a model is expected",
                      job->operand);
  if (!name)
    name = strrchr(whole, '/') + 1;
  if (mlaas_client_upload(job->client, name, whole, &problem) != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  printf("uploaded %s\n", name);
  return MLAAS_OK;
}

static enum mlaas_status delete (const struct job *job, struct mlaas_error *error) {
  struct mlaas_client_error problem; if (mlaas_client_delete(job->client, job->operand, &problem) !=
                                         MLAAS_CLIENT_OK) return mlaas_remote_fail(&problem, error);
  printf("deleted %s\n", job->operand);
  return MLAAS_OK;
}

static enum mlaas_status download(const struct job *job, struct mlaas_error *error) {
  struct mlaas_client_error problem;
  const char *out = mlaas_arguments_text(job->arguments, "out");
  if (!out)
    out = job->operand;
  if (mlaas_client_download(job->client, job->operand, out, &problem) != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  printf("downloaded %s to %s\n", job->operand, out);
  return MLAAS_OK;
}

static const struct action {
  const char *name, *operand;
  enum mlaas_status (*run)(const struct job *job, struct mlaas_error *error);
} actions[] = {{"list", NULL, list},
               {"show", "NAME", show},
               {"upload", "FOLDER", upload},
               {"delete", "NAME", delete},
               {"download", "NAME", download}};
enum { NUM_ACTIONS = sizeof actions / sizeof *actions };

static enum mlaas_status find_action(const char *word, const struct action **action, struct mlaas_error *error) {
  const char *names[NUM_ACTIONS];
  for (size_t i = 0; i < NUM_ACTIONS; i++) {
    names[i] = actions[i].name;
    if (strcmp(word, names[i]) == 0) {
      *action = &actions[i];
      return MLAAS_OK;
    }
  }
  const char *near = mlaas_nearest(word, names, NUM_ACTIONS);
  return mlaas_fail(error, MLAAS_ARGUMENT, "'%s' is none of list, show, upload, delete, download%s%s%s", word,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const char *const *operands = mlaas_arguments_operands(arguments);
  size_t count = mlaas_arguments_num_operands(arguments);
  const struct action *action = NULL;
  MLAAS_TRY(find_action(operands[0], &action, error));
  if (action->operand && count < 2)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s needs a %s", action->name, action->operand);
  if (!action->operand && count > 1)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s takes no further word, but '%s' was given", action->name, operands[1]);
  struct job job = {arguments, NULL, count > 1 ? operands[1] : NULL};
  MLAAS_TRY(mlaas_remote_open(arguments, 1, &job.client, error));
  enum mlaas_status status = action->run(&job, error);
  mlaas_client_close(job.client);
  return status;
}

const struct mlaas_command mlaas_command_models = {
    .name = "models",
    .operands = "ACTION [NAME | FOLDER]",
    .summary = "List, show, upload, delete or download the models of a server",
    .text =
        "ACTION is list, show NAME, upload FOLDER, delete NAME or download NAME. A folder is a bundle of 'mlaas "
        "train', or what the server can serve otherwise: a SavedModel, a folder with an ONNX file or a frozen graph. "
        "An upload replaces a model of the same name, at once and whole.",
    .examples = "  mlaas models list\n"
                "  mlaas models upload demo/keras --name tth --url https://models.example.org/base\n"
                "  mlaas models show tth\n"
                "  mlaas models download tth --out copy\n",
    .options = options,
    .least_operands = 1,
    .most_operands = 2,
    .run = run,
};
