/* Numbers to tensors in the model's types and shapes. */
#include "serve/inputs.h"

#include "base/error.h"
#include "serve/event_plan.h"
#include "serve/events.h"

#include <math.h>

struct make {
  struct mlaas_instance *instance;
  const struct mlaas_model *model;
  const struct mlaas_json_request *request;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
};

static void *take(const struct make *m, size_t count, size_t size) {
  return mlaas_arena_alloc(m->arena, count, size, m->error);
}

/* ---- numbers of one input ---- */

/* Values [first, first + count) of the request's numbers as `dtype`, to `out`. */
static enum mlaas_status convert(const struct make *m, const struct mlaas_tensor_info *info, size_t first, size_t count,
                                 bool nan_allowed, void *out, size_t to) {
  const double *values = m->request->numbers + first;
  const int64_t *exact = m->request->integers ? m->request->integers + first : NULL;
  for (size_t i = 0; i < count; i++) {
    double value = values[i];
    if (isnan(value) && !nan_allowed)
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "value %zu is null; the model takes numbers only", i);
    switch (info->dtype) {
    case MLAAS_DTYPE_FLOAT32:
      ((float *)out)[to + i] = (float)value;
      if (isinf(((float *)out)[to + i]) && !isinf(value))
        return mlaas_fail(m->error, MLAAS_ARGUMENT, "value %zu, %.9g, is larger than float32 can hold", i, value);
      break;
    case MLAAS_DTYPE_FLOAT64:
      ((double *)out)[to + i] = value;
      break;
#define WHOLE(name, type, low, high)                                                                                   \
  case MLAAS_DTYPE_##name: {                                                                                           \
    if (!(value >= (double)(low) && value <= (double)(high)) || value != floor(value))                                 \
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "value %zu, %.17g, does not fit the model's type " #name, i, value); \
    ((type *)out)[to + i] = exact                            ? (type)exact[i]                                          \
                            : value >= 9223372036854775808.0 ? (type)(value > 1.8e19 ? (high) : (uint64_t)value)       \
                                                             : (type)(int64_t)value;                                   \
  } break;
      WHOLE(BOOL, uint8_t, 0, 1)
      WHOLE(INT8, int8_t, INT8_MIN, INT8_MAX)
      WHOLE(UINT8, uint8_t, 0, UINT8_MAX)
      WHOLE(INT16, int16_t, INT16_MIN, INT16_MAX)
      WHOLE(UINT16, uint16_t, 0, UINT16_MAX)
      WHOLE(INT32, int32_t, INT32_MIN, INT32_MAX)
      WHOLE(UINT32, uint32_t, 0, UINT32_MAX)
      WHOLE(INT64, int64_t, INT64_MIN, 9223372036854774784.0)
      WHOLE(UINT64, uint64_t, 0, 9223372036854774784.0)
#undef WHOLE
    default:
      return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" takes no numbers", info->name);
    }
  }
  return MLAAS_OK;
}

static size_t element_size(enum mlaas_dtype dtype) {
  static const uint8_t sizes[] = {
#define X(symbol, name, bytes) bytes,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return (unsigned)dtype < MLAAS_DTYPE_COUNT ? sizes[dtype] : 0;
}

static enum mlaas_status fail_width(const struct make *m, const struct mlaas_tensor_info *info, int64_t wanted,
                                    size_t count) {
  return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" takes %lld values, %zu are given", info->name,
                    (long long)wanted, count);
}

/* The shape of `rows` rows of `width` values each. */
static enum mlaas_status shape(const struct make *m, const struct mlaas_tensor_info *info, int64_t rows, size_t width,
                               struct mlaas_tensor *tensor) {
  int first = info->num_dims >= 1 && info->shape[0] == -1; /* a dimension of rows */
  int64_t known = 1;
  int unknown = -1;
  tensor->num_dims = info->num_dims;
  if (info->num_dims < 0) { /* any shape: rows of values */
    tensor->num_dims = 2;
    tensor->shape[0] = rows;
    tensor->shape[1] = (int64_t)width;
    return MLAAS_OK;
  }
  if (first)
    tensor->shape[0] = rows;
  else if (rows != 1)
    return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" takes one event at a time", info->name);
  for (int i = first; i < info->num_dims; i++) {
    tensor->shape[i] = info->shape[i];
    if (info->shape[i] >= 0)
      known *= info->shape[i];
    else if (unknown >= 0)
      return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" has several dimensions of any length",
                        info->name);
    else
      unknown = i;
  }
  if (unknown < 0)
    return (int64_t)width == known ? MLAAS_OK : fail_width(m, info, known, width);
  if (width == 0 || known == 0 || (int64_t)width % known)
    return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" takes a multiple of %lld values, %zu are given",
                      info->name, (long long)known, width);
  tensor->shape[unknown] = (int64_t)width / known;
  return MLAAS_OK;
}

static enum mlaas_status begin_tensor(const struct make *m, size_t input, int64_t rows, size_t width,
                                      struct mlaas_tensor *tensor) {
  const struct mlaas_tensor_info *info = &m->model->inputs[input];
  size_t size = element_size(info->dtype), count;
  *tensor = (struct mlaas_tensor){.dtype = info->dtype};
  MLAAS_TRY(shape(m, info, rows, width, tensor));
  if (info->dtype == MLAAS_DTYPE_BYTES || info->dtype == MLAAS_DTYPE_FLOAT16 || info->dtype == MLAAS_DTYPE_BFLOAT16)
    return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input \"%s\" takes no numbers of this protocol", info->name);
  if (__builtin_mul_overflow((size_t)rows, width, &count))
    return mlaas_fail(m->error, MLAAS_LIMIT, "too many values");
  tensor->size = count * size;
  tensor->data = take(m, count, size);
  return tensor->data ? MLAAS_OK : m->error->status;
}

/* Models that know missing values take null. */
static bool takes_nan(const struct make *m) {
  return m->request->has_nan || m->model->manifest.mask_is_nan || strcmp(m->model->manifest.backend, "xgboost") == 0;
}

/* ---- vectors ---- */

static const struct mlaas_json_row *rows_of(const struct make *m, size_t *count) {
  *count = m->request->has_events ? m->request->num_events : 1;
  return m->request->has_events ? m->request->events : &m->request->values;
}

static enum mlaas_status check_vector(const struct make *m, const struct mlaas_json_row *row) {
  if (row->named)
    return mlaas_fail(m->error, MLAAS_ARGUMENT, "the model knows no names of values; give each event as a list");
  if (row->cells)
    return mlaas_fail(m->error, MLAAS_ARGUMENT,
                      "a list among the values is for models that know the names of branches; several events go into "
                      "\"events\"");
  return MLAAS_OK;
}

static enum mlaas_status make_vectors(const struct make *m, struct mlaas_tensor *tensors, int64_t *num_rows) {
  size_t count;
  const struct mlaas_json_row *rows = rows_of(m, &count);
  if (m->model->num_inputs != 1)
    return mlaas_fail(m->error, MLAAS_SCHEMA,
                      "the model has %zu inputs: give \"events\": [{\"NAME\": [...]}] with their names",
                      m->model->num_inputs);
  for (size_t i = 0; i < count; i++) {
    MLAAS_TRY(check_vector(m, &rows[i]));
    if (rows[i].count != rows[0].count)
      return mlaas_fail(m->error, MLAAS_SCHEMA, "event %zu has %zu values, event 0 has %zu", i, rows[i].count,
                        rows[0].count);
  }
  if (count == 0)
    return mlaas_fail(m->error, MLAAS_ARGUMENT, "there are no events");
  MLAAS_TRY(begin_tensor(m, 0, (int64_t)count, rows[0].count, &tensors[0]));
  for (size_t i = 0; i < count; i++) {
    enum mlaas_status status = convert(m, &m->model->inputs[0], rows[i].first, rows[i].count, takes_nan(m),
                                       tensors[0].data, i * rows[0].count);
    if (status != MLAAS_OK)
      return count > 1 ? mlaas_fail_in(m->error, status, "event %zu", i) : status;
  }
  *num_rows = (int64_t)count;
  return MLAAS_OK;
}

/* ---- named inputs of a model without recipe ---- */

static const struct mlaas_json_cell *find_cell(const struct mlaas_json_row *row, const char *name) {
  for (size_t i = row->count; i-- > 0;) /* the last of equal names counts */
    if (mlaas_slice_is(row->cells[i].key, name))
      return &row->cells[i];
  return NULL;
}

static enum mlaas_status check_names(const struct make *m, const struct mlaas_json_row *row) {
  for (size_t i = 0; i < row->count; i++) {
    bool known = false;
    for (size_t k = 0; k < m->model->num_inputs && !known; k++)
      known = mlaas_slice_is(row->cells[i].key, m->model->inputs[k].name);
    if (!known)
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "the model has no input \"%.*s\"",
                        (int)(row->cells[i].key.size < 100 ? row->cells[i].key.size : 100), row->cells[i].key.data);
  }
  return MLAAS_OK;
}

static enum mlaas_status make_named(const struct make *m, struct mlaas_tensor *tensors, int64_t *num_rows) {
  size_t count = m->request->num_events;
  const struct mlaas_json_row *rows = m->request->events;
  for (size_t e = 0; e < count; e++) {
    if (!rows[e].named)
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "event %zu has no names, others have", e);
    MLAAS_TRY(check_names(m, &rows[e]));
  }
  for (size_t k = 0; k < m->model->num_inputs; k++) {
    const struct mlaas_tensor_info *info = &m->model->inputs[k];
    size_t width = 0;
    for (size_t e = 0; e < count; e++) {
      const struct mlaas_json_cell *cell = find_cell(&rows[e], info->name);
      if (!cell)
        return mlaas_fail(m->error, MLAAS_ARGUMENT, "event %zu has no \"%s\"", e, info->name);
      size_t length = cell->count < 0 ? 1 : (size_t)cell->count;
      if (e && length != width)
        return mlaas_fail(m->error, MLAAS_SCHEMA, "\"%s\" has %zu values in event %zu, %zu in event 0", info->name,
                          length, e, width);
      if (e == 0) {
        width = length;
        MLAAS_TRY(begin_tensor(m, k, (int64_t)count, width, &tensors[k]));
      }
      MLAAS_TRY(convert(m, info, cell->first, width, takes_nan(m), tensors[k].data, e * width));
    }
  }
  *num_rows = (int64_t)count;
  return MLAAS_OK;
}

/* ---- raw events ---- */

static struct mlaas_event_value value_of(const struct mlaas_json_request *request, struct mlaas_slice key, size_t first,
                                         int32_t count) {
  return (struct mlaas_event_value){.key = key,
                                    .values = request->numbers + first,
                                    .integers = request->integers ? request->integers + first : NULL,
                                    .count = count};
}

/* The names of values without names: the request's keys, else the features in the recipe's order. */
static enum mlaas_status names_of(const struct make *m, const struct mlaas_slice **names, size_t *count) {
  const struct mlaas_recipe *recipe = m->model->manifest.recipe;
  if (m->request->num_keys) {
    *names = m->request->keys;
    *count = m->request->num_keys;
    return MLAAS_OK;
  }
  if (recipe->num_inputs != 1 || recipe->inputs[0].padded)
    return mlaas_fail(m->error, MLAAS_ARGUMENT, "raw values of this model need names: \"keys\", or events as objects");
  *count = (size_t)recipe->inputs[0].features;
  struct mlaas_slice *made = take(m, *count, sizeof *made);
  if (!made)
    return m->error->status;
  for (size_t i = 0; i < *count; i++)
    made[i] = mlaas_slice_of(mlaas_recipe_feature(recipe, 0, (int64_t)i));
  *names = made;
  return MLAAS_OK;
}

static enum mlaas_status make_event(const struct make *m, const struct mlaas_json_row *row,
                                    const struct mlaas_slice *names, size_t num_names, struct mlaas_event *event) {
  struct mlaas_event_value *values = take(m, row->count, sizeof *values);
  if (!values)
    return m->error->status;
  if (!row->named && row->count != num_names)
    return mlaas_fail(m->error, MLAAS_ARGUMENT, "there are %zu values for %zu names", row->count, num_names);
  for (size_t i = 0; i < row->count; i++)
    values[i] = row->named   ? value_of(m->request, row->cells[i].key, row->cells[i].first, row->cells[i].count)
                : row->cells ? value_of(m->request, names[i], row->cells[i].first, row->cells[i].count)
                             : value_of(m->request, names[i], row->first + i, -1);
  *event = (struct mlaas_event){values, row->count};
  return MLAAS_OK;
}

static enum mlaas_status make_raw(const struct make *m, struct mlaas_tensor **inputs, int64_t *num_rows) {
  size_t count, num_names = 0;
  const struct mlaas_json_row *rows = rows_of(m, &count);
  const struct mlaas_slice *names = NULL;
  struct mlaas_event *events = take(m, count, sizeof *events);
  if (!events)
    return m->error->status;
  for (size_t e = 0; e < count; e++) {
    if (!rows[e].named && !names)
      MLAAS_TRY(names_of(m, &names, &num_names));
    enum mlaas_status status = make_event(m, &rows[e], names, num_names, &events[e]);
    if (status != MLAAS_OK)
      return count > 1 ? mlaas_fail_in(m->error, status, "event %zu", e) : status;
  }
  *num_rows = (int64_t)count;
  return mlaas_event_plan_fill(m->instance->extra, events, count, m->arena, inputs, m->error);
}

/* ---- normalised values under the names of features ---- */

static enum mlaas_status feature_index(const struct make *m, struct mlaas_slice key, size_t *index) {
  const struct mlaas_recipe_input *input = &m->model->manifest.recipe->inputs[0];
  for (*index = 0; *index < (size_t)input->features; ++*index)
    if (mlaas_slice_is(key, input->features_names[*index]))
      return MLAAS_OK;
  return mlaas_fail(m->error, MLAAS_ARGUMENT, "the model has no feature \"%.*s\"",
                    (int)(key.size < 100 ? key.size : 100), key.data);
}

static enum mlaas_status make_sorted(const struct make *m, struct mlaas_tensor *tensors, int64_t *num_rows) {
  size_t count;
  const struct mlaas_json_row *rows = rows_of(m, &count);
  const struct mlaas_recipe *recipe = m->model->manifest.recipe;
  size_t width = (size_t)recipe->inputs[0].features, index;
  MLAAS_TRY(begin_tensor(m, 0, (int64_t)count, width, &tensors[0]));
  if (tensors[0].dtype != MLAAS_DTYPE_FLOAT32)
    return mlaas_fail(m->error, MLAAS_SCHEMA, "the model's input is not of float32");
  float *x = tensors[0].data;
  for (size_t i = 0; i < count * width; i++)
    x[i] = m->model->manifest.mask_is_nan ? NAN : recipe->pad;
  for (size_t e = 0; e < count; e++) {
    size_t given = rows[e].count;
    if (rows[e].cells && !rows[e].named)
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "normalised values are numbers, not lists");
    if (!rows[e].named && given != m->request->num_keys)
      return mlaas_fail(m->error, MLAAS_ARGUMENT, "there are %zu values for %zu names", given, m->request->num_keys);
    for (size_t i = 0; i < given; i++) {
      MLAAS_TRY(feature_index(m, rows[e].named ? rows[e].cells[i].key : m->request->keys[i], &index));
      if (rows[e].named && rows[e].cells[i].count >= 0)
        return mlaas_fail(m->error, MLAAS_ARGUMENT, "normalised values are numbers, not lists");
      MLAAS_TRY(convert(m, &m->model->inputs[0], rows[e].named ? rows[e].cells[i].first : rows[e].first + i, 1,
                        takes_nan(m), x, e * width + index));
    }
  }
  *num_rows = (int64_t)count;
  return MLAAS_OK;
}

/* ---- which of them ---- */

static bool any_named(const struct mlaas_json_request *request) {
  return request->has_events && request->num_events && request->events[0].named;
}

static bool is_raw(const struct make *m) {
  if (m->request->input != MLAAS_JSON_UNSAID)
    return m->request->input == MLAAS_JSON_RAW;
  return m->request->num_keys || any_named(m->request) || !m->model->manifest.normalised;
}

enum mlaas_status mlaas_inputs_make(struct mlaas_instance *instance, const struct mlaas_json_request *request,
                                    struct mlaas_arena *arena, struct mlaas_tensor **inputs, int64_t *rows, bool *raw,
                                    struct mlaas_error *error) {
  struct mlaas_error unused;
  struct make m = {instance, instance->model, request, arena, error ? error : &unused};
  const struct mlaas_recipe *recipe = m.model->manifest.recipe;
  *raw = recipe && is_raw(&m);
  if (!recipe && request->input == MLAAS_JSON_RAW)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the model has no recipe that could make its inputs of raw values");
  if (request->has_events && request->has_values)
    return mlaas_fail(error, MLAAS_ARGUMENT, "give \"values\" or \"events\", not both");
  if (*raw)
    return make_raw(&m, inputs, rows);
  *inputs = take(&m, m.model->num_inputs, sizeof **inputs);
  if (!*inputs)
    return m.error->status;
  if (recipe && recipe->num_inputs == 1 && !recipe->inputs[0].padded && m.model->num_inputs == 1 &&
      (request->num_keys || any_named(request)))
    return make_sorted(&m, *inputs, rows);
  return any_named(request) ? make_named(&m, *inputs, rows) : make_vectors(&m, *inputs, rows);
}
