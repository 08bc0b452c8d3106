/* Draws an indented tree. Must not know what its lines are about. */
#define _GNU_SOURCE /* strcasestr */
#include "cli/outline.h"

#include "base/error.h"
#include "base/memory.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 4, WIDEST_NAME = 56 };

struct mlaas_outline_row {
  int depth;
  uint64_t more; /* bit d: a later line of depth d belongs to the same parent */
  char *name, *details;
};

bool mlaas_outline_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *set = getenv(names[i]);
    if (set && *set)
      return strcasestr(set, "UTF-8") || strcasestr(set, "UTF8");
  }
  return false;
}

static char *copy_safe(const char *text) {
  char *copy = mlaas_strdup(text ? text : "");
  for (char *at = copy; at && *at; at++)
    *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
  return copy;
}

void mlaas_outline_add(struct mlaas_outline *outline, int depth, const char *name, const char *details) {
  if (outline->count == outline->room && !outline->failed) {
    size_t room = outline->room ? 2 * outline->room : 64;
    struct mlaas_outline_row *rows = mlaas_realloc(outline->rows, room * sizeof *rows);
    if (rows) {
      outline->rows = rows;
      outline->room = room;
    }
    outline->failed = !rows;
  }
  if (outline->failed)
    return;
  struct mlaas_outline_row row = {depth < MLAAS_OUTLINE_DEPTH ? depth : MLAAS_OUTLINE_DEPTH, 0, copy_safe(name),
                                  copy_safe(details)};
  if (row.name && row.details) {
    outline->rows[outline->count++] = row;
    return;
  }
  mlaas_free(row.name);
  mlaas_free(row.details);
  outline->failed = true;
}

/* From the end: which depths go on behind each line. */
static void find_siblings(struct mlaas_outline *outline) {
  uint64_t alive = 0;
  for (size_t i = outline->count; i-- > 0;) {
    struct mlaas_outline_row *row = &outline->rows[i];
    uint64_t own = UINT64_C(1) << row->depth;
    row->more = alive;
    alive = (alive & (own - 1)) | own;
  }
}

static int characters(const char *text) {
  int count = 0;
  for (; *text; text++)
    count += ((unsigned char)*text & 0xc0) != 0x80;
  return count;
}

/* Writes at most `width` characters; returns how many. */
static int put_cut(const char *text, int width, FILE *out) {
  int all = characters(text), kept = all <= width ? all : width > 3 ? width - 3 : 0, at = 0;
  for (int left = kept; text[at]; at++) { /* cut between characters */
    bool begins = ((unsigned char)text[at] & 0xc0) != 0x80;
    if (begins && left == 0)
      break;
    left -= begins;
  }
  fprintf(out, "%.*s%s", at, text, all > width && width > 3 ? "..." : "");
  return all <= width ? all : width;
}

static int row_width(const struct mlaas_outline_row *row) { return STEP * row->depth + characters(row->name); }

static void write_row(const struct mlaas_outline_row *row, int column, int width, bool utf8, FILE *out) {
  for (int d = 1; d <= row->depth; d++) {
    bool more = row->more >> d & 1;
    if (d < row->depth)
      fputs(!more ? "    " : utf8 ? "\u2502   " : "|   ", out);
    else if (utf8)
      fputs(more ? "\u251c\u2500\u2500 " : "\u2514\u2500\u2500 ", out);
    else
      fputs(more ? "|-- " : "`-- ", out);
  }
  int at = STEP * row->depth + put_cut(row->name, width - STEP * row->depth, out);
  int gap = at < column ? column - at : 2;
  if (row->details[0] && at + gap < width) {
    fprintf(out, "%*s", gap, "");
    put_cut(row->details, width - at - gap, out);
  }
  fputc('\n', out);
}

enum mlaas_status mlaas_outline_write(struct mlaas_outline *outline, FILE *out, struct mlaas_error *error) {
  if (outline->failed)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a tree of %zu lines", outline->count);
  bool utf8 = mlaas_outline_utf8();
  int width = mlaas_terminal_width(out), column = 0;
  find_siblings(outline);
  for (size_t i = 0; i < outline->count; i++)
    if (outline->rows[i].details[0] && row_width(&outline->rows[i]) + 2 > column &&
        row_width(&outline->rows[i]) <= WIDEST_NAME)
      column = row_width(&outline->rows[i]) + 2;
  for (size_t i = 0; i < outline->count; i++)
    write_row(&outline->rows[i], column, width, utf8, out);
  return MLAAS_OK;
}

void mlaas_outline_reset(struct mlaas_outline *outline) {
  for (size_t i = 0; i < outline->count; i++) {
    mlaas_free(outline->rows[i].name);
    mlaas_free(outline->rows[i].details);
  }
  mlaas_free(outline->rows);
  *outline = (struct mlaas_outline){0};
}
