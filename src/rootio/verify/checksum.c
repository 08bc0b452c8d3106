/* The whole file against the checksum that its server keeps: copies are damaged on the way to a site as well as in it.
 * Must not know what the bytes mean. */
#include "rootio/verify/verify.h"

#include "base/error.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 20, BLOCKS_AHEAD = 8 };

typedef uint32_t sum_up(uint32_t sum, const void *bytes, size_t size);

static uint32_t add_adler32(uint32_t sum, const void *bytes, size_t size) {
  return libdeflate_adler32(sum, bytes, size);
}

static uint32_t add_crc32(uint32_t sum, const void *bytes, size_t size) { return libdeflate_crc32(sum, bytes, size); }

static const struct {
  const char *name;
  sum_up *add;
  uint32_t start;
} kinds[] = {{"adler32", add_adler32, 1}, {"crc32", add_crc32, 0}};

/* Announces blocks [*told, ...) as far as is useful while block `at` is read. */
static void announce(struct mlaas_source *source, int64_t at, int64_t *told) {
  struct mlaas_range ranges[BLOCKS_AHEAD + 1];
  size_t count = 0;
  int64_t size = mlaas_source_size(source), stop = at + (BLOCKS_AHEAD + 1) * (int64_t)BLOCK;
  if (*told > at && *told + BLOCKS_AHEAD / 2 * (int64_t)BLOCK > stop)
    return; /* several in one request */
  for (; *told < size && *told < stop; *told += BLOCK)
    ranges[count++] = (struct mlaas_range){*told, size - *told < BLOCK ? size - *told : BLOCK, NULL};
  mlaas_source_ahead(source, ranges, count);
}

static enum mlaas_status sum_file(struct mlaas_verifier *verifier, sum_up *add, uint32_t *sum,
                                  struct mlaas_error *error) {
  struct mlaas_source *source = verifier->file->container.source;
  int64_t size = mlaas_source_size(source), told = 0;
  struct mlaas_block block;
  MLAAS_TRY(mlaas_block_new(verifier->budget, BLOCK, &block, error));
  enum mlaas_status status = MLAAS_OK;
  for (int64_t at = 0; at < size && status == MLAAS_OK; at += BLOCK) {
    int64_t length = size - at < BLOCK ? size - at : BLOCK;
    announce(source, at, &told);
    status = mlaas_source_read_at(source, at, length, block.data, error);
    if (status == MLAAS_OK) {
      *sum = add(*sum, block.data, (size_t)length);
      status = mlaas_verify_progress(verifier, error);
    }
  }
  mlaas_block_reset(&block);
  return status;
}

static enum mlaas_status compare(struct mlaas_verifier *verifier, const char *text, sum_up *add, uint32_t sum,
                                 uint32_t said, struct mlaas_error *error) {
  struct mlaas_error why = {.offset = -1};
  MLAAS_TRY(sum_file(verifier, add, &sum, error));
  snprintf(verifier->report.checksum, sizeof verifier->report.checksum, "%s", text);
  if (sum == said)
    return MLAAS_OK;
  mlaas_fail(&why, MLAAS_CHECKSUM, "the server's checksum of the file is %s, its bytes have %.*s:%08x", text,
             (int)strcspn(text, ":"), text, sum);
  mlaas_verify_tell(verifier, "file", NULL, -1, &why);
  return MLAAS_OK;
}

/* What the server cannot say, and kinds that nobody here computes, are no finding. */
enum mlaas_status mlaas_verify_checksum(struct mlaas_verifier *verifier, struct mlaas_error *error) {
  struct mlaas_source *source = verifier->file->container.source;
  struct mlaas_error why = {.offset = -1};
  char text[sizeof verifier->report.checksum];
  if (!source || !mlaas_source_is_remote(source))
    return MLAAS_OK;
  enum mlaas_status status = mlaas_source_checksum(source, text, sizeof text, &why);
  if (mlaas_verify_is_fatal(status)) {
    *error = why;
    return status;
  }
  if (status == MLAAS_UNSUPPORTED)
    return MLAAS_OK;
  if (status != MLAAS_OK) { /* the server failed, which says nothing of the file */
    why.status = MLAAS_UNSUPPORTED;
    mlaas_verify_tell(verifier, "file", NULL, -1, &why);
    return MLAAS_OK;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t length = strlen(kinds[i].name);
    char *end;
    if (strncmp(text, kinds[i].name, length) != 0 || text[length] != ':')
      continue;
    unsigned long said = strtoul(text + length + 1, &end, 16);
    if (*end == '\0' && end != text + length + 1 && said <= UINT32_MAX)
      return compare(verifier, text, kinds[i].add, kinds[i].start, (uint32_t)said, error);
  }
  return MLAAS_OK;
}
