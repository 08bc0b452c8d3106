/* The part of TensorFlow's C interface (stable since 1.0; texts since 2.4) that we call, under its own names. */
#ifndef MLAAS_TENSORFLOW_API_H
#define MLAAS_TENSORFLOW_API_H

#include <stddef.h>
#include <stdint.h>

struct tf_buffer {
  const void *data;
  size_t length;
  void (*free_data)(void *data, size_t length);
};

/* One of an operation's outputs. */
struct tf_output {
  void *operation;
  int index;
};

/* An element of a tensor of texts; its inside is TensorFlow's own. */
struct tf_string {
  uint64_t inside[3];
};

/* Element types by number: X(number, ours). */
#define TF_DTYPES(X)                                                                                                   \
  X(1, FLOAT32)                                                                                                        \
  X(2, FLOAT64)                                                                                                        \
  X(3, INT32)                                                                                                          \
  X(4, UINT8)                                                                                                          \
  X(5, INT16)                                                                                                          \
  X(6, INT8)                                                                                                           \
  X(7, BYTES)                                                                                                          \
  X(9, INT64)                                                                                                          \
  X(10, BOOL)                                                                                                          \
  X(14, BFLOAT16)                                                                                                      \
  X(17, UINT16)                                                                                                        \
  X(19, FLOAT16)                                                                                                       \
  X(22, UINT32)                                                                                                        \
  X(23, UINT64)

enum tf_code { TF_CODE_OK = 0, TF_CODE_INVALID_ARGUMENT = 3, TF_CODE_NOT_FOUND = 5, TF_CODE_UNIMPLEMENTED = 12 };

/* X(result, name, arguments) */
#define TF_FUNCTIONS(X)                                                                                                \
  X(const char *, Version, (void))                                                                                     \
  X(void *, NewStatus, (void))                                                                                         \
  X(void, DeleteStatus, (void *status))                                                                                \
  X(int, GetCode, (const void *status))                                                                                \
  X(const char *, Message, (const void *status))                                                                       \
  X(void *, NewSessionOptions, (void))                                                                                 \
  X(void, SetConfig, (void *options, const void *proto, size_t size, void *status))                                    \
  X(void, DeleteSessionOptions, (void *options))                                                                       \
  X(void *, NewGraph, (void))                                                                                          \
  X(void, DeleteGraph, (void *graph))                                                                                  \
  X(struct tf_buffer *, NewBuffer, (void))                                                                             \
  X(void, DeleteBuffer, (struct tf_buffer *))                                                                          \
  X(void *, NewImportGraphDefOptions, (void))                                                                          \
  X(void, DeleteImportGraphDefOptions, (void *options))                                                                \
  X(void, GraphImportGraphDef, (void *graph, const struct tf_buffer *, const void *options, void *status))             \
  X(void *, GraphOperationByName, (void *graph, const char *name))                                                     \
  X(void *, GraphNextOperation, (void *graph, size_t *position))                                                       \
  X(const char *, OperationName, (void *operation))                                                                    \
  X(const char *, OperationOpType, (void *operation))                                                                  \
  X(int, OperationNumOutputs, (void *operation))                                                                       \
  X(int, OperationOutputType, (struct tf_output))                                                                      \
  X(int, OperationOutputNumConsumers, (struct tf_output))                                                              \
  X(int, OperationNumControlOutputs, (void *operation))                                                                \
  X(int, GraphGetTensorNumDims, (void *graph, struct tf_output, void *status))                                         \
  X(void, GraphGetTensorShape, (void *graph, struct tf_output, int64_t *dims, int num_dims, void *status))             \
  X(void *, NewSession, (void *graph, const void *options, void *status))                                              \
  X(void *, LoadSessionFromSavedModel,                                                                                 \
    (const void *options, const struct tf_buffer *run_options, const char *folder, const char *const *tags,            \
     int num_tags, void *graph, struct tf_buffer *meta_graph, void *status))                                           \
  X(void, CloseSession, (void *session, void *status))                                                                 \
  X(void, DeleteSession, (void *session, void *status))                                                                \
  X(void, SessionRun,                                                                                                  \
    (void *session, const struct tf_buffer *run_options, const struct tf_output *inputs, void *const *input_values,    \
     int num_inputs, const struct tf_output *outputs, void **output_values, int num_outputs,                           \
     const void *const *targets, int num_targets, struct tf_buffer *run_metadata, void *status))                       \
  X(void *, NewTensor,                                                                                                 \
    (int dtype, const int64_t *dims, int num_dims, void *data, size_t size,                                            \
     void (*free_data)(void *data, size_t size, void *context), void *context))                                        \
  X(void *, AllocateTensor, (int dtype, const int64_t *dims, int num_dims, size_t size))                               \
  X(void, DeleteTensor, (void *tensor))                                                                                \
  X(int, TensorType, (const void *tensor))                                                                             \
  X(int, NumDims, (const void *tensor))                                                                                \
  X(int64_t, Dim, (const void *tensor, int index))                                                                     \
  X(size_t, TensorByteSize, (const void *tensor))                                                                      \
  X(void *, TensorData, (const void *tensor))                                                                          \
  X(void, StringInit, (struct tf_string *))                                                                            \
  X(void, StringCopy, (struct tf_string *, const char *text, size_t size))                                             \
  X(const char *, StringGetDataPointer, (const struct tf_string *))                                                    \
  X(size_t, StringGetSize, (const struct tf_string *))                                                                 \
  X(void, StringDealloc, (struct tf_string *))

struct tf_api {
#define X(result, name, arguments) result(*name) arguments;
  TF_FUNCTIONS(X)
#undef X
};

#endif
