/* Statistics as a table for people. */
#ifndef MLAAS_CLI_SPECS_TABLE_H
#define MLAAS_CLI_SPECS_TABLE_H

#include <mlaas/status.h>
#include <stdio.h>

/* `json`: what mlaas_specs_format wrote. */
enum mlaas_status mlaas_specs_table(const char *json, FILE *out, struct mlaas_error *error);

#endif
