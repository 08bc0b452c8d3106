/* What `mlaas serve` can be told, by its options and by a configuration file: TFaaS's config.json (port, modelDir,
 * staticDir, base, logFile, verbose, serverKey, serverCrt, cacheLimit, rate, monitRecord, configProto) or the same keys
 * as the long options with '_'. One table of keys, below: options, help, docs and checks come from it.
 */
#ifndef MLAAS_SERVE_CONFIG_H
#define MLAAS_SERVE_CONFIG_H

#include "base/memory.h"
#include "model/repository/repository.h"
#include "net/server.h"

enum mlaas_log_format { MLAAS_LOG_COMBINED, MLAAS_LOG_JSON, MLAAS_LOG_MONIT, MLAAS_LOG_NONE };

struct mlaas_config {
  struct mlaas_arena arena; /* of every text */
  struct mlaas_server_options server;
  struct mlaas_repository_options repository;
  const char *file;       /* where it was read from, NULL: nowhere */
  const char *base;       /* "" or "/prefix" */
  const char *static_dir; /* files that come before those of the page in the program; NULL: none */
  const char *default_model;
  const char *config_proto; /* TFaaS's serialized ConfigProto, for the back end tensorflow */
  const char *log_file;     /* NULL: standard error */
  bool log_dated;           /* as TFaaS: FILE-HOST-YYYYMMDD, a new one every day */
  enum mlaas_log_format log_format;
  int log_level;                  /* 0 errors, 1 warnings, 2 information, 3 debug */
  int64_t rate_requests, rate_ns; /* requests per so many ns and client; rate_requests 0: no limit */
  int64_t upload_limit;           /* [2 GiB] body of /upload, and what it may unpack to (times 4) */
  int64_t request_timeout_ms;     /* [30000] deadline of a prediction */
  int64_t image_pixels;           /* [50 M] largest image */
  bool no_check;                  /* models are loaded without a trial in a child process */
  bool labels;                    /* /json and /proto return labels where the model has them */
  bool refuse_out_of_range;       /* raw events outside the training's range: 422 instead of counted */
  bool strict_features;           /* missing features: 400 instead of padding (also per model) */
  bool drift;
};

/* X(key, kind, field, option type, argument, fallback, help, choices): key is the long option without dashes; in a file
 * '_' may stand for '-'. Kinds are those of config.c. */
#define MLAAS_CONFIG_KEYS(X)                                                                                           \
  X("models", TEXT, repository.folder, DIRECTORY, "DIR", NULL, "Folder of models: DIR/NAME, or DIR/NAME/VERSION",      \
    NULL)                                                                                                              \
  X("host", TEXT, server.host, TEXT, "ADDRESS", "127.0.0.1", "Address to listen on; 0.0.0.0 for all", NULL)            \
  X("port", PORT, server.port, COUNT, "PORT", "8083", "Port; 0 takes any free one", NULL)                              \
  X("unix", TEXT, server.unix_path, FILE, "PATH", NULL, "Listen on a Unix socket instead", NULL)                       \
  X("base", BASE, base, TEXT, "PATH", NULL, "Prefix of all paths, such as /tfaas", NULL)                               \
  X("tls-cert", TEXT, server.tls.certificate, FILE, "FILE", NULL, "Certificate chain (PEM): serve HTTPS", NULL)        \
  X("tls-key", TEXT, server.tls.key, FILE, "FILE", NULL, "Its private key (PEM)", NULL)                                \
  X("client-ca", TEXT, server.tls.client_ca, FILE, "PATH", NULL,                                                       \
    "PEM file or folder that client certificates are verified with", NULL)                                             \
  X("client-required", FLAG, server.tls.client_required, FLAG, NULL, NULL, "Refuse clients without a certificate",     \
    NULL)                                                                                                              \
  X("loops", INT, server.loops, COUNT, "N", "one per core", "Threads that serve connections", NULL)                    \
  X("connections", COUNT, server.connections, COUNT, "N", "10000", "Connections at a time", NULL)                      \
  X("header-limit", SIZE, server.header_limit, SIZE, "SIZE", "64KiB", "Largest head of a request", NULL)               \
  X("body-limit", SIZE, server.body_limit, SIZE, "SIZE", "64MiB", "Largest body of a request", NULL)                   \
  X("upload-limit", SIZE, upload_limit, SIZE, "SIZE", "2GiB", "Largest upload of a model", NULL)                       \
  X("memory", SIZE, server.memory, SIZE, "SIZE", "1GiB", "Ceiling on the memory of all requests together", NULL)       \
  X("head-timeout-ms", COUNT, server.head_timeout_ms, COUNT, "MS", "10000", "Longest time for a request's head", NULL) \
  X("body-timeout-ms", COUNT, server.body_timeout_ms, COUNT, "MS", "30000", "Longest pause within a body", NULL)       \
  X("idle-timeout-ms", COUNT, server.idle_timeout_ms, COUNT, "MS", "60000", "Longest pause between requests", NULL)    \
  X("write-timeout-ms", COUNT, server.write_timeout_ms, COUNT, "MS", "30000", "Longest wait for a client that reads",  \
    NULL)                                                                                                              \
  X("drain-ms", COUNT, server.drain_ms, COUNT, "MS", "10000", "Longest wait for running requests at stop", NULL)       \
  X("request-timeout-ms", COUNT, request_timeout_ms, COUNT, "MS", "30000", "Deadline of a prediction", NULL)           \
  X("rate", RATE, rate_requests, TEXT, "N-S|M|H|D", NULL, "Requests of one client per second, minute, hour or day",    \
    NULL)                                                                                                              \
  X("default-model", TEXT, default_model, TEXT, "NAME", NULL, "Model of requests that name none", NULL)                \
  X("load-all", FLAG, repository.load_all, FLAG, NULL, NULL, "Load all models at start, not when first asked for",     \
    NULL)                                                                                                              \
  X("most-loaded", COUNT, repository.most_loaded, COUNT, "N", "no bound", "Models loaded at a time", NULL)             \
  X("read-only", FLAG, repository.read_only, FLAG, NULL, NULL, "Refuse uploads and deletions", NULL)                   \
  X("poll-ms", COUNT, repository.poll_ms, COUNT, "MS", "never", "Look for changes of the folder so often", NULL)       \
  X("backends", TEXT, repository.model.backends, DIRECTORY, "DIR", NULL, "Folder of the plug-ins", NULL)               \
  X("libraries", TEXT, repository.model.libraries, DIRECTORY, "DIR", NULL,                                             \
    "Folders with the frameworks' packages (site-packages), joined by ':'", NULL)                                      \
  X("threads", INT, repository.model.threads, COUNT, "N", "1", "Threads of one run of a model", NULL)                  \
  X("runners", INT, repository.runners, COUNT, "N", "one per core", "Threads for models too slow for a loop", NULL)    \
  X("most-rows", COUNT, repository.most_rows, COUNT, "N", "64", "Rows that are run together; 1: no batching", NULL)    \
  X("delay-us", COUNT, repository.delay_us, COUNT, "US", "0", "How long a batch waits for more rows", NULL)            \
  X("queue-limit", COUNT, repository.queue_limit, COUNT, "N", "1024", "Requests that may wait for a model", NULL)      \
  X("no-check", FLAG, no_check, FLAG, NULL, NULL, "Load models without trying them in a child process first", NULL)    \
  X("check-ms", COUNT, repository.check_ms, COUNT, "MS", "60000", "Longest such trial", NULL)                          \
  X("check-memory", SIZE, repository.check_memory, SIZE, "SIZE", "16GiB", "Address space of such a trial", NULL)       \
  X("labels", FLAG, labels, FLAG, NULL, NULL, "Return the labels of classes with the scores", NULL)                    \
  X("strict-features", FLAG, strict_features, FLAG, NULL, NULL, "Refuse raw events that lack a branch", NULL)          \
  X("refuse-out-of-range", FLAG, refuse_out_of_range, FLAG, NULL, NULL,                                                \
    "Refuse raw events with values outside the range seen in training", NULL)                                          \
  X("image-pixels", COUNT, image_pixels, COUNT, "N", "50000000", "Largest image", NULL)                                \
  X("static-dir", TEXT, static_dir, DIRECTORY, "DIR", NULL, "Files of the web page that replace the built-in ones",    \
    NULL)                                                                                                              \
  X("log-file", TEXT, log_file, FILE, "FILE", "standard error", "Where the log goes", NULL)                            \
  X("log-format", LOG_FORMAT, log_format, CHOICE, "FORMAT", "combined", "Form of its lines about requests",            \
    "combined|json|monit|none")                                                                                        \
  X("log-level", LOG_LEVEL, log_level, CHOICE, "LEVEL", "info", "What else is logged", "errors|warnings|info|debug")

/* Defaults; then the file, then what the command line says. Errors: NOT_FOUND, FORMAT (file, line, key, nearest key).
 */
enum mlaas_status mlaas_config_init(struct mlaas_config *config, struct mlaas_error *error);
enum mlaas_status mlaas_config_read(struct mlaas_config *config, const char *path, struct mlaas_error *error);
/* One key as text: what an option or a configuration file gives. ARGUMENT names the key and the nearest. */
enum mlaas_status mlaas_config_set(struct mlaas_config *config, const char *key, const char *value,
                                   struct mlaas_error *error);
void mlaas_config_reset(struct mlaas_config *config);

#endif
