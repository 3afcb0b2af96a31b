// A connection that calls are made on, whatever its protocol.

#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <map>
#include <string>
#include <vector>

#include "histogram.h"

namespace load {

using Clock = std::chrono::steady_clock;

inline int64_t now_ns() { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count(); }

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

constexpr int kDeadlineExceeded = 4, kUnavailable = 14;

struct Options {
  std::string host = "127.0.0.1", protocol = "grpc", calls, replies, authorization;
  int port = 0, connections = 1, in_flight = 1, burst = 0, bursts = 1, timeout_ms = 1'000;
  double seconds = 5, warm_up_seconds = 1, rate = 0, report_seconds = 0, pause_seconds = 0.1;
  std::vector<std::string> paths;
};

struct Call {
  int path;
  std::string frame;  // the message behind gRPC's five bytes; for HTTP/1.1 the whole request
};

struct Stream {
  const Call* call = nullptr;
  size_t sent = 0;
  int64_t due_ns = 0;
  int status = -1;
  std::string reply;  // what came of the message, with gRPC's five bytes; only where replies are kept
};

struct Results {
  std::map<int, Histogram> by_status;
  Histogram send_lag;  // how much later than due calls were sent
  int64_t missed = 0;         // calls that were due and not sent
  int64_t reconnections = 0;  // after the server closed a connection

  void add(const Results& other) {
    for (const auto& [status, histogram] : other.by_status) by_status[status].add(histogram);
    send_lag.add(other.send_lag);
    missed += other.missed;
    reconnections += other.reconnections;
  }
};

class Connection;

struct Load {
  Options options;
  int64_t timeout_ns = 0;
  std::vector<Call> calls;
  size_t next_call = 0;
  Results results;
  int64_t measure_from_ns = 0, measure_until_ns = 0, outstanding = 0;
  bool ending = false;
  std::vector<std::unique_ptr<Connection>> connections;
  std::FILE* replies = nullptr;

  // Keeps what became of a call, counted or not.
  void keep(const Stream& stream) const {
    const int64_t times[] = {stream.due_ns, now_ns()};
    const int32_t numbers[] = {stream.status, static_cast<int32_t>(stream.reply.size())};
    std::fwrite(times, sizeof times, 1, replies);
    std::fwrite(numbers, sizeof numbers, 1, replies);
    std::fwrite(stream.reply.data(), 1, stream.reply.size(), replies);
  }
};

class Connection {
 public:
  Connection(Load& load, int epoll) : load_(load), epoll_(epoll) { open_socket(); }
  virtual ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;

  // Whether the server has said how many streams it takes; before that, few can be sent.
  virtual bool is_open() const { return true; }
  virtual void begin(int64_t due_ns) = 0;
  virtual void flush() = 0;
  virtual void receive() = 0;

 protected:
  void open_socket() {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(load_.options.port));
    if (inet_pton(AF_INET, load_.options.host.c_str(), &address.sin_addr) != 1) fail("--host: expected an IPv4 address");
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot connect");
    int one = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = this;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event);
  }

  const Call& next_call() {
    ++load_.outstanding;
    return load_.calls[load_.next_call++ % load_.calls.size()];
  }

  void ended(int status, int64_t due_ns) {
    int64_t now = now_ns();
    --load_.outstanding;
    if (status == 0 && load_.timeout_ns > 0 && now - due_ns > load_.timeout_ns) status = kDeadlineExceeded;
    if (due_ns >= load_.measure_from_ns && due_ns < load_.measure_until_ns) load_.results.by_status[status].add(now - due_ns);
    if (load_.options.rate == 0 && load_.options.burst == 0 && !load_.ending) begin(now);
  }

  // Returns whether all was written; if not, the server has closed the connection, which reading finds, too.
  bool write(const std::string& out) {
    for (size_t sent = 0; sent < out.size();) {
      ssize_t written = ::send(socket_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (written <= 0) return false;
      sent += static_cast<size_t>(written);
    }
    return true;
  }

  // Returns how many bytes were read; 0: the server has closed the connection.
  size_t read() { return static_cast<size_t>(std::max<ssize_t>(0, recv(socket_, buffer_, sizeof buffer_, 0))); }

  Load& load_;
  const int epoll_;
  int socket_;
  uint8_t buffer_[1 << 17];
};

}  // namespace load
