/* Type names to nodes: a small recursive parser over a fixed vocabulary. Must not know how branches use them. */
#include "rootio/value/type_name.h"

#include "base/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 24 };

struct basic {
  int32_t code;
  int32_t width;
  const char *format;
  const char *names[5];
};

/* Long_t has 8 bytes in a file whatever it had in the writer's memory; counters (6) are plain int. */
static const struct basic basics[] = {
    {1, 1, "c", {"char", "Char_t", "signed char", "int8_t"}},
    {2, 2, "s", {"short", "Short_t", "int16_t"}},
    {3, 4, "i", {"int", "Int_t", "int32_t"}},
    {4, 8, "l", {"long", "Long_t"}},
    {5, 4, "f", {"float", "Float_t"}},
    {6, 4, "i", {0}},
    {8, 8, "g", {"double", "Double_t"}},
    {9, 8, "g", {"Double32_t"}},
    {11, 1, "C", {"unsigned char", "UChar_t", "uint8_t"}},
    {12, 2, "S", {"unsigned short", "UShort_t", "uint16_t"}},
    {13, 4, "I", {"unsigned int", "UInt_t", "unsigned", "uint32_t"}},
    {14, 8, "L", {"unsigned long", "ULong_t"}},
    {15, 4, "I", {0}},
    {16, 8, "l", {"long long", "Long64_t", "int64_t"}},
    {17, 8, "L", {"unsigned long long", "ULong64_t", "uint64_t"}},
    {18, 1, "b", {"bool", "Bool_t"}},
    {19, 4, "f", {"Float16_t"}},
};

enum { NUM_BASICS = sizeof basics / sizeof basics[0], INT = 3, DOUBLE32 = 9, FLAGS = 15, BOOL = 18, FLOAT16 = 19 };

bool mlaas_scalar_of_code(int32_t code, struct mlaas_scalar *value, const char **format) {
  const struct basic *basic = NULL;
  for (size_t i = 0; i < NUM_BASICS && !basic; i++)
    basic = basics[i].code == code ? &basics[i] : NULL;
  if (!basic)
    return false;
  *format = basic->format;
  *value = (struct mlaas_scalar){.packing = MLAAS_PACKED_PLAIN, .stored = basic->width, .width = basic->width};
  if (code == BOOL)
    value->packing = MLAAS_PACKED_BOOL;
  if (code == FLAGS)
    *value = (struct mlaas_scalar){.packing = MLAAS_PACKED_FLAGS, .width = 4};
  if (code == DOUBLE32)
    *value = (struct mlaas_scalar){.packing = MLAAS_PACKED_DOUBLE32, .stored = 4, .width = 8};
  if (code == FLOAT16)
    *value = (struct mlaas_scalar){.packing = MLAAS_PACKED_MANTISSA, .stored = 3, .width = 4, .nbits = 12};
  return true;
}

struct parser {
  const char *at;
  struct mlaas_node_maker *maker;
};

static const char not_understood[] = "a type name that is not understood";

static void skip_blanks(struct parser *parser) {
  while (*parser->at == ' ')
    parser->at++;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == ':'; }

/* Takes `word` where it stands as a whole word. */
static bool take_word(struct parser *parser, const char *word) {
  skip_blanks(parser);
  size_t length = strlen(word);
  if (strncmp(parser->at, word, length) != 0 || is_word(parser->at[length]))
    return false;
  parser->at += length;
  return true;
}

/* Never moves beyond the end of the name. */
static bool take_char(struct parser *parser, char wanted) {
  skip_blanks(parser);
  if (*parser->at != wanted)
    return false;
  parser->at++;
  return true;
}

static struct mlaas_node *refuse(struct parser *parser, const char *why) {
  return mlaas_node_refuse(parser->maker, why);
}

static void skip_namespace(struct parser *parser) {
  static const char *const spaces[] = {"std::", "ROOT::VecOps::", "ROOT::", "VecOps::"};
  static const char *const ours[] = {"RVec<", "string", "vector<", "list<", "map<", "set<"};
  take_word(parser, "const");
  skip_blanks(parser);
  for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
    size_t length = strlen(spaces[i]);
    if (strncmp(parser->at, spaces[i], length) != 0)
      continue;
    bool taken = i == 0; /* ROOT:: has classes of its own */
    for (size_t j = 0; j < sizeof ours / sizeof ours[0]; j++)
      taken = taken || strncmp(parser->at + length, ours[j], strlen(ours[j])) == 0;
    if (taken)
      parser->at += length;
  }
}

/* The longest name of a basic type that stands here. */
static const struct basic *take_basic(struct parser *parser) {
  const struct basic *found = NULL;
  const char *start = parser->at, *end = start;
  for (size_t i = 0; i < NUM_BASICS; i++)
    for (const char *const *name = basics[i].names; *name; name++) {
      parser->at = start;
      if (take_word(parser, *name) && parser->at > end) {
        found = &basics[i];
        end = parser->at;
      }
    }
  parser->at = end;
  return found;
}

static struct mlaas_node *parse_type(struct parser *parser);

/* One of `names` in front of a bracket. */
static bool take_template(struct parser *parser, const char *const *names, size_t count) {
  const char *start = parser->at;
  for (size_t i = 0; i < count; i++) {
    if (take_word(parser, names[i]) && take_char(parser, '<'))
      return true;
    parser->at = start;
  }
  return false;
}

#define TAKE_TEMPLATE(parser, ...)                                                                                     \
  take_template(parser, (const char *const[]){__VA_ARGS__},                                                            \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static bool take_sequence(struct parser *parser) {
  return TAKE_TEMPLATE(parser, "vector", "list", "deque", "set", "multiset", "forward_list", "RVec", "unordered_set",
                       "unordered_multiset");
}

/* Past an allocator or a comparison, up to the bracket that closes, and over it. */
static bool close_bracket(struct parser *parser) {
  skip_blanks(parser);
  if (*parser->at == ',')
    for (int open = 0; *parser->at && (open > 0 || *parser->at != '>'); parser->at++)
      open += (*parser->at == '<') - (*parser->at == '>');
  return take_char(parser, '>');
}

/* The number of an array or a bitset, up to the bracket that closes. */
static bool take_size(struct parser *parser, int32_t *size) {
  char *end;
  skip_blanks(parser);
  unsigned long value = strtoul(parser->at, &end, 10);
  if (end == parser->at || value < 1 || value > INT32_MAX)
    return false;
  parser->at = end;
  while (*parser->at == 'u' || *parser->at == 'U' || *parser->at == 'l' || *parser->at == 'L')
    parser->at++;
  *size = (int32_t)value;
  return take_char(parser, '>');
}

static struct mlaas_node *new_value(struct parser *parser, int32_t code) {
  struct mlaas_node *node = mlaas_node_new(parser->maker, MLAAS_NODE_VALUE, "");
  if (node)
    mlaas_scalar_of_code(code, &node->value, &node->format);
  return node;
}

static struct mlaas_node *parse_sequence(struct parser *parser) {
  struct mlaas_node *child = parse_type(parser);
  if (!child)
    return NULL;
  if (!close_bracket(parser))
    return refuse(parser, not_understood);
  child->framed = false;
  struct mlaas_node *node = mlaas_node_new_list(parser->maker, MLAAS_EXTENT_COUNT, child);
  if (node)
    node->framed = true;
  return node;
}

/* Counts its bits, a byte each. */
static struct mlaas_node *parse_bitset(struct parser *parser) {
  int32_t size;
  if (!take_size(parser, &size))
    return refuse(parser, not_understood);
  struct mlaas_node *child = new_value(parser, BOOL);
  struct mlaas_node *node = child ? mlaas_node_new_list(parser->maker, MLAAS_EXTENT_COUNT, child) : NULL;
  if (node)
    node->framed = node->may_be_empty = true;
  return node;
}

/* Two nodes in a row as the members of a struct. */
static struct mlaas_node *new_pair(struct parser *parser, struct mlaas_node *first, struct mlaas_node *second,
                                   const char *const *names) {
  static const struct mlaas_object_class any_pair = {.name = "pair", .any = true};
  struct mlaas_node *node = mlaas_node_new(parser->maker, MLAAS_NODE_STRUCT, "+s");
  struct mlaas_node *both =
      node ? mlaas_arena_alloc(parser->maker->arena, 2, sizeof *both, parser->maker->error) : NULL;
  if (!both) {
    parser->maker->status = parser->maker->error->status;
    return NULL;
  }
  both[0] = *first;
  both[1] = *second;
  both[0].name = names[0];
  both[1].name = names[1];
  node->children = both;
  node->num_children = 2;
  node->object = &any_pair;
  return node;
}

static struct mlaas_node *parse_pair(struct parser *parser, const char *const *names) {
  struct mlaas_node *first = parse_type(parser);
  if (!first)
    return NULL;
  if (!take_char(parser, ','))
    return refuse(parser, not_understood);
  struct mlaas_node *second = parse_type(parser);
  if (!second)
    return NULL;
  if (!close_bracket(parser))
    return refuse(parser, not_understood);
  if (first->kind == MLAAS_NODE_SKIP || second->kind == MLAAS_NODE_SKIP)
    return refuse(parser, "pairs with a part of unknown class cannot be read");
  return new_pair(parser, first, second, names);
}

static struct mlaas_node *parse_map(struct parser *parser) {
  static const char *const names[] = {"key", "value"};
  struct mlaas_node *entry = parse_pair(parser, names);
  if (!entry)
    return NULL;
  if (entry->children[0].kind == MLAAS_NODE_OPTION)
    return refuse(parser, "maps whose keys are pointers cannot be read");
  entry->bare = true;
  struct mlaas_node *node = mlaas_node_new_list(parser->maker, MLAAS_EXTENT_COUNT, entry);
  if (node) {
    node->format = "+m";
    node->framed = true;
  }
  return node;
}

/* An array is a class of its own, whose member has all dimensions. */
static struct mlaas_node *parse_array(struct parser *parser) {
  static const struct mlaas_object_class any_array = {.name = "array", .any = true};
  int32_t size;
  struct mlaas_node *child = parse_type(parser);
  if (!child)
    return NULL;
  if (!take_char(parser, ',') || !take_size(parser, &size))
    return refuse(parser, not_understood);
  if (child->kind == MLAAS_NODE_FIXED)
    child->object = NULL;
  if (child->framed)
    return refuse(parser, "arrays of collections in collections are not read");
  struct mlaas_node *node = mlaas_node_new_fixed(parser->maker, size, child);
  if (node && node->kind == MLAAS_NODE_FIXED)
    node->object = &any_array;
  return node;
}

/* A class: up to the comma, bracket or star that ends its name. */
static struct mlaas_node *parse_class(struct parser *parser) {
  struct mlaas_node_maker *maker = parser->maker;
  const char *start = parser->at;
  int32_t content = maker->content;
  struct mlaas_scalar value;
  const char *format;
  int open = 0;
  for (; *parser->at && (open > 0 || !strchr(",>*", *parser->at)); parser->at++)
    open += (*parser->at == '<') - (*parser->at == '>');
  size_t length = (size_t)(parser->at - start);
  while (length > 0 && start[length - 1] == ' ')
    length--;
  if (length == 0 || open > 0)
    return refuse(parser, not_understood);
  char *name = mlaas_arena_strndup(maker->arena, start, length, maker->error);
  if (!name)
    return mlaas_node_failed(maker);
  if (*parser->at == '*')
    return maker->pointer_to(maker, name);
  /* an enumeration has no streamer info; written as an int, also where a shorter one is named */
  if (mlaas_scalar_of_code(content, &value, &format) && !mlaas_node_find_info(maker, name, -1, 0))
    return new_value(parser, value.width > 4 ? content : INT);
  return maker->class_of(maker, name);
}

/* Framed as a member of a class is. */
static struct mlaas_node *parse_any(struct parser *parser) {
  static const char *const pair_names[] = {"first", "second"};
  skip_namespace(parser);
  const struct basic *basic = take_basic(parser);
  if (basic)
    return new_value(parser, basic->code);
  if (take_word(parser, "string") || take_word(parser, "basic_string<char>")) {
    struct mlaas_node *node = mlaas_node_new(parser->maker, MLAAS_NODE_TEXT, "u");
    if (node)
      node->framed = true;
    if (node)
      node->extent = MLAAS_EXTENT_SHORT;
    return node;
  }
  if (take_sequence(parser))
    return parse_sequence(parser);
  if (TAKE_TEMPLATE(parser, "map", "multimap", "unordered_map", "unordered_multimap"))
    return parse_map(parser);
  if (TAKE_TEMPLATE(parser, "pair"))
    return parse_pair(parser, pair_names);
  if (TAKE_TEMPLATE(parser, "bitset"))
    return parse_bitset(parser);
  if (TAKE_TEMPLATE(parser, "array"))
    return parse_array(parser);
  return parse_class(parser);
}

static struct mlaas_node *parse_type(struct parser *parser) {
  struct mlaas_node_maker *maker = parser->maker;
  if (maker->depth >= MOST_DEPTH)
    return refuse(parser, "types nested as deeply are not read");
  skip_blanks(parser);
  const char *start = parser->at;
  maker->depth++;
  struct mlaas_node *node = parse_any(parser);
  maker->depth--;
  skip_blanks(parser);
  if (!node || *parser->at != '*')
    return node;
  if (node->kind == MLAAS_NODE_OPTION || node->kind == MLAAS_NODE_SKIP) { /* a class, whose star was seen */
    parser->at++;
    skip_blanks(parser);
    return *parser->at == '*' ? refuse(parser, "pointers to pointers are not read") : node;
  }
  char *name = mlaas_arena_strndup(maker->arena, start, (size_t)(parser->at - start), maker->error);
  if (!name)
    return mlaas_node_failed(maker);
  parser->at++;
  return node->kind == MLAAS_NODE_TEXT ? maker->pointer_to(maker, "string")
                                       : mlaas_node_refuse_class(maker, "pointers to", name, "are not read");
}

bool mlaas_type_is_sequence(const char *name) {
  struct parser parser = {.at = name};
  skip_namespace(&parser);
  return take_sequence(&parser);
}

struct mlaas_node *mlaas_type_node(struct mlaas_node_maker *maker, const char *name, bool member) {
  struct parser parser = {.at = name, .maker = maker};
  struct mlaas_node *node = parse_type(&parser);
  if (node && *parser.at)
    return refuse(&parser, not_understood);
  if (node && node->kind == MLAAS_NODE_TEXT && !member)
    node->framed = false;
  return node;
}
