/* Tensors as they go into and come out of a model: views of dense, row-major memory in the machine's byte order. */
#ifndef MLAAS_TENSOR_H
#define MLAAS_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(symbol, name of the Open Inference Protocol, bytes of one element). Numbers are stable: append only. */
#define MLAAS_DTYPE_MAP(X)                                                                                             \
  X(INVALID, "", 0)                                                                                                    \
  X(BOOL, "BOOL", 1)                                                                                                   \
  X(UINT8, "UINT8", 1)                                                                                                 \
  X(UINT16, "UINT16", 2)                                                                                               \
  X(UINT32, "UINT32", 4)                                                                                               \
  X(UINT64, "UINT64", 8)                                                                                               \
  X(INT8, "INT8", 1)                                                                                                   \
  X(INT16, "INT16", 2)                                                                                                 \
  X(INT32, "INT32", 4)                                                                                                 \
  X(INT64, "INT64", 8)                                                                                                 \
  X(FLOAT16, "FP16", 2)                                                                                                \
  X(FLOAT32, "FP32", 4)                                                                                                \
  X(FLOAT64, "FP64", 8)                                                                                                \
  X(BFLOAT16, "BF16", 2)                                                                                               \
  X(BYTES, "BYTES", 16)

enum mlaas_dtype {
#define X(symbol, name, bytes) MLAAS_DTYPE_##symbol,
  MLAAS_DTYPE_MAP(X)
#undef X
      MLAAS_DTYPE_COUNT
};

enum { MLAAS_TENSOR_DIMS = 8 };

/* An element of a BYTES tensor; not terminated. */
struct mlaas_blob {
  const char *data;
  size_t size;
};

struct mlaas_tensor {
  enum mlaas_dtype dtype;
  int32_t num_dims;
  int64_t shape[MLAAS_TENSOR_DIMS];
  void *data;  /* elements; struct mlaas_blob for BYTES */
  size_t size; /* bytes behind data */
};

/* What a model says of one of its inputs or outputs. */
struct mlaas_tensor_info {
  const char *name; /* lives as long as the model */
  enum mlaas_dtype dtype;
  int32_t num_dims;                 /* -1: any number of dimensions */
  int64_t shape[MLAAS_TENSOR_DIMS]; /* -1: any length */
};

#ifdef __cplusplus
}
#endif
#endif
