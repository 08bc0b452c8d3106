/* Streamer info made by hand: members of every kind, for the tests and the fuzzer of objects. */
#ifndef MLAAS_TESTS_ROOTIO_CLASSES_H
#define MLAAS_TESTS_ROOTIO_CLASSES_H

#include "rootio/record/streamer.h"

#define NUMBER(member, code)                                                                                           \
  { .kind = "TStreamerBasicType", .name = member, .title = "", .type_name = "", .type = code }
#define OBJECT(member, class, code)                                                                                    \
  { .kind = "TStreamerObjectAny", .name = member, .title = "", .type_name = class, .type = code }
#define STL(member, class)                                                                                             \
  { .kind = "TStreamerSTL", .name = member, .title = "", .type_name = class, .type = 500, .content_type = 61 }
#define BASE(class, number)                                                                                            \
  { .kind = "TStreamerBase", .name = class, .title = "", .type_name = "BASE", .base_version = number }

static struct mlaas_streamer_element point[] = {NUMBER("x", 3), NUMBER("y", 2)};
static struct mlaas_streamer_element base[] = {
    {.kind = "TStreamerBase", .name = "TObject", .title = "", .type_name = "BASE", .type = 66, .base_version = 1},
    NUMBER("n", 6)};
static struct mlaas_streamer_element all[] = {
    BASE("Base", 2),
    {.kind = "TStreamerBasicPointer",
     .name = "dyn",
     .title = "[n]",
     .type_name = "short*",
     .type = 42,
     .count_name = "n"},
    {.kind = "TStreamerBasicType",
     .name = "grid",
     .title = "",
     .type_name = "char",
     .type = 21,
     .array_length = 4,
     .array_dim = 2,
     .max_index = {2, 2}},
    {.kind = "TStreamerString", .name = "ts", .title = "", .type_name = "TString", .type = 65},
    {.kind = "TStreamerSTLstring", .name = "s", .title = "", .type_name = "string", .type = 500, .content_type = 365},
    OBJECT("p", "Point", 62),
    {.kind = "TStreamerBasicType", .name = "d", .title = "[0,1,8]", .type_name = "Double32_t", .type = 9}};
static struct mlaas_streamer_element holder[] = {
    {.kind = "TStreamerObjectAnyPointer", .name = "a", .title = "", .type_name = "Point*", .type = 69},
    {.kind = "TStreamerObjectAnyPointer", .name = "b", .title = "", .type_name = "Point*", .type = 69},
    {.kind = "TStreamerObjectAnyPointer", .name = "c", .title = "", .type_name = "TObject*", .type = 64},
    NUMBER("last", 1)};
static struct mlaas_streamer_element deep[] = {BASE("Sub", 1),
                                               STL("texts", "vector<string>"),
                                               {.kind = "TStreamerBasicPointer",
                                                .name = "v",
                                                .title = "[k]",
                                                .type_name = "char*",
                                                .type = 41,
                                                .count_name = "k"}};
static struct mlaas_streamer_element sub[] = {NUMBER("j", 1), NUMBER("k", 1)};
static struct mlaas_streamer_element self[] = {STL("children", "vector<Self>"), OBJECT("next", "Self*", 69),
                                               NUMBER("id", 1)};
static struct mlaas_streamer_element loop[] = {
    NUMBER("n", 6),
    {.kind = "TStreamerLoop", .name = "points", .title = "[n]", .type_name = "Point*", .type = 501, .count_name = "n"}};

#define INFO(class, number, sum, list)                                                                                 \
  { class, sum, number, list, sizeof list / sizeof *(list) }
/* by name, as mlaas_streamers_find wants them */
static struct mlaas_streamer_info infos[] = {INFO("All", 3, 0xA11, all),    INFO("Base", 2, 0xBA5E, base),
                                             INFO("Deep", 1, 0xDEE9, deep), INFO("Holder", 1, 0x401D, holder),
                                             INFO("Loop", 1, 0x1009, loop), INFO("Point", 1, 0x901, point),
                                             INFO("Self", 1, 0x5E1F, self), INFO("Sub", 1, 0x50B, sub)};
static const struct mlaas_streamers streamers = {infos, sizeof infos / sizeof *infos};

#endif
