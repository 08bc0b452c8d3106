/* Arrow arrays whose buffers are counted blocks. Must not know where the columns come from. */
#include "column/arrow.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

/* Everything an array owns beside its children's own things, in one piece of memory: wide tables have thousands. */
struct array_owned {
  size_t num_blocks;
  struct mlaas_block *blocks;
  struct ArrowArray *children;
  struct ArrowArray **pointers;
  const void **buffers;
};

static void release_array(struct ArrowArray *array) {
  struct array_owned *owned = array->private_data;
  for (int64_t i = 0; i < array->n_children; i++)
    mlaas_array_release(array->children[i]); /* a moved child has no release any more */
  for (size_t i = 0; i < owned->num_blocks; i++)
    mlaas_block_reset(&owned->blocks[i]);
  mlaas_free(owned);
  *array = (struct ArrowArray){0};
}

void mlaas_array_release(struct ArrowArray *array) {
  if (array->release)
    array->release(array);
}

/* Room for one block and buffer more than there are: the validity comes first, NULL as long as nothing is missing. */
static struct array_owned *new_owned(size_t num_blocks, size_t num_children) {
  enum { FEW = 1 << 24 }; /* no sum of these sizes is too large for a size_t */
  struct array_owned *owned = NULL;
  const size_t each_block = sizeof *owned->blocks + sizeof *owned->buffers;
  const size_t each_child = sizeof *owned->children + sizeof *owned->pointers;
  if (num_blocks < FEW && num_children < FEW)
    owned = mlaas_alloc(sizeof *owned + (num_blocks + 1) * each_block + num_children * each_child);
  if (!owned)
    return NULL;
  owned->blocks = (struct mlaas_block *)(owned + 1);
  owned->children = (struct ArrowArray *)(owned->blocks + num_blocks + 1);
  owned->pointers = (struct ArrowArray **)(owned->children + num_children);
  owned->buffers = (const void **)(void *)(owned->pointers + num_children);
  return owned;
}

enum mlaas_status mlaas_array_init(struct ArrowArray *array, int64_t length, struct mlaas_block *blocks,
                                   size_t num_blocks, size_t num_children, struct mlaas_error *error) {
  *array = (struct ArrowArray){0};
  struct array_owned *owned = new_owned(num_blocks, num_children);
  if (!owned)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for an array of %zu buffers and %zu children", num_blocks,
                      num_children);
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

int mlaas_stream_error(const struct mlaas_error *error, char *message, size_t size) {
  mlaas_error_format(error, message, size);
  switch (error->status) {
  case MLAAS_MEMORY:
  case MLAAS_LIMIT:
    return ENOMEM;
  case MLAAS_ARGUMENT:
  case MLAAS_SCHEMA:
    return EINVAL;
  case MLAAS_UNSUPPORTED:
    return ENOSYS;
  default:
    return EIO;
  }
}
