/* One switch over Arrow's formats. */
#include "dataset/values.h"

#define VALUE(type) ((const type *)array->buffers[1])[row]

int64_t mlaas_value_int64(char format, const struct ArrowArray *array, int64_t row) {
  row += array->offset;
  switch (format) {
  case 'b':
    return ((const uint8_t *)array->buffers[1])[row / 8] >> (row % 8) & 1;
  case 'c':
    return VALUE(int8_t);
  case 'C':
    return VALUE(uint8_t);
  case 's':
    return VALUE(int16_t);
  case 'S':
    return VALUE(uint16_t);
  case 'i':
    return VALUE(int32_t);
  case 'I':
    return VALUE(uint32_t);
  default:
    return VALUE(int64_t);
  }
}

double mlaas_value_double(char format, const struct ArrowArray *array, int64_t row) {
  if (format == 'f')
    return (double)((const float *)array->buffers[1])[row + array->offset];
  if (format == 'g')
    return ((const double *)array->buffers[1])[row + array->offset];
  int64_t value = mlaas_value_int64(format, array, row);
  return format == 'L' ? (double)(uint64_t)value : (double)value;
}
