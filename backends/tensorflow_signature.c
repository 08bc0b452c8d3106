/* What a SavedModel says of its inputs and outputs. Must not know TensorFlow's library.
 *
 * Of the protocol buffer: MetaGraphDef has entries (field 5) of name (1) and SignatureDef (2), which has entries of
 * inputs (1) and outputs (2) of name (1) and TensorInfo (2): the tensor's name (1), dtype (2), shape (3), and forms we
 * do not take (4, 5). A shape has dimensions (2) with a size (1), or says that it is unknown (3).
 */
#include "tensorflow_signature.h"

#include "tensorflow_api.h"

struct bytes {
  const unsigned char *at, *end;
};

struct field {
  uint32_t number;
  int wire;
  uint64_t value;     /* wire 0, 1, 5 */
  struct bytes bytes; /* wire 2 */
};

static bool read_varint(struct bytes *bytes, uint64_t *value) {
  *value = 0;
  for (int shift = 0; shift < 64 && bytes->at < bytes->end; shift += 7) {
    unsigned char byte = *bytes->at++;
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128)
      return true;
  }
  return false;
}

/* 1: a field was read, 0: the end, -1: damaged. */
static int read_field(struct bytes *bytes, struct field *field) {
  uint64_t key;
  *field = (struct field){0};
  if (bytes->at == bytes->end)
    return 0;
  if (!read_varint(bytes, &key) || key >> 3 == 0 || key >> 32)
    return -1;
  field->number = (uint32_t)(key >> 3);
  field->wire = (int)(key & 7);
  if (field->wire == 0)
    return read_varint(bytes, &field->value) ? 1 : -1;
  size_t left = (size_t)(bytes->end - bytes->at), length = field->wire == 1 ? 8 : 4;
  if (field->wire == 2) {
    if (!read_varint(bytes, &field->value) || field->value > (size_t)(bytes->end - bytes->at))
      return -1;
    length = (size_t)field->value;
    field->bytes = (struct bytes){bytes->at, bytes->at + length};
  } else if ((field->wire != 1 && field->wire != 5) || left < length) {
    return -1;
  }
  bytes->at += length;
  return 1;
}

/* The last field of that number; false: none, or damaged. */
static bool find_field(struct bytes bytes, uint32_t number, struct field *found) {
  struct field field;
  bool any = false;
  while (read_field(&bytes, &field) == 1)
    if (field.number == number) {
      *found = field;
      any = true;
    }
  return any;
}

static bool text_is(struct bytes bytes, const char *text) {
  size_t length = strlen(text);
  return (size_t)(bytes.end - bytes.at) == length && memcmp(bytes.at, text, length) == 0;
}

/* Into `text` of PLUGIN_NAME_MOST + 1 bytes. */
static enum mlaas_status copy_text(struct bytes bytes, char *text, struct mlaas_error *error) {
  size_t length = (size_t)(bytes.end - bytes.at);
  if (length > PLUGIN_NAME_MOST || (length && memchr(bytes.at, 0, length)))
    return mlaas_backend_fail(error, MLAAS_FORMAT, "a name in the signature has %zu bytes, or a 0 inside", length);
  if (length)
    memcpy(text, bytes.at, length);
  text[length] = 0;
  return MLAAS_OK;
}

enum mlaas_dtype tensorflow_dtype(int number) {
  switch (number) {
#define X(theirs, ours)                                                                                                \
  case theirs:                                                                                                         \
    return MLAAS_DTYPE_##ours;
    TF_DTYPES(X)
#undef X
  default:
    return MLAAS_DTYPE_INVALID;
  }
}

static enum mlaas_status read_shape(struct bytes bytes, struct mlaas_tensor_info *info, struct mlaas_error *error) {
  struct field field, size;
  int more;
  info->num_dims = 0;
  while ((more = read_field(&bytes, &field)) == 1) {
    if (field.number == 3 && field.value) {
      info->num_dims = -1;
      return MLAAS_OK;
    }
    if (field.number != 2 || field.wire != 2)
      continue;
    if (info->num_dims == MLAAS_TENSOR_DIMS)
      return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%.100s has more than %d dimensions", info->name,
                                MLAAS_TENSOR_DIMS);
    int64_t length = find_field(field.bytes, 1, &size) && size.wire == 0 ? (int64_t)size.value : 0;
    info->shape[info->num_dims++] = length < 0 ? -1 : length;
  }
  return more < 0 ? mlaas_backend_fail(error, MLAAS_FORMAT, "the shape of %.100s is damaged", info->name) : MLAAS_OK;
}

static enum mlaas_status read_tensor(struct bytes entry, struct plugin_ports *ports, struct mlaas_error *error) {
  char name[PLUGIN_NAME_MOST + 1] = "", tensor[PLUGIN_NAME_MOST + 1] = "";
  struct field key = {0}, value = {0}, field;
  int dtype = 0, more;
  struct bytes shape = {0};
  bool known = false;
  if (!find_field(entry, 1, &key) || !find_field(entry, 2, &value) || key.wire != 2 || value.wire != 2)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "an input or output of the signature has no name or no tensor");
  PLUGIN_TRY(copy_text(key.bytes, name, error));
  while ((more = read_field(&value.bytes, &field)) == 1) {
    if (field.number == 1 && field.wire == 2)
      PLUGIN_TRY(copy_text(field.bytes, tensor, error));
    else if (field.number == 2 && field.wire == 0)
      dtype = field.value <= INT32_MAX ? (int)field.value : 0;
    else if (field.number == 3 && field.wire == 2)
      shape = field.bytes, known = true;
    else if (field.number == 4 || field.number == 5)
      return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%.100s is a sparse or composite tensor", name);
  }
  if (more < 0 || !tensor[0])
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the tensor of %.100s in the signature is damaged", name);
  if (tensorflow_dtype(dtype) == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "%.100s has elements of TensorFlow's type %d, which is not supported", name, dtype);
  PLUGIN_TRY(plugin_ports_add(ports, tensor, name, tensorflow_dtype(dtype), error));
  struct mlaas_tensor_info *info = &ports->infos[ports->count - 1];
  info->num_dims = -1;
  return known ? read_shape(shape, info, error) : MLAAS_OK;
}

/* The order of the entries in the file changes from one writing to the next. */
static void sort_ports(struct plugin_ports *ports) {
  for (size_t i = 1; i < ports->count; i++)
    for (size_t k = i; k > 0 && strcmp(ports->infos[k].name, ports->infos[k - 1].name) < 0; k--) {
      struct mlaas_tensor_info info = ports->infos[k];
      const char *name = ports->names[k];
      ports->infos[k] = ports->infos[k - 1], ports->infos[k - 1] = info;
      ports->names[k] = ports->names[k - 1], ports->names[k - 1] = name;
    }
}

static enum mlaas_status read_signature(struct bytes bytes, struct plugin_ports *inputs, struct plugin_ports *outputs,
                                        struct mlaas_error *error) {
  struct field field;
  int more;
  while ((more = read_field(&bytes, &field)) == 1)
    if (field.wire == 2 && (field.number == 1 || field.number == 2))
      PLUGIN_TRY(read_tensor(field.bytes, field.number == 1 ? inputs : outputs, error));
  if (more < 0)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the signature is damaged");
  if (!outputs->count)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the signature has no outputs");
  sort_ports(inputs);
  sort_ports(outputs);
  return MLAAS_OK;
}

static enum mlaas_status fail_choice(const char *wanted, size_t count, const char *there, struct mlaas_error *error) {
  if (!count)
    return mlaas_backend_fail(error, MLAAS_FORMAT,
                              "the SavedModel has no signature that can be served: export it with "
                              "one, e.g. model.export(folder)");
  if (wanted)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the SavedModel has no signature %.100s; there are: %s", wanted,
                              there);
  return mlaas_backend_fail(error, MLAAS_ARGUMENT,
                            "the SavedModel has no signature serving_default; choose one with the option signature: %s",
                            there);
}

enum mlaas_status tensorflow_signature_read(const void *bytes, size_t size, const char *wanted,
                                            struct plugin_ports *inputs, struct plugin_ports *outputs,
                                            struct mlaas_error *error) {
  struct bytes meta = {bytes, (const unsigned char *)bytes + size}, found = {0}, only = {0};
  struct field field, name, signature;
  char there[400] = "";
  size_t count = 0;
  int more;
  while ((more = read_field(&meta, &field)) == 1) {
    if (field.number != 5 || field.wire != 2 || !find_field(field.bytes, 1, &name) ||
        !find_field(field.bytes, 2, &signature) || name.wire != 2 || signature.wire != 2)
      continue;
    if (text_is(name.bytes, wanted ? wanted : "serving_default"))
      found = signature.bytes;
    if (text_is(name.bytes, "__saved_model_init_op"))
      continue;
    size_t length = strlen(there);
    snprintf(there + length, sizeof there - length, "%s%.*s", count ? ", " : "",
             (int)(name.bytes.end - name.bytes.at < 60 ? name.bytes.end - name.bytes.at : 60),
             (const char *)name.bytes.at);
    only = signature.bytes;
    count++;
  }
  if (more < 0)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the description of the SavedModel is damaged");
  if (!found.at && !wanted && count == 1)
    found = only;
  if (!found.at)
    return fail_choice(wanted, count, there, error);
  return read_signature(found, inputs, outputs, error);
}
