/* The commands that speak about the program itself: help, version, completion. */
#include "base/error.h"
#include "cli/command.h"

#include <string.h>

static enum mlaas_status run_help(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const struct mlaas_command *command = NULL;
  if (mlaas_arguments_num_operands(arguments) == 0) {
    mlaas_help_program(stdout);
    return MLAAS_OK;
  }
  if (strcmp(mlaas_arguments_operands(arguments)[0], "params") == 0) {
    mlaas_help_params(stdout);
    return MLAAS_OK;
  }
  MLAAS_TRY(mlaas_command_find(mlaas_arguments_operands(arguments)[0], &command, error));
  mlaas_help_command(command, stdout);
  return MLAAS_OK;
}

static enum mlaas_status run_version(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  (void)arguments;
  (void)error;
  printf("mlaas %s\n", mlaas_version());
  return MLAAS_OK;
}

static enum mlaas_status run_completion(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const char *shell = mlaas_arguments_operands(arguments)[0];
  if (strcmp(shell, "bash") == 0)
    mlaas_completion_bash(stdout);
  else if (strcmp(shell, "zsh") == 0)
    mlaas_completion_zsh(stdout);
  else
    return mlaas_fail(error, MLAAS_ARGUMENT, "there is no completion for '%s', only for bash and zsh", shell);
  return MLAAS_OK;
}

const struct mlaas_command mlaas_command_help = {
    .name = "help",
    .operands = "[COMMAND|params]",
    .summary = "Show the commands, the options of one, or the keys of params.json",
    .most_operands = 1,
    .run = run_help,
};

const struct mlaas_command mlaas_command_version = {
    .name = "version",
    .operands = "",
    .summary = "Show the version",
    .run = run_version,
};

const struct mlaas_command mlaas_command_completion = {
    .name = "completion",
    .operands = "bash|zsh",
    .summary = "Print the completion script of a shell",
    .text =
        "For bash: put 'source <(mlaas completion bash)' into ~/.bashrc. For zsh: write the output to a file called "
        "_mlaas in a folder of $fpath. 'make install' puts both where the shells look for them.",
    .least_operands = 1,
    .most_operands = 1,
    .run = run_completion,
};
