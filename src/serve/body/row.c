/* The wire format of protobuf, as far as two small messages need it. */
#include "serve/body/row.h"

#include "base/error.h"
#include "serve/body/utf8.h"

#include <stdint.h>

enum { VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32, GROUPS_MOST = 64 };

struct scan {
  const unsigned char *at, *end, *begin;
  struct mlaas_error *error;
};

static enum mlaas_status fail(const struct scan *scan, const char *what) {
  return mlaas_fail_at(scan->error, MLAAS_ARGUMENT, scan->at - scan->begin, "the body is no Row: %s", what);
}

static enum mlaas_status take_varint(struct scan *scan, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (scan->at == scan->end)
      return fail(scan, "it ends within a number");
    unsigned char byte = *scan->at++;
    if (shift == 63 && byte > 1)
      return fail(scan, "a number has more than 64 bits");
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128)
      return MLAAS_OK;
  }
  return fail(scan, "a number has more than 10 bytes");
}

static enum mlaas_status take_bytes(struct scan *scan, struct mlaas_slice *bytes) {
  uint64_t size;
  MLAAS_TRY(take_varint(scan, &size));
  if (size > (uint64_t)(scan->end - scan->at))
    return fail(scan, "it ends within a field");
  *bytes = (struct mlaas_slice){(const char *)scan->at, (size_t)size};
  scan->at += size;
  return MLAAS_OK;
}

static enum mlaas_status take_tag(struct scan *scan, uint64_t *field, int *type) {
  uint64_t tag;
  MLAAS_TRY(take_varint(scan, &tag));
  *field = tag >> 3;
  *type = (int)(tag & 7);
  if (*field == 0 || *field > (1u << 29) - 1)
    return fail(scan, "a field has no sound number");
  return MLAAS_OK;
}

/* A field that is not known; groups with all that is in them. */
static enum mlaas_status skip_field(struct scan *scan, uint64_t field, int type) {
  uint64_t open[GROUPS_MOST], value;
  int depth = 0;
  struct mlaas_slice bytes;
  for (;;) {
    if (type == VARINT) {
      MLAAS_TRY(take_varint(scan, &value));
    } else if (type == BYTES) {
      MLAAS_TRY(take_bytes(scan, &bytes));
    } else if (type == FIXED64 || type == FIXED32) {
      ptrdiff_t size = type == FIXED64 ? 8 : 4;
      if (scan->end - scan->at < size)
        return fail(scan, "it ends within a field");
      scan->at += size;
    } else if (type == GROUP) {
      if (depth == GROUPS_MOST)
        return fail(scan, "groups are nested too deeply");
      open[depth++] = field;
    } else if (type == GROUP_END) {
      if (depth == 0 || open[--depth] != field)
        return fail(scan, "a group ends that has not begun");
    } else {
      return fail(scan, "a field of a kind that protobuf does not have");
    }
    if (depth == 0)
      return MLAAS_OK;
    MLAAS_TRY(take_tag(scan, &field, &type));
  }
}

static bool is_utf8(struct mlaas_slice text) {
  for (size_t i = 0, length; i < text.size; i += length)
    if (!(length = mlaas_utf8_length(text.data + i, text.size - i)))
      return false;
  return true;
}

static enum mlaas_status take_values(struct scan *scan, size_t bytes, struct mlaas_row *row) {
  if (bytes % 4)
    return fail(scan, "packed values are cut off");
  if ((size_t)(scan->end - scan->at) < bytes)
    return fail(scan, "it ends within a value");
  if (row->values && bytes)
    memcpy(row->values + row->num_values, scan->at, bytes); /* little endian, as the machines this runs on */
  row->num_values += bytes / 4;
  scan->at += bytes;
  return MLAAS_OK;
}

/* Counts keys and values, and stores them where `row` has room. */
static enum mlaas_status walk(struct scan *scan, struct mlaas_row *row) {
  while (scan->at < scan->end) {
    uint64_t field, size;
    int type;
    struct mlaas_slice text;
    MLAAS_TRY(take_tag(scan, &field, &type));
    if (field == 2 && type == FIXED32) {
      MLAAS_TRY(take_values(scan, 4, row));
    } else if (field == 2 && type == BYTES) {
      MLAAS_TRY(take_varint(scan, &size));
      if (size > (uint64_t)(scan->end - scan->at))
        return fail(scan, "it ends within the values");
      MLAAS_TRY(take_values(scan, (size_t)size, row));
    } else if ((field == 1 || field == 3) && type == BYTES) {
      MLAAS_TRY(take_bytes(scan, &text));
      if (!is_utf8(text))
        return fail(scan, "a text is not UTF-8");
      if (field == 3)
        row->model = text;
      else if (row->keys)
        row->keys[row->num_keys++] = text;
      else
        row->num_keys++;
    } else {
      MLAAS_TRY(skip_field(scan, field, type));
    }
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_row_decode(struct mlaas_slice body, struct mlaas_arena *arena, struct mlaas_row *row,
                                   struct mlaas_error *error) {
  const unsigned char *data = (const unsigned char *)body.data;
  struct scan scan = {.at = data, .end = data + body.size, .begin = data, .error = error};
  *row = (struct mlaas_row){.model = MLAAS_SLICE("")};
  MLAAS_TRY(walk(&scan, row)); /* twice: the first time to know how much room is needed */
  row->keys = mlaas_arena_alloc(arena, row->num_keys, sizeof *row->keys, error);
  row->values = row->keys ? mlaas_arena_alloc(arena, row->num_values, sizeof *row->values, error) : NULL;
  if (!row->values)
    return error ? error->status : MLAAS_MEMORY;
  row->num_keys = row->num_values = 0;
  scan.at = data;
  return walk(&scan, row);
}

/* ---- predictions ---- */

static size_t put_varint(unsigned char *at, uint64_t value) {
  size_t size = 0;
  for (; value >= 128; value >>= 7)
    at[size++] = (unsigned char)(value | 128);
  at[size++] = (unsigned char)value;
  return size;
}

static size_t varint_size(uint64_t value) {
  size_t size = 1;
  while (value >>= 7)
    size++;
  return size;
}

struct mlaas_slice mlaas_predictions_encode(const float *scores, size_t count, const char *const *labels,
                                            size_t num_labels, struct mlaas_arena *arena) {
  size_t room = 0;
  for (size_t i = 0; i < count; i++)
    room += 1 + 10 + 5 + (labels && i < num_labels ? 11 + strlen(labels[i]) : 0);
  unsigned char *data = mlaas_arena_alloc(arena, room, 1, NULL), *at = data;
  if (!data)
    return (struct mlaas_slice){0};
  for (size_t i = 0; i < count; i++) {
    size_t label = labels && i < num_labels ? strlen(labels[i]) : 0;
    uint32_t bits;
    memcpy(&bits, &scores[i], sizeof bits);
    *at++ = 1 << 3 | BYTES;
    at += put_varint(at, (label ? 1 + varint_size(label) + label : 0) + (bits ? 5 : 0));
    if (label) {
      *at++ = 1 << 3 | BYTES;
      at += put_varint(at, label);
      memcpy(at, labels[i], label);
      at += label;
    }
    if (bits) {
      *at++ = 2 << 3 | FIXED32;
      memcpy(at, &bits, 4);
      at += 4;
    }
  }
  return (struct mlaas_slice){(const char *)data, (size_t)(at - data)};
}
