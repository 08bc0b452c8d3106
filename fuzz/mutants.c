/* Reads mutants of one ROOT file, all in this process, and says what became of each. mutants.py starts it, and goes on
 * behind the mutant that killed it.
 *
 *     mutants [--seed S] [--first I] [--count N] [--memory BYTES] [--progress FILE] [--write PATH] [--plain] FILE
 *
 * FILE is read as it is first. Mutant I is then read N times over for I, I + 1 ...; the number of the one at work
 * stands in the progress file. Prints a line for each defect and one of sums. --write writes mutant I and reads
 * nothing. --plain stores metadata without compression first, so that mutants get behind the codecs' checksums.
 */
#include "mutant.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What works too long is a defect; what only waits may do so because of others on the machine. */
enum { WORK_SECONDS = 10, WAIT_SECONDS = 300, EXIT_HANG = 86, HEADROOM = 96 << 20 };

struct options {
  uint64_t seed, first, count;
  int64_t memory;
  const char *progress, *write, *path;
  bool plain;
};

struct sums {
  uint64_t same, refused, different, missing, covered, collisions, defects;
  double slowest;
};

struct job {
  struct options options;
  struct mutant_original original;
  struct mutant mutant;
  struct mutant_reading baseline, reading;
  struct mlaas_context *context;
  int progress;
  long resident; /* kilobytes after the baseline */
  struct sums sums;
};

static void on_alarm(int number) {
  static const char text[] = "defect: hang\n";
  (void)number;
  ssize_t ignored = write(STDOUT_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(EXIT_HANG);
}

static bool load(const char *path, struct mutant_original *original) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0)
    return false;
  long size = ftell(file);
  uint8_t *data = size > 0 ? malloc((size_t)size) : NULL;
  rewind(file);
  bool good = data && fread(data, 1, (size_t)size, file) == (size_t)size;
  fclose(file);
  original->data = data;
  original->size = good ? (size_t)size : 0;
  original->covered = calloc(1, original->size + 1);
  return good && original->covered;
}

/* ---- comparing ---- */

static int compare_values(const void *left, const void *right) {
  const struct mutant_value *a = left, *b = right;
  return a->name < b->name ? -1 : a->name > b->name;
}

static const struct mutant_value *find(const struct mutant_reading *reading, uint64_t name) {
  struct mutant_value key = {.name = name};
  return reading->count ? bsearch(&key, reading->values, reading->count, sizeof key, compare_values) : NULL;
}

enum verdict { SAME, REFUSED, MISSING, DIFFERENT };

static const char *const verdicts[] = {"same", "refused", "missing", "different"};

/* What the mutant says of one thing that the original has. */
static enum verdict judge(const struct mutant_value *value, const struct mutant_reading *reading) {
  const struct mutant_value *found = find(reading, value->name), *table = find(reading, value->path);
  const struct mutant_value *file = find(reading, 0);
  if (file || (table && table->outcome == MUTANT_REFUSED))
    return REFUSED;
  if (!found)
    return MISSING;
  if (found->outcome == value->outcome && found->digest == value->digest)
    return SAME;
  return found->outcome == MUTANT_REFUSED ? REFUSED : DIFFERENT;
}

/* The worst of all. Both readings are sorted. */
static enum verdict compare(const struct mutant_reading *baseline, const struct mutant_reading *reading) {
  enum verdict worst = SAME;
  for (size_t i = 0; i < baseline->count; i++) {
    enum verdict one = judge(&baseline->values[i], reading);
    worst = one > worst ? one : worst;
  }
  return worst;
}

static void sort(struct mutant_reading *reading) {
  if (reading->count)
    qsort(reading->values, reading->count, sizeof *reading->values, compare_values);
}

/* ---- one mutant ---- */

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void report(struct job *job, uint64_t index, const char *what) {
  job->sums.defects++;
  printf("defect: %s, mutant %llu (%s at", what, (unsigned long long)index, job->mutant.kind);
  for (size_t i = 0; i < job->mutant.num_changes; i++)
    printf(" %zu+%zu", job->mutant.changes[i].at, job->mutant.changes[i].size);
  printf(")\n");
  fflush(stdout);
}

static void count(struct job *job, uint64_t index, enum verdict verdict) {
  uint64_t *const sums[] = {&job->sums.same, &job->sums.refused, &job->sums.missing, &job->sums.different};
  ++*sums[verdict];
  job->sums.covered += job->mutant.covered;
  if (job->mutant.covered && verdict >= MISSING && mutant_collides(&job->original, &job->mutant)) {
    job->sums.collisions++;
  } else if (job->mutant.covered && verdict >= MISSING) {
    char text[80];
    snprintf(text, sizeof text, "%s values under a checksum", verdicts[verdict]);
    report(job, index, text);
  }
  if (job->mutant.covered && verdict == REFUSED && job->baseline.sound && job->reading.sound)
    report(job, index, "verify finds nothing where reading does");
}

static void check_memory(struct job *job, uint64_t index) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (mlaas_context_memory_held(job->context) != 0)
    report(job, index, "memory that was not given back");
  long allowed = job->resident + (long)((job->options.memory + HEADROOM) >> 10);
  if (usage.ru_maxrss > allowed) {
    report(job, index, "more memory than the ceiling");
    job->resident = usage.ru_maxrss;
  }
}

static void try_mutant(struct job *job, uint64_t index) {
  const struct itimerval work = {.it_value.tv_sec = WORK_SECONDS}, wait = {.it_value.tv_sec = WAIT_SECONDS}, none = {0};
  mutant_make(&job->original, job->options.seed * 1000003 + index, &job->mutant);
  if (job->progress >= 0 && pwrite(job->progress, &index, sizeof index, 0) != sizeof index)
    exit(2);
  /* exactly as large as it is, so that a sanitizer sees what is read behind it */
  uint8_t *exact = malloc(job->mutant.size + 1);
  if (!exact)
    exit(2);
  memcpy(exact, job->mutant.data, job->mutant.size);
  double start = now();
  setitimer(ITIMER_PROF, &work, NULL);
  setitimer(ITIMER_REAL, &wait, NULL);
  mutant_read(job->context, exact, job->mutant.size, &job->reading);
  setitimer(ITIMER_PROF, &none, NULL);
  setitimer(ITIMER_REAL, &none, NULL);
  double seconds = now() - start;
  free(exact);
  job->sums.slowest = seconds > job->sums.slowest ? seconds : job->sums.slowest;
  sort(&job->reading);
  count(job, index, compare(&job->baseline, &job->reading));
  check_memory(job, index);
}

/* ---- the program ---- */

static bool parse(int argc, char **argv, struct options *options) {
  static const struct option known[] = {
      {"seed", 1, NULL, 's'},   {"plain", 0, NULL, 'P'},    {"first", 1, NULL, 'f'}, {"count", 1, NULL, 'c'},
      {"memory", 1, NULL, 'm'}, {"progress", 1, NULL, 'p'}, {"write", 1, NULL, 'w'}, {0}};
  *options = (struct options){.count = 100, .memory = 256 << 20};
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;)
    switch (letter) {
    case 's':
      options->seed = strtoull(optarg, NULL, 10);
      break;
    case 'f':
      options->first = strtoull(optarg, NULL, 10);
      break;
    case 'c':
      options->count = strtoull(optarg, NULL, 10);
      break;
    case 'm':
      options->memory = strtoll(optarg, NULL, 10);
      break;
    case 'p':
      options->progress = optarg;
      break;
    case 'P':
      options->plain = true;
      break;
    case 'w':
      options->write = optarg;
      break;
    default:
      return false;
    }
  options->path = optind + 1 == argc ? argv[optind] : NULL;
  return options->path != NULL;
}

static int write_mutant(struct job *job) {
  mutant_make(&job->original, job->options.seed * 1000003 + job->options.first, &job->mutant);
  FILE *file = fopen(job->options.write, "wb");
  bool good = file && fwrite(job->mutant.data, 1, job->mutant.size, file) == job->mutant.size;
  if (!file || fclose(file) != 0 || !good)
    return 2;
  printf("%s\n", job->mutant.kind);
  return 0;
}

/* Whether the plain copy says what the file says. */
static bool same_values(struct job *job) {
  mutant_read(job->context, job->original.data, job->original.size, &job->reading);
  bool same = job->baseline.count == job->reading.count;
  for (size_t i = 0; same && i < job->baseline.count; i++)
    same = job->baseline.values[i].name == job->reading.values[i].name &&
           job->baseline.values[i].outcome == job->reading.values[i].outcome &&
           job->baseline.values[i].digest == job->reading.values[i].digest;
  return same;
}

static bool prepare(struct job *job) {
  struct mlaas_context_options options = {.size = sizeof options, .memory = job->options.memory, .threads = 1};
  if (!load(job->options.path, &job->original) || mlaas_context_new(&options, &job->context, NULL) != MLAAS_OK)
    return false;
  mutant_read(job->context, job->original.data, job->original.size, &job->baseline);
  if (job->options.plain && mutant_plain(&job->original, job->context) && !same_values(job)) {
    fprintf(stderr, "the file reads differently with its metadata stored plainly\n");
    exit(2);
  }
  mutant_cover(&job->original, job->context);
  job->mutant.data = malloc(2 * job->original.size + 128);
  job->progress = job->options.progress ? open(job->options.progress, O_WRONLY | O_CREAT, 0644) : -1;
  return mutant_places(&job->original) && job->mutant.data;
}

static void finish(struct job *job) {
  const struct sums *sums = &job->sums;
  printf("sums: same %llu refused %llu missing %llu different %llu covered %llu collisions %llu defects %llu slowest "
         "%.3f\n",
         (unsigned long long)sums->same, (unsigned long long)sums->refused, (unsigned long long)sums->missing,
         (unsigned long long)sums->different, (unsigned long long)sums->covered, (unsigned long long)sums->collisions,
         (unsigned long long)sums->defects, sums->slowest);
  mlaas_context_put(job->context);
  free(job->original.data);
  free(job->original.covered);
  free(job->original.places);
  free(job->original.repairs);
  free(job->original.sums);
  free(job->mutant.data);
  free(job->baseline.values);
  free(job->reading.values);
}

int main(int argc, char **argv) {
  struct job job = {0};
  if (!parse(argc, argv, &job.options) || !prepare(&job)) {
    fprintf(stderr, "usage: mutants [--seed S] [--first I] [--count N] [--memory BYTES] [--progress FILE] "
                    "[--write PATH] [--plain] FILE\n");
    return 2;
  }
  if (job.options.write)
    return write_mutant(&job);
  signal(SIGALRM, on_alarm);
  signal(SIGPROF, on_alarm);
  sort(&job.baseline);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  job.resident = usage.ru_maxrss;
  for (uint64_t i = 0; i < job.options.count; i++)
    try_mutant(&job, job.options.first + i);
  finish(&job);
  return job.sums.defects ? 1 : 0;
}
