/* What is known of a data set, as JSON. Must not know how it came about. */
#include "base/error.h"
#include "dataset/handles.h"

#include <math.h>

/* What reading cost: each file, and all. */
static void describe_costs(const struct mlaas_dataset *dataset, json_t *all) {
  struct mlaas_source_counters sum = {0}, more;
  json_t *files = json_array();
  for (size_t i = 0; i < dataset->num_files; i++) {
    mlaas_dataset_counters(dataset, i, &more);
    mlaas_source_counters_add(&sum, &more);
    json_array_append_new(files, mlaas_counters_json(&more));
  }
  json_object_set_new(all, "source", mlaas_counters_json(&sum));
  json_object_set_new(all, "sources", files);
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *describe_files(const struct mlaas_dataset *dataset) {
  json_t *files = json_array();
  for (size_t i = 0; i < dataset->num_files; i++) {
    const struct mlaas_dataset_file *file = &dataset->files[i];
    bool label = dataset->labelled && !dataset->label_branch;
    json_array_append_new(files,
                          json_pack("{ss ss sI sI so}", "url", file->url, "id", file->id ? file->id : "", "entries",
                                    (json_int_t)file->entries, "quota", (json_int_t)dataset->plan.files[i].quota,
                                    "label", label ? json_real(file->label) : json_null()));
  }
  return files;
}

static json_t *describe_dropped(const struct mlaas_dataset *dataset) {
  json_t *dropped = json_array();
  for (size_t i = 0; i < dataset->num_columns; i++)
    if (dataset->columns[i].dropped)
      json_array_append_new(
          dropped, json_pack("{ss ss}", "name", dataset->columns[i].name, "reason", dataset->columns[i].dropped));
  return dropped;
}

static void describe_classes(const struct mlaas_dataset *dataset, json_t *all) {
  json_t *classes = json_array(), *weights = json_array();
  for (size_t i = 0; i < dataset->num_classes; i++) {
    const struct mlaas_class *class = &dataset->classes[i];
    if (dataset->labelled && isfinite(class->label))
      json_array_append_new(classes, json_real(class->label));
    json_array_append_new(weights, json_pack("{so sI so so so}", "label", number(class->label), "rows",
                                             (json_int_t) class->rows, "raw", number(class->raw_sum), "sum",
                                             number(class->sum * class->factor), "factor", number(class->factor)));
  }
  json_object_set_new(all, "classes", classes);
  json_object_set_new(all, "weights", weights);
}

enum mlaas_status mlaas_dataset_describe(const struct mlaas_dataset *dataset, char **json, struct mlaas_error *error) {
  json_t *all = json_object();
  json_object_set(all, "params", dataset->params.json);
  json_object_set_new(all, "files", describe_files(dataset));
  describe_costs(dataset, all);
  describe_classes(dataset, all);
  json_object_set_new(all, "dropped", describe_dropped(dataset));
  json_object_set(all, "warnings", dataset->warnings);
  json_object_set(all, "lost", dataset->lost);
  *json = json_dumps(all, JSON_INDENT(1));
  json_decref(all);
  return *json ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory to describe the data set");
}
