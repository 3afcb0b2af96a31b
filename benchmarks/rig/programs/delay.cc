// A proxy that makes a store seem far away: it forwards what it receives a fixed time later, in each direction, and at any rate.
//
//   delay --socket PATH --round-trip-us N
//
// Listens on a free port of the loopback, prints it as `presage serve` does, and connects to the unix socket for each connection.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "delay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Chunk {
  int64_t due_ns;
  std::string bytes;
};

// One end of a connection; `delayed` is on its way to it.
struct End {
  int fd;
  End* other = nullptr;
  std::deque<Chunk> delayed;
  bool is_closed = false;   // nothing more comes from it
  bool is_finished = false;  // nothing more goes to it
};

class Proxy {
 public:
  Proxy(const std::string& socket, int64_t one_way_ns) : one_way_ns_(one_way_ns) {
    path_.sun_family = AF_UNIX;
    if (socket.size() >= sizeof path_.sun_path) fail("--socket");
    std::memcpy(path_.sun_path, socket.data(), socket.size());
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 128) != 0) fail("listen");
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    watch(listener_, nullptr);
    watch(timer_, &timer_);
    std::printf("delay: serving on 127.0.0.1:%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    while (true) {
      set_timer();
      epoll_event events[64];
      const int ready = epoll_wait(epoll_, events, 64, -1);
      const int64_t now = now_ns();
      for (int i = 0; i < ready; ++i) {
        void* const source = events[i].data.ptr;
        if (source == nullptr) accept_one();
        else if (source != &timer_) receive(*static_cast<End*>(source), now);
      }
      for (auto& end : ends_) deliver(*end, now);
      remove_closed();
    }
  }

 private:
  void watch(int fd, void* source) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = source;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_one() {
    const int near = accept(listener_, nullptr, nullptr), far = socket(AF_UNIX, SOCK_STREAM, 0), one = 1;
    if (near < 0 || connect(far, reinterpret_cast<const sockaddr*>(&path_), sizeof path_) != 0) fail("connect");
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ends_.push_back(std::make_unique<End>(End{near}));
    ends_.push_back(std::make_unique<End>(End{far}));
    End& first = *ends_[ends_.size() - 2];
    End& second = *ends_.back();
    first.other = &second;
    second.other = &first;
    watch(near, &first);
    watch(far, &second);
  }

  void receive(End& from, int64_t now) {
    const ssize_t size = recv(from.fd, buffer_, sizeof buffer_, 0);
    if (size > 0) {
      from.other->delayed.push_back({now + one_way_ns_, std::string(buffer_, static_cast<size_t>(size))});
      return;
    }
    from.is_closed = true;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, from.fd, nullptr);
  }

  // The sockets block: a peer that does not read holds everything up, which neither a store nor its client does for long.
  void deliver(End& to, int64_t now) {
    for (; !to.delayed.empty() && to.delayed.front().due_ns <= now; to.delayed.pop_front()) {
      const std::string& bytes = to.delayed.front().bytes;
      for (size_t sent = 0; sent < bytes.size();) {
        const ssize_t size = send(to.fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (size <= 0) break;
        sent += static_cast<size_t>(size);
      }
    }
    if (to.other->is_closed && to.delayed.empty() && !to.is_finished) {
      shutdown(to.fd, SHUT_WR);
      to.is_finished = true;
    }
  }

  void remove_closed() {
    for (size_t place = 0; place < ends_.size();) {  // the two ends of a connection are next to each other
      const End &first = *ends_[place], &second = *ends_[place + 1];
      if (first.is_finished && first.is_closed && second.is_finished && second.is_closed) {
        close(first.fd);
        close(second.fd);
        const auto at = ends_.begin() + static_cast<ptrdiff_t>(place);
        ends_.erase(at, at + 2);
      } else {
        place += 2;
      }
    }
  }

  void set_timer() const {
    int64_t next = 0;
    for (const auto& end : ends_)
      if (!end->delayed.empty() && (next == 0 || end->delayed.front().due_ns < next)) next = end->delayed.front().due_ns;
    itimerspec when{};
    when.it_value.tv_sec = next / 1'000'000'000;
    when.it_value.tv_nsec = next % 1'000'000'000;
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  const int64_t one_way_ns_;
  sockaddr_un path_{};
  const int epoll_ = epoll_create1(0), listener_ = socket(AF_INET, SOCK_STREAM, 0);
  int timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  std::vector<std::unique_ptr<End>> ends_;
  char buffer_[1 << 18];
};

}  // namespace

int main(int count, char** words) {
  std::string socket;
  int64_t round_trip_us = 0;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = words[i];
    if (name == "--socket") socket = words[i + 1];
    else if (name == "--round-trip-us") round_trip_us = std::atoll(words[i + 1]);
  }
  auto proxy = std::make_unique<Proxy>(socket, round_trip_us * 500);
  proxy->run();
}
