/* Arrow arrays whose buffers are counted blocks. Must not know where the columns come from. */
#include "column/arrow.h"

#include "base/error.h"

#include <string.h>

/* Everything an array owns beside its children's own things. */
struct array_owned {
  struct mlaas_block *blocks;
  size_t num_blocks;
  const void **buffers;
  struct ArrowArray *children;
  struct ArrowArray **pointers;
};

static void free_owned(struct array_owned *owned) {
  if (!owned)
    return;
  mlaas_free(owned->blocks);
  mlaas_free(owned->buffers);
  mlaas_free(owned->children);
  mlaas_free(owned->pointers);
  mlaas_free(owned);
}

static void release_array(struct ArrowArray *array) {
  struct array_owned *owned = array->private_data;
  for (int64_t i = 0; i < array->n_children; i++)
    mlaas_array_release(array->children[i]); /* a moved child has no release any more */
  for (size_t i = 0; i < owned->num_blocks; i++)
    mlaas_block_reset(&owned->blocks[i]);
  free_owned(owned);
  *array = (struct ArrowArray){0};
}

void mlaas_array_release(struct ArrowArray *array) {
  if (array->release)
    array->release(array);
}

/* One more than there are blocks: the validity buffer comes first, NULL as long as nothing is missing. */
static bool own_buffers(struct array_owned *owned, size_t num_blocks, size_t num_children) {
  owned->buffers = mlaas_alloc((num_blocks + 1) * sizeof *owned->buffers);
  owned->blocks = mlaas_alloc((num_blocks + 1) * sizeof *owned->blocks);
  owned->children = mlaas_alloc((num_children + 1) * sizeof *owned->children);
  owned->pointers = mlaas_alloc((num_children + 1) * sizeof *owned->pointers);
  return owned->buffers && owned->blocks && owned->children && owned->pointers;
}

enum mlaas_status mlaas_array_init(struct ArrowArray *array, int64_t length, struct mlaas_block *blocks,
                                   size_t num_blocks, size_t num_children, struct mlaas_error *error) {
  *array = (struct ArrowArray){0};
  struct array_owned *owned = mlaas_alloc(sizeof *owned);
  if (!owned || !own_buffers(owned, num_blocks, num_children)) {
    free_owned(owned);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for an array of %zu buffers and %zu children", num_blocks,
                      num_children);
  }
  owned->num_blocks = num_blocks;
  for (size_t i = 0; i < num_blocks; i++) {
    owned->blocks[i] = blocks[i];
    owned->buffers[i + 1] = blocks[i].data;
    blocks[i] = (struct mlaas_block){0};
  }
  for (size_t i = 0; i < num_children; i++)
    owned->pointers[i] = &owned->children[i];
  *array = (struct ArrowArray){.length = length,
                               .n_buffers = (int64_t)num_blocks + 1,
                               .n_children = (int64_t)num_children,
                               .buffers = owned->buffers,
                               .children = owned->pointers,
                               .release = release_array,
                               .private_data = owned};
  return MLAAS_OK;
}

void mlaas_array_set_validity(struct ArrowArray *array, struct mlaas_block *bits, int64_t missing) {
  struct array_owned *owned = array->private_data;
  owned->buffers[0] = bits->data;
  owned->blocks[owned->num_blocks++] = *bits;
  *bits = (struct mlaas_block){0};
  array->null_count = missing;
}

size_t mlaas_format_width(const char *format) {
  static const char formats[] = "cCsSiIlLfg", widths[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  const char *found = format[0] && !format[1] ? strchr(formats, format[0]) : NULL;
  return found ? (size_t)widths[found - formats] : 0;
}
