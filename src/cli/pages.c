/* Man pages and docs/cli.md, written from the tables at build time. */
#include "cli/command.h"

#include <mlaas/dataset.h>
#include <string.h>

/* Text between `from` and `to` for roff: backslashes doubled, dashes of options kept, no dot at a line's start. */
static void roff_text(const char *from, size_t length, FILE *out) {
  for (size_t i = 0; i < length; i++) {
    if (from[i] == '\\')
      fputs("\\e", out);
    else if (from[i] == '-')
      fputs("\\-", out);
    else if ((from[i] == '.' || from[i] == '\'') && (i == 0 || from[i - 1] == '\n'))
      fprintf(out, "\\&%c", from[i]);
    else
      fputc(from[i], out);
  }
}

static void roff(const char *text, FILE *out) { roff_text(text, strlen(text), out); }

/* Paragraphs are separated by an empty line; `between` is written where one begins. */
static void write_paragraphs(const char *text, const char *between, void (*write)(const char *, size_t, FILE *),
                             FILE *out) {
  for (const char *at = text; at && *at;) {
    size_t length = strcspn(at, "\n");
    fputs(between, out);
    write(at, length, out);
    fputc('\n', out);
    at += length;
    at += strspn(at, "\n");
  }
}

static void plain_text(const char *from, size_t length, FILE *out) { fwrite(from, 1, length, out); }

static void man_option(const struct mlaas_option *option, FILE *out) {
  if (option->group)
    fprintf(out, ".SS %s\n", option->group);
  fputs(".TP\n\\fB\\-\\-", out);
  roff(option->name, out);
  fputs("\\fR", out);
  if (option->argument)
    fprintf(out, " \\fI%s\\fR", option->argument);
  fputc('\n', out);
  roff(option->help, out);
  if (option->choices)
    fprintf(out, ": %s", option->choices);
  if (option->repeats)
    fputs("; may be repeated", out);
  if (option->required)
    fputs(" (required)", out);
  if (option->fallback) {
    fputs(" (default: ", out);
    roff(option->fallback, out);
    fputc(')', out);
  }
  fputs(".\n", out);
}

static void man_exit_codes(FILE *out) {
  fputs(".SH EXIT STATUS\n", out);
  for (int i = 0; i < MLAAS_STATUS_COUNT; i++) {
    fprintf(out, ".TP\n%d\n", mlaas_status_exit_code((enum mlaas_status)i));
    roff(mlaas_status_text((enum mlaas_status)i), out);
    fputs(".\n", out);
  }
}

static void man_command(const struct mlaas_command *command, FILE *out) {
  fprintf(out, ".TH MLAAS\\-%s 1 \"\" \"mlaas %s\"\n.SH NAME\nmlaas\\-%s \\- ", command->name, mlaas_version(),
          command->name);
  roff(command->summary, out);
  fprintf(out, "\n.SH SYNOPSIS\n\\fBmlaas %s\\fR%s %s\n.SH DESCRIPTION", command->name,
          command->options ? " [options]" : "", command->operands);
  write_paragraphs(command->text, "\n.PP\n", roff_text, out);
  fputs("\n.SH OPTIONS\n", out);
  for (const struct mlaas_option *option = command->options; option && option->name; option++)
    man_option(option, out);
  fputs(".TP\n\\fB\\-\\-help\\fR\nShow the options.\n", out);
  if (command->examples) {
    fputs(".SH EXAMPLES\n.nf\n", out);
    roff(command->examples, out);
    fputs(".fi\n", out);
  }
  man_exit_codes(out);
  fputs(".SH SEE ALSO\n.BR mlaas (1)\n", out);
}

static void man_program(FILE *out) {
  fprintf(out,
          ".TH MLAAS 1 \"\" \"mlaas %s\"\n.SH NAME\nmlaas \\- ROOT files and a model in; a trained model, its recipe "
          "and scores out\n.SH SYNOPSIS\n\\fBmlaas\\fR COMMAND [options]\n.SH COMMANDS\n",
          mlaas_version());
  for (size_t i = 0; mlaas_command_at(i); i++) {
    fprintf(out, ".TP\n\\fB%s\\fR\n", mlaas_command_at(i)->name);
    roff(mlaas_command_at(i)->summary, out);
    fputs(".\n", out);
  }
  fputs(".SH ENVIRONMENT\n.TP\n.B MLAAS_PYTHON\nThe Python interpreter that has the package mlaas, for train and "
        "predict.\n"
        ".TP\n.B COLUMNS\nThe width to write for.\n",
        out);
  man_exit_codes(out);
  fputs(".SH SEE ALSO\n", out);
  for (size_t i = 0; mlaas_command_at(i); i++)
    fprintf(out, ".BR mlaas\\-%s (1)%s\n", mlaas_command_at(i)->name, mlaas_command_at(i + 1) ? "," : "");
}

/* Text for a cell of a Markdown table: bars escaped. */
static void cell(const char *text, FILE *out) {
  for (; *text; text++) {
    if (*text == '|')
      fputc('\\', out);
    fputc(*text, out);
  }
}

static void markdown_option(const struct mlaas_option *option, FILE *out) {
  fprintf(out, "| `--%s%s%s` | ", option->name, option->argument ? " " : "", option->argument ? option->argument : "");
  cell(option->help, out);
  if (option->choices) {
    fputs(": ", out);
    cell(option->choices, out);
  }
  if (option->repeats)
    fputs("; may be repeated", out);
  fputs(" | ", out);
  cell(option->required ? "required" : option->fallback ? option->fallback : "", out);
  fputs(" |\n", out);
}

static void markdown_command(const struct mlaas_command *command, FILE *out) {
  fprintf(out, "\n## mlaas %s\n\n%s.\n\n```\nmlaas %s%s%s%s\n```\n", command->name, command->summary, command->name,
          command->options ? " [options]" : "", command->operands[0] ? " " : "", command->operands);
  write_paragraphs(command->text, "\n", plain_text, out);
  if (command->options) {
    fputs("\n| option | what it does | default |\n|---|---|---|\n", out);
    for (const struct mlaas_option *option = command->options; option->name; option++) {
      if (option->group)
        fprintf(out, "| **%s** | | |\n", option->group);
      markdown_option(option, out);
    }
  }
  if (command->examples)
    fprintf(out, "\n```\n%s```\n", command->examples);
}

static void markdown_all(FILE *out) {
  fputs("# The command line\n\n<!-- Written by `make docs` from the option tables in src/cli. Do not edit. -->\n\n"
        "`mlaas COMMAND [options]`. Options are spelled out: `--name value` or `--name=value`; `--` ends them.\n"
        "`mlaas help COMMAND` shows the same as this page, `mlaas completion bash` prints the shell completion.\n"
        "What is data goes to standard output, everything else to standard error.\n\n"
        "| command | |\n|---|---|\n",
        out);
  for (size_t i = 0; mlaas_command_at(i); i++)
    fprintf(out, "| [%s](#mlaas-%s) | %s |\n", mlaas_command_at(i)->name, mlaas_command_at(i)->name,
            mlaas_command_at(i)->summary);
  for (size_t i = 0; mlaas_command_at(i); i++)
    markdown_command(mlaas_command_at(i), out);
  fputs("\n## Exit codes\n\n| code | meaning | Python exception |\n|---|---|---|\n", out);
  for (int i = 0; i < MLAAS_STATUS_COUNT; i++) {
    const char *python = mlaas_status_python((enum mlaas_status)i);
    fprintf(out, "| %d | %s | %s%s%s |\n", mlaas_status_exit_code((enum mlaas_status)i),
            mlaas_status_text((enum mlaas_status)i), python[0] ? "`mlaas." : "", python, python[0] ? "`" : "");
  }
}

static void markdown_params(FILE *out) {
  fputs(
      "# Parameters\n\n<!-- Written by `make docs` from the table of parameters in src/dataset/params.c. Do not edit. "
      "-->\n\n"
      "The keys of `params.json`, of `mlaas train --set KEY=VALUE` and of `mlaas.train(..., KEY=VALUE)`. An unknown "
      "key "
      "is\nrefused with a suggestion. `mlaas help params` shows the same on the terminal.\n\n"
      "| key | also called | type | default | meaning |\n|---|---|---|---|---|\n",
      out);
  const struct mlaas_param *param;
  for (size_t i = 0; (param = mlaas_param_at(i)) != NULL; i++) {
    fprintf(out, "| `%s` | %s | ", param->name, param->synonyms);
    cell(param->type, out);
    fputs(" | `", out);
    cell(param->fallback, out);
    fputs("` | ", out);
    cell(param->help, out);
    fputs(" |\n", out);
  }
}

bool mlaas_page_write(const char *kind, const struct mlaas_command *command, FILE *out) {
  if (strcmp(kind, "markdown") == 0)
    markdown_all(out);
  else if (strcmp(kind, "params") == 0)
    markdown_params(out);
  else if (strcmp(kind, "man") == 0 && command)
    man_command(command, out);
  else if (strcmp(kind, "man") == 0)
    man_program(out);
  else if (strcmp(kind, "bash") == 0)
    mlaas_completion_bash(out);
  else if (strcmp(kind, "zsh") == 0)
    mlaas_completion_zsh(out);
  else
    return false;
  return true;
}
