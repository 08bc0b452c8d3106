/* TFaaS's two protobuf messages by hand: Row (key 1, value 2, model 3) and Predictions (prediction 1 of Class: label 1,
 * probability 2). Unknown fields are passed over; everything is checked against the end of the message.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum wire { VARINT, EIGHT, BYTES, FOUR = 5 };

static void put_varint(struct mlaas_client_buffer *to, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  do {
    bytes[size++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
  } while (value);
  mlaas_client_buffer_add(to, bytes, size);
}

static void put_text(struct mlaas_client_buffer *to, unsigned field, const char *text) {
  put_varint(to, field << 3 | BYTES);
  put_varint(to, strlen(text));
  mlaas_client_buffer_text(to, text);
}

void mlaas_client_proto_encode(struct mlaas_client_buffer *to, const char *model, const char *const *names,
                               const float *values, size_t count) {
  for (size_t i = 0; names && i < count; i++)
    put_text(to, 1, names[i]);
  if (count) {
    put_varint(to, 2 << 3 | BYTES);
    put_varint(to, (uint64_t)count * 4);
  }
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], 4);
    unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
                              (unsigned char)(bits >> 24)};
    mlaas_client_buffer_add(to, bytes, 4);
  }
  if (model && model[0])
    put_text(to, 3, model);
}

struct cursor {
  const unsigned char *at, *end;
};

static bool get_varint(struct cursor *cursor, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (cursor->at >= cursor->end)
      return false;
    unsigned char byte = *cursor->at++;
    if (shift == 63 && byte > 1)
      return false;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return false;
}

/* The next field: its number and wire type, and for BYTES, FOUR and EIGHT what is in it. */
static bool get_field(struct cursor *cursor, uint64_t *field, enum wire *wire, struct cursor *content) {
  uint64_t tag, size;
  if (!get_varint(cursor, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
    return false;
  *field = tag >> 3;
  *wire = (enum wire)(tag & 7);
  if (*wire == VARINT)
    return get_varint(cursor, &size);
  if (*wire == BYTES) {
    if (!get_varint(cursor, &size))
      return false;
  } else if (*wire == EIGHT || *wire == FOUR) {
    size = *wire == EIGHT ? 8 : 4;
  } else {
    return false;
  }
  if (size > (uint64_t)(cursor->end - cursor->at))
    return false;
  *content = (struct cursor){cursor->at, cursor->at + size};
  cursor->at += size;
  return true;
}

struct class_row {
  struct cursor label;
  float probability;
};

static bool get_class(struct cursor cursor, struct class_row *row) {
  *row = (struct class_row){0};
  while (cursor.at < cursor.end) {
    uint64_t field;
    enum wire wire;
    struct cursor content;
    if (!get_field(&cursor, &field, &wire, &content))
      return false;
    if (field == 1 && wire == BYTES) {
      row->label = content;
    } else if (field == 2 && wire == FOUR) {
      const unsigned char *b = content.at;
      uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
      memcpy(&row->probability, &bits, 4);
    }
  }
  return true;
}

/* Counts the classes; false: the message is damaged. */
static bool count_classes(struct cursor cursor, size_t *count, size_t *labels) {
  *count = *labels = 0;
  while (cursor.at < cursor.end) {
    uint64_t field;
    enum wire wire;
    struct cursor content;
    struct class_row row;
    if (!get_field(&cursor, &field, &wire, &content))
      return false;
    if (field != 1 || wire != BYTES)
      continue;
    if (!get_class(content, &row))
      return false;
    ++*count;
    *labels += row.label.at < row.label.end;
  }
  return true;
}

/* One allocation: the pointers, then the texts. */
static const char **labels_new(struct cursor cursor, size_t count) {
  size_t texts = 0, i = 0, bytes = (size_t)(cursor.end - cursor.at) + count;
  const char **labels = mlaas_client_alloc(count * sizeof *labels + bytes);
  char *text = labels ? (char *)(labels + count) : NULL;
  while (labels && cursor.at < cursor.end) {
    uint64_t field;
    enum wire wire;
    struct cursor content;
    struct class_row row;
    if (!get_field(&cursor, &field, &wire, &content) || field != 1 || wire != BYTES || !get_class(content, &row))
      continue;
    size_t length = (size_t)(row.label.end - row.label.at);
    if (length)
      memcpy(text + texts, row.label.at, length);
    labels[i++] = text + texts;
    texts += length + 1;
  }
  return labels;
}

enum mlaas_client_status mlaas_client_proto_decode(const struct mlaas_client_buffer *reply,
                                                   struct mlaas_client_result *result,
                                                   struct mlaas_client_error *error) {
  struct cursor cursor = {(const unsigned char *)reply->data, (const unsigned char *)reply->data};
  size_t count = 0, labels = 0, i = 0;
  if (reply->size)
    cursor.end += reply->size;
  if (!count_classes(cursor, &count, &labels))
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the reply of %zu bytes is no Predictions message",
                             reply->size);
  float *values = mlaas_client_alloc(count * sizeof *values);
  const char **texts = values && labels ? labels_new(cursor, count) : NULL;
  struct mlaas_client_output *output =
      values && (!labels || texts) ? mlaas_client_result_add(result, "", values, 1, count) : NULL;
  if (!output) {
    free(values);
    free(texts);
    return mlaas_client_no_memory(error);
  }
  output->labels = texts;
  while (cursor.at < cursor.end && i < count) {
    uint64_t field;
    enum wire wire;
    struct cursor content;
    struct class_row row;
    if (get_field(&cursor, &field, &wire, &content) && field == 1 && wire == BYTES && get_class(content, &row))
      values[i++] = row.probability;
  }
  return MLAAS_CLIENT_OK;
}
