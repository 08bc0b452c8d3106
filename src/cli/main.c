/* The command `mlaas`: finds the command, parses its options, runs it, says what went wrong. Knows no command by name
 * but "help" and "version", which also come as options.
 */
#include "cli/command.h"
#include "cli/terminal.h"

#include <string.h>

static int report(const struct mlaas_command *command, const struct mlaas_error *error) {
  char text[2048];
  mlaas_error_format(error, text, sizeof text);
  fflush(stdout);
  fprintf(stderr, "mlaas%s%s: ", command ? " " : "", command ? command->name : "");
  mlaas_terminal_put(stderr, text);
  fputc('\n', stderr);
  return mlaas_status_exit_code(error->status);
}

static int run(const struct mlaas_command *command, int argc, char **argv) {
  struct mlaas_error error = {.offset = -1};
  struct mlaas_arguments *arguments = NULL;
  bool help = false;
  enum mlaas_status status = mlaas_arguments_parse(command, argc, argv, &arguments, &help, &error);
  if (status == MLAAS_OK && help)
    mlaas_help_command(command, stdout);
  else if (status == MLAAS_OK)
    status = command->run(arguments, &error);
  int exit_code = arguments ? mlaas_arguments_exit_code(arguments) : 0;
  mlaas_arguments_free(arguments);
  if (status != MLAAS_OK)
    return report(command, &error);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "mlaas %s: standard output could not be written\n", command->name);
    return mlaas_status_exit_code(MLAAS_IO);
  }
  return exit_code;
}

/* For the build and make docs: mlaas --page KIND [COMMAND]. */
static int write_page(int argc, char **argv) {
  const struct mlaas_command *command = NULL;
  if (argc < 1 || (argc > 1 && mlaas_command_find(argv[1], &command, NULL) != MLAAS_OK) ||
      !mlaas_page_write(argv[0], command, stdout)) {
    fputs("mlaas: --page markdown | params | man | bash | zsh [COMMAND]\n", stderr);
    return mlaas_status_exit_code(MLAAS_ARGUMENT);
  }
  return fflush(stdout) == 0 ? 0 : mlaas_status_exit_code(MLAAS_IO);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    mlaas_help_program(stderr);
    return mlaas_status_exit_code(MLAAS_ARGUMENT);
  }
  const char *word = argv[1];
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
    word = "help";
  if (strcmp(word, "--version") == 0)
    word = "version";
  if (strcmp(word, "--page") == 0)
    return write_page(argc - 2, argv + 2);
  const struct mlaas_command *command = NULL;
  struct mlaas_error error;
  if (mlaas_command_find(word, &command, &error) != MLAAS_OK)
    return report(NULL, &error);
  return run(command, argc - 2, argv + 2);
}
