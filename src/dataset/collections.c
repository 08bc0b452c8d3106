/* Finding collections among the columns of specs, and the widths that their lists ask for. */
#include "dataset/collections.h"

#include "base/error.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static bool same_collection(const struct mlaas_column_stats *a, const struct mlaas_column_stats *b) {
  if (a->counter && b->counter && strcmp(a->counter, b->counter) == 0)
    return true;
  bool known = a->num_lengths == b->num_lengths && a->num_lengths > 0 && a->shape != 0;
  return known && a->shape == b->shape && memcmp(a->lengths, b->lengths, a->num_lengths * sizeof *a->lengths) == 0;
}

static int64_t longest_list(const struct mlaas_column_stats *column) {
  size_t n = column->num_lengths;
  while (n && column->lengths[n - 1] == 0)
    n--;
  return n ? (int64_t)n - 1 : 0;
}

/* ---- names ---- */

static size_t common_length(const char *a, const char *b, size_t most) {
  size_t n = 0;
  while (n < most && a[n] && a[n] == b[n])
    n++;
  return n;
}

/* Cuts a common beginning back to where a word ends: "Jet_p" -> "Jet", "jetMa" -> "jet", "ak4" stays. */
static size_t word_length(const char *name, size_t length) {
  size_t n = length;
  bool whole = !name[n] || isupper((unsigned char)name[n]) || !isalnum((unsigned char)name[n]);
  if (!whole) {
    while (n && !(n < length && isupper((unsigned char)name[n])) && isalnum((unsigned char)name[n - 1]))
      n--;
    if (n == 0)
      return length; /* no border between words: take it as it is */
  }
  while (n && !isalnum((unsigned char)name[n - 1]))
    n--;
  return n;
}

static enum mlaas_status name_collection(struct mlaas_collections *collections, const struct mlaas_specs *specs,
                                         size_t c, struct mlaas_error *error) {
  struct mlaas_collection *item = &collections->items[c];
  const struct mlaas_column_stats *first = &specs->columns[item->first];
  const char *counter = first->counter;
  size_t length = strlen(first->name), members = 0;
  for (size_t i = 0; i < specs->num_columns; i++) {
    if (collections->of[i] != c)
      continue;
    members++;
    length = common_length(first->name, specs->columns[i].name, length);
    counter = counter ? counter : specs->columns[i].counter;
  }
  if (members > 1)
    length = word_length(first->name, length);
  const char *base = counter ? counter : first->name;
  if (counter)
    length = strlen(counter);
  for (size_t i = 0; i < c; i++) /* taken already: the first branch's name is not */
    if (strncmp(collections->items[i].name, base, length) == 0 && !collections->items[i].name[length])
      length = 0;
  if (length == 0) {
    base = first->name;
    length = strlen(base);
  }
  item->name = mlaas_alloc(length + 1);
  if (!item->name)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for collections");
  memcpy(item->name, base, length);
  return MLAAS_OK;
}

/* ---- the set ---- */

void mlaas_collections_reset(struct mlaas_collections *collections) {
  for (size_t i = 0; i < collections->count; i++)
    mlaas_free(collections->items[i].name);
  mlaas_free(collections->items);
  mlaas_free(collections->of);
  *collections = (struct mlaas_collections){0};
}

static void group(struct mlaas_collections *collections, const struct mlaas_specs *specs) {
  for (size_t i = 0; i < specs->num_columns; i++) {
    const struct mlaas_column_stats *column = &specs->columns[i];
    size_t c = 0;
    collections->of[i] = SIZE_MAX;
    if (!column->jagged)
      continue;
    while (c < collections->count && !same_collection(&specs->columns[collections->items[c].first], column))
      c++;
    if (c == collections->count)
      collections->items[collections->count++].first = i;
    collections->of[i] = c;
    struct mlaas_collection *item = &collections->items[c];
    int64_t longest = longest_list(column);
    item->longest = longest > item->longest ? longest : item->longest;
  }
}

enum mlaas_status mlaas_collections_init(struct mlaas_collections *collections, const struct mlaas_specs *specs,
                                         struct mlaas_error *error) {
  *collections = (struct mlaas_collections){0};
  collections->of = mlaas_alloc(specs->num_columns * sizeof *collections->of);
  collections->items = mlaas_alloc(specs->num_columns * sizeof *collections->items);
  enum mlaas_status status = MLAAS_OK;
  if (!collections->of || !collections->items)
    status = mlaas_fail(error, MLAAS_MEMORY, "out of memory for collections");
  else
    group(collections, specs);
  for (size_t c = 0; c < collections->count && status == MLAAS_OK; c++)
    status = name_collection(collections, specs, c, error);
  if (status != MLAAS_OK)
    mlaas_collections_reset(collections);
  return status;
}

size_t mlaas_collections_find(const struct mlaas_collections *collections, const struct mlaas_specs *specs,
                              const char *name) {
  for (size_t c = 0; c < collections->count; c++)
    if (strcmp(collections->items[c].name, name) == 0)
      return c;
  for (size_t i = 0; i < specs->num_columns; i++)
    if (strcmp(specs->columns[i].name, name) == 0)
      return collections->of[i];
  return SIZE_MAX;
}

int64_t mlaas_collection_quantile(const struct mlaas_specs *specs, const struct mlaas_collection *collection,
                                  double quantile) {
  const struct mlaas_column_stats *column = &specs->columns[collection->first];
  int64_t total = 0, below = 0;
  for (size_t i = 0; i < column->num_lengths; i++)
    total += column->lengths[i];
  for (size_t i = 0; i < column->num_lengths; i++) {
    below += column->lengths[i];
    if (i > 0 && (double)below >= quantile * (double)total)
      return (int64_t)i;
  }
  return collection->longest > 1 ? collection->longest : 1;
}

int64_t mlaas_collection_cut(const struct mlaas_specs *specs, const struct mlaas_collection *collection,
                             int64_t width) {
  const struct mlaas_column_stats *column = &specs->columns[collection->first];
  int64_t cut = 0;
  for (size_t i = (size_t)width + 1; i < column->num_lengths; i++)
    cut += column->lengths[i];
  return cut;
}
