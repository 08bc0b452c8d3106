/* Which bytes a read of branches takes, told to a remote source before they are asked for: all baskets at once, also
 * those of the branches that count. Must not know how baskets are decoded. */
#include "rootio/read/tree_job.h"
#include "rootio/table/side_file.h"

enum { GENERATED_OFFSETS = 1 }; /* of fIOFeatures: baskets may be written without offsets */

static struct mlaas_source *source_of(const struct mlaas_read_job *job, const struct mlaas_branch_plan *plan) {
  return mlaas_side_file_source(job->table, plan);
}

/* A basket that no reader would take is left to the reader to refuse. */
static bool is_sane(const struct mlaas_read_job *job, const struct mlaas_basket_ref *ref) {
  return !ref->embedded && ref->num_bytes <= mlaas_budget_limit(job->ahead->budget, MLAAS_CEILING_BASKET);
}

typedef void tell(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset, int64_t length);

/* All baskets with entries of [start, stop) but one that is here already. */
static void tell_baskets(const struct mlaas_read_job *job, const struct mlaas_branch_plan *plan, int role,
                         int64_t start, int64_t stop, const struct mlaas_kept_basket *kept, tell *what) {
  const struct mlaas_branch *branch = plan->branch;
  if (start >= stop || branch->num_baskets == 0)
    return;
  size_t last = mlaas_basket_at(branch, stop - 1);
  for (size_t i = mlaas_basket_at(branch, start); i <= last; i++) {
    const struct mlaas_basket_ref *ref = &branch->baskets[i];
    bool is_kept = kept && kept->there && kept->basket == i;
    if (mlaas_basket_end(branch, i) > ref->entry && is_sane(job, ref) && !is_kept)
      what(job->ahead, source_of(job, plan), role, ref->seek, ref->num_bytes);
  }
}

/* The branch that counts in this one's lists, where its baskets can be expected to be read. What headers say later is
 * what counts. */
static const struct mlaas_branch_plan *expected_counter(const struct mlaas_read_job *job,
                                                        const struct mlaas_branch_plan *plan) {
  bool generated = plan->layout == MLAAS_LAYOUT_LIST && plan->header_bytes < 10 &&
                   ((plan->branch->io_bits & GENERATED_OFFSETS) || plan->branch->entry_offset_len == 0);
  return plan->counter && (plan->counts_given || generated) ? mlaas_read_counter(job, plan) : NULL;
}

/* What counts in the baskets with entries of [start, stop), but for one that is here already. */
static void want_counters(const struct mlaas_read_job *job, const struct mlaas_read_column *column) {
  const struct mlaas_branch *branch = column->plan->branch;
  const struct mlaas_branch_plan *counter = expected_counter(job, column->plan);
  if (!counter || column->start >= column->stop || branch->num_baskets == 0)
    return;
  size_t last = mlaas_basket_at(branch, column->stop - 1);
  for (size_t i = mlaas_basket_at(branch, column->start); i <= last; i++)
    if (!column->kept || !column->kept->there || column->kept->basket != i)
      tell_baskets(job, counter, job->depth + 1, branch->baskets[i].entry, mlaas_basket_end(branch, i), NULL,
                   mlaas_ahead_want);
}

void mlaas_read_job_ahead(const struct mlaas_read_job *job) {
  for (size_t i = 0; i < job->num_columns; i++) {
    const struct mlaas_read_column *column = &job->columns[i];
    tell_baskets(job, column->plan, job->depth, column->start, column->stop, column->kept, mlaas_ahead_want);
    want_counters(job, column);
  }
}

/* The counters of all columns for the parts that have to be read. */
static void tell_counters(const struct mlaas_read_job *job, tell *what) {
  for (size_t i = 0; i < job->num_columns; i++) {
    const struct mlaas_read_column *column = &job->columns[i];
    const struct mlaas_branch_plan *counter = expected_counter(job, column->plan);
    for (size_t k = 0; counter && k < column->num_parts; k++) {
      const struct mlaas_read_part *part = &job->parts[column->first_part + k];
      if (!part->piece.blocks)
        tell_baskets(job, counter, job->depth + 1, part->entry, part->entry + part->entries, NULL, what);
    }
  }
}

/* Headers are read first, and then their baskets whole. */
static void tell_heads(const struct mlaas_read_job *job) {
  for (size_t i = 0; i < job->num_parts; i++) {
    const struct mlaas_read_part *part = &job->parts[i];
    const struct mlaas_branch_plan *plan = job->columns[part->column].plan;
    const struct mlaas_basket_ref *ref = &plan->branch->baskets[part->basket];
    if (is_sane(job, ref) && mlaas_needs_head(job, part))
      mlaas_ahead_also(job->ahead, source_of(job, plan), ref->seek, mlaas_head_bytes(ref));
  }
}

void mlaas_read_announce(struct mlaas_read_job *job) {
  if (!job->ahead)
    return;
  for (size_t i = 0; i < job->num_parts; i++) {
    const struct mlaas_read_part *part = &job->parts[i];
    const struct mlaas_branch_plan *plan = job->columns[part->column].plan;
    const struct mlaas_basket_ref *ref = &plan->branch->baskets[part->basket];
    if (is_sane(job, ref) && !part->piece.blocks)
      mlaas_ahead_read(job->ahead, source_of(job, plan), job->depth, ref->seek, ref->num_bytes);
  }
  tell_counters(job, mlaas_ahead_want);
  mlaas_ahead_send(job->ahead);
  tell_heads(job);
  mlaas_ahead_send(job->ahead);
}

void mlaas_read_uncount(struct mlaas_read_job *job) {
  if (job->ahead)
    tell_counters(job, mlaas_ahead_forget);
}
