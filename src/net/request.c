/* What handlers ask of a request. */
#include "net/exchange.h"
#include "net/http1.h"

struct mlaas_slice mlaas_request_header(const struct mlaas_request *request, const char *name) {
  size_t size = strlen(name);
  for (size_t i = 0; i < request->num_headers; i++) {
    const struct mlaas_header *header = &request->headers[i];
    if (header->name.size == size && strncasecmp(header->name.data, name, size) == 0)
      return header->value.size ? header->value : MLAAS_SLICE("");
  }
  return (struct mlaas_slice){0};
}

/* The next "name=value" of a query, still encoded. */
static bool next_parameter(struct mlaas_slice *rest, struct mlaas_slice *name, struct mlaas_slice *value) {
  if (rest->size == 0)
    return false;
  const char *end = memchr(rest->data, '&', rest->size);
  struct mlaas_slice part = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
  const char *equal = part.size ? memchr(part.data, '=', part.size) : NULL;
  size_t used = part.size + (end ? 1 : 0);
  rest->data += used;
  rest->size -= used;
  *name = (struct mlaas_slice){part.data, equal ? (size_t)(equal - part.data) : part.size};
  *value = equal ? (struct mlaas_slice){equal + 1, part.size - name->size - 1}
                 : (struct mlaas_slice){part.data + part.size, 0};
  return true;
}

struct mlaas_slice mlaas_request_parameter(struct mlaas_exchange *exchange, const char *name) {
  struct mlaas_slice rest = exchange->request.query, key, value, found = {0};
  while (next_parameter(&rest, &key, &value)) {
    char *decoded = mlaas_arena_alloc(&exchange->arena, key.size + value.size + 1, 1, NULL);
    if (!decoded)
      return found;
    size_t size;
    if (!mlaas_http_query_decode(key, decoded, &size) || !mlaas_slice_is((struct mlaas_slice){decoded, size}, name))
      continue;
    if (mlaas_http_query_decode(value, decoded, &size)) {
      decoded[size] = 0;
      found = (struct mlaas_slice){decoded, size};
    }
    return found;
  }
  return found;
}
