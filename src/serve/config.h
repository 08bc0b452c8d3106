/* What `mlaas serve` can be told, by its options and by a configuration file: TFaaS's config.json (port, modelDir,
 * staticDir, base, logFile, verbose, serverKey, serverCrt, cacheLimit, rate, monitRecord, configProto) or the same keys
 * as the long options with '_'. One table of keys in config.c: help, docs and checks come from it.
 */
#ifndef MLAAS_SERVE_CONFIG_H
#define MLAAS_SERVE_CONFIG_H

#include "base/memory.h"
#include "model/repository.h"
#include "net/server.h"

enum mlaas_log_format { MLAAS_LOG_COMBINED, MLAAS_LOG_JSON, MLAAS_LOG_MONIT, MLAAS_LOG_NONE };

struct mlaas_config {
  struct mlaas_arena arena; /* of every text */
  struct mlaas_server_options server;
  struct mlaas_repository_options repository;
  const char *file; /* where it was read from, NULL: nowhere */
  const char *base; /* "" or "/prefix" */
  const char *default_model;
  const char *log_file; /* NULL: standard error; dated as TFaaS does if asked for by its key logFile */
  enum mlaas_log_format log_format;
  int log_level;                  /* 0 errors, 1 warnings, 2 information, 3 debug */
  int64_t rate_requests, rate_ns; /* requests per so many ns and client; rate_requests 0: no limit */
  int64_t upload_limit;           /* [2 GiB] body of /upload, and what it may unpack to (times 4) */
  int64_t request_timeout_ms;     /* [30000] deadline of a prediction */
  int64_t load_timeout_ms;        /* [120000] longest wait for a model that is being loaded */
  int64_t image_pixels;           /* [50 M] largest image */
  bool labels;                    /* /json and /proto return labels where the model has them */
  bool refuse_out_of_range;       /* raw events outside the training's range: 422 instead of counted */
  bool strict_features;           /* missing features: 400 instead of padding (also per model) */
  bool drift;
};

/* Defaults; then the file, then what the command line says. Errors: NOT_FOUND, FORMAT (file, line, key, nearest key).
 */
enum mlaas_status mlaas_config_init(struct mlaas_config *config, struct mlaas_error *error);
enum mlaas_status mlaas_config_read(struct mlaas_config *config, const char *path, struct mlaas_error *error);
/* One key as text: what an option or a configuration file gives. ARGUMENT names the key and the nearest. */
enum mlaas_status mlaas_config_set(struct mlaas_config *config, const char *key, const char *value,
                                   struct mlaas_error *error);
void mlaas_config_reset(struct mlaas_config *config);

#endif
