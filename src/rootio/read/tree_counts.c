/* Lengths of lists that another branch has: of baskets without offsets, of leaf lists, of the arrays in a collection's
 * members. Those branches are read first, as a job of their own. Must not know how bytes become values.
 */
#include "rootio/read/tree_job.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

/* Where the counts are: values themselves, or lists of them. NULL where it is neither. */
static const struct mlaas_node *values_of(const struct mlaas_branch_plan *plan, int depth) {
  const struct mlaas_node *node = plan->root;
  if (plan->layout == MLAAS_LAYOUT_LIST && depth == 0) /* what counts in a list of counts is no list again */
    node = node->children;
  else if (plan->layout != MLAAS_LAYOUT_FLAT)
    return NULL;
  bool plain = node->kind == MLAAS_NODE_VALUE && node->value.packing == MLAAS_PACKED_PLAIN;
  return plain && strchr("cCsSiIlL", node->format[0]) ? node : NULL;
}

const struct mlaas_branch_plan *mlaas_read_counter(const struct mlaas_read_job *job,
                                                   const struct mlaas_branch_plan *counted) {
  const struct mlaas_branch_plan *plan = mlaas_table_plan(job->table, counted->counter);
  return plan && !plan->unsupported && !plan->absent && values_of(plan, job->depth) ? plan : NULL;
}

static const struct mlaas_branch_plan *counter_of(const struct mlaas_read_job *job,
                                                  const struct mlaas_read_part *part) {
  return mlaas_read_counter(job, job->columns[part->column].plan);
}

/* The counter's column in `counters`, made where it is not there yet, wide enough for the part's basket. */
static enum mlaas_status want_counter(struct mlaas_read_job *job, const struct mlaas_read_part *part,
                                      struct mlaas_error *error) {
  const struct mlaas_branch_plan *plan = counter_of(job, part);
  struct mlaas_read_job *counters = job->counters;
  if (!plan)
    return mlaas_read_where(
        job, part, mlaas_fail(error, MLAAS_UNSUPPORTED, "the basket has no offsets, and no branch says the counts"),
        error);
  size_t i = 0;
  while (i < counters->num_columns && counters->columns[i].plan != plan)
    i++;
  struct mlaas_read_column *column = &counters->columns[i];
  if (i == counters->num_columns) {
    counters->num_columns++;
    *column = (struct mlaas_read_column){.plan = plan, .start = part->entry, .stop = part->entry + part->entries};
  }
  if (part->entry < column->start)
    column->start = part->entry;
  if (part->entry + part->entries > column->stop)
    column->stop = part->entry + part->entries;
  return MLAAS_OK;
}

static int32_t as_count(const void *values, char format, int64_t i) {
  int64_t value = 0;
  switch (format) {
  case 'c':
    value = ((const int8_t *)values)[i];
    break;
  case 'C':
    value = ((const uint8_t *)values)[i];
    break;
  case 's':
    value = ((const int16_t *)values)[i];
    break;
  case 'S':
    value = ((const uint16_t *)values)[i];
    break;
  case 'i':
    value = ((const int32_t *)values)[i];
    break;
  case 'I':
    value = ((const uint32_t *)values)[i];
    break;
  default:
    value = ((const int64_t *)values)[i];
  }
  return value < 0 || value > INT32_MAX ? -1 : (int32_t)value;
}

static enum mlaas_status give_counts(struct mlaas_read_job *job, struct mlaas_read_part *part,
                                     struct mlaas_error *error) {
  const struct mlaas_branch_plan *plan = counter_of(job, part);
  const struct mlaas_read_column *column = job->counters->columns;
  while (column->plan != plan)
    column++;
  const struct mlaas_node *values = values_of(plan, job->depth);
  int64_t first = part->entry - column->start, last = first + part->entries;
  struct mlaas_counts *counts = mlaas_arena_alloc(&job->arena, 1, sizeof *counts, error);
  int32_t *ends = NULL;
  if (values != plan->root) {
    const int32_t *offsets = (const int32_t *)column->blocks[plan->root->buffer].data + first;
    if (!(ends = mlaas_arena_alloc(&job->arena, (size_t)part->entries, sizeof *ends, error)))
      return error->status;
    for (int32_t i = 0; i < part->entries; i++)
      ends[i] = offsets[i + 1] - offsets[0];
    first = offsets[0];
    last = offsets[part->entries];
  }
  int32_t *numbers = mlaas_arena_alloc(&job->arena, (size_t)(last - first), sizeof *numbers, error);
  if (!counts || !numbers)
    return error->status;
  for (int64_t i = first; i < last; i++)
    numbers[i - first] = as_count(column->blocks[values->buffer].data, values->format[0], i);
  *counts = (struct mlaas_counts){numbers, last - first, ends};
  part->counts = counts;
  return MLAAS_OK;
}

static enum mlaas_status make_counters(struct mlaas_read_job *job, size_t most, struct mlaas_error *error) {
  job->counters = mlaas_arena_alloc(&job->arena, 1, sizeof *job->counters, error);
  if (!job->counters)
    return error->status;
  struct mlaas_read_job *counters = job->counters;
  counters->table = job->table;
  counters->budget = job->budget;
  counters->pool = job->pool;
  counters->workers = job->workers;
  counters->lean = job->lean;
  counters->ahead = job->ahead;
  counters->depth = job->depth + 1;
  mlaas_arena_init(&counters->arena, job->budget);
  counters->columns = mlaas_arena_alloc(&job->arena, most, sizeof *counters->columns, error);
  return counters->columns ? MLAAS_OK : error->status;
}

enum mlaas_status mlaas_read_counts(struct mlaas_read_job *job, struct mlaas_error *error) {
  size_t most = 0;
  for (size_t i = 0; i < job->num_parts; i++)
    most += job->parts[i].uncounted;
  if (most == 0)
    return MLAAS_OK;
  MLAAS_TRY(make_counters(job, most, error));
  for (size_t i = 0; i < job->num_parts; i++)
    if (job->parts[i].uncounted)
      MLAAS_TRY(want_counter(job, &job->parts[i], error));
  MLAAS_TRY(mlaas_read_job_run(job->counters, error));
  for (size_t i = 0; i < job->num_parts; i++)
    if (job->parts[i].uncounted)
      MLAAS_TRY(give_counts(job, &job->parts[i], error));
  mlaas_read_job_reset(job->counters);
  return MLAAS_OK;
}
