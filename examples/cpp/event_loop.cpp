/* The event loop of an experiment's framework, with a model on a server: the events of a ROOT file are scored one by
 * one, in batches, and asynchronously, the three are compared, and their rates printed.
 *
 *   event_loop URL MODEL FILE [EVENTS [OUT.csv]]
 *
 * What is the framework's business (reading events) is done by libmlaas here; what is the server's by the client.
 */
#include <mlaas/file.h>
#include <mlaas/recipe.h>
#include <mlaas_client.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

namespace {

/* An event as the framework has it in memory. */
struct Event {
  std::map<std::string, double> numbers;
  std::map<std::string, std::vector<double>> lists;
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(mlaas_status status, const mlaas_error &error) {
  if (status == MLAAS_OK)
    return;
  char text[2048];
  mlaas_error_format(&error, text, sizeof text);
  throw Failure(text);
}

/* ---- reading: the framework's own ---- */

double number_at(const ArrowArray &array, char format, int64_t i) {
  const void *data = array.buffers[1];
  i += array.offset;
  switch (format) {
  case 'b':
    return static_cast<const uint8_t *>(data)[i / 8] >> (i % 8) & 1;
  case 'c':
    return static_cast<const int8_t *>(data)[i];
  case 'C':
    return static_cast<const uint8_t *>(data)[i];
  case 's':
    return static_cast<const int16_t *>(data)[i];
  case 'S':
    return static_cast<const uint16_t *>(data)[i];
  case 'i':
    return static_cast<const int32_t *>(data)[i];
  case 'I':
    return static_cast<const uint32_t *>(data)[i];
  case 'l':
    return static_cast<double>(static_cast<const int64_t *>(data)[i]);
  case 'L':
    return static_cast<double>(static_cast<const uint64_t *>(data)[i]);
  case 'f':
    return static_cast<const float *>(data)[i];
  case 'g':
    return static_cast<const double *>(data)[i];
  default:
    throw Failure(std::string("a branch of format ") + format + " holds no numbers");
  }
}

void add_branch(Event &event, const std::string &name, const ArrowSchema &schema, const ArrowArray &array,
                int64_t row) {
  if (schema.format[0] != '+') {
    event.numbers[name] = number_at(array, schema.format[0], row);
    return;
  }
  if (std::strcmp(schema.format, "+l") != 0)
    throw Failure("branch " + name + " is neither a number nor a list");
  const auto *offsets = static_cast<const int32_t *>(array.buffers[1]) + array.offset;
  std::vector<double> &list = event.lists[name];
  for (int32_t i = offsets[row]; i < offsets[row + 1]; i++)
    list.push_back(number_at(*array.children[0], schema.children[0]->format[0], i));
}

/* The first `most` events of a file, with the branches that the model was trained on. */
std::vector<Event> read_events(const std::string &path, const std::string &recipe_json, int64_t most) {
  mlaas_error error;
  mlaas_context *context = nullptr;
  mlaas_file *file = nullptr;
  mlaas_table *table = nullptr;
  mlaas_reader *reader = nullptr;
  mlaas_recipe *recipe = nullptr;
  ArrowSchema schema;
  ArrowArray array;
  check(mlaas_recipe_parse(recipe_json.data(), recipe_json.size(), &recipe, &error), error);
  check(mlaas_context_new(nullptr, &context, &error), error);
  check(mlaas_file_open(context, path.c_str(), &file, &error), error);
  check(mlaas_table_open(file, mlaas_recipe_table(recipe), &table, &error), error);
  std::vector<size_t> columns(mlaas_recipe_num_branches(recipe));
  for (size_t i = 0; i < columns.size(); i++)
    check(mlaas_table_find(table, mlaas_recipe_branch(recipe, i), &columns[i], &error), error);
  most = std::min(most, mlaas_table_num_entries(table));
  check(mlaas_table_schema(table, columns.data(), columns.size(), &schema, &error), error);
  check(mlaas_reader_open(table, columns.data(), columns.size(), &reader, &error), error);
  check(mlaas_reader_read(reader, 0, most, &array, &error), error);
  std::vector<Event> events(static_cast<size_t>(most));
  for (size_t i = 0; i < columns.size(); i++)
    for (int64_t row = 0; row < most; row++)
      add_branch(events[static_cast<size_t>(row)], mlaas_recipe_branch(recipe, i), *schema.children[i],
                 *array.children[i], row);
  array.release(&array);
  schema.release(&schema);
  mlaas_reader_close(reader);
  mlaas_table_close(table);
  mlaas_file_close(file);
  mlaas_recipe_put(recipe);
  mlaas_context_put(context);
  return events;
}

/* ---- scoring: the client's ---- */

void add_event(mlaas::Batch &batch, const Event &event) {
  batch.event();
  for (const auto &[name, value] : event.numbers)
    batch.add(name, value);
  for (const auto &[name, values] : event.lists)
    batch.add(name, values);
}

using Scores = std::vector<float>;

/* A request for each event, and the loop waits for its reply. */
Scores score_single(mlaas::Client &client, const mlaas::Query &query, const std::vector<Event> &events) {
  Scores scores;
  mlaas::Batch batch;
  for (const Event &event : events) {
    batch.clear();
    add_event(batch, event);
    scores.push_back(client.predict(query, batch).first().values.back());
  }
  return scores;
}

/* Many events in a request. */
Scores score_batched(mlaas::Client &client, const mlaas::Query &query, const std::vector<Event> &events) {
  constexpr size_t most = 500;
  Scores scores;
  mlaas::Batch batch;
  for (size_t i = 0; i < events.size(); i++) {
    add_event(batch, events[i]);
    if (batch.size() < most && i + 1 < events.size())
      continue;
    const mlaas::Output output = client.predict(query, batch).first();
    for (size_t row = 0; row < output.rows; row++)
      scores.push_back(output.values[(row + 1) * output.width - 1]);
    batch.clear();
  }
  return scores;
}

/* A request for each event, many under way while the loop goes on: what a framework with external work does. */
Scores score_asynchronous(mlaas::Client &client, const mlaas::Query &query, const std::vector<Event> &events) {
  Scores scores(events.size(), NAN);
  mlaas::Batch batch;
  for (size_t i = 0; i < events.size(); i++) {
    batch.clear();
    add_event(batch, events[i]);
    client.submit(query, batch, [&scores, i](mlaas::Result result, std::exception_ptr problem) {
      if (problem)
        std::rethrow_exception(problem);
      scores[i] = result.first().values.back();
    });
  }
  client.wait();
  return scores;
}

template <typename Way>
Scores timed(const char *name, Way way, mlaas::Client &client, const mlaas::Query &query,
             const std::vector<Event> &events) {
  const auto begin = std::chrono::steady_clock::now();
  Scores scores = way(client, query, events);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-13s %zu events in %.3f s: %.0f events/s\n", name, events.size(), took.count(),
              static_cast<double>(events.size()) / took.count());
  return scores;
}

double largest_difference(const Scores &a, const Scores &b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); i++)
    most = std::isnan(a[i]) || std::isnan(b[i]) ? INFINITY : std::max(most, std::fabs(double{a[i]} - double{b[i]}));
  return most;
}

void write_scores(const char *path, const Scores &scores) {
  std::FILE *out = std::fopen(path, "w");
  if (!out)
    throw Failure(std::string(path) + " cannot be written");
  std::fputs("entry,score\n", out);
  for (size_t i = 0; i < scores.size(); i++)
    std::fprintf(out, "%zu,%.9g\n", i, static_cast<double>(scores[i]));
  if (std::fclose(out) != 0)
    throw Failure(std::string(path) + " cannot be written");
}

int run(int argc, char **argv) {
  mlaas::Options options;
  options.connections = 16;
  mlaas::Client client(argv[1], options);
  const mlaas::Query query{argv[2]};
  const int64_t most = argc > 4 ? std::stoll(argv[4]) : 10000;
  const std::vector<Event> events = read_events(argv[3], client.fetch(query.model, "recipe.json"), most);
  std::printf("%zu events of %s, model %s at %s\n", events.size(), argv[3], argv[2], argv[1]);
  const Scores single = timed("single", score_single, client, query, events);
  const Scores batched = timed("batched", score_batched, client, query, events);
  const Scores asynchronous = timed("asynchronous", score_asynchronous, client, query, events);
  const double difference = std::max(largest_difference(single, batched), largest_difference(single, asynchronous));
  std::printf("largest difference of scores: %.2g\n", difference);
  if (argc > 5)
    write_scores(argv[5], batched);
  return difference < 1e-6 ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fputs("usage: event_loop URL MODEL FILE [EVENTS [OUT.csv]]\n", stderr);
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception &problem) {
    std::fprintf(stderr, "event_loop: %s\n", problem.what());
    return 1;
  }
}
