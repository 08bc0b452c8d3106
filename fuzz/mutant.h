/* Mutants of a ROOT file: how they are made, which bytes of the file stand under a checksum, and what a reading of one
 * amounts to. For the program `mutants`; see mutants.c.
 */
#ifndef MLAAS_FUZZ_MUTANT_H
#define MLAAS_FUZZ_MUTANT_H

#include "rootio/container/basket.h"
#include "rootio/table/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- mutant_make.c ---- */

/* One change: `size` bytes at `at` are no longer what they were. */
struct mutant_change {
  size_t at, size;
};

/* Bytes with a hash of their own. */
struct mutant_repair {
  size_t at, size;
};

struct mutant_original {
  uint8_t *data;
  size_t size;
  uint32_t *places; /* offsets that look like sizes, counts or offsets */
  size_t num_places;
  uint8_t *covered; /* for each byte whether a checksum covers it */
  struct mutant_repair *repairs;
  size_t num_repairs;
  struct mutant_change *sums; /* zlib streams, which have an Adler-32 only */
  size_t num_sums;
};

enum { MUTANT_CHANGES = 16 };

struct mutant {
  uint8_t *data; /* room for twice the original */
  size_t size;
  const char *kind;
  struct mutant_change changes[MUTANT_CHANGES];
  size_t num_changes;
  bool covered; /* every change lies in bytes under a checksum */
};

/* Finds places; false when out of memory. */
bool mutant_places(struct mutant_original *original);
/* The same mutant for the same seed. */
void mutant_make(const struct mutant_original *original, uint64_t seed, struct mutant *mutant);

/* ---- mutant_cover.c ---- */

/* Marks the bytes of every payload whose codec or page has a checksum. */
void mutant_cover(struct mutant_original *original, struct mlaas_context *context);
/* True where zlib itself takes a changed block for sound: Adler-32 is a sum, and sums can stay the same. */
bool mutant_collides(const struct mutant_original *original, const struct mutant *mutant);

/* ---- mutant_plain.c ---- */

/* Stores metadata without compression; false if the file cannot be opened, and nothing has changed. */
bool mutant_plain(struct mutant_original *original, struct mlaas_context *context);
/* Sets the hashes right in `data`, a mutant of `original` in which nothing has moved. */
void mutant_repair(const struct mutant_original *original, uint8_t *data);

/* ---- mutant_read.c ---- */

enum mutant_outcome { MUTANT_READ, MUTANT_REFUSED };

/* One column or object, or a whole table or file that was refused (`name` is then a hash of the path alone). */
struct mutant_value {
  uint64_t path, name; /* hashes: of the table's path, and of both */
  enum mutant_outcome outcome;
  uint64_t digest; /* of type and values, where read */
};

struct mutant_reading {
  struct mutant_value *values;
  size_t count, room;
  bool sound; /* says mlaas_file_verify, and nothing was beyond it */
};

/* Opens the bytes as a file and reads all of it. */
void mutant_read(struct mlaas_context *context, const void *data, size_t size, struct mutant_reading *reading);

#endif
