/* JSON as the library writes it: numbers with as few digits as read back the same, short lists on one line. */
#ifndef MLAAS_RECIPE_JSON_H
#define MLAAS_RECIPE_JSON_H

#include <jansson.h>
#include <mlaas/status.h>
#include <stdbool.h>

enum { MLAAS_NUMBER_TEXT = 40 };

/* A number, or the text "NaN", "Infinity", "-Infinity", which JSON has no numbers for. NULL: out of memory. */
json_t *mlaas_json_number(double value);
double mlaas_json_value(const json_t *value); /* NaN for what is no number */
bool mlaas_json_is_number(const json_t *value);

/* As Python's repr: "0.1", "1e-05", "1e+16", "nan", "inf"; at most MLAAS_NUMBER_TEXT with the terminator. */
void mlaas_number_format(double value, char text[MLAAS_NUMBER_TEXT]);

/* The text of `json`, freed with mlaas_text_free. Errors: MEMORY. */
enum mlaas_status mlaas_json_format(const json_t *json, char **text, struct mlaas_error *error);

/* ---- a text that grows; zeroed it is empty ---- */

struct mlaas_text {
  char *data; /* terminated; NULL while empty or after running out of memory */
  size_t length, room;
  bool failed;
};

void mlaas_text_add(struct mlaas_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands the text over, or MEMORY if an addition failed. */
enum mlaas_status mlaas_text_take(struct mlaas_text *text, char **data, struct mlaas_error *error);
/* A JSON string with its quotes. */
void mlaas_text_add_string(struct mlaas_text *text, const char *string, size_t length);

#endif
