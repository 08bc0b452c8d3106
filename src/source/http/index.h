/* Pages on which servers name what is in a folder: WebDAV's answer, an index in JSON or HTML. They become names of
 * children; all else that stands there is left out. */
#ifndef MLAAS_SOURCE_HTTP_INDEX_H
#define MLAAS_SOURCE_HTTP_INDEX_H

#include <mlaas/wire.h>

struct mlaas_http_index {
  const char *url; /* of the page, absolute, without a query */
  /* `name` is decoded and has no '/'. False: stop. */
  bool (*child)(void *context, const char *name, int64_t size, bool is_directory);
  void *context;
  size_t count;    /* children that were told */
  bool is_index;   /* it looks like a list of a folder, empty or not */
  bool no_memory;  /* for a link: the list is not whole */
  char last[1024]; /* the child told last: pages name some twice */
};

/* Errors: FORMAT, MEMORY. */
enum mlaas_status mlaas_http_index_dav(struct mlaas_http_index *index, const char *text, size_t size,
                                       struct mlaas_error *error);
enum mlaas_status mlaas_http_index_json(struct mlaas_http_index *index, const char *text, size_t size,
                                        struct mlaas_error *error);
enum mlaas_status mlaas_http_index_html(struct mlaas_http_index *index, const char *text, size_t size,
                                        struct mlaas_error *error);

#endif
