/* Histograms whose entries were still in a buffer when they were written: ROOT puts them into the bins at the first
 * look, so this does, too. Where ROOT would choose the bins by the entries, the buffer stays as it is, and says so by a
 * positive count in front. Must not know how objects are read. */
#include "rootio/object/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_AXES = 3, IS_NOT_WEIGHTED = 1 << 19, CAN_REBIN = 1 << 11, CAN_EXTEND = 1 << 1 };

struct axis {
  int64_t bins;
  double low, high;
  const double *edges; /* bins + 1 of them, or NULL */
};

struct filling {
  struct mlaas_item *contents, *sumw2, *buffer;
  struct axis axes[MOST_AXES];
  int dimensions;
  int64_t cells, entries;
  bool extends; /* its axes grow with what is filled */
};

static struct mlaas_item *find(const struct mlaas_item *object, const char *name) {
  for (int64_t i = object->count - 1; i >= 0; i--)
    if (strcmp(object->as.members[i].name, name) == 0) /* items are not const before anybody has seen them */
      return (struct mlaas_item *)(uintptr_t)&object->as.members[i].item;
  return NULL;
}

static double real_of(const struct mlaas_item *object, const char *name) {
  return mlaas_item_number(mlaas_item_find(object, name), 0);
}

static uint32_t bits_of(const struct mlaas_item *object, const char *name) {
  int64_t bits = 0;
  const struct mlaas_item *item = mlaas_item_find(object, name);
  return item && mlaas_item_integer(item, &bits) ? (uint32_t)bits : 0;
}

static double *doubles_of(struct mlaas_item *item) {
  if (!item || item->kind != MLAAS_ITEM_ARRAY || item->as.array.format != 'd')
    return NULL;
  return (double *)(uintptr_t)item->as.array.values;
}

static bool take_axis(const struct mlaas_item *histogram, const char *name, struct filling *filling) {
  struct axis *axis = &filling->axes[filling->dimensions];
  const struct mlaas_item *item = mlaas_item_find(histogram, name), *bins = mlaas_item_find(item, "fNbins");
  struct mlaas_item *edges = item && item->kind == MLAAS_ITEM_OBJECT ? find(item, "fXbins") : NULL;
  if (!bins || !mlaas_item_integer(bins, &axis->bins) || axis->bins < 1 || axis->bins > INT32_MAX / 4)
    return false;
  axis->low = real_of(item, "fXmin");
  axis->high = real_of(item, "fXmax");
  axis->edges = edges && edges->count == axis->bins + 1 ? doubles_of(edges) : NULL;
  filling->extends = filling->extends || (bits_of(item, "fBits2") & CAN_EXTEND);
  filling->dimensions++;
  return axis->low < axis->high && !__builtin_mul_overflow(filling->cells, axis->bins + 2, &filling->cells);
}

/* How many axes a histogram has, by the class that declares its members; 0 for profiles, which have more to fill. */
static int count_axes(const struct mlaas_item *histogram) {
  int axes = 1;
  for (int64_t i = 0; i < histogram->count; i++) {
    const char *owner = histogram->as.members[i].class_name;
    if (strcmp(owner, "TH2") == 0 || strcmp(owner, "TH3") == 0)
      axes = owner[2] - '0';
  }
  return find(histogram, "fBinEntries") ? 0 : axes;
}

static int64_t find_bin(const struct axis *axis, double x) {
  if (x < axis->low)
    return 0;
  if (!(x < axis->high)) /* NaN too */
    return axis->bins + 1;
  if (!axis->edges)
    return 1 + (int64_t)((double)axis->bins * (x - axis->low) / (axis->high - axis->low));
  int64_t low = 0, high = axis->bins; /* edges[low] <= x < edges[high] */
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (axis->edges[middle] <= x)
      low = middle;
    else
      high = middle;
  }
  return low + 1;
}

/* Sums that do not fit stay at the edge, as in ROOT. */
static double clamp(double value, double most) { return value > most ? most : value < -most ? -most : value; }

static void add_content(struct mlaas_item *contents, int64_t cell, double weight) {
  void *values = (void *)(uintptr_t)contents->as.array.values;
  double truncated = clamp(trunc(weight), 4e18);
  switch (contents->as.array.format) {
  case 'd':
    ((double *)values)[cell] += weight;
    break;
  case 'f':
    ((float *)values)[cell] += (float)weight;
    break;
  case 'b':
    ((int8_t *)values)[cell] = (int8_t)clamp(((int8_t *)values)[cell] + truncated, 127);
    break;
  case 'h':
    ((int16_t *)values)[cell] = (int16_t)clamp(((int16_t *)values)[cell] + truncated, 32767);
    break;
  case 'i':
    ((int32_t *)values)[cell] = (int32_t)clamp(((int32_t *)values)[cell] + truncated, 2147483647);
    break;
  default:
    ((int64_t *)values)[cell] += (int64_t)truncated;
  }
}

/* Sums of squared weights begin with the contents, when the first weight that is not 1 comes. */
static bool make_sumw2(struct mlaas_record *record, const struct filling *filling) {
  double *squares = mlaas_record_alloc(record, (size_t)filling->cells, sizeof *squares);
  int64_t *shape = mlaas_record_alloc(record, 1, sizeof *shape);
  struct mlaas_item *sumw2 = filling->sumw2;
  if (!squares || !shape || !sumw2)
    return false;
  for (int64_t i = 0; i < filling->cells; i++)
    squares[i] = fabs(mlaas_item_number(filling->contents, i));
  *shape = filling->cells;
  sumw2->count = filling->cells;
  sumw2->as.array.values = squares;
  sumw2->as.array.shape = shape;
  return true;
}

static void add_to(struct mlaas_item *histogram, const char *name, double value) {
  struct mlaas_item *item = find(histogram, name);
  if (item && item->kind == MLAAS_ITEM_DOUBLE)
    item->as.real += value;
}

/* The sums that means and widths are computed from; only what lies inside counts. */
static void add_moments(struct mlaas_item *histogram, int dimensions, double weight, const double *x) {
  static const char *const first[] = {"fTsumwx", "fTsumwy", "fTsumwz"};
  static const char *const second[] = {"fTsumwx2", "fTsumwy2", "fTsumwz2"};
  static const char *const mixed[] = {"fTsumwxy", "fTsumwxz", "fTsumwyz"};
  add_to(histogram, "fTsumw", weight);
  add_to(histogram, "fTsumw2", weight * weight);
  for (int i = 0; i < dimensions; i++) {
    add_to(histogram, first[i], weight * x[i]);
    add_to(histogram, second[i], weight * x[i] * x[i]);
  }
  for (int i = 0; i < dimensions; i++)
    for (int k = i + 1; k < dimensions; k++)
      add_to(histogram, mixed[i + k - 1], weight * x[i] * x[k]);
}

static void fill(struct mlaas_record *record, struct mlaas_item *histogram, struct filling *filling) {
  const double *entry = doubles_of(filling->buffer) + 1; /* weight, x, y, z */
  bool weighted = !(bits_of(histogram, "fBits") & IS_NOT_WEIGHTED);
  for (int64_t i = 0; i < filling->entries; i++, entry += filling->dimensions + 1) {
    int64_t cell = 0, stride = 1;
    bool inside = true;
    for (int k = 0; k < filling->dimensions; k++) {
      int64_t bin = find_bin(&filling->axes[k], entry[1 + k]);
      inside = inside && bin > 0 && bin <= filling->axes[k].bins;
      cell += stride * bin;
      stride *= filling->axes[k].bins + 2;
    }
    double *squares = doubles_of(filling->sumw2);
    if (filling->sumw2->count != filling->cells && entry[0] != 1 && weighted) {
      if (!make_sumw2(record, filling))
        return;
      squares = doubles_of(filling->sumw2);
    }
    if (filling->sumw2->count == filling->cells && squares)
      squares[cell] += entry[0] * entry[0];
    add_content(filling->contents, cell, entry[0]);
    if (inside)
      add_moments(histogram, filling->dimensions, entry[0], entry + 1);
  }
}

/* ROOT would move an axis that may grow to hold all entries. */
static bool keeps_axes(const struct filling *filling) {
  const double *entry = doubles_of(filling->buffer) + 1;
  for (int64_t i = 0; filling->extends && i < filling->entries; i++, entry += filling->dimensions + 1)
    for (int k = 0; k < filling->dimensions; k++)
      if (!(entry[1 + k] >= filling->axes[k].low && entry[1 + k] < filling->axes[k].high))
        return false;
  return true;
}

static bool prepare(const struct mlaas_item *histogram, struct filling *filling) {
  static const char *const names[] = {"fXaxis", "fYaxis", "fZaxis"};
  int axes = count_axes(histogram);
  filling->extends = bits_of(histogram, "fBits") & CAN_REBIN;
  for (int i = 0; i < axes; i++)
    if (!take_axis(histogram, names[i], filling))
      return false;
  filling->contents = find(histogram, "fArray");
  filling->sumw2 = find(histogram, "fSumw2");
  return axes && filling->contents && filling->contents->kind == MLAAS_ITEM_ARRAY &&
         filling->contents->count == filling->cells && doubles_of(filling->sumw2) &&
         (filling->sumw2->count == 0 || filling->sumw2->count == filling->cells) &&
         filling->entries <= (filling->buffer->count - 1) / (filling->dimensions + 1) && keeps_axes(filling);
}

void mlaas_record_settle(struct mlaas_record *record, struct mlaas_item *item) {
  if (item->kind != MLAAS_ITEM_OBJECT || record->cursor.status != MLAAS_OK)
    return;
  struct filling filling = {.cells = 1, .buffer = find(item, "fBuffer")};
  double *buffer = doubles_of(filling.buffer);
  if (!buffer || filling.buffer->count < 2 || !(buffer[0] >= 1) || !(buffer[0] < 1e9))
    return; /* none, or its entries are in the bins too */
  filling.entries = (int64_t)buffer[0];
  if (!prepare(item, &filling))
    return;
  fill(record, item, &filling);
  add_to(item, "fEntries", (double)filling.entries);
  buffer[0] = -buffer[0];
}
