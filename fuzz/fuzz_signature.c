/* The reader of a SavedModel's signatures: what it accepts has names and shapes within their limits. */
#include "../backends/plugin.c"
#include "../backends/tensorflow_signature.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct plugin_ports *ports) {
  for (size_t i = 0; i < ports->count; i++) {
    const struct mlaas_tensor_info *info = &ports->infos[i];
    if (info->num_dims < -1 || info->num_dims > MLAAS_TENSOR_DIMS || info->dtype <= MLAAS_DTYPE_INVALID ||
        info->dtype >= MLAAS_DTYPE_COUNT || strlen(info->name) > PLUGIN_NAME_MOST || !ports->names[i][0])
      __builtin_trap();
    for (int k = 0; k < info->num_dims; k++)
      if (info->shape[k] < -1)
        __builtin_trap();
    if (i && strcmp(ports->infos[i - 1].name, info->name) > 0)
      __builtin_trap();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const wanted[] = {NULL, "serving_default", "other"};
  for (size_t i = 0; i < 3; i++) {
    struct plugin_ports inputs = {0}, outputs = {0};
    if (tensorflow_signature_read(data, size, wanted[i], &inputs, &outputs, NULL) == MLAAS_OK) {
      check(&inputs);
      check(&outputs);
      if (!outputs.count)
        __builtin_trap();
    }
    plugin_ports_reset(&inputs);
    plugin_ports_reset(&outputs);
  }
  return 0;
}
