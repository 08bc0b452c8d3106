/* Hostile objects: every key of a file that is no table, read by the file's own streamer info into items, each of which
 * is looked at, as a histogram too.
 */
#include "rootio/object/value.h"
#include "rootio/table/table.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_DEPTH = 2000, MOST_OBJECTS = 64 };

static double visit(const struct mlaas_item *item, int depth) {
  if (depth > MOST_DEPTH)
    __builtin_trap();
  double sum = mlaas_item_number(item, item->kind == MLAAS_ITEM_ARRAY ? item->count - 1 : 0);
  if (item->kind == MLAAS_ITEM_TEXT && item->as.text[item->count] != '\0')
    __builtin_trap();
  if (item->kind == MLAAS_ITEM_UNREADABLE)
    sum += (double)strlen(item->as.reason);
  for (int64_t i = 0; item->kind == MLAAS_ITEM_OBJECT && i < item->count; i++)
    sum += visit(&item->as.members[i].item, depth + 1);
  int64_t count = item->kind == MLAAS_ITEM_LIST ? item->count : item->kind == MLAAS_ITEM_MAP ? 2 * item->count : 0;
  for (int64_t i = 0; i < count; i++)
    sum += visit(&item->as.items[i], depth + 1);
  return sum;
}

static void read_object(struct mlaas_file *file, size_t i) {
  struct mlaas_object_info info;
  struct mlaas_object *object;
  struct mlaas_error error;
  struct mlaas_histogram histogram;
  mlaas_file_object(file, i, &info);
  if (mlaas_object_open(file, info.path, &object, &error) != MLAAS_OK)
    return;
  visit(mlaas_object_item(object), 0);
  if (mlaas_object_histogram(object, &histogram) && histogram.num_bins < 100000)
    mlaas_histogram_sum(&histogram);
  mlaas_object_close(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 << 20, .threads = 1};
  struct mlaas_context *context;
  struct mlaas_source *source;
  struct mlaas_file *file;
  struct mlaas_error error;
  if (mlaas_context_new(&options, &context, &error) != MLAAS_OK)
    return 0;
  if (mlaas_source_from_memory(data, size, &source, &error) == MLAAS_OK &&
      mlaas_file_from_source(context, source, &file, &error) == MLAAS_OK) {
    for (size_t i = 0; i < mlaas_file_num_objects(file) && i < MOST_OBJECTS; i++)
      read_object(file, i);
    mlaas_file_close(file);
  }
  if (mlaas_context_memory_held(context) != 0)
    __builtin_trap();
  mlaas_context_put(context);
  return 0;
}
