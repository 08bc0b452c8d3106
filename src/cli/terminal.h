/* The terminal: its width, wrapped text, tables, a progress bar. Knows no command. */
#ifndef MLAAS_CLI_TERMINAL_H
#define MLAAS_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Columns of the terminal behind `out`; very many where there is none, so that nothing is cut. COLUMNS overrides. */
int mlaas_terminal_width(FILE *out);
bool mlaas_terminal_is(FILE *out);

/* Writes text from a file or a user: control characters, which could steer the terminal, become '?'. */
void mlaas_terminal_put(FILE *out, const char *text);

/* Writes a paragraph broken at blanks; the first line begins at column `at`, the others are indented. Ends the line. */
void mlaas_terminal_wrap(FILE *out, const char *text, int at, int indent);

/* ---- a table whose cells are collected, then written with each column as wide as its widest cell ---- */

struct mlaas_grid {
  size_t columns, cells, room;
  char **texts;
  const char *align; /* 'l' or 'r' per column */
};

/* False when out of memory; the grid then stays valid. `text` is copied, as mlaas_terminal_put would write it. */
void mlaas_grid_init(struct mlaas_grid *grid, const char *align);
bool mlaas_grid_add(struct mlaas_grid *grid, const char *text);
void mlaas_grid_write(const struct mlaas_grid *grid, int indent, FILE *out);
void mlaas_grid_reset(struct mlaas_grid *grid);

/* ---- progress: a bar with rate and time left on a terminal, else a plain line now and then ---- */

struct mlaas_meter {
  FILE *out;
  const char *verb; /* "scanning" */
  const char *unit; /* "events" */
  bool terminal, quiet, shown;
  double start, last;
};

void mlaas_meter_init(struct mlaas_meter *meter, const char *verb, const char *unit, bool quiet);
void mlaas_meter_show(struct mlaas_meter *meter, int64_t done, int64_t total);
/* Ends the bar with a line that says how many in what time. */
void mlaas_meter_end(struct mlaas_meter *meter, int64_t done);
/* Leaves the bar as it stands, for a message of what stopped it. */
void mlaas_meter_break(struct mlaas_meter *meter);

#endif
