/* `mlaas model-check`: whether a model can be opened and run, tried in this process so that a server's is safe. The
 * server starts it for every model that is new or changed.
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "cli/command.h"
#include "model/check.h"

#include <limits.h>
#include <mlaas/recipe.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct mlaas_option options[] = {
    {.name = "backend",
     .type = MLAAS_OPTION_TEXT,
     .argument = "NAME",
     .fallback = "as the model says",
     .help = "Back end to open it with: tensorflow, onnxruntime, openvino or xgboost"},
    {.name = "backends", .type = MLAAS_OPTION_DIRECTORY, .argument = "DIR", .help = "Folder of the back ends"},
    {.name = "libraries",
     .type = MLAAS_OPTION_TEXT,
     .argument = "DIRS",
     .help = "Folders with the packages of the frameworks, joined by ':'"},
    {.name = "threads", .type = MLAAS_OPTION_COUNT, .argument = "N", .fallback = "1", .help = "Threads of one run"},
    {.name = "options",
     .type = MLAAS_OPTION_TEXT,
     .argument = "JSON",
     .help = "Options of the back end as a JSON object, over the model's own"},
    {.name = "memory",
     .type = MLAAS_OPTION_SIZE,
     .argument = "SIZE",
     .fallback = "no limit",
     .help = "Address space that the trial may use"},
    {.name = "seconds",
     .type = MLAAS_OPTION_COUNT,
     .argument = "N",
     .fallback = "no limit",
     .help = "Time that the trial may take"},
    {0}};

static void limit(int what, int64_t most) {
  struct rlimit limits = {(rlim_t)most, (rlim_t)most};
  setrlimit(what, &limits); /* a limit that cannot be had is no reason not to try the model */
}

/* The parent watches the clock too; this is for the day on which it is gone. */
static void limit_all(const struct mlaas_arguments *arguments) {
  int64_t memory = mlaas_arguments_number(arguments, "memory", 0);
  int64_t seconds = mlaas_arguments_number(arguments, "seconds", 0);
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map terabytes */
  if (memory > 0)
    limit(RLIMIT_AS, memory);
#else
  (void)memory;
#endif
  if (seconds > 0 && seconds < INT_MAX / 4096) {
    limit(RLIMIT_CPU, seconds * (cores > 0 && cores < 4096 ? cores : 1));
    alarm((unsigned)seconds + 1);
  }
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  int64_t threads = mlaas_arguments_number(arguments, "threads", 0);
  struct mlaas_model_options model = {.size = sizeof model,
                                      .backend = mlaas_arguments_text(arguments, "backend"),
                                      .backends = mlaas_arguments_text(arguments, "backends"),
                                      .libraries = mlaas_arguments_text(arguments, "libraries"),
                                      .options = mlaas_arguments_text(arguments, "options"),
                                      .threads = threads < INT_MAX ? (int)threads : INT_MAX};
  char *line = NULL;
  limit_all(arguments);
  if (mlaas_arguments_number(arguments, "seconds", 0) > 0) { /* somebody waits for us: when he goes, so do we */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, 10);
  }
  enum mlaas_status status = mlaas_check_model(mlaas_arguments_operands(arguments)[0], &model, &line, error);
  if (line)
    puts(line);
  mlaas_text_free(line);
  return status;
}

const struct mlaas_command mlaas_command_model_check = {
    .name = "model-check",
    .operands = "MODEL",
    .summary = "Try a model: open it with its back end and run it once",
    .text = "Prints one line of JSON: what the model takes and how long a run took, or what is wrong with it. A server "
            "tries every new or changed model in such a process before it loads it, so one that crashes or hangs does "
            "no harm.",
    .examples = "  mlaas model-check models/jets\n"
                "  mlaas model-check --backend openvino model.onnx\n",
    .options = options,
    .least_operands = 1,
    .most_operands = 1,
    .run = run,
};
