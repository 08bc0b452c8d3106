/* The running service: opens what the dialects share, runs the loops, stops and reloads. Knows no dialect. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "serve/service.h"

#include "base/error.h"
#include "serve/defaults.h"
#include "serve/events.h"
#include "serve/limiter.h"
#include "serve/log.h"
#include "serve/metrics.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- loops ---- */

static enum mlaas_status set_up(void *context, struct mlaas_loop *loop, struct mlaas_error *error) {
  struct mlaas_service *service = context;
  struct mlaas_lane *lane = &service->lanes[mlaas_loop_index(loop)];
  lane->loop = loop;
  lane->log = mlaas_log_lane(service->log, mlaas_loop_index(loop));
  return mlaas_batcher_new(loop, &lane->batcher, error);
}

static void tear_down(void *context, struct mlaas_loop *loop) {
  struct mlaas_service *service = context;
  struct mlaas_lane *lane = &service->lanes[mlaas_loop_index(loop)];
  mlaas_batcher_free(lane->batcher);
  lane->batcher = NULL;
}

static int available_cores(void) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return count > 0 ? count : 1;
}

/* ---- what instances carry for the dialects ---- */

static enum mlaas_status make_extra(struct mlaas_instance *instance, void **extra, struct mlaas_error *error);
static void free_extra(void *extra) { mlaas_event_plan_free(extra); }

/* The repository calls make_extra without a context; there is one service in a process. */
static const struct mlaas_config *config_of_process;

static enum mlaas_status make_extra(struct mlaas_instance *instance, void **extra, struct mlaas_error *error) {
  struct mlaas_event_plan *plan = NULL;
  if (!instance->model->manifest.recipe) {
    *extra = NULL;
    return MLAAS_OK;
  }
  MLAAS_TRY(mlaas_event_plan_new(instance, config_of_process, &plan, error));
  *extra = plan;
  return MLAAS_OK;
}

/* ---- opening ---- */

/* TFaaS's configProto is an option of one back end. */
static enum mlaas_status pass_config_proto(struct mlaas_config *config, struct mlaas_error *error) {
  if (!config->config_proto)
    return MLAAS_OK;
  json_t *json = json_pack("{s:{s:s}}", "tensorflow", "config_proto", config->config_proto);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return mlaas_fail(error, MLAAS_ARGUMENT, "\"configProto\" has to be the name of a file");
  config->repository.model.options = mlaas_arena_strndup(&config->arena, text, strlen(text), error);
  free(text);
  return config->repository.model.options ? MLAAS_OK : MLAAS_MEMORY;
}

/* TFaaS starts without its folder of models and makes it with the first upload. */
static enum mlaas_status open_repository(struct mlaas_service *service, struct mlaas_error *error) {
  struct mlaas_repository_options *options = &service->config.repository;
  if (!options->folder)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "the folder of models is missing: --models DIR, or \"modelDir\" in the configuration");
  if (service->config.file && mkdir(options->folder, 0755) != 0 && errno != EEXIST)
    return mlaas_fail_errno(error, errno, "the folder of models %s cannot be made: %s", options->folder,
                            strerror(errno));
  MLAAS_TRY(pass_config_proto(&service->config, error));
  options->make_extra = make_extra;
  options->free_extra = free_extra;
  if (!options->checker && !service->config.no_check)
    options->checker = "/proc/self/exe";
  return mlaas_repository_open(options, &service->repository, error);
}

static enum mlaas_status open_parts(struct mlaas_service *service, struct mlaas_error *error) {
  struct mlaas_config *config = &service->config;
  int loops = config->server.loops > 0 ? config->server.loops : available_cores();
  config->server.loops = loops;
  service->started = (int64_t)time(NULL);
  service->lanes = mlaas_alloc((size_t)loops * sizeof *service->lanes);
  service->router = mlaas_router_new(config->base);
  service->metrics = service->router ? mlaas_metrics_new(loops, mlaas_router_num_routes(service->router)) : NULL;
  if (config->rate_requests)
    service->limiter = mlaas_limiter_new(config->rate_requests, config->rate_ns);
  if (!service->lanes || !service->metrics || (config->rate_requests && !service->limiter))
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the service");
  MLAAS_TRY(mlaas_defaults_new(config->default_model, &service->defaults, error));
  MLAAS_TRY(mlaas_log_open(config, loops, &service->log, error));
  MLAAS_TRY(open_repository(service, error));
  config->server.handler = mlaas_router_handler(service);
  config->server.handler.context = service;
  config->server.setup = set_up;
  config->server.teardown = tear_down;
  MLAAS_TRY(mlaas_server_open(&config->server, &service->server, error));
  int64_t wanted = config->server.connections, allowed = mlaas_server_connections(service->server);
  if (wanted > allowed)
    mlaas_log_say(service->log, 1, "%lld connections are allowed, not %lld: the process may have too few files",
                  (long long)allowed, (long long)wanted);
  return MLAAS_OK;
}

enum mlaas_status mlaas_service_open(struct mlaas_config *config, struct mlaas_service **service,
                                     struct mlaas_error *error) {
  struct mlaas_service *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the service");
  made->config = *config;
  *config = (struct mlaas_config){0};
  config_of_process = &made->config;
  enum mlaas_status status = open_parts(made, error);
  if (status != MLAAS_OK) {
    mlaas_service_close(made);
    made = NULL;
  }
  *service = made;
  return status;
}

enum mlaas_status mlaas_service_run(struct mlaas_service *service, struct mlaas_error *error) {
  return mlaas_server_run(service->server, error);
}

void mlaas_service_stop(struct mlaas_service *service) { mlaas_server_stop(service->server); }

void mlaas_service_close(struct mlaas_service *service) {
  if (!service)
    return;
  if (service->repository) /* first: its threads post to the loops */
    mlaas_repository_close(service->repository);
  if (service->server)
    mlaas_server_close(service->server);
  mlaas_log_close(service->log);
  mlaas_defaults_free(service->defaults);
  mlaas_limiter_free(service->limiter);
  mlaas_metrics_free(service->metrics);
  mlaas_router_free(service->router);
  mlaas_free(service->lanes);
  mlaas_config_reset(&service->config);
  mlaas_free(service);
}

/* ---- reloading: what can change while it runs ---- */

static void reload_file(struct mlaas_service *service) {
  struct mlaas_config fresh;
  struct mlaas_error error;
  if (!service->config.file)
    return;
  enum mlaas_status status = mlaas_config_init(&fresh, &error);
  if (status == MLAAS_OK)
    status = mlaas_config_read(&fresh, service->config.file, &error);
  if (status == MLAAS_OK) {
    if (service->limiter)
      mlaas_limiter_set(service->limiter, fresh.rate_requests, fresh.rate_ns);
    service->config.log_level = fresh.log_level;
    service->config.log_format = fresh.log_format;
  } else {
    mlaas_log_say(service->log, 0, "the configuration stays as it was: %s", error.message);
  }
  mlaas_config_reset(&fresh);
}

enum mlaas_status mlaas_service_reload(struct mlaas_service *service, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  reload_file(service);
  mlaas_log_reopen(service->log, &service->config);
  if (service->config.server.tls.certificate)
    status = mlaas_server_reload_tls(service->server, error);
  if (status != MLAAS_OK)
    mlaas_log_say(service->log, 0, "the certificates stay as they were: %s", error->message);
  return mlaas_repository_refresh(service->repository, status == MLAAS_OK ? error : NULL) == MLAAS_OK ? status
                                                                                                      : error->status;
}
