// Calls over HTTP/2 with gRPC's frames.

#pragma once

#include <nghttp2/nghttp2.h>

#include "connection.h"

namespace load {

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(Load& load, int epoll) : Connection(load, epoll) { open_session(); }
  ~GrpcConnection() override { nghttp2_session_del(session_); }

  bool is_open() const override { return is_open_; }

  void begin(int64_t due_ns) override { waiting_.push_back({&next_call(), 0, due_ns, -1, {}}); }


  void flush() override {
    end_late();
    for (const size_t most = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
         !waiting_.empty() && open_ < most; waiting_.pop_front())
      send(waiting_.front());
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
    const size_t length = read();
    if (length == 0) reconnect();
    else if (nghttp2_session_mem_recv(session_, buffer_, length) < 0) fail("what came is not HTTP/2");
  }

 private:
  void open_session() {
    nghttp2_session_callbacks* callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    if (load_.replies) nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 28);
  }

  // As clients do: the calls that were sent fail as UNAVAILABLE, those that wait go over a new connection.
  void reconnect() {
    ++load_.results.reconnections;
    std::vector<int32_t> ids;
    for (const auto& [id, due_ns] : by_deadline_)
      if (nghttp2_session_get_stream_user_data(session_, id) != nullptr) ids.push_back(id);
    for (const int32_t id : ids) {
      const std::unique_ptr<Stream> stream(static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id)));
      ended(stream->status > 0 ? stream->status : kUnavailable, stream->due_ns);
    }
    by_deadline_.clear();
    open_ = 0;
    is_open_ = false;
    nghttp2_session_del(session_);
    close(socket_);
    open_socket();
    open_session();
  }

  void send(const Stream& waited) {
    auto* stream = new Stream(waited);
    const std::string& path = load_.options.paths[static_cast<size_t>(stream->call->path)];
    // What is left of the deadline, in steps, so that most calls have the same header.
    constexpr int64_t kStepNs = 10'000'000;
    const int64_t steps = (load_.timeout_ns - (now_ns() - stream->due_ns) + kStepNs - 1) / kStepNs;
    const std::string timeout = std::to_string(std::max<int64_t>(1, steps) * kStepNs / 1'000'000) + "m";
    std::vector<nghttp2_nv> headers = {
        header(":method", "POST"),    header(":scheme", "http"), header(":path", path),
        header(":authority", "load"), header("te", "trailers"),  header("content-type", "application/grpc"),
    };
    if (load_.timeout_ns > 0) headers.push_back(header("grpc-timeout", timeout));
    const std::string& authorization = load_.options.authorization;
    if (!authorization.empty()) headers.push_back(header("authorization", authorization));
    nghttp2_data_provider provider{};
    provider.source.ptr = stream;
    provider.read_callback = read_body;
    const int32_t id = nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &provider, stream);
    if (id < 0) fail("no stream left");
    ++open_;
    by_deadline_.emplace_back(id, stream->due_ns);
  }

  // Ends calls at their deadline, as clients of gRPC do: those not sent are dropped, the others cancelled.
  void end_late() {
    const int64_t late = load_.timeout_ns > 0 ? now_ns() - load_.timeout_ns : INT64_MIN;
    for (; !waiting_.empty() && waiting_.front().due_ns < late; waiting_.pop_front())
      ended(kDeadlineExceeded, waiting_.front().due_ns);
    for (; !by_deadline_.empty(); by_deadline_.pop_front()) {
      const auto [id, due_ns] = by_deadline_.front();
      auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
      if (stream == nullptr) continue;  // it has ended
      if (due_ns >= late) break;
      stream->status = kDeadlineExceeded;
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
  }

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

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t length, void*) {
    auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream) stream->reply.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
      static_cast<GrpcConnection*>(user)->is_open_ = true;
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t, void* user) {
    const std::unique_ptr<Stream> stream(static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id)));
    auto* connection = static_cast<GrpcConnection*>(user);
    --connection->open_;
    if (connection->load_.replies) connection->load_.keep(*stream);
    connection->ended(stream->status, stream->due_ns);
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  bool is_open_ = false;
  size_t open_ = 0;
  std::deque<Stream> waiting_;  // for the server to take another stream
  std::deque<std::pair<int32_t, int64_t>> by_deadline_;  // the streams that were opened, and when their calls were due
};

}  // namespace load
