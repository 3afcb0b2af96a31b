// Load for gRPC servers: unary calls over HTTP/2 without TLS, in a closed loop or at a constant rate.
// With --protocol http1, for servers of JSON: POSTs over HTTP/1.1, one at a time on each connection, further ones wait their turn.
//
// In a closed loop (--in-flight N) a call begins when another ends. At a constant rate (--rate R) call k is due at start + k / R, is sent
// then or as soon as possible after it, and its latency counts from when it was due: a server that stalls is charged for the calls that
// waited (no coordinated omission). Calls that are due within kGrainNs are sent together, as a client does that makes so many. One
// thread, so that the generator takes little of the machine that it measures on.
//
// --calls is a file of calls that are made in turn, over and over: for each one byte, which --path; four bytes, the length of the
// message, little-endian; the message. Prints one JSON object, or with --report-seconds one line for each interval.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kGrainNs = 100'000;

int64_t now_ns() { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count(); }

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

// Buckets whose width is at most 1/64 of their value.
class Histogram {
 public:
  void add(int64_t ns) {
    ++counts_[bucket(std::max<int64_t>(ns, 0))];
    ++total_;
    max_ = std::max(max_, ns);
  }
  int64_t total() const { return total_; }
  double quantile_us(double q) const {
    int64_t wanted = static_cast<int64_t>(q * static_cast<double>(total_)) + 1, seen = 0;
    for (const auto& [index, count] : counts_) {
      seen += count;
      if (seen >= std::min(wanted, total_)) return upper(index) / 1e3;
    }
    return 0;
  }
  double max_us() const { return static_cast<double>(max_) / 1e3; }

 private:
  static int64_t bucket(int64_t value) {
    int shift = 0;
    while ((value >> shift) >= 128) ++shift;
    return shift * 128 + (value >> shift);
  }
  static double upper(int64_t index) { return static_cast<double>((index % 128 + 1) << (index / 128)); }
  std::map<int64_t, int64_t> counts_;
  int64_t total_ = 0, max_ = 0;
};

struct Options {
  std::string host = "127.0.0.1", protocol = "grpc", calls;
  int port = 0, connections = 1, in_flight = 1;
  double seconds = 5, warm_up_seconds = 1, rate = 0, report_seconds = 0;
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
  void add(int status, int64_t ns) { by_status[status].add(ns); }
};

class Connection;

struct Load {
  Options options;
  std::vector<Call> calls;
  size_t next_call = 0;
  Results results;
  int64_t measure_from_ns = 0, measure_until_ns = 0, outstanding = 0, missed = 0;
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
    if (due_ns >= load_.measure_from_ns && due_ns < load_.measure_until_ns) load_.results.add(status, now - due_ns);
    if (load_.options.rate == 0 && !load_.ending) begin(now);
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
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 28);
  }
  ~GrpcConnection() override { nghttp2_session_del(session_); }

  void begin(int64_t due_ns) override {
    const Call& call = next_call();
    auto* stream = new Stream{&call, 0, due_ns, -1};
    const std::string& path = load_.options.paths[static_cast<size_t>(call.path)];
    const nghttp2_nv headers[] = {
        header(":method", "POST"), header(":scheme", "http"),         header(":path", path),
        header(":authority", "load"), header("te", "trailers"), header("content-type", "application/grpc"),
    };
    nghttp2_data_provider provider{};
    provider.source.ptr = stream;
    provider.read_callback = read_body;
    if (nghttp2_submit_request(session_, nullptr, headers, std::size(headers), &provider, stream) < 0) fail("no stream left");
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

  static int on_close(nghttp2_session* session, int32_t id, uint32_t, void* user) {
    const std::unique_ptr<Stream> stream(static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id)));
    static_cast<GrpcConnection*>(user)->ended(stream->status, stream->due_ns);
    return 0;
  }

  nghttp2_session* session_ = nullptr;
};

// A status is 0 for HTTP 200, and HTTP's own number for others.
class Http1Connection final : public Connection {
 public:
  using Connection::Connection;

  void begin(int64_t due_ns) override { waiting_.push_back({&next_call(), 0, due_ns, -1}); }

  void flush() override {
    if (under_way_ || waiting_.empty()) return;
    under_way_ = true;
    write(waiting_.front().call->frame);
  }

  void receive() override {
    in_.append(reinterpret_cast<const char*>(buffer_), read());
    size_t headers = in_.find("\r\n\r\n");
    if (headers == std::string::npos) return;
    if (!under_way_ || in_.compare(0, 7, "HTTP/1.") != 0 || headers < 12) fail("what came is not HTTP/1.1");
    if (in_.size() < headers + 4 + content_length(headers)) return;
    int status = std::atoi(in_.c_str() + 9);
    int64_t due_ns = waiting_.front().due_ns;
    in_.clear();
    waiting_.pop_front();
    under_way_ = false;
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
  bool under_way_ = false;
  std::string in_;
};

void print(const Load& load, double seconds) {
  std::printf("{\"seconds\": %.3f, \"missed\": %ld, \"statuses\": {", seconds, static_cast<long>(load.missed));
  bool first = true;
  for (const auto& [status, histogram] : load.results.by_status) {
    std::printf("%s\"%d\": {\"calls\": %ld, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}",
                first ? "" : ", ", status, static_cast<long>(histogram.total()), histogram.quantile_us(0.5), histogram.quantile_us(0.9),
                histogram.quantile_us(0.99), histogram.quantile_us(0.999), histogram.max_us());
    first = false;
  }
  std::printf("}}\n");
  std::fflush(stdout);
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    std::string name = words[i], value = words[i + 1];
    if (name == "--host") options.host = value;
    else if (name == "--port") options.port = std::stoi(value);
    else if (name == "--path") options.paths.push_back(value);
    else if (name == "--calls") options.calls = value;
    else if (name == "--protocol") options.protocol = value;
    else if (name == "--connections") options.connections = std::stoi(value);
    else if (name == "--in-flight") options.in_flight = std::stoi(value);
    else if (name == "--seconds") options.seconds = std::stod(value);
    else if (name == "--warm-up-seconds") options.warm_up_seconds = std::stod(value);
    else if (name == "--rate") options.rate = std::stod(value);
    else if (name == "--report-seconds") options.report_seconds = std::stod(value);
    else fail("unknown option " + name);
  }
  if (options.port == 0 || options.paths.empty() || options.calls.empty()) fail("give --port, --path and --calls");
  if (options.protocol != "grpc" && options.protocol != "http1") fail("--protocol: expected grpc or http1");
  return options;
}

std::vector<Call> read_calls(const Options& options) {
  std::ifstream file(options.calls, std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  std::vector<Call> calls;
  for (size_t at = 0; at + 5 <= all.size();) {
    uint32_t length;
    std::memcpy(&length, all.data() + at + 1, 4);
    const size_t path = static_cast<unsigned char>(all[at]);
    if (path >= options.paths.size()) fail("--calls names a path that is not given");
    std::string frame;
    if (options.protocol == "http1") {
      frame = "POST " + options.paths[path] + " HTTP/1.1\r\nhost: load\r\ncontent-type: application/json\r\ncontent-length: " +
              std::to_string(length) + "\r\n\r\n";
    } else {
      uint32_t big = htonl(length);
      frame.assign(1, '\0').append(reinterpret_cast<char*>(&big), 4);
    }
    calls.push_back({static_cast<int>(path), frame.append(all, at + 5, length)});
    at += 5 + length;
  }
  if (calls.empty()) fail("--calls has no call");
  return calls;
}

}  // namespace

int main(int count, char** words) {
  Load load;
  load.options = parse(count, words);
  load.calls = read_calls(load.options);
  const Options& options = load.options;
  int epoll = epoll_create1(0);
  for (int i = 0; i < options.connections; ++i)
    if (options.protocol == "http1") load.connections.push_back(std::make_unique<Http1Connection>(load, epoll));
    else load.connections.push_back(std::make_unique<GrpcConnection>(load, epoll));
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  epoll_event timer_event{};
  timer_event.events = EPOLLIN;
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &timer_event);

  const int64_t start = now_ns();
  load.measure_from_ns = start + static_cast<int64_t>(options.warm_up_seconds * 1e9);
  load.measure_until_ns = load.measure_from_ns + static_cast<int64_t>(options.seconds * 1e9);
  int64_t reported = load.measure_from_ns, begun = 0, next_send = start;
  if (options.rate == 0)
    for (int i = 0; i < options.in_flight; ++i) load.connections[static_cast<size_t>(i % options.connections)]->begin(start);
  const int64_t most_outstanding = 100'000;
  const int64_t give_up = load.measure_until_ns + 10'000'000'000;
  while (true) {
    int64_t now = now_ns();
    if (now >= load.measure_until_ns) load.ending = true;
    if (options.rate > 0 && !load.ending && now >= next_send) {
      next_send = now + kGrainNs;
      for (; start + static_cast<int64_t>(static_cast<double>(begun) * 1e9 / options.rate) <= now; ++begun) {
        int64_t due = start + static_cast<int64_t>(static_cast<double>(begun) * 1e9 / options.rate);
        if (load.outstanding >= most_outstanding) { ++load.missed; continue; }
        load.connections[static_cast<size_t>(begun % options.connections)]->begin(due);
      }
    }
    for (auto& connection : load.connections) connection->flush();
    if (options.report_seconds > 0 && now - reported >= static_cast<int64_t>(options.report_seconds * 1e9)) {
      print(load, static_cast<double>(now - reported) / 1e9);
      load.results = {};
      reported = now;
    }
    if (load.ending && (load.outstanding == 0 || now > give_up)) break;
    int64_t next = load.ending ? now + 1'000'000'000 : load.measure_until_ns;
    if (options.rate > 0 && !load.ending)
      next = std::max(next_send, start + static_cast<int64_t>(static_cast<double>(begun) * 1e9 / options.rate));
    itimerspec when{};
    when.it_value.tv_sec = next / 1'000'000'000;
    when.it_value.tv_nsec = next % 1'000'000'000;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
    epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, 1'000);
    for (int i = 0; i < ready; ++i)
      if (events[i].data.ptr) static_cast<Connection*>(events[i].data.ptr)->receive();
  }
  if (options.report_seconds == 0) print(load, options.seconds);
  if (load.outstanding > 0) fail(std::to_string(load.outstanding) + " calls were never answered");
  return 0;
}
