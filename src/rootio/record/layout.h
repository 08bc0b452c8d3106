/* Reads the members of a tree's own classes by the file's streamer info, so that every version that was ever written is
 * read alike. Which members are wanted is a list of names; what they are for, callers know. */
#ifndef MLAAS_ROOTIO_RECORD_LAYOUT_H
#define MLAAS_ROOTIO_RECORD_LAYOUT_H

#include "rootio/record/pointer.h"
#include "rootio/record/streamer.h"

/* Members by their names in ROOT. */
/* clang-format off */
#define MLAAS_MEMBER_MAP(X)                                                                                            \
  X(fEntries) X(fTotBytes) X(fZipBytes) X(fAutoFlush) X(fNClusterRange) X(fClusterRangeEnd) X(fClusterSize)            \
  X(fBranches) X(fLeaves)                                                                                              \
  X(fCompress) X(fBasketSize) X(fEntryOffsetLen) X(fWriteBasket) X(fEntryNumber) X(fIOFeatures) X(fMaxBaskets)         \
  X(fSplitLevel) X(fFirstEntry) X(fBaskets) X(fBasketBytes) X(fBasketEntry) X(fBasketSeek) X(fFileName)                \
  X(fClassName) X(fParentName) X(fClonesName) X(fCheckSum) X(fClassVersion) X(fID) X(fType) X(fStreamerType)           \
  X(fMaximum) X(fBranchCount) X(fBranchCount2) X(fContName) X(fVirtual)                                                \
  X(fLen) X(fLenType) X(fOffset) X(fIsRange) X(fIsUnsigned) X(fLeafCount)                                              \
  X(fTreeIndex) X(fFriends) X(fTreeName) X(fTreeOffsetLen) X(fFiles)
/* clang-format on */

enum mlaas_member {
#define X(name) MLAAS_MEMBER_##name,
  MLAAS_MEMBER_MAP(X)
#undef X
      MLAAS_MEMBER_name, /* of TNamed */
  MLAAS_MEMBER_title,
  MLAAS_MEMBER_COUNT
};

/* What was read: a number, or bytes in the record (a string and its length, an array and the number of its items). */
struct mlaas_value {
  int64_t number;
  const uint8_t *data;
  uint8_t width; /* bytes of one item of an array, of a number too; 0: it was not read */
};

struct mlaas_layouts;

/* Called for members that hold objects: TObjArrays in place and pointers, with the cursor in front of them. */
typedef enum mlaas_status mlaas_member_hook(void *context, enum mlaas_member member);

/* Layouts are made once for each class and version and kept in the arena. NULL with `error` filled. */
struct mlaas_layouts *mlaas_layouts_new(const struct mlaas_streamers *streamers, struct mlaas_arena *arena,
                                        struct mlaas_error *error);
/* From now on the members that link a tree to others (fTreeIndex, fFriends, fFiles) are read too; they come last, and
 * nobody else needs what stands in front of them. To be called before the first class is read. */
void mlaas_layouts_want_links(struct mlaas_layouts *layouts);
/* Reads one object of `class_name` with its frame, bases first. The cursor ends behind it. */
enum mlaas_status mlaas_layout_read(struct mlaas_layouts *layouts, const char *class_name,
                                    struct mlaas_objects *objects, struct mlaas_value *values, mlaas_member_hook *hook,
                                    void *context);
/* Item i of an array that was read. */
int64_t mlaas_value_item(const struct mlaas_value *value, int64_t i);
/* True if `class_name` is `base` or has it among its bases. */
bool mlaas_streamers_derives(const struct mlaas_streamers *streamers, const char *class_name, const char *base);

#endif
