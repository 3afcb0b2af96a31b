// The floor of the whole call: Score and TrackEvent as Presage answers them, with the same store, fold, features, model and script.
//
//   service --socket PATH --model FILE --model-version N --script FILE [--threads N]
//
// The threads that read calls send the GET of each on one connection to the store, those of calls that came together in one go. One
// more thread reads the replies, which come in the same order, and goes on with the calls: it answers scores, and folds events and
// sends their compare-and-set, those of replies that came together in one go. For a few calls, to wake that thread would cost more
// than it brings: the thread that read them waits for the replies and answers.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "event.h"
#include "featurize.h"
#include "fold.h"
#include "model.h"
#include "serving.h"
#include "state.h"
#include "store.h"

namespace limit {

constexpr size_t kFew = 8;
constexpr int kAttempts = 100;
constexpr std::string_view kStateTtlMs = "2592000000", kStreamMaxEvents = "10000";  // the defaults of `presage serve`

int64_t clock_micros() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// The moment to score at; negative if the caller's is out of bounds.
int64_t moment(const presage::v1::ScoreRequest& request) {
  const int64_t given = request.as_of_unix_micros();
  if (given != 0) return given < kMinUnixMicros || given > kMaxUnixMicros ? -1 : given;
  return clock_micros();
}

struct Options {
  std::string socket, model, model_version, script;
};

class Engine {
 public:
  explicit Engine(const Options& options)
      : model_(options.model), model_version_(options.model_version), store_(options.socket), script_(store_.load_script(options.script)) {
    writer_ = std::to_string(clock_micros() % 90 + 10);
    replies_ = std::thread([this] { read_replies(); });
  }

  // Reads the visitors of calls from the store.
  void take(const std::vector<Call*>& calls) {
    std::lock_guard lock(mutex_);
    const bool is_idle = pending_.empty();
    commands_.clear();
    for (Call* call : calls) {
      if (call->method == Method::kScore) begin_score(*static_cast<ScoreCall*>(call));
      else begin_track(*static_cast<TrackEventCall*>(call));
    }
    store_.send(commands_);
    if (!is_idle || pending_.empty()) return;
    if (pending_.size() > kFew) {
      wake_.notify_one();
      return;
    }
    while (!pending_.empty()) {
      commands_.clear();
      for (size_t left = pending_.size(); left > 0; --left) {
        const Pending pending = pending_.front();
        pending_.pop_front();
        proceed(pending, *store_.read(), commands_, pending_);
      }
      store_.send(commands_);
    }
  }

 private:
  enum class Step { kScore, kFold, kCommitted };

  // A call whose command was sent: what to do with the reply.
  struct Pending {
    Call* call;
    Step step;
    int64_t now;
    int attempt = 0;
  };

  void begin_score(ScoreCall& call) {
    const presage::v1::ScoreRequest& request = call.request;
    const int64_t now = moment(request);
    if (request.user_id().empty() || !is_id(request.user_id()) || !is_id(request.session_id()) || now < 0) {
      call.finish({grpc::StatusCode::INVALID_ARGUMENT, "user_id, session_id or as_of_unix_micros"});
    } else if (!request.model().empty() && request.model() != "conversion") {
      call.finish({grpc::StatusCode::NOT_FOUND, "model"});
    } else {
      append_command(commands_, {"GET", Keys(request.user_id()).state()});
      pending_.push_back({&call, Step::kScore, now});
    }
  }

  void begin_track(TrackEventCall& call) {
    const int64_t now = clock_micros();
    if (const char* const field = read_event(call.request.event(), now, call.event)) {
      call.finish({grpc::StatusCode::INVALID_ARGUMENT, field});
    } else {
      append_command(commands_, {"GET", Keys(call.event.user_id).state()});
      pending_.push_back({&call, Step::kFold, now});
    }
  }

  // Goes on with calls that came in numbers.
  void read_replies() {
    std::vector<Reply> replies;
    std::vector<Pending> calls;
    std::deque<Pending> commits;
    std::string commands;
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return !pending_.empty(); });
      lock.unlock();
      replies.push_back(store_.read());
      while (Reply reply = store_.read_received()) replies.push_back(std::move(reply));
      lock.lock();
      calls.assign(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(replies.size()));
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(replies.size()));
      lock.unlock();
      for (size_t place = 0; place < calls.size(); ++place) proceed(calls[place], *replies[place], commands, commits);
      replies.clear();
      lock.lock();
      if (commits.empty()) continue;
      store_.send(commands);
      pending_.insert(pending_.end(), commits.begin(), commits.end());
      commands.clear();
      commits.clear();
    }
  }

  // Answers a call, or appends its next command, and itself to the calls that wait for replies.
  void proceed(const Pending& pending, const redisReply& reply, std::string& commands, std::deque<Pending>& waiting) {
    if (pending.step == Step::kScore) {
      score(*static_cast<ScoreCall*>(pending.call), pending.now, reply);
      return;
    }
    auto& call = *static_cast<TrackEventCall*>(pending.call);
    if (reply.type == REDIS_REPLY_ERROR) call.finish({grpc::StatusCode::UNAVAILABLE, "the store refused the call"});
    else if (pending.step == Step::kCommitted && reply.type == REDIS_REPLY_ARRAY) call.finish();
    else if (pending.attempt == kAttempts) call.finish({grpc::StatusCode::ABORTED, "the visitor changed"});
    else if (fold(call, pending.now, reply, commands)) waiting.push_back({&call, Step::kCommitted, pending.now, pending.attempt + 1});
    else call.finish();
  }

  void score(ScoreCall& call, int64_t now, const redisReply& reply) {
    const presage::v1::ScoreRequest& request = call.request;
    presage::v1::Prediction& prediction = *call.response.mutable_prediction();
    static const State kNoState;
    static thread_local State stored;
    const State* state = &kNoState;
    if (reply.type == REDIS_REPLY_NIL) {
      prediction.set_cold_start(true);
    } else {
      try {
        if (reply.type != REDIS_REPLY_STRING) throw std::runtime_error("not a string");
        read_state({reply.str, reply.len}, stored, false);
        state = &stored;
      } catch (const std::runtime_error&) {
        prediction.set_cold_start(true);
        prediction.set_degraded(true);
      }
    }
    predict(*state, now, request.session_id(), request.include_features(), prediction);
    call.finish();
  }

  void predict(const State& state, int64_t now, const std::string& session_id, bool include_features,
               presage::v1::Prediction& prediction) const {
    const Vector vector = featurize(state, now, session_id);
    prediction.set_score(model_.score(vector));
    prediction.set_model("conversion");
    prediction.set_model_version(model_version_);
    if (include_features) prediction.mutable_features()->mutable_values()->Add(vector.begin(), vector.end());
  }

  // Folds an event into what is stored and appends the compare-and-set; false for a duplicate.
  bool fold(TrackEventCall& call, int64_t now, const redisReply& reply, std::string& commands) const {
    static thread_local Arena arena;
    static thread_local State state;
    static thread_local std::string blob, event_blob;
    arena.reset();
    Event& event = call.event;
    const std::string_view stored = reply.type == REDIS_REPLY_STRING ? std::string_view(reply.str, reply.len) : std::string_view();
    bool is_new = stored.empty(), is_damaged = false;
    if (!is_new) {
      try {
        read_state(stored, state, true);
      } catch (const std::runtime_error&) {
        is_new = is_damaged = true;
      }
    }
    const bool is_counted = Fold(state, event, arena).run(is_new);
    call.response.set_duplicate(!is_counted);
    if (call.request.score())
      predict(state, event.time_unix_micros, call.request.event().session_id(), call.request.include_features(),
              *call.response.mutable_prediction());
    if (!is_counted) return false;
    const std::string_view revision = stored.substr(0, kRevisionBytes);
    blob.clear();
    write_revision(blob, is_new ? std::string_view() : revision, now);
    write_state(blob, state);
    event_blob.clear();
    write_event(event_blob, event);
    const Keys keys(event.user_id);
    append_command(commands, {"EVALSHA", script_, "3", keys.state(), keys.stream(), keys.quarantine(), revision, blob, kStateTtlMs,
                              kStreamMaxEvents, is_damaged ? "1" : "0", is_new ? "1" : "0", event_blob});
    return true;
  }

  // The next count, the clock's for a first state, and the writer.
  void write_revision(std::string& to, std::string_view revision, int64_t now) const {
    constexpr size_t kCountBytes = 6;
    uint64_t count = static_cast<uint64_t>(now / 1'000);
    if (!revision.empty()) {
      count = 1;
      for (size_t place = 0; place < kCountBytes; ++place) count += uint64_t{static_cast<uint8_t>(revision[place])} << 8 * (kCountBytes - 1 - place);
    }
    append_big_endian(to, count, kCountBytes);
    to += writer_;
  }

  const Model model_;
  const std::string model_version_;
  Store store_;
  const std::string script_;
  std::string writer_;  // two bytes
  std::mutex mutex_;    // of all below, and of sending; a thread that holds it while nothing is pending may read replies, too
  std::condition_variable wake_;
  std::deque<Pending> pending_;
  std::string commands_;
  std::thread replies_;
};

}  // namespace limit

int main(int count, char** words) {
  using limit::option;
  constexpr size_t kTogether = 64;
  limit::Engine engine({option(count, words, "socket"), option(count, words, "model"), option(count, words, "model-version", "1"),
                        option(count, words, "script")});
  limit::serve<limit::ScoreCall, limit::TrackEventCall>(std::stoi(option(count, words, "threads", "1")), kTogether,
                                                        [&](const std::vector<limit::Call*>& calls) { engine.take(calls); });
}
