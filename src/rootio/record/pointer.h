/* ROOT's object streaming inside one record: pointers with class tags and back-references, and the few base classes
 * everything derives from. Knows nothing of trees or of what a class means. */
#ifndef MLAAS_ROOTIO_RECORD_POINTER_H
#define MLAAS_ROOTIO_RECORD_POINTER_H

#include "base/memory.h"
#include "rootio/container/cursor.h"

/* What was met so far in one record. Positions in the bytes count from the key, hence `origin`. */
struct mlaas_objects {
  struct mlaas_cursor *cursor;
  struct mlaas_budget *budget;
  int64_t origin; /* length of the record's key */
  int depth;
  struct mlaas_block seen; /* struct seen[num_seen], ascending by position */
  size_t num_seen;
};

enum mlaas_pointer_kind {
  MLAAS_POINTER_NULL,
  MLAAS_POINTER_NEW,   /* the object follows; leave it with mlaas_objects_end */
  MLAAS_POINTER_KNOWN, /* a reference to an object that was bound */
  MLAAS_POINTER_LOST   /* a reference to one that was not: skipped, or never understood */
};

struct mlaas_pointer {
  enum mlaas_pointer_kind kind;
  const char *class_name; /* NEW: borrowed from the record, terminated */
  int64_t start, end;     /* NEW: from the byte count to behind the object; end -1 where the writer gave none */
  size_t index;           /* NEW: to be given to mlaas_objects_bind */
  void *object;           /* KNOWN */
  int type;               /* KNOWN: as given to mlaas_objects_bind */
};

void mlaas_objects_init(struct mlaas_objects *objects, struct mlaas_cursor *cursor, int64_t origin,
                        struct mlaas_budget *budget);
void mlaas_objects_reset(struct mlaas_objects *objects);
/* Reads what stands in front of an object behind a pointer. Failures stick in the cursor. */
enum mlaas_status mlaas_objects_begin(struct mlaas_objects *objects, struct mlaas_pointer *pointer);
/* From now on references to this pointer's object give `object` and `type` (1 and up). */
void mlaas_objects_bind(struct mlaas_objects *objects, const struct mlaas_pointer *pointer, void *object, int type);
/* Moves behind the object, whether or not it was read. */
enum mlaas_status mlaas_objects_end(struct mlaas_objects *objects, const struct mlaas_pointer *pointer);
/* begin and end: an object that nobody wants. */
enum mlaas_status mlaas_objects_skip(struct mlaas_objects *objects);

/* TObject's own members. */
void mlaas_cursor_tobject(struct mlaas_cursor *cursor);
/* TNamed: name and title are borrowed and not terminated. */
struct mlaas_named {
  const char *name, *title;
  int64_t name_length, title_length;
};
struct mlaas_named mlaas_cursor_tnamed(struct mlaas_cursor *cursor);
/* Header of a TObjArray or TList up to its items. Returns their number, checked against the bytes left. */
int32_t mlaas_cursor_array(struct mlaas_cursor *cursor, struct mlaas_frame *frame);
int32_t mlaas_cursor_list(struct mlaas_cursor *cursor, struct mlaas_frame *frame);

#endif
