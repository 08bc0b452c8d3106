/* Does what tests ask for with the library as it was built here: a sanitizer that is built in looks on while
 * tests/python strikes the servers. Must not know any protocol, nor what is right.
 *
 *     drive < REQUESTS
 *
 * A request is a line of JSON whose "do" is a name below; the answer is one too. A failure is {"error": NAME OF ITS
 * EXCEPTION, "where", "message", "offset"}. At the end of its input all is closed, and the program ends with 0.
 */
#include "drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

static const struct {
  const char *name;
  drive_do *run;
} known[] = {
    {"open", drive_open}, {"info", drive_info},   {"columns", drive_columns}, {"load", drive_load},
    {"next", drive_next}, {"state", drive_state}, {"restore", drive_restore}, {"stats", drive_stats},
};

enum mlaas_status drive_context(struct drive *drive, const json_t *request, struct mlaas_error *error) {
  struct mlaas_context_options options = {
      .size = sizeof options,
      .memory = json_integer_value(json_object_get(request, "memory")),
      .threads = (int)json_integer_value(json_object_get(request, "threads")),
  };
  return mlaas_context_new(&options, &drive->context, error);
}

static void close_all(struct drive *drive) {
  mlaas_loader_close(drive->loader);
  mlaas_dataset_close(drive->dataset);
  mlaas_table_close(drive->table);
  mlaas_file_close(drive->file);
  mlaas_context_put(drive->context);
}

static json_t *failure(const struct mlaas_error *error) {
  return json_pack("{s:s, s:s, s:s, s:I}", "error", mlaas_status_python(error->status), "where", error->where,
                   "message", error->message, "offset", (json_int_t)error->offset);
}

/* Files are closed without waiting for their servers' answers, which XrdCl has to take; once the program's end has
 * stopped it, what waits for them looks like a leak. So it is looked for before. */
static void look_for_leaks(void) {
#ifdef __SANITIZE_ADDRESS__
  __lsan_do_leak_check();
#endif
}

/* A request that is wrong is a mistake of the test: NULL. */
static json_t *answer_to(struct drive *drive, const char *line) {
  json_t *request = json_loads(line, 0, NULL), *answer = NULL;
  const char *name = json_string_value(json_object_get(request, "do"));
  for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].name, name) == 0) {
      struct mlaas_error error = {.offset = -1};
      answer = json_object();
      if (known[i].run(drive, request, answer, &error) != MLAAS_OK) {
        json_decref(answer);
        answer = failure(&error);
      }
    }
  json_decref(request);
  return answer;
}

int main(void) {
  struct drive drive = {0};
  char *line = NULL;
  size_t size = 0;
  int code = 0;
  while (!code && getline(&line, &size, stdin) > 0) {
    json_t *answer = answer_to(&drive, line);
    if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) || putchar('\n') < 0 || fflush(stdout))
      code = 2;
    json_decref(answer);
  }
  free(line);
  close_all(&drive);
  look_for_leaks();
  return code;
}
