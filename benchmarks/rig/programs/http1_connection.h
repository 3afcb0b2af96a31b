// Calls over HTTP/1.1, one at a time on each connection.

#pragma once

#include <strings.h>

#include "connection.h"

namespace load {

// A status is 0 for HTTP 200, and HTTP's own number for others.
class Http1Connection final : public Connection {
 public:
  using Connection::Connection;

  void begin(int64_t due_ns) override { waiting_.push_back({&next_call(), 0, due_ns, -1}); }

  void flush() override {
    if (is_waiting_ || waiting_.empty()) return;
    is_waiting_ = true;
    if (!write(waiting_.front().call->frame)) fail("the server closed the connection");
  }

  void receive() override {
    const size_t length = read();
    if (length == 0) fail("the server closed the connection");
    in_.append(reinterpret_cast<const char*>(buffer_), length);
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
