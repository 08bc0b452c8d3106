/* Decoded elements to where they belong: the field's type, offsets, presence. What the elements of one page cannot tell
 * (it depends on the page before) is settled when all are there. Must not know how pages are read.
 */
#include "rootio/read/ntuple_job.h"

#include "base/error.h"
#include "column/arrow.h"
#include "rootio/ntuple/page.h"

#include <string.h>

enum { CHUNK = 256 };

/* ---- values ---- */

/* Arrow's letter for what a decoded page of a column holds; 0 where it is no number. */
static char letter_of(const struct mlaas_ntuple_column *column) {
  static const char letters[MLAAS_NTUPLE_NUM_TYPES] = {
      [MLAAS_NTUPLE_BIT] = 'b',          [MLAAS_NTUPLE_BYTE] = 'C',         [MLAAS_NTUPLE_CHAR] = 'C',
      [MLAAS_NTUPLE_INT8] = 'c',         [MLAAS_NTUPLE_UINT8] = 'C',        [MLAAS_NTUPLE_INT16] = 's',
      [MLAAS_NTUPLE_UINT16] = 'S',       [MLAAS_NTUPLE_INT32] = 'i',        [MLAAS_NTUPLE_UINT32] = 'I',
      [MLAAS_NTUPLE_INT64] = 'l',        [MLAAS_NTUPLE_UINT64] = 'L',       [MLAAS_NTUPLE_REAL16] = 'f',
      [MLAAS_NTUPLE_REAL32] = 'f',       [MLAAS_NTUPLE_REAL64] = 'g',       [MLAAS_NTUPLE_SPLIT_INT16] = 's',
      [MLAAS_NTUPLE_SPLIT_UINT16] = 'S', [MLAAS_NTUPLE_SPLIT_INT32] = 'i',  [MLAAS_NTUPLE_SPLIT_UINT32] = 'I',
      [MLAAS_NTUPLE_SPLIT_INT64] = 'l',  [MLAAS_NTUPLE_SPLIT_UINT64] = 'L', [MLAAS_NTUPLE_SPLIT_REAL16] = 'f',
      [MLAAS_NTUPLE_SPLIT_REAL32] = 'f', [MLAAS_NTUPLE_SPLIT_REAL64] = 'g', [MLAAS_NTUPLE_REAL32_TRUNC] = 'f',
      [MLAAS_NTUPLE_REAL32_QUANT] = 'g'};
  return letters[column->type];
}

static char letter_wanted(const struct mlaas_field_feed *feed) {
  return feed->node->kind == MLAAS_NODE_TEXT ? 'C' : feed->node->format[0];
}

bool mlaas_take_is_copy(const struct mlaas_field_feed *feed, const struct mlaas_ntuple_column *column, size_t *bytes) {
  if (feed->kind != MLAAS_FEED_VALUES)
    return false;
  *bytes = mlaas_ntuple_page_width(column);
  char has = letter_of(column), wanted = letter_wanted(feed);
  return has == wanted || (feed->node->kind == MLAAS_NODE_TEXT && *bytes == 1);
}

#define LOAD(type)                                                                                                     \
  for (int64_t i = 0; i < count; i++)                                                                                  \
    out[i] = (int64_t)((const type *)in)[i];                                                                           \
  return

static void load_integers(char letter, const void *in, int64_t count, int64_t *out) {
  switch (letter) {
  case 'c':
    LOAD(int8_t);
  case 's':
    LOAD(int16_t);
  case 'S':
    LOAD(uint16_t);
  case 'i':
    LOAD(int32_t);
  case 'I':
    LOAD(uint32_t);
  case 'l':
  case 'L': /* beyond int64_t it is negative: the caller knows */
    LOAD(int64_t);
  default:
    LOAD(uint8_t);
  }
}

#define STORE(type, low, high)                                                                                         \
  for (int64_t i = 0; i < count; i++) {                                                                                \
    if (in[i] < (low) || in[i] > (high))                                                                               \
      return &in[i];                                                                                                   \
    ((type *)out)[i] = (type)in[i];                                                                                    \
  }                                                                                                                    \
  return NULL

/* Returns the value that does not fit, or NULL. */
static const int64_t *store_integers(char letter, const int64_t *in, int64_t count, void *out) {
  switch (letter) {
  case 'b':
    for (int64_t i = 0; i < count; i++)
      ((uint8_t *)out)[i] = in[i] != 0;
    return NULL;
  case 'c':
    STORE(int8_t, INT8_MIN, INT8_MAX);
  case 'C':
    STORE(uint8_t, 0, UINT8_MAX);
  case 's':
    STORE(int16_t, INT16_MIN, INT16_MAX);
  case 'S':
    STORE(uint16_t, 0, UINT16_MAX);
  case 'i':
    STORE(int32_t, INT32_MIN, INT32_MAX);
  case 'I':
    STORE(uint32_t, 0, UINT32_MAX);
  case 'L':
    STORE(uint64_t, 0, INT64_MAX);
  default:
    STORE(int64_t, INT64_MIN, INT64_MAX);
  }
}

/* The field's type decides, also where the writer chose a narrower or wider column. */
static enum mlaas_status convert_integers(char has, char wanted, const uint8_t *in, int64_t count, uint8_t *out,
                                          struct mlaas_error *error) {
  int64_t chunk[CHUNK];
  size_t in_width = mlaas_format_width((char[]){has == 'b' ? 'C' : has, 0});
  size_t out_width = mlaas_format_width((char[]){wanted == 'b' ? 'C' : wanted, 0});
  for (int64_t at = 0; at < count; at += CHUNK) {
    int64_t some = count - at < CHUNK ? count - at : CHUNK;
    load_integers(has, in + at * (int64_t)in_width, some, chunk);
    const int64_t *bad = store_integers(wanted, chunk, some, out + at * (int64_t)out_width);
    for (int64_t i = 0; !bad && has == 'L' && wanted != 'b' && i < some; i++)
      bad = chunk[i] < 0 ? &chunk[i] : NULL;
    if (bad && has == 'L')
      return mlaas_fail(error, MLAAS_FORMAT, "value %llu does not fit the type of the field", (unsigned long long)*bad);
    if (bad)
      return mlaas_fail(error, MLAAS_FORMAT, "value %lld does not fit the type of the field", (long long)*bad);
  }
  return MLAAS_OK;
}

static enum mlaas_status take_values(const struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                     const void *values, struct mlaas_error *error) {
  const struct mlaas_field_feed *feed = mlaas_use_feed(job, use);
  char has = letter_of(use->column), wanted = letter_wanted(feed);
  size_t bytes;
  uint8_t *out = mlaas_use_block(job, use);
  if (mlaas_take_is_copy(feed, use->column, &bytes)) {
    memcpy(out + use->out * (int64_t)bytes, values, (size_t)use->count * bytes);
    return MLAAS_OK;
  }
  if (wanted == 'g' && has == 'f') {
    for (int64_t i = 0; i < use->count; i++)
      ((double *)(void *)out)[use->out + i] = (double)((const float *)values)[i];
    return MLAAS_OK;
  }
  if (wanted == 'f' && has == 'g') {
    for (int64_t i = 0; i < use->count; i++)
      ((float *)(void *)out)[use->out + i] = (float)((const double *)values)[i];
    return MLAAS_OK;
  }
  size_t width = wanted == 'b' ? 1 : mlaas_format_width((char[]){wanted, 0});
  return convert_integers(has, wanted, values, use->count, out + use->out * (int64_t)width, error);
}

/* ---- index columns ---- */

static enum mlaas_status fail_falling(const struct mlaas_page_use *use, int64_t at, int64_t before, int64_t value,
                                      struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_FORMAT, "an index column falls from %lld to %lld at element %lld", (long long)before,
                    (long long)value, (long long)(use->start + at));
}

/* Ends must not fall; their difference from the first is what fits 32 bits. */
static enum mlaas_status check_ends(struct mlaas_page_use *use, const int64_t *ends, struct mlaas_error *error) {
  uint64_t signs = (uint64_t)ends[0]; /* of all ends, and of all differences */
  for (int64_t i = 1; i < use->count; i++)
    signs |= (uint64_t)ends[i] | ((uint64_t)ends[i] - (uint64_t)ends[i - 1]);
  use->first = ends[0];
  use->last = ends[use->count - 1];
  if (signs >> 63 == 0)
    return MLAAS_OK;
  int64_t at = 0, before = 0;
  for (; ends[at] >= before; at++)
    before = ends[at];
  return fail_falling(use, at, before, ends[at], error);
}

/* The lower half of each: what is in front of the range is taken off later, and then 32 bits are enough. */
static void take_ends(const struct mlaas_page_use *use, const int64_t *ends, int32_t *offsets) {
  uint32_t *out = (uint32_t *)offsets + (use->out + 1);
  for (int64_t i = 0; i < use->count; i++)
    out[i] = (uint32_t)ends[i];
}

static void take_counts(const struct mlaas_page_use *use, const int64_t *ends, int64_t *counts) {
  for (int64_t i = 1; i < use->count; i++)
    counts[use->out + i] = ends[i] - ends[i - 1];
}

static enum mlaas_status take_there(const struct mlaas_page_use *use, const int64_t *ends, uint8_t *there,
                                    struct mlaas_error *error) {
  for (int64_t i = 1; i < use->count; i++) {
    if (ends[i] - ends[i - 1] > 1)
      return mlaas_fail(error, MLAAS_FORMAT, "an option holds %lld values at element %lld",
                        (long long)(ends[i] - ends[i - 1]), (long long)(use->start + i));
    there[use->out + i] = (uint8_t)(ends[i] - ends[i - 1]);
  }
  return MLAAS_OK;
}

static enum mlaas_status take_index(const struct mlaas_fields_job *job, struct mlaas_page_use *use, const void *values,
                                    struct mlaas_error *error) {
  void *out = mlaas_use_block(job, use);
  MLAAS_TRY(check_ends(use, values, error));
  switch (mlaas_use_feed(job, use)->kind) {
  case MLAAS_FEED_ENDS:
    take_ends(use, values, out);
    return MLAAS_OK;
  case MLAAS_FEED_COUNTS:
    take_counts(use, values, out);
    return MLAAS_OK;
  default:
    return take_there(use, values, out, error);
  }
}

/* ---- switch columns ---- */

/* Elements of one alternative follow each other; so of all of them the first and the number are enough. */
static enum mlaas_status take_switch(const struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                     const struct mlaas_ntuple_switch *values, struct mlaas_error *error) {
  const struct mlaas_node *node = mlaas_use_feed(job, use)->node;
  struct mlaas_block *blocks = job->fields[use->field].blocks;
  for (int64_t i = 0; i < use->count; i++) {
    uint32_t tag = values[i].tag;
    if (tag > node->num_children)
      return mlaas_fail(error, MLAAS_FORMAT, "a variant of %zu alternatives has number %u at element %lld",
                        node->num_children, tag, (long long)(use->start + i));
    if (tag == 0)
      continue;
    struct mlaas_span *run = &use->runs[tag - 1];
    if (run->start == run->stop)
      run->start = run->stop = values[i].index;
    if (values[i].index != run->stop || run->stop < 0 || run->stop == INT64_MAX)
      return mlaas_fail(error, MLAAS_FORMAT, "alternative %u of a variant is at %lld where %lld was expected", tag - 1,
                        (long long)values[i].index, (long long)run->stop);
    run->stop++;
    ((uint8_t *)blocks[node->children[tag - 1].buffer].data)[use->out + i] = 1;
  }
  return MLAAS_OK;
}

static void clear_options(const struct mlaas_fields_job *job, const struct mlaas_page_use *use) {
  const struct mlaas_node *node = mlaas_use_feed(job, use)->node;
  for (size_t i = 0; i < node->num_children; i++)
    memset((uint8_t *)job->fields[use->field].blocks[node->children[i].buffer].data + use->out, 0, (size_t)use->count);
}

enum mlaas_status mlaas_take(const struct mlaas_fields_job *job, struct mlaas_page_use *use, const void *values,
                             struct mlaas_error *error) {
  const struct mlaas_field_feed *feed = mlaas_use_feed(job, use);
  if (feed->kind == MLAAS_FEED_VALUES)
    return take_values(job, use, values, error);
  if (feed->kind != MLAAS_FEED_SWITCH)
    return take_index(job, use, values, error);
  clear_options(job, use);
  return take_switch(job, use, values, error);
}

void mlaas_take_zeros(const struct mlaas_fields_job *job, struct mlaas_page_use *use) {
  const struct mlaas_field_feed *feed = mlaas_use_feed(job, use);
  if (feed->kind == MLAAS_FEED_SWITCH) {
    clear_options(job, use);
    return;
  }
  int64_t first = use->out < 0 ? 0 : use->out, count = use->count - (first - use->out);
  int64_t width = (int64_t)mlaas_node_element(feed->node, feed->buffer);
  if (feed->kind == MLAAS_FEED_ENDS)
    first++;
  memset(mlaas_use_block(job, use) + first * width, 0, (size_t)(count * width));
}

/* ---- pages together ---- */

/* The first element of a use, which its page alone could not tell: `before` is the value in front of it. */
static enum mlaas_status settle_first(const struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                      int64_t before, struct mlaas_error *error) {
  void *out = mlaas_use_block(job, use);
  enum mlaas_feed_kind kind = mlaas_use_feed(job, use)->kind;
  if (use->first < before)
    return fail_falling(use, 0, before, use->first, error);
  if (kind == MLAAS_FEED_THERE && use->first - before > 1)
    return mlaas_fail(error, MLAAS_FORMAT, "an option holds %lld values at element %lld",
                      (long long)(use->first - before), (long long)use->start);
  if (kind == MLAAS_FEED_THERE)
    ((uint8_t *)out)[use->out] = (uint8_t)(use->first - before);
  else if (kind == MLAAS_FEED_COUNTS)
    ((int64_t *)out)[use->out] = use->first - before;
  return MLAAS_OK;
}

static enum mlaas_status finish_index(struct mlaas_fields_job *job, const struct mlaas_segment *segment,
                                      struct mlaas_span *span, struct mlaas_error *error) {
  int64_t value = 0;
  for (size_t i = 0; i < segment->num_uses; i++) {
    const struct mlaas_page_use *use = &job->uses[segment->first_use + i];
    enum mlaas_status status = MLAAS_OK;
    if (use->start < segment->start)
      span->start = use->first; /* the end of the last list before the range */
    else
      status = settle_first(job, use, value, error);
    if (status != MLAAS_OK)
      return mlaas_use_where(job, use, status, error);
    value = use->last;
  }
  span->stop = value;
  return MLAAS_OK;
}

static enum mlaas_status finish_switch(struct mlaas_fields_job *job, const struct mlaas_segment *segment,
                                       size_t alternatives, struct mlaas_span *spans, struct mlaas_error *error) {
  for (size_t i = 0; i < segment->num_uses; i++) {
    const struct mlaas_page_use *use = &job->uses[segment->first_use + i];
    for (size_t k = 0; use->runs && k < alternatives; k++) {
      struct mlaas_span *run = &use->runs[k], *span = &spans[k];
      if (run->start == run->stop)
        continue;
      if (span->start == span->stop)
        span->start = run->start;
      else if (run->start != span->stop)
        return mlaas_use_where(job, use,
                               mlaas_fail(error, MLAAS_FORMAT,
                                          "alternative %zu of a variant is at %lld where %lld was expected", k,
                                          (long long)run->start, (long long)span->stop),
                               error);
      span->stop = run->stop;
    }
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_take_finish(struct mlaas_fields_job *job, size_t field, size_t feed,
                                    struct mlaas_error *error) {
  struct mlaas_feed_read *read = &job->fields[field].feeds[feed];
  const struct mlaas_field_feed *plan = &job->fields[field].plan->feeds[feed];
  size_t alternatives = plan->kind == MLAAS_FEED_SWITCH ? plan->node->num_children : 1;
  if (plan->kind == MLAAS_FEED_VALUES)
    return MLAAS_OK;
  read->spans = mlaas_arena_alloc(&job->arena, job->num_clusters * alternatives, sizeof *read->spans, error);
  if (!read->spans)
    return error->status;
  for (size_t i = 0; i < job->num_clusters; i++)
    MLAAS_TRY(plan->kind == MLAAS_FEED_SWITCH
                  ? finish_switch(job, &read->segments[i], alternatives, &read->spans[i * alternatives], error)
                  : finish_index(job, &read->segments[i], &read->spans[i], error));
  return MLAAS_OK;
}
