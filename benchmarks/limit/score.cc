// The floor of the whole call: Score as the product answers it, with the same store, features, model and link.
//
//   score --socket PATH --model FILE [--threads N]
//
// The threads that read calls send each one's GET on one connection to the store, those of calls that came together in one go. One
// more thread reads the replies, which come in the same order, scores and answers, so that calls are read meanwhile. For a few calls, to
// wake that thread would cost more than it brings: who read them waits for the replies and answers.

#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "featurize.h"
#include "model.h"
#include "serving.h"
#include "state.h"

namespace limit {

constexpr size_t kFew = 8;
constexpr size_t kMaxIdBytes = 256;
constexpr int64_t kMinUnixMicros = 100'000'000'000'000, kMaxUnixMicros = int64_t{1} << 53;

// The moment to score at; negative if the caller's is out of bounds.
int64_t moment(const presage::v1::ScoreRequest& request) {
  const int64_t asked = request.as_of_unix_micros();
  if (asked != 0) return asked < kMinUnixMicros || asked > kMaxUnixMicros ? -1 : asked;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

class Scorer {
 public:
  Scorer(const std::string& socket, const std::string& model) : model_(model), redis_(redisConnectUnix(socket.c_str())) {
    if (redis_ == nullptr || redis_->err != 0) fail(redis_ == nullptr ? "no memory" : redis_->errstr);
    replies_ = std::thread([this] { read_replies(); });
  }

  // Asks the store for the visitors of calls.
  void take(const std::vector<Call*>& calls) {
    std::lock_guard lock(mutex_);
    const size_t before = asked_.size();
    commands_.clear();
    for (Call* call : calls) {
      const presage::v1::ScoreRequest& request = call->request;
      Asked asked{call, moment(request)};
      if (request.user_id().empty() || request.user_id().size() > kMaxIdBytes || request.session_id().size() > kMaxIdBytes ||
          asked.now < 0) {
        call->finish({grpc::StatusCode::INVALID_ARGUMENT, "user_id, session_id or as_of_unix_micros"});
      } else if (!request.model().empty() && request.model() != "conversion") {
        call->finish({grpc::StatusCode::NOT_FOUND, "model"});
      } else {
        append_get(request.user_id());
        asked_.push_back(asked);
      }
    }
    send_commands();
    if (before != 0 || asked_.empty()) return;
    if (asked_.size() > kFew) {
      wake_.notify_one();
      return;
    }
    for (; !asked_.empty(); asked_.pop_front()) answer(asked_.front(), *read_reply());
  }

 private:
  struct Asked {
    Call* call;
    int64_t now;
  };

  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  void append_get(const std::string& user_id) {
    key_ = "{p" + std::to_string(checksum(user_id) % 1'024) + "}:u:";
    key_ += user_id;
    commands_ += "*2\r\n$3\r\nGET\r\n$";
    commands_ += std::to_string(key_.size());
    commands_ += "\r\n";
    commands_ += key_;
    commands_ += "\r\n";
  }

  void send_commands() {
    for (size_t sent = 0; sent < commands_.size();) {
      const ssize_t now = send(redis_->fd, commands_.data() + sent, commands_.size() - sent, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) fail(std::string("the store: ") + std::strerror(errno));
      if (now > 0) sent += static_cast<size_t>(now);
    }
  }

  // Waits for the next reply. The caller is the only one who does: there are calls to be answered, and they are its own.
  Reply read_reply() {
    void* reply = nullptr;
    while (redisGetReplyFromReader(redis_, &reply) == REDIS_OK && reply == nullptr)
      if (redisBufferRead(redis_) != REDIS_OK) break;
    if (reply == nullptr) fail(std::string("the store: ") + redis_->errstr);
    return Reply(static_cast<redisReply*>(reply));
  }

  // Answers calls that came in numbers.
  void read_replies() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return !asked_.empty(); });
      lock.unlock();
      const Reply reply = read_reply();
      lock.lock();
      const Asked asked = asked_.front();
      asked_.pop_front();
      lock.unlock();
      answer(asked, *reply);
      lock.lock();
    }
  }

  void answer(const Asked& asked, const redisReply& reply) {
    const presage::v1::ScoreRequest& request = asked.call->request;
    presage::v1::Prediction& prediction = *asked.call->response.mutable_prediction();
    static const State kNoState;
    static thread_local State stored;
    const State* state = &kNoState;
    if (reply.type == REDIS_REPLY_NIL) {
      prediction.set_cold_start(true);
    } else {
      try {
        if (reply.type != REDIS_REPLY_STRING) throw std::runtime_error("not a string");
        read_state({reply.str, reply.len}, stored);
        state = &stored;
      } catch (const std::runtime_error&) {
        prediction.set_cold_start(true);
        prediction.set_degraded(true);
      }
    }
    const Vector vector = featurize(*state, asked.now, request.session_id());
    prediction.set_score(model_.score(vector));
    prediction.set_model("conversion");
    prediction.set_model_version("2");
    if (request.include_features()) prediction.mutable_features()->mutable_values()->Add(vector.begin(), vector.end());
    asked.call->finish();
  }

  const Model model_;
  redisContext* const redis_;
  std::mutex mutex_;  // of all below; who holds it while nothing is asked may ask, and read the replies, too
  std::condition_variable wake_;
  std::deque<Asked> asked_;
  std::string commands_, key_;
  std::thread replies_;
};

}  // namespace limit

int main(int count, char** words) {
  using limit::option;
  constexpr size_t kTogether = 64;
  limit::Scorer scorer(option(count, words, "socket"), option(count, words, "model"));
  limit::serve(std::stoi(option(count, words, "threads", "1")), kTogether,
               [&](const std::vector<limit::Call*>& calls) { scorer.take(calls); });
}
