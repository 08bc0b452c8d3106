/* One model, opened from a folder or a file by the back end that fits, and run on tensors.
 *
 * What can be opened: a bundle (model.json of "format": "mlaas-model"), a folder of TFaaS (params.json), a SavedModel
 * (folder with saved_model.pb), a frozen graph (.pb), ONNX (.onnx), XGBoost (.ubj, .json), or a folder that
 * holds exactly one of these. The back end is a plug-in (mlaas/backend.h) found in the options' folder, in
 * $MLAAS_BACKENDS, or beside the library; the framework's library in the options' folder, in $MLAAS_LIBRARIES, in the
 * Python environment that it is installed in or was built with, or where the dynamic linker finds it.
 *
 * A model is immutable after opening and thread safe; close it when no run is under way.
 */
#ifndef MLAAS_MODEL_H
#define MLAAS_MODEL_H

#include <mlaas/recipe.h>
#include <mlaas/status.h>
#include <mlaas/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_model;

struct mlaas_model_options {
  size_t size;           /* sizeof(struct mlaas_model_options) */
  const char *backend;   /* "tensorflow", "onnxruntime", "openvino", "xgboost"; NULL: as the model says */
  const char *backends;  /* folder of the plug-ins, or NULL */
  const char *libraries; /* folders with the frameworks' packages (site-packages), joined by ':', or NULL */
  int threads;           /* threads of one run; 0: as the model says, else 1 */
  const char *options;   /* JSON object of further options of the back end, over the model's own; or NULL. A member that
                            is an object holds those of the back end of its name */
};

/* Errors: NOT_FOUND (path, plug-in or library), FORMAT, UNSUPPORTED (no back end for it), ARGUMENT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_model_open(const char *path,
                                                             const struct mlaas_model_options *options,
                                                             struct mlaas_model **model, struct mlaas_error *error);
MLAAS_API void mlaas_model_close(struct mlaas_model *model);

/* What goes in and comes out; lives as long as the model. */
MLAAS_API const struct mlaas_tensor_info *mlaas_model_inputs(const struct mlaas_model *model, size_t *count);
MLAAS_API const struct mlaas_tensor_info *mlaas_model_outputs(const struct mlaas_model *model, size_t *count);
/* Borrowed; NULL where the model has none. */
MLAAS_API struct mlaas_recipe *mlaas_model_recipe(const struct mlaas_model *model);
/* JSON: name, version, back_end, library_version, inputs, outputs, labels, metrics, file; drift where the model runs
 * with less than float32 (its scores' largest and mean difference to float32 on noise). Freed with mlaas_text_free. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_model_describe(const struct mlaas_model *model, char **json,
                                                                 struct mlaas_error *error);

/* Runs all inputs (in the order of mlaas_model_inputs) to all outputs, whose memory lives until
 * mlaas_model_release(model, held). Errors: SCHEMA (dtype, shape: which input, expected, found), those of the back
 * end. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_model_run(struct mlaas_model *model,
                                                            const struct mlaas_tensor *inputs,
                                                            struct mlaas_tensor *outputs, void **held,
                                                            struct mlaas_error *error);
MLAAS_API void mlaas_model_release(struct mlaas_model *model, void *held);
/* What a filler's input k (x and mask as mlaas_filler_fill wrote them, `rows` rows) becomes for this model: masked
 * places are set to NaN where the model's training saw them so ("mask": "nan" in model.json). In place. */
MLAAS_API void mlaas_model_apply_mask(const struct mlaas_model *model, float *x, const uint8_t *mask, size_t count);

#ifdef __cplusplus
}
#endif
#endif
