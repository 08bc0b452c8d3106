/* Small XML documents of servers, element by element. Bounded: depth, text of an element; a document type (and with it
 * every entity of somebody's own) is refused. */
#ifndef MLAAS_SOURCE_HTTP_XML_H
#define MLAAS_SOURCE_HTTP_XML_H

#include <mlaas/status.h>
#include <stdbool.h>

struct mlaas_xml_events {
  /* Names come without their namespace. `text` is what stood directly before the end. False: stop, that is no error. */
  bool (*open)(void *context, const char *name);
  bool (*close)(void *context, const char *name, const char *text);
  void *context;
};

/* Errors: FORMAT, MEMORY. */
enum mlaas_status mlaas_xml_parse(const char *text, size_t size, const struct mlaas_xml_events *events,
                                  struct mlaas_error *error);

#endif
