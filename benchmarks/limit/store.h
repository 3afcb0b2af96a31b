// One connection to the store: commands are collected and sent together, replies come in the same order.

#pragma once

#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serving.h"
#include "state.h"

namespace limit {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// Appends a command.
inline void append_command(std::string& to, std::initializer_list<std::string_view> words) {
  const auto append_size = [&to](char kind, size_t size) {
    to += kind;
    to += std::to_string(size);
    to += "\r\n";
  };
  append_size('*', words.size());
  for (std::string_view word : words) {
    append_size('$', word.size());
    to += word;
    to += "\r\n";
  }
}

// A visitor's keys.
struct Keys {
  explicit Keys(std::string_view user_id) : partition("{p" + std::to_string(checksum(user_id) % 1'024) + "}"), user_id(user_id) {}

  std::string state() const { return (partition + ":u:").append(user_id); }
  std::string quarantine() const { return (partition + ":aside:").append(user_id); }
  std::string stream() const { return partition + ":events"; }

  std::string partition;
  std::string_view user_id;
};

// Sending and reading may happen on two threads, but each on one at a time.
class Store {
 public:
  explicit Store(const std::string& socket) : redis_(redisConnectUnix(socket.c_str())) {
    if (redis_ == nullptr || redis_->err != 0) fail(redis_ == nullptr ? "no memory" : redis_->errstr);
  }

  // Loads a script from a file; returns the name that EVALSHA knows it by.
  std::string load_script(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string script(std::istreambuf_iterator<char>(file), {});
    std::string command;
    append_command(command, {"SCRIPT", "LOAD", script});
    send(command);
    const Reply reply = read();
    if (reply->type != REDIS_REPLY_STRING) fail("the script " + path + " cannot be loaded");
    return {reply->str, reply->len};
  }

  void send(const std::string& commands) {
    for (size_t sent = 0; sent < commands.size();) {
      const ssize_t now = ::send(redis_->fd, commands.data() + sent, commands.size() - sent, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) fail(std::string("the store: ") + std::strerror(errno));
      if (now > 0) sent += static_cast<size_t>(now);
    }
  }

  // Waits for a reply.
  Reply read() {
    Reply reply;
    while ((reply = read_received()) == nullptr)
      if (redisBufferRead(redis_) != REDIS_OK) fail(std::string("the store: ") + redis_->errstr);
    return reply;
  }

  // The next reply if it has been received already.
  Reply read_received() {
    void* reply = nullptr;
    if (redisGetReplyFromReader(redis_, &reply) != REDIS_OK) fail(std::string("the store: ") + redis_->errstr);
    return Reply(static_cast<redisReply*>(reply));
  }

 private:
  redisContext* const redis_;
};

}  // namespace limit
