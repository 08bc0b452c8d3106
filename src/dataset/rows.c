/* The pass before the first epoch: which part every row is in, which classes there are, what they weigh. Reads only the
 * label, the weight and the identifiers, and nothing at all where none of them is a branch.
 */
#include "dataset/losses.h"
#include "dataset/opener.h"
#include "dataset/values.h"

#include "base/error.h"
#include "column/arrow.h"
#include "recipe/recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 256 };

/* Where the columns of the pass are: -1 where there is none. */
struct survey {
  struct mlaas_dataset *dataset;
  const char *names[MLAAS_RECIPE_INPUTS + 2];
  size_t num_names, num_identifiers;
  int label, weight; /* identifiers come first */
  bool many;         /* labels are no classes */
  int8_t *parts;
  int64_t *identifiers;
  struct mlaas_opener opener;
};

/* ---- classes ---- */

static struct mlaas_class *find_class(const struct mlaas_dataset *dataset, double label) {
  if (dataset->num_classes == 1 && isnan(dataset->classes[0].label))
    return &dataset->classes[0];
  size_t low = 0, high = dataset->num_classes;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (dataset->classes[middle].label < label)
      low = middle + 1;
    else
      high = middle;
  }
  return low < dataset->num_classes && dataset->classes[low].label == label ? &dataset->classes[low] : NULL;
}

/* All labels together: regression. */
static void join_classes(struct survey *survey) {
  struct mlaas_dataset *dataset = survey->dataset;
  struct mlaas_class all = {.label = (double)NAN, .factor = 1};
  for (size_t i = 0; i < dataset->num_classes; i++) {
    all.rows += dataset->classes[i].rows;
    all.sum += dataset->classes[i].sum;
    all.magnitude += dataset->classes[i].magnitude;
    all.raw_sum += dataset->classes[i].raw_sum;
  }
  dataset->classes[0] = all;
  dataset->num_classes = 1;
  survey->many = true;
}

static struct mlaas_class *class_of(struct survey *survey, double label) {
  struct mlaas_dataset *dataset = survey->dataset;
  struct mlaas_class *found = find_class(dataset, label);
  if (found)
    return found;
  if (dataset->num_classes == MOST_CLASSES) {
    join_classes(survey);
    return &dataset->classes[0];
  }
  size_t at = dataset->num_classes++;
  for (; at > 0 && dataset->classes[at - 1].label > label; at--)
    dataset->classes[at] = dataset->classes[at - 1];
  dataset->classes[at] = (struct mlaas_class){.label = label, .factor = 1};
  return &dataset->classes[at];
}

/* ---- rows ---- */

static double as_trained(const struct mlaas_dataset *dataset, double raw) {
  return dataset->params.negative == MLAAS_NEGATIVE_ABS ? fabs(raw) : raw;
}

static enum mlaas_status fail_row(const struct mlaas_dataset_file *file, int64_t entry, const char *what,
                                  const char *branch, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_ARGUMENT, "%s of entry %lld of %s is no finite number (branch %s)", what,
                    (long long)entry, file->url, branch);
}

/* Labels, weights and dropped rows of a piece whose parts are known. */
static enum mlaas_status count_rows(struct survey *survey, size_t index, const struct mlaas_piece *piece,
                                    const struct mlaas_access *access, const struct ArrowArray *array,
                                    struct mlaas_error *error) {
  const struct mlaas_dataset *dataset = survey->dataset;
  const struct mlaas_dataset_file *file = &dataset->files[index];
  bool drop = dataset->params.negative == MLAAS_NEGATIVE_DROP;
  for (int64_t i = 0; i < piece->stop - piece->start; i++) {
    double label = file->label, raw = file->weight;
    if (survey->label >= 0)
      label = mlaas_value_double(access->schema.children[survey->label]->format[0], array->children[survey->label], i);
    if (survey->weight >= 0)
      raw = mlaas_value_double(access->schema.children[survey->weight]->format[0], array->children[survey->weight], i);
    if (!isfinite(label))
      return fail_row(file, piece->start + i, "the label", dataset->label_branch, error);
    if (!isfinite(raw))
      return fail_row(file, piece->start + i, "the weight", dataset->params.weight_branch, error);
    if (survey->parts[i] == 0 && drop && raw < 0)
      survey->parts[i] = -1;
    if (survey->parts[i] != 0)
      continue;
    struct mlaas_class *class = class_of(survey, label);
    double w = as_trained(dataset, raw);
    class->rows++;
    class->raw_sum += raw;
    class->sum += w;
    class->magnitude += fabs(w);
  }
  return MLAAS_OK;
}

static void gather_identifiers(struct survey *survey, const struct mlaas_access *access, const struct ArrowArray *array,
                               int64_t rows) {
  size_t count = survey->num_identifiers;
  for (size_t k = 0; k < count; k++)
    for (int64_t i = 0; i < rows; i++)
      survey->identifiers[(size_t)i * count + k] =
          mlaas_value_int64(access->schema.children[k]->format[0], array->children[k], i);
}

/* Parts and sums of entries [piece->start, piece->stop). */
static enum mlaas_status survey_rows(struct survey *survey, size_t index, const struct mlaas_piece *piece,
                                     const struct mlaas_access *access, const struct ArrowArray *array,
                                     struct mlaas_error *error) {
  struct mlaas_dataset *dataset = survey->dataset;
  int64_t rows = piece->stop - piece->start;
  if (survey->num_identifiers)
    gather_identifiers(survey, access, array, rows);
  MLAAS_TRY(mlaas_recipe_split(dataset->recipe, dataset->files[index].id, piece->start, rows,
                               survey->num_identifiers ? survey->identifiers : NULL, survey->parts, error));
  return count_rows(survey, index, piece, access, array, error);
}

/* The whole piece must be read before its parts are stored; slices of it where memory is short. */
static enum mlaas_status survey_piece(struct survey *survey, size_t index, size_t number, struct mlaas_access *access,
                                      struct mlaas_error *error) {
  struct mlaas_plan *plan = &survey->dataset->plan;
  const struct mlaas_piece piece = plan->pieces[number];
  int8_t *parts = survey->parts;
  enum mlaas_status status = MLAAS_OK;
  struct mlaas_piece slice = piece;
  while (slice.start < piece.stop && status == MLAAS_OK) {
    struct ArrowArray array = {0};
    slice.stop = piece.stop;
    if (access)
      status = mlaas_access_read(access, slice.start, &slice.stop, 1, &array, error);
    survey->parts = parts + (slice.start - piece.start);
    if (status == MLAAS_OK)
      status = survey_rows(survey, index, &slice, access, &array, error);
    mlaas_array_release(&array);
    slice.start = slice.stop;
  }
  survey->parts = parts;
  if (status == MLAAS_OK)
    mlaas_plan_set_parts(plan, number, parts);
  return status;
}

/* Begins to fetch what the pieces from `at` on take, as far as the cache goes; the piece behind them. */
static size_t announce(struct survey *survey, const struct mlaas_plan_file *file, size_t at,
                       const struct mlaas_access *access) {
  const struct mlaas_piece *pieces = survey->dataset->plan.pieces + file->first_piece;
  int64_t room = mlaas_context_remote(survey->dataset->context)->cache;
  while (at < file->num_pieces && mlaas_reader_ahead_bytes(access->reader) < room) {
    mlaas_reader_ahead(access->reader, pieces[at].start, pieces[at].stop, room);
    at++;
  }
  return at;
}

static enum mlaas_status survey_file(struct survey *survey, size_t index, struct mlaas_error *error) {
  const struct mlaas_plan_file *file = &survey->dataset->plan.files[index];
  struct mlaas_opened opened = {0};
  bool reads = survey->num_names > 0 && file->quota > 0;
  if (reads) {
    mlaas_opener_walk(&survey->opener, index);
    MLAAS_TRY(mlaas_opener_take(&survey->opener, index, &opened, error));
  }
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0, ahead = 0; i < file->num_pieces && status == MLAAS_OK; i++) {
    if (reads)
      ahead = announce(survey, file, ahead, &opened.access);
    status = survey_piece(survey, index, file->first_piece + i, reads ? &opened.access : NULL, error);
  }
  mlaas_opened_reset(survey->dataset, &opened);
  return status;
}

/* ---- class_norm ---- */

/* Every class sums to the same, and mean |w| over the train split is 1. */
static enum mlaas_status balance(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  int64_t rows = 0;
  double spread = 0;
  if (dataset->params.class_norm != MLAAS_CLASS_NORM_EQUAL)
    return MLAAS_OK;
  for (size_t i = 0; i < dataset->num_classes; i++) {
    const struct mlaas_class *class = &dataset->classes[i];
    if (!(class->sum > 0))
      return mlaas_fail(error, MLAAS_ARGUMENT,
                        "the weights of class %g sum to %g: class_norm equal needs a positive sum; use "
                        "negative_weights abs or drop, or class_norm none",
                        class->label, class->sum);
    rows += class->rows;
    spread += class->magnitude / class->sum;
  }
  for (size_t i = 0; i < dataset->num_classes; i++)
    dataset->classes[i].factor = (double)rows / spread / dataset->classes[i].sum;
  return MLAAS_OK;
}

double mlaas_dataset_weight(const struct mlaas_dataset *dataset, double label, double raw) {
  const struct mlaas_class *class = find_class(dataset, label);
  return as_trained(dataset, raw) * (class ? class->factor : 1);
}

/* ---- the pass ---- */

static void name_columns(struct survey *survey) {
  const struct mlaas_dataset *dataset = survey->dataset;
  const struct mlaas_recipe *recipe = dataset->recipe;
  survey->num_identifiers = recipe->num_split_by;
  for (size_t i = 0; i < recipe->num_split_by; i++)
    survey->names[survey->num_names++] = recipe->split_by[i];
  survey->label = dataset->label_branch ? (int)survey->num_names : -1;
  if (dataset->label_branch)
    survey->names[survey->num_names++] = dataset->label_branch;
  survey->weight = dataset->params.weight_branch ? (int)survey->num_names : -1;
  if (dataset->params.weight_branch)
    survey->names[survey->num_names++] = dataset->params.weight_branch;
}

/* All files; *lost: some had to be left out, so that what was counted is of another plan. */
static enum mlaas_status survey_files(struct survey *survey, bool *lost, struct mlaas_error *error) {
  struct mlaas_dataset *dataset = survey->dataset;
  enum mlaas_status status = MLAAS_OK;
  mlaas_opener_init(&survey->opener, dataset, MLAAS_OPENER_ACCESS, survey->names, survey->num_names);
  survey->opener.ahead = 0; /* pieces may be few */
  survey->opener.quota_only = true;
  for (size_t i = 0; i < dataset->num_files && status == MLAAS_OK; i++) {
    status = survey_file(survey, i, error);
    if (mlaas_dataset_may_lose(dataset, status)) {
      const struct mlaas_error why = *error;
      *lost = true;
      status = mlaas_dataset_lose(dataset, i, "survey", &why, error);
    }
  }
  mlaas_opener_reset(&survey->opener);
  return status == MLAAS_OK && *lost ? mlaas_dataset_replan(dataset, error) : status;
}

enum mlaas_status mlaas_dataset_survey(struct mlaas_dataset *dataset, bool *lost, struct mlaas_error *error) {
  struct survey survey = {.dataset = dataset};
  struct mlaas_error own;
  error = error ? error : &own;
  *lost = false;
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, mlaas_context_budget(dataset->context));
  name_columns(&survey);
  enum mlaas_status status = MLAAS_OK;
  dataset->num_classes = 0;
  mlaas_free(dataset->classes);
  dataset->classes = mlaas_alloc(MOST_CLASSES * sizeof *dataset->classes);
  survey.parts = mlaas_arena_alloc(&arena, MLAAS_PIECE_ROWS, 1, error);
  if (survey.parts)
    survey.identifiers =
        mlaas_arena_alloc(&arena, MLAAS_PIECE_ROWS * (survey.num_identifiers + 1), sizeof(int64_t), error);
  if (!dataset->classes || !survey.identifiers)
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory to look at labels and weights");
  if (status == MLAAS_OK)
    status = survey_files(&survey, lost, error);
  if (status == MLAAS_OK && !*lost)
    status = balance(dataset, error);
  mlaas_arena_reset(&arena);
  return status;
}
