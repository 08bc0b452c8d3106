/* The context of a command that reads ROOT files, from the options for it. Must not know what is read. */
#include "cli/command.h"

#include <limits.h>
#include <mlaas/context.h>

enum mlaas_status mlaas_arguments_context(const struct mlaas_arguments *arguments, int64_t threads,
                                          struct mlaas_context **context, struct mlaas_error *error) {
  struct mlaas_context_options options = {
      .size = sizeof options,
      .memory = mlaas_arguments_number(arguments, "memory", 0),
      .threads = threads < INT_MAX ? (int)threads : INT_MAX,
      .limits = {.metadata = mlaas_arguments_number(arguments, "max-metadata", 0),
                 .basket = mlaas_arguments_number(arguments, "max-basket", 0),
                 .page = mlaas_arguments_number(arguments, "max-page", 0),
                 .nesting = mlaas_arguments_number(arguments, "max-nesting", 0),
                 .columns = mlaas_arguments_number(arguments, "max-columns", 0)},
      .trust_pages = mlaas_arguments_flag(arguments, "trust-pages"),
  };
  return mlaas_context_new(&options, context, error);
}
