/* Objects behind keys as trees of items (mlaas/object.h), for the files of this folder that make them: one record is
 * read from front to back; what cannot be understood is left behind by its byte count and says so in the tree. Knows
 * nothing of tables, and of classes only what known.c says. */
#ifndef MLAAS_ROOTIO_OBJECT_VALUE_H
#define MLAAS_ROOTIO_OBJECT_VALUE_H

#include "rootio/value/node.h"
#include "rootio/record/pointer.h"
#include "rootio/record/streamer.h"

#include <mlaas/object.h>

struct mlaas_file_table;

struct mlaas_object {
  struct mlaas_file *file;
  const struct mlaas_file_table *entry;
  struct mlaas_arena arena;
  struct mlaas_item item;
};

/* Reads a whole record, the payload of a key of `key_len` bytes, into an item. Errors: FORMAT, UNSUPPORTED, LIMIT,
 * MEMORY. */
enum mlaas_status mlaas_object_decode(const struct mlaas_streamers *streamers, int32_t file_version,
                                      const char *class_name, const void *data, int64_t size, int64_t key_len,
                                      struct mlaas_arena *arena, struct mlaas_item *item, struct mlaas_error *error);

/* One record being read. All that items point to is in the arena, or in the file's. */
struct mlaas_record {
  struct mlaas_cursor cursor;
  struct mlaas_objects objects;
  const struct mlaas_streamers *streamers;
  int32_t file_version;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  int depth;
  struct mlaas_item nowhere;                  /* for members that there is no memory for */
  struct mlaas_value_type *types;             /* that were parsed */
  const struct mlaas_streamer_info **spelled; /* hash of infos by canonical spelling, made at the first need */
  size_t spelled_slots;
};

/* The members of an object while they are read. */
struct mlaas_members {
  struct mlaas_member_item *items;
  int64_t count, capacity;
};

/* ---- record.c: what all share ---- */

/* Marks the cursor as failed with what `error` says already; for callees that write it themselves. */
enum mlaas_status mlaas_record_failed(struct mlaas_record *record);
/* Zeroed memory of the arena, or NULL with the cursor failed. */
void *mlaas_record_alloc(struct mlaas_record *record, size_t count, size_t size);
const char *mlaas_record_keep(struct mlaas_record *record, const char *text, int64_t length);
/* A count from the file: FORMAT unless 0 <= count and `count` things of at least `least` bytes are left. */
int64_t mlaas_record_count(struct mlaas_record *record, int64_t count, int64_t least, const char *what);

/* Where reading went on from, to come back to after a failure inside. */
struct mlaas_mark {
  int64_t size;
  int depth, nesting;
  bool failed; /* before */
};
/* From here on only the bytes up to `end` may be read (-1: no change). */
struct mlaas_mark mlaas_record_enter(struct mlaas_record *record, int64_t end);
/* Undoes enter. If all went well, the cursor has to be at `end` (-1: anywhere). Otherwise, if `end` is known and the
 * failure is one of the bytes, goes there and gives the reason, in the arena; the cursor has not failed any more then.
 * NULL: all went well, or the failure stays. */
const char *mlaas_record_leave(struct mlaas_record *record, const struct mlaas_mark *mark, int64_t end);

/* The same for what `count` items share: they become unreadable with the reason. */
void mlaas_record_leave_items(struct mlaas_record *record, const struct mlaas_mark *mark, int64_t end, int64_t count,
                              struct mlaas_item *items);
void mlaas_item_set_unreadable(struct mlaas_item *item, const char *reason);

/* Which description an object is read by. With version <= 0 the checksum decides, with both unknown (-1, 0) the highest
 * version. Names may be spelled in different ways. NULL: none. */
const struct mlaas_streamer_info *mlaas_record_find(struct mlaas_record *record, const char *class_name,
                                                    int32_t version, uint32_t checksum);
/* Reads the checksum behind a version of 0 where there is one, and finds the description. NULL: the cursor failed. */
const struct mlaas_streamer_info *mlaas_record_info(struct mlaas_record *record, const char *class_name,
                                                    int32_t version);

/* ---- number.c: numbers, texts, arrays ---- */

/* Fills `value` and *format for ROOT's code, with the range in `title` (may be NULL). False, cursor failed: no number.
 */
bool mlaas_record_scalar(struct mlaas_record *record, int32_t code, const char *title, struct mlaas_scalar *value,
                         char *format);
void mlaas_record_number(struct mlaas_record *record, const struct mlaas_scalar *value, char format,
                         struct mlaas_item *item);
/* `count` numbers as an array of one dimension. */
void mlaas_record_array(struct mlaas_record *record, const struct mlaas_scalar *value, char format, int64_t count,
                        struct mlaas_item *item);
/* ROOT's counted string. */
void mlaas_record_text(struct mlaas_record *record, struct mlaas_item *item);
/* `length` bytes. */
void mlaas_record_bytes(struct mlaas_record *record, int64_t length, struct mlaas_item *item);
/* True, *number set: an integer that can be a count. */
bool mlaas_item_integer(const struct mlaas_item *item, int64_t *number);

/* ---- value.c: classes by their description ---- */

struct mlaas_item *mlaas_members_add(struct mlaas_record *record, struct mlaas_members *members, const char *name,
                                     const char *class_name);
void mlaas_members_finish(struct mlaas_members *members, const char *class_name, struct mlaas_item *item);
/* An object in place, with the frame that its class writes. */
void mlaas_record_object(struct mlaas_record *record, const char *class_name, struct mlaas_item *item);
/* What stands behind a pointer: nothing, an object with its class, or a reference. */
void mlaas_record_pointer(struct mlaas_record *record, struct mlaas_item *item);
/* The members of `count` objects of one class: of one object with the frames of bases and members, or in columns, each
 * member for all objects. */
void mlaas_record_members(struct mlaas_record *record, const struct mlaas_streamer_info *info,
                          struct mlaas_members *objects, int64_t count, bool columns);
/* `count` objects in columns, as a list. */
void mlaas_record_columns(struct mlaas_record *record, const struct mlaas_streamer_info *info, int64_t count,
                          struct mlaas_item *item);

/* ---- member.c ---- */

/* One element, which is no base, of `count` objects; their members so far are there for counters. items[i] belongs to
 * objects[i]. */
void mlaas_record_element(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                          const struct mlaas_members *objects, int64_t count, struct mlaas_item *items);

/* ---- collection.c: standard collections by their type's name ---- */

/* Members that hold collections, of `count` objects, `times` each, in one frame. */
void mlaas_record_collections(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t times,
                              int64_t count, struct mlaas_item *items);
/* A collection that is an object of its own, without a frame. False: the name is not that of a collection, or of a
 * string, or pair. */
bool mlaas_record_bare(struct mlaas_record *record, const char *class_name, struct mlaas_item *item);

/* ---- known.c: classes that stream themselves ---- */

/* False: the class is read by its description. */
bool mlaas_record_known(struct mlaas_record *record, const char *class_name, struct mlaas_item *item);
/* TObject's fUniqueID and fBits as members. */
void mlaas_record_tobject(struct mlaas_record *record, struct mlaas_members *members, uint32_t *bits);

/* ---- buffer.c ---- */

/* Puts entries that a histogram keeps in a buffer into its bins, as ROOT does when it looks at them. */
void mlaas_record_settle(struct mlaas_record *record, struct mlaas_item *item);

#endif
