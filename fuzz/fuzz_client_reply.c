/* Replies of a server to the client: JSON of predictions and of images, protobuf. What is taken as JSON must be JSON
 * for jansson too, with the same numbers in the same order.
 */
#include "internal.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good) {
  if (!good)
    __builtin_trap();
}

/* The numbers of a value, one behind the other. */
static void compare(const json_t *value, const struct mlaas_client_output *output, size_t *at) {
  size_t i;
  const json_t *item;
  if (json_is_array(value)) {
    json_array_foreach(value, i, item) compare(item, output, at);
    return;
  }
  must(*at < output->rows * output->width);
  float ours = output->values[(*at)++];
  must(json_is_null(value) ? isnan(ours) != 0 : json_is_number(value));
  if (!json_is_number(value))
    return;
  double theirs = json_number_value(value);
  must(isinf(ours) ? fabs(theirs) > 3.4e38 : fabs((double)ours - theirs) <= fabs(theirs) * 1e-7 + 1e-44);
}

static void try_json(const struct mlaas_client_buffer *reply, size_t rows) {
  struct mlaas_client_result result = {0};
  struct mlaas_client_error error;
  if (mlaas_client_reply_decode(reply, rows, &result, &error) != MLAAS_CLIENT_OK) {
    must(!result.outputs);
    return;
  }
  json_error_t problem;
  json_t *tree = json_loadb(reply->data, reply->size, 0, &problem);
  /* a number too large for a double is infinite for us, and an error for jansson; so is a very deep value */
  must(tree != NULL || strstr(problem.text, "number overflow") || strstr(problem.text, "too big integer"));
  if (json_is_array(tree)) {
    size_t at = 0;
    compare(tree, &result.outputs[0], &at);
    must(at == result.outputs[0].rows * result.outputs[0].width);
  }
  json_decref(tree);
  mlaas_client_result_reset(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_client_buffer reply = {0};
  struct mlaas_client_result result = {0};
  if (size < 1)
    return 0;
  mlaas_client_buffer_add(&reply, data + 1, size - 1);
  try_json(&reply, 1 + data[0] % 3);
  (void)mlaas_client_image_decode(&reply, &result, NULL);
  mlaas_client_result_reset(&result);
  (void)mlaas_client_proto_decode(&reply, &result, NULL);
  mlaas_client_result_reset(&result);
  mlaas_client_buffer_reset(&reply);
  return 0;
}
