/* One record of an object: its memory, its limits, how reading goes on after a failure, and which description of a
 * class is meant. Must not know how anything is read by it. */
#include "base/error.h"
#include "rootio/object/value.h"

#include <ctype.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A pointer to an object with a list of pointers takes some steps in and counts as one level. */
enum { STEPS_A_LEVEL = 5, MOST_NAME = 1024 };

enum mlaas_status mlaas_record_failed(struct mlaas_record *record) {
  if (record->cursor.status == MLAAS_OK)
    record->cursor.status = record->error->status;
  return record->cursor.status;
}

void *mlaas_record_alloc(struct mlaas_record *record, size_t count, size_t size) {
  if (record->cursor.status != MLAAS_OK)
    return NULL;
  void *piece = mlaas_arena_alloc(record->arena, count, size, record->error);
  if (!piece)
    mlaas_record_failed(record);
  return piece;
}

const char *mlaas_record_keep(struct mlaas_record *record, const char *text, int64_t length) {
  char *copy = mlaas_record_alloc(record, (size_t)length + 1, 1);
  if (copy && length > 0)
    memcpy(copy, text, (size_t)length);
  return copy ? copy : "";
}

int64_t mlaas_record_count(struct mlaas_record *record, int64_t count, int64_t least, const char *what) {
  struct mlaas_cursor *cursor = &record->cursor;
  if (cursor->status == MLAAS_OK && (count < 0 || count > mlaas_cursor_left(cursor) / least))
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "%lld items of %s do not fit into the %lld bytes left", (long long)count,
                      what, (long long)mlaas_cursor_left(cursor));
  return cursor->status == MLAAS_OK ? count : 0;
}

/* ---- going in and coming back ---- */

struct mlaas_mark mlaas_record_enter(struct mlaas_record *record, int64_t end) {
  struct mlaas_cursor *cursor = &record->cursor;
  /* a frame that could not be read is none to come back to */
  struct mlaas_mark mark = {cursor->size, record->depth, record->objects.depth, cursor->status != MLAAS_OK};
  if (cursor->status == MLAAS_OK && end >= 0)
    cursor->size = end;
  int64_t level = ++record->depth / STEPS_A_LEVEL;
  if (cursor->status == MLAAS_OK)
    cursor->status = mlaas_budget_check(record->arena->budget, MLAAS_CEILING_NESTING, level, record->error);
  return mark;
}

const char *mlaas_record_leave(struct mlaas_record *record, const struct mlaas_mark *mark, int64_t end) {
  struct mlaas_cursor *cursor = &record->cursor;
  if (cursor->status == MLAAS_OK && end >= 0 && cursor->position != end)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "the description of the class leaves %lld bytes of an object over",
                      (long long)(end - cursor->position));
  cursor->size = mark->size;
  record->depth = mark->depth;
  record->objects.depth = cursor->status == MLAAS_OK ? record->objects.depth : mark->nesting;
  if (end < 0 || mark->failed || (cursor->status != MLAAS_FORMAT && cursor->status != MLAAS_UNSUPPORTED))
    return NULL;
  cursor->status = MLAAS_OK;
  cursor->position = end;
  return mlaas_record_keep(record, record->error->message, (int64_t)strlen(record->error->message));
}

void mlaas_item_set_unreadable(struct mlaas_item *item, const char *reason) {
  item->kind = MLAAS_ITEM_UNREADABLE;
  item->count = 0;
  item->as.reason = reason;
}

void mlaas_record_leave_items(struct mlaas_record *record, const struct mlaas_mark *mark, int64_t end, int64_t count,
                              struct mlaas_item *items) {
  const char *reason = mlaas_record_leave(record, mark, end);
  for (int64_t i = 0; reason && i < count; i++)
    mlaas_item_set_unreadable(&items[i], reason);
}

/* ---- which description ---- */

/* Names that mean the same, as far as ROOT has written both into type names. */
static const char *const spellings[][2] = {
    {"Bool_t", "bool"},
    {"Char_t", "char"},
    {"UChar_t", "unsignedchar"},
    {"Short_t", "short"},
    {"UShort_t", "unsignedshort"},
    {"Int_t", "int"},
    {"UInt_t", "unsignedint"},
    {"Long_t", "long"},
    {"ULong_t", "unsignedlong"},
    {"Long64_t", "longlong"},
    {"ULong64_t", "unsignedlonglong"},
    {"Float_t", "float"},
    {"Double_t", "double"},
};

/* The name without blanks and "std::", with ROOT's basic types spelled out. False if it is too long. */
static bool canonical(const char *name, char *out) {
  size_t used = 0;
  while (*name) {
    size_t length = 0;
    while (isalnum((unsigned char)name[length]) || name[length] == '_')
      length++;
    const char *token = name, *wide = NULL;
    name += length ? length : 1;
    if (length == 3 && strncmp(token, "std", 3) == 0 && strncmp(name, "::", 2) == 0) {
      name += 2;
      continue;
    }
    if (!length && *token == ' ')
      continue;
    length = length ? length : 1;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings && !wide; i++)
      if (strlen(spellings[i][0]) == length && strncmp(spellings[i][0], token, length) == 0)
        wide = spellings[i][1];
    token = wide ? wide : token;
    length = wide ? strlen(wide) : length;
    if (used + length >= MOST_NAME)
      return false;
    memcpy(out + used, token, length);
    used += length;
  }
  out[used] = '\0';
  return true;
}

static bool spelled_like(const char *name, const char *wanted) {
  char text[MOST_NAME];
  return canonical(name, text) && strcmp(text, wanted) == 0;
}

/* Slot of a canonical name: the one that has it, or a free one. */
static size_t spelled_slot(const struct mlaas_record *record, const char *name) {
  size_t slot = XXH3_64bits(name, strlen(name)) & (record->spelled_slots - 1);
  while (record->spelled[slot] && !spelled_like(record->spelled[slot]->name, name))
    slot = (slot + 1) & (record->spelled_slots - 1);
  return slot;
}

static void list_spellings(struct mlaas_record *record) {
  const struct mlaas_streamers *streamers = record->streamers;
  char name[MOST_NAME];
  size_t slots = 16;
  while (slots < 2 * streamers->num_infos)
    slots *= 2;
  record->spelled = mlaas_record_alloc(record, slots, sizeof(void *));
  record->spelled_slots = record->spelled ? slots : 0;
  for (size_t i = 0; record->spelled && i < streamers->num_infos; i++)
    if (canonical(streamers->infos[i].name, name)) {
      size_t slot = spelled_slot(record, name);
      if (!record->spelled[slot])
        record->spelled[slot] = &streamers->infos[i];
    }
}

const struct mlaas_streamer_info *mlaas_record_find(struct mlaas_record *record, const char *class_name,
                                                    int32_t version, uint32_t checksum) {
  char name[MOST_NAME];
  if (!mlaas_streamers_find(record->streamers, class_name, -1, 0)) {
    if (!record->spelled)
      list_spellings(record);
    size_t slot = record->spelled_slots && canonical(class_name, name) ? spelled_slot(record, name) : 0;
    if (!record->spelled_slots || !record->spelled[slot] || !spelled_like(record->spelled[slot]->name, name))
      return NULL;
    class_name = record->spelled[slot]->name;
  }
  return mlaas_streamers_find(record->streamers, class_name, version, checksum);
}

const struct mlaas_streamer_info *mlaas_record_info(struct mlaas_record *record, const char *class_name,
                                                    int32_t version) {
  struct mlaas_cursor *cursor = &record->cursor;
  if (cursor->status != MLAAS_OK)
    return NULL;
  const struct mlaas_streamer_info *info;
  if (version > 0) {
    info = mlaas_record_find(record, class_name, version, 0);
    if (!info)
      mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the file does not describe version %d of its class %s", version,
                        class_name);
    return info;
  }
  info = mlaas_record_find(record, class_name, -1, 0);
  if (info && info->version == 0)
    return info; /* a class that says so of itself: no checksum */
  uint32_t checksum = mlaas_cursor_u32(cursor);
  info = checksum ? mlaas_record_find(record, class_name, -1, checksum) : NULL;
  if (!info)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the file does not describe its class %s (checksum %08x)", class_name,
                      (unsigned)checksum);
  return info;
}
