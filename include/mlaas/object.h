/* What a file holds besides tables: histograms, graphs, parameters, strings, maps - any object behind a key, read by
 * the file's own description of its classes into a tree of items.
 *
 * An object is immutable after opening, holds its file, and may be used by several threads. Its memory counts in the
 * file's context. All pointers in items and infos live as long as the object (the file, for mlaas_object_info).
 *
 *     struct mlaas_object *h;
 *     if (mlaas_object_open(file, "cutflow", &h, &error) == MLAAS_OK) {
 *       double entries = mlaas_item_number(mlaas_item_find(mlaas_object_item(h), "fEntries"), 0);
 *       mlaas_object_close(h);
 *     }
 */
#ifndef MLAAS_OBJECT_H
#define MLAAS_OBJECT_H

#include <mlaas/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_object;

/* ---- keys -------------------------------------------------------------------------------------- */

struct mlaas_object_info {
  const char *path; /* with directory and cycle: "dir/h;1" */
  const char *class_name;
  const char *title;
  int64_t stored_bytes; /* compressed, as in the file */
  int64_t raw_bytes;    /* decompressed */
};
/* Keys that are neither tables nor directories, in the file's order, every cycle of every name. */
MLAAS_API size_t mlaas_file_num_objects(const struct mlaas_file *file);
MLAAS_API void mlaas_file_object(const struct mlaas_file *file, size_t i, struct mlaas_object_info *info);

/* ---- items ------------------------------------------------------------------------------------- */

enum mlaas_item_kind {
  MLAAS_ITEM_NULL,      /* a null pointer */
  MLAAS_ITEM_BOOL,      /* integer: 0 or 1 */
  MLAAS_ITEM_INT,       /* integer */
  MLAAS_ITEM_UINT,      /* natural */
  MLAAS_ITEM_DOUBLE,    /* real; float, Float16_t and Double32_t too */
  MLAAS_ITEM_TEXT,      /* text: bytes as stored, terminated, zeros inside are possible */
  MLAAS_ITEM_ARRAY,     /* array: numbers of one type */
  MLAAS_ITEM_LIST,      /* items */
  MLAAS_ITEM_MAP,       /* items: key, value, key, value ...; count is that of the pairs */
  MLAAS_ITEM_OBJECT,    /* members */
  MLAAS_ITEM_REFERENCE, /* target: an object that stands elsewhere in the tree, or NULL: one that encloses this item, or
                           that is not known */
  MLAAS_ITEM_UNREADABLE /* reason */
};

struct mlaas_member_item;

struct mlaas_item {
  enum mlaas_item_kind kind;
  int32_t dimensions;     /* ARRAY: of shape, 1 and up */
  const char *class_name; /* as ROOT names the type: "TAxis", "double", "vector<int>" */
  const char *option;     /* of an entry in a TList, else NULL */
  int64_t count;          /* TEXT: bytes; ARRAY: values; LIST: items; MAP: pairs; OBJECT: members */
  union {
    int64_t integer;
    uint64_t natural;
    double real;
    const char *text;
    const struct mlaas_item *items;
    const struct mlaas_member_item *members;
    const struct mlaas_item *target;
    const char *reason;
    struct {
      const void *values;   /* aligned, in the machine's byte order */
      const int64_t *shape; /* `dimensions` of them */
      char format;          /* as in Python's struct module: ? b B h H i I q Q f d */
      uint8_t width;        /* bytes of one value */
    } array;
  } as;
};

/* A member of an object. Members of base classes stand in front of the class's own, all in one list. */
struct mlaas_member_item {
  const char *name;
  const char
      *class_name; /* that declares it: "TAxis" for an axis of a histogram's fNbins, "TAttAxis" for fNdivisions */
  struct mlaas_item item;
};

/* ---- objects ----------------------------------------------------------------------------------- */

/* Reads the object at `path`, with or without ";cycle" (highest cycle then). Parts that cannot be understood become
 * UNREADABLE items as long as the rest can be told apart from them. Errors: NOT_FOUND (names the nearest), ARGUMENT (it
 * is a table), IO, FORMAT, CHECKSUM, UNSUPPORTED (nothing describes its class), LIMIT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_object_open(struct mlaas_file *file, const char *path,
                                                              struct mlaas_object **object, struct mlaas_error *error);
MLAAS_API void mlaas_object_close(struct mlaas_object *object);

MLAAS_API void mlaas_object_info(const struct mlaas_object *object, struct mlaas_object_info *info);
/* The object itself: of kind OBJECT, or what its class stands for (TEXT for a TObjString, LIST for a TList ...). */
MLAAS_API const struct mlaas_item *mlaas_object_item(const struct mlaas_object *object);

/* The member of that name, the most derived class's first; references are followed. NULL if `item` is no object or has
 * no such member. "fXaxis.fNbins" looks into members. `item` may be NULL. */
MLAAS_API const struct mlaas_item *mlaas_item_find(const struct mlaas_item *item, const char *name);
/* Number i of an array, or the number that the item is (i = 0); NaN for all else, also beyond the end. */
MLAAS_API double mlaas_item_number(const struct mlaas_item *item, int64_t i);

/* ---- histograms -------------------------------------------------------------------------------- */

struct mlaas_axis {
  const char *title;
  int32_t bins; /* without underflow and overflow */
  double low, high;
  const double *edges;             /* bins + 1 of them, NULL where all bins are equally wide */
  const struct mlaas_item *labels; /* a LIST of TObjString: "fString" is the text, "fUniqueID" the bin (1 and up); NULL
                                      where there are none */
};

/* A view of a TH1, TH2, TH3, TProfile ... of any type. Bins count with underflow (0) and overflow (bins + 1) in each
 * dimension, x fastest: bin = x + (bins_x + 2) * (y + (bins_y + 2) * z). */
struct mlaas_histogram {
  int dimensions; /* 1 to 3 */
  struct mlaas_axis axes[3];
  int64_t num_bins; /* with underflow and overflow */
  double entries;
  const char *title;
  const struct mlaas_item *contents;    /* ARRAY of num_bins */
  const struct mlaas_item *sumw2;       /* ARRAY of num_bins, NULL where weights were not kept */
  const struct mlaas_item *bin_entries; /* of a profile: ARRAY of num_bins, else NULL */
};

/* False if the object is no histogram, or one whose parts do not fit together, or one whose entries are still in a
 * buffer because ROOT had not chosen its bins when it was written (fBuffer begins with their number then). */
MLAAS_API bool mlaas_object_histogram(const struct mlaas_object *object, struct mlaas_histogram *histogram);
/* Content of a bin; of a profile, the mean (0 in an empty bin). */
MLAAS_API double mlaas_histogram_value(const struct mlaas_histogram *histogram, int64_t bin);
/* Sum of the contents without underflow and overflow, as TH1::GetSumOfWeights; of a profile, of the means. */
MLAAS_API double mlaas_histogram_sum(const struct mlaas_histogram *histogram);

#ifdef __cplusplus
}
#endif
#endif
