/* Many files as one data set: parameters, statistics (specs), the recipe made from them, and loaders that deliver
 * shuffled, padded, normalised float32 batches in bounded memory.
 *
 * The usual order: mlaas_dataset_open -> mlaas_dataset_scan (or set_specs) -> mlaas_loader_open -> mlaas_loader_next.
 * A data set is immutable once it has specs and may then be shared; a loader belongs to one thread at a time
 * (mlaas_loader_cancel and mlaas_batch_release excepted). NULL may be closed, freed and released. After fork() both are
 * STATE in the child, where closing them does nothing. Those of reading below: see mlaas/file.h.
 */
#ifndef MLAAS_DATASET_H
#define MLAAS_DATASET_H

#include <mlaas/context.h>
#include <mlaas/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_specs;
struct mlaas_dataset;
struct mlaas_loader;

/* Called now and then with entries done and in all; another value than 0 cancels (MLAAS_CANCELLED). */
typedef int mlaas_progress(void *context, int64_t done, int64_t total);

/* ---- parameters -------------------------------------------------------------------------------- */

struct mlaas_param {
  const char *name, *synonyms; /* synonyms separated by blanks, "" for none */
  const char *type;            /* of int, number, bool, text, list, object, choice a|b|c; several joined by " or " */
  const char *fallback;        /* the default as JSON */
  const char *help;            /* one sentence */
};
/* The one table of parameters: help, documents and completion come from it. NULL past the end. */
MLAAS_API const struct mlaas_param *mlaas_param_at(size_t i);
/* Checks params.json text: synonyms replaced, types checked, defaults filled in. An unknown key is ARGUMENT with a
 * suggestion. *effective is JSON, freed with mlaas_text_free. NULL or "" means {}. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_params_check(const char *json, char **effective,
                                                               struct mlaas_error *error);

/* A context over the same memory and threads that reaches remote files as the parameter `remote` of `params` says; a
 * data set does this by itself. On success *derived has one count. Errors: as mlaas_params_check, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_params_context(const char *params, struct mlaas_context *context,
                                                                 struct mlaas_context **derived,
                                                                 struct mlaas_error *error);

/* ---- specs ------------------------------------------------------------------------------------- */

/* Statistics of a data set, "format": "mlaas-specs", or the original's global-specs.json. Merging is associative, so
 * scans may run on many machines. Texts are freed with mlaas_text_free. Errors: FORMAT (of parsing), MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_specs_parse(const char *json, size_t length,
                                                              struct mlaas_specs **specs, struct mlaas_error *error);
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_specs_format(const struct mlaas_specs *specs, char **json,
                                                               struct mlaas_error *error);
/* The original's global-specs.json (jdim, minv, maxv, fkeys, jkeys, nans, events). */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_specs_format_global(const struct mlaas_specs *specs, char **json,
                                                                      struct mlaas_error *error);
/* Adds `other` to `specs`. Errors: SCHEMA (another table or type), ARGUMENT (a file is in both), MEMORY; `specs` is
 * only to be freed then. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status
mlaas_specs_merge(struct mlaas_specs *specs, const struct mlaas_specs *other, struct mlaas_error *error);
MLAAS_API void mlaas_specs_free(struct mlaas_specs *specs);

/* ---- data set ---------------------------------------------------------------------------------- */

/* Opens every file's table and brings the schemas together. `files`: names as in mlaas/place.h (no lists), expanded
 * with the parameter redirector. `labels`: JSON, a number per file or per name in `files`, one branch name, or NULL (no
 * labels: y is 0). `params`: JSON as in mlaas_params_check. Errors: those of opening, plus NOT_FOUND, SCHEMA (which
 * branch of which file), ARGUMENT. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_dataset_open(struct mlaas_context *context, const char *const *files,
                                                               size_t num_files, const char *labels, const char *params,
                                                               struct mlaas_dataset **dataset,
                                                               struct mlaas_error *error);
MLAAS_API void mlaas_dataset_close(struct mlaas_dataset *dataset);
/* One pass over all entries, on the context's threads. `progress` may be NULL; it is called in the caller's thread.
 * Errors: STATE (it has a recipe already), ARGUMENT (no branch is left), CANCELLED (also by `progress`), and those of
 * reading, but for files that on_bad_file leaves out. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_dataset_scan(struct mlaas_dataset *dataset, mlaas_progress *progress,
                                                               void *progress_context, struct mlaas_error *error);
/* Takes specs made earlier (copied): STALE if they are of other files, another table or lack a branch. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status
mlaas_dataset_set_specs(struct mlaas_dataset *dataset, const struct mlaas_specs *specs, struct mlaas_error *error);
/* Applies a recipe made earlier, instead of specs: prediction. Only its branches are read; `rename` is JSON
 * {"branch of the recipe": "branch in these files"} or NULL. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_dataset_set_recipe(struct mlaas_dataset *dataset,
                                                                     struct mlaas_recipe *recipe, const char *rename,
                                                                     struct mlaas_error *error);
/* Borrowed; NULL before scan, set_specs or set_recipe. */
MLAAS_API const struct mlaas_specs *mlaas_dataset_specs(const struct mlaas_dataset *dataset);
MLAAS_API struct mlaas_recipe *mlaas_dataset_recipe(const struct mlaas_dataset *dataset);
/* JSON: effective "params", "files" (url, id, entries, quota, label), "classes", "dropped" branches (name, reason),
 * "warnings" (sentences), "lost" (files that are left out, see on_bad_file: url, stage, status, reason, entries),
 * "weights" (sums per class), "source": what reading has cost so far (requests, ranges, bytes, delivered, hits,
 * retries, failovers: see struct mlaas_costs), and "sources": the same of each file. Freed with mlaas_text_free. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_dataset_describe(const struct mlaas_dataset *dataset, char **json,
                                                                   struct mlaas_error *error);

/* ---- loader ------------------------------------------------------------------------------------ */

struct mlaas_loader_options {
  size_t size;        /* sizeof(struct mlaas_loader_options) */
  const char *split;  /* "train", "validation", "test" or "all" */
  int shuffle;        /* 1, 0, or -1: as params say (for "train"; the other splits come in order) */
  int rank, world;    /* this loader's shard: rank of world (0 of 1) */
  int64_t batch_rows; /* 0: as params say */
};

struct mlaas_batch_input {
  float *x;      /* rows x slots x features, 64-byte aligned, writable */
  uint8_t *mask; /* same shape */
  int64_t slots, features;
};

/* Lent memory: valid until released, from any thread, also after the loader is closed. */
struct mlaas_batch {
  int64_t rows, index; /* index in the epoch */
  size_t num_inputs;
  const struct mlaas_batch_input *inputs;
  float *y, *w;  /* label and training weight (1 without `weight`) of each row */
  float *raw_w;  /* weight as in the file, signed */
  int32_t *file; /* index into the data set's files */
  int64_t *entry;
  int8_t *part; /* 0 train, 1 validation, 2 test, -1 not in the training data */
};

/* Errors: STATE (no recipe yet), ARGUMENT, LIMIT (names the smallest ceiling that would do), MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_open(struct mlaas_dataset *dataset,
                                                              const struct mlaas_loader_options *options,
                                                              struct mlaas_loader **loader, struct mlaas_error *error);
MLAAS_API void mlaas_loader_close(struct mlaas_loader *loader);
/* Exact, the same each epoch. */
MLAAS_API int64_t mlaas_loader_num_rows(const struct mlaas_loader *loader);
MLAAS_API int64_t mlaas_loader_num_batches(const struct mlaas_loader *loader);
/* Starts epoch `epoch` (0, 1, ...) at its first batch; the order depends on seed, epoch, rank and world only. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_set_epoch(struct mlaas_loader *loader, int64_t epoch,
                                                                   struct mlaas_error *error);
/* Waits at most timeout_ms (-1: as long as it takes) for the next batch: *batch is NULL at the end of the epoch; then
 * the next epoch starts at the next call. Errors: TIMEOUT (call again), CANCELLED, LIMIT (every batch that fits is held
 * by the caller: release some), and those of reading, where IO stands for a server's deadline too. After an error other
 * than TIMEOUT the loader is finished. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_next(struct mlaas_loader *loader, int timeout_ms,
                                                              struct mlaas_batch **batch, struct mlaas_error *error);
MLAAS_API void mlaas_batch_release(struct mlaas_batch *batch);
/* Stops what runs; a waiting next returns CANCELLED. Any thread, also a signal handler's helper. */
MLAAS_API void mlaas_loader_cancel(struct mlaas_loader *loader);
/* JSON with epoch, position and what they depend on; restore continues with the batch after the last delivered one.
 * Errors of restore: STALE if data, seed, batch size or shard differ, FORMAT. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_state(const struct mlaas_loader *loader, char **json,
                                                               struct mlaas_error *error);
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_restore(struct mlaas_loader *loader, const char *json,
                                                                 struct mlaas_error *error);
/* JSON: rows per second, entries truncated per branch, memory, bytes read, "source" as of a data set: what a progress
 * line or a log wants. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_loader_stats(const struct mlaas_loader *loader, char **json,
                                                               struct mlaas_error *error);

#ifdef __cplusplus
}
#endif
#endif
