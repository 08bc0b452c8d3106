/* Plans and baskets made by hand, for the tests of decoding. */
#ifndef MLAAS_TESTS_ROOTIO_PLANS_H
#define MLAAS_TESTS_ROOTIO_PLANS_H

#include "rootio/value/decode.h"
#include "rootio/value/class_node.h"
#include "rootio/value/type_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A plan of one value, or of a list of it with `header` bytes in front. */
struct simple_plan {
  struct mlaas_node value, list;
  struct mlaas_branch_plan plan;
};

static inline void plan_value(struct simple_plan *simple, int32_t code) {
  *simple = (struct simple_plan){0};
  simple->value = (struct mlaas_node){.kind = MLAAS_NODE_VALUE, .name = ""};
  assert_true(mlaas_scalar_of_code(code, &simple->value.value, &simple->value.format));
  simple->plan = (struct mlaas_branch_plan){
      .has_data = true, .layout = MLAAS_LAYOUT_FLAT, .root = &simple->value, .entry_bytes = simple->value.value.stored};
  simple->plan.num_buffers = mlaas_node_number(&simple->value, 0);
}

static inline void plan_list(struct simple_plan *simple, int32_t code, int32_t header) {
  plan_value(simple, code);
  simple->list = (struct mlaas_node){
      .kind = MLAAS_NODE_LIST, .name = "", .format = "+l", .children = &simple->value, .num_children = 1};
  simple->plan.root = &simple->list;
  simple->plan.layout = MLAAS_LAYOUT_LIST;
  simple->plan.header_bytes = header;
  simple->plan.item_bytes = simple->value.value.stored;
  simple->plan.num_buffers = mlaas_node_number(&simple->list, 0);
}

static inline struct mlaas_basket basket_of(const void *data, int64_t size, int32_t entries, const uint8_t *offsets) {
  return (struct mlaas_basket){.entries = entries, .key_len = 70, .data = data, .size = size, .offsets = offsets};
}

#endif
