/* The words of JSON, one after the other: strict, in place, without a tree. Functions that return bool say false where
 * it failed, and why in `status` and `error`. Knows no member of any request.
 */
#ifndef MLAAS_SERVE_BODY_JSON_LEXER_H
#define MLAAS_SERVE_BODY_JSON_LEXER_H

#include "base/memory.h"
#include "base/slice.h"

enum { MLAAS_JSON_DEPTH = 64 };

struct mlaas_json_lexer {
  const char *at, *end, *begin;
  struct mlaas_arena *arena; /* of texts with escapes */
  struct mlaas_error *error; /* may be NULL */
  enum mlaas_status status;
};

/* "the body is no sound JSON: WHAT", and what is sound but not what it has to be. Always false. */
bool mlaas_json_fail(struct mlaas_json_lexer *lexer, const char *what);
bool mlaas_json_fail_type(struct mlaas_json_lexer *lexer, const char *what);
bool mlaas_json_fail_memory(struct mlaas_json_lexer *lexer); /* after the arena's own failure */

/* A string; `text` NULL: only checked. */
bool mlaas_json_take_text(struct mlaas_json_lexer *lexer, struct mlaas_slice *text);
/* "null", "true", "false". */
bool mlaas_json_take_word(struct mlaas_json_lexer *lexer, const char *word);
/* Whatever value there is, checked; `depth` lists and objects are around it. */
bool mlaas_json_skip(struct mlaas_json_lexer *lexer, int depth);

static inline void mlaas_json_skip_blanks(struct mlaas_json_lexer *lexer) {
  if (lexer->at < lexer->end && (unsigned char)*lexer->at > ' ')
    return;
  while (lexer->at < lexer->end &&
         (*lexer->at == ' ' || *lexer->at == '\n' || *lexer->at == '\r' || *lexer->at == '\t'))
    lexer->at++;
}

/* The next character that is no blank, 0 at the end; not taken. */
static inline char mlaas_json_peek(struct mlaas_json_lexer *lexer) {
  mlaas_json_skip_blanks(lexer);
  return lexer->at < lexer->end ? *lexer->at : 0;
}

static inline bool mlaas_json_take(struct mlaas_json_lexer *lexer, char c) {
  if (mlaas_json_peek(lexer) != c)
    return false;
  lexer->at++;
  return true;
}

/* After an item of a list or object: true if another follows, false at `end` or on failure. */
static inline bool mlaas_json_more(struct mlaas_json_lexer *lexer, char end) {
  char c = mlaas_json_peek(lexer);
  if (c == ',') {
    lexer->at++;
    return mlaas_json_peek(lexer) != end || mlaas_json_fail(lexer, "a comma without anything behind it");
  }
  if (c == end) {
    lexer->at++;
    return false;
  }
  return mlaas_json_fail(lexer, lexer->at < lexer->end ? "a comma or the end of a list or object was expected"
                                                       : "it ends early");
}

#endif
