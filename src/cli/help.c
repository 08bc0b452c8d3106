/* --help, written from the tables. */
#include "cli/command.h"
#include "cli/terminal.h"

#include <mlaas/dataset.h>
#include <string.h>

/* How an option is typed: "--memory SIZE". */
static int spell_option(const struct mlaas_option *option, char *text, size_t size) {
  return snprintf(text, size, "--%s%s%s", option->name, option->argument ? " " : "",
                  option->argument ? option->argument : "");
}

static void write_option(const struct mlaas_option *option, int column, FILE *out) {
  char spelled[80], help[600];
  int length = spell_option(option, spelled, sizeof spelled);
  snprintf(help, sizeof help, "%s%s%s%s%s%s%s", option->help, option->choices ? ": " : "",
           option->choices ? option->choices : "", option->repeats ? "; may be repeated" : "",
           option->required ? " (required)" : "", option->fallback ? " (default: " : "",
           option->fallback ? option->fallback : "");
  size_t used = strlen(help);
  if (option->fallback)
    snprintf(help + used, sizeof help - used, ")");
  fprintf(out, "  %s%*s", spelled, column - length, "");
  mlaas_terminal_wrap(out, help, column + 2, column + 2);
}

static int widest_option(const struct mlaas_command *command) {
  int widest = 6;
  for (const struct mlaas_option *option = command->options; option && option->name; option++) {
    char spelled[80];
    int length = spell_option(option, spelled, sizeof spelled);
    if (length > widest)
      widest = length;
  }
  return widest;
}

void mlaas_help_command(const struct mlaas_command *command, FILE *out) {
  static const struct mlaas_option help = {.name = "help", .help = "Show this"};
  fprintf(out, "mlaas %s: ", command->name);
  mlaas_terminal_wrap(out, command->summary, (int)strlen(command->name) + 8, 2);
  fprintf(out, "\nUsage: mlaas %s%s%s%s\n", command->name, command->options ? " [options]" : "",
          command->operands[0] ? " " : "", command->operands);
  for (const char *at = command->text; at && *at;) {
    size_t length = strcspn(at, "\n");
    char paragraph[2000];
    snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, at);
    fputc('\n', out);
    mlaas_terminal_wrap(out, paragraph, 0, 0);
    at += length;
    at += strspn(at, "\n");
  }
  fputs("\nOptions:\n", out);
  int column = widest_option(command) + 2;
  bool grouped = false;
  for (const struct mlaas_option *option = command->options; option && option->name; option++) {
    if (option->group && !grouped)
      write_option(&help, column, out);
    if (option->group)
      fprintf(out, "\n%s:\n", option->group);
    grouped |= option->group != NULL;
    write_option(option, column, out);
  }
  if (!grouped)
    write_option(&help, column, out);
  if (command->examples)
    fprintf(out, "\nExamples:\n%s", command->examples);
}

void mlaas_help_program(FILE *out) {
  fputs("mlaas: ROOT files and a model in; a trained model, its recipe and scores out\n\n"
        "Usage: mlaas COMMAND [options]\n\nCommands:\n",
        out);
  for (size_t i = 0; mlaas_command_at(i); i++)
    fprintf(out, "  %-12s%s\n", mlaas_command_at(i)->name, mlaas_command_at(i)->summary);
  fputs("\n'mlaas help COMMAND' shows a command's options. Exit codes: 0 success", out);
  fputs(", 2 a mistake in the command,\n3 not found, 4 input or output, 5 to 9 the data, 10 and 11 memory, 13 too "
        "late,\n14 "
        "done but for files that were left out, 130 Ctrl-C.\n",
        out);
}

void mlaas_help_params(FILE *out) {
  const struct mlaas_param *param;
  fputs("The keys of params.json and of --set KEY=VALUE:\n", out);
  for (size_t i = 0; (param = mlaas_param_at(i)) != NULL; i++) {
    fprintf(out, "\n%s%s%s%s: %s, default %s\n    ", param->name, param->synonyms[0] ? " (also " : "", param->synonyms,
            param->synonyms[0] ? ")" : "", param->type, param->fallback);
    mlaas_terminal_wrap(out, param->help, 4, 4);
  }
}
