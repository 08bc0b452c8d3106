/* Frames of objects, pointers with class tags and references, and what is left out, in the bytes of one entry. Must not
 * know of files. */
#include "rootio/value/walk.h"

#include "base/error.h"
#include "rootio/value/class_node.h"

#include <stdio.h>
#include <string.h>

enum { MEMBER_WISE = 0x4000, HAS_UUID = 0x20, MOST_REFERENCES = 8 };
enum { CLONES_VERSION = 4, BYPASSED = 1 << 12, BYPASSED_BEFORE = 1 << 14 };
/* Positions in the bytes are stored with 2 added. */
static const uint32_t NEW_CLASS = 0xFFFFFFFF, CLASS_TAG = 0x80000000, TAG_SHIFT = 2;

static int16_t take16(struct mlaas_walk *walk) {
  uint16_t word;
  memcpy(&word, walk->at, 2);
  walk->at += 2;
  return (int16_t)__builtin_bswap16(word);
}

/* A byte count, which has to fit; NULL in *stop where there is none. */
static enum mlaas_status take_byte_count(struct mlaas_walk *walk, bool required, const uint8_t **stop) {
  MLAAS_WALK_NEED(walk, 4);
  uint32_t word = mlaas_walk_u32(walk);
  int64_t bytes = word & ~(uint32_t)MLAAS_BYTE_COUNT;
  *stop = NULL;
  if (!required && !(word & MLAAS_BYTE_COUNT)) {
    walk->at -= 4;
    return MLAAS_OK;
  }
  if (!(word & MLAAS_BYTE_COUNT) || bytes < 2 || bytes > walk->end - walk->at)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a byte count of 0x%x does not fit the %lld bytes that are left", word,
                      (long long)(walk->end - walk->at));
  *stop = walk->at + bytes;
  return MLAAS_OK;
}

static void enter(struct mlaas_walk *walk, struct mlaas_walk_frame *frame, const uint8_t *stop) {
  *frame = (struct mlaas_walk_frame){.stop = stop, .outer_end = walk->end, .outer_bounded = walk->bounded};
  if (stop) {
    walk->end = stop;
    walk->bounded = true;
  }
}

enum mlaas_status mlaas_walk_enter(struct mlaas_walk *walk, struct mlaas_walk_frame *frame) {
  const uint8_t *stop;
  MLAAS_WALK_NEED(walk, 6);
  MLAAS_TRY(take_byte_count(walk, true, &stop));
  enter(walk, frame, stop);
  uint16_t version = (uint16_t)take16(walk);
  frame->member_wise = version & MEMBER_WISE;
  frame->version = version & ~MEMBER_WISE;
  return MLAAS_OK;
}

enum mlaas_status mlaas_walk_leave(struct mlaas_walk *walk, const struct mlaas_walk_frame *frame) {
  if (frame->stop && walk->at != frame->stop)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld bytes of an object are left over",
                      (long long)(frame->stop - walk->at));
  walk->end = frame->outer_end;
  walk->bounded = frame->outer_bounded;
  return MLAAS_OK;
}

/* Another version than the planned one, which a look at the bytes may be after. */
static enum mlaas_status refuse_version(struct mlaas_walk *walk, const struct mlaas_object_class *object,
                                        int32_t version, uint32_t checksum) {
  if (walk->sample && walk->sample->wanted < 0 && !walk->sample->found) {
    walk->sample->found = true;
    walk->sample->version = (struct mlaas_class_version){object->name, version, checksum};
  }
  if (version > 0)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an object of class %s has version %d, its column has version %d",
                      object->name, version, object->version);
  return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an object of class %s has the checksum 0x%x, its column has 0x%x",
                    object->name, checksum, object->checksum);
}

/* The version, and behind one that is not positive the checksum: missing where the class itself has no version. */
static enum mlaas_status take_version(struct mlaas_walk *walk, const struct mlaas_object_class *object) {
  MLAAS_WALK_NEED(walk, 2);
  int16_t version = take16(walk);
  if (version > 0)
    return object->any || version == object->version ? MLAAS_OK : refuse_version(walk, object, version, 0);
  if (walk->end - walk->at >= 4) {
    uint32_t checksum = mlaas_walk_u32(walk);
    if (object->any || checksum == object->checksum)
      return MLAAS_OK;
    walk->at -= 4;
    if (object->version != 0)
      return refuse_version(walk, object, version, checksum);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_walk_content(struct mlaas_walk *walk, const struct mlaas_object_class *object) {
  return take_version(walk, object);
}

enum mlaas_status mlaas_walk_enter_object(struct mlaas_walk *walk, const struct mlaas_object_class *object,
                                          struct mlaas_walk_frame *frame) {
  const uint8_t *stop;
  MLAAS_TRY(take_byte_count(walk, false, &stop));
  enter(walk, frame, stop);
  if (walk->end - walk->at >= 2 && walk->at[0] & MEMBER_WISE >> 8 && walk->at[0] != 0xFF)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an object of class %s is written member by member",
                      object->name);
  return take_version(walk, object);
}

/* ---- pointers ---- */

/* Where a stored position lies: behind the entry's start and in front of `before`, with room for a word. */
static enum mlaas_status find_position(const struct mlaas_walk *walk, uint32_t stored, const uint8_t *before,
                                       const uint8_t **place) {
  int64_t offset = (int64_t)stored - TAG_SHIFT - walk->key_len;
  if (walk->displaced)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an entry that was moved refers to objects inside it");
  if (offset < walk->entry - walk->data || offset + 4 > before - walk->data)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a reference to byte %lld leaves its entry", (long long)offset);
  *place = walk->data + offset;
  return MLAAS_OK;
}

/* The name behind a new class' tag, terminated in the bytes. */
static enum mlaas_status take_class_name(struct mlaas_walk *walk, const char **name) {
  const void *stop = memchr(walk->at, '\0', (size_t)(walk->end - walk->at));
  if (!stop)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "the name of a pointer's class does not end");
  *name = (const char *)walk->at;
  walk->at = (const uint8_t *)stop + 1;
  return MLAAS_OK;
}

static enum mlaas_status take_class(struct mlaas_walk *walk, const char **name) {
  const uint8_t *start = walk->at, *place = start;
  MLAAS_WALK_NEED(walk, 4);
  uint32_t tag = mlaas_walk_u32(walk);
  if (tag == NEW_CLASS)
    return take_class_name(walk, name);
  if (!(tag & CLASS_TAG))
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a pointer has the class tag 0x%x", tag);
  MLAAS_TRY(find_position(walk, tag & ~CLASS_TAG, start, &place));
  struct mlaas_walk there = *walk;
  there.at = place;
  there.end = start;
  if (mlaas_walk_u32(&there) != NEW_CLASS)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a class tag leads to where no class is named");
  return take_class_name(&there, name);
}

/* The object behind a byte count, or behind a bare class tag as in old files. */
static enum mlaas_status walk_pointed(struct mlaas_walk *walk, const struct mlaas_node *node, bool counted) {
  struct mlaas_walk_frame frame = {0};
  const uint8_t *stop = NULL;
  const char *name = NULL;
  if (counted)
    MLAAS_TRY(take_byte_count(walk, true, &stop));
  enter(walk, &frame, stop);
  MLAAS_TRY(take_class(walk, &name));
  if (!mlaas_type_same(name, node->object->name))
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "a pointer to %s holds an object of another class, %.100s",
                      node->object->name, name);
  MLAAS_TRY(mlaas_walk_nodes(walk, node->children, 1));
  return mlaas_walk_leave(walk, &frame);
}

/* The same object once more: its bytes are read again. */
static enum mlaas_status walk_reference(struct mlaas_walk *walk, const struct mlaas_node *node, uint32_t stored) {
  const uint8_t *place = walk->at;
  struct mlaas_walk there = *walk;
  MLAAS_TRY(find_position(walk, stored, walk->at - 4, &place));
  if (++there.references > MOST_REFERENCES)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "references to objects go round in a circle");
  there.at = place;
  there.end = walk->at - 4;
  uint32_t word = mlaas_walk_u32(&there);
  there.at -= 4;
  if (!(word & MLAAS_BYTE_COUNT) || word == NEW_CLASS)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "a reference leads to an object that is no pointer's");
  return walk_pointed(&there, node, true);
}

/* Zeros, empty texts and lists, for a row that is missing. */
static enum mlaas_status put_zeros(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count) {
  struct mlaas_piece *piece = walk->piece;
  void *out = NULL;
  if (node->kind == MLAAS_NODE_FIXED)
    return put_zeros(walk, node->children, count * node->size);
  if (node->kind == MLAAS_NODE_TEXT || node->kind == MLAAS_NODE_LIST) {
    MLAAS_TRY(mlaas_walk_reserve(walk, node->buffer, count, 4, &out));
    const int32_t *ends = piece->blocks[node->buffer].data;
    int32_t last = ends[piece->used[node->buffer] - count - 1];
    for (int64_t i = 0; i < count; i++)
      memcpy((uint8_t *)out + 4 * i, &last, 4);
    return MLAAS_OK;
  }
  int64_t width = node->kind == MLAAS_NODE_VALUE ? node->value.width : node->kind == MLAAS_NODE_OPTION;
  if (width > 0 || node->counts_rows) {
    MLAAS_TRY(mlaas_walk_reserve(walk, node->buffer, count, width, &out));
    if (width > 0)
      memset(out, 0, (size_t)(count * width));
  }
  for (size_t i = 0; i < node->num_children; i++)
    MLAAS_TRY(put_zeros(walk, &node->children[i], count));
  return MLAAS_OK;
}

enum mlaas_status mlaas_walk_pointer(struct mlaas_walk *walk, const struct mlaas_node *node) {
  void *there = NULL;
  if (!node->object)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "a branch that was never filled has bytes");
  MLAAS_WALK_NEED(walk, 4);
  MLAAS_TRY(mlaas_walk_reserve(walk, node->buffer, 1, 1, &there));
  uint32_t word = mlaas_walk_u32(walk);
  *(uint8_t *)there = word != 0;
  if (word == 0)
    return put_zeros(walk, node->children, 1);
  if (!(word & (CLASS_TAG | MLAAS_BYTE_COUNT)))
    return walk_reference(walk, node, word);
  walk->at -= 4;
  return walk_pointed(walk, node, !(word & CLASS_TAG));
}

/* ---- what is left out, and TClonesArrays ---- */

static enum mlaas_status skip_bytes(struct mlaas_walk *walk, int64_t count) {
  MLAAS_WALK_NEED(walk, count);
  walk->at += count;
  return MLAAS_OK;
}

/* Version, number, bits, and the process where another object refers to this one. */
static enum mlaas_status skip_tobject(struct mlaas_walk *walk, uint32_t *bits) {
  MLAAS_WALK_NEED(walk, 10);
  walk->at += 6;
  *bits = mlaas_walk_u32(walk);
  return *bits & MLAAS_REFERENCED ? skip_bytes(walk, 2) : MLAAS_OK;
}

/* One length byte, 255 for four more. */
static enum mlaas_status take_text(struct mlaas_walk *walk, const uint8_t **text, int64_t *length) {
  MLAAS_WALK_NEED(walk, 1);
  *length = *walk->at++;
  if (*length == 255) {
    MLAAS_WALK_NEED(walk, 4);
    *length = mlaas_walk_u32(walk);
  }
  *text = walk->at;
  return skip_bytes(walk, *length);
}

struct clones_head {
  const uint8_t *class_text; /* "Name;version" */
  int64_t class_length, count;
  bool bypassed; /* by columns, else object by object with a byte in front */
};

/* A TClonesArray up to its objects, in its frame. */
static enum mlaas_status take_clones_head(struct mlaas_walk *walk, struct mlaas_walk_frame *frame,
                                          struct clones_head *head) {
  uint32_t bits = 0;
  const uint8_t *name;
  int64_t length;
  MLAAS_TRY(mlaas_walk_enter(walk, frame));
  if (frame->version > 2)
    MLAAS_TRY(skip_tobject(walk, &bits));
  if (frame->version > 1)
    MLAAS_TRY(take_text(walk, &name, &length));
  MLAAS_TRY(take_text(walk, &head->class_text, &head->class_length));
  MLAAS_WALK_NEED(walk, 8);
  head->count = mlaas_walk_u32(walk);
  walk->at += 4; /* the lower bound */
  head->bypassed = bits & (frame->version >= CLONES_VERSION ? BYPASSED : BYPASSED_BEFORE);
  return MLAAS_OK;
}

/* The text names the class and version of `object`. */
static bool is_class_text(const struct clones_head *head, const struct mlaas_object_class *object) {
  char wanted[300];
  int length = snprintf(wanted, sizeof wanted, "%s;%d", object->name, object->version);
  return length == head->class_length && length < (int)sizeof wanted &&
         memcmp(wanted, head->class_text, (size_t)length) == 0;
}

/* Object by object, a byte in front of each says whether it is there. */
static enum mlaas_status walk_slots(struct mlaas_walk *walk, const struct mlaas_node *option, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    void *there = NULL;
    MLAAS_WALK_NEED(walk, 1);
    MLAAS_TRY(mlaas_walk_reserve(walk, option->buffer, 1, 1, &there));
    *(uint8_t *)there = *walk->at++ != 0;
    MLAAS_TRY(*(uint8_t *)there ? mlaas_walk_nodes(walk, option->children, 1) : put_zeros(walk, option->children, 1));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_walk_clones(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *count) {
  struct mlaas_walk_frame frame = {0};
  struct clones_head head = {0};
  const struct mlaas_node *option = node->children;
  void *there = NULL;
  MLAAS_TRY(take_clones_head(walk, &frame, &head));
  *count = head.count;
  if (!is_class_text(&head, option->object))
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "a TClonesArray of %.*s in a column of %s;%d",
                      (int)(head.class_length < 200 ? head.class_length : 200), (const char *)head.class_text,
                      option->object->name, option->object->version);
  if (head.count > walk->end - walk->at)
    return mlaas_walk_short(walk, head.count);
  if (!head.bypassed) {
    MLAAS_TRY(walk_slots(walk, option, head.count));
  } else if (head.count > 0 || walk->at < walk->end) {
    MLAAS_TRY(mlaas_walk_reserve(walk, option->buffer, head.count, 1, &there));
    if (head.count > 0)
      memset(there, 1, (size_t)head.count);
    MLAAS_TRY(mlaas_walk_columns(walk, option->children, head.count));
  }
  return mlaas_walk_leave(walk, &frame);
}

/* What its class is may be all that is wanted of it. */
static enum mlaas_status skip_clones(struct mlaas_walk *walk, const struct mlaas_node *node) {
  struct mlaas_walk_frame frame = {0};
  struct clones_head head = {0};
  MLAAS_TRY(take_clones_head(walk, &frame, &head));
  struct mlaas_clones_sample *sample = walk->sample;
  const uint8_t *end = memchr(head.class_text, ';', (size_t)head.class_length);
  if (sample && !sample->found && node->size == sample->wanted && end &&
      end - head.class_text < (int64_t)sizeof sample->name) {
    memcpy(sample->name, head.class_text, (size_t)(end - head.class_text));
    sample->name[end - head.class_text] = '\0';
    sample->found = true;
  }
  walk->at = walk->end;
  return mlaas_walk_leave(walk, &frame);
}

static enum mlaas_status skip_tref(struct mlaas_walk *walk) {
  MLAAS_WALK_NEED(walk, 6);
  if (!(mlaas_walk_u32(walk) & HAS_UUID))
    return skip_bytes(walk, 2);
  int64_t length = *walk->at++;
  return skip_bytes(walk, length);
}

static enum mlaas_status skip_pointer(struct mlaas_walk *walk, const struct mlaas_node *node) {
  const uint8_t *stop;
  MLAAS_WALK_NEED(walk, 4);
  uint32_t word = mlaas_walk_u32(walk);
  if (!(word & (CLASS_TAG | MLAAS_BYTE_COUNT)))
    return MLAAS_OK; /* nothing, or a reference */
  walk->at -= 4;
  if (word & CLASS_TAG)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an object without byte count cannot be left out");
  MLAAS_TRY(take_byte_count(walk, true, &stop));
  if (node->children) {
    struct mlaas_walk inside = *walk;
    const char *name = NULL;
    inside.end = stop;
    MLAAS_TRY(take_class(&inside, &name));
    MLAAS_TRY(skip_clones(&inside, node->children));
  }
  walk->at = stop;
  return MLAAS_OK;
}

static enum mlaas_status skip_once(struct mlaas_walk *walk, const struct mlaas_node *node) {
  const uint8_t *stop;
  uint32_t bits;
  switch (node->skip) {
  case MLAAS_SKIP_BYTES:
    return skip_bytes(walk, node->size);
  case MLAAS_SKIP_TOBJECT:
    return skip_tobject(walk, &bits);
  case MLAAS_SKIP_TREF:
    return skip_tref(walk);
  case MLAAS_SKIP_POINTER:
    return skip_pointer(walk, node);
  case MLAAS_SKIP_CLONES:
    return skip_clones(walk, node);
  default:
    MLAAS_TRY(take_byte_count(walk, true, &stop));
    walk->at = stop;
    return MLAAS_OK;
  }
}

enum mlaas_status mlaas_walk_skip(struct mlaas_walk *walk, const struct mlaas_node *node) {
  if (node->framed) {
    walk->at = walk->end;
    return MLAAS_OK;
  }
  if (node->skip == MLAAS_SKIP_BYTES) /* of arrays too: as many bytes as were read before they are left out */
    return skip_bytes(walk, (int64_t)node->size * node->per_count);
  for (int32_t i = 0; i < node->per_count; i++)
    MLAAS_TRY(skip_once(walk, node));
  return MLAAS_OK;
}
