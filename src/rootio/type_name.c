/* Type names to nodes: a small recursive parser over a fixed vocabulary. Must not know how branches use them. */
#include "rootio/type_name.h"

#include "base/error.h"

#include <ctype.h>
#include <string.h>

enum { MOST_DEPTH = 8 };

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

enum { NUM_BASICS = sizeof basics / sizeof basics[0], DOUBLE32 = 9, FLAGS = 15, BOOL = 18, FLOAT16 = 19 };

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
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  const char *unsupported;
  enum mlaas_status status;
};

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
  if (!parser->unsupported)
    parser->unsupported = why;
  return NULL;
}

static struct mlaas_node *new_node(struct parser *parser, enum mlaas_node_kind kind, const char *format) {
  struct mlaas_node *node = mlaas_arena_alloc(parser->arena, 1, sizeof *node, parser->error);
  if (!node) {
    parser->status = parser->error ? parser->error->status : MLAAS_MEMORY;
    return NULL;
  }
  node->kind = kind;
  node->format = format;
  node->name = "";
  return node;
}

static void skip_namespace(struct parser *parser) {
  static const char *const spaces[] = {"std::", "ROOT::VecOps::", "ROOT::", "VecOps::"};
  skip_blanks(parser);
  take_word(parser, "const");
  skip_blanks(parser);
  for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
    if (strncmp(parser->at, spaces[i], strlen(spaces[i])) == 0)
      parser->at += strlen(spaces[i]);
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

static struct mlaas_node *parse_type(struct parser *parser, int depth);

static bool take_sequence(struct parser *parser) {
  static const char *const names[] = {
      "vector", "list", "deque", "set", "multiset", "forward_list", "RVec", "unordered_set", "unordered_multiset"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (take_word(parser, names[i]))
      return true;
  return false;
}

/* Past an allocator or a comparison, up to the bracket that closes. */
static void skip_arguments(struct parser *parser) {
  for (int open = 0; *parser->at && (open > 0 || *parser->at != '>'); parser->at++)
    open += (*parser->at == '<') - (*parser->at == '>');
}

static struct mlaas_node *parse_sequence(struct parser *parser, int depth) {
  if (!take_char(parser, '<') || depth >= MOST_DEPTH)
    return refuse(parser, "a type name that is not understood");
  struct mlaas_node *child = parse_type(parser, depth + 1);
  if (!child)
    return NULL;
  if (child->kind == MLAAS_NODE_VALUE && child->value.packing == MLAAS_PACKED_MANTISSA)
    return refuse(parser, "collections of Float16_t are not read yet");
  skip_blanks(parser);
  if (*parser->at == ',')
    skip_arguments(parser);
  if (!take_char(parser, '>'))
    return refuse(parser, "a type name that is not understood");
  struct mlaas_node *node = new_node(parser, MLAAS_NODE_LIST, "+l");
  if (!node)
    return NULL;
  node->extent = MLAAS_EXTENT_COUNT;
  node->children = child;
  node->num_children = 1;
  return node;
}

static struct mlaas_node *parse_text(struct parser *parser) {
  struct mlaas_node *node = new_node(parser, MLAAS_NODE_TEXT, "u");
  if (node)
    node->extent = MLAAS_EXTENT_SHORT;
  return node;
}

static struct mlaas_node *refuse_class(struct parser *parser, int depth) {
  if (strncmp(parser->at, "map<", 4) == 0 || strncmp(parser->at, "multimap<", 9) == 0 ||
      strncmp(parser->at, "unordered_map<", 14) == 0)
    return refuse(parser, "maps are not read yet");
  if (strncmp(parser->at, "bitset<", 7) == 0)
    return refuse(parser, "bitsets are not read yet");
  if (depth > 0)
    return refuse(parser, "collections of classes are not read yet");
  char *why = mlaas_arena_format(parser->arena, parser->error, "objects of class %s are not read yet", parser->at);
  if (!why)
    parser->status = parser->error ? parser->error->status : MLAAS_MEMORY;
  return refuse(parser, why);
}

static struct mlaas_node *parse_type(struct parser *parser, int depth) {
  skip_namespace(parser);
  struct mlaas_node *node = NULL;
  const struct basic *basic = take_basic(parser);
  if (basic) {
    node = new_node(parser, MLAAS_NODE_VALUE, basic->format);
    if (node)
      mlaas_scalar_of_code(basic->code, &node->value, &node->format);
  } else if (take_word(parser, "string") || take_word(parser, "TString")) {
    node = parse_text(parser);
  } else if (take_sequence(parser)) {
    node = parse_sequence(parser, depth);
  } else {
    return refuse_class(parser, depth);
  }
  skip_blanks(parser);
  return node && *parser->at == '*' ? refuse(parser, "pointers are not read yet") : node;
}

bool mlaas_type_is_sequence(const char *name) {
  struct parser parser = {.at = name};
  skip_namespace(&parser);
  return take_sequence(&parser);
}

enum mlaas_status mlaas_type_parse(const char *name, bool member, struct mlaas_arena *arena, struct mlaas_node **node,
                                   const char **unsupported, struct mlaas_error *error) {
  struct parser parser = {.at = name, .arena = arena, .error = error};
  *unsupported = NULL;
  *node = parse_type(&parser, 0);
  if (parser.status != MLAAS_OK)
    return parser.status;
  if (*node && *parser.at)
    *node = refuse(&parser, "a type name that is not understood");
  if (*node && (*node)->kind == MLAAS_NODE_LIST)
    (*node)->framed = true;
  if (*node && (*node)->kind == MLAAS_NODE_TEXT)
    (*node)->framed = member && strstr(name, "TString") == NULL;
  *unsupported = parser.unsupported;
  return MLAAS_OK;
}
