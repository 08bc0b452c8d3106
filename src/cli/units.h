/* Numbers as people write and read them: sizes, counts, durations. Knows no command. */
#ifndef MLAAS_CLI_UNITS_H
#define MLAAS_CLI_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MLAAS_UNITS_TEXT = 40 }; /* room that every text of this header needs at most */

/* "300000000", "300MB", "300 MB", "1.5GiB"; kB, MB, GB, TB are powers of 1000, KiB ... of 1024. False for all else. */
bool mlaas_size_parse(const char *text, int64_t *bytes);
/* "15", "0.5", "500ms", "2 min"; seconds where no unit (ms, s, min, h) is behind. False for all else. */
bool mlaas_seconds_parse(const char *text, int64_t *ms);
/* Digits only, at most INT64_MAX. */
bool mlaas_count_parse(const char *text, int64_t *count);

/* Each fills `text` (MLAAS_UNITS_TEXT bytes) and returns it. */
char *mlaas_size_format(int64_t bytes, char *text);              /* "12.3 MB" */
char *mlaas_count_format(int64_t count, char *text);             /* "948,348" */
char *mlaas_seconds_format(double seconds, char *text);          /* "4 s", "3 min 20 s", "2 h 05 min" */
char *mlaas_compression_format(int32_t compression, char *text); /* 101: "zlib 1" */
char *mlaas_root_version_format(int32_t version, char *text);    /* 62804: "6.28/04" */

#endif
