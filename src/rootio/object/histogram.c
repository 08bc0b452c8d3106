/* Histograms seen in their objects: axes, contents, weights. Reads nothing from a file. */
#include "rootio/record/layout.h"
#include "rootio/object/value.h"
#include "rootio/table/table.h"

#include <string.h>

static const struct mlaas_item *find_array(const struct mlaas_item *item, const char *name, int64_t count) {
  const struct mlaas_item *found = mlaas_item_find(item, name);
  return found && found->kind == MLAAS_ITEM_ARRAY && found->count == count ? found : NULL;
}

static const char *find_text(const struct mlaas_item *item, const char *name) {
  const struct mlaas_item *found = mlaas_item_find(item, name);
  return found && found->kind == MLAAS_ITEM_TEXT ? found->as.text : "";
}

static bool read_axis(const struct mlaas_item *histogram, const char *name, struct mlaas_axis *axis) {
  enum { MOST_BINS = INT32_MAX / 4 };
  const struct mlaas_item *item = mlaas_item_find(histogram, name);
  int64_t bins;
  const struct mlaas_item *count = mlaas_item_find(item, "fNbins");
  if (!count || !mlaas_item_integer(count, &bins) || bins < 1 || bins > MOST_BINS)
    return false;
  const struct mlaas_item *edges = find_array(item, "fXbins", bins + 1), *labels = mlaas_item_find(item, "fLabels");
  *axis = (struct mlaas_axis){.title = find_text(item, "fTitle"),
                              .bins = (int32_t)bins,
                              .low = mlaas_item_number(mlaas_item_find(item, "fXmin"), 0),
                              .high = mlaas_item_number(mlaas_item_find(item, "fXmax"), 0),
                              .edges = edges && edges->as.array.format == 'd' ? edges->as.array.values : NULL,
                              .labels = labels && labels->kind == MLAAS_ITEM_LIST ? labels : NULL};
  return true;
}

static int dimensions_of(const struct mlaas_object *object) {
  const struct mlaas_streamers *streamers = &object->file->streamers;
  const char *name = object->item.class_name;
  if (object->item.kind != MLAAS_ITEM_OBJECT || !name || mlaas_streamers_derives(streamers, name, "TH2Poly"))
    return 0;
  return mlaas_streamers_derives(streamers, name, "TH3")   ? 3
         : mlaas_streamers_derives(streamers, name, "TH2") ? 2
         : mlaas_streamers_derives(streamers, name, "TH1") ? 1
                                                           : 0;
}

/* Entries that wait in a buffer for ROOT to choose bins. */
static bool has_pending(const struct mlaas_item *item) {
  const struct mlaas_item *buffer = mlaas_item_find(item, "fBuffer");
  return buffer && mlaas_item_number(buffer, 0) > 0;
}

bool mlaas_object_histogram(const struct mlaas_object *object, struct mlaas_histogram *histogram) {
  static const char *const names[] = {"fXaxis", "fYaxis", "fZaxis"};
  const struct mlaas_item *item = &object->item;
  *histogram = (struct mlaas_histogram){.dimensions = dimensions_of(object), .num_bins = 1};
  if (!histogram->dimensions || has_pending(item))
    return false;
  for (int i = 0; i < histogram->dimensions; i++)
    if (!read_axis(item, names[i], &histogram->axes[i]) ||
        __builtin_mul_overflow(histogram->num_bins, (int64_t)histogram->axes[i].bins + 2, &histogram->num_bins))
      return false;
  histogram->entries = mlaas_item_number(mlaas_item_find(item, "fEntries"), 0);
  histogram->title = find_text(item, "fTitle");
  histogram->contents = find_array(item, "fArray", histogram->num_bins);
  histogram->sumw2 = find_array(item, "fSumw2", histogram->num_bins);
  histogram->bin_entries = find_array(item, "fBinEntries", histogram->num_bins);
  return histogram->contents != NULL;
}

double mlaas_histogram_value(const struct mlaas_histogram *histogram, int64_t bin) {
  double content = mlaas_item_number(histogram->contents, bin);
  if (!histogram->bin_entries)
    return content;
  double entries = mlaas_item_number(histogram->bin_entries, bin);
  return entries != 0 ? content / entries : 0;
}

double mlaas_histogram_sum(const struct mlaas_histogram *histogram) {
  int64_t bins[3], x[3] = {1, 1, 1};
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    bins[i] = i < histogram->dimensions ? histogram->axes[i].bins : 1;
    x[i] = i < histogram->dimensions ? 1 : 0;
  }
  int64_t wide_x = bins[0] + 2, wide_y = histogram->dimensions > 1 ? bins[1] + 2 : 1;
  for (int64_t k = x[2]; k < x[2] + bins[2]; k++)
    for (int64_t j = x[1]; j < x[1] + bins[1]; j++)
      for (int64_t i = x[0]; i < x[0] + bins[0]; i++)
        sum += mlaas_histogram_value(histogram, i + wide_x * (j + wide_y * k));
  return sum;
}
