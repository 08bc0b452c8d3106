/* Verifies a file: header, keys, and table after table. Must not know how a basket or a page looks inside. */
#include "rootio/verify/verify.h"

#include "base/error.h"
#include "rootio/object/value.h"

#include <stdio.h>
#include <string.h>

enum { MOST_FINDINGS = 1000, SLAB = 512, HEAD_BYTES = 64, BIG_FILE = 1000000 };

bool mlaas_verify_is_fatal(enum mlaas_status status) {
  return status == MLAAS_MEMORY || status == MLAAS_STATE || status == MLAAS_CANCELLED || status == MLAAS_INTERNAL ||
         status == MLAAS_ARGUMENT;
}

bool mlaas_verify_was_told(const struct mlaas_verifier *verifier, int64_t offset) {
  for (size_t i = 0; offset >= 0 && i < verifier->num_told; i++)
    if (verifier->told[i] == offset)
      return true;
  return false;
}

void mlaas_verify_tell(struct mlaas_verifier *verifier, const char *part, const char *column, int64_t number,
                       const struct mlaas_error *error) {
  struct mlaas_verify_report *report = &verifier->report;
  int64_t most = verifier->options.most_findings;
  if (error->status == MLAAS_UNSUPPORTED) {
    report->unsupported++;
  } else {
    report->findings++;
    if (report->status == MLAAS_OK)
      report->status = error->status;
  }
  if (report->findings + report->unsupported > most)
    return;
  if (error->offset >= 0)
    verifier->told[verifier->num_told++] = error->offset;
  struct mlaas_finding finding = {.status = error->status,
                                  .part = part,
                                  .path = verifier->path ? verifier->path : "",
                                  .column = column ? column : "",
                                  .number = number,
                                  .offset = error->offset,
                                  .message = error->message};
  if (verifier->options.finding)
    verifier->options.finding(verifier->options.context, &finding);
}

enum mlaas_status mlaas_verify_progress(struct mlaas_verifier *verifier, struct mlaas_error *error) {
  struct mlaas_file_info info;
  if (!verifier->options.progress)
    return MLAAS_OK;
  mlaas_file_info(verifier->file, &info);
  int64_t done = info.bytes_read - verifier->bytes_before;
  if (verifier->options.progress(verifier->options.context, done < info.size ? done : info.size, info.size))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_CANCELLED, "the verification was stopped");
}

/* ---- many checks on all threads ---- */

struct slab {
  const struct mlaas_verify_checks *checks;
  size_t first;
  bool failed[SLAB];
};

static enum mlaas_status check_item(void *context, size_t i, int worker, struct mlaas_error *error) {
  struct slab *slab = context;
  const struct mlaas_verify_checks *checks = slab->checks;
  enum mlaas_status status = checks->check(checks, slab->first + i, &checks->verifier->workers[worker], error);
  slab->failed[i] = status != MLAAS_OK;
  return mlaas_verify_is_fatal(status) ? status : MLAAS_OK;
}

/* Failed checks run once more for their errors: few fail, and errors are large. */
static enum mlaas_status tell_failed(struct slab *slab, size_t count, struct mlaas_error *error) {
  const struct mlaas_verify_checks *checks = slab->checks;
  for (size_t i = 0; i < count; i++) {
    if (!slab->failed[i])
      continue;
    struct mlaas_error why = {.offset = -1};
    enum mlaas_status status = checks->check(checks, slab->first + i, &checks->verifier->workers[0], &why);
    if (mlaas_verify_is_fatal(status)) {
      *error = why;
      return status;
    }
    if (status != MLAAS_OK)
      checks->tell(checks, slab->first + i, &why);
  }
  return MLAAS_OK;
}

/* What checks [first, first + count) read, so that it comes in few requests. */
static void announce(const struct mlaas_verify_checks *checks, size_t first, size_t count) {
  enum { RANGES = 2 * SLAB };
  struct mlaas_source *source = checks->verifier->file->container.source;
  struct mlaas_range ranges[RANGES];
  size_t num_ranges = 0;
  if (!checks->reads || !mlaas_source_is_remote(source))
    return;
  for (size_t i = first; i < first + count; i++)
    num_ranges += checks->reads(checks, i, ranges + num_ranges);
  mlaas_source_ahead(source, ranges, num_ranges);
}

enum mlaas_status mlaas_verify_run(const struct mlaas_verify_checks *checks, size_t count, struct mlaas_error *error) {
  struct slab slab = {.checks = checks};
  for (; slab.first < count; slab.first += SLAB) {
    size_t now = count - slab.first < SLAB ? count - slab.first : SLAB;
    memset(slab.failed, 0, sizeof slab.failed);
    announce(checks, slab.first, now);
    MLAAS_TRY(mlaas_pool_run(checks->verifier->pool, now, check_item, &slab, error));
    MLAAS_TRY(tell_failed(&slab, now, error));
    MLAAS_TRY(mlaas_verify_progress(checks->verifier, error));
  }
  return MLAAS_OK;
}

/* ---- the header and the keys ---- */

/* `status` as a finding; what is fatal goes on as an error. */
static enum mlaas_status blame(struct mlaas_verifier *verifier, const char *part, enum mlaas_status status,
                               const struct mlaas_error *why, struct mlaas_error *error) {
  if (status == MLAAS_OK)
    return MLAAS_OK;
  if (mlaas_verify_is_fatal(status)) {
    *error = *why;
    return status;
  }
  if (!mlaas_verify_was_told(verifier, why->offset))
    mlaas_verify_tell(verifier, part, NULL, -1, why);
  return MLAAS_OK;
}

static void tell_text(struct mlaas_verifier *verifier, const char *part, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell_text(struct mlaas_verifier *verifier, const char *part, int64_t offset, const char *format, ...) {
  struct mlaas_error error = {.status = MLAAS_FORMAT, .offset = offset};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  mlaas_verify_tell(verifier, part, NULL, -1, &error);
}

/* The end that the header knows lies behind that of a truncated file. */
static enum mlaas_status check_end(struct mlaas_verifier *verifier, struct mlaas_error *error) {
  uint8_t head[HEAD_BYTES];
  struct mlaas_cursor cursor;
  struct mlaas_source *source = verifier->file->container.source;
  MLAAS_TRY(mlaas_source_read_at(source, 0, sizeof head, head, error));
  mlaas_cursor_init(&cursor, head, sizeof head, 0, NULL);
  mlaas_cursor_skip(&cursor, 4);
  bool big = mlaas_cursor_i32(&cursor) >= BIG_FILE;
  mlaas_cursor_skip(&cursor, 4);
  int64_t end = big ? mlaas_cursor_i64(&cursor) : mlaas_cursor_i32(&cursor);
  if (end > mlaas_source_size(source))
    tell_text(verifier, "file", 12, "the header says that the file ends at byte %lld but it has %lld: it is truncated",
              (long long)end, (long long)mlaas_source_size(source));
  return MLAAS_OK;
}

/* The key in front of the record has to be the one in its directory's list. */
static enum mlaas_status check_front(struct mlaas_verifier *verifier, const struct mlaas_key *key,
                                     struct mlaas_error *error) {
  uint8_t front[INT16_MAX];
  struct mlaas_key there;
  struct mlaas_cursor cursor;
  int64_t size = key->key_len < key->num_bytes ? key->key_len : key->num_bytes;
  if (size <= 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, key->offset, "a key has %lld bytes", (long long)size);
  MLAAS_TRY(mlaas_source_read_at(verifier->file->container.source, key->offset, size, front, error));
  mlaas_cursor_init(&cursor, front, size, key->offset, error);
  MLAAS_TRY(mlaas_key_decode(&cursor, &there));
  if (there.num_bytes != key->num_bytes || there.object_len != key->object_len || there.key_len != key->key_len)
    return mlaas_fail_at(error, MLAAS_FORMAT, key->offset,
                         "the key in front of the record says %d bytes (key %d, object %d) where the list of keys says "
                         "%d (key %d, object %d)",
                         there.num_bytes, there.key_len, there.object_len, key->num_bytes, key->key_len,
                         key->object_len);
  return MLAAS_OK;
}

/* What nobody here understands is no fault of the file. */
static enum mlaas_status decode_object(const struct mlaas_verifier *verifier, const struct mlaas_key *key,
                                       const struct mlaas_block *payload, struct mlaas_error *error) {
  const struct mlaas_file *file = verifier->file;
  struct mlaas_arena arena;
  struct mlaas_item item = {0};
  mlaas_arena_init(&arena, verifier->budget);
  enum mlaas_status status = mlaas_object_decode(&file->streamers, file->container.version, key->class_name,
                                                 payload->data, payload->size, key->key_len, &arena, &item, error);
  mlaas_arena_reset(&arena);
  return status == MLAAS_UNSUPPORTED ? MLAAS_OK : status;
}

static enum mlaas_status check_key(const struct mlaas_verify_checks *checks, size_t i,
                                   struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  const struct mlaas_key *key = (const struct mlaas_key *)checks->context + i;
  struct mlaas_container *container = &checks->verifier->file->container;
  struct mlaas_block payload;
  (void)worker;
  MLAAS_TRY(check_front(checks->verifier, key, error));
  if (mlaas_file_is_directory(key))
    return MLAAS_OK; /* its payload is part of what was read to list the keys */
  MLAAS_TRY(mlaas_key_payload(container, key, &payload, error));
  bool is_table =
      strstr(key->class_name, "RNTuple") || mlaas_tree_is_tree(&checks->verifier->file->streamers, key->class_name);
  enum mlaas_status status = is_table ? MLAAS_OK : decode_object(checks->verifier, key, &payload, error);
  mlaas_block_reset(&payload);
  return status;
}

/* The key, then what is behind it. */
static size_t key_reads(const struct mlaas_verify_checks *checks, size_t i, struct mlaas_range *ranges) {
  const struct mlaas_key *key = (const struct mlaas_key *)checks->context + i;
  int64_t front = key->key_len < key->num_bytes ? key->key_len : key->num_bytes;
  ranges[0] = (struct mlaas_range){key->offset, front, NULL};
  ranges[1] = (struct mlaas_range){key->offset + front, key->num_bytes - front, NULL};
  return mlaas_file_is_directory(key) ? 1 : 2;
}

static void tell_key(const struct mlaas_verify_checks *checks, size_t i, const struct mlaas_error *error) {
  const struct mlaas_key *key = (const struct mlaas_key *)checks->context + i;
  char path[1024];
  snprintf(path, sizeof path, "%s%s%s;%d", key->directory, *key->directory ? "/" : "", key->name, key->cycle);
  checks->verifier->path = path;
  bool inside = error->offset < 0; /* a fault of the bytes has a place */
  mlaas_verify_tell(checks->verifier, inside ? "object" : "key", NULL, -1, error);
  checks->verifier->path = NULL;
}

static enum mlaas_status verify_keys(struct mlaas_verifier *verifier, struct mlaas_error *error) {
  struct mlaas_container *container = &verifier->file->container;
  struct mlaas_verify_checks checks = {check_key, tell_key, verifier, container->keys, key_reads};
  MLAAS_TRY(check_end(verifier, error));
  verifier->report.keys = (int64_t)container->num_keys;
  MLAAS_TRY(mlaas_verify_run(&checks, container->num_keys, error));
  if (container->streamer_key.offset == 0)
    return MLAAS_OK;
  struct mlaas_block payload = {0};
  struct mlaas_error why = {.offset = -1};
  enum mlaas_status status = mlaas_key_payload(container, &container->streamer_key, &payload, &why);
  mlaas_block_reset(&payload);
  return blame(verifier, "streamer info", status, &why, error);
}

/* ---- tables ---- */

static enum mlaas_status verify_table(struct mlaas_verifier *verifier, const struct mlaas_file_table *entry,
                                      struct mlaas_error *error) {
  struct mlaas_table *table = NULL;
  struct mlaas_error why = {.offset = -1};
  verifier->path = entry->path;
  verifier->report.tables++;
  if (entry->is_ntuple)
    MLAAS_TRY(mlaas_verify_pages(verifier, entry, error));
  enum mlaas_status status = mlaas_table_open(verifier->file, entry->path, &table, &why);
  if (status != MLAAS_OK)
    return blame(verifier, "table", status, &why, error);
  if (!entry->is_ntuple)
    status = mlaas_verify_baskets(verifier, table, error);
  if (status == MLAAS_OK)
    status = mlaas_verify_columns(verifier, table, error);
  mlaas_table_close(table);
  return status;
}

/* The table that was named, or all. */
static enum mlaas_status verify_tables(struct mlaas_verifier *verifier, struct mlaas_error *error) {
  struct mlaas_file *file = verifier->file;
  const struct mlaas_file_table *only = NULL;
  if (verifier->options.table)
    MLAAS_TRY(mlaas_file_find_table(file, verifier->options.table, &only, error));
  for (size_t i = 0; i < file->num_tables; i++)
    if (!only || only == &file->tables[i])
      MLAAS_TRY(verify_table(verifier, &file->tables[i], error));
  verifier->path = NULL;
  return MLAAS_OK;
}

/* ---- beginning and end ---- */

static enum mlaas_status begin(struct mlaas_verifier *verifier, struct mlaas_context *context,
                               const struct mlaas_verify_options *options, struct mlaas_error *error) {
  if (options)
    memcpy(&verifier->options, options, options->size < sizeof *options ? options->size : sizeof *options);
  if (verifier->options.most_findings <= 0)
    verifier->options.most_findings = MOST_FINDINGS;
  if (verifier->options.most_findings > 100 * MOST_FINDINGS)
    verifier->options.most_findings = 100 * MOST_FINDINGS;
  verifier->budget = mlaas_context_budget(context);
  verifier->pool = mlaas_context_pool(context);
  verifier->told = mlaas_alloc((size_t)verifier->options.most_findings * sizeof *verifier->told);
  int threads = mlaas_pool_threads(verifier->pool);
  verifier->workers = mlaas_alloc((size_t)threads * sizeof *verifier->workers);
  if (!verifier->told || !verifier->workers)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %d threads", threads);
  for (int i = 0; i < threads; i++) {
    struct mlaas_verify_worker *worker = &verifier->workers[i];
    mlaas_codec_init(&worker->codec, verifier->budget);
    MLAAS_TRY(mlaas_block_new(verifier->budget, 0, &worker->stored, error));
    MLAAS_TRY(mlaas_block_new(verifier->budget, 0, &worker->object, error));
  }
  return MLAAS_OK;
}

static void end(struct mlaas_verifier *verifier, struct mlaas_verify_report *report) {
  for (int i = 0; verifier->workers && i < mlaas_pool_threads(verifier->pool); i++) {
    mlaas_codec_reset(&verifier->workers[i].codec);
    mlaas_block_reset(&verifier->workers[i].stored);
    mlaas_block_reset(&verifier->workers[i].object);
  }
  mlaas_free(verifier->workers);
  mlaas_free(verifier->told);
  if (report) {
    size_t size = report->size < sizeof *report ? report->size : sizeof *report;
    verifier->report.size = size;
    memcpy(report, &verifier->report, size);
  }
}

enum mlaas_status mlaas_file_verify(struct mlaas_file *file, const struct mlaas_verify_options *options,
                                    struct mlaas_verify_report *report, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_file_info info;
  error = error ? error : &ignored;
  mlaas_file_info(file, &info);
  if (file->foreign)
    return mlaas_fail_in(error, mlaas_fail(error, MLAAS_UNSUPPORTED, "only ROOT files can be verified"), "%s",
                         info.url);
  struct mlaas_verifier verifier = {.file = file, .bytes_before = info.bytes_read};
  enum mlaas_status status = begin(&verifier, file->context, options, error);
  if (status == MLAAS_OK && !verifier.options.table)
    status = mlaas_verify_checksum(&verifier, error);
  if (status == MLAAS_OK && !verifier.options.table)
    status = verify_keys(&verifier, error);
  if (status == MLAAS_OK)
    status = verify_tables(&verifier, error);
  mlaas_file_costs(file, &verifier.report.costs);
  end(&verifier, report);
  return status;
}

enum mlaas_status mlaas_verify(struct mlaas_context *context, const char *url,
                               const struct mlaas_verify_options *options, struct mlaas_verify_report *report,
                               struct mlaas_error *error) {
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  struct mlaas_file *file = NULL;
  enum mlaas_status status = mlaas_file_open(context, url, &file, error);
  if (status == MLAAS_OK) {
    status = mlaas_file_verify(file, options, report, error);
    mlaas_file_close(file);
    return status;
  }
  if (status != MLAAS_FORMAT && status != MLAAS_CHECKSUM && status != MLAAS_LIMIT)
    return status;
  struct mlaas_error why = *error;
  struct mlaas_verifier verifier = {0};
  status = begin(&verifier, context, options, error);
  if (status == MLAAS_OK)
    mlaas_verify_tell(&verifier, "file", NULL, -1, &why);
  end(&verifier, report);
  return status;
}
