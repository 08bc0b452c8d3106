/* What the user typed, checked against a command's table of options. Must not know any command. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/units.h"

#include <assert.h>
#include <mlaas/place.h>
#include <string.h>

struct value {
  const struct mlaas_option *option;
  const char *text;
  int64_t number; /* of SECONDS in milliseconds */
};

struct mlaas_arguments {
  const struct mlaas_command *command;
  struct value *values; /* in the order typed */
  size_t num_values;
  const char **operands;
  size_t num_operands;
  int *exit_code;               /* a command sees its arguments as constant, but for this */
  struct mlaas_places **places; /* and this: the operands as the files that they mean, or NULL */
  const char ***expanded;
};

static const struct mlaas_option *find_option(const struct mlaas_command *command, const char *name, size_t length) {
  for (const struct mlaas_option *option = command->options; option && option->name; option++)
    if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
      return option;
  return NULL;
}

static enum mlaas_status unknown_option(const struct mlaas_command *command, const char *name, size_t length,
                                        struct mlaas_error *error) {
  enum { MOST = 64 };
  const char *names[MOST] = {"help"};
  size_t count = 1;
  for (const struct mlaas_option *option = command->options; option && option->name && count < MOST; option++)
    names[count++] = option->name;
  char asked[128];
  snprintf(asked, sizeof asked, "%.*s", (int)(length < 100 ? length : 100), name);
  const char *near = mlaas_nearest(asked, names, count);
  if (near)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there is no option --%s; did you mean --%s?", asked, near);
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no option --%s; 'mlaas help %s' lists them", asked, command->name);
}

static bool is_choice(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (const char *at = choices; at && *at; at += strcspn(at, "|"), at += *at == '|')
    if (strcspn(at, "|") == length && memcmp(at, text, length) == 0)
      return true;
  return false;
}

static enum mlaas_status check_value(struct value *value, struct mlaas_error *error) {
  const struct mlaas_option *option = value->option;
  if (option->type == MLAAS_OPTION_COUNT && !mlaas_count_parse(value->text, &value->number))
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is '%s'; it must be a whole number, 0 or more", option->name,
                      value->text);
  if (option->type == MLAAS_OPTION_SIZE && !mlaas_size_parse(value->text, &value->number))
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is '%s'; it must be a size such as 300MB, 1GiB or 500000000",
                      option->name, value->text);
  if (option->type == MLAAS_OPTION_SECONDS && !mlaas_seconds_parse(value->text, &value->number))
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is '%s'; it must be a time such as 15, 0.5, 500ms or 2min",
                      option->name, value->text);
  if (option->type == MLAAS_OPTION_CHOICE && !is_choice(option->choices, value->text))
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is '%s'; it must be one of %s", option->name, value->text,
                      option->choices);
  if (option->type != MLAAS_OPTION_FLAG && !value->text[0])
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is empty; it needs %s", option->name, option->argument);
  return MLAAS_OK;
}

/* Takes the option at argv[*i], and its value from the next word where it is not behind "=". */
static enum mlaas_status take_option(struct mlaas_arguments *arguments, int argc, char **argv, int *i,
                                     struct mlaas_error *error) {
  const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
  size_t length = strcspn(name, "=");
  const struct mlaas_option *option = find_option(arguments->command, name, length);
  if (!option)
    return unknown_option(arguments->command, name, length, error);
  struct value value = {option, name[length] ? name + length + 1 : NULL, 0};
  if (option->type == MLAAS_OPTION_FLAG && value.text)
    return mlaas_fail(error, MLAAS_ARGUMENT, "--%s takes no value", option->name);
  if (option->type != MLAAS_OPTION_FLAG && !value.text) {
    if (*i + 1 >= argc)
      return mlaas_fail(error, MLAAS_ARGUMENT, "--%s needs a value: --%s %s", option->name, option->name,
                        option->argument);
    value.text = argv[++*i];
  }
  MLAAS_TRY(check_value(&value, error));
  arguments->values[arguments->num_values++] = value;
  return MLAAS_OK;
}

static enum mlaas_status check_complete(const struct mlaas_arguments *arguments, struct mlaas_error *error) {
  const struct mlaas_command *command = arguments->command;
  for (const struct mlaas_option *option = command->options; option && option->name; option++)
    if (option->required && !mlaas_arguments_text(arguments, option->name))
      return mlaas_fail(error, MLAAS_ARGUMENT, "--%s is missing: 'mlaas help %s' says more", option->name,
                        command->name);
  if (arguments->num_operands < (size_t)command->least_operands)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is missing: mlaas %s %s", command->operands, command->name,
                      command->operands);
  if (command->most_operands >= 0 && arguments->num_operands > (size_t)command->most_operands)
    return mlaas_fail(error, MLAAS_ARGUMENT, "'%s' is one word too many: 'mlaas help %s' says what is expected",
                      arguments->operands[command->most_operands], command->name);
  return MLAAS_OK;
}

static enum mlaas_status take_all(struct mlaas_arguments *arguments, int argc, char **argv, bool *help,
                                  struct mlaas_error *error) {
  bool options_over = false;
  for (int i = 0; i < argc; i++) {
    const char *word = argv[i];
    if (options_over || word[0] != '-' || !word[1]) {
      arguments->operands[arguments->num_operands++] = word;
    } else if (strcmp(word, "--") == 0) {
      options_over = true;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      *help = true;
      return MLAAS_OK;
    } else if (word[1] != '-' && !arguments->command->single_dash) {
      return mlaas_fail(error, MLAAS_ARGUMENT, "there is no option %s; options are spelled out, as in --help", word);
    } else {
      MLAAS_TRY(take_option(arguments, argc, argv, &i, error));
    }
  }
  return check_complete(arguments, error);
}

enum mlaas_status mlaas_arguments_parse(const struct mlaas_command *command, int argc, char **argv,
                                        struct mlaas_arguments **arguments, bool *help, struct mlaas_error *error) {
  struct mlaas_arguments *made = mlaas_alloc(sizeof *made);
  *help = false;
  if (made) {
    made->command = command;
    made->values = mlaas_alloc((size_t)argc * sizeof *made->values);
    made->operands = mlaas_alloc((size_t)argc * sizeof *made->operands);
    made->exit_code = mlaas_alloc(sizeof *made->exit_code);
    made->places = mlaas_alloc(sizeof *made->places);
    made->expanded = mlaas_alloc(sizeof *made->expanded);
  }
  enum mlaas_status status = made && made->values && made->operands && made->exit_code && made->places && made->expanded
                                 ? take_all(made, argc, argv, help, error)
                                 : mlaas_fail(error, MLAAS_MEMORY, "no memory for the arguments");
  if (status != MLAAS_OK) {
    mlaas_arguments_free(made);
    made = NULL;
  }
  *arguments = made;
  return status;
}

void mlaas_arguments_free(struct mlaas_arguments *arguments) {
  if (!arguments)
    return;
  mlaas_free(arguments->values);
  mlaas_free(arguments->operands);
  mlaas_free(arguments->exit_code);
  if (arguments->places)
    mlaas_places_free(*arguments->places);
  if (arguments->expanded)
    mlaas_free((void *)*arguments->expanded);
  mlaas_free(arguments->places);
  mlaas_free((void *)arguments->expanded);
  mlaas_free(arguments);
}

const struct mlaas_command *mlaas_arguments_command(const struct mlaas_arguments *arguments) {
  return arguments->command;
}

size_t mlaas_arguments_num_operands(const struct mlaas_arguments *arguments) {
  return *arguments->places ? mlaas_places_count(*arguments->places) : arguments->num_operands;
}

const char *const *mlaas_arguments_operands(const struct mlaas_arguments *arguments) {
  return *arguments->places ? *arguments->expanded : arguments->operands;
}

enum mlaas_status mlaas_arguments_expand(const struct mlaas_arguments *arguments, struct mlaas_context *context,
                                         const char *redirector, struct mlaas_error *error) {
  struct mlaas_places_options options = {.size = sizeof options, .redirector = redirector, .lists = true};
  struct mlaas_places *places = NULL;
  MLAAS_TRY(mlaas_places_expand(context, arguments->operands, arguments->num_operands, &options, &places, error));
  const char **names = mlaas_alloc(mlaas_places_count(places) * sizeof *names);
  if (!names) {
    mlaas_places_free(places);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the names of files");
  }
  for (size_t i = 0; i < mlaas_places_count(places); i++)
    names[i] = mlaas_places_name(places, i);
  *arguments->places = places;
  *arguments->expanded = names;
  return MLAAS_OK;
}

bool mlaas_arguments_knows(const struct mlaas_arguments *arguments, const char *name) {
  return find_option(arguments->command, name, strlen(name));
}

/* The i-th value of the option, or NULL. */
static const struct value *nth_value(const struct mlaas_arguments *arguments, const char *name, size_t i) {
  const struct mlaas_option *option = find_option(arguments->command, name, strlen(name));
  assert(option);
  for (size_t at = 0; at < arguments->num_values; at++)
    if (arguments->values[at].option == option && i-- == 0)
      return &arguments->values[at];
  return NULL;
}

size_t mlaas_arguments_count(const struct mlaas_arguments *arguments, const char *name) {
  size_t count = 0;
  while (nth_value(arguments, name, count))
    count++;
  return count;
}

const char *mlaas_arguments_nth(const struct mlaas_arguments *arguments, const char *name, size_t i) {
  const struct value *value = nth_value(arguments, name, i);
  return value ? value->text : NULL;
}

static const struct value *last_value(const struct mlaas_arguments *arguments, const char *name) {
  size_t count = mlaas_arguments_count(arguments, name);
  return count ? nth_value(arguments, name, count - 1) : NULL;
}

bool mlaas_arguments_flag(const struct mlaas_arguments *arguments, const char *name) {
  return mlaas_arguments_count(arguments, name) > 0;
}

const char *mlaas_arguments_text(const struct mlaas_arguments *arguments, const char *name) {
  const struct value *value = last_value(arguments, name);
  return value ? value->text : NULL;
}

int64_t mlaas_arguments_number(const struct mlaas_arguments *arguments, const char *name, int64_t fallback) {
  const struct value *value = last_value(arguments, name);
  return value ? value->number : fallback;
}

double mlaas_arguments_seconds(const struct mlaas_arguments *arguments, const char *name, double fallback) {
  const struct value *value = last_value(arguments, name);
  return value ? (double)value->number / 1e3 : fallback;
}

void mlaas_arguments_conclude(const struct mlaas_arguments *arguments, int exit_code) {
  *arguments->exit_code = exit_code;
}

int mlaas_arguments_exit_code(const struct mlaas_arguments *arguments) { return *arguments->exit_code; }
