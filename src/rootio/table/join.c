/* Tables with friends: which files, which columns, and how rows find each other. Must not know how values are read. */
#include "rootio/table/join.h"

#include "base/error.h"
#include "source/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_FRIENDS = 64 };

/* ---- links of a table, for users ---- */

enum mlaas_status mlaas_table_links(struct mlaas_table *table, mlaas_table_link *link, void *context,
                                    struct mlaas_error *error) {
  struct mlaas_links links = {0};
  struct mlaas_file *file = table->file;
  if (table->entry->is_ntuple || table->entry->is_foreign)
    return MLAAS_OK;
  enum mlaas_status status = mlaas_links_read(&file->container, &file->streamers, table->entry->key, &links, error);
  if (status != MLAAS_OK) {
    mlaas_fail_in(error, status, "%s", table->entry->path);
    return mlaas_fail_in(error, status, "%s", mlaas_file_url(file));
  }
  for (size_t i = 0; i < links.num_friends; i++) {
    const struct mlaas_link *friend = &links.friends[i];
    link(context, &(struct mlaas_link_info){MLAAS_LINK_FRIEND, friend->alias, friend->table, friend->file});
  }
  for (size_t i = 0; i < links.num_parts; i++)
    link(context, &(struct mlaas_link_info){MLAAS_LINK_CHAIN, "", links.parts[i].table, links.parts[i].file});
  if (links.index)
    link(context, &(struct mlaas_link_info){MLAAS_LINK_INDEX, "", links.index->major, links.index->minor});
  mlaas_links_reset(&links);
  return MLAAS_OK;
}

/* ---- opening friends ---- */

static void close_friend(struct mlaas_join_friend *friend) {
  mlaas_table_close(friend->table);
  mlaas_links_reset(&friend->links);
}

void mlaas_join_free(struct mlaas_join *join) {
  if (!join)
    return;
  for (size_t i = 0; i < join->num_friends; i++)
    close_friend(&join->friends[i]);
  mlaas_free(join->friends);
  mlaas_table_close(join->base);
  mlaas_free(join);
}

/* A file may send to others of its own kind: one on a server never to files of this machine, one of this machine never
 * to servers, for what is in a file is nobody's wish. */
static bool may_follow(const char *own, const char *name) {
  size_t length = mlaas_place_scheme(name);
  if (!mlaas_place_is_remote(own))
    return !mlaas_place_is_remote(name);
  return length && mlaas_place_scheme(own) == length && strncasecmp(own, name, length) == 0;
}

static bool can_open(const struct mlaas_file *file, const char *place) {
  struct mlaas_source *source = NULL;
  if (mlaas_source_open(file->context, place, &source, NULL) != MLAAS_OK)
    return false;
  mlaas_source_put(source);
  return true;
}

/* The places where a file may be: beside the one that names it, by its whole name and by the last part of that, and as
 * it is named. */
enum mlaas_status mlaas_join_place(const struct mlaas_file *file, const char *name, struct mlaas_arena *arena,
                                   const char **url, struct mlaas_error *error) {
  const char *own = mlaas_source_place(file->container.source), *end = mlaas_place_query(name), *last = end;
  while (last > name && last[-1] != '/')
    last--;
  bool absolute = name[0] == '/' || mlaas_place_scheme(name), follow = may_follow(own, name);
  const char *named = mlaas_arena_strndup(arena, name, strlen(name), error);
  const char *part = named ? mlaas_arena_strndup(arena, last, (size_t)(end - last), error) : NULL;
  const char *moved = part ? mlaas_place_beside(own, part, arena, error) : NULL;
  const char *beside = moved && !absolute ? mlaas_place_beside(own, name, arena, error) : moved;
  if (!beside)
    return error->status;
  const char *places[] = {absolute && follow ? named : beside, absolute || !follow ? moved : named, moved};
  *url = places[0];
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    if ((i == 0 || strcmp(places[i], places[i - 1]) != 0) && can_open(file, places[i])) {
      *url = places[i];
      return MLAAS_OK;
    }
  if (!absolute || follow)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_UNSUPPORTED,
                    "the file names another as '%s', which is reached in another way than itself and so not followed; "
                    "put it beside the file",
                    name);
}

static enum mlaas_status open_file(struct mlaas_table *joined, const char *name, struct mlaas_file **file,
                                   struct mlaas_error *error) {
  const char *url = NULL;
  MLAAS_TRY(mlaas_join_place(joined->file, name, &joined->arena, &url, error));
  return mlaas_file_open(joined->file->context, url, file, error);
}

/* A number, or a column of the base that holds one. False for an expression. */
static bool find_key(const struct mlaas_table *base, const char *text, struct mlaas_join_key *key, bool *known) {
  char *end;
  errno = 0;
  key->number = strtoll(text, &end, 10);
  *known = true;
  if (*text && !*end && errno == 0)
    return true;
  if (text[strcspn(text, "+-*()[]<>=!&|^%?:, \"")])
    return false;
  struct mlaas_error ignored;
  key->is_column = true;
  *known = mlaas_table_find(base, text, &key->column, &ignored) == MLAAS_OK;
  return true;
}

/* As ROOT: a friend's index counts where the base has its columns, else row i belongs to entry i. */
static enum mlaas_status find_keys(struct mlaas_table *joined, struct mlaas_join_friend *friend,
                                   struct mlaas_error *error) {
  const struct mlaas_table *base = joined->join->base;
  const struct mlaas_tree_index *index = friend->links.index;
  const char *texts[2];
  bool known[2];
  friend->fault = friend->links.index_fault;
  if (!index)
    return MLAAS_OK;
  texts[0] = index->major;
  texts[1] = index->minor;
  for (int i = 0; i < 2; i++)
    if (!find_key(base, texts[i], &friend->keys[i], &known[i])) {
      friend->fault =
          mlaas_arena_format(&joined->arena, error, "its index is by '%s', which is not computed", texts[i]);
      return friend->fault ? MLAAS_OK : error->status;
    }
  if (!known[0] || !known[1])
    return MLAAS_OK;
  friend->index = index;
  for (int i = 0; i < 2; i++) {
    const struct mlaas_table_column *column = friend->keys[i].is_column ? &base->columns[friend->keys[i].column] : NULL;
    bool is_number = !column || (!column->plan.unsupported && column->shown->kind == MLAAS_NODE_VALUE);
    if (!is_number) {
      friend->fault = mlaas_arena_format(&joined->arena, error, "its index is by '%s', which is no number", texts[i]);
      return friend->fault ? MLAAS_OK : error->status;
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status open_friend(struct mlaas_table *joined, const struct mlaas_link *link,
                                     struct mlaas_join_friend *friend, struct mlaas_error *error) {
  struct mlaas_file *file = NULL;
  friend->alias = mlaas_arena_strndup(&joined->arena, link->alias, strlen(link->alias), error);
  if (!friend->alias)
    return error->status;
  if (link->file[0])
    MLAAS_TRY(open_file(joined, link->file, &file, error));
  else
    file = mlaas_file_get(joined->file);
  enum mlaas_status status = mlaas_table_open(file, link->table, &friend->table, error);
  if (status == MLAAS_OK && !friend->table->entry->is_ntuple)
    status = mlaas_links_read(&file->container, &file->streamers, friend->table->entry->key, &friend->links, error);
  mlaas_file_close(file);
  return status == MLAAS_OK ? find_keys(joined, friend, error) : status;
}

/* ---- columns ---- */

/* Columns [from, to) of one of the tables; 0: the table itself. */
static enum mlaas_status add_columns(struct mlaas_table *joined, size_t number, size_t from, size_t to,
                                     struct mlaas_error *error) {
  const struct mlaas_join_friend *friend = number ? &joined->join->friends[number - 1] : NULL;
  const struct mlaas_table *table = friend ? friend->table : joined->join->base;
  for (size_t i = from; i < to; i++) {
    struct mlaas_table_column column = table->columns[i];
    const char *counter = friend ? mlaas_table_counter(&column.plan) : NULL;
    column.friend_number = number;
    column.origin = i;
    column.missing = friend && (friend->index || friend->table->num_entries < joined->num_entries);
    if (friend)
      column.name = mlaas_arena_format(&joined->arena, error, "%s.%s", friend->alias, column.name);
    column.counter = counter ? mlaas_arena_format(&joined->arena, error, "%s.%s", friend->alias, counter) : NULL;
    if (!column.name || (counter && !column.counter))
      return error->status;
    if (friend && !column.plan.unsupported)
      column.plan.unsupported = friend->fault;
    mlaas_table_add(joined, &column);
  }
  return MLAAS_OK;
}

/* All columns, then the members of all: as tables have them. */
static enum mlaas_status add_all(struct mlaas_table *joined, struct mlaas_error *error) {
  const struct mlaas_join *join = joined->join;
  for (size_t i = 0; i <= join->num_friends; i++) {
    const struct mlaas_table *table = i ? join->friends[i - 1].table : join->base;
    MLAAS_TRY(add_columns(joined, i, 0, table->num_columns, error));
  }
  size_t wholes = joined->num_columns;
  for (size_t i = 0; i <= join->num_friends; i++) {
    const struct mlaas_table *table = i ? join->friends[i - 1].table : join->base;
    MLAAS_TRY(add_columns(joined, i, table->num_columns, table->num_columns + table->num_members, error));
  }
  joined->num_members = joined->num_columns - wholes;
  joined->num_columns = wholes;
  return MLAAS_OK;
}

void mlaas_join_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info) {
  const struct mlaas_table_column *column = &table->columns[i];
  const struct mlaas_join *join = table->join;
  mlaas_table_column(column->friend_number ? join->friends[column->friend_number - 1].table : join->base,
                     column->origin, info);
  info->name = column->name;
  info->unsupported = column->plan.unsupported;
  if (column->friend_number)
    info->counter = column->counter;
}

static enum mlaas_status add_friends(struct mlaas_table *joined, const struct mlaas_links *links,
                                     struct mlaas_error *error) {
  struct mlaas_join *join = joined->join;
  size_t most = join->base->num_columns + join->base->num_members;
  if (links->num_friends > MOST_FRIENDS)
    return mlaas_fail(error, MLAAS_LIMIT, "the table has %zu friends; at most %d are opened", links->num_friends,
                      MOST_FRIENDS);
  join->friends = mlaas_alloc((links->num_friends + 1) * sizeof *join->friends);
  if (!join->friends)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu friends", links->num_friends);
  for (size_t i = 0; i < links->num_friends; i++) {
    enum mlaas_status status = open_friend(joined, &links->friends[i], &join->friends[join->num_friends++], error);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "friend %s", links->friends[i].alias);
    most += join->friends[i].table->num_columns + join->friends[i].table->num_members;
  }
  MLAAS_TRY(mlaas_budget_check(joined->arena.budget, MLAAS_CEILING_COLUMNS, (int64_t)most, error));
  MLAAS_TRY(mlaas_table_make_room(joined, most, error));
  return add_all(joined, error);
}

static enum mlaas_status new_joined(struct mlaas_table *table, struct mlaas_table **joined, struct mlaas_error *error) {
  struct mlaas_table *made = mlaas_alloc(sizeof *made);
  struct mlaas_join *join = mlaas_alloc(sizeof *join);
  if (!made || !join) {
    mlaas_free(made);
    mlaas_free(join);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a table");
  }
  made->count = 1;
  made->file = mlaas_file_get(table->file);
  made->entry = table->entry;
  made->num_entries = table->num_entries;
  made->title = table->title;
  made->join = join;
  join->base = mlaas_table_get(table);
  mlaas_arena_init(&made->arena, table->arena.budget);
  *joined = made;
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_with_friends(struct mlaas_table *table, struct mlaas_table **joined,
                                           struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_links links = {0};
  struct mlaas_file *file = table->file;
  error = error ? error : &ignored;
  enum mlaas_status status = MLAAS_OK;
  *joined = NULL;
  if (!table->join && !table->entry->is_ntuple && !table->entry->is_foreign)
    status = mlaas_links_read(&file->container, &file->streamers, table->entry->key, &links, error);
  if (status == MLAAS_OK && links.num_friends == 0) {
    *joined = mlaas_table_get(table);
  } else if (status == MLAAS_OK) {
    status = new_joined(table, joined, error);
    if (status == MLAAS_OK)
      status = add_friends(*joined, &links, error);
  }
  mlaas_links_reset(&links);
  if (status == MLAAS_OK)
    return MLAAS_OK;
  mlaas_table_close(*joined);
  *joined = NULL;
  mlaas_fail_in(error, status, "%s", table->entry->path);
  return mlaas_fail_in(error, status, "%s", mlaas_file_url(file));
}
