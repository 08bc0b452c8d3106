/* What reading has cost, for people: --verbose. */
#ifndef MLAAS_CLI_COSTS_H
#define MLAAS_CLI_COSTS_H

#include <mlaas/dataset.h>
#include <mlaas/file.h>

struct mlaas_arguments;

/* Where --verbose was given, one line on standard error: "NAME: 12 requests for 340 ranges, ...". */
void mlaas_costs_show(const struct mlaas_arguments *arguments, const char *name, const struct mlaas_costs *costs);
/* A line for each file of a data set, and one for all where they are several. */
void mlaas_costs_show_all(const struct mlaas_arguments *arguments, const struct mlaas_dataset *dataset);

#endif
