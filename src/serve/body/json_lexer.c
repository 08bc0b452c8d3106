/* Words, texts and escapes of JSON. Must not know what they are for. */
#include "serve/body/json_lexer.h"

#include "base/error.h"
#include "serve/body/number.h"
#include "serve/body/utf8.h"

bool mlaas_json_fail(struct mlaas_json_lexer *lexer, const char *what) {
  lexer->status =
      mlaas_fail_at(lexer->error, MLAAS_ARGUMENT, lexer->at - lexer->begin, "the body is no sound JSON: %s", what);
  return false;
}

bool mlaas_json_fail_type(struct mlaas_json_lexer *lexer, const char *what) {
  lexer->status = mlaas_fail_at(lexer->error, MLAAS_ARGUMENT, lexer->at - lexer->begin, "%s", what);
  return false;
}

bool mlaas_json_fail_memory(struct mlaas_json_lexer *lexer) {
  lexer->status = lexer->error ? lexer->error->status : MLAAS_MEMORY;
  return false;
}

/* ---- strings ---- */

static int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Four digits behind "\u"; -1: there are none. */
static int take_hex(struct mlaas_json_lexer *lexer) {
  int value = 0;
  if (lexer->end - lexer->at < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(lexer->at[i]);
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  lexer->at += 4;
  return value;
}

/* At the character behind a backslash; `out` gets at most 4 bytes, or is NULL. 0: failed. */
static size_t take_escape(struct mlaas_json_lexer *lexer, char *out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char scratch[4];
  char c = lexer->at < lexer->end ? *lexer->at++ : 0;
  const char *found = c ? strchr(from, c) : NULL;
  out = out ? out : scratch;
  if (found) {
    *out = to[found - from];
    return 1;
  }
  int code = c == 'u' ? take_hex(lexer) : -1;
  if (code < 0)
    return mlaas_json_fail(lexer, "an escape that JSON does not have");
  if (code == 0)
    return mlaas_json_fail(lexer, "the character NUL in a text");
  if (code >= 0xDC00 && code < 0xE000)
    return mlaas_json_fail(lexer, "half a surrogate pair");
  if (code >= 0xD800 && code < 0xDC00) {
    int low = -1;
    if (lexer->end - lexer->at >= 2 && lexer->at[0] == '\\' && lexer->at[1] == 'u') {
      lexer->at += 2;
      low = take_hex(lexer);
    }
    if (low < 0xDC00 || low >= 0xE000)
      return mlaas_json_fail(lexer, "half a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  return mlaas_utf8_encode((unsigned)code, out);
}

/* From the first escape on: decoded into the arena, if `text` is wanted. */
static bool take_escaped(struct mlaas_json_lexer *lexer, const char *begin, struct mlaas_slice *text) {
  char *out = NULL;
  size_t used = (size_t)(lexer->at - begin);
  if (text) {
    const char *end = lexer->at; /* escapes never make a text longer */
    while (end < lexer->end && *end != '"')
      end += *end == '\\' && end + 1 < lexer->end ? 2 : 1;
    if (!(out = mlaas_arena_alloc(lexer->arena, (size_t)(end - begin) + 4, 1, lexer->error)))
      return mlaas_json_fail_memory(lexer);
    memcpy(out, begin, used);
  }
  while (lexer->at < lexer->end) {
    unsigned char c = (unsigned char)*lexer->at;
    size_t length = 1;
    if (c == '"') {
      lexer->at++;
      if (text)
        *text = (struct mlaas_slice){out, used};
      return true;
    }
    if (c < 32)
      return mlaas_json_fail(lexer, "a control character in a text");
    if (c == '\\') {
      lexer->at++;
      if (!(length = take_escape(lexer, out ? out + used : NULL)))
        return false;
      used += length;
      continue;
    }
    if (!(length = mlaas_utf8_length(lexer->at, (size_t)(lexer->end - lexer->at))))
      return mlaas_json_fail(lexer, "a text that is not UTF-8");
    if (out)
      memcpy(out + used, lexer->at, length);
    used += length;
    lexer->at += length;
  }
  return mlaas_json_fail(lexer, "it ends within a text");
}

/* Skips characters that stand for themselves, eight at a time: ASCII but for quotes, backslashes and controls. */
static inline void skip_plain(struct mlaas_json_lexer *lexer) {
  const uint64_t ones = 0x0101010101010101, highs = ones * 0x80;
  while (lexer->end - lexer->at >= 8) {
    uint64_t word, quote, slash;
    memcpy(&word, lexer->at, sizeof word);
    quote = word ^ ones * '"';
    slash = word ^ ones * '\\';
    uint64_t special =
        (word | ((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs;
    if (special) { /* the lowest mark is exact; little endian, as the machines this runs on */
      lexer->at += __builtin_ctzll(special) / 8;
      return;
    }
    lexer->at += 8;
  }
  for (unsigned char c; lexer->at < lexer->end && (c = (unsigned char)*lexer->at) >= ' ' && c < 0x80; lexer->at++)
    if (c == '"' || c == '\\')
      return;
}

bool mlaas_json_take_text(struct mlaas_json_lexer *lexer, struct mlaas_slice *text) {
  if (!mlaas_json_take(lexer, '"'))
    return mlaas_json_fail(lexer, "a text was expected");
  const char *begin = lexer->at;
  while (lexer->at < lexer->end) {
    skip_plain(lexer);
    if (lexer->at == lexer->end)
      break;
    unsigned char c = (unsigned char)*lexer->at;
    if (c == '"') {
      if (text)
        *text = (struct mlaas_slice){begin, (size_t)(lexer->at - begin)};
      lexer->at++;
      return true;
    }
    if (c == '\\')
      return take_escaped(lexer, begin, text);
    if (c < 32)
      return mlaas_json_fail(lexer, "a control character in a text");
    size_t length = mlaas_utf8_length(lexer->at, (size_t)(lexer->end - lexer->at));
    if (length == 0)
      return mlaas_json_fail(lexer, "a text that is not UTF-8");
    lexer->at += length;
  }
  return mlaas_json_fail(lexer, "it ends within a text");
}

bool mlaas_json_take_word(struct mlaas_json_lexer *lexer, const char *word) {
  size_t size = strlen(word);
  if ((size_t)(lexer->end - lexer->at) < size || memcmp(lexer->at, word, size) != 0)
    return mlaas_json_fail(lexer, "a value was expected");
  lexer->at += size;
  return true;
}

/* ---- values that are skipped ---- */

static bool skip_object(struct mlaas_json_lexer *lexer, int depth) {
  lexer->at++;
  if (mlaas_json_take(lexer, '}'))
    return true;
  do {
    if (!mlaas_json_take_text(lexer, NULL))
      return false;
    if (!mlaas_json_take(lexer, ':'))
      return mlaas_json_fail(lexer, "a colon was expected");
    if (!mlaas_json_skip(lexer, depth))
      return false;
  } while (mlaas_json_more(lexer, '}'));
  return lexer->status == MLAAS_OK;
}

static bool skip_list(struct mlaas_json_lexer *lexer, int depth) {
  lexer->at++;
  if (mlaas_json_take(lexer, ']'))
    return true;
  do
    if (!mlaas_json_skip(lexer, depth))
      return false;
  while (mlaas_json_more(lexer, ']'));
  return lexer->status == MLAAS_OK;
}

bool mlaas_json_skip(struct mlaas_json_lexer *lexer, int depth) {
  struct mlaas_number number;
  size_t length;
  char c = mlaas_json_peek(lexer);
  if (c == '{' || c == '[') {
    if (depth >= MLAAS_JSON_DEPTH)
      return mlaas_json_fail(lexer, "it is nested too deeply");
    return c == '{' ? skip_object(lexer, depth + 1) : skip_list(lexer, depth + 1);
  }
  switch (c) {
  case '"':
    return mlaas_json_take_text(lexer, NULL);
  case 't':
    return mlaas_json_take_word(lexer, "true");
  case 'f':
    return mlaas_json_take_word(lexer, "false");
  case 'n':
    return mlaas_json_take_word(lexer, "null");
  default:
    length = mlaas_number_parse(lexer->at, (size_t)(lexer->end - lexer->at), &number);
    lexer->at += length;
    return length ? true : mlaas_json_fail(lexer, "a value was expected, or a number is larger than can be held");
  }
}
