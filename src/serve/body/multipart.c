/* A form of RFC 7578: finds the boundaries, then reads each part's few headers. Knows no route and no model. */
#define _GNU_SOURCE /* memmem */
#include "serve/body/multipart.h"

#include "base/error.h"

#include <stdint.h>

enum {
  BOUNDARY_MOST = 70,       /* RFC 2046 */
  PART_HEADERS_MOST = 16,   /* lines */
  PART_HEADER_SIZE = 8192,  /* bytes of all headers of a part */
  PREAMBLE_MOST = 64 * 1024 /* what stands before the first boundary is thrown away, but not for ever */
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct mlaas_slice trim(struct mlaas_slice text) {
  while (text.size > 0 && is_blank(text.data[0]))
    text.data++, text.size--;
  while (text.size > 0 && is_blank(text.data[text.size - 1]))
    text.size--;
  return text;
}

static bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* ---- "value; name=token; name="text"" ---- */

struct parameters {
  struct mlaas_slice rest;
};

/* The next parameter; quoted values still have their backslashes. 1: one, 0: no more, -1: malformed. */
static int next_parameter(struct parameters *parameters, struct mlaas_slice *name, struct mlaas_slice *value,
                          bool *quoted) {
  struct mlaas_slice text = trim(parameters->rest);
  if (text.size == 0)
    return 0;
  if (text.data[0] != ';')
    return -1;
  text.data++, text.size--;
  text = trim(text);
  if (text.size == 0) /* a semicolon at the end: tolerated */
    return 0;
  size_t n = 0;
  while (n < text.size && is_token_char(text.data[n]))
    n++;
  if (n == 0 || n == text.size || text.data[n] != '=')
    return -1;
  *name = (struct mlaas_slice){text.data, n};
  text.data += n + 1, text.size -= n + 1;
  *quoted = text.size > 0 && text.data[0] == '"';
  if (*quoted) {
    for (n = 1; n < text.size && text.data[n] != '"'; n++)
      if (text.data[n] == '\\' && n + 1 < text.size)
        n++;
    if (n >= text.size)
      return -1;
    *value = (struct mlaas_slice){text.data + 1, n - 1};
    n++;
  } else {
    for (n = 0; n < text.size && text.data[n] != ';' && !is_blank(text.data[n]); n++)
      ;
    *value = (struct mlaas_slice){text.data, n};
  }
  parameters->rest = (struct mlaas_slice){text.data + n, text.size - n};
  return 1;
}

/* What a header says before its parameters. */
static struct mlaas_slice split_value(struct mlaas_slice header, struct parameters *parameters) {
  const char *end = header.size ? memchr(header.data, ';', header.size) : NULL;
  size_t n = end ? (size_t)(end - header.data) : header.size;
  parameters->rest = (struct mlaas_slice){header.data ? header.data + n : "", header.size - n};
  return trim((struct mlaas_slice){header.data, n});
}

/* Takes the backslashes out. Browsers write \" and %22 for a quote and leave single backslashes of Windows paths
 * alone, so that only \" and \\ are escapes. */
static enum mlaas_status unescape(struct mlaas_slice text, bool quoted, struct mlaas_arena *arena,
                                  struct mlaas_slice *out, struct mlaas_error *error) {
  *out = text;
  if (!quoted || text.size == 0 || !memchr(text.data, '\\', text.size))
    return MLAAS_OK;
  char *copy = mlaas_arena_alloc(arena, text.size, 1, error);
  if (!copy)
    return error ? error->status : MLAAS_MEMORY;
  size_t n = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] == '\\' && i + 1 < text.size && (text.data[i + 1] == '"' || text.data[i + 1] == '\\'))
      i++;
    copy[n++] = text.data[i];
  }
  *out = (struct mlaas_slice){copy, n};
  return MLAAS_OK;
}

bool mlaas_multipart_is(struct mlaas_slice type) {
  struct parameters parameters;
  return type.size > 0 && mlaas_slice_is_word(split_value(type, &parameters), "multipart/form-data");
}

static bool is_boundary_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c != 0 && strchr("'()+_,-./:=? ", c) != NULL);
}

static enum mlaas_status find_boundary(struct mlaas_slice type, struct mlaas_slice *boundary,
                                       struct mlaas_error *error) {
  struct parameters parameters;
  struct mlaas_slice name, value;
  bool quoted, found = false;
  int more;
  if (type.size == 0 || !mlaas_slice_is_word(split_value(type, &parameters), "multipart/form-data"))
    return mlaas_fail(error, MLAAS_ARGUMENT, "the request is not multipart/form-data");
  while ((more = next_parameter(&parameters, &name, &value, &quoted)) > 0)
    if (mlaas_slice_is_word(name, "boundary")) {
      if (found)
        return mlaas_fail(error, MLAAS_ARGUMENT, "the form names two boundaries");
      found = true;
      *boundary = value;
    }
  if (more < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the parameters of the Content-Type are malformed");
  if (!found)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the Content-Type of the form has no boundary");
  if (boundary->size == 0 || boundary->size > BOUNDARY_MOST || boundary->data[boundary->size - 1] == ' ')
    return mlaas_fail(error, MLAAS_ARGUMENT, "the boundary of the form has %zu characters; 1 to %d are allowed",
                      boundary->size, BOUNDARY_MOST);
  for (size_t i = 0; i < boundary->size; i++)
    if (!is_boundary_char(boundary->data[i]))
      return mlaas_fail(error, MLAAS_ARGUMENT, "the boundary of the form has a character that is not allowed");
  return MLAAS_OK;
}

/* ---- the headers of a part ---- */

static enum mlaas_status read_disposition(struct mlaas_slice value, struct mlaas_arena *arena, struct mlaas_part *part,
                                          struct mlaas_error *error) {
  struct parameters parameters;
  struct mlaas_slice name, text, kind = split_value(value, &parameters);
  bool quoted;
  int more;
  /* "file" and "attachment" come from old clients that copied RFC 2388's examples */
  if (!mlaas_slice_is_word(kind, "form-data") && !mlaas_slice_is_word(kind, "file") &&
      !mlaas_slice_is_word(kind, "attachment"))
    return mlaas_fail(error, MLAAS_ARGUMENT, "a part of the form is not form-data");
  while ((more = next_parameter(&parameters, &name, &text, &quoted)) > 0) {
    struct mlaas_slice *into = mlaas_slice_is_word(name, "name")       ? &part->name
                               : mlaas_slice_is_word(name, "filename") ? &part->filename
                                                                       : NULL;
    if (!into)
      continue;
    if (into->data)
      return mlaas_fail(error, MLAAS_ARGUMENT, "a part of the form says %.*s twice", (int)name.size, name.data);
    MLAAS_TRY(unescape(text, quoted, arena, into, error));
    if (into->size > 0 && memchr(into->data, 0, into->size))
      return mlaas_fail(error, MLAAS_ARGUMENT, "a name in the form has a NUL in it");
  }
  return more < 0 ? mlaas_fail(error, MLAAS_ARGUMENT, "a Content-Disposition of the form is malformed") : MLAAS_OK;
}

static enum mlaas_status read_header(struct mlaas_slice line, bool *named, struct mlaas_arena *arena,
                                     struct mlaas_part *part, struct mlaas_error *error) {
  size_t n = 0;
  while (n < line.size && is_token_char(line.data[n]))
    n++;
  if (n == 0 || n == line.size || line.data[n] != ':')
    return mlaas_fail(error, MLAAS_ARGUMENT, "a part of the form has a line that is no header");
  struct mlaas_slice name = {line.data, n}, value = trim((struct mlaas_slice){line.data + n + 1, line.size - n - 1});
  if (mlaas_slice_is_word(name, "Content-Disposition")) {
    if (*named)
      return mlaas_fail(error, MLAAS_ARGUMENT, "a part of the form has two Content-Dispositions");
    *named = true;
    return read_disposition(value, arena, part, error);
  }
  if (mlaas_slice_is_word(name, "Content-Type"))
    part->type = value;
  else if (mlaas_slice_is_word(name, "Content-Transfer-Encoding") && !mlaas_slice_is_word(value, "binary") &&
           !mlaas_slice_is_word(value, "8bit") && !mlaas_slice_is_word(value, "7bit"))
    return mlaas_fail(error, MLAAS_ARGUMENT, "the transfer encoding '%.*s' of a part is not taken",
                      (int)(value.size < 40 ? value.size : 40), value.data);
  return MLAAS_OK;
}

/* Reads the headers at *at up to the empty line; *at is then where the content begins. */
static enum mlaas_status read_part(struct mlaas_slice body, size_t *at, struct mlaas_arena *arena,
                                   struct mlaas_part *part, struct mlaas_error *error) {
  size_t from = *at;
  bool named = false;
  for (int lines = 0;; lines++) {
    size_t room = body.size - *at < PART_HEADER_SIZE ? body.size - *at : PART_HEADER_SIZE;
    const char *end = room > 0 ? memmem(body.data + *at, room, "\r\n", 2) : NULL;
    if (!end || (size_t)(end - body.data) - from > PART_HEADER_SIZE || lines > PART_HEADERS_MOST)
      return body.size - from < PART_HEADER_SIZE && lines <= PART_HEADERS_MOST
                 ? mlaas_fail(error, MLAAS_ARGUMENT, "the form ends within the headers of a part")
                 : mlaas_fail(error, MLAAS_LIMIT, "the headers of a part are larger than %d bytes or %d lines",
                              PART_HEADER_SIZE, PART_HEADERS_MOST);
    struct mlaas_slice line = {body.data + *at, (size_t)(end - body.data) - *at};
    *at += line.size + 2;
    if (line.size == 0)
      break;
    if (is_blank(line.data[0]))
      return mlaas_fail(error, MLAAS_ARGUMENT, "a header of a part is folded");
    MLAAS_TRY(read_header(line, &named, arena, part, error));
  }
  if (!named || !part->name.data)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a part of the form has no name");
  return MLAAS_OK;
}

/* ---- the body ---- */

struct walk {
  struct mlaas_slice body;
  char mark[BOUNDARY_MOST + 4]; /* CR LF "--" boundary */
  size_t mark_size;
};

/* The next line that is a boundary at or after `from`; *begin is where the content before it ends, *next what follows
 * the line. `closing`: it ended the form. False: there is none. A boundary's line may have blanks at its end. */
static bool find_mark(const struct walk *walk, size_t from, size_t *begin, size_t *next, bool *closing) {
  struct mlaas_slice body = walk->body;
  while (from < body.size) {
    const char *found = memmem(body.data + from, body.size - from, walk->mark, walk->mark_size);
    if (!found)
      return false;
    size_t at = (size_t)(found - body.data), end = at + walk->mark_size;
    *begin = at;
    *closing = end + 2 <= body.size && body.data[end] == '-' && body.data[end + 1] == '-';
    end += *closing ? 2 : 0;
    size_t blank = end;
    while (blank < body.size && is_blank(body.data[blank]))
      blank++;
    bool line = blank + 2 <= body.size && body.data[blank] == '\r' && body.data[blank + 1] == '\n';
    if (line || (*closing && blank == body.size)) {
      *next = line ? blank + 2 : blank;
      return true;
    }
    from = at + 2; /* the text of the boundary within a longer line */
  }
  return false;
}

enum mlaas_status mlaas_multipart_parse(struct mlaas_slice type, struct mlaas_slice body, struct mlaas_arena *arena,
                                        struct mlaas_form *form, struct mlaas_error *error) {
  struct walk walk = {.body = body};
  struct mlaas_slice boundary = {0};
  size_t content, next = 0;
  bool closing = false;
  memset(form, 0, sizeof *form);
  MLAAS_TRY(find_boundary(type, &boundary, error));
  memcpy(walk.mark, "\r\n--", 4);
  memcpy(walk.mark + 4, boundary.data, boundary.size);
  walk.mark_size = boundary.size + 4;
  form->parts = mlaas_arena_alloc(arena, MLAAS_MULTIPART_MOST, sizeof *form->parts, error);
  if (!form->parts)
    return error ? error->status : MLAAS_MEMORY;
  /* The first boundary needs no line break before it. */
  struct walk first = walk;
  bool at_start = body.size >= walk.mark_size - 2 && memcmp(body.data, walk.mark + 2, walk.mark_size - 2) == 0;
  if (at_start) {
    memmove(first.mark, first.mark + 2, first.mark_size - 2);
    first.mark_size -= 2;
  }
  if (!find_mark(&first, 0, &content, &next, &closing) || content > PREAMBLE_MOST)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the form has no part that begins with its boundary");
  while (!closing) {
    if (form->count == MLAAS_MULTIPART_MOST)
      return mlaas_fail(error, MLAAS_LIMIT, "the form has more than %d parts", MLAAS_MULTIPART_MOST);
    struct mlaas_part *part = &form->parts[form->count++];
    MLAAS_TRY(read_part(body, &next, arena, part, error));
    size_t from = next;
    /* the empty line's own break may belong to the boundary of an empty part */
    if (!find_mark(&walk, from - 2, &content, &next, &closing))
      return mlaas_fail(error, MLAAS_ARGUMENT, "the form ends before its closing boundary");
    part->content = content < from ? (struct mlaas_slice){body.data + from, 0}
                                   : (struct mlaas_slice){body.data + from, content - from};
  }
  return MLAAS_OK;
}

const struct mlaas_part *mlaas_form_find(const struct mlaas_form *form, const char *name) {
  for (size_t i = 0; i < form->count; i++)
    if (mlaas_slice_is(form->parts[i].name, name))
      return &form->parts[i];
  return NULL;
}

struct mlaas_slice mlaas_file_base(struct mlaas_slice filename) {
  for (size_t i = filename.size; i > 0; i--)
    if (filename.data[i - 1] == '/' || filename.data[i - 1] == '\\')
      return (struct mlaas_slice){filename.data + i, filename.size - i};
  return filename;
}

/* ---- base64 ---- */

static int base64_value(unsigned char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum mlaas_status mlaas_base64_decode(struct mlaas_slice text, void *out, size_t *size, struct mlaas_error *error) {
  unsigned char *into = out;
  uint32_t bits = 0;
  int count = 0, pad = 0; /* characters of the group of four so far */
  size_t n = 0;
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
      continue;
    int value = base64_value(c);
    if (c == '=' && count >= 2)
      pad++;
    else if (value < 0 || pad > 0)
      return mlaas_fail_at(error, MLAAS_ARGUMENT, (int64_t)i, "not base64: byte 0x%02x", c);
    bits = bits << 6 | (uint32_t)(value < 0 ? 0 : value);
    if (++count < 4)
      continue;
    if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
      return mlaas_fail_at(error, MLAAS_ARGUMENT, (int64_t)i, "not base64: bits behind the end");
    into[n++] = (unsigned char)(bits >> 16);
    if (pad < 2)
      into[n++] = (unsigned char)(bits >> 8);
    if (pad < 1)
      into[n++] = (unsigned char)bits;
    bits = 0, count = 0;
    if (pad > 0)
      count = -1; /* nothing may follow */
  }
  if (count > 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the base64 text ends within a group of four characters");
  *size = n;
  return MLAAS_OK;
}
