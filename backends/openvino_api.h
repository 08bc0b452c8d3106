/* The part of OpenVINO's C interface that we call, under its own names without "ov_". Numbers of element types changed
 * between its versions; they are those of 2025 and newer, and openvino.c checks them when the library is loaded.
 */
#ifndef MLAAS_OPENVINO_API_H
#define MLAAS_OPENVINO_API_H

#include <stddef.h>
#include <stdint.h>

struct ov_shape {
  int64_t rank;
  int64_t *dims;
};

struct ov_range {
  int64_t min, max; /* equal: known; max -1: without limit */
};

struct ov_partial_shape {
  struct ov_range rank;
  struct ov_range *dims;
};

struct ov_version {
  const char *number, *description;
};

/* Element types by number: X(number, ours). */
#define OV_DTYPES(X)                                                                                                   \
  X(1, BOOL)                                                                                                           \
  X(2, BFLOAT16)                                                                                                       \
  X(3, FLOAT16)                                                                                                        \
  X(4, FLOAT32)                                                                                                        \
  X(5, FLOAT64)                                                                                                        \
  X(7, INT8)                                                                                                           \
  X(8, INT16)                                                                                                          \
  X(9, INT32)                                                                                                          \
  X(10, INT64)                                                                                                         \
  X(16, UINT8)                                                                                                         \
  X(17, UINT16)                                                                                                        \
  X(18, UINT32)                                                                                                        \
  X(19, UINT64)

enum ov_code { OV_CODE_PARAMETER_MISMATCH = -4, OV_CODE_NOT_IMPLEMENTED = -2 };

/* X(result, name, arguments); a result that is int is a code, 0 for success. */
#define OV_FUNCTIONS(X)                                                                                                \
  X(int, get_openvino_version, (struct ov_version *))                                                                  \
  X(void, version_free, (struct ov_version *))                                                                         \
  X(const char *, get_error_info, (int code))                                                                          \
  X(const char *, get_last_err_msg, (void))                                                                            \
  X(void, free, (const char *))                                                                                        \
  X(int, core_create, (void **core))                                                                                   \
  X(int, core_read_model, (const void *core, const char *path, const char *weights, void **model))                     \
  X(int, core_compile_model,                                                                                           \
    (const void *core, const void *model, const char *device, size_t num_texts, void **compiled, ...))                 \
  X(void, model_free, (void *model))                                                                                   \
  X(int, compiled_model_inputs_size, (const void *compiled, size_t *count))                                            \
  X(int, compiled_model_outputs_size, (const void *compiled, size_t *count))                                           \
  X(int, compiled_model_input_by_index, (const void *compiled, size_t index, void **port))                             \
  X(int, compiled_model_output_by_index, (const void *compiled, size_t index, void **port))                            \
  X(int, compiled_model_create_infer_request, (const void *compiled, void **request))                                  \
  X(void, compiled_model_free, (void *compiled))                                                                       \
  X(int, port_get_any_name, (const void *port, char **name))                                                           \
  X(int, port_get_element_type, (const void *port, int *dtype))                                                        \
  X(int, port_get_partial_shape, (const void *port, struct ov_partial_shape *))                                        \
  X(void, partial_shape_free, (struct ov_partial_shape *))                                                             \
  X(void, output_const_port_free, (void *port))                                                                        \
  X(int, infer_request_set_input_tensor_by_index, (void *request, size_t index, const void *tensor))                   \
  X(int, infer_request_get_output_tensor_by_index, (const void *request, size_t index, void **tensor))                 \
  X(int, infer_request_infer, (void *request))                                                                         \
  X(void, infer_request_free, (void *request))                                                                         \
  X(int, tensor_create, (int dtype, struct ov_shape, void **tensor))                                                   \
  X(int, tensor_create_from_host_ptr, (int dtype, struct ov_shape, void *data, void **tensor))                         \
  X(int, tensor_get_shape, (const void *tensor, struct ov_shape *))                                                    \
  X(int, tensor_get_element_type, (const void *tensor, int *dtype))                                                    \
  X(int, tensor_get_byte_size, (const void *tensor, size_t *size))                                                     \
  X(int, tensor_data, (const void *tensor, void **data))                                                               \
  X(void, tensor_free, (void *tensor))                                                                                 \
  X(int, shape_free, (struct ov_shape *))

struct ov_api {
#define X(result, name, arguments) result(*name) arguments;
  OV_FUNCTIONS(X)
#undef X
};

#endif
