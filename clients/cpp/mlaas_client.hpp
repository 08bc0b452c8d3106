/* The client of a model server in C++17: a thin header over <mlaas_client.h> (link libmlaas_client). Errors are
 * exceptions, memory is vectors, asynchronous replies are futures or callbacks.
 *
 *   mlaas::Client client("http://localhost:8083");
 *   mlaas::Batch batch;
 *   for (const Event &event : events)
 *     batch.event().add("nJets", event.jets.size()).add("jetPt", event.pt());   // physical units
 *   std::vector<float> scores = client.predict({"tth"}, batch).first().values;
 *
 * A client belongs to one thread at a time. What waits for replies is the client's own poll, wait and get: a future is
 * never ready without them.
 */
#ifndef MLAAS_CLIENT_HPP
#define MLAAS_CLIENT_HPP

#include <mlaas_client.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mlaas {

/* What went wrong; see enum mlaas_client_status. */
class ClientError : public std::runtime_error {
public:
  explicit ClientError(const mlaas_client_error &error)
      : std::runtime_error(error.message), status(error.status), http_status(error.http_status),
        retry_after(error.retry_after) {}
  mlaas_client_status status;
  int http_status;
  double retry_after; /* seconds */
};

struct Output {
  std::string name;
  std::size_t rows = 0, width = 0;
  std::vector<float> values; /* rows x width; NaN where the server says null */
  std::vector<std::string> labels;
};

struct Result {
  std::vector<Output> outputs;
  std::string input; /* "raw", "normalised", or "" where the server does not say */
  /* The only output, or the first. */
  const Output &first() const { return outputs.at(0); }
};

struct Query {
  std::string model = {}; /* "": the server's default */
  std::int64_t version = 0;
  std::string input = {}; /* "raw", "normalised" or "" */
  double timeout = 0;
};

struct Options {
  double timeout = 0, connect_timeout = 0; /* seconds; 0 means the default everywhere here */
  int retries = 0;                         /* -1: none */
  double backoff = 0;
  int connections = 0, most_pending = 0;
  std::size_t largest_reply = 0;
  std::string token, ca_file, cert_file, key_file, user_agent;
};

/* The events of one request. */
class Batch {
public:
  Batch() : batch_(mlaas_client_batch_new()) {
    if (!batch_)
      throw std::bad_alloc();
  }
  /* Begins the next event; what is added belongs to it. */
  Batch &event() {
    mlaas_client_batch_event(batch_.get());
    return *this;
  }
  template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  Batch &add(const std::string &name, Number value) {
    if constexpr (std::is_same_v<Number, float>)
      mlaas_client_batch_float(batch_.get(), name.c_str(), value);
    else if constexpr (std::is_floating_point_v<Number>)
      mlaas_client_batch_number(batch_.get(), name.c_str(), static_cast<double>(value));
    else
      mlaas_client_batch_integer(batch_.get(), name.c_str(), static_cast<std::int64_t>(value));
    return *this;
  }
  /* The values of a jagged branch. */
  Batch &add(const std::string &name, const std::vector<float> &values) {
    mlaas_client_batch_floats(batch_.get(), name.c_str(), values.data(), values.size());
    return *this;
  }
  Batch &add(const std::string &name, const std::vector<double> &values) {
    mlaas_client_batch_doubles(batch_.get(), name.c_str(), values.data(), values.size());
    return *this;
  }
  template <typename Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  Batch &add(const std::string &name, const std::vector<Integer> &values) {
    const std::vector<std::int64_t> wide(values.begin(), values.end());
    mlaas_client_batch_integers(batch_.get(), name.c_str(), wide.data(), wide.size());
    return *this;
  }
  /* A row of a model's input as it is, without names. */
  Batch &row(const std::vector<float> &values) {
    mlaas_client_batch_row(batch_.get(), values.data(), values.size());
    return *this;
  }
  std::size_t size() const { return mlaas_client_batch_count(batch_.get()); }
  bool empty() const { return size() == 0; }
  void clear() { mlaas_client_batch_clear(batch_.get()); }
  const mlaas_client_batch *get() const { return batch_.get(); }

private:
  struct Free {
    void operator()(mlaas_client_batch *batch) const { mlaas_client_batch_free(batch); }
  };
  std::unique_ptr<mlaas_client_batch, Free> batch_;
};

class Client {
public:
  /* Exactly one of the two is set: the result, or what went wrong. */
  using Callback = std::function<void(Result result, std::exception_ptr problem)>;

  explicit Client(const std::string &url, const Options &options = {}) {
    mlaas_client_options plain = {};
    plain.size = sizeof plain;
    plain.timeout = options.timeout;
    plain.connect_timeout = options.connect_timeout;
    plain.retries = options.retries;
    plain.backoff = options.backoff;
    plain.connections = options.connections;
    plain.most_pending = options.most_pending;
    plain.largest_reply = options.largest_reply;
    plain.token = text(options.token);
    plain.ca_file = text(options.ca_file);
    plain.cert_file = text(options.cert_file);
    plain.key_file = text(options.key_file);
    plain.user_agent = text(options.user_agent);
    mlaas_client_error error;
    mlaas_client *client = nullptr;
    check(mlaas_client_open(url.c_str(), &plain, &client, &error), error);
    state_->client.reset(client);
  }

  /* ---- predictions ---- */

  Result predict(const Query &query, const Batch &batch) {
    mlaas_client_error error;
    Held held;
    const mlaas_client_query plain = convert(query);
    check(mlaas_client_predict(get(), &plain, batch.get(), &held.result, &error), error);
    return convert(held.result);
  }
  /* One row without names, as TFaaS takes it; by protobuf if asked. */
  std::vector<float> predict(const Query &query, const std::vector<float> &values, bool proto = false) {
    mlaas_client_error error;
    Held held;
    const mlaas_client_query plain = convert(query);
    check(mlaas_client_predict_row(get(), &plain, nullptr, values.data(), values.size(), proto, &held.result, &error),
          error);
    return convert(held.result).first().values;
  }
  /* The content of an image file. */
  Output predict_image(const Query &query, const std::string &image) {
    mlaas_client_error error;
    Held held;
    const mlaas_client_query plain = convert(query);
    check(mlaas_client_predict_image(get(), &plain, image.data(), image.size(), &held.result, &error), error);
    return convert(held.result).first();
  }

  /* ---- asynchronous: the batch may be cleared at once ---- */

  /* What the callback throws comes out of the poll, wait, submit or get in which it was called. */
  void submit(const Query &query, const Batch &batch, Callback callback) {
    auto call = std::make_unique<Call>(Call{std::move(callback), state_.get()});
    mlaas_client_error error;
    const mlaas_client_query plain = convert(query);
    check(mlaas_client_submit(get(), &plain, batch.get(), &Client::done, call.get(), &error), error);
    (void)call.release(); /* done has it */
    rethrow();
  }
  std::future<Result> submit(const Query &query, const Batch &batch) {
    auto promise = std::make_shared<std::promise<Result>>();
    auto future = promise->get_future();
    submit(query, batch, [promise](Result result, std::exception_ptr problem) {
      if (problem)
        promise->set_exception(problem);
      else
        promise->set_value(std::move(result));
    });
    return future;
  }
  /* Works until the future is ready. */
  Result get(std::future<Result> &future) {
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      poll(1);
    return future.get();
  }
  void poll(double seconds = 0) {
    mlaas_client_error error;
    check(mlaas_client_poll(get(), seconds, &error), error);
    rethrow();
  }
  void wait() {
    mlaas_client_error error;
    check(mlaas_client_wait(get(), &error), error);
    rethrow();
  }
  std::size_t pending() const { return mlaas_client_pending(get()); }

  /* ---- models: JSON as the server says it ---- */

  std::string models() {
    return take([this](char **json, mlaas_client_error *error) { return mlaas_client_models(get(), json, error); });
  }
  std::string model(const std::string &name) {
    return take(
        [&](char **json, mlaas_client_error *error) { return mlaas_client_model(get(), name.c_str(), json, error); });
  }
  std::string fetch(const std::string &name, const std::string &file) {
    return take([&](char **data, mlaas_client_error *error) {
      return mlaas_client_fetch(get(), name.c_str(), file.c_str(), data, nullptr, error);
    });
  }
  void upload(const std::string &name, const std::string &folder) {
    mlaas_client_error error;
    check(mlaas_client_upload(get(), name.c_str(), folder.c_str(), &error), error);
  }
  void download(const std::string &name, const std::string &folder) {
    mlaas_client_error error;
    check(mlaas_client_download(get(), name.c_str(), folder.c_str(), &error), error);
  }
  void remove(const std::string &name) {
    mlaas_client_error error;
    check(mlaas_client_delete(get(), name.c_str(), &error), error);
  }

  mlaas_client *get() const { return state_->client.get(); }

private:
  struct Close {
    void operator()(mlaas_client *client) const { mlaas_client_close(client); }
  };
  /* Where callbacks find it, wherever the client is moved to. The client goes first, as closing it calls back. */
  struct State {
    std::exception_ptr thrown;
    std::unique_ptr<mlaas_client, Close> client;
  };
  struct Call {
    Callback callback;
    State *state;
  };
  struct Held {
    mlaas_client_result result = {};
    Held() = default;
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
    ~Held() { mlaas_client_result_reset(&result); }
  };

  static const char *text(const std::string &value) { return value.empty() ? nullptr : value.c_str(); }

  static mlaas_client_query convert(const Query &query) {
    mlaas_client_query plain = {};
    plain.size = sizeof plain;
    plain.model = text(query.model);
    plain.version = query.version;
    plain.input = text(query.input);
    plain.timeout = query.timeout;
    return plain;
  }

  static Result convert(const mlaas_client_result &plain) {
    Result result;
    result.input = plain.input;
    for (std::size_t i = 0; i < plain.num_outputs; i++) {
      const mlaas_client_output &from = plain.outputs[i];
      Output to{from.name, from.rows, from.width, {from.values, from.values + from.rows * from.width}, {}};
      if (from.labels)
        to.labels.assign(from.labels, from.labels + from.width);
      result.outputs.push_back(std::move(to));
    }
    return result;
  }

  static void check(mlaas_client_status status, const mlaas_client_error &error) {
    if (status == MLAAS_CLIENT_MEMORY)
      throw std::bad_alloc();
    if (status != MLAAS_CLIENT_OK)
      throw ClientError(error);
  }

  static void done(void *user, mlaas_client_result *result, const mlaas_client_error *error) {
    const std::unique_ptr<Call> call(static_cast<Call *>(user));
    try {
      if (error)
        call->callback({}, std::make_exception_ptr(ClientError(*error)));
      else
        call->callback(convert(*result), nullptr);
    } catch (...) { /* not through C */
      if (!call->state->thrown)
        call->state->thrown = std::current_exception();
    }
  }

  void rethrow() {
    if (state_->thrown)
      std::rethrow_exception(std::exchange(state_->thrown, nullptr));
  }

  template <typename Ask> std::string take(Ask ask) {
    mlaas_client_error error;
    char *text = nullptr;
    check(ask(&text, &error), error);
    const std::unique_ptr<char, void (*)(void *)> held(text, mlaas_client_free);
    return text;
  }

  std::unique_ptr<State> state_ = std::make_unique<State>();
};

} // namespace mlaas
#endif
