/* From what a user wrote to the files that are meant: lists, replicas, patterns, the redirector. Must not know what is
 * in the files, nor how servers are asked. */
#include "source/place.h"

#include "base/context.h"
#include "base/error.h"
#include "source/glob.h"
#include "source/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_LIST = 64 << 20, HEAD_BYTES = 512, MOST_PLACES = 1 << 22 };

struct mlaas_places {
  char **names;
  size_t *origins;
  size_t count, room, num_written;
};

/* What an expansion works with. */
struct expansion {
  struct mlaas_context *context;
  const char *redirector; /* NULL: none */
  struct mlaas_places *places;
  struct mlaas_error *error;
};

size_t mlaas_places_count(const struct mlaas_places *places) { return places->count; }
const char *mlaas_places_name(const struct mlaas_places *places, size_t i) { return places->names[i]; }
size_t mlaas_places_origin(const struct mlaas_places *places, size_t i) { return places->origins[i]; }
size_t mlaas_places_num_written(const struct mlaas_places *places) { return places->num_written; }

void mlaas_places_free(struct mlaas_places *places) {
  if (!places)
    return;
  for (size_t i = 0; i < places->count; i++)
    mlaas_free(places->names[i]);
  mlaas_free(places->names);
  mlaas_free(places->origins);
  mlaas_free(places);
}

/* ---- adding ---- */

static enum mlaas_status no_memory(struct expansion *to) {
  return mlaas_fail(to->error, MLAAS_MEMORY, "no memory for the list of files");
}

/* Takes `name` over. */
static enum mlaas_status add_own(struct expansion *to, char *name) {
  struct mlaas_places *places = to->places;
  if (!name)
    return no_memory(to);
  if (places->count == places->room) {
    size_t room = places->room ? places->room * 2 : 16;
    char **names = mlaas_realloc(places->names, room * sizeof *names);
    places->names = names ? names : places->names;
    size_t *origins = names ? mlaas_realloc(places->origins, room * sizeof *origins) : NULL;
    places->origins = origins ? origins : places->origins;
    if (!origins || room > MOST_PLACES) {
      mlaas_free(name);
      return origins ? mlaas_fail(to->error, MLAAS_LIMIT, "there are more than %d files", MOST_PLACES) : no_memory(to);
    }
    places->room = room;
  }
  places->origins[places->count] = places->num_written;
  places->names[places->count++] = name;
  return MLAAS_OK;
}

static enum mlaas_status add_copy(struct expansion *to, const char *name) { return add_own(to, mlaas_strdup(name)); }

static enum mlaas_status add_matches(struct expansion *to, const char *pattern) {
  struct mlaas_glob_names found;
  MLAAS_TRY(mlaas_glob(to->context, pattern, &found, to->error));
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < found.count && status == MLAAS_OK; i++) {
    status = add_own(to, found.names[i]);
    found.names[i] = NULL;
  }
  mlaas_glob_reset(&found);
  return status;
}

/* ---- one name ---- */

static enum mlaas_status check_replicas(const char *name, struct mlaas_error *error) {
  char shown[400];
  for (const char *part = name; part; part = strchr(part, '|'), part = part ? part + 1 : NULL)
    if (!mlaas_place_scheme(part)) {
      mlaas_place_show(name, shown, sizeof shown);
      return mlaas_fail(error, MLAAS_ARGUMENT,
                        "replica '%.*s' of '%s' has no scheme: each needs one, file:// for a file of this machine",
                        (int)strcspn(part, "|"), part, shown);
    }
  return MLAAS_OK;
}

/* A URL, also one that came of the redirector. */
static enum mlaas_status add_remote(struct expansion *to, const char *url) {
  const char *query = mlaas_place_query(url);
  if (strchr(query, '*') && !strchr(query, '=')) {
    char shown[400];
    mlaas_place_show(url, shown, sizeof shown);
    return mlaas_fail(to->error, MLAAS_ARGUMENT, "'%s': in a URL ? begins a query: use * or [...]", shown);
  }
  if (!to->context || !mlaas_place_is_pattern(url))
    return add_copy(to, url);
  return add_matches(to, url);
}

static enum mlaas_status add_redirected(struct expansion *to, const char *name) {
  char *url = NULL;
  bool pattern = mlaas_place_is_pattern(name);
  MLAAS_TRY(mlaas_place_redirect(to->redirector, name, &url, to->error));
  enum mlaas_status status = MLAAS_OK;
  if (pattern && mlaas_place_is_remote(url) && strchr(name, '?'))
    status = mlaas_fail(to->error, MLAAS_ARGUMENT,
                        "'%s' becomes a URL by the redirector, where ? begins a query: use * or [...]", name);
  else if (mlaas_place_is_remote(url))
    status = add_remote(to, url);
  else
    status = pattern ? add_matches(to, url) : add_copy(to, url);
  mlaas_free(url);
  return status;
}

static bool is_there(const char *name) { return access(mlaas_place_path(name), F_OK) == 0; }

static enum mlaas_status add_path(struct expansion *to, const char *name) {
  if (is_there(name))
    return add_copy(to, name);
  bool pattern = mlaas_place_is_pattern(name), redirect = to->redirector && !mlaas_place_scheme(name);
  enum mlaas_status status = pattern ? add_matches(to, name) : MLAAS_NOT_FOUND;
  if (status != MLAAS_NOT_FOUND)
    return status;
  if (redirect)
    return add_redirected(to, name);
  return pattern ? status : add_copy(to, name); /* opening it will say what is wrong */
}

/* What means one file, or those of a pattern. */
static enum mlaas_status add_name(struct expansion *to, const char *name) {
  enum mlaas_status status = MLAAS_OK;
  if (mlaas_place_is_replicas(name)) {
    status = check_replicas(name, to->error);
    if (status == MLAAS_OK)
      status = add_copy(to, name);
  } else {
    status = mlaas_place_is_remote(name) ? add_remote(to, name) : add_path(to, name);
  }
  to->places->num_written++;
  return status;
}

/* ---- lists ---- */

/* What stands between `separators`, without blanks around it, empty pieces and comments. Writes into `text`. */
static enum mlaas_status add_pieces(struct expansion *to, char *text, const char *separators) {
  while (*text) {
    size_t whole = strcspn(text, separators), length = whole;
    bool last = !text[whole];
    char *piece = text;
    for (; length && strchr(" \t\r", piece[0]); length--)
      piece++;
    while (length && strchr(" \t\r", piece[length - 1]))
      length--;
    piece[length] = 0;
    if (length && piece[0] != '#')
      MLAAS_TRY(add_name(to, piece));
    text += whole + !last;
  }
  return MLAAS_OK;
}

static enum mlaas_status add_lines(struct expansion *to, const char *name, char *text, size_t size) {
  size_t before = to->places->num_written;
  if (strlen(text) != size) { /* names behind it would be left out without a word */
    char where[400];
    mlaas_place_show(name, where, sizeof where);
    return mlaas_fail(to->error, MLAAS_FORMAT, "%s is no list of names: byte %zu is zero", where, strlen(text));
  }
  bool mark = strncmp(text, "\xEF\xBB\xBF", 3) == 0;
  MLAAS_TRY(add_pieces(to, text + (mark ? 3 : 0), "\n"));
  char shown[400];
  mlaas_place_show(name, shown, sizeof shown);
  return to->places->num_written > before
             ? MLAAS_OK
             : mlaas_fail(to->error, MLAAS_ARGUMENT, "%s names no files; it must have one name a line", shown);
}

/* A ROOT file by another name, or anything else that is no text. */
static bool is_binary(const char *head, size_t length) {
  bool root = length > 4 && memcmp(head, "root", 4) == 0 && (unsigned char)head[4] < ' ' && !strchr("\n\r\t", head[4]);
  return root || memchr(head, 0, length < HEAD_BYTES ? length : HEAD_BYTES);
}

/* The rest of a list into *text, behind the *size bytes that are there. */
static enum mlaas_status read_rest(struct expansion *to, FILE *in, const char *path, char **text, size_t *size) {
  size_t room = HEAD_BYTES + 1, used = *size;
  for (size_t got = used; got > 0; used += got) {
    if (used + 1 >= room) {
      char *larger = room < LARGEST_LIST ? mlaas_realloc(*text, room * 2) : NULL;
      if (!larger)
        return room < LARGEST_LIST ? no_memory(to)
                                   : mlaas_fail(to->error, MLAAS_LIMIT, "%s is too large for a text file", path);
      *text = larger;
      room *= 2;
    }
    got = fread(*text + used, 1, room - used - 1, in);
  }
  (*text)[used] = 0;
  *size = used;
  return ferror(in) ? mlaas_fail_errno(to->error, errno ? errno : EIO, "%s cannot be read", path) : MLAAS_OK;
}

/* A file of data is one name; a text has one a line. */
static enum mlaas_status add_file_or_list(struct expansion *to, const char *name) {
  const char *path = mlaas_place_path(name);
  struct stat about;
  if (mlaas_place_is_data(name))
    return add_name(to, name);
  if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
    return mlaas_fail(to->error, MLAAS_ARGUMENT, "%s is a folder; a file is expected, or a pattern such as %s/*.root",
                      path, path);
  FILE *in = fopen(path, "rb");
  if (!in)
    return mlaas_fail_errno(to->error, errno, "the file %s cannot be read", path);
  char *text = mlaas_alloc(HEAD_BYTES + 1);
  size_t size = text ? fread(text, 1, HEAD_BYTES, in) : 0;
  enum mlaas_status status = text ? MLAAS_OK : no_memory(to);
  bool binary = text && is_binary(text, size);
  if (status == MLAAS_OK && !binary)
    status = read_rest(to, in, path, &text, &size);
  fclose(in);
  if (status == MLAAS_OK)
    status = binary ? add_name(to, name) : add_lines(to, name, text, size);
  mlaas_free(text);
  return status;
}

static enum mlaas_status add_remote_list(struct expansion *to, const char *url) {
  struct mlaas_source *source = NULL;
  char *text = NULL, shown[400];
  mlaas_place_show(url, shown, sizeof shown);
  enum mlaas_status status = mlaas_source_open(to->context, url, &source, to->error);
  int64_t size = status == MLAAS_OK ? mlaas_source_size(source) : 0;
  if (size > LARGEST_LIST)
    status = mlaas_fail(to->error, MLAAS_LIMIT, "%lld bytes are too many for a list of names", (long long)size);
  if (status == MLAAS_OK && !(text = mlaas_alloc((size_t)size + 1)))
    status = no_memory(to);
  if (status == MLAAS_OK && size > 0)
    status = mlaas_source_read_at(source, 0, size, text, to->error);
  mlaas_source_put(source);
  if (status != MLAAS_OK)
    mlaas_fail_in(to->error, status, "%s", shown);
  else
    status = add_lines(to, url, text, (size_t)size);
  mlaas_free(text);
  return status;
}

static enum mlaas_status add_commas(struct expansion *to, const char *text) {
  char *copy = mlaas_strdup(text);
  if (!copy)
    return no_memory(to);
  enum mlaas_status status = add_pieces(to, copy, ",");
  mlaas_free(copy);
  return status;
}

/* A name, or what stands for several. */
static enum mlaas_status add_listed(struct expansion *to, const char *text) {
  if (!mlaas_place_is_remote(text) && is_there(text))
    return add_file_or_list(to, text);
  if (strchr(text, ','))
    return add_commas(to, text);
  if (mlaas_place_is_list(text) && !mlaas_place_is_pattern(text) && !mlaas_place_is_replicas(text)) {
    if (mlaas_place_is_remote(text))
      return to->context ? add_remote_list(to, text) : add_name(to, text);
    return mlaas_fail_errno(to->error, ENOENT, "the file %s cannot be read", text);
  }
  bool plain = !mlaas_place_scheme(text) && !mlaas_place_is_pattern(text) && !mlaas_place_is_data(text);
  if (plain && !to->redirector)
    return mlaas_fail_errno(to->error, ENOENT, "the file %s cannot be read", text);
  return add_name(to, text);
}

enum mlaas_status mlaas_places_expand(struct mlaas_context *context, const char *const *names, size_t num_names,
                                      const struct mlaas_places_options *options, struct mlaas_places **places,
                                      struct mlaas_error *error) {
  struct mlaas_error own;
  struct expansion to = {.context = context, .error = error ? error : &own};
  if (options && options->redirector && options->redirector[0])
    to.redirector = options->redirector;
  if (to.redirector) { /* also where no name needs it: it is wrong now, not with the first file that is missing */
    char *unused = NULL;
    MLAAS_TRY(mlaas_place_redirect(to.redirector, "x", &unused, error));
    mlaas_free(unused);
  }
  to.places = mlaas_alloc(sizeof *to.places);
  if (!to.places)
    return no_memory(&to);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < num_names && status == MLAAS_OK; i++) {
    if (!names[i][0])
      status = mlaas_fail(to.error, MLAAS_ARGUMENT, "name %zu of %zu is empty", i + 1, num_names);
    else
      status = options && options->lists ? add_listed(&to, names[i]) : add_name(&to, names[i]);
  }
  if (status == MLAAS_OK)
    *places = to.places;
  else
    mlaas_places_free(to.places);
  return status;
}
