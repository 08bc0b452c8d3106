/* Layouts of a tree's classes for files that do not describe them. Private to layout.c. */
#ifndef MLAAS_ROOTIO_RECORD_LAYOUT_KNOWN_H
#define MLAAS_ROOTIO_RECORD_LAYOUT_KNOWN_H

#include <stdint.h>

/* The layout as words (see layout_known.c), or NULL. *name is the class's name with static lifetime. */
const char *mlaas_layout_known(const char *class_name, int16_t version, const char **name);
/* The base class that a word "^:NAME ..." names; `text` begins at NAME. "" if it is not known. */
const char *mlaas_layout_known_base(const char *text);

#endif
