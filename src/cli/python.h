/* Handing a command over to the Python package: train and predict run where the user's framework is. */
#ifndef MLAAS_CLI_PYTHON_H
#define MLAAS_CLI_PYTHON_H

#include "cli/command.h"

#include <jansson.h>

/* Every option that was given, as JSON: names with "_" for "-", flags true, numbers as numbers, lists for options that
 * repeat. NULL when out of memory. */
json_t *mlaas_python_options(const struct mlaas_arguments *arguments);

/* Becomes `python -m mlaas.run COMMAND JSON`; returns only on failure: NOT_FOUND when there is no interpreter. Takes
 * `options` over. The interpreter is $MLAAS_PYTHON, else a python3 beside this program, else python3 of PATH; one
 * without the package says how to install it and exits with the code of NOT_FOUND. */
enum mlaas_status mlaas_python_run(const char *command, json_t *options, struct mlaas_error *error);

/* Runs the same as a child and gives what it writes to standard output, freed with mlaas_free. *exit_code: of the
 * child, which has said why where it is not 0; *text is NULL then, but where files were left out (INCOMPLETE). */
enum mlaas_status mlaas_python_read(const char *command, json_t *options, char **text, int *exit_code,
                                    struct mlaas_error *error);

#endif
