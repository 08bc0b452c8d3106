/* `mlaas inspect --histograms`: what a file holds besides tables, with numbers and a sketch of what can be sketched. */
#include "base/error.h"
#include "cli/inspect.h"
#include "cli/outline.h"
#include "cli/terminal.h"
#include "cli/units.h"

#include <math.h>
#include <mlaas/object.h>
#include <string.h>

enum { LINE = 2048, WIDEST = 64, LEVELS = 8, MARGIN = 4 };

/* ---- numbers of a histogram ---- */

static bool is_profile(const struct mlaas_histogram *histogram) { return histogram->bin_entries != NULL; }

/* Centre of a bin without underflow, counted from 0. */
static double centre(const struct mlaas_axis *axis, int32_t bin) {
  if (axis->edges)
    return (axis->edges[bin] + axis->edges[bin + 1]) / 2;
  return axis->low + (bin + 0.5) * (axis->high - axis->low) / axis->bins;
}

/* ROOT's own sums where it kept them: they know where in a bin an entry was; else from the bins. */
static double mean_of(const struct mlaas_object *object, const struct mlaas_histogram *histogram) {
  const struct mlaas_item *item = mlaas_object_item(object);
  double weight = mlaas_item_number(mlaas_item_find(item, "fTsumw"), 0);
  double moment = mlaas_item_number(mlaas_item_find(item, "fTsumwx"), 0);
  if (!isfinite(weight) || !isfinite(moment) || weight == 0) {
    weight = moment = 0;
    for (int32_t i = 0; i < histogram->axes[0].bins; i++) {
      double value = mlaas_histogram_value(histogram, i + 1);
      weight += value;
      moment += value * centre(&histogram->axes[0], i);
    }
  }
  return weight != 0 ? moment / weight : NAN;
}

/* ---- sketches ---- */

/* Bins joined, so that no more than `columns` are left: of the first axis, without flow. Returns how many. */
static int join_bins(const struct mlaas_histogram *histogram, int columns, double *heights) {
  int32_t bins = histogram->axes[0].bins, each = (bins + columns - 1) / columns;
  int count = 0;
  for (int32_t first = 0; first < bins; first += each, count++) {
    int32_t last = first + each < bins ? first + each : bins;
    double sum = 0;
    for (int32_t i = first; i < last; i++) {
      double value = mlaas_histogram_value(histogram, i + 1);
      sum += isfinite(value) ? value : 0;
    }
    heights[count] = sum / (last - first);
  }
  return count;
}

static void draw(const struct mlaas_histogram *histogram, bool utf8) {
  static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
  static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
  double heights[WIDEST], low = 0, high = 0;
  int width = mlaas_terminal_width(stdout) - MARGIN;
  int count = join_bins(histogram, width < WIDEST ? width : WIDEST, heights);
  for (int i = 0; i < count; i++) {
    low = heights[i] < low ? heights[i] : low;
    high = heights[i] > high ? heights[i] : high;
  }
  if (!(high > low))
    return;
  fputs("    ", stdout);
  for (int i = 0; i < count; i++) {
    double share = (heights[i] - low) / (high - low);
    int level = share > 0 ? 1 + (int)(share * (LEVELS - 1) + 0.5) : 0; /* what is there is seen */
    fputs((utf8 ? blocks : signs)[level > LEVELS ? LEVELS : level], stdout);
  }
  putchar('\n');
}

/* ---- lines ---- */

static void put_line(const char *text) {
  fputs("    ", stdout);
  mlaas_terminal_put(stdout, text);
  putchar('\n');
}

static const char *plural(int64_t count) { return count == 1 ? "" : "s"; }

/* "40 bins from 0 to 100" of each axis, and what is in them. */
static void describe_histogram(const struct mlaas_object *object, const struct mlaas_histogram *histogram, char *text) {
  static const char letters[] = "xyz";
  size_t at = 0;
  for (int i = 0; i < histogram->dimensions && at < LINE; i++) {
    const struct mlaas_axis *axis = &histogram->axes[i];
    char name[4] = "";
    if (histogram->dimensions > 1)
      snprintf(name, sizeof name, "%c: ", letters[i]);
    int more = snprintf(text + at, LINE - at, "%s%s%d bin%s from %.6g to %.6g", i ? ", " : "", name, axis->bins,
                        plural(axis->bins), axis->low, axis->high);
    at += more > 0 ? (size_t)more : 0;
  }
  char number[MLAAS_UNITS_TEXT] = "";
  bool whole = histogram->entries >= 0 && histogram->entries < 9e18;
  if (whole)
    mlaas_count_format((int64_t)histogram->entries, number);
  if (at < LINE)
    at += (size_t)snprintf(text + at, LINE - at, "; %s entries", whole ? number : "?");
  if (at < LINE && !is_profile(histogram))
    at += (size_t)snprintf(text + at, LINE - at, ", sum %.6g", mlaas_histogram_sum(histogram));
  if (at < LINE && histogram->dimensions == 1 && !is_profile(histogram) && isfinite(mean_of(object, histogram)))
    snprintf(text + at, LINE - at, ", mean %.6g", mean_of(object, histogram));
}

/* Smallest and largest of an array. */
static bool range_of(const struct mlaas_item *item, int64_t count, double *low, double *high) {
  *low = INFINITY;
  *high = -INFINITY;
  for (int64_t i = 0; i < count; i++) {
    double value = mlaas_item_number(item, i);
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
  }
  return *low <= *high;
}

static bool is_graph(const struct mlaas_item *item) {
  return mlaas_item_find(item, "fNpoints") && mlaas_item_find(item, "fX") && mlaas_item_find(item, "fY");
}

static void describe_graph(const struct mlaas_item *item, char *text) {
  const struct mlaas_item *x = mlaas_item_find(item, "fX"), *y = mlaas_item_find(item, "fY");
  int64_t count = x->kind == MLAAS_ITEM_ARRAY ? x->count : 0;
  double low[2], high[2];
  if (y->kind == MLAAS_ITEM_ARRAY && range_of(x, count, &low[0], &high[0]) && range_of(y, y->count, &low[1], &high[1]))
    snprintf(text, LINE, "%lld point%s, x from %.6g to %.6g, y from %.6g to %.6g", (long long)count, plural(count),
             low[0], high[0], low[1], high[1]);
  else
    snprintf(text, LINE, "%lld point%s", (long long)count, plural(count));
}

/* What is neither: text, number, collection; "" where there is nothing to say. */
static void describe_item(const struct mlaas_item *item, char *text) {
  const struct mlaas_item *value = mlaas_item_find(item, "fVal"), *string = mlaas_item_find(item, "fString");
  text[0] = 0;
  string = item->kind == MLAAS_ITEM_TEXT ? item : string;
  if (string && string->kind == MLAAS_ITEM_TEXT)
    snprintf(text, LINE, "\"%.1000s\"", string->as.text);
  else if (item->kind == MLAAS_ITEM_LIST || item->kind == MLAAS_ITEM_MAP)
    snprintf(text, LINE, "%lld item%s", (long long)item->count, plural(item->count));
  else if (value && isfinite(mlaas_item_number(value, 0)))
    snprintf(text, LINE, "%.17g", mlaas_item_number(value, 0));
  else if (mlaas_item_find(item, "fPassedHistogram.fEntries"))
    snprintf(text, LINE, "%.6g passed of %.6g",
             mlaas_item_number(mlaas_item_find(item, "fPassedHistogram.fEntries"), 0),
             mlaas_item_number(mlaas_item_find(item, "fTotalHistogram.fEntries"), 0));
}

static void show_object(struct mlaas_file *file, const struct mlaas_object_info *info, bool utf8) {
  char text[LINE];
  bool titled = info->title && info->title[0];
  snprintf(text, sizeof text, "%s  %s%s%s%s", info->path, info->class_name, titled ? " \"" : "",
           titled ? info->title : "", titled ? "\"" : "");
  fputs("  ", stdout);
  mlaas_terminal_put(stdout, text);
  putchar('\n');
  struct mlaas_object *object = NULL;
  struct mlaas_error error;
  struct mlaas_histogram histogram;
  if (mlaas_object_open(file, info->path, &object, &error) != MLAAS_OK) {
    snprintf(text, sizeof text, "cannot be read: %s", error.message);
    put_line(text);
    return;
  }
  if (mlaas_object_histogram(object, &histogram)) {
    describe_histogram(object, &histogram, text);
    put_line(text);
    if (histogram.dimensions == 1)
      draw(&histogram, utf8);
  } else if (is_graph(mlaas_object_item(object))) {
    describe_graph(mlaas_object_item(object), text);
    put_line(text);
  } else {
    describe_item(mlaas_object_item(object), text);
    if (text[0])
      put_line(text);
  }
  mlaas_object_close(object);
}

/* ---- JSON ---- */

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *histogram_json(const struct mlaas_object *object, const struct mlaas_histogram *histogram) {
  json_t *made = json_object(), *axes = json_array();
  for (int i = 0; i < histogram->dimensions; i++) {
    json_t *axis = json_object();
    json_object_set_new(axis, "title", mlaas_inspect_text(histogram->axes[i].title));
    json_object_set_new(axis, "bins", json_integer(histogram->axes[i].bins));
    json_object_set_new(axis, "low", number(histogram->axes[i].low));
    json_object_set_new(axis, "high", number(histogram->axes[i].high));
    json_array_append_new(axes, axis);
  }
  json_object_set_new(made, "axes", axes);
  json_object_set_new(made, "entries", number(histogram->entries));
  json_object_set_new(made, "sum", is_profile(histogram) ? json_null() : number(mlaas_histogram_sum(histogram)));
  bool has_mean = histogram->dimensions == 1 && !is_profile(histogram);
  json_object_set_new(made, "mean", has_mean ? number(mean_of(object, histogram)) : json_null());
  return made;
}

static json_t *object_json(struct mlaas_file *file, const struct mlaas_object_info *info) {
  json_t *made = json_object();
  struct mlaas_object *object = NULL;
  struct mlaas_error error;
  struct mlaas_histogram histogram;
  char text[LINE] = "";
  json_object_set_new(made, "path", mlaas_inspect_text(info->path));
  json_object_set_new(made, "class", mlaas_inspect_text(info->class_name));
  json_object_set_new(made, "title", mlaas_inspect_text(info->title));
  json_object_set_new(made, "stored_bytes", json_integer(info->stored_bytes));
  json_object_set_new(made, "raw_bytes", json_integer(info->raw_bytes));
  bool open = mlaas_object_open(file, info->path, &object, &error) == MLAAS_OK;
  bool is_histogram = open && mlaas_object_histogram(object, &histogram);
  json_object_set_new(made, "unsupported", open ? json_null() : mlaas_inspect_text(error.message));
  json_object_set_new(made, "histogram", is_histogram ? histogram_json(object, &histogram) : json_null());
  if (open && !is_histogram && is_graph(mlaas_object_item(object)))
    describe_graph(mlaas_object_item(object), text);
  else if (open && !is_histogram)
    describe_item(mlaas_object_item(object), text);
  json_object_set_new(made, "summary", text[0] ? mlaas_inspect_text(text) : json_null());
  mlaas_object_close(object);
  return made;
}

void mlaas_inspect_objects(struct mlaas_file *file, json_t *files) {
  size_t count = mlaas_file_num_objects(file);
  bool utf8 = mlaas_outline_utf8();
  json_t *objects = json_array();
  if (!files)
    mlaas_inspect_head(file);
  for (size_t i = 0; i < count; i++) {
    struct mlaas_object_info info;
    mlaas_file_object(file, i, &info);
    if (files)
      json_array_append_new(objects, object_json(file, &info));
    else
      show_object(file, &info, utf8);
  }
  if (!files && count == 0)
    printf("  holds tables only\n");
  if (files) {
    struct mlaas_file_info info;
    mlaas_file_info(file, &info);
    json_t *made = json_object();
    json_object_set_new(made, "url", mlaas_inspect_text(info.url));
    json_object_set(made, "objects", objects);
    json_array_append_new(files, made);
  }
  json_decref(objects);
}
