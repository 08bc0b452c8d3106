/* The table of commands, in the order in which help lists them. */
#include "cli/command.h"

#include "base/error.h"

#include <string.h>

static const struct mlaas_command *const commands[] = {
    &mlaas_command_inspect,     &mlaas_command_specs, &mlaas_command_train,      &mlaas_command_predict,
    &mlaas_command_convert,     &mlaas_command_serve, &mlaas_command_models,     &mlaas_command_score,
    &mlaas_command_model_check, &mlaas_command_help,  &mlaas_command_completion, &mlaas_command_version,
};
enum { NUM_COMMANDS = sizeof commands / sizeof *commands };

const struct mlaas_command *mlaas_command_at(size_t i) { return i < NUM_COMMANDS ? commands[i] : NULL; }

enum mlaas_status mlaas_command_find(const char *name, const struct mlaas_command **command,
                                     struct mlaas_error *error) {
  const char *names[NUM_COMMANDS];
  for (size_t i = 0; i < NUM_COMMANDS; i++) {
    names[i] = commands[i]->name;
    if (strcmp(name, names[i]) == 0) {
      *command = commands[i];
      return MLAAS_OK;
    }
  }
  const char *near = mlaas_nearest(name, names, NUM_COMMANDS);
  if (near)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there is no command '%s'; did you mean '%s'?", name, near);
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no command '%s'; 'mlaas help' lists them", name);
}
