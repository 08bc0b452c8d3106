/* `mlaas inspect --verify`: reads all of the files and says what is broken, where. */
#include "base/error.h"
#include "cli/costs.h"
#include "cli/inspect.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <mlaas/verify.h>
#include <string.h>

/* One file as it is verified. */
struct scene {
  const char *url;
  struct mlaas_meter meter;
  json_t *findings; /* NULL: they are printed */
  int64_t told;
  bool begun; /* the file's name was printed */
};

static void print_url(struct scene *scene) {
  if (!scene->begun) {
    mlaas_terminal_put(stdout, scene->url);
    putchar('\n');
  }
  scene->begun = true;
}

/* "  broken  dir/t;1: branch x: basket 3 (byte 1234): what" */
static void print_finding(struct scene *scene, const struct mlaas_finding *finding) {
  char line[3072], number[64] = "", byte[64] = "";
  bool is_column = finding->column[0];
  if (finding->number >= 0)
    snprintf(number, sizeof number, ": %s %lld", finding->part, (long long)finding->number);
  if (finding->offset >= 0)
    snprintf(byte, sizeof byte, " (byte %lld)", (long long)finding->offset);
  mlaas_meter_break(&scene->meter);
  print_url(scene);
  snprintf(line, sizeof line, "  %s  %s%s%s%s%s: %s",
           finding->status == MLAAS_UNSUPPORTED ? "unknown"
           : finding->status == MLAAS_LIMIT     ? "skipped"
                                                : "broken",
           finding->path[0] ? finding->path : finding->part, is_column ? ": " : "", finding->column, number, byte,
           finding->message);
  mlaas_terminal_put(stdout, line);
  putchar('\n');
}

static void add_finding(json_t *findings, const struct mlaas_finding *finding) {
  json_t *made = json_object();
  json_object_set_new(made, "status", json_string(mlaas_status_name(finding->status)));
  json_object_set_new(made, "part", json_string(finding->part));
  json_object_set_new(made, "path", mlaas_inspect_text(finding->path[0] ? finding->path : NULL));
  json_object_set_new(made, "column", mlaas_inspect_text(finding->column[0] ? finding->column : NULL));
  json_object_set_new(made, "number", finding->number >= 0 ? json_integer(finding->number) : json_null());
  json_object_set_new(made, "offset", finding->offset >= 0 ? json_integer(finding->offset) : json_null());
  json_object_set_new(made, "message", mlaas_inspect_text(finding->message));
  json_array_append_new(findings, made);
}

static void on_finding(void *context, const struct mlaas_finding *finding) {
  struct scene *scene = context;
  scene->told++;
  if (scene->findings)
    add_finding(scene->findings, finding);
  else
    print_finding(scene, finding);
}

static bool on_progress(void *context, int64_t done, int64_t total) {
  struct scene *scene = context;
  mlaas_meter_show(&scene->meter, done, total);
  return true;
}

static void print_count(const char *before, int64_t count, const char *noun) {
  char text[MLAAS_UNITS_TEXT];
  printf("%s%s %s%s", before, mlaas_count_format(count, text), noun, count == 1 ? "" : "s");
}

static void print_summary(struct scene *scene, const struct mlaas_verify_report *report) {
  char text[MLAAS_UNITS_TEXT];
  int64_t untold = report->findings + report->unsupported - scene->told;
  print_url(scene);
  if (untold > 0)
    printf("  and %s more\n", mlaas_count_format(untold, text));
  if (report->findings)
    print_count("  ", report->findings, "finding");
  else
    printf("  sound");
  print_count(": ", report->keys, "key");
  print_count(", ", report->tables, "table");
  print_count(", ", report->columns, "column");
  printf(" decoded");
  if (report->undecoded)
    printf(" (of %s more the bytes alone)", mlaas_count_format(report->undecoded, text));
  if (report->baskets)
    print_count(", ", report->baskets, "basket");
  if (report->pages)
    print_count(", ", report->pages, "page");
  if (report->checksum[0])
    printf(", %s", report->findings ? "compared with the server's checksum" : report->checksum);
  putchar('\n');
}

static json_t *report_json(const struct scene *scene, const struct mlaas_verify_report *report) {
  json_t *made = json_object();
  json_object_set_new(made, "url", mlaas_inspect_text(scene->url));
  json_object_set_new(made, "status", json_string(mlaas_status_name(report->status)));
  json_object_set_new(made, "num_findings", json_integer(report->findings));
  json_object_set_new(made, "num_unsupported", json_integer(report->unsupported));
  json_object_set_new(made, "keys", json_integer(report->keys));
  json_object_set_new(made, "tables", json_integer(report->tables));
  json_object_set_new(made, "columns", json_integer(report->columns));
  json_object_set_new(made, "undecoded", json_integer(report->undecoded));
  json_object_set_new(made, "baskets", json_integer(report->baskets));
  json_object_set_new(made, "pages", json_integer(report->pages));
  json_object_set_new(made, "checksum", mlaas_inspect_text(report->checksum[0] ? report->checksum : NULL));
  json_object_set(made, "findings", scene->findings);
  return made;
}

/* Verifies one file; *worst becomes the status of the first broken one. */
static enum mlaas_status verify_file(struct mlaas_context *context, const char *url,
                                     const struct mlaas_arguments *arguments, json_t *files, enum mlaas_status *worst,
                                     struct mlaas_error *error) {
  struct scene scene = {.url = url, .findings = files ? json_array() : NULL};
  struct mlaas_verify_report report = {.size = sizeof report};
  struct mlaas_verify_options options = {.size = sizeof options,
                                         .table = mlaas_arguments_text(arguments, "table"),
                                         .finding = on_finding,
                                         .progress = on_progress,
                                         .context = &scene};
  mlaas_meter_init(&scene.meter, "verifying", "bytes", !mlaas_terminal_is(stderr));
  enum mlaas_status status = mlaas_verify(context, url, &options, &report, error);
  if (scene.meter.terminal && scene.meter.shown)
    fputs("\r\033[K", stderr);
  if (status == MLAAS_OK && files)
    json_array_append_new(files, report_json(&scene, &report));
  else if (status == MLAAS_OK)
    print_summary(&scene, &report);
  if (status == MLAAS_OK) {
    fflush(stdout);
    mlaas_costs_show(arguments, url, &report.costs);
  }
  if (status == MLAAS_OK && *worst == MLAAS_OK)
    *worst = report.status;
  json_decref(scene.findings);
  return status;
}

enum mlaas_status mlaas_inspect_verify(struct mlaas_context *context, const struct mlaas_arguments *arguments,
                                       struct mlaas_error *error) {
  json_t *files = mlaas_arguments_flag(arguments, "json") ? json_array() : NULL;
  enum mlaas_status status = MLAAS_OK, worst = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < mlaas_arguments_num_operands(arguments); i++)
    status = verify_file(context, mlaas_arguments_operands(arguments)[i], arguments, files, &worst, error);
  if (status == MLAAS_OK && files) {
    json_t *page = json_object();
    json_object_set(page, "files", files);
    status = mlaas_inspect_print(page, "mlaas-verify", error);
  }
  if (status == MLAAS_OK)
    mlaas_arguments_conclude(arguments, mlaas_status_exit_code(worst));
  json_decref(files);
  return status;
}
