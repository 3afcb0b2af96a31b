// Connections that calls are made on: HTTP/2 with gRPC's frames, and HTTP/1.1.

#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <strings.h>
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

constexpr int kDeadlineExceeded = 4;

struct Options {
  std::string host = "127.0.0.1", protocol = "grpc", calls;
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
};

struct Results {
  std::map<int, Histogram> by_status;
  Histogram send_lag;  // how much later than due calls were sent
  int64_t missed = 0;  // calls that were due and not sent

  void add(const Results& other) {
    for (const auto& [status, histogram] : other.by_status) by_status[status].add(histogram);
    send_lag.add(other.send_lag);
    missed += other.missed;
  }
};

class Connection;

struct Load {
  Options options;
  std::string timeout;
  std::vector<Call> calls;
  size_t next_call = 0;
  Results results;
  int64_t measure_from_ns = 0, measure_until_ns = 0, outstanding = 0;
  bool ending = false;
  std::vector<std::unique_ptr<Connection>> connections;
};

class Connection {
 public:
  Connection(Load& load, int epoll) : load_(load) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(load.options.port));
    if (inet_pton(AF_INET, load.options.host.c_str(), &address.sin_addr) != 1) fail("--host: expected an IPv4 address");
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot connect");
    int one = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = this;
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event);
  }
  virtual ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;

  // Whether the server has said how many streams it takes; before that, few can be sent.
  virtual bool is_open() const { return true; }
  virtual void begin(int64_t due_ns) = 0;
  virtual void flush() = 0;
  virtual void receive() = 0;

 protected:
  const Call& next_call() {
    ++load_.outstanding;
    return load_.calls[load_.next_call++ % load_.calls.size()];
  }

  void ended(int status, int64_t due_ns) {
    int64_t now = now_ns();
    --load_.outstanding;
    if (status == 0 && load_.options.timeout_ms > 0 && now - due_ns > load_.options.timeout_ms * int64_t{1'000'000})
      status = kDeadlineExceeded;
    if (due_ns >= load_.measure_from_ns && due_ns < load_.measure_until_ns) load_.results.by_status[status].add(now - due_ns);
    if (load_.options.rate == 0 && load_.options.burst == 0 && !load_.ending) begin(now);
  }

  void write(const std::string& out) {
    for (size_t sent = 0; sent < out.size();) {
      ssize_t written = ::send(socket_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (written <= 0) fail("the server closed the connection");
      sent += static_cast<size_t>(written);
    }
  }

  size_t read() {
    ssize_t length = recv(socket_, buffer_, sizeof buffer_, 0);
    if (length <= 0) fail("the server closed the connection");
    return static_cast<size_t>(length);
  }

  Load& load_;
  int socket_;
  uint8_t buffer_[1 << 17];
};

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(Load& load, int epoll) : Connection(load, epoll) {
    nghttp2_session_callbacks* callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 28);
  }
  ~GrpcConnection() override { nghttp2_session_del(session_); }

  bool is_open() const override { return is_open_; }

  void begin(int64_t due_ns) override {
    const Call& call = next_call();
    auto* stream = new Stream{&call, 0, due_ns, -1};
    const std::string& path = load_.options.paths[static_cast<size_t>(call.path)];
    const nghttp2_nv headers[] = {
        header(":method", "POST"),    header(":scheme", "http"), header(":path", path),
        header(":authority", "load"), header("te", "trailers"),  header("content-type", "application/grpc"),
        header("grpc-timeout", load_.timeout),
    };
    const size_t count = std::size(headers) - (load_.timeout.empty() ? 1 : 0);
    nghttp2_data_provider provider{};
    provider.source.ptr = stream;
    provider.read_callback = read_body;
    if (nghttp2_submit_request(session_, nullptr, headers, count, &provider, stream) < 0) fail("no stream left");
  }

  void flush() override {
    const uint8_t* data;
    // Everything of this turn in as few writes as the library has pieces.
    std::string out;
    while (true) {
      ssize_t length = nghttp2_session_mem_send(session_, &data);
      if (length < 0) fail("the HTTP/2 session broke");
      if (length == 0) break;
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(length));
    }
    write(out);
  }

  void receive() override {
    if (nghttp2_session_mem_recv(session_, buffer_, read()) < 0) fail("what came is not HTTP/2");
  }

 private:
  static nghttp2_nv header(const char* name, const std::string& value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name)),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.c_str())), std::strlen(name), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }
  static nghttp2_nv header(const char* name, const char* value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name)), reinterpret_cast<uint8_t*>(const_cast<char*>(value)),
            std::strlen(name), std::strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
  }

  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source* source, void*) {
    auto* stream = static_cast<Stream*>(source->ptr);
    const std::string& frame = stream->call->frame;
    size_t length = std::min(room, frame.size() - stream->sent);
    std::memcpy(to, frame.data() + stream->sent, length);
    stream->sent += length;
    if (stream->sent == frame.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                       const uint8_t* value, size_t value_length, uint8_t, void*) {
    if (name_length == 11 && std::memcmp(name, "grpc-status", 11) == 0) {
      auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
      if (stream) stream->status = std::atoi(std::string(reinterpret_cast<const char*>(value), value_length).c_str());
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
      static_cast<GrpcConnection*>(user)->is_open_ = true;
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t, void* user) {
    const std::unique_ptr<Stream> stream(static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id)));
    static_cast<GrpcConnection*>(user)->ended(stream->status, stream->due_ns);
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  bool is_open_ = false;
};

// A status is 0 for HTTP 200, and HTTP's own number for others.
class Http1Connection final : public Connection {
 public:
  using Connection::Connection;

  void begin(int64_t due_ns) override { waiting_.push_back({&next_call(), 0, due_ns, -1}); }

  void flush() override {
    if (is_waiting_ || waiting_.empty()) return;
    is_waiting_ = true;
    write(waiting_.front().call->frame);
  }

  void receive() override {
    in_.append(reinterpret_cast<const char*>(buffer_), read());
    size_t headers = in_.find("\r\n\r\n");
    if (headers == std::string::npos) return;
    if (!is_waiting_ || in_.compare(0, 7, "HTTP/1.") != 0 || headers < 12) fail("what came is not HTTP/1.1");
    if (in_.size() < headers + 4 + content_length(headers)) return;
    int status = std::atoi(in_.c_str() + 9);
    int64_t due_ns = waiting_.front().due_ns;
    in_.clear();
    waiting_.pop_front();
    is_waiting_ = false;
    ended(status == 200 ? 0 : status, due_ns);
  }

 private:
  size_t content_length(size_t headers) const {
    static const char name[] = "\r\ncontent-length:";
    for (size_t at = in_.find("\r\n"); at < headers; at = in_.find("\r\n", at + 2))
      if (strncasecmp(in_.c_str() + at, name, sizeof name - 1) == 0)
        return static_cast<size_t>(std::atoll(in_.c_str() + at + sizeof name - 1));
    fail("an answer has no content-length");
  }

  std::deque<Stream> waiting_;
  bool is_waiting_ = false;
  std::string in_;
};

}  // namespace load
