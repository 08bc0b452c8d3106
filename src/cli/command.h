/* Commands and their options as data: parsing, help, man pages, completion and docs/cli.md all come from these records.
 * One command per file; command.c lists them. Nothing here knows how a command does its work.
 */
#ifndef MLAAS_CLI_COMMAND_H
#define MLAAS_CLI_COMMAND_H

#include <mlaas/status.h>
#include <stdbool.h>
#include <stdio.h>

enum mlaas_option_type {
  MLAAS_OPTION_FLAG, /* takes no argument */
  MLAAS_OPTION_TEXT,
  MLAAS_OPTION_FILE,      /* an existing file, or a list of them: completed by file name */
  MLAAS_OPTION_DIRECTORY, /* completed by directory name */
  MLAAS_OPTION_COUNT,     /* a whole number, not negative */
  MLAAS_OPTION_SIZE,      /* bytes: 300000000, 300MB, 1GiB */
  MLAAS_OPTION_SECONDS,   /* 15, 0.5, 500ms, 2min */
  MLAAS_OPTION_CHOICE     /* one of `choices` */
};

struct mlaas_option {
  const char *name; /* without dashes */
  enum mlaas_option_type type;
  const char *argument; /* how help calls the value; NULL for flags */
  const char *choices;  /* "root|parquet|csv" */
  const char *fallback; /* the default as help says it; NULL: none worth saying */
  const char *help;     /* one sentence without full stop */
  bool required, repeats;
  const char *group; /* a heading for this option and those behind it, until the next; NULL: none begins here */
};

/* For mlaas_costs_show. */
#define MLAAS_OPTION_VERBOSE                                                                                           \
  { .name = "verbose", .help = "Say what reading each file took: requests, bytes, retries" }

/* What every command that reads entries takes. */
#define MLAAS_OPTIONS_OF_WORK                                                                                          \
  {.name = "memory",                                                                                                   \
   .type = MLAAS_OPTION_SIZE,                                                                                          \
   .argument = "SIZE",                                                                                                 \
   .fallback = "1GiB",                                                                                                 \
   .help = "Ceiling on the memory for reading and batches, such as 300MB"},                                            \
      {.name = "threads",                                                                                              \
       .type = MLAAS_OPTION_COUNT,                                                                                     \
       .argument = "N",                                                                                                \
       .fallback = "one per core",                                                                                     \
       .help = "Threads that read and make batches"},                                                                  \
  {                                                                                                                    \
    .name = "quiet", .help = "Show no progress"                                                                        \
  }

/* What one thing in a ROOT file may claim: for mlaas_arguments_context. */
#define MLAAS_OPTIONS_OF_LIMITS                                                                                        \
  {.group = "Limits on what a file may claim",                                                                         \
   .name = "max-metadata",                                                                                             \
   .type = MLAAS_OPTION_SIZE,                                                                                          \
   .argument = "SIZE",                                                                                                 \
   .fallback = "256MiB",                                                                                               \
   .help = "Ceiling on one record of metadata of a file, inflated"},                                                   \
      {.name = "max-basket",                                                                                           \
       .type = MLAAS_OPTION_SIZE,                                                                                      \
       .argument = "SIZE",                                                                                             \
       .fallback = "256MiB",                                                                                           \
       .help = "Ceiling on one basket of a tree, inflated"},                                                           \
      {.name = "max-page",                                                                                             \
       .type = MLAAS_OPTION_SIZE,                                                                                      \
       .argument = "SIZE",                                                                                             \
       .fallback = "256MiB",                                                                                           \
       .help = "Ceiling on one page of an ntuple, inflated"},                                                          \
      {.name = "max-nesting",                                                                                          \
       .type = MLAAS_OPTION_COUNT,                                                                                     \
       .argument = "N",                                                                                                \
       .fallback = "100",                                                                                              \
       .help = "Ceiling on levels of directories, objects, branches and types, at most 1000"},                         \
      {.name = "max-columns",                                                                                          \
       .type = MLAAS_OPTION_COUNT,                                                                                     \
       .argument = "N",                                                                                                \
       .fallback = "1000000",                                                                                          \
       .help = "Ceiling on the branches, fields and columns of one table"},                                            \
  {                                                                                                                    \
    .name = "trust-pages", .help = "Do not compare the checksums of an ntuple's pages"                                 \
  }

/* How files on servers are reached: for mlaas_arguments_context and mlaas_arguments_params. */
#define MLAAS_OPTIONS_OF_REMOTE                                                                                        \
  {.group = "Files on servers",                                                                                        \
   .name = "redirector",                                                                                               \
   .type = MLAAS_OPTION_TEXT,                                                                                          \
   .argument = "URL",                                                                                                  \
   .help = "Put in front of names of files that are not here, such as root://cms-xrd-global.cern.ch"},                 \
      {.name = "connect-timeout",                                                                                      \
       .type = MLAAS_OPTION_SECONDS,                                                                                   \
       .argument = "SECONDS",                                                                                          \
       .fallback = "10",                                                                                               \
       .help = "How long a connection may take, with TLS and login; 0.5 and 500ms are times, too"},                    \
      {.name = "timeout",                                                                                              \
       .type = MLAAS_OPTION_SECONDS,                                                                                   \
       .argument = "SECONDS",                                                                                          \
       .fallback = "15",                                                                                               \
       .help = "How long a server may be silent before a request is given up"},                                        \
      {.name = "deadline",                                                                                             \
       .type = MLAAS_OPTION_SECONDS,                                                                                   \
       .argument = "SECONDS",                                                                                          \
       .fallback = "120",                                                                                              \
       .help = "How long one read may take with all its retries and replicas"},                                        \
      {.name = "retries",                                                                                              \
       .type = MLAAS_OPTION_COUNT,                                                                                     \
       .argument = "N",                                                                                                \
       .fallback = "4",                                                                                                \
       .help = "How often a request is repeated at one replica"},                                                      \
      {.name = "remote-cache",                                                                                         \
       .type = MLAAS_OPTION_SIZE,                                                                                      \
       .argument = "SIZE",                                                                                             \
       .fallback = "a quarter of the memory, at most 256MiB",                                                          \
       .help = "Ceiling on bytes of remote files that are kept or on their way"},                                      \
      {.name = "token-file",                                                                                           \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .help =                                                                                                         \
           "A bearer token, read again when it is needed; without: BEARER_TOKEN, BEARER_TOKEN_FILE, WLCG's places"},   \
      {.name = "certificate",                                                                                          \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .help = "Certificate or proxy of yours (PEM); without: X509_USER_PROXY"},                                       \
      {.name = "key",                                                                                                  \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .help = "Its key, where it is in a file of its own"},                                                           \
      {.name = "authorities",                                                                                          \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "PATH",                                                                                             \
       .help = "File or folder of certificates to trust; without: X509_CERT_DIR, or the system's"},                    \
      {.name = "s3-endpoint",                                                                                          \
       .type = MLAAS_OPTION_TEXT,                                                                                      \
       .argument = "URL",                                                                                              \
       .help = "Where s3://BUCKET/KEY is, such as https://s3.example.org"},                                            \
      {.name = "s3-region",                                                                                            \
       .type = MLAAS_OPTION_TEXT,                                                                                      \
       .argument = "NAME",                                                                                             \
       .fallback = "us-east-1",                                                                                        \
       .help = "Region of S3"},                                                                                        \
  {                                                                                                                    \
    .name = "insecure", .help = "Do not check the certificates of servers: for tests only"                             \
  }

/* What is done about files that cannot be read. */
#define MLAAS_OPTIONS_OF_BAD_FILES                                                                                     \
  {                                                                                                                    \
    .name = "on-bad-file", .type = MLAAS_OPTION_CHOICE, .argument = "WHAT", .choices = "fail|skip|quota",              \
    .fallback = "fail",                                                                                                \
    .help =                                                                                                            \
        "What happens with a file that cannot be read or is damaged: stop, leave it out, or leave it out and take "    \
        "its share of nevts from others of its label; where files were left out the exit code is 14"                   \
  }

struct mlaas_arguments;
struct mlaas_context;

struct mlaas_command {
  const char *name;
  const char *operands;               /* "FILE...", as help shows them; "" for none */
  const char *summary;                /* one line without full stop */
  const char *text;                   /* paragraphs, separated by an empty line */
  const char *examples;               /* lines: a command line, then what it does behind "  # " */
  const struct mlaas_option *options; /* ends with a NULL name; NULL: none */
  int least_operands, most_operands;  /* most: -1 for any number */
  bool single_dash;                   /* "-config FILE" is "--config FILE", as Go's programs have it */
  enum mlaas_status (*run)(const struct mlaas_arguments *arguments, struct mlaas_error *error);
};

/* ---- the table of commands ---- */

const struct mlaas_command *mlaas_command_at(size_t i); /* NULL past the end */
/* ARGUMENT with the nearest name when there is no such command. */
enum mlaas_status mlaas_command_find(const char *name, const struct mlaas_command **command, struct mlaas_error *error);

extern const struct mlaas_command mlaas_command_inspect, mlaas_command_specs, mlaas_command_train,
    mlaas_command_predict, mlaas_command_convert, mlaas_command_serve, mlaas_command_models, mlaas_command_score,
    mlaas_command_model_check, mlaas_command_help, mlaas_command_version, mlaas_command_completion;

/* ---- what the user typed ---- */

/* Parses `argv` (without program and command name). "--name value", "--name=value", "--" ends the options. Errors:
 * ARGUMENT, with the nearest option for an unknown one. The result borrows argv. *help is set by --help or -h, and then
 * nothing else is checked. */
enum mlaas_status mlaas_arguments_parse(const struct mlaas_command *command, int argc, char **argv,
                                        struct mlaas_arguments **arguments, bool *help, struct mlaas_error *error);
void mlaas_arguments_free(struct mlaas_arguments *arguments);

const struct mlaas_command *mlaas_arguments_command(const struct mlaas_arguments *arguments);
/* From now on the operands are the files that they mean (see mlaas/place.h). Once. */
enum mlaas_status mlaas_arguments_expand(const struct mlaas_arguments *arguments, struct mlaas_context *context,
                                         const char *redirector, struct mlaas_error *error);
size_t mlaas_arguments_num_operands(const struct mlaas_arguments *arguments);
const char *const *mlaas_arguments_operands(const struct mlaas_arguments *arguments);
/* The options by name, which must be in the command's table. text: the last value given, or NULL. */
bool mlaas_arguments_flag(const struct mlaas_arguments *arguments, const char *name);
const char *mlaas_arguments_text(const struct mlaas_arguments *arguments, const char *name);
size_t mlaas_arguments_count(const struct mlaas_arguments *arguments, const char *name);
const char *mlaas_arguments_nth(const struct mlaas_arguments *arguments, const char *name, size_t i);
/* The number behind an option of type COUNT or SIZE, or `fallback`. */
int64_t mlaas_arguments_number(const struct mlaas_arguments *arguments, const char *name, int64_t fallback);
/* Of type SECONDS. */
double mlaas_arguments_seconds(const struct mlaas_arguments *arguments, const char *name, double fallback);
bool mlaas_arguments_knows(const struct mlaas_arguments *arguments, const char *name); /* the command has the option */
/* The effective parameters (see mlaas_params_check) as JSON, for
 * mlaas_text_free: those of --params, then --set, then the options that
 * are parameters, as far as the command has these options. */
enum mlaas_status mlaas_arguments_params(const struct mlaas_arguments *arguments, char **json,
                                         struct mlaas_error *error);
struct mlaas_list;
/* Adds the files that `text` means to the list (cli/files.h), with the redirector of the parameters; servers are asked
 * where `context` is not NULL. */
enum mlaas_status mlaas_arguments_files(const struct mlaas_arguments *arguments, struct mlaas_context *context,
                                        const char *text, struct mlaas_list *list, struct mlaas_error *error);
/* A context by MLAAS_OPTIONS_OF_LIMITS and "memory", all of which the command must have, and by MLAAS_OPTIONS_OF_REMOTE
 * and the parameters, where it has those. threads 0: one per core. */
enum mlaas_status mlaas_arguments_context(const struct mlaas_arguments *arguments, int64_t threads,
                                          struct mlaas_context **context, struct mlaas_error *error);

/* For a command that succeeds and has something to say by its exit code: `inspect --diff` says 1 where files differ. */
void mlaas_arguments_conclude(const struct mlaas_arguments *arguments, int exit_code);
int mlaas_arguments_exit_code(const struct mlaas_arguments *arguments); /* 0 unless concluded otherwise */

/* ---- pages made from the tables ---- */

void mlaas_help_program(FILE *out);
void mlaas_help_command(const struct mlaas_command *command, FILE *out);
void mlaas_help_params(FILE *out);
/* kind: "markdown" (all commands), "params", "man" (of `command`, NULL: the program), "bash", "zsh". False for another.
 */
bool mlaas_page_write(const char *kind, const struct mlaas_command *command, FILE *out);
void mlaas_completion_bash(FILE *out);
void mlaas_completion_zsh(FILE *out);

#endif
