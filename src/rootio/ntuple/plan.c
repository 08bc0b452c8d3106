/* Fields to nodes and feeds. What is not certain is refused. Must not know any page's bytes. */
#include "rootio/ntuple/plan.h"

#include "base/error.h"
#include "rootio/value/class_node.h"

#include <string.h>

enum { MOST_PER_ROW = INT32_MAX };

struct maker {
  const struct mlaas_ntuple *ntuple;
  const struct mlaas_streamers *streamers;
  struct mlaas_arena *arena;
  struct mlaas_field_plan *plan;
  size_t room; /* for feeds */
  struct mlaas_error *error;
};

/* Where a field hangs: the feed that counts its rows. */
struct place {
  int parent;
  uint32_t alternative;
  int64_t per;
  int level, depth;
};

static enum mlaas_status plan_field(struct maker *maker, uint32_t id, const struct place *place,
                                    struct mlaas_node *node);

static enum mlaas_status refuse(struct maker *maker, const struct mlaas_ntuple_field *field, const char *why) {
  const char *name = field->name, *type = field->type_name[0] ? field->type_name : "untyped";
  maker->plan->unsupported = mlaas_arena_format(maker->arena, maker->error, "field %s (%s): %s", name, type, why);
  return maker->plan->unsupported ? MLAAS_OK : maker->error->status;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* ---- nodes and feeds ---- */

static enum mlaas_status new_children(struct maker *maker, struct mlaas_node *node, size_t count) {
  node->children = mlaas_arena_alloc(maker->arena, count, sizeof *node->children, maker->error);
  if (!node->children)
    return maker->error->status;
  for (size_t i = 0; i < count; i++)
    node->children[i] = (struct mlaas_node){.name = "", .format = ""};
  node->num_children = count;
  return MLAAS_OK;
}

static enum mlaas_status become_fixed(struct maker *maker, struct mlaas_node *node, int32_t size) {
  node->kind = MLAAS_NODE_FIXED;
  node->size = size;
  node->format = mlaas_arena_format(maker->arena, maker->error, "+w:%d", size);
  return node->format ? new_children(maker, node, 1) : maker->error->status;
}

static bool grow_feeds(struct maker *maker) {
  struct mlaas_field_plan *plan = maker->plan;
  if (plan->num_feeds < maker->room)
    return true;
  size_t room = maker->room ? 2 * maker->room : 4;
  struct mlaas_field_feed *feeds = mlaas_arena_alloc(maker->arena, room, sizeof *feeds, maker->error);
  if (!feeds)
    return false;
  if (plan->num_feeds)
    memcpy(feeds, plan->feeds, plan->num_feeds * sizeof *feeds);
  plan->feeds = feeds;
  maker->room = room;
  return true;
}

static enum mlaas_status add_feed(struct maker *maker, enum mlaas_feed_kind kind, uint32_t field, size_t part,
                                  const struct place *place, struct mlaas_node *node) {
  struct mlaas_field_plan *plan = maker->plan;
  if (!grow_feeds(maker))
    return maker->error->status;
  plan->feeds[plan->num_feeds++] = (struct mlaas_field_feed){.kind = kind,
                                                             .field = field,
                                                             .part = part,
                                                             .node = node,
                                                             .parent = place->parent,
                                                             .alternative = place->alternative,
                                                             .per = place->per,
                                                             .level = place->level};
  if (place->level >= plan->num_levels)
    plan->num_levels = place->level + 1;
  return MLAAS_OK;
}

/* Below the feed that was added last. */
static struct place below(const struct maker *maker, const struct place *place, uint32_t alternative) {
  return (struct place){.parent = (int)maker->plan->num_feeds - 1,
                        .alternative = alternative,
                        .per = 1,
                        .level = place->level + 1,
                        .depth = place->depth + 1};
}

/* ---- columns ---- */

static bool is_index(enum mlaas_ntuple_type type) {
  return type == MLAAS_NTUPLE_INDEX32 || type == MLAAS_NTUPLE_INDEX64 || type == MLAAS_NTUPLE_SPLIT_INDEX32 ||
         type == MLAAS_NTUPLE_SPLIT_INDEX64;
}

static bool is_real(enum mlaas_ntuple_type type) {
  switch (type) {
  case MLAAS_NTUPLE_REAL16:
  case MLAAS_NTUPLE_REAL32:
  case MLAAS_NTUPLE_REAL64:
  case MLAAS_NTUPLE_SPLIT_REAL16:
  case MLAAS_NTUPLE_SPLIT_REAL32:
  case MLAAS_NTUPLE_SPLIT_REAL64:
  case MLAAS_NTUPLE_REAL32_TRUNC:
  case MLAAS_NTUPLE_REAL32_QUANT:
    return true;
  default:
    return false;
  }
}

static bool is_byte(enum mlaas_ntuple_type type) {
  return type == MLAAS_NTUPLE_BYTE || type == MLAAS_NTUPLE_CHAR || type == MLAAS_NTUPLE_INT8 ||
         type == MLAAS_NTUPLE_UINT8;
}

static bool is_integer(enum mlaas_ntuple_type type) {
  return !is_index(type) && !is_real(type) && type != MLAAS_NTUPLE_SWITCH;
}

/* Whether column `part` of every representation is of a kind; there must be `each` columns in one. */
static bool all_columns(const struct maker *maker, const struct mlaas_ntuple_field *field, size_t each, size_t part,
                        bool (*is_kind)(enum mlaas_ntuple_type type)) {
  if (field->columns_each != each || field->num_columns == 0)
    return false;
  for (size_t i = part; i < field->num_columns; i += each)
    if (!is_kind(maker->ntuple->columns[field->columns[i]].type))
      return false;
  return true;
}

static bool is_switch(enum mlaas_ntuple_type type) { return type == MLAAS_NTUPLE_SWITCH; }

/* ---- plain fields ---- */

static const struct number {
  const char *type, *format;
  int32_t width;
} numbers[] = {
    {"bool", "b", 1},           {"char", "C", 1},         {"std::byte", "C", 1},          {"std::int8_t", "c", 1},
    {"std::uint8_t", "C", 1},   {"std::int16_t", "s", 2}, {"std::uint16_t", "S", 2},      {"std::int32_t", "i", 4},
    {"std::uint32_t", "I", 4},  {"std::int64_t", "l", 8}, {"std::uint64_t", "L", 8},      {"float", "f", 4},
    {"double", "g", 8},         {"signed char", "c", 1},  {"unsigned char", "C", 1},      {"short", "s", 2},
    {"unsigned short", "S", 2}, {"int", "i", 4},          {"unsigned int", "I", 4},       {"long", "l", 8},
    {"unsigned long", "L", 8},  {"long long", "l", 8},    {"unsigned long long", "L", 8},
};

/* What a field of a type that nobody knows is taken for: what its column holds. */
static const struct number *number_of_column(enum mlaas_ntuple_type type) {
  static const struct number formats[MLAAS_NTUPLE_NUM_TYPES] = {
      [MLAAS_NTUPLE_BIT] = {"", "b", 1},          [MLAAS_NTUPLE_BYTE] = {"", "C", 1},
      [MLAAS_NTUPLE_CHAR] = {"", "C", 1},         [MLAAS_NTUPLE_INT8] = {"", "c", 1},
      [MLAAS_NTUPLE_UINT8] = {"", "C", 1},        [MLAAS_NTUPLE_INT16] = {"", "s", 2},
      [MLAAS_NTUPLE_UINT16] = {"", "S", 2},       [MLAAS_NTUPLE_INT32] = {"", "i", 4},
      [MLAAS_NTUPLE_UINT32] = {"", "I", 4},       [MLAAS_NTUPLE_INT64] = {"", "l", 8},
      [MLAAS_NTUPLE_UINT64] = {"", "L", 8},       [MLAAS_NTUPLE_REAL16] = {"", "f", 4},
      [MLAAS_NTUPLE_REAL32] = {"", "f", 4},       [MLAAS_NTUPLE_REAL64] = {"", "g", 8},
      [MLAAS_NTUPLE_SPLIT_INT16] = {"", "s", 2},  [MLAAS_NTUPLE_SPLIT_UINT16] = {"", "S", 2},
      [MLAAS_NTUPLE_SPLIT_INT32] = {"", "i", 4},  [MLAAS_NTUPLE_SPLIT_UINT32] = {"", "I", 4},
      [MLAAS_NTUPLE_SPLIT_INT64] = {"", "l", 8},  [MLAAS_NTUPLE_SPLIT_UINT64] = {"", "L", 8},
      [MLAAS_NTUPLE_SPLIT_REAL16] = {"", "f", 4}, [MLAAS_NTUPLE_SPLIT_REAL32] = {"", "f", 4},
      [MLAAS_NTUPLE_SPLIT_REAL64] = {"", "g", 8}, [MLAAS_NTUPLE_REAL32_TRUNC] = {"", "f", 4},
      [MLAAS_NTUPLE_REAL32_QUANT] = {"", "f", 4}};
  return formats[type].format ? &formats[type] : NULL;
}

static const struct number *number_of(const struct maker *maker, const struct mlaas_ntuple_field *field) {
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (strcmp(numbers[i].type, field->type_name) == 0)
      return &numbers[i];
  return number_of_column(maker->ntuple->columns[field->columns[0]].type);
}

static enum mlaas_status plan_text(struct maker *maker, uint32_t id, const struct place *place,
                                   struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  if (!all_columns(maker, field, 2, 0, is_index) || !all_columns(maker, field, 2, 1, is_byte))
    return refuse(maker, field, "a string that is not stored as an index and characters");
  node->kind = MLAAS_NODE_TEXT;
  node->format = "u";
  MLAAS_TRY(add_feed(maker, MLAAS_FEED_ENDS, id, 0, place, node));
  struct place bytes = below(maker, place, 0);
  return add_feed(maker, MLAAS_FEED_VALUES, id, 1, &bytes, node);
}

static enum mlaas_status plan_number(struct maker *maker, uint32_t id, const struct place *place,
                                     struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  node->kind = MLAAS_NODE_VALUE;
  node->value = (struct mlaas_scalar){.packing = MLAAS_PACKED_PLAIN, .width = 8};
  if (begins(field->type_name, "ROOT::RNTupleCardinality<")) {
    node->format = "l"; /* wide enough for both of its types */
    if (!all_columns(maker, field, 1, 0, is_index))
      return refuse(maker, field, "a count that does not come from an index column");
    return add_feed(maker, MLAAS_FEED_COUNTS, id, 0, place, node);
  }
  const struct number *number = field->columns_each == 1 ? number_of(maker, field) : NULL;
  if (!number)
    return refuse(maker, field, "its columns do not make up a number");
  bool real = number->format[0] == 'f' || number->format[0] == 'g';
  if (!all_columns(maker, field, 1, 0, real ? is_real : is_integer))
    return refuse(maker, field, "its type and the type of its column do not go together");
  node->format = number->format;
  node->value.width = number->width;
  node->value.packing = number->format[0] == 'b' ? MLAAS_PACKED_BOOL : MLAAS_PACKED_PLAIN;
  return add_feed(maker, MLAAS_FEED_VALUES, id, 0, place, node);
}

static enum mlaas_status plan_scalar(struct maker *maker, uint32_t id, const struct place *place,
                                     struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  if (field->num_columns == 0 && field->num_children == 1) { /* enumerations, atomics: what they hold */
    struct place inside = *place;
    inside.depth++;
    return plan_field(maker, field->children[0], &inside, node);
  }
  if (field->num_children > 0 || field->num_columns == 0)
    return refuse(maker, field, "a plain field with neither one column nor one field inside");
  if (strcmp(field->type_name, "std::string") == 0 || field->columns_each == 2)
    return plan_text(maker, id, place, node);
  return plan_number(maker, id, place, node);
}

/* Arrays of one size, and bitsets, which have their column themselves. */
static enum mlaas_status plan_array(struct maker *maker, uint32_t id, const struct place *place,
                                    struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  struct place inside = *place;
  inside.depth++;
  if (field->array_size > MOST_PER_ROW || __builtin_mul_overflow(place->per, (int64_t)field->array_size, &inside.per) ||
      inside.per > MOST_PER_ROW)
    return refuse(maker, field, "an array of more than 2,147,483,647 elements");
  MLAAS_TRY(become_fixed(maker, node, (int32_t)field->array_size));
  if (field->num_columns > 0)
    return plan_scalar(maker, id, &inside, node->children);
  if (field->num_children != 1)
    return refuse(maker, field, "an array of several fields");
  return plan_field(maker, field->children[0], &inside, node->children);
}

/* ---- fields of fields ---- */

/* True for the field of a base class, whose members become members of the class. */
static bool is_base(const struct mlaas_ntuple_field *field) {
  return begins(field->name, ":_") && field->role == MLAAS_NTUPLE_RECORD && field->array_size == 0;
}

/* "_0", "_1", ...: pairs and tuples have members without names. */
static bool is_tuple(const struct maker *maker, const struct mlaas_ntuple_field *field) {
  for (size_t i = 0; i < field->num_children; i++) {
    const char *name = maker->ntuple->fields[field->children[i]].name;
    if (name[0] != '_' || !name[1] || strspn(name + 1, "0123456789") != strlen(name + 1))
      return false;
  }
  return true;
}

static enum mlaas_status plan_record(struct maker *maker, uint32_t id, const struct place *place,
                                     struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  bool tuple = is_tuple(maker, field), derived = false;
  struct place inside = *place;
  inside.depth++;
  node->kind = MLAAS_NODE_STRUCT;
  node->format = "+s";
  MLAAS_TRY(new_children(maker, node, field->num_children));
  for (size_t i = 0; i < field->num_children && !maker->plan->unsupported; i++) {
    const struct mlaas_ntuple_field *child = &maker->ntuple->fields[field->children[i]];
    struct mlaas_node *member = &node->children[i];
    member->inlined = is_base(child); /* known inside, where members need no telling apart */
    MLAAS_TRY(plan_field(maker, field->children[i], &inside, member));
    member->name = tuple ? child->name + 1 : member->inlined ? child->type_name : child->name;
    derived |= member->inlined;
  }
  return derived && !node->inlined ? mlaas_ntuple_qualify(node, maker->arena, maker->error) : MLAAS_OK;
}

/* An option may not hold an option: the inner one becomes the only member of a struct. */
static enum mlaas_status plan_inside_option(struct maker *maker, uint32_t id, const struct place *place,
                                            struct mlaas_node *node) {
  size_t feeds = maker->plan->num_feeds;
  MLAAS_TRY(plan_field(maker, id, place, node));
  if (maker->plan->unsupported || node->kind != MLAAS_NODE_OPTION)
    return MLAAS_OK;
  struct mlaas_node option = *node;
  *node = (struct mlaas_node){.kind = MLAAS_NODE_STRUCT, .name = "", .format = "+s"};
  MLAAS_TRY(new_children(maker, node, 1));
  node->children[0] = option;
  node->children[0].name = "0";
  maker->plan->feeds[feeds].node = node->children; /* the feed of that option came first */
  return MLAAS_OK;
}

static bool is_option(const struct mlaas_ntuple_field *field) {
  return begins(field->type_name, "std::optional<") || begins(field->type_name, "std::unique_ptr<");
}

/* Arrow's maps have a struct of two inside. */
static bool is_map(const struct maker *maker, const struct mlaas_ntuple_field *field) {
  static const char *const maps[] = {"std::map<", "std::unordered_map<", "std::multimap<", "std::unordered_multimap<"};
  const struct mlaas_ntuple_field *item = &maker->ntuple->fields[field->children[0]];
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
    if (begins(field->type_name, maps[i]))
      return item->role == MLAAS_NTUPLE_RECORD && item->num_children == 2 && item->array_size == 0 &&
             is_tuple(maker, item);
  return false;
}

static enum mlaas_status plan_list(struct maker *maker, uint32_t id, const struct place *place,
                                   struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  bool map = is_map(maker, field);
  node->kind = MLAAS_NODE_LIST;
  node->format = map ? "+m" : "+l";
  MLAAS_TRY(new_children(maker, node, 1));
  MLAAS_TRY(add_feed(maker, MLAAS_FEED_ENDS, id, 0, place, node));
  struct place inside = below(maker, place, 0);
  MLAAS_TRY(plan_field(maker, field->children[0], &inside, node->children));
  if (map && !maker->plan->unsupported && node->children->children[0].kind != MLAAS_NODE_OPTION) {
    node->children->children[0].name = "key";
    node->children->children[1].name = "value";
  } else {
    node->format = "+l";
  }
  return MLAAS_OK;
}

static enum mlaas_status plan_collection(struct maker *maker, uint32_t id, const struct place *place,
                                         struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  if (field->num_children != 1)
    return refuse(maker, field, "a collection that does not hold one field");
  if (!all_columns(maker, field, 1, 0, is_index))
    return refuse(maker, field, "a collection without an index column");
  if (!is_option(field))
    return plan_list(maker, id, place, node);
  node->kind = MLAAS_NODE_OPTION;
  MLAAS_TRY(new_children(maker, node, 1));
  MLAAS_TRY(add_feed(maker, MLAAS_FEED_THERE, id, 0, place, node));
  struct place inside = below(maker, place, 0);
  return plan_inside_option(maker, field->children[0], &inside, node->children);
}

static enum mlaas_status plan_variant(struct maker *maker, uint32_t id, const struct place *place,
                                      struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  if (!all_columns(maker, field, 1, 0, is_switch) || field->num_children == 0)
    return refuse(maker, field, "a variant that is not stored as a switch and alternatives");
  node->kind = MLAAS_NODE_STRUCT;
  node->format = "+s";
  MLAAS_TRY(new_children(maker, node, field->num_children));
  MLAAS_TRY(add_feed(maker, MLAAS_FEED_SWITCH, id, 0, place, node));
  struct place inside = below(maker, place, 0);
  for (size_t i = 0; i < field->num_children && !maker->plan->unsupported; i++) {
    struct mlaas_node *option = &node->children[i];
    option->kind = MLAAS_NODE_OPTION;
    option->name = mlaas_arena_format(maker->arena, maker->error, "%zu", i);
    if (!option->name)
      return maker->error->status;
    MLAAS_TRY(new_children(maker, option, 1));
    inside.alternative = (uint32_t)i;
    MLAAS_TRY(plan_inside_option(maker, field->children[i], &inside, option->children));
  }
  return MLAAS_OK;
}

/* ---- streamed fields ---- */

/* The class by the name, version and checksum that the field has; NULL with the plan refused or an error. */
static struct mlaas_node *class_of(struct maker *maker, const struct mlaas_ntuple_field *field,
                                   enum mlaas_status *status) {
  struct mlaas_node_maker nodes;
  int32_t version = field->type_version > INT16_MAX ? 0 : (int32_t)field->type_version;
  mlaas_node_maker_init(&nodes, maker->streamers, maker->arena, maker->error);
  struct mlaas_node *node =
      mlaas_class_node(&nodes, field->type_name, version ? version : -1, version ? 0 : field->type_checksum);
  *status = node ? MLAAS_OK : nodes.status;
  if (!node && nodes.status == MLAAS_OK)
    *status = refuse(maker, field, nodes.unsupported);
  return node;
}

static enum mlaas_status add_object(struct maker *maker, const struct mlaas_field_object *object) {
  struct mlaas_field_plan *plan = maker->plan;
  struct mlaas_field_object *objects =
      mlaas_arena_alloc(maker->arena, plan->num_objects + 1, sizeof *objects, maker->error);
  if (!objects)
    return maker->error->status;
  for (size_t i = 0; i < plan->num_objects; i++)
    objects[i] = plan->objects[i];
  objects[plan->num_objects++] = *object;
  plan->objects = objects;
  return MLAAS_OK;
}

/* True below an option or an alternative: rows would have to move apart after the objects have been decoded. */
static bool is_optional(const struct maker *maker, const struct place *place) {
  if (place->parent == MLAAS_FEED_ENTRIES)
    return false;
  enum mlaas_feed_kind kind = maker->plan->feeds[place->parent].kind;
  return kind == MLAAS_FEED_THERE || kind == MLAAS_FEED_SWITCH;
}

static enum mlaas_status plan_streamed(struct maker *maker, uint32_t id, const struct place *place,
                                       struct mlaas_node *node) {
  enum { MOST_OBJECTS = 1000 };
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  enum mlaas_status status = MLAAS_OK;
  if (!all_columns(maker, field, 2, 0, is_index) || !all_columns(maker, field, 2, 1, is_byte))
    return refuse(maker, field, "streamed objects that are not stored as an index and bytes");
  if (is_optional(maker, place) || maker->plan->num_objects == MOST_OBJECTS)
    return refuse(maker, field, "streamed objects in an option or a variant are not read");
  struct mlaas_node *shown = class_of(maker, field, &status);
  struct mlaas_node *walked = shown ? class_of(maker, field, &status) : NULL;
  struct mlaas_node *bytes = mlaas_arena_alloc(maker->arena, 1, sizeof *bytes, maker->error);
  if (!walked || !bytes)
    return status == MLAAS_OK && !maker->plan->unsupported ? maker->error->status : status;
  *node = *shown;
  node->name = "";
  *bytes = (struct mlaas_node){.kind = MLAAS_NODE_TEXT, .name = "", .format = "u"};
  struct mlaas_branch_plan walk = {.layout = MLAAS_LAYOUT_WALK, .root = walked};
  walk.num_buffers = mlaas_node_number(walked, 0);
  MLAAS_TRY(add_object(maker, &(struct mlaas_field_object){maker->plan->num_feeds, node, walk}));
  MLAAS_TRY(add_feed(maker, MLAAS_FEED_ENDS, id, 0, place, bytes));
  struct place inside = below(maker, place, 0);
  return add_feed(maker, MLAAS_FEED_VALUES, id, 1, &inside, bytes);
}

/* Fills *node for the field, and the feeds of all that is below. */
static enum mlaas_status plan_field(struct maker *maker, uint32_t id, const struct place *place,
                                    struct mlaas_node *node) {
  const struct mlaas_ntuple_field *field = &maker->ntuple->fields[id];
  if (place->depth > mlaas_budget_limit(maker->arena->budget, MLAAS_CEILING_NESTING))
    return refuse(maker, field, "fields are nested too deeply");
  if (field->role == MLAAS_NTUPLE_PLAIN && field->array_size == 0)
    return plan_scalar(maker, id, place, node);
  if (field->role == MLAAS_NTUPLE_PLAIN)
    return plan_array(maker, id, place, node);
  if (field->array_size > 0)
    return refuse(maker, field, "an array that is no plain field");
  switch (field->role) {
  case MLAAS_NTUPLE_COLLECTION:
    return plan_collection(maker, id, place, node);
  case MLAAS_NTUPLE_RECORD:
    return plan_record(maker, id, place, node);
  case MLAAS_NTUPLE_VARIANT:
    return plan_variant(maker, id, place, node);
  default:
    return plan_streamed(maker, id, place, node);
  }
}

/* Numbers for the buffers of nodes, and behind them for the bytes of objects. */
static void number_buffers(struct mlaas_field_plan *plan) {
  plan->num_buffers = mlaas_node_number(plan->root, 0);
  for (size_t i = 0; i < plan->num_objects; i++)
    plan->num_buffers = mlaas_node_number(plan->feeds[plan->objects[i].feed].node, plan->num_buffers);
  for (size_t i = 0; i < plan->num_feeds; i++) {
    struct mlaas_field_feed *feed = &plan->feeds[i];
    feed->buffer = feed->node->buffer + (feed->node->kind == MLAAS_NODE_TEXT && feed->kind == MLAAS_FEED_VALUES);
  }
}

enum mlaas_status mlaas_field_plan_make(const struct mlaas_ntuple *ntuple, const struct mlaas_streamers *streamers,
                                        uint32_t field, struct mlaas_arena *arena, struct mlaas_field_plan *plan,
                                        struct mlaas_error *error) {
  struct maker maker = {.ntuple = ntuple, .streamers = streamers, .arena = arena, .plan = plan, .error = error};
  struct place top = {.parent = MLAAS_FEED_ENTRIES, .per = 1};
  *plan = (struct mlaas_field_plan){.field = field, .unsupported = ntuple->fields[field].unsupported};
  struct mlaas_node *root = mlaas_arena_alloc(arena, 1, sizeof *root, error);
  if (!root)
    return error->status;
  *root = (struct mlaas_node){.name = "", .format = ""};
  if (!plan->unsupported)
    MLAAS_TRY(plan_field(&maker, field, &top, root));
  if (plan->unsupported) {
    *plan = (struct mlaas_field_plan){.field = field, .unsupported = plan->unsupported};
    return MLAAS_OK;
  }
  plan->root = root;
  number_buffers(plan);
  return MLAAS_OK;
}
