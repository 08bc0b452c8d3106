/* Numbers as text, exact both ways and fast. Knows no document. */
#ifndef MLAAS_SERVE_BODY_NUMBER_H
#define MLAAS_SERVE_BODY_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum { MLAAS_FLOAT_TEXT = 32 }; /* bytes that any float takes at most */

/* The shortest text that reads back as the same float, as Go's encoding/json writes it: exponents below 1e-6 and from
 * 1e21 on. NaN and infinities, which JSON does not have, give 0; else the length (no terminator). */
size_t mlaas_float_format(float value, char text[MLAAS_FLOAT_TEXT]);
/* The same for what is not a float: "%.17g" where it has to be. */
size_t mlaas_double_format(double value, char text[MLAAS_FLOAT_TEXT]);

struct mlaas_number {
  double value;    /* the nearest double */
  long long whole; /* the exact value, if `is_whole` */
  bool is_whole;   /* written without fraction and exponent, and fits */
};

/* Reads one number of JSON's grammar at `text`, of which `size` bytes are there. Returns its length; 0: it is none, or
 * larger than a double can hold. */
size_t mlaas_number_parse(const char *text, size_t size, struct mlaas_number *number);

#endif
