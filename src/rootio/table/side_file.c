/* Other files with baskets: which may be opened, and which are. Must not know what is in them. */
#include "rootio/table/side_file.h"

#include "base/error.h"
#include "source/place.h"

#include <string.h>

enum { MOST_SIDE_FILES = 32 };

/* Relative, and never upwards. */
static bool is_below(const char *name) {
  if (name[0] == '/' || strstr(name, "://") || strchr(name, '\\'))
    return false;
  for (const char *part = name; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
      return false;
  }
  return *name != '\0';
}

static enum mlaas_status open_source(struct mlaas_context *context, const char *url, struct mlaas_source **source,
                                     struct mlaas_error *error) {
  char magic[4];
  MLAAS_TRY(mlaas_source_open(context, url, source, error));
  enum mlaas_status status = mlaas_source_read_at(*source, 0, sizeof magic, magic, error);
  if (status == MLAAS_OK && memcmp(magic, "root", sizeof magic) != 0)
    status = mlaas_fail(error, MLAAS_FORMAT, "it is not a ROOT file");
  if (status != MLAAS_OK) {
    mlaas_source_put(*source);
    *source = NULL;
  }
  return status;
}

static enum mlaas_status open_side(struct mlaas_table *table, const char *name, struct mlaas_side_file *side,
                                   struct mlaas_error *error) {
  struct mlaas_error why;
  const char *url = mlaas_place_beside(mlaas_source_place(table->file->container.source), name, &table->arena, error);
  *side = (struct mlaas_side_file){.name = name};
  if (!url)
    return error->status;
  if (!is_below(name)) {
    side->fault = mlaas_arena_format(&table->arena, error,
                                     "its baskets are in '%s', which is not below the folder of the file", name);
  } else if (open_source(table->file->context, url, &side->source, &why) != MLAAS_OK) {
    side->fault = mlaas_arena_format(&table->arena, error, "its baskets are in another file: %s", why.message);
  }
  return side->source || side->fault ? MLAAS_OK : error->status;
}

enum mlaas_status mlaas_side_file_find(struct mlaas_table *table, struct mlaas_branch_plan *plan,
                                       struct mlaas_error *error) {
  const char *name = plan->branch->file_name;
  size_t i = 0;
  while (i < table->num_sides && strcmp(table->sides[i].name, name) != 0)
    i++;
  if (i == MOST_SIDE_FILES) {
    plan->unsupported = "its baskets are in another file, and there are too many of them";
    return MLAAS_OK;
  }
  if (!table->sides && !(table->sides = mlaas_arena_alloc(&table->arena, MOST_SIDE_FILES, sizeof *table->sides, error)))
    return error->status;
  if (i == table->num_sides) {
    MLAAS_TRY(open_side(table, name, &table->sides[i], error));
    table->num_sides++;
  }
  plan->side = i + 1;
  plan->unsupported = table->sides[i].fault;
  return MLAAS_OK;
}

void mlaas_side_files_close(struct mlaas_table *table) {
  for (size_t i = 0; i < table->num_sides; i++)
    if (table->sides[i].source)
      mlaas_source_put(table->sides[i].source);
  table->num_sides = 0;
}

struct mlaas_source *mlaas_side_file_source(const struct mlaas_table *table, const struct mlaas_branch_plan *plan) {
  return plan->side ? table->sides[plan->side - 1].source : table->file->container.source;
}
