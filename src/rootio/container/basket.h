/* One basket: the header in its key, and its bytes once they are inflated. Knows nothing of what the values mean. */
#ifndef MLAAS_ROOTIO_CONTAINER_BASKET_H
#define MLAAS_ROOTIO_CONTAINER_BASKET_H

#include "rootio/container/codec.h"
#include "rootio/container/container.h"

/* Where a basket lies. Its entries are [entry, entry of the next). */
struct mlaas_basket_ref {
  int64_t entry;
  int64_t seek;            /* offset in the file; 0 for embedded ones */
  int32_t num_bytes;       /* stored, with key */
  const uint8_t *embedded; /* in the tree's payload, starting with its key; NULL for ones on disk */
  int64_t embedded_size;   /* bytes from there to the end of the basket object */
};

struct mlaas_basket_head {
  int32_t num_bytes;  /* stored, with the key */
  int32_t object_len; /* inflated, without the key */
  int32_t key_len;
  int32_t entries;
  int32_t last; /* where the values end, counted from the key as offsets are */
  int32_t version;
  uint8_t io_bits;
  int32_t flag;
  int64_t position; /* behind the header: where an embedded basket goes on */
};

struct mlaas_basket {
  int32_t entries, key_len;
  const uint8_t *data; /* the values of all entries, one after another */
  int64_t size;
  const uint8_t *offsets; /* big-endian, `entries` of them, counted from the key; NULL where there are none */
  bool displaced;         /* entries were moved after they were written: references inside them point beside */
  bool offsets_are_sizes; /* of the entries before: entry i + 1 begins `offsets[i]` behind entry i */
};

/* Decodes and checks the key and the header behind it; `size` bytes are there, the key has to fit in them. `offset` is
 * where they lie in the file. Errors: FORMAT. */
enum mlaas_status mlaas_basket_head(const uint8_t *bytes, int64_t size, int64_t offset, struct mlaas_basket_head *head,
                                    struct mlaas_error *error);
/* True when the inflated object holds the values and nothing else, `values` bytes of them. */
bool mlaas_basket_is_plain(const struct mlaas_basket_head *head, int64_t values);
/* Finds values and offsets in the inflated object. Borrows it. Errors: FORMAT. */
enum mlaas_status mlaas_basket_open(const struct mlaas_basket_head *head, const uint8_t *object,
                                    struct mlaas_basket *basket, struct mlaas_error *error);
/* False for a slot of the tree's record that is a mere shell: header, but no values, which are elsewhere. */
bool mlaas_basket_holds_values(const struct mlaas_basket_ref *ref);
/* mlaas_basket_open for a basket inside the tree's record, which is never compressed; `ref` has an embedded pointer. */
enum mlaas_status mlaas_basket_open_embedded(const struct mlaas_basket_ref *ref, struct mlaas_basket_head *head,
                                             struct mlaas_basket *basket, struct mlaas_error *error);

#endif
