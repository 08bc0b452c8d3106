/* How a field of an ntuple is read: what its entries are made of, and which columns fill which buffers. Reads no page.
 */
#ifndef MLAAS_ROOTIO_NTUPLE_PLAN_H
#define MLAAS_ROOTIO_NTUPLE_PLAN_H

#include "rootio/ntuple/ntuple.h"
#include "rootio/record/streamer.h"
#include "rootio/value/plan.h"

enum mlaas_feed_kind {
  MLAAS_FEED_VALUES, /* values, or the bytes of texts */
  MLAAS_FEED_ENDS,   /* where lists and texts end: offsets */
  MLAAS_FEED_COUNTS, /* the same column as a number: how long the lists are */
  MLAAS_FEED_THERE,  /* the same column of an option, a list of none or one */
  MLAAS_FEED_SWITCH  /* which alternative of a variant is there */
};

enum { MLAAS_FEED_ENTRIES = -1 };

/* One column in the file (in one of the field's representations, cluster by cluster) and the buffers it fills. */
struct mlaas_field_feed {
  enum mlaas_feed_kind kind;
  uint32_t field;
  size_t part;             /* which column of a representation */
  struct mlaas_node *node; /* of a SWITCH a struct of options, one for each alternative */
  size_t buffer;           /* of a SWITCH that of the first alternative's option */
  int parent;              /* the feed, an earlier one, that says how many rows there are; MLAAS_FEED_ENTRIES */
  uint32_t alternative;    /* which one of a parent that is a SWITCH */
  int64_t per;             /* elements in one row of the parent */
  int level;               /* how many feeds are above */
};

/* Objects that the writer left as ROOT streams them: their bytes are read as texts are, into two buffers behind those
 * of the nodes, and decoded when all are there. */
struct mlaas_field_object {
  size_t feed;                   /* of their ends; that of their bytes is the next one */
  const struct mlaas_node *node; /* its buffers follow each other */
  struct mlaas_branch_plan walk; /* the same nodes once more, numbered from 0 */
};

struct mlaas_field_plan {
  uint32_t field;
  const char *unsupported; /* then all below is zero */
  struct mlaas_node *root;
  size_t num_buffers;
  struct mlaas_field_feed *feeds; /* parents first */
  size_t num_feeds;
  int num_levels;
  struct mlaas_field_object *objects;
  size_t num_objects;
};

/* Fills `plan` for a top-level field, from `arena`; classes are looked up in `streamers`. Errors: MEMORY, LIMIT; what
 * cannot be read is no error. */
enum mlaas_status mlaas_field_plan_make(const struct mlaas_ntuple *ntuple, const struct mlaas_streamers *streamers,
                                        uint32_t field, struct mlaas_arena *arena, struct mlaas_field_plan *plan,
                                        struct mlaas_error *error);

/* A plan that reads no more of `plan` than `shown`, which shows some of its buffers (see value/members.h); their
 * numbers stay. Errors: MEMORY, LIMIT. */
enum mlaas_status mlaas_field_plan_project(const struct mlaas_field_plan *plan, struct mlaas_node *shown,
                                           struct mlaas_arena *arena, struct mlaas_field_plan *part,
                                           struct mlaas_error *error);

/* Tells members of one name apart that come from several bases of `record`: "Base::member". For the plan. */
enum mlaas_status mlaas_ntuple_qualify(struct mlaas_node *record, struct mlaas_arena *arena, struct mlaas_error *error);

#endif
