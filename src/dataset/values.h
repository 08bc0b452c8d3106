/* Numbers of a flat column, whatever their type, as double or int64. Knows no names. */
#ifndef MLAAS_DATASET_VALUES_H
#define MLAAS_DATASET_VALUES_H

#include <mlaas/arrow.h>

/* Value of row `row`; `format` is Arrow's, of a number or bool. */
double mlaas_value_double(char format, const struct ArrowArray *array, int64_t row);
int64_t mlaas_value_int64(char format, const struct ArrowArray *array, int64_t row);

#endif
