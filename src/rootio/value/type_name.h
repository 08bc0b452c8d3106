/* C++ type names as ROOT writes them, turned into nodes. Knows no branch. */
#ifndef MLAAS_ROOTIO_VALUE_TYPE_NAME_H
#define MLAAS_ROOTIO_VALUE_TYPE_NAME_H

#include "rootio/value/node_maker.h"

/* Fills `value` and *format for ROOT's code of a basic type (1 to 19, without char* and the old char); false for all
 * others. Float16_t and Double32_t come without range, see mlaas_packing_parse. */
bool mlaas_scalar_of_code(int32_t code, struct mlaas_scalar *value, const char **format);

/* The node of a type: numbers, strings, sequences, maps and sets of them to any depth, and of classes as the maker
 * makes them. The outermost sequence is framed, inner ones are not; a string is framed only as a member of a class
 * (`member`). Content of collections that is no class but an enumeration comes from maker->content. */
struct mlaas_node *mlaas_type_node(struct mlaas_node_maker *maker, const char *name, bool member);
/* True for vector, list, set and their kin. */
bool mlaas_type_is_sequence(const char *name);

/* Gives a Float16_t or Double32_t (codes 19 and 9) the range that stands in a title: ROOT's own reading of
 * "[min,max,nbits]", where a first bracket may be a dimension. false: the title holds a range that ROOT overlooks. */
bool mlaas_packing_parse(const char *title, struct mlaas_scalar *value);

#endif
