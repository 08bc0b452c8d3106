/* A form of RFC 7578 that lies in memory: parts as views of the body, nothing copied but unescaped names. Knows no
 * route and no model.
 */
#ifndef MLAAS_SERVE_BODY_MULTIPART_H
#define MLAAS_SERVE_BODY_MULTIPART_H

#include "base/memory.h"
#include "base/slice.h"

enum { MLAAS_MULTIPART_MOST = 64 }; /* parts of a form */

struct mlaas_part {
  struct mlaas_slice name;
  struct mlaas_slice filename; /* as sent, folders included; data NULL: a field, not a file */
  struct mlaas_slice type;     /* Content-Type of the part, empty where there is none */
  struct mlaas_slice content;
};

struct mlaas_form {
  struct mlaas_part *parts; /* in the arena */
  size_t count;
};

/* `type` is the request's Content-Type. Strict: a boundary that is missing, a part without name, a header that is none,
 * a body that ends before the closing boundary are ARGUMENT; too many parts are LIMIT. */
enum mlaas_status mlaas_multipart_parse(struct mlaas_slice type, struct mlaas_slice body, struct mlaas_arena *arena,
                                        struct mlaas_form *form, struct mlaas_error *error);
/* Whether a Content-Type is multipart/form-data, with or without a boundary. */
bool mlaas_multipart_is(struct mlaas_slice type);
/* The first part of that name, or NULL. */
const struct mlaas_part *mlaas_form_find(const struct mlaas_form *form, const char *name);
/* Behind the last '/' or '\\' of a file's name. */
struct mlaas_slice mlaas_file_base(struct mlaas_slice filename);

/* Bytes of base64 (RFC 4648, with padding) into `out`, which has room for 3/4 of the text; *size is what they are.
 * Blanks and line breaks are skipped; anything else that is not of the alphabet is ARGUMENT. */
enum mlaas_status mlaas_base64_decode(struct mlaas_slice text, void *out, size_t *size, struct mlaas_error *error);

#endif
