/* The Arrow PyCapsule protocol: structs in capsules with fixed names. A consumer moves the struct out (its release
 * becomes NULL); what nobody took is released with the capsule.
 */
#include "core.h"

#include <stdlib.h>

/* One kind of capsule: a destructor, a maker with a zeroed struct inside, and a checked getter. */
#define CAPSULE_KIND(noun, type, name)                                                                                 \
  static void noun##_destroy(PyObject *capsule) {                                                                      \
    struct type *held = PyCapsule_GetPointer(capsule, name);                                                           \
    if (held && held->release)                                                                                         \
      held->release(held);                                                                                             \
    free(held);                                                                                                        \
  }                                                                                                                    \
  PyObject *core_##noun##_capsule(struct type **held) {                                                                \
    *held = calloc(1, sizeof **held);                                                                                  \
    if (!*held)                                                                                                        \
      return PyErr_NoMemory();                                                                                         \
    PyObject *capsule = PyCapsule_New(*held, name, noun##_destroy);                                                    \
    if (!capsule)                                                                                                      \
      free(*held);                                                                                                     \
    return capsule;                                                                                                    \
  }

CAPSULE_KIND(schema, ArrowSchema, "arrow_schema")
CAPSULE_KIND(array, ArrowArray, "arrow_array")
CAPSULE_KIND(stream, ArrowArrayStream, "arrow_array_stream")

static void *alive(PyObject *capsule, const char *name) {
  void *held = PyCapsule_IsValid(capsule, name) ? PyCapsule_GetPointer(capsule, name) : NULL;
  if (!held)
    PyErr_Format(PyExc_TypeError, "an Arrow capsule called %s is needed", name);
  return held;
}

struct ArrowSchema *core_schema_of(PyObject *capsule) {
  struct ArrowSchema *schema = alive(capsule, "arrow_schema");
  if (schema && !schema->release) {
    PyErr_SetString(PyExc_ValueError, "the Arrow schema in this capsule was taken already");
    return NULL;
  }
  return schema;
}

struct ArrowArray *core_array_of(PyObject *capsule) {
  struct ArrowArray *array = alive(capsule, "arrow_array");
  if (array && !array->release) {
    PyErr_SetString(PyExc_ValueError, "the Arrow array in this capsule was taken already");
    return NULL;
  }
  return array;
}
