/* The terminal: width, wrapped text, tables, progress. Knows no command. */
#include "cli/terminal.h"

#include "base/memory.h"
#include "cli/units.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

bool mlaas_terminal_is(FILE *out) { return isatty(fileno(out)) == 1; }

enum { UNLIMITED = 100000, READABLE = 100 };

int mlaas_terminal_width(FILE *out) {
  int64_t columns = 0;
  const char *set = getenv("COLUMNS");
  struct winsize size;
  if (set && mlaas_count_parse(set, &columns) && columns >= 20 && columns < 10000)
    return (int)columns;
  if (mlaas_terminal_is(out) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
    return size.ws_col;
  return UNLIMITED;
}

static char safe(char c) { return (unsigned char)c < ' ' || c == 0x7f ? '?' : c; }

void mlaas_terminal_put(FILE *out, const char *text) {
  for (; *text; text++)
    fputc(safe(*text), out);
}

/* Characters of UTF-8 text: bytes that do not continue one. */
static size_t characters(const char *text) {
  size_t count = 0;
  for (; *text; text++)
    count += ((unsigned char)*text & 0xc0) != 0x80;
  return count;
}

void mlaas_terminal_wrap(FILE *out, const char *text, int at, int indent) {
  int width = mlaas_terminal_width(out);
  if (width > READABLE)
    width = READABLE;
  bool first = true;
  while (*text) {
    size_t length = strcspn(text, " ");
    if (!first && at + 1 + (int)length > width) {
      fprintf(out, "\n%*s", indent, "");
      at = indent;
      first = true;
    }
    at += fprintf(out, "%s%.*s", first ? "" : " ", (int)length, text);
    first = false;
    text += length;
    text += strspn(text, " ");
  }
  fputc('\n', out);
}

/* ---- grid ---- */

void mlaas_grid_init(struct mlaas_grid *grid, const char *align) {
  *grid = (struct mlaas_grid){.columns = strlen(align), .align = align};
}

bool mlaas_grid_add(struct mlaas_grid *grid, const char *text) {
  if (grid->cells == grid->room) {
    size_t room = grid->room ? grid->room * 2 : 64;
    char **texts = mlaas_realloc(grid->texts, room * sizeof *texts);
    if (!texts)
      return false;
    grid->texts = texts;
    grid->room = room;
  }
  char *copy = mlaas_strdup(text);
  if (!copy)
    return false;
  for (char *at = copy; *at; at++)
    *at = safe(*at);
  grid->texts[grid->cells++] = copy;
  return true;
}

enum { MOST_COLUMNS = 16, NARROWEST = 12 };

/* The widths of the columns; the widest left-aligned one gives way where the line is too long. */
static void measure(const struct mlaas_grid *grid, int indent, int line, size_t *widths) {
  size_t total = (size_t)indent;
  for (size_t c = 0; c < grid->columns; c++) {
    widths[c] = 0;
    for (size_t i = c; i < grid->cells; i += grid->columns)
      if (characters(grid->texts[i]) > widths[c])
        widths[c] = characters(grid->texts[i]);
    total += widths[c] + 2;
  }
  while (total > (size_t)line + 2) {
    size_t widest = grid->columns;
    for (size_t c = 0; c < grid->columns; c++)
      if (grid->align[c] == 'l' && widths[c] > NARROWEST && (widest == grid->columns || widths[c] > widths[widest]))
        widest = c;
    if (widest == grid->columns)
      return;
    widths[widest]--;
    total--;
  }
}

static void write_cell(const char *text, char align, size_t width, bool last, FILE *out) {
  size_t length = characters(text), fill = length < width ? width - length : 0;
  if (align == 'r')
    fprintf(out, "%*s", (int)fill, "");
  if (length > width) { /* cut between characters */
    size_t bytes = 0;
    for (size_t left = width - 3; text[bytes] && (left || ((unsigned char)text[bytes] & 0xc0) == 0x80); bytes++)
      left -= ((unsigned char)text[bytes] & 0xc0) != 0x80;
    fprintf(out, "%.*s...", (int)bytes, text);
  } else {
    fputs(text, out);
  }
  if (!last)
    fprintf(out, "%*s", (int)(align == 'r' ? 2 : fill + 2), "");
}

void mlaas_grid_write(const struct mlaas_grid *grid, int indent, FILE *out) {
  size_t widths[MOST_COLUMNS];
  measure(grid, indent, mlaas_terminal_width(out), widths);
  for (size_t i = 0; i + grid->columns <= grid->cells; i += grid->columns) {
    fprintf(out, "%*s", indent, "");
    for (size_t c = 0; c < grid->columns; c++)
      write_cell(grid->texts[i + c], grid->align[c], widths[c], c + 1 == grid->columns, out);
    fputc('\n', out);
  }
}

void mlaas_grid_reset(struct mlaas_grid *grid) {
  for (size_t i = 0; i < grid->cells; i++)
    mlaas_free(grid->texts[i]);
  mlaas_free(grid->texts);
  *grid = (struct mlaas_grid){0};
}

/* ---- meter ---- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void mlaas_meter_init(struct mlaas_meter *meter, const char *verb, const char *unit, bool quiet) {
  *meter = (struct mlaas_meter){.out = stderr, .verb = verb, .unit = unit, .quiet = quiet};
  meter->terminal = mlaas_terminal_is(stderr);
  meter->start = meter->last = now();
}

static void show_bar(const struct mlaas_meter *meter, double share, const char *tail) {
  char bar[31];
  int filled = (int)(share * 30);
  for (int i = 0; i < 30; i++)
    bar[i] = i < filled ? '#' : '.';
  bar[30] = 0;
  fprintf(meter->out, "\r%s [%s] %3.0f %%  %s\033[K", meter->verb, bar, share * 100, tail);
  fflush(meter->out);
}

void mlaas_meter_show(struct mlaas_meter *meter, int64_t done, int64_t total) {
  double t = now(), step = meter->terminal ? 0.1 : 10;
  if (meter->quiet || t - meter->last < step)
    return;
  meter->last = t;
  double share = total > 0 ? (double)done / (double)total : 0;
  double rate = t > meter->start ? (double)done / (t - meter->start) : 0;
  char number[MLAAS_UNITS_TEXT], of[MLAAS_UNITS_TEXT], speed[MLAAS_UNITS_TEXT], left[MLAAS_UNITS_TEXT], tail[250];
  snprintf(tail, sizeof tail, "%s of %s %s, %s/s, %s left", mlaas_count_format(done, number),
           mlaas_count_format(total, of), meter->unit, mlaas_count_format((int64_t)rate, speed),
           mlaas_seconds_format(rate > 0 ? (double)(total - done) / rate : -1, left));
  if (meter->terminal)
    show_bar(meter, share, tail);
  else
    fprintf(meter->out, "%s: %s\n", meter->verb, tail);
  meter->shown = true;
}

void mlaas_meter_end(struct mlaas_meter *meter, int64_t done) {
  if (meter->quiet)
    return;
  double seconds = now() - meter->start;
  char number[MLAAS_UNITS_TEXT], speed[MLAAS_UNITS_TEXT], time[MLAAS_UNITS_TEXT];
  fprintf(meter->out, "%s%s: %s %s in %s, %s/s\n", meter->terminal && meter->shown ? "\r\033[K" : "", meter->verb,
          mlaas_count_format(done, number), meter->unit, mlaas_seconds_format(seconds, time),
          mlaas_count_format((int64_t)((double)done / (seconds > 1e-3 ? seconds : 1e-3)), speed));
}

void mlaas_meter_break(struct mlaas_meter *meter) {
  if (meter->terminal && meter->shown)
    fputc('\n', meter->out);
}
