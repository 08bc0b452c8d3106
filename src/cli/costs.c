/* Lines on what reading cost. Knows no command. */
#include "cli/costs.h"

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void add(char *line, size_t size, const char *before, int64_t count, const char *noun, const char *behind) {
  char text[MLAAS_UNITS_TEXT];
  size_t length = strlen(line);
  snprintf(line + length, size - length, "%s%s %s%s%s", before, mlaas_count_format(count, text), noun,
           count == 1 ? "" : "s", behind);
}

static void add_bytes(char *line, size_t size, int64_t bytes, const char *behind) {
  char text[MLAAS_UNITS_TEXT];
  size_t length = strlen(line);
  snprintf(line + length, size - length, ", %s %s", mlaas_size_format(bytes, text), behind);
}

void mlaas_costs_show(const struct mlaas_arguments *arguments, const char *name, const struct mlaas_costs *costs) {
  char line[512] = "";
  if (!mlaas_arguments_flag(arguments, "verbose") || (costs->requests == 0 && costs->ranges == 0))
    return; /* not asked for, or the file was never opened */
  add(line, sizeof line, "", costs->requests, "request", "");
  add(line, sizeof line, " for ", costs->ranges, "range", "");
  add_bytes(line, sizeof line, costs->bytes, "asked for");
  add_bytes(line, sizeof line, costs->delivered, "delivered");
  if (costs->hits)
    add(line, sizeof line, ", ", costs->hits, "range", " fetched ahead");
  if (costs->retries)
    add(line, sizeof line, ", ", costs->retries, "request", " sent again");
  if (costs->failovers)
    add(line, sizeof line, ", ", costs->failovers, "change", " of replica");
  mlaas_terminal_put(stderr, name);
  fprintf(stderr, ": %s\n", line);
}

static int64_t number(const json_t *source, const char *key) {
  return json_integer_value(json_object_get(source, key));
}

static struct mlaas_costs costs_of(const json_t *source) {
  return (struct mlaas_costs){number(source, "requests"),  number(source, "ranges"), number(source, "bytes"),
                              number(source, "delivered"), number(source, "hits"),   number(source, "retries"),
                              number(source, "failovers")};
}

void mlaas_costs_show_all(const struct mlaas_arguments *arguments, const struct mlaas_dataset *dataset) {
  char *text = NULL;
  if (!mlaas_arguments_flag(arguments, "verbose") || mlaas_dataset_describe(dataset, &text, NULL) != MLAAS_OK)
    return;
  json_t *all = json_loads(text, 0, NULL);
  const json_t *files = json_object_get(all, "files"), *sources = json_object_get(all, "sources");
  for (size_t i = 0; i < json_array_size(files); i++) {
    const char *url = json_string_value(json_object_get(json_array_get(files, i), "url"));
    struct mlaas_costs costs = costs_of(json_array_get(sources, i));
    mlaas_costs_show(arguments, url ? url : "?", &costs);
  }
  struct mlaas_costs sum = costs_of(json_object_get(all, "source"));
  if (json_array_size(files) > 1)
    mlaas_costs_show(arguments, "all files", &sum);
  json_decref(all);
  mlaas_text_free(text);
}
