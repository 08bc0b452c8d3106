/* Numbers as people write and read them. Knows no command. */
#include "cli/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool mlaas_count_parse(const char *text, int64_t *count) {
  if (!isdigit((unsigned char)text[0]) || strspn(text, "0123456789") != strlen(text))
    return false;
  errno = 0;
  *count = strtoll(text, NULL, 10);
  return errno == 0;
}

static double factor_of(const char *unit) {
  static const struct {
    const char *name;
    double factor;
  } units[] = {{"", 1},       {"B", 1},        {"k", 1e3},      {"kB", 1e3},    {"M", 1e6},
               {"MB", 1e6},   {"G", 1e9},      {"GB", 1e9},     {"T", 1e12},    {"TB", 1e12},
               {"KiB", 1024}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcasecmp(unit, units[i].name) == 0)
      return units[i].factor;
  return 0;
}

/* "1.5 GiB": 1.5, and where the unit begins; NULL where there is no number. */
static const char *split(const char *text, double *value) {
  char number[32], *end;
  size_t digits = strspn(text, "0123456789.");
  if (!isdigit((unsigned char)text[0]) || digits >= sizeof number)
    return NULL;
  snprintf(number, sizeof number, "%.*s", (int)digits, text);
  *value = strtod(number, &end);
  return *end ? NULL : text + digits + (text[digits] == ' ');
}

bool mlaas_size_parse(const char *text, int64_t *bytes) {
  double value = 0;
  const char *unit = split(text, &value);
  double factor = unit ? factor_of(unit) : 0;
  if (factor == 0 || value * factor >= 0x1p62)
    return false;
  *bytes = (int64_t)llround(value * factor);
  return true;
}

bool mlaas_seconds_parse(const char *text, int64_t *ms) {
  static const struct {
    const char *name;
    double ms;
  } units[] = {{"", 1e3}, {"s", 1e3}, {"ms", 1}, {"min", 6e4}, {"h", 3.6e6}};
  double value = 0;
  const char *unit = split(text, &value);
  for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
    if (strcmp(unit, units[i].name) == 0 && value * units[i].ms < 0x1p53) {
      *ms = (int64_t)llround(value * units[i].ms);
      return true;
    }
  return false;
}

char *mlaas_size_format(int64_t bytes, char *text) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = (double)bytes;
  size_t unit = 0;
  while (fabs(value) >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
    value /= 1000;
    unit++;
  }
  int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  snprintf(text, MLAAS_UNITS_TEXT, "%.*f %s", digits, value, units[unit]);
  return text;
}

char *mlaas_count_format(int64_t count, char *text) {
  char digits[MLAAS_UNITS_TEXT];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)count), at = 0;
  for (int i = 0; i < length; i++) {
    text[at++] = digits[i];
    if (isdigit((unsigned char)digits[i]) && i + 1 < length && (length - 1 - i) % 3 == 0)
      text[at++] = ',';
  }
  text[at] = 0;
  return text;
}

char *mlaas_seconds_format(double seconds, char *text) {
  if (!(seconds >= 0) || seconds > 1e9) {
    snprintf(text, MLAAS_UNITS_TEXT, "?");
  } else if (seconds < 9.95) {
    snprintf(text, MLAAS_UNITS_TEXT, "%.1f s", seconds);
  } else if (seconds < 119.5) {
    snprintf(text, MLAAS_UNITS_TEXT, "%.0f s", seconds);
  } else {
    long whole = lround(seconds);
    if (whole < 7200)
      snprintf(text, MLAAS_UNITS_TEXT, "%ld min %02ld s", whole / 60, whole % 60);
    else
      snprintf(text, MLAAS_UNITS_TEXT, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
  }
  return text;
}

char *mlaas_compression_format(int32_t compression, char *text) {
  static const char *const names[] = {"default", "zlib", "LZMA", "old", "LZ4", "ZSTD"};
  int32_t algorithm = compression / 100, level = compression % 100;
  if (compression < 0)
    snprintf(text, MLAAS_UNITS_TEXT, "?");
  else if (level == 0)
    snprintf(text, MLAAS_UNITS_TEXT, "none");
  else if ((size_t)algorithm < sizeof names / sizeof *names)
    snprintf(text, MLAAS_UNITS_TEXT, "%s %d", names[algorithm], (int)level);
  else
    snprintf(text, MLAAS_UNITS_TEXT, "%d", (int)compression);
  return text;
}

char *mlaas_root_version_format(int32_t version, char *text) {
  snprintf(text, MLAAS_UNITS_TEXT, "%d.%02d/%02d", (int)(version / 10000), (int)(version / 100 % 100),
           (int)(version % 100));
  return text;
}
