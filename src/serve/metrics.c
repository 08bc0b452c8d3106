/* Counting per loop without locks, and the text of /metrics. Knows no route but by index and name. */
#include "serve/metrics.h"

#include "serve/events.h"
#include "serve/body/writer.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Statuses that are counted apart; the last is all others. */
static const int16_t statuses[] = {200, 201, 204, 206, 301, 304, 400, 401, 403, 404, 405, 408, 409, 411, 413,
                                   414, 415, 416, 417, 422, 429, 431, 499, 500, 501, 503, 504, 505, 0};
enum { NUM_STATUSES = sizeof statuses / sizeof *statuses };

struct route_counters {
  atomic_uint_fast64_t status[NUM_STATUSES];
  struct mlaas_histogram latency;
};

struct method_counters {
  atomic_uint_fast64_t gets, posts;
};

struct mlaas_metrics {
  int lanes, routes;
  struct method_counters *methods; /* by lane */
  struct route_counters *counters; /* lane * (routes + 1) + route */
};

struct mlaas_metrics *mlaas_metrics_new(int lanes, int routes) {
  struct mlaas_metrics *metrics = mlaas_alloc(sizeof *metrics);
  if (!metrics)
    return NULL;
  metrics->lanes = lanes;
  metrics->routes = routes;
  metrics->counters = mlaas_alloc((size_t)lanes * (size_t)(routes + 1) * sizeof *metrics->counters);
  metrics->methods = mlaas_alloc((size_t)lanes * sizeof *metrics->methods);
  if (!metrics->counters || !metrics->methods) {
    mlaas_metrics_free(metrics);
    return NULL;
  }
  return metrics;
}

void mlaas_metrics_free(struct mlaas_metrics *metrics) {
  if (!metrics)
    return;
  mlaas_free(metrics->counters);
  mlaas_free(metrics->methods);
  mlaas_free(metrics);
}

/* The loop is the only one that writes: no locked instruction. */
static void bump(atomic_uint_fast64_t *counter, uint64_t by) {
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

void mlaas_metrics_count(struct mlaas_metrics *metrics, int lane, int route, const struct mlaas_exchange *exchange,
                         int64_t ns) {
  struct route_counters *counters = &metrics->counters[lane * (metrics->routes + 1) + route];
  uint64_t span = ns > 0 ? (uint64_t)ns : 0, micros = span / 1000;
  size_t i = 0;
  while (i < NUM_STATUSES - 1 && statuses[i] != exchange->status)
    i++;
  bump(&counters->status[i], 1);
  int bucket = micros <= 1 ? 0 : 64 - __builtin_clzll(micros - 1);
  bump(&counters->latency.bucket[bucket < MLAAS_LATENCY_BUCKETS ? bucket : MLAAS_LATENCY_BUCKETS], 1);
  bump(&counters->latency.count, 1);
  bump(&counters->latency.sum, span);
  if (mlaas_slice_is(exchange->request.method, "GET"))
    bump(&metrics->methods[lane].gets, 1);
  else if (mlaas_slice_is(exchange->request.method, "POST"))
    bump(&metrics->methods[lane].posts, 1);
}

static uint64_t load(const atomic_uint_fast64_t *counter) {
  return atomic_load_explicit((atomic_uint_fast64_t *)(uintptr_t)counter, memory_order_relaxed);
}

void mlaas_metrics_methods(const struct mlaas_metrics *metrics, uint64_t *gets, uint64_t *posts) {
  *gets = *posts = 0;
  for (int lane = 0; lane < metrics->lanes; lane++) {
    *gets += load(&metrics->methods[lane].gets);
    *posts += load(&metrics->methods[lane].posts);
  }
}

/* ---- text ---- */

static void head(struct mlaas_writer *out, const char *name, const char *type, const char *help) {
  mlaas_writer_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A histogram of buckets 1, 2, 4 ... `unit`s; sum in `sum_unit`s. Empty buckets at the end are left out. */
static void put_histogram(struct mlaas_writer *out, const char *name, const char *labels,
                          const struct mlaas_histogram *histogram, int buckets, double unit, double sum_unit) {
  uint64_t total = 0, counts[MLAAS_LATENCY_BUCKETS + 1];
  for (int i = 0; i <= MLAAS_LATENCY_BUCKETS; i++)
    counts[i] = load(&histogram->bucket[i]);
  for (int i = 0; i < buckets; i++) {
    total += counts[i];
    mlaas_writer_format(out, "%s_bucket{%s,le=\"%.9g\"} %llu\n", name, labels, (double)(1u << i) * unit,
                        (unsigned long long)total);
  }
  for (int i = buckets; i <= MLAAS_LATENCY_BUCKETS; i++)
    total += counts[i];
  mlaas_writer_format(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)total);
  mlaas_writer_format(out, "%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name, labels,
                      (double)load(&histogram->sum) * sum_unit, name, labels, (unsigned long long)total);
}

static void put_routes(struct mlaas_writer *out, const struct mlaas_service *service) {
  const struct mlaas_metrics *metrics = service->metrics;
  head(out, "mlaas_http_requests_total", "counter", "Requests answered, by route and status.");
  for (int route = 0; route <= metrics->routes; route++)
    for (size_t i = 0; i < NUM_STATUSES; i++) {
      uint64_t count = 0;
      char status[8] = "other";
      for (int lane = 0; lane < metrics->lanes; lane++)
        count += load(&metrics->counters[lane * (metrics->routes + 1) + route].status[i]);
      if (statuses[i])
        snprintf(status, sizeof status, "%d", statuses[i]);
      if (count)
        mlaas_writer_format(out, "mlaas_http_requests_total{route=\"%s\",status=\"%s\"} %llu\n",
                            route ? mlaas_router_name(service->router, route) : "none", status,
                            (unsigned long long)count);
    }
  head(out, "mlaas_http_request_seconds", "histogram",
       "Time from the first byte of a request to the end of its reply.");
  for (int route = 0; route <= metrics->routes; route++) {
    struct mlaas_histogram sum = {0};
    char labels[96];
    for (int lane = 0; lane < metrics->lanes; lane++) {
      const struct mlaas_histogram *part = &metrics->counters[lane * (metrics->routes + 1) + route].latency;
      for (int i = 0; i <= MLAAS_LATENCY_BUCKETS; i++)
        bump(&sum.bucket[i], load(&part->bucket[i]));
      bump(&sum.count, load(&part->count));
      bump(&sum.sum, load(&part->sum));
    }
    if (load(&sum.count) == 0)
      continue;
    snprintf(labels, sizeof labels, "route=\"%s\"", route ? mlaas_router_name(service->router, route) : "none");
    put_histogram(out, "mlaas_http_request_seconds", labels, &sum, MLAAS_LATENCY_BUCKETS, 1e-6, 1e-9);
  }
}

static void put_value(struct mlaas_writer *out, const char *name, const char *type, const char *help, double value) {
  head(out, name, type, help);
  mlaas_writer_format(out, "%s %.15g\n", name, value);
}

static void put_server(struct mlaas_writer *out, const struct mlaas_service *service) {
  struct mlaas_server_stats stats = {0};
  mlaas_server_stats(service->server, &stats);
  put_value(out, "mlaas_connections_open", "gauge", "Connections that are open now.", (double)stats.open);
  put_value(out, "mlaas_connections_accepted_total", "counter", "Connections accepted.", (double)stats.accepted);
  put_value(out, "mlaas_connections_refused_total", "counter", "Connections refused because there were too many.",
            (double)stats.refused);
  put_value(out, "mlaas_received_bytes_total", "counter", "Bytes received.", (double)stats.bytes_in);
  put_value(out, "mlaas_sent_bytes_total", "counter", "Bytes sent.", (double)stats.bytes_out);
  put_value(out, "mlaas_timeouts_total", "counter", "Connections closed because the client was too slow.",
            (double)stats.timeouts);
  put_value(out, "mlaas_bad_requests_total", "counter", "Requests that were no sound HTTP.",
            (double)stats.bad_requests);
}

static void put_process(struct mlaas_writer *out, const struct mlaas_service *service) {
  long long size = 0, resident = 0;
  struct rusage usage;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file) {
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
      size = resident = 0;
    fclose(file);
  }
  int descriptors = -3; /* ".", ".." and the one of reading */
  DIR *folder = opendir("/proc/self/fd");
  while (folder && readdir(folder))
    descriptors++;
  if (folder)
    closedir(folder);
  getrusage(RUSAGE_SELF, &usage);
  put_value(out, "process_resident_memory_bytes", "gauge", "Memory of the process that is in use.",
            (double)resident * (double)sysconf(_SC_PAGESIZE));
  put_value(out, "process_virtual_memory_bytes", "gauge", "Address space of the process.",
            (double)size * (double)sysconf(_SC_PAGESIZE));
  put_value(out, "process_open_fds", "gauge", "Open descriptors.", descriptors > 0 ? descriptors : 0);
  put_value(out, "process_cpu_seconds_total", "counter", "Processor time used.",
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  put_value(out, "process_start_time_seconds", "gauge", "When the server was started.", (double)service->started);
}

/* ---- models ---- */

static void put_counter(struct mlaas_writer *out, const struct mlaas_listing *listing, const char *name,
                        const char *type, const char *help, double (*value)(const struct mlaas_instance *)) {
  head(out, name, type, help);
  for (size_t i = 0; i < listing->count; i++)
    if (listing->entries[i].instance)
      mlaas_writer_format(out, "%s{model=\"%s\",version=\"%lld\"} %.15g\n", name, listing->entries[i].name,
                          (long long)listing->entries[i].version, value(listing->entries[i].instance));
}

static double rows_of(const struct mlaas_instance *i) { return (double)load(&i->stats.rows); }
static double runs_of(const struct mlaas_instance *i) { return (double)load(&i->stats.runs); }
static double load_of(const struct mlaas_instance *i) { return (double)i->load_ns / 1e9; }
static double waiting_of(const struct mlaas_instance *i) {
  return (double)atomic_load_explicit((atomic_int_fast64_t *)(uintptr_t)&i->stats.waiting, memory_order_relaxed);
}

static void put_outcomes(struct mlaas_writer *out, const struct mlaas_listing *listing) {
  head(out, "mlaas_model_requests_total", "counter", "Predictions, by how they ended.");
  for (size_t i = 0; i < listing->count; i++) {
    const struct mlaas_model_entry *entry = &listing->entries[i];
    if (!entry->instance)
      continue;
    const struct mlaas_model_stats *stats = &entry->instance->stats;
    const struct {
      const char *name;
      uint64_t count;
    } outcomes[] = {{"success", load(&stats->succeeded)},
                    {"failed", load(&stats->failed)},
                    {"queue_full", load(&stats->rejected)},
                    {"cancelled", load(&stats->cancelled)},
                    {"timed_out", load(&stats->timed_out)}};
    for (size_t k = 0; k < sizeof outcomes / sizeof *outcomes; k++)
      mlaas_writer_format(out, "mlaas_model_requests_total{model=\"%s\",version=\"%lld\",outcome=\"%s\"} %llu\n",
                          entry->name, (long long)entry->version, outcomes[k].name,
                          (unsigned long long)outcomes[k].count);
  }
}

static void put_histograms(struct mlaas_writer *out, const struct mlaas_listing *listing, const char *name,
                           const char *help, size_t offset, int buckets, double unit, double sum_unit) {
  char labels[320];
  head(out, name, "histogram", help);
  for (size_t i = 0; i < listing->count; i++) {
    const struct mlaas_model_entry *entry = &listing->entries[i];
    if (!entry->instance)
      continue;
    snprintf(labels, sizeof labels, "model=\"%s\",version=\"%lld\"", entry->name, (long long)entry->version);
    put_histogram(out, name, labels,
                  (const struct mlaas_histogram *)(const void *)((const char *)&entry->instance->stats + offset),
                  buckets, unit, sum_unit);
  }
}

/* A label's value: what could end it is escaped. */
static void put_label(struct mlaas_writer *out, const char *text) {
  for (; *text; text++) {
    if (*text == '"' || *text == '\\' || *text == '\n')
      mlaas_writer_text(out, "\\");
    mlaas_writer_put(out, *text == '\n' ? MLAAS_SLICE("n") : (struct mlaas_slice){text, 1});
  }
}

static void put_ranges(struct mlaas_writer *out, const struct mlaas_listing *listing) {
  head(out, "mlaas_model_out_of_range_total", "counter",
       "Values of raw events outside the range seen in training, by feature.");
  for (size_t i = 0; i < listing->count; i++) {
    const struct mlaas_model_entry *entry = &listing->entries[i];
    const struct mlaas_event_plan *plan = entry->instance ? entry->instance->extra : NULL;
    for (size_t k = 0; plan && k < mlaas_event_plan_num_features(plan); k++) {
      uint64_t count = mlaas_event_plan_outside(plan, k);
      if (!count)
        continue;
      mlaas_writer_format(out, "mlaas_model_out_of_range_total{model=\"%s\",version=\"%lld\",feature=\"", entry->name,
                          (long long)entry->version);
      put_label(out, mlaas_event_plan_feature(plan, k));
      mlaas_writer_format(out, "\"} %llu\n", (unsigned long long)count);
    }
  }
}

static void put_models(struct mlaas_writer *out, const struct mlaas_listing *listing) {
  head(out, "mlaas_model_ready", "gauge", "1 for a version that is loaded, 0 for one that is known only.");
  for (size_t i = 0; i < listing->count; i++)
    mlaas_writer_format(out, "mlaas_model_ready{model=\"%s\",version=\"%lld\"} %d\n", listing->entries[i].name,
                        (long long)listing->entries[i].version, listing->entries[i].instance != NULL);
  put_outcomes(out, listing);
  put_counter(out, listing, "mlaas_model_rows_total", "counter", "Rows predicted.", rows_of);
  put_counter(out, listing, "mlaas_model_runs_total", "counter", "Runs of the back end.", runs_of);
  put_counter(out, listing, "mlaas_model_queue", "gauge", "Requests that wait now.", waiting_of);
  put_counter(out, listing, "mlaas_model_load_seconds", "gauge", "How long loading took.", load_of);
#define FIELD(name) offsetof(struct mlaas_model_stats, name)
  put_histograms(out, listing, "mlaas_model_request_seconds", "Time of a prediction in the server.", FIELD(request),
                 MLAAS_LATENCY_BUCKETS, 1e-6, 1e-9);
  put_histograms(out, listing, "mlaas_model_queue_seconds", "Time that a prediction waited.", FIELD(queue),
                 MLAAS_LATENCY_BUCKETS, 1e-6, 1e-9);
  put_histograms(out, listing, "mlaas_model_compute_seconds", "Time of a run of the back end.", FIELD(compute),
                 MLAAS_LATENCY_BUCKETS, 1e-6, 1e-9);
  put_histograms(out, listing, "mlaas_model_batch_rows", "Rows of a run.", FIELD(batch), MLAAS_ROWS_BUCKETS, 1, 1);
#undef FIELD
  put_ranges(out, listing);
}

void mlaas_metrics_reply(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_writer out;
  struct mlaas_listing listing = {0};
  mlaas_writer_init(&out, &exchange->arena, 16 << 10);
  head(&out, "mlaas_info", "gauge", "The version of the server.");
  mlaas_writer_format(&out, "mlaas_info{version=\"%s\"} 1\n", mlaas_version());
  put_routes(&out, service);
  put_server(&out, service);
  put_process(&out, service);
  if (mlaas_repository_known(service->repository, &listing, NULL) == MLAAS_OK)
    put_models(&out, &listing);
  mlaas_listing_reset(&listing);
  if (out.failed)
    mlaas_exchange_refuse(exchange, 503, "out of memory for the metrics");
  else
    mlaas_exchange_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8",
                         (struct mlaas_slice){out.data, out.used});
}
