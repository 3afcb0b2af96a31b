// What the servers share: calls of ScoringService over gRPC's completion queues.
//
// A server prints where it listens, as `presage serve` does, and serves until it is stopped by a signal.

#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "event.h"
#include "presage/v1/scoring_service.grpc.pb.h"

namespace limit {

using Service = presage::v1::ScoringService::AsyncService;

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "limit: %s\n", what.c_str());
  std::exit(1);
}

enum class Method { kScore, kTrackEvent };

// One call, and after it the next one: its messages are used again, so that their strings need no new memory.
class Call {
 public:
  explicit Call(Method method) : method(method) {}
  virtual ~Call() = default;
  Call(const Call&) = delete;

  // Sends the response, or an error; from any thread.
  virtual void finish(const grpc::Status& status = grpc::Status::OK) = 0;

  // Waits for the next caller.
  virtual void wait() = 0;

  bool answered() const { return answered_; }

  const Method method;

 protected:
  bool answered_ = false;
};

template <Method kMethod, class Request, class Response, auto kRequestCall>
class UnaryCall : public Call {
 public:
  UnaryCall(Service& service, grpc::ServerCompletionQueue& queue) : Call(kMethod), service_(service), queue_(queue) { wait(); }

  Request request;
  Response response;

  void finish(const grpc::Status& status = grpc::Status::OK) override {
    answered_ = true;
    writer_->Finish(response, status, static_cast<Call*>(this));
  }

  void wait() override {
    answered_ = false;
    response.Clear();
    writer_.reset();
    context_.emplace();
    writer_.emplace(&*context_);
    (service_.*kRequestCall)(&*context_, &request, &*writer_, &queue_, &queue_, static_cast<Call*>(this));
  }

 private:
  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<Response>> writer_;
};

using ScoreCall =
    UnaryCall<Method::kScore, presage::v1::ScoreRequest, presage::v1::ScoreResponse, &Service::RequestScore>;

class TrackEventCall final : public UnaryCall<Method::kTrackEvent, presage::v1::TrackEventRequest, presage::v1::TrackEventResponse,
                                              &Service::RequestTrackEvent> {
 public:
  using UnaryCall::UnaryCall;

  Event event;  // the request's, once it has been read
};

// Takes calls that came together, to be answered at once or later; several threads may do so at once.
using Handler = std::function<void(const std::vector<Call*>&)>;

// Hands over calls as they come: those that wait already, `most` of them at most, go together.
inline void run(grpc::ServerCompletionQueue& queue, size_t most, const Handler& handle) {
  const gpr_timespec at_once = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  std::vector<Call*> calls;
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) {
    do {
      Call* call = static_cast<Call*>(tag);
      if (call->answered()) {
        call->wait();
      } else if (ok) {
        calls.push_back(call);
      }
    } while (calls.size() < most && most > 1 && queue.AsyncNext(&tag, &ok, at_once) == grpc::CompletionQueue::GOT_EVENT);
    if (!calls.empty()) handle(calls);
    calls.clear();
  }
}

// Serves on a free port of the loopback with a number of threads, each with a queue of its own.
template <class... Calls>
void serve(int threads, size_t most, const Handler& handle) {
  constexpr int kWaiting = 256;
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < threads; ++i) queues.push_back(builder.AddCompletionQueue());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) fail("cannot listen");
  std::vector<std::unique_ptr<Call>> calls;
  for (auto& queue : queues)
    for (int i = 0; i < kWaiting; ++i) (calls.push_back(std::make_unique<Calls>(service, *queue)), ...);
  std::vector<std::thread> workers;
  for (auto& queue : queues) workers.emplace_back([&, most] { run(*queue, most, handle); });
  std::printf("limit: serving on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  for (auto& worker : workers) worker.join();
}

// The value of an option, --name value; `otherwise` where it is not given.
inline std::string option(int count, char** words, const std::string& name, const std::string& otherwise = "") {
  for (int i = 1; i + 1 < count; ++i)
    if (words[i] == "--" + name) return words[i + 1];
  return otherwise;
}

}  // namespace limit
