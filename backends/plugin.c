/* What the back ends of frameworks share. Must not know any framework. */
#define _GNU_SOURCE
#include "plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* ---- libraries ---- */

/* The newest file of `folder` whose name begins as the library's. */
static bool find_in_folder(const char *folder, const char *file, char *path, size_t size) {
  char best[NAME_MAX + 1] = "";
  DIR *directory = opendir(folder);
  if (!directory)
    return false;
  for (struct dirent *entry; (entry = readdir(directory));)
    if (strncmp(entry->d_name, file, strlen(file)) == 0 && strverscmp(entry->d_name, best) > 0)
      snprintf(best, sizeof best, "%s", entry->d_name);
  closedir(directory);
  return best[0] && (size_t)snprintf(path, size, "%s/%s", folder, best) < size;
}

enum mlaas_status plugin_library_open(const struct plugin_library *library, const char *folder, void **handle,
                                      struct mlaas_error *error) {
  char path[PATH_MAX];
  if (folder && (find_in_folder(folder, library->file, path, sizeof path) ||
                 (library->also_file && find_in_folder(folder, library->also_file, path, sizeof path)))) {
    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*handle)
      return MLAAS_OK;
    const char *words = dlerror();
    char what[PATH_MAX + 64];
    snprintf(what, sizeof what, "cannot load the library of %s", library->framework);
    return plugin_fail_words(error, MLAAS_NOT_FOUND, what, words ? words : path);
  }
  *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
  if (!*handle && library->also_soname)
    *handle = dlopen(library->also_soname, RTLD_NOW | RTLD_LOCAL);
  if (*handle)
    return MLAAS_OK;
  return mlaas_backend_fail(error, MLAAS_NOT_FOUND,
                            "%s is not here: no %s%s%s nor where the dynamic linker looks; pip install %s, and set "
                            "MLAAS_LIBRARIES to the folder of the packages (site-packages)",
                            library->framework, library->file, folder ? " in " : "", folder ? folder : "",
                            library->package);
}

enum mlaas_status plugin_symbol(const struct plugin_library *library, void *handle, const char *name, void *target,
                                struct mlaas_error *error) {
  void *address = dlsym(handle, name);
  if (!address)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "the library of %s has no function %s: install a newer %s",
                              library->framework, name, library->package);
  memcpy(target, &address, sizeof address);
  return MLAAS_OK;
}

/* ---- files, options, words ---- */

bool plugin_is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

enum mlaas_status plugin_check_path(const char *path, bool folder, struct mlaas_error *error) {
  struct stat status;
  if (stat(path, &status) != 0)
    return mlaas_backend_fail(error, errno == ENOENT || errno == ENOTDIR ? MLAAS_NOT_FOUND : MLAAS_IO, "%s: %s", path,
                              strerror(errno));
  if (S_ISDIR(status.st_mode) != folder)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "%s is %s folder, a %s was expected", path, folder ? "no" : "a",
                              folder ? "folder" : "file");
  return MLAAS_OK;
}

enum mlaas_status plugin_read_file(const char *path, size_t most, char **bytes, size_t *size,
                                   struct mlaas_error *error) {
  enum mlaas_status status = plugin_check_path(path, false, error);
  if (status != MLAAS_OK)
    return status;
  FILE *file = fopen(path, "rbe");
  struct stat info;
  if (!file || fstat(fileno(file), &info) != 0) {
    status = mlaas_backend_fail(error, MLAAS_IO, "%s: %s", path, strerror(errno));
  } else if (info.st_size < 0 || (uint64_t)info.st_size > most) {
    status = mlaas_backend_fail(error, MLAAS_FORMAT, "%s has %lld bytes, at most %zu can be read", path,
                                (long long)info.st_size, most);
  } else if (!(*bytes = malloc((size_t)info.st_size + 1))) {
    status =
        mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the %lld bytes of %s", (long long)info.st_size, path);
  } else if ((*size = fread(*bytes, 1, (size_t)info.st_size, file)) != (size_t)info.st_size) {
    free(*bytes);
    status = mlaas_backend_fail(error, MLAAS_IO, "%s: read %zu of %lld bytes", path, *size, (long long)info.st_size);
  } else {
    (*bytes)[*size] = 0;
  }
  if (file)
    fclose(file);
  return status;
}

const char *plugin_option(const struct mlaas_backend_config *config, const char *key) {
  for (size_t i = 0; i < config->num_options; i++)
    if (strcmp(config->options[i].key, key) == 0)
      return config->options[i].value;
  return NULL;
}

static bool is_among(const char *words, const char *word) {
  size_t length = strlen(word);
  for (const char *at = words; length && (at = strstr(at, word)); at += length)
    if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
      return true;
  return false;
}

enum mlaas_status plugin_check_options(const struct mlaas_backend_config *config, const char *known,
                                       struct mlaas_error *error) {
  for (size_t i = 0; i < config->num_options; i++)
    if (strchr(config->options[i].key, ' ') || !is_among(known, config->options[i].key))
      return mlaas_backend_fail(error, MLAAS_ARGUMENT, "unknown option %.100s; there are: %s", config->options[i].key,
                                known);
  return MLAAS_OK;
}

enum mlaas_status plugin_option_flag(const struct mlaas_backend_config *config, const char *key, bool *value,
                                     struct mlaas_error *error) {
  const char *text = plugin_option(config, key);
  if (!text)
    return MLAAS_OK;
  bool yes = is_among("1 true yes", text);
  if (!yes && !is_among("0 false no", text))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the option %s is %.100s, expected true or false", key, text);
  *value = yes;
  return MLAAS_OK;
}

bool plugin_list_next(const char **list, char *name) {
  const char *at = *list + strspn(*list, " ,");
  size_t length = strcspn(at, ",");
  *list = at + length;
  while (length && at[length - 1] == ' ')
    length--;
  snprintf(name, PLUGIN_NAME_MOST, "%.*s", (int)(length < PLUGIN_NAME_MOST ? length : PLUGIN_NAME_MOST), at);
  return length > 0;
}

bool plugin_list_has(const char *list, const char *name) {
  char next[PLUGIN_NAME_MOST];
  while (plugin_list_next(&list, next))
    if (strcmp(next, name) == 0)
      return true;
  return false;
}

size_t plugin_list_count(const char *list) {
  char next[PLUGIN_NAME_MOST];
  size_t count = 0;
  while (plugin_list_next(&list, next))
    count++;
  return count;
}

enum mlaas_status plugin_fail_words(struct mlaas_error *error, enum mlaas_status status, const char *what,
                                    const char *words) {
  char line[900];
  size_t length = 0;
  for (const char *at = words ? words : ""; *at && length + 1 < sizeof line; at++) {
    /* Frameworks quote the bytes of damaged files, which are no UTF-8. */
    char letter = (unsigned char)*at < ' ' ? ' ' : (unsigned char)*at < 0x7f ? *at : '?';
    if (letter != ' ' || (length && line[length - 1] != ' '))
      line[length++] = letter;
  }
  while (length && line[length - 1] == ' ')
    length--;
  line[length] = 0;
  return mlaas_backend_fail(error, status, "%s%s%s", what, length ? ": " : "", line);
}

/* ---- inputs and outputs ---- */

enum mlaas_status plugin_ports_add(struct plugin_ports *ports, const char *name, const char *shown,
                                   enum mlaas_dtype dtype, struct mlaas_error *error) {
  if (ports->count >= PLUGIN_PORTS_MOST)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the model has more than %d inputs or outputs", PLUGIN_PORTS_MOST);
  if (strlen(name) > PLUGIN_NAME_MOST || strlen(shown) > PLUGIN_NAME_MOST)
    return mlaas_backend_fail(error, MLAAS_FORMAT,
                              "the model's input or output %.60s... has a name of more than %d bytes", name,
                              PLUGIN_NAME_MOST);
  struct mlaas_tensor_info *infos = realloc(ports->infos, (ports->count + 1) * sizeof *infos);
  if (infos)
    ports->infos = infos;
  const char **names = infos ? realloc(ports->names, (ports->count + 1) * sizeof *names) : NULL;
  if (names)
    ports->names = names;
  char *first = names ? strdup(name) : NULL, *second = first ? strdup(shown) : NULL;
  if (!second) {
    free(first);
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the model's inputs and outputs");
  }
  names[ports->count] = first;
  infos[ports->count++] = (struct mlaas_tensor_info){.name = second, .dtype = dtype};
  return MLAAS_OK;
}

static void free_text(const char *text) {
  char *mine;
  memcpy(&mine, &text, sizeof mine);
  free(mine);
}

void plugin_ports_reset(struct plugin_ports *ports) {
  for (size_t i = 0; i < ports->count; i++) {
    free_text(ports->names[i]);
    free_text(ports->infos[i].name);
  }
  free(ports->names);
  free(ports->infos);
  *ports = (struct plugin_ports){0};
}

const struct mlaas_tensor_info *plugin_model_inputs(const void *model, size_t *count) {
  *count = ((const struct plugin_model *)model)->inputs.count;
  return ((const struct plugin_model *)model)->inputs.infos;
}

const struct mlaas_tensor_info *plugin_model_outputs(const void *model, size_t *count) {
  *count = ((const struct plugin_model *)model)->outputs.count;
  return ((const struct plugin_model *)model)->outputs.infos;
}

size_t plugin_dtype_bytes(enum mlaas_dtype dtype) {
  static const unsigned char sizes[] = {
#define X(symbol, name, bytes) bytes,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return sizes[dtype];
}

int64_t plugin_elements(const int64_t *shape, int num_dims) {
  int64_t elements = 1;
  for (int i = 0; i < num_dims; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(elements, shape[i], &elements))
      return -1;
  return elements;
}

/* ---- objects that are used again ---- */

struct plugin_held *plugin_pool_take(struct plugin_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  struct plugin_held *held = pool->first;
  if (held)
    pool->first = held->next;
  pthread_mutex_unlock(&pool->lock);
  return held;
}

void plugin_pool_give(struct plugin_pool *pool, struct plugin_held *held) {
  pthread_mutex_lock(&pool->lock);
  held->next = pool->first;
  pool->first = held;
  pthread_mutex_unlock(&pool->lock);
}

enum mlaas_status plugin_block_reserve(struct plugin_block *block, size_t size, struct mlaas_error *error) {
  if (size <= block->room && block->data)
    return MLAAS_OK;
  size_t room = (size + 4096) / 64 * 64; /* a little more, so that batches that grow slowly do not ask each time */
  free(block->data);
  block->room = 0;
  if (room < size || !(block->data = aligned_alloc(64, room))) {
    block->data = NULL;
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for %zu bytes of outputs", size);
  }
  block->room = room;
  return MLAAS_OK;
}

void plugin_block_reset(struct plugin_block *block) {
  free(block->data);
  *block = (struct plugin_block){0};
}

bool plugin_is_input(const struct mlaas_tensor *inputs, size_t count, const void *data) {
  for (size_t i = 0; i < count; i++) {
    uintptr_t begin = (uintptr_t)inputs[i].data, at = (uintptr_t)data;
    if (at >= begin && at - begin < inputs[i].size)
      return true;
  }
  return false;
}

enum mlaas_status plugin_keep_output(const struct mlaas_tensor *inputs, size_t count, struct mlaas_tensor *output,
                                     struct plugin_block *block, struct mlaas_error *error) {
  if (output->size == 0 || !plugin_is_input(inputs, count, output->data))
    return MLAAS_OK;
  enum mlaas_status status = plugin_block_reserve(block, output->size, error);
  if (status != MLAAS_OK)
    return status;
  memcpy(block->data, output->data, output->size);
  output->data = block->data;
  return MLAAS_OK;
}
