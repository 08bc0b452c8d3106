/* Where the events of `mlaas score` come from: JSON lines, CSV or ROOT files, put into batches of the client. Knows no
 * server and no scores.
 */
#ifndef MLAAS_CLI_EVENTS_H
#define MLAAS_CLI_EVENTS_H

#include <mlaas/context.h>
#include <mlaas/recipe.h>
#include <mlaas_client.h>

enum mlaas_events_format { MLAAS_EVENTS_JSON, MLAAS_EVENTS_CSV, MLAAS_EVENTS_ROOT };

struct mlaas_events {
  int64_t total; /* events, -1: not known before the end */
  int64_t next;  /* number of the next event of this input */
  /* Adds at most `most` events; none: the end. */
  enum mlaas_status (*read)(struct mlaas_events *events, size_t most, struct mlaas_client_batch *batch,
                            struct mlaas_error *error);
  void (*close)(struct mlaas_events *events);
};

/* By the end of the name; false: no format known. */
bool mlaas_events_format_of(const char *name, enum mlaas_events_format *format);
/* Lines of text; "-": standard input. Errors: NOT_FOUND, IO; read: FORMAT with the line. */
enum mlaas_status mlaas_events_open_text(struct mlaas_context *context, const char *name,
                                         enum mlaas_events_format format, struct mlaas_events **events,
                                         struct mlaas_error *error);
/* The recipe's branches of a ROOT file; table NULL: the recipe's. */
enum mlaas_status mlaas_events_open_root(struct mlaas_context *context, const char *url, const char *table,
                                         const struct mlaas_recipe *recipe, struct mlaas_events **events,
                                         struct mlaas_error *error);

#endif
