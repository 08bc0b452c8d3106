/* The part of ONNX Runtime's C interface that we call. The library exports one function, which gives a table of
 * functions; places in the table never change and new functions go to its end, so a place and a signature are all that
 * has to be known. Places were counted with the header of version 1.24.
 */
#ifndef MLAAS_ONNXRUNTIME_API_H
#define MLAAS_ONNXRUNTIME_API_H

#include <stddef.h>
#include <stdint.h>

enum { ORT_VERSION_NEEDED = 15, ORT_VERSION_HAS_SHAPE = 24, ORT_PLACE_HAS_SHAPE = 390 };

struct ort_base {
  const void *(*get_api)(uint32_t version); /* NULL: the library is older */
  const char *(*get_version)(void);
};

typedef void ort_status; /* NULL is success */
typedef void ort_logger(void *context, int severity, const char *category, const char *id, const char *place,
                        const char *message);

/* What the table calls a type, in the order of its numbers. */
enum ort_kind { ORT_KIND_UNKNOWN, ORT_KIND_TENSOR, ORT_KIND_SEQUENCE, ORT_KIND_MAP };

/* Element types by number: X(number, ours). */
#define ORT_DTYPES(X)                                                                                                  \
  X(1, FLOAT32)                                                                                                        \
  X(2, UINT8)                                                                                                          \
  X(3, INT8)                                                                                                           \
  X(4, UINT16)                                                                                                         \
  X(5, INT16)                                                                                                          \
  X(6, INT32)                                                                                                          \
  X(7, INT64)                                                                                                          \
  X(8, BYTES)                                                                                                          \
  X(9, BOOL)                                                                                                           \
  X(10, FLOAT16)                                                                                                       \
  X(11, FLOAT64)                                                                                                       \
  X(12, UINT32)                                                                                                        \
  X(13, UINT64)                                                                                                        \
  X(16, BFLOAT16)

enum ort_code {
  ORT_CODE_FAIL = 1,
  ORT_CODE_INVALID_ARGUMENT = 2,
  ORT_CODE_NO_SUCH_FILE = 3,
  ORT_CODE_RUNTIME_EXCEPTION = 6,
  ORT_CODE_NOT_IMPLEMENTED = 9,
};

enum { ORT_OPTIMISE_NONE = 0, ORT_OPTIMISE_BASIC = 1, ORT_OPTIMISE_ALL = 99, ORT_LOG_FATAL = 4 };

/* X(place, result, name, arguments) */
#define ORT_FUNCTIONS(X)                                                                                               \
  X(1, int, status_code, (const ort_status *))                                                                         \
  X(2, const char *, status_message, (const ort_status *))                                                             \
  X(4, ort_status *, env_new, (ort_logger *, void *context, int severity, const char *id, void **env))                 \
  X(7, ort_status *, session_new, (void *env, const char *path, void *options, void **session))                        \
  X(9, ort_status *, run,                                                                                              \
    (void *session, void *options, const char *const *input_names, void *const *inputs, size_t num_inputs,             \
     const char *const *output_names, size_t num_outputs, void **outputs))                                             \
  X(10, ort_status *, options_new, (void **options))                                                                   \
  X(13, ort_status *, options_mode, (void *options, int mode))                                                         \
  X(17, ort_status *, options_no_pattern, (void *options))                                                             \
  X(19, ort_status *, options_no_arena, (void *options))                                                               \
  X(23, ort_status *, options_optimise, (void *options, int level))                                                    \
  X(24, ort_status *, options_intra, (void *options, int threads))                                                     \
  X(25, ort_status *, options_inter, (void *options, int threads))                                                     \
  X(30, ort_status *, session_inputs, (const void *session, size_t *count))                                            \
  X(31, ort_status *, session_outputs, (const void *session, size_t *count))                                           \
  X(33, ort_status *, session_input_type, (const void *session, size_t index, void **type))                            \
  X(34, ort_status *, session_output_type, (const void *session, size_t index, void **type))                           \
  X(36, ort_status *, session_input_name, (const void *session, size_t index, void *allocator, char **name))           \
  X(37, ort_status *, session_output_name, (const void *session, size_t index, void *allocator, char **name))          \
  X(48, ort_status *, tensor_new, (void *allocator, const int64_t *shape, size_t num_dims, int dtype, void **value))   \
  X(49, ort_status *, tensor_of,                                                                                       \
    (const void *memory, void *data, size_t size, const int64_t *shape, size_t num_dims, int dtype, void **value))     \
  X(51, ort_status *, tensor_data, (void *value, void **data))                                                         \
  X(53, ort_status *, strings_size, (const void *value, size_t *size))                                                 \
  X(54, ort_status *, strings_copy, (const void *value, void *to, size_t size, size_t *offsets, size_t count))         \
  X(55, ort_status *, type_tensor, (const void *type, const void **shape))                                             \
  X(56, ort_status *, type_kind, (const void *type, int *kind))                                                        \
  X(60, ort_status *, shape_dtype, (const void *shape, int *dtype))                                                    \
  X(61, ort_status *, shape_num_dims, (const void *shape, size_t *count))                                              \
  X(62, ort_status *, shape_dims, (const void *shape, int64_t *dims, size_t count))                                    \
  X(65, ort_status *, value_shape, (const void *value, void **shape))                                                  \
  X(69, ort_status *, memory_new, (int allocator, int memory_type, void **memory))                                     \
  X(76, ort_status *, allocator_free, (void *allocator, void *memory))                                                 \
  X(78, ort_status *, allocator_get, (void **allocator))                                                               \
  X(80, ort_status *, value_item, (const void *value, int index, void *allocator, void **item))                        \
  X(81, ort_status *, value_count, (const void *value, size_t *count))                                                 \
  X(93, void, status_free, (ort_status *))                                                                             \
  X(95, void, session_free, (void *session))                                                                           \
  X(96, void, value_free, (void *value))                                                                               \
  X(98, void, type_free, (void *type))                                                                                 \
  X(99, void, shape_free, (void *shape))                                                                               \
  X(100, void, options_free, (void *options))                                                                          \
  X(103, ort_status *, type_map, (const void *type, const void **map))                                                 \
  X(104, ort_status *, type_sequence, (const void *type, const void **sequence))                                       \
  X(106, ort_status *, map_value_type, (const void *map, void **type))                                                 \
  X(107, ort_status *, sequence_item_type, (const void *sequence, void **type))                                        \
  X(130, ort_status *, options_entry, (void *options, const char *key, const char *value))                             \
  X(252, ort_status *, string_room, (void *value, size_t index, size_t size, char **buffer))

struct ort_api {
#define X(place, result, name, arguments) result(*name) arguments;
  ORT_FUNCTIONS(X)
#undef X
  _Bool (*has_shape)(const void *shape); /* NULL in libraries before 1.24 */
};

#endif
