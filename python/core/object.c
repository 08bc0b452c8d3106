/* Objects behind keys as Python values. The library's tree is walked once; what is no number and no text is made by a
 * function of the package, which decides how it looks. Arrays are views of the library's memory.
 */
#include "core.h"

#include <mlaas/object.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 400 };

struct walk {
  PyObject *owner; /* holds the object in the library */
  PyObject *make;  /* make(kind, class name, payload, more) */
  PyObject *made;  /* address of members or items to what was made of them */
  int depth;
};

static PyObject *convert(struct walk *walk, const struct mlaas_item *item);

static PyObject *text_of(const char *text, int64_t length) {
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogateescape");
}

static PyObject *make(struct walk *walk, const char *kind, const struct mlaas_item *item, PyObject *payload) {
  if (!payload)
    return NULL;
  PyObject *value = PyObject_CallFunction(walk->make, "sO&O", kind, core_str, item->class_name, payload);
  Py_DECREF(payload);
  return value;
}

static PyObject *convert_array(struct walk *walk, const struct mlaas_item *item) {
  static const char *const formats[] = {"?", "b", "B", "h", "H", "i", "I", "q", "Q", "f", "d"};
  struct core_layout layout = {
      .item = item->as.array.width, .dimensions = 1, .shape = {(Py_ssize_t)item->count}, .readonly = true};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (*formats[i] == item->as.array.format)
      layout.format = formats[i];
  PyObject *buffer = core_buffer_new(walk->owner, item->as.array.values, &layout);
  PyObject *shape = PyTuple_New(item->dimensions);
  for (int32_t i = 0; shape && i < item->dimensions; i++) {
    PyObject *size = PyLong_FromLongLong(item->as.array.shape[i]);
    if (!size || PyTuple_SetItem(shape, i, size) < 0)
      Py_CLEAR(shape);
  }
  PyObject *payload = buffer && shape ? Py_BuildValue("(OO)", buffer, shape) : NULL;
  Py_XDECREF(buffer);
  Py_XDECREF(shape);
  return make(walk, "array", item, payload);
}

/* Items, and the options that a TList keeps with them where there are any. */
static PyObject *convert_items(struct walk *walk, const struct mlaas_item *item, const char *kind, int64_t count) {
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (int64_t i = 0; all && i < count; i++) {
    PyObject *value = convert(walk, &item->as.items[i]);
    if (!value || PyList_SetItem(all, (Py_ssize_t)i, value) < 0)
      Py_CLEAR(all);
  }
  return make(walk, kind, item, all);
}

static PyObject *convert_members(struct walk *walk, const struct mlaas_item *item) {
  PyObject *all = PyList_New((Py_ssize_t)item->count);
  for (int64_t i = 0; all && i < item->count; i++) {
    const struct mlaas_member_item *member = &item->as.members[i];
    PyObject *value = convert(walk, &member->item);
    PyObject *row =
        value ? Py_BuildValue("(O&O&O)", core_str, member->name, core_str, member->class_name, value) : NULL;
    Py_XDECREF(value);
    if (!row || PyList_SetItem(all, (Py_ssize_t)i, row) < 0)
      Py_CLEAR(all);
  }
  return make(walk, "object", item, all);
}

static PyObject *convert_new(struct walk *walk, const struct mlaas_item *item) {
  switch (item->kind) {
  case MLAAS_ITEM_BOOL:
    return PyBool_FromLong((long)item->as.integer);
  case MLAAS_ITEM_INT:
    return PyLong_FromLongLong(item->as.integer);
  case MLAAS_ITEM_UINT:
    return PyLong_FromUnsignedLongLong(item->as.natural);
  case MLAAS_ITEM_DOUBLE:
    return PyFloat_FromDouble(item->as.real);
  case MLAAS_ITEM_TEXT:
    return text_of(item->as.text, item->count);
  case MLAAS_ITEM_ARRAY:
    return convert_array(walk, item);
  case MLAAS_ITEM_LIST:
    return convert_items(walk, item, "list", item->count);
  case MLAAS_ITEM_MAP:
    return convert_items(walk, item, "map", 2 * item->count);
  case MLAAS_ITEM_OBJECT:
    return convert_members(walk, item);
  case MLAAS_ITEM_REFERENCE:
    return item->as.target ? convert(walk, item->as.target) : make(walk, "reference", item, Py_NewRef(Py_None));
  case MLAAS_ITEM_UNREADABLE:
    return make(walk, "unreadable", item, text_of(item->as.reason, (int64_t)strlen(item->as.reason)));
  case MLAAS_ITEM_NULL:
    break;
  }
  return Py_NewRef(Py_None);
}

/* Several references to one object give one Python object. */
static PyObject *convert(struct walk *walk, const struct mlaas_item *item) {
  bool shared = item->kind == MLAAS_ITEM_OBJECT && item->count > 0;
  PyObject *key = shared ? PyLong_FromVoidPtr((void *)(uintptr_t)item->as.members) : NULL;
  if (shared && !key)
    return NULL;
  PyObject *value = shared ? PyDict_GetItemWithError(walk->made, key) : NULL; /* borrowed */
  if (value) {
    Py_DECREF(key);
    return Py_NewRef(value);
  }
  if (PyErr_Occurred() || ++walk->depth > MOST_DEPTH) {
    Py_XDECREF(key);
    return PyErr_Occurred() ? NULL : core_raise_status(MLAAS_LIMIT, "the object is nested too deep for Python");
  }
  value = convert_new(walk, item);
  walk->depth--;
  if (value && shared && PyDict_SetItem(walk->made, key, value) < 0)
    Py_CLEAR(value);
  Py_XDECREF(key);
  return value;
}

/* Holds an object in the library, for arrays that outlive everything else. */
struct held {
  struct mlaas_object *object;
  pid_t owner;
};

static void capsule_close(PyObject *capsule) {
  struct held *held = PyCapsule_GetPointer(capsule, "mlaas_object");
  if (held->owner == getpid())
    mlaas_object_close(held->object);
  free(held);
}

/* Takes the object over. */
static PyObject *hold(struct mlaas_object *object) {
  struct held *held = malloc(sizeof *held);
  if (held)
    *held = (struct held){object, getpid()};
  PyObject *capsule = held ? PyCapsule_New(held, "mlaas_object", capsule_close) : PyErr_NoMemory();
  if (!capsule) {
    free(held);
    mlaas_object_close(object);
  }
  return capsule;
}

PyObject *core_object_read(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *file, *path, *function;
  if (!PyArg_ParseTuple(arguments, "O!OO:object_read", core_file_type, &file, &path, &function))
    return NULL;
  PyObject *bytes = core_name(path);
  struct mlaas_file *handle = bytes ? core_file_take(file) : NULL;
  if (!handle) {
    Py_XDECREF(bytes);
    return NULL;
  }
  struct mlaas_object *object = NULL;
  struct mlaas_error error;
  enum mlaas_status status;
  const char *text = PyBytes_AsString(bytes);
  CORE_WAIT(status, mlaas_object_open(handle, text, &object, &error));
  core_file_leave(file);
  Py_DECREF(bytes);
  if (status != MLAAS_OK)
    return core_raise(&error);
  struct walk walk = {.owner = hold(object), .make = function};
  if (!walk.owner)
    return NULL;
  walk.made = PyDict_New();
  PyObject *value = walk.made ? convert(&walk, mlaas_object_item(object)) : NULL;
  struct mlaas_object_info info;
  mlaas_object_info(object, &info);
  PyObject *result =
      value ? Py_BuildValue("(O&O&O&O)", core_str, info.path, core_str, info.class_name, core_str, info.title, value)
            : NULL;
  Py_XDECREF(value);
  Py_XDECREF(walk.made);
  Py_DECREF(walk.owner);
  return result;
}

PyObject *core_object_list(PyObject *module, PyObject *object) {
  (void)module;
  struct mlaas_file *file = core_file_handle(object);
  if (!file)
    return NULL;
  size_t count = mlaas_file_num_objects(file);
  PyObject *all = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; all && i < count; i++) {
    struct mlaas_object_info info;
    mlaas_file_object(file, i, &info);
    PyObject *row = Py_BuildValue("(O&O&O&LL)", core_str, info.path, core_str, info.class_name, core_str, info.title,
                                  (long long)info.stored_bytes, (long long)info.raw_bytes);
    if (!row || PyList_SetItem(all, (Py_ssize_t)i, row) < 0)
      Py_CLEAR(all);
  }
  return all;
}
