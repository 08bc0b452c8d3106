/* A file behind HTTP that is open, and how ranges of it are fetched. */
#ifndef MLAAS_SOURCE_HTTP_FILE_H
#define MLAAS_SOURCE_HTTP_FILE_H

#include "source/http/loop.h"

#include <mlaas/wire.h>

struct mlaas_http_file {
  struct mlaas_http_site site;
  struct mlaas_http_loop *loop;
  int64_t size;
  char tag[128];
  /* Of the loop's thread, once the file is open: */
  char *final_url; /* where redirects led, for as long as it works; NULL: to be asked for at the site's URL */
  struct mlaas_http_host *host; /* of either; NULL: not looked up yet */
};

/* `start` and `cancel` of the wire. */
void mlaas_http_fetch_start(void *handle, struct mlaas_fetch *fetch);
void mlaas_http_fetch_cancel(void *handle, struct mlaas_fetch *fetch);

/* What stands in a Range header for the ranges from *next on: those that touch, or lie `gap` apart, become one; at most
 * `most` of them. Moves *next behind them; *asked says how many there are. mlaas_free; NULL: no memory. */
char *mlaas_http_range_text(const struct mlaas_range *ranges, size_t count, size_t *next, size_t most, int64_t gap,
                            size_t *asked);

#endif
