/* Pages of ListObjectsV2: the first line is the prefix, the rest the XML. Every name that is told lies below the prefix
 * and can be held. */
#include "../src/source/http/s3_list.c"

#include "text_fuzz.h"

static bool take_entry(void *context, const struct mlaas_wire_entry *entry) {
  struct listing *listing = context;
  size_t bucket = strlen(listing->bucket), prefix = strlen(listing->prefix);
  if (strncmp(entry->url, listing->bucket, bucket) != 0 || strncmp(entry->url + bucket, listing->prefix, prefix) != 0 ||
      entry->size < -1)
    abort();
  return strlen(entry->url) % 16 != 15;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *prefix = fuzz_line(&data, &size);
  if (!prefix)
    return 0;
  if (strlen(prefix) > 1024)
    prefix[1024] = 0;
  struct listing *listing = calloc(1, sizeof *listing);
  char *text = malloc(size + 1);
  if (!listing || !text)
    abort();
  memcpy(text, data, size);
  *listing = (struct listing){.bucket = "s3://bucket/", .prefix = prefix, .entry = take_entry, .context = listing};
  const struct mlaas_xml_events events = {open_element, close_element, listing};
  (void)mlaas_xml_parse(text, size, &events, NULL);
  if (!memchr(listing->key, 0, sizeof listing->key) || !memchr(listing->token, 0, sizeof listing->token))
    abort();
  free(text);
  free(prefix);
  free(listing);
  return 0;
}
