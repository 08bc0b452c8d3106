/* From streamer info to nodes: a class becomes a struct of its members, bases inlined; what cannot be told from the
 * file is left out where its length is known, and refused where it is not. Must not know any branch or basket. */
#include "rootio/value/class_node.h"

#include "base/error.h"
#include "rootio/value/class_known.h"
#include "rootio/value/type_name.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 24, MOST_DIMENSIONS = 5 };
/* ROOT's codes of members, and what is added for arrays and counted arrays. */
enum {
  CODE_BASE = 0,
  CODE_TEXT = 7,
  ARRAY = 20,
  COUNTED = 40,
  CODE_OBJECT = 61,
  CODE_ANY = 62,
  CODE_OBJECT_IN_PLACE = 63,
  CODE_OBJECT_POINTER = 64,
  CODE_TSTRING = 65,
  CODE_TOBJECT = 66,
  CODE_TNAMED = 67,
  CODE_ANY_IN_PLACE = 68,
  CODE_ANY_POINTER = 69,
  CODE_STL = 300,
  CODE_STRING = 365,
  CODE_STREAMER = 500,
  CODE_LOOP = 501
};

/* "Track*" without what says that it is a pointer. */
static char *pointed_to(struct mlaas_node_maker *maker, const char *type_name) {
  if (strncmp(type_name, "const ", 6) == 0)
    type_name += 6;
  size_t length = strlen(type_name);
  while (length > 0 && (type_name[length - 1] == '*' || type_name[length - 1] == ' '))
    length--;
  char *name = mlaas_arena_strndup(maker->arena, type_name, length, maker->error);
  return name ? name : mlaas_node_failed(maker);
}

/* Another instance of the same template, as good a description as there is of one whose collections were always empty:
 * the frame of an object says which class it is of. */
static const struct mlaas_streamer_info *find_relative(const struct mlaas_node_maker *maker, const char *name) {
  const char *bracket = strchr(name, '<');
  size_t length = bracket ? (size_t)(bracket + 1 - name) : 0;
  for (size_t i = 0; length > 0 && i < maker->streamers->num_infos; i++)
    if (strncmp(maker->streamers->infos[i].name, name, length) == 0)
      return &maker->streamers->infos[i];
  return NULL;
}

/* ---- members ---- */

/* The dimensions of an array member, outermost first; a single one where they contradict its length. */
static struct mlaas_node *new_dims(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                   struct mlaas_node *node) {
  int dims = element->array_dim > 0 && element->array_dim <= MOST_DIMENSIONS ? element->array_dim : 0;
  int64_t product = 1;
  for (int i = 0; i < dims; i++)
    if (element->max_index[i] < 1 || __builtin_mul_overflow(product, element->max_index[i], &product))
      return mlaas_node_refuse(maker, "the dimensions of an array are beyond what is read");
  if (dims == 0 || product != element->array_length)
    return mlaas_node_new_fixed(maker, element->array_length, node);
  for (int i = dims; i-- > 0 && node;)
    node = mlaas_node_new_fixed(maker, element->max_index[i], node);
  return node;
}

static struct mlaas_node *arrays_of(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                    struct mlaas_node *node) {
  return node && element->array_length > 0 ? new_dims(maker, element, node) : node;
}

/* Arrays of collections and of strings share one frame. */
static struct mlaas_node *framed_arrays_of(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                           struct mlaas_node *node) {
  if (!node || element->array_length <= 0)
    return node;
  node->framed = false;
  node = new_dims(maker, element, node);
  if (node)
    node->framed = true;
  return node;
}

static struct mlaas_node *value_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                     int32_t code) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_VALUE, "");
  if (!node)
    return NULL;
  if (!mlaas_scalar_of_code(code, &node->value, &node->format))
    return mlaas_node_refuse_class(maker, "member", element->name, "is of a type that is not read");
  if ((code == 9 || code == 19) && !mlaas_packing_parse(element->title, &node->value))
    return mlaas_node_refuse(maker, "the range of its Float16_t or Double32_t is ambiguous");
  return node;
}

/* The last of the members in front, bases included, that is called `name`. */
static const struct mlaas_node *find_counter(const struct mlaas_node *members, size_t count, const char *name) {
  for (size_t i = count; i-- > 0;) {
    const struct mlaas_node *member = &members[i];
    const struct mlaas_node *found = NULL;
    if (member->inlined)
      found = find_counter(member->children, member->num_children, name);
    else if (member->kind == MLAAS_NODE_VALUE && member->value.packing == MLAAS_PACKED_PLAIN &&
             !strchr("fg", member->format[0]) && strcmp(member->name, name) == 0)
      found = member;
    if (found)
      return found;
  }
  return NULL;
}

/* Lists as long as a member in front says. */
static struct mlaas_node *counted_list(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                       const struct mlaas_node *before, size_t num_before, bool outside,
                                       struct mlaas_node *child) {
  const struct mlaas_node *counter = find_counter(before, num_before, element->count_name);
  if (outside)
    return child ? mlaas_node_new_list(maker, MLAAS_EXTENT_GIVEN, child) : NULL;
  if (!counter)
    return mlaas_node_refuse_class(maker, "the counter of member", element->name, "is missing");
  struct mlaas_node *list = child ? mlaas_node_new_list(maker, MLAAS_EXTENT_MEMBER, child) : NULL;
  if (list)
    list->counter = counter;
  return list;
}

static struct mlaas_node *counted_values(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                         const struct mlaas_node *before, size_t num_before) {
  if (element->array_length > 1)
    return mlaas_node_refuse_class(maker, "counted arrays of arrays like", element->name, "are not read");
  struct mlaas_node *value = value_node(maker, element, element->type - COUNTED);
  struct mlaas_node *list = value ? counted_list(maker, element, before, num_before, false, value) : NULL;
  if (list)
    list->flagged = true;
  return list;
}

/* T *x; //[n] of a class: a frame, then as many objects, or pointers where x is T **. */
static struct mlaas_node *loop_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                    const struct mlaas_node *before, size_t num_before) {
  char *name = pointed_to(maker, element->type_name);
  bool outside = maker->outside;
  maker->outside = false;
  if (!name)
    return NULL;
  struct mlaas_node *item =
      strstr(element->type_name, "**") ? mlaas_pointer_node(maker, name) : mlaas_class_node(maker, name, -1, 0);
  struct mlaas_node *list = item ? counted_list(maker, element, before, num_before, outside, item) : NULL;
  if (!list)
    return NULL;
  if (outside && element->array_length > 1)
    return mlaas_node_refuse_class(maker, "counted arrays of arrays like", element->name, "are not read");
  list->framed = true;
  if (element->array_length > 1)
    list->per_count = element->array_length;
  return element->array_length > 1 ? framed_arrays_of(maker, element, list) : list;
}

static struct mlaas_node *collection_node(struct mlaas_node_maker *maker,
                                          const struct mlaas_streamer_element *element) {
  char *name = pointed_to(maker, element->type_name); /* a pointer to a collection is written as the collection */
  if (!name)
    return NULL;
  int32_t outer = maker->content;
  maker->content = element->content_type == 0 ? 3 : element->content_type; /* 0: an enumeration of old times */
  struct mlaas_node *node = mlaas_type_node(maker, name, true);
  maker->content = outer;
  if (node && node->kind != MLAAS_NODE_LIST && node->kind != MLAAS_NODE_TEXT)
    return mlaas_node_refuse_class(maker, "", name, "was expected to be a collection");
  return framed_arrays_of(maker, element, node);
}

static struct mlaas_node *base_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element) {
  if (element->type == -1)
    return mlaas_node_new_skip(maker, MLAAS_SKIP_BYTES, 0);
  if (strcmp(element->name, "TObject") == 0)
    return mlaas_node_new_skip(maker, MLAAS_SKIP_TOBJECT, 0);
  struct mlaas_node *node = mlaas_class_node(maker, element->name, element->base_version, element->base_checksum);
  if (node && node->kind == MLAAS_NODE_STRUCT)
    node->inlined = true;
  return node;
}

static bool is_collection(const struct mlaas_streamer_element *element) {
  return strcmp(element->kind, "TStreamerSTL") == 0 || strcmp(element->kind, "TStreamerSTLstring") == 0;
}

static struct mlaas_node *pointer_member(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element) {
  char *name = pointed_to(maker, element->type_name);
  return name ? arrays_of(maker, element, mlaas_pointer_node(maker, name)) : NULL;
}

static struct mlaas_node *object_member(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element) {
  char *name = pointed_to(maker, element->type_name);
  return name ? arrays_of(maker, element, mlaas_class_node(maker, name, -1, 0)) : NULL;
}

static struct mlaas_node *any_element(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                      const struct mlaas_node *before, size_t num_before) {
  int32_t code = element->type;
  if (is_collection(element))
    return collection_node(maker, element);
  if (strcmp(element->kind, "TStreamerBase") == 0)
    return base_node(maker, element);
  if (code == CODE_TEXT) {
    struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_TEXT, "u");
    return arrays_of(maker, element, node);
  }
  if (code > 0 && code < ARRAY)
    return value_node(maker, element, code);
  if (code > ARRAY && code < COUNTED) {
    struct mlaas_node *value = value_node(maker, element, code - ARRAY);
    return value ? new_dims(maker, element, value) : NULL;
  }
  if (code > COUNTED && code < COUNTED + ARRAY)
    return counted_values(maker, element, before, num_before);
  switch (code) {
  case CODE_OBJECT:
  case CODE_ANY:
  case CODE_OBJECT + ARRAY:
  case CODE_ANY + ARRAY:
  case CODE_OBJECT_IN_PLACE:
  case CODE_ANY_IN_PLACE:
    return object_member(maker, element);
  case CODE_OBJECT_POINTER:
  case CODE_ANY_POINTER:
    return pointer_member(maker, element);
  case CODE_TSTRING:
  case CODE_TSTRING + ARRAY:
    return framed_arrays_of(maker, element, mlaas_class_node(maker, "TString", -1, 0));
  case CODE_TOBJECT:
  case CODE_TOBJECT + ARRAY:
    return framed_arrays_of(maker, element, mlaas_class_node(maker, "TObject", -1, 0));
  case CODE_TNAMED:
  case CODE_TNAMED + ARRAY:
    return framed_arrays_of(maker, element, mlaas_class_node(maker, "TNamed", -1, 0));
  case CODE_LOOP:
  case CODE_LOOP + ARRAY:
    return loop_node(maker, element, before, num_before);
  default:
    return mlaas_node_refuse_class(maker, "member", element->name, "is of a type that is not read");
  }
}

/* What can be left out of a class because the bytes say how long it is. */
static struct mlaas_node *left_out(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element) {
  struct mlaas_node *node = NULL;
  int32_t code = element->type;
  if (is_collection(element) || code == CODE_STREAMER || code == CODE_LOOP || code == CODE_LOOP + ARRAY) {
    node = mlaas_node_new_skip(maker, MLAAS_SKIP_OBJECT, 0);
    if (node)
      node->framed = true;
    return node;
  }
  if (code == CODE_OBJECT_POINTER || code == CODE_ANY_POINTER)
    node = mlaas_node_new_skip(maker, MLAAS_SKIP_POINTER, 0);
  else if ((code >= CODE_OBJECT && code <= CODE_ANY_IN_PLACE) || code == CODE_OBJECT + ARRAY ||
           code == CODE_ANY + ARRAY || code == CODE_BASE)
    node = mlaas_node_new_skip(maker, MLAAS_SKIP_OBJECT, 0);
  if (node && code == CODE_BASE)
    node->inlined = true;
  return code == CODE_BASE ? node : arrays_of(maker, element, node);
}

struct mlaas_node *mlaas_element_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_element *element,
                                      const struct mlaas_node *before, size_t num_before) {
  struct mlaas_node *node = any_element(maker, element, before, num_before);
  if (node)
    node->name = element->name;
  return node;
}

/* ---- classes ---- */

/* The class has a collection for its only element: it is one. */
static struct mlaas_node *collection_class(struct mlaas_node_maker *maker, const struct mlaas_streamer_info *info) {
  const char *title = info->elements[0].title, *end = NULL;
  int open = 0;
  if (mlaas_type_is_sequence(info->name) || strncmp(info->name, "map<", 4) == 0)
    return mlaas_type_node(maker, info->name, true);
  for (const char *at = title; *title == '<' && *at && !end; at++) {
    open += (*at == '<') - (*at == '>');
    end = open == 0 ? at : NULL;
  }
  if (!end)
    return mlaas_node_refuse_class(maker, "what class", info->name, "is a collection of is not in the file");
  char *name = mlaas_arena_format(maker->arena, maker->error, "vector<%.*s>", (int)(end - title - 1), title + 1);
  return name ? mlaas_type_node(maker, name, true) : mlaas_node_failed(maker);
}

static struct mlaas_node *members_of(struct mlaas_node_maker *maker, const struct mlaas_streamer_info *info) {
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_STRUCT, "+s");
  if (!node)
    return NULL;
  node->children =
      mlaas_arena_alloc(maker->arena, info->num_elements ? info->num_elements : 1, sizeof *node, maker->error);
  if (!node->children)
    return mlaas_node_failed(maker);
  for (size_t i = 0; i < info->num_elements; i++) {
    const struct mlaas_streamer_element *element = &info->elements[i];
    struct mlaas_node *member = mlaas_element_node(maker, element, node->children, node->num_children);
    if (!member && maker->status == MLAAS_OK && maker->num_nodes <= MLAAS_MOST_NODES) {
      const char *why = maker->unsupported;
      maker->unsupported = NULL;
      member = left_out(maker, element);
      maker->unsupported = member ? NULL : why;
    }
    if (!member)
      return NULL;
    node->children[node->num_children++] = *member;
  }
  return node;
}

struct mlaas_node *mlaas_info_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_info *info) {
  struct mlaas_open_class open = {info->name, maker->open};
  for (const struct mlaas_open_class *outer = maker->open; outer; outer = outer->outer)
    if (strcmp(outer->name, info->name) == 0)
      return mlaas_node_refuse_class(maker, "class", info->name, "contains itself");
  if (maker->depth >= MOST_DEPTH)
    return mlaas_node_refuse(maker, "classes nested as deeply are not read");
  int32_t content = maker->content;
  maker->open = &open;
  maker->depth++;
  maker->content = CODE_OBJECT;
  struct mlaas_node *node = NULL;
  if (info->num_elements == 1 && strcmp(info->elements[0].name, "This") == 0)
    node = collection_class(maker, info);
  else if ((node = members_of(maker, info))) {
    struct mlaas_object_class *object = mlaas_arena_alloc(maker->arena, 1, sizeof *object, maker->error);
    if (object)
      *object = (struct mlaas_object_class){.name = info->name, .version = info->version, .checksum = info->checksum};
    node->object = object;
    if (!object)
      node = mlaas_node_failed(maker);
  }
  maker->open = open.outer;
  maker->depth--;
  maker->content = content;
  return node;
}

/* Objects of it are read only if their frames have the checksum of this very instance. */
static struct mlaas_node *relative_node(struct mlaas_node_maker *maker, const struct mlaas_streamer_info *info) {
  struct mlaas_node *node = mlaas_info_node(maker, info);
  struct mlaas_object_class *object = NULL;
  if (!node || !node->object)
    return node ? mlaas_node_refuse_class(maker, "class", info->name, "has relatives only") : NULL;
  object = mlaas_arena_alloc(maker->arena, 1, sizeof *object, maker->error);
  if (!object)
    return mlaas_node_failed(maker);
  *object = (struct mlaas_object_class){.name = info->name, .version = -1, .checksum = info->checksum};
  node->object = object;
  return node;
}

/* The version that the bytes were seen to have, else the newest. */
static const struct mlaas_streamer_info *choose_info(struct mlaas_node_maker *maker, const char *name) {
  const struct mlaas_streamers *streamers = maker->streamers;
  const struct mlaas_clones *told = maker->clones;
  const struct mlaas_streamer_info *info = mlaas_node_find_info(maker, name, -1, 0);
  if (!info || info == streamers->infos || strcmp(info[-1].name, info->name) != 0)
    return info;
  maker->ambiguous = true;
  for (int32_t i = 0; told && i < told->num_versions; i++)
    if (strcmp(told->versions[i].name, info->name) == 0) {
      const struct mlaas_streamer_info *seen =
          mlaas_streamers_find(streamers, info->name, told->versions[i].version, told->versions[i].checksum);
      return seen ? seen : info;
    }
  return info;
}

struct mlaas_node *mlaas_class_node(struct mlaas_node_maker *maker, const char *name, int32_t version,
                                    uint32_t checksum) {
  struct mlaas_node *node;
  if (mlaas_known_class(maker, name, &node))
    return node;
  const struct mlaas_streamer_info *info = NULL;
  if (version > 0 || checksum)
    info = mlaas_node_find_info(maker, name, version, checksum);
  if (!info)
    info = choose_info(maker, name);
  if (maker->status != MLAAS_OK)
    return NULL;
  if (info)
    return mlaas_info_node(maker, info);
  if (mlaas_known_layout(maker, name, &node))
    return node;
  if ((info = find_relative(maker, name)))
    return relative_node(maker, info);
  return mlaas_node_refuse_class(maker, "class", name, "is not in the file's streamer info");
}

/* True where the file describes classes that are derived from it. */
static bool is_base_of_others(const struct mlaas_node_maker *maker, const char *name) {
  for (size_t i = 0; i < maker->streamers->num_infos; i++) {
    const struct mlaas_streamer_info *info = &maker->streamers->infos[i];
    for (size_t j = 0; j < info->num_elements && strcmp(info->elements[j].kind, "TStreamerBase") == 0; j++)
      if (strcmp(info->elements[j].name, name) == 0)
        return true;
  }
  return false;
}

struct mlaas_node *mlaas_pointer_node(struct mlaas_node_maker *maker, const char *name) {
  if (strcmp(name, "TObject") == 0 || (maker->open && is_base_of_others(maker, name)))
    return mlaas_node_refuse_class(maker, "pointers to", name, "may point to objects of many classes");
  struct mlaas_node *child = mlaas_class_node(maker, name, -1, 0);
  if (!child)
    return NULL;
  if (child->kind == MLAAS_NODE_SKIP) {
    struct mlaas_node *skip = mlaas_node_new_skip(maker, MLAAS_SKIP_POINTER, 0);
    if (skip && child->skip == MLAAS_SKIP_CLONES)
      skip->children = child;
    return skip;
  }
  struct mlaas_node *node = mlaas_node_new(maker, MLAAS_NODE_OPTION, "");
  struct mlaas_object_class *object = mlaas_arena_alloc(maker->arena, 1, sizeof *object, maker->error);
  if (!node || !object)
    return node ? mlaas_node_failed(maker) : NULL;
  *object = (struct mlaas_object_class){.name = name};
  node->object = object;
  node->children = child;
  node->num_children = 1;
  return node;
}

/* ---- the maker ---- */

static struct mlaas_node *class_of(struct mlaas_node_maker *maker, const char *name) {
  return mlaas_class_node(maker, name, -1, 0);
}

void mlaas_node_maker_init(struct mlaas_node_maker *maker, const struct mlaas_streamers *streamers,
                           struct mlaas_arena *arena, struct mlaas_error *error) {
  static const struct mlaas_streamers none;
  *maker = (struct mlaas_node_maker){.streamers = streamers ? streamers : &none,
                                     .arena = arena,
                                     .error = error,
                                     .class_of = class_of,
                                     .pointer_to = mlaas_pointer_node,
                                     .content = CODE_OBJECT};
}

enum mlaas_status mlaas_type_parse(const char *name, bool member, struct mlaas_arena *arena, struct mlaas_node **node,
                                   const char **unsupported, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_node_maker maker;
  mlaas_node_maker_init(&maker, NULL, arena, error ? error : &ignored);
  *node = mlaas_type_node(&maker, name, member);
  *unsupported = maker.unsupported;
  return maker.status;
}
