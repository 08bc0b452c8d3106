/* `mlaas serve`: settings from options and a file, signals, the line that says where. Knows the service, not its parts.
 */
#include "base/error.h"
#include "cli/command.h"
#include "cli/systemd.h"
#include "serve/service.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct mlaas_option options[] = {
    {.name = "config",
     .type = MLAAS_OPTION_FILE,
     .argument = "FILE",
     .help = "JSON file of settings: TFaaS's config.json, or the options below with '_' for '-'; options go before it"},
#define X(key, kind, field, option, word, default_, text, words)                                                       \
  {.name = key, .type = MLAAS_OPTION_##option, .argument = word, .fallback = default_, .help = text, .choices = words},
    MLAAS_CONFIG_KEYS(X)
#undef X
        {.name = "version", .help = "Show the version"},
    {0}};

/* ---- settings ---- */

static enum mlaas_status read_settings(const struct mlaas_arguments *arguments, struct mlaas_config *config,
                                       struct mlaas_error *error) {
  const char *file = mlaas_arguments_text(arguments, "config");
  if (file)
    MLAAS_TRY(mlaas_config_read(config, file, error));
  for (const struct mlaas_option *option = &options[1]; option->name; option++) {
    if (strcmp(option->name, "version") == 0)
      continue;
    const char *value = option->type == MLAAS_OPTION_FLAG
                            ? (mlaas_arguments_flag(arguments, option->name) ? "true" : NULL)
                            : mlaas_arguments_text(arguments, option->name);
    if (value)
      MLAAS_TRY(mlaas_config_set(config, option->name, value, error));
  }
  if (!config->repository.folder)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "--models is missing: the folder of models, such as the one a bundle was written to");
  return MLAAS_OK;
}

/* ---- signals: on a thread of their own, so that nothing they do has to be safe inside a handler ---- */

enum { LEAVE = SIGUSR2 }; /* tells the thread of signals to end */

struct signals {
  struct mlaas_service *service;
  sigset_t set;
  pthread_t thread;
};

static void reload(struct mlaas_service *service) {
  struct mlaas_error error;
  struct timespec now;
  char state[80];
  clock_gettime(CLOCK_MONOTONIC, &now);
  snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
           (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  mlaas_systemd_notify(state);
  mlaas_service_reload(service, &error); /* has said itself what did not work */
  mlaas_systemd_notify("READY=1");
}

static void *wait_for_signals(void *context) {
  struct signals *signals = context;
  for (;;) {
    int number = 0;
    if (sigwait(&signals->set, &number) != 0 || number == LEAVE)
      return NULL;
    if (number == SIGHUP) {
      reload(signals->service);
      continue;
    }
    mlaas_systemd_notify("STOPPING=1");
    mlaas_service_stop(signals->service);
  }
}

/* Before any thread is started, so that all of them inherit it. */
static void block_signals(struct signals *signals) {
  sigemptyset(&signals->set);
  sigaddset(&signals->set, SIGTERM);
  sigaddset(&signals->set, SIGINT);
  sigaddset(&signals->set, SIGHUP);
  sigaddset(&signals->set, LEAVE);
  pthread_sigmask(SIG_BLOCK, &signals->set, NULL);
  signal(SIGPIPE, SIG_IGN);
}

/* ---- running ---- */

static size_t count_models(const struct mlaas_service *service) {
  struct mlaas_listing listing = {0};
  size_t count = 0;
  if (mlaas_repository_list(service->repository, &listing, NULL) == MLAAS_OK)
    for (size_t i = 0; i < listing.count; i++)
      count += i == 0 || strcmp(listing.entries[i].name, listing.entries[i - 1].name) != 0;
  mlaas_listing_reset(&listing);
  return count;
}

static bool is_local(const char *host) {
  return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static void announce(const struct mlaas_service *service) {
  const struct mlaas_config *config = &service->config;
  size_t count = count_models(service);
  const char *host = config->server.host ? config->server.host : "127.0.0.1";
  printf("serving %zu model%s of %s at ", count, count == 1 ? "" : "s", config->repository.folder);
  if (config->server.num_inherited)
    printf("the %zu socket%s of the service manager\n", config->server.num_inherited,
           config->server.num_inherited == 1 ? "" : "s");
  else if (config->server.unix_path)
    printf("unix:%s\n", config->server.unix_path);
  else
    printf("%s://%s%s%s:%d%s%s\n", config->server.tls.certificate ? "https" : "http", strchr(host, ':') ? "[" : "",
           host, strchr(host, ':') ? "]" : "", mlaas_server_port(service->server), config->base,
           is_local(host) ? " (only this machine; --host 0.0.0.0 for others)" : "");
  fflush(stdout);
}

static enum mlaas_status serve(struct mlaas_config *config, struct mlaas_error *error) {
  struct signals signals;
  struct mlaas_service *service = NULL;
  block_signals(&signals);
  MLAAS_TRY(mlaas_service_open(config, &service, error));
  signals.service = service;
  enum mlaas_status status = MLAAS_OK;
  if (pthread_create(&signals.thread, NULL, wait_for_signals, &signals) != 0) {
    mlaas_service_close(service);
    return mlaas_fail(error, MLAAS_MEMORY, "the thread of signals cannot be started");
  }
  announce(service);
  mlaas_systemd_notify("READY=1");
  status = mlaas_service_run(service, error);
  pthread_kill(signals.thread, LEAVE);
  pthread_join(signals.thread, NULL);
  mlaas_service_close(service);
  return status;
}

static enum mlaas_status run(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  struct mlaas_config config;
  int sockets[MLAAS_SYSTEMD_SOCKETS];
  if (mlaas_arguments_flag(arguments, "version")) {
    printf("mlaas %s\n", mlaas_version());
    return MLAAS_OK;
  }
  /* Uploads wait for their trial in a worker of libuv, which has four: others must not wait for them. */
  setenv("UV_THREADPOOL_SIZE", "16", 0);
  MLAAS_TRY(mlaas_config_init(&config, error));
  config.server.inherited = sockets;
  config.server.num_inherited = mlaas_systemd_sockets(sockets);
  enum mlaas_status status = read_settings(arguments, &config, error);
  if (status == MLAAS_OK)
    status = serve(&config, error);
  mlaas_config_reset(&config);
  return status;
}

const struct mlaas_command mlaas_command_serve = {
    .name = "serve",
    .operands = "",
    .summary = "Answer predictions of models over HTTP",
    .text = "Serves bundles that 'mlaas train' wrote, and folders of TFaaS, SavedModel, frozen graph, ONNX and XGBoost "
            "models, to every client of TFaaS. A model is loaded when it is first asked for.\n\n"
            "Listens on this machine only unless --host says otherwise. SIGTERM ends it when all running requests are "
            "answered, a second one at once; SIGHUP reads certificates, limits and the folder of models again. Options "
            "may have one dash, as those of TFaaS.",
    .examples = "  mlaas serve --models models                          # at http://127.0.0.1:8083\n"
                "  mlaas serve -config config.json                      # a configuration of TFaaS\n"
                "  curl -d '{\"model\":\"ttH\",\"values\":[1,2,3]}' http://127.0.0.1:8083/json\n",
    .options = options,
    .single_dash = true,
    .run = run,
};
