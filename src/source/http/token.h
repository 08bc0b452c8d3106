/* Bearer tokens, found as the WLCG's rules say. Shared with nobody; kept nowhere. */
#ifndef MLAAS_SOURCE_HTTP_TOKEN_H
#define MLAAS_SOURCE_HTTP_TOKEN_H

#include <mlaas/status.h>
#include <stdint.h>

struct mlaas_token {
  char *text;       /* NULL: there is none */
  char source[160]; /* where it was found, or where none was: for messages, which never show the token */
};

/* `file`: the one that the user named, or NULL. Then, in this order: BEARER_TOKEN, the file BEARER_TOKEN_FILE,
 * $XDG_RUNTIME_DIR/bt_uID, /tmp/bt_uID (the last two only if they are the user's own). Reads anew every time: tokens
 * are renewed. Errors: ARGUMENT (a file that was named, or the variable, has none: the setting is wrong), MEMORY. */
enum mlaas_status mlaas_token_find(const char *file, struct mlaas_token *token, struct mlaas_error *error);
void mlaas_token_reset(struct mlaas_token *token); /* overwrites it */
/* When a token says that it ends, in seconds since 1970, as those of the grid do (JWT's exp); -1: it does not. Nothing
 * is checked: for messages only. */
int64_t mlaas_token_ends(const char *text);

#endif
