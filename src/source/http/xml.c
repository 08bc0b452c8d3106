/* expat with ceilings. Must not know what the documents say. */
#include "source/http/xml.h"

#include "base/error.h"
#include "base/memory.h"

#include <expat.h>
#include <string.h>

enum { MOST_DEPTH = 64, MOST_TEXT = 8192 };

struct reading {
  const struct mlaas_xml_events *events;
  XML_Parser parser;
  int depth;
  char text[MOST_TEXT];
  size_t text_size;
  bool stopped;
  const char *problem;
};

static void stop(struct reading *reading, const char *problem) {
  reading->stopped = true;
  reading->problem = problem;
  XML_StopParser(reading->parser, XML_FALSE);
}

/* With a separator, "namespace|name". */
static const char *local(const char *name) {
  const char *bar = strrchr(name, '|');
  return bar ? bar + 1 : name;
}

static void XMLCALL on_open(void *context, const XML_Char *name, const XML_Char **attributes) {
  struct reading *reading = context;
  (void)attributes;
  if (reading->stopped)
    return;
  reading->text_size = 0;
  if (++reading->depth > MOST_DEPTH)
    stop(reading, "elements nested too deep");
  else if (!reading->events->open(reading->events->context, local(name)))
    stop(reading, NULL);
}

static void XMLCALL on_close(void *context, const XML_Char *name) {
  struct reading *reading = context;
  if (reading->stopped)
    return;
  reading->depth--;
  reading->text[reading->text_size] = 0;
  reading->text_size = 0;
  if (!reading->events->close(reading->events->context, local(name), reading->text))
    stop(reading, NULL);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int size) {
  struct reading *reading = context;
  if (reading->stopped)
    return;
  if (size < 0 || (size_t)size >= sizeof reading->text - reading->text_size) {
    stop(reading, "an element with a text that is too long");
    return;
  }
  memcpy(reading->text + reading->text_size, text, (size_t)size);
  reading->text_size += (size_t)size;
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                               int internal) {
  (void)name;
  (void)system;
  (void)public;
  (void)internal;
  struct reading *reading = context;
  if (!reading->stopped)
    stop(reading, "a document type");
}

enum mlaas_status mlaas_xml_parse(const char *text, size_t size, const struct mlaas_xml_events *events,
                                  struct mlaas_error *error) {
  static const XML_Memory_Handling_Suite heap = {mlaas_alloc, mlaas_realloc, mlaas_free};
  struct reading *reading = mlaas_alloc(sizeof *reading);
  XML_Parser parser = reading ? XML_ParserCreate_MM(NULL, &heap, "|") : NULL;
  if (!parser) {
    mlaas_free(reading);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to parse XML");
  }
  reading->events = events;
  reading->parser = parser;
  XML_SetUserData(parser, reading);
  XML_SetElementHandler(parser, on_open, on_close);
  XML_SetCharacterDataHandler(parser, on_text);
  XML_SetDoctypeDeclHandler(parser, on_doctype, NULL);
  enum mlaas_status status = MLAAS_OK;
  if (size > (1 << 30))
    status = mlaas_fail(error, MLAAS_FORMAT, "the XML is too long");
  else if (XML_Parse(parser, text, (int)size, XML_TRUE) != XML_STATUS_OK && !reading->stopped) {
    enum XML_Error code = XML_GetErrorCode(parser);
    status = mlaas_fail(error, code == XML_ERROR_NO_MEMORY ? MLAAS_MEMORY : MLAAS_FORMAT, "line %lu of the XML: %s",
                        (unsigned long)XML_GetCurrentLineNumber(parser), XML_ErrorString(code));
  } else if (reading->problem)
    status = mlaas_fail(error, MLAAS_FORMAT, "line %lu of the XML: %s, which is refused",
                        (unsigned long)XML_GetCurrentLineNumber(parser), reading->problem);
  XML_ParserFree(parser);
  mlaas_free(reading);
  return status;
}
