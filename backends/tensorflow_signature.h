/* What a SavedModel says of its inputs and outputs: one signature out of a serialized MetaGraphDef. Must not know
 * TensorFlow's library: reads the bytes of the protocol buffer, without trusting them.
 */
#ifndef MLAAS_TENSORFLOW_SIGNATURE_H
#define MLAAS_TENSORFLOW_SIGNATURE_H

#include "plugin.h"

/* Inputs and outputs of the signature, each sorted by name; `names` of the ports are tensors ("op:0"). `wanted` NULL:
 * serving_default, or the only one there is. Errors: FORMAT (damaged, no signature), ARGUMENT (no such signature: which
 * there are), UNSUPPORTED (sparse tensors, types, dimensions), MEMORY. */
enum mlaas_status tensorflow_signature_read(const void *bytes, size_t size, const char *wanted,
                                            struct plugin_ports *inputs, struct plugin_ports *outputs,
                                            struct mlaas_error *error);
/* INVALID for what is not supported. */
enum mlaas_dtype tensorflow_dtype(int number);

#endif
