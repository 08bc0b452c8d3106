/* A page's bytes by the type of a column: type, bits, elements (2 bytes), a range of them (2 bytes each), then the
 * page, which is cut or filled to its size. Page and values have not a byte to spare.
 */
#include "rootio/ntuple/page.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t number_at(const uint8_t *data) { return data[0] | data[1] << 8; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { FRONT = 8 };
  static const uint8_t widths[] = {1,  8,  8,  8,  8,  16, 16, 32, 32, 64, 64, 16, 32, 64, 32,
                                   64, 96, 16, 16, 32, 32, 64, 64, 16, 32, 64, 32, 64, 0,  0};
  if (size < FRONT)
    return 0;
  struct mlaas_ntuple_column column = {.type = data[0] % MLAAS_NTUPLE_NUM_TYPES, .minimum = -1, .maximum = 3};
  column.bits = widths[column.type];
  if (column.type == MLAAS_NTUPLE_REAL32_TRUNC)
    column.bits = (uint16_t)(10 + data[1] % 22);
  if (column.type == MLAAS_NTUPLE_REAL32_QUANT)
    column.bits = (uint16_t)(1 + data[1] % 32);
  int32_t elements = number_at(data + 2), start = number_at(data + 4), stop = number_at(data + 6);
  size_t bytes = ((size_t)elements * column.bits + 7) / 8, width = mlaas_ntuple_page_width(&column);
  uint8_t *page = calloc(bytes + !bytes, 1);
  uint8_t *out = malloc((start < stop ? (size_t)(stop - start) : 0) * width + 1);
  memcpy(page, data + FRONT, size - FRONT < bytes ? size - FRONT : bytes);
  enum mlaas_status status = mlaas_ntuple_page_decode(&column, page, elements, start, stop, out, NULL);
  if ((status == MLAAS_OK) != (start <= stop && stop <= elements))
    __builtin_trap();
  free(page);
  free(out);
  return 0;
}
