/* "Did you mean": the nearest of some names by edit distance. */
#include "base/error.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 64 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Levenshtein distance without regard to case; names are cut at LONGEST characters. */
static size_t distance(const char *a, const char *b) {
  size_t row[LONGEST + 1], na = smaller(strlen(a), LONGEST), nb = smaller(strlen(b), LONGEST);
  for (size_t j = 0; j <= nb; j++)
    row[j] = j;
  for (size_t i = 1; i <= na; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= nb; j++) {
      size_t above = row[j];
      size_t differs = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
      row[j] = smaller(smaller(above, row[j - 1]) + 1, diagonal + differs);
      diagonal = above;
    }
  }
  return row[nb];
}

const char *mlaas_nearest(const char *name, const char *const *names, size_t count) {
  const char *best = NULL;
  size_t least = strlen(name) / 3 + 2; /* further than that is no typing error */
  for (size_t i = 0; i < count; i++) {
    size_t d = distance(name, names[i]);
    if (d < least) {
      least = d;
      best = names[i];
    }
  }
  return best;
}
