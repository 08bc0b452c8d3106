/* Streamer info: what the file itself says of the layout of its classes, decoded into a checked description. It is data
 * that decoders walk, never code. */
#ifndef MLAAS_ROOTIO_RECORD_STREAMER_H
#define MLAAS_ROOTIO_RECORD_STREAMER_H

#include "rootio/container/container.h"

struct mlaas_streamer_element {
  const char *kind; /* class of the element: "TStreamerBasicType", "TStreamerSTL", "TStreamerBase" ... */
  const char *name, *title, *type_name;
  int32_t type; /* ROOT's code: 3 int, 5 float, 8 double, 9 Double32_t, 19 Float16_t, +20 array, +40 counted, 61, 62,
                   65, 300, 365, 500 ... */
  int32_t size; /* the writer's memory layout; never used for decoding */
  int32_t array_length, array_dim, max_index[5];
  int32_t base_version;                 /* TStreamerBase */
  uint32_t base_checksum;               /* TStreamerBase of a class with version 0 */
  const char *count_name, *count_class; /* TStreamerBasicPointer and TStreamerLoop */
  int32_t stl_type, content_type;       /* TStreamerSTL: 1 vector ... ; ROOT's code of the content */
};

struct mlaas_streamer_info {
  const char *name;
  uint32_t checksum;
  int32_t version;
  struct mlaas_streamer_element *elements;
  size_t num_elements;
};

struct mlaas_streamers {
  struct mlaas_streamer_info *infos;
  size_t num_infos;
};

/* Reads the file's list into the container's arena; a file without one gives an empty list. Unknown list items
 * (listOfRules) are skipped. */
enum mlaas_status mlaas_streamers_read(struct mlaas_container *container, struct mlaas_streamers *streamers,
                                       struct mlaas_error *error);
/* The same from a list that stands elsewhere, behind its class tag; names go to `arena`. */
enum mlaas_status mlaas_streamers_parse(const uint8_t *bytes, int64_t size, struct mlaas_arena *arena,
                                        struct mlaas_streamers *streamers, struct mlaas_error *error);
/* By name and version; version <= 0: by checksum; both unknown (-1, 0): the highest version. NULL if not there. */
const struct mlaas_streamer_info *mlaas_streamers_find(const struct mlaas_streamers *streamers, const char *name,
                                                       int32_t version, uint32_t checksum);

#endif
