// Load for gRPC servers: unary calls over HTTP/2 without TLS, in a closed loop, at a constant rate, or in bursts.
// With --protocol http1, for servers of JSON: POSTs over HTTP/1.1, one at a time on each connection, further ones wait their turn.
//
// In a closed loop (--in-flight N) a call begins when another ends. At a constant rate (--rate R) call k is due at start + k / R, is sent
// then or as soon as possible after it, and its latency counts from when it was due: a server that stalls is charged for the calls that
// waited (no coordinated omission). Calls that are due within kGrainNs are sent together, as a client with many calls does. In bursts
// (--burst N --bursts K --pause-seconds S), N calls are sent at once, over all connections in turn; the next ones follow S seconds after
// all are answered, so that they meet an idle server. One thread, so that the generator takes little of the machine that it measures on.
//
// gRPC calls have a deadline (--timeout-ms, 0 for none), which counts from when they are due: a call that is not sent by then, because the
// server takes no more streams, is dropped, one that is not answered is cancelled, and both count as DEADLINE_EXCEEDED.
//
// With --authorization VALUE, gRPC calls carry it as metadata.
//
// --calls is a file of calls that are made in turn, over and over: for each one byte, which --path; four bytes, the length of the
// message, little-endian; the message. Prints one JSON object in one line; with --report-seconds one more for each interval before it.
//
// SIGTERM ends a load early, when all calls have ended. With --replies FILE, which only gRPC has, every call that was sent is kept there when it ends: the nanoseconds of the monotonic clock at
// which it was due and at which it ended, each in eight bytes; its status and the length of what came, each in four; what came.

#include <signal.h>
#include <sys/timerfd.h>

#include <fstream>

#include "grpc_connection.h"
#include "http1_connection.h"

namespace load {
namespace {

constexpr int64_t kGrainNs = 100'000;

volatile sig_atomic_t is_asked_to_end = 0;

void print(const Results& results, double seconds, bool is_whole = true) {
  std::printf("{\"is_whole\": %s, \"seconds\": %.3f, \"missed\": %ld, \"reconnections\": %ld, \"send_lag_p99_us\": %.1f, \"statuses\": {", is_whole ? "true" : "false", seconds,
              static_cast<long>(results.missed), static_cast<long>(results.reconnections), results.send_lag.quantile_us(0.99));
  const char* separator = "";
  for (const auto& [status, histogram] : results.by_status) {
    std::printf("%s\"%d\": {\"calls\": %ld, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}",
                separator, status, static_cast<long>(histogram.total()), histogram.quantile_us(0.5), histogram.quantile_us(0.9),
                histogram.quantile_us(0.99), histogram.quantile_us(0.999), histogram.max_us());
    separator = ", ";
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
    else if (name == "--replies") options.replies = value;
    else if (name == "--protocol") options.protocol = value;
    else if (name == "--connections") options.connections = std::stoi(value);
    else if (name == "--in-flight") options.in_flight = std::stoi(value);
    else if (name == "--seconds") options.seconds = std::stod(value);
    else if (name == "--warm-up-seconds") options.warm_up_seconds = std::stod(value);
    else if (name == "--rate") options.rate = std::stod(value);
    else if (name == "--report-seconds") options.report_seconds = std::stod(value);
    else if (name == "--burst") options.burst = std::stoi(value);
    else if (name == "--bursts") options.bursts = std::stoi(value);
    else if (name == "--pause-seconds") options.pause_seconds = std::stod(value);
    else if (name == "--authorization") options.authorization = value;
    else if (name == "--timeout-ms") options.timeout_ms = std::stoi(value);
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

class Run {
 public:
  explicit Run(const Options& options) {
    load_.options = options;
    load_.calls = read_calls(options);
    if (!options.replies.empty() && !(load_.replies = std::fopen(options.replies.c_str(), "wb"))) fail("--replies: cannot be written");
    load_.timeout_ns = options.timeout_ms * int64_t{1'000'000};
    for (int i = 0; i < options.connections; ++i)
      if (options.protocol == "http1") load_.connections.push_back(std::make_unique<Http1Connection>(load_, epoll_));
      else load_.connections.push_back(std::make_unique<GrpcConnection>(load_, epoll_));
    epoll_event timer_event{};
    timer_event.events = EPOLLIN;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &timer_event);
    const int64_t give_up = now_ns() + kPatienceNs;
    while (std::any_of(load_.connections.begin(), load_.connections.end(), [](const auto& one) { return !one->is_open(); })) {
      flush();
      wait_until(give_up);
      if (now_ns() > give_up) fail("the server does not speak HTTP/2");
    }
  }

  void bursts() {
    const Options& options = load_.options;
    const int64_t start = now_ns();
    load_.measure_until_ns = INT64_MAX;
    for (int number = 0; number < options.bursts; ++number) {
      const int64_t due = now_ns();
      for (int i = 0; i < options.burst; ++i) connection(i).begin(due);
      flush();
      while (load_.outstanding > 0 && now_ns() < due + kPatienceNs) wait_until(due + kPatienceNs), flush();
      if (load_.outstanding > 0) break;
      for (const int64_t next = now_ns() + static_cast<int64_t>(options.pause_seconds * 1e9); now_ns() < next;) wait_until(next), flush();
    }
    print(load_.results, static_cast<double>(now_ns() - start) / 1e9);
    check_answered();
  }

  void loads() {
    const Options& options = load_.options;
    const int64_t start = now_ns();
    load_.measure_from_ns = start + static_cast<int64_t>(options.warm_up_seconds * 1e9);
    load_.measure_until_ns = load_.measure_from_ns + static_cast<int64_t>(options.seconds * 1e9);
    Results whole;
    int64_t reported = load_.measure_from_ns, begun = 0, next_send = start, asked_at = INT64_MAX;
    const auto due_ns = [&] { return start + static_cast<int64_t>(static_cast<double>(begun) * 1e9 / options.rate); };
    if (options.rate == 0)
      for (int i = 0; i < options.in_flight; ++i) connection(i).begin(start);
    while (true) {
      const int64_t now = now_ns();
      if (now >= load_.measure_until_ns || is_asked_to_end) load_.ending = true;
      const bool has_more = options.rate > 0 && !load_.ending;
      if (has_more && now >= next_send) {
        next_send = now + kGrainNs;
        for (; due_ns() <= now; ++begun) {
          if (load_.outstanding >= kMostOutstanding) { ++load_.results.missed; continue; }
          load_.results.send_lag.add(now - due_ns());
          connection(begun).begin(due_ns());
        }
      }
      if (is_asked_to_end && asked_at == INT64_MAX) asked_at = now;
      flush();
      if (options.report_seconds > 0 && now - reported >= static_cast<int64_t>(options.report_seconds * 1e9)) {
        print(load_.results, static_cast<double>(now - reported) / 1e9, false);
        whole.add(load_.results);
        load_.results = {};
        reported = now;
      }
      if (load_.ending && (load_.outstanding == 0 || now > std::min(load_.measure_until_ns, asked_at) + kPatienceNs)) break;
      wait_until(load_.ending ? now + 1'000'000'000 : has_more ? std::max(next_send, due_ns()) : load_.measure_until_ns);
    }
    whole.add(load_.results);
    print(whole, std::min(options.seconds, static_cast<double>(now_ns() - load_.measure_from_ns) / 1e9));
    if (load_.replies) std::fclose(load_.replies);
    check_answered();
  }

 private:
  static constexpr int64_t kMostOutstanding = 100'000, kPatienceNs = 10'000'000'000;

  Connection& connection(int64_t number) { return *load_.connections[static_cast<size_t>(number) % load_.connections.size()]; }

  void flush() {
    for (auto& connection : load_.connections) connection->flush();
  }

  // Takes what comes, until some has come or it is time.
  void wait_until(int64_t ns) {
    itimerspec when{};
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
    epoll_event events[64];
    const int ready = epoll_wait(epoll_, events, 64, 1'000);
    for (int i = 0; i < ready; ++i)
      if (events[i].data.ptr) static_cast<Connection*>(events[i].data.ptr)->receive();
  }

  void check_answered() const {
    if (load_.outstanding > 0) fail(std::to_string(load_.outstanding) + " calls were never answered");
  }

  Load load_;
  const int epoll_ = epoll_create1(0), timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
};

}  // namespace
}  // namespace load

int main(int count, char** words) {
  signal(SIGTERM, [](int) { load::is_asked_to_end = 1; });
  const load::Options options = load::parse(count, words);
  load::Run run(options);
  if (options.burst > 0) run.bursts();
  else run.loads();
  return 0;
}
