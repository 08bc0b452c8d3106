/* Completion for bash and zsh, written from the tables. */
#include "cli/command.h"

#include <string.h>

static void write_words(const char *choices, FILE *out) {
  for (; *choices; choices++)
    fputc(*choices == '|' ? ' ' : *choices, out);
}

static void bash_value(const struct mlaas_option *option, FILE *out) {
  fprintf(out, "      --%s) ", option->name);
  if (option->type == MLAAS_OPTION_CHOICE) {
    fputs("COMPREPLY=($(compgen -W \"", out);
    write_words(option->choices, out);
    fputs("\" -- \"$word\"))", out);
  } else if (option->type == MLAAS_OPTION_DIRECTORY) {
    fputs("compopt -o filenames; COMPREPLY=($(compgen -d -- \"$word\"))", out);
  } else if (option->type == MLAAS_OPTION_FILE) {
    fputs("compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"))", out);
  } else {
    fputs("COMPREPLY=()", out);
  }
  fputs("; return ;;\n", out);
}

static void bash_command(const struct mlaas_command *command, FILE *out) {
  fprintf(out, "  %s)\n    options=\"--help", command->name);
  for (const struct mlaas_option *option = command->options; option && option->name; option++)
    fprintf(out, " --%s", option->name);
  fputs("\"\n", out);
  if (command->options) {
    fputs("    case $before in\n", out);
    for (const struct mlaas_option *option = command->options; option->name; option++)
      if (option->type != MLAAS_OPTION_FLAG)
        bash_value(option, out);
    fputs("    esac\n", out);
  }
  fputs("    ;;\n", out);
}

void mlaas_completion_bash(FILE *out) {
  fputs("# bash completion of mlaas: source <(mlaas completion bash)\n"
        "_mlaas() {\n"
        "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=\"\"\n"
        "  if [ \"$word\" = \"=\" ]; then word=\"\"; elif [ \"$before\" = \"=\" ]; then "
        "before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "  local commands=\"",
        out);
  for (size_t i = 0; mlaas_command_at(i); i++)
    fprintf(out, "%s%s", i ? " " : "", mlaas_command_at(i)->name);
  fputs("\"\n"
        "  if [ \"$COMP_CWORD\" = 1 ] || [ \"${COMP_WORDS[1]}\" = help ]; then\n"
        "    COMPREPLY=($(compgen -W \"$commands\" -- \"$word\")); return\n"
        "  fi\n"
        "  case ${COMP_WORDS[1]} in\n",
        out);
  for (size_t i = 0; mlaas_command_at(i); i++)
    bash_command(mlaas_command_at(i), out);
  fputs("  esac\n"
        "  case $word in\n"
        "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
        "    *) if [ \"${COMP_WORDS[1]}\" = completion ]; then COMPREPLY=($(compgen -W \"bash zsh\" -- \"$word\"));\n"
        "       else compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); fi ;;\n"
        "  esac\n"
        "}\n"
        "complete -F _mlaas mlaas\n",
        out);
}

/* Help inside '[...]' of _arguments: brackets, quotes and colons escaped. */
static void zsh_text(const char *text, FILE *out) {
  for (; *text; text++) {
    if (*text == '\'')
      fputs("'\\'", out);
    else if (strchr("[]:\\", *text))
      fputc('\\', out);
    fputc(*text, out);
  }
}

static void zsh_option(const struct mlaas_option *option, FILE *out) {
  fprintf(out, "        '%s--%s%s[", option->repeats ? "*" : "", option->name, option->argument ? "=" : "");
  zsh_text(option->help, out);
  fputc(']', out);
  if (option->argument) {
    fputc(':', out);
    zsh_text(option->argument, out);
    fputc(':', out);
  }
  if (option->type == MLAAS_OPTION_CHOICE) {
    fputc('(', out);
    write_words(option->choices, out);
    fputc(')', out);
  } else if (option->type == MLAAS_OPTION_DIRECTORY) {
    fputs("_directories", out);
  } else if (option->type == MLAAS_OPTION_FILE) {
    fputs("_files", out);
  }
  fputs("' \\\n", out);
}

void mlaas_completion_zsh(FILE *out) {
  fputs("#compdef mlaas\n# zsh completion of mlaas: put this into a folder of $fpath as _mlaas\n"
        "_mlaas() {\n  local -a commands\n  commands=(\n",
        out);
  for (size_t i = 0; mlaas_command_at(i); i++) {
    fprintf(out, "    '%s:", mlaas_command_at(i)->name);
    zsh_text(mlaas_command_at(i)->summary, out);
    fputs("'\n", out);
  }
  fputs("  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] in\n", out);
  for (size_t i = 0; mlaas_command_at(i); i++) {
    const struct mlaas_command *command = mlaas_command_at(i);
    fprintf(out, "    %s) shift words; (( CURRENT-- ))\n      _arguments \\\n", command->name);
    for (const struct mlaas_option *option = command->options; option && option->name; option++)
      zsh_option(option, out);
    if (strcmp(command->name, "help") == 0)
      fputs("        '*:command:{_describe command commands}' ;;\n", out);
    else if (strcmp(command->name, "completion") == 0)
      fputs("        '*:shell:(bash zsh)' ;;\n", out);
    else
      fputs("        '--help[show the options]' '*:file:_files' ;;\n", out);
  }
  fputs("  esac\n}\n_mlaas \"$@\"\n", out);
}
