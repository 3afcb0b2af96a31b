// A visitor's state as the product stores it: a revision, a CRC-32 of the rest, a version, then msgpack. Read as CoreState is: up to
// the last field that a feature of the `conversion` set needs. Texts stay where they are, in the bytes that were read.

#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace limit {

struct CartLine {
  std::string_view category;
  int64_t price_micros;
  int64_t quantity;
};

struct Session {
  std::string_view session_id;
  int64_t start_unix_micros;
  int64_t last_unix_micros;
  int64_t event_count = 0;
  int64_t page_views = 0;
  int64_t product_views = 0;
  int64_t add_to_carts = 0;
  int64_t priced_views = 0;
  int64_t viewed_price_micros = 0;
  int64_t max_cart_value_micros = 0;
  std::string_view viewed_products;
};

struct State {
  int64_t first_seen_unix_micros = 0;
  int64_t last_seen_unix_micros = 0;
  int64_t orders = 0;
  int64_t spent_micros = 0;
  int64_t first_order_unix_micros = 0;
  int64_t last_order_unix_micros = 0;
  int64_t closed_sessions = 0;
  int64_t bounced_sessions = 0;
  int64_t device = 0;
  std::vector<Session> sessions;
  std::vector<CartLine> cart;
};

// Reads what msgspec writes of our structs. Throws std::runtime_error for anything else.
class Msgpack {
 public:
  explicit Msgpack(std::string_view bytes) : at_(reinterpret_cast<const uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

  size_t array() {
    const uint8_t kind = byte();
    if ((kind & 0xf0) == 0x90) return kind & 0x0f;
    if (kind == 0xdc) return big(2);
    if (kind == 0xdd) return big(4);
    throw std::runtime_error("expected an array");
  }

  size_t map() {
    const uint8_t kind = byte();
    if ((kind & 0xf0) == 0x80) return kind & 0x0f;
    if (kind == 0xde) return big(2);
    if (kind == 0xdf) return big(4);
    throw std::runtime_error("expected a map");
  }

  int64_t integer() {
    const uint8_t kind = byte();
    if (kind < 0x80) return kind;
    if (kind >= 0xe0) return static_cast<int8_t>(kind);
    switch (kind) {
      case 0xcc: return static_cast<int64_t>(big(1));
      case 0xcd: return static_cast<int64_t>(big(2));
      case 0xce: return static_cast<int64_t>(big(4));
      case 0xcf: return static_cast<int64_t>(big(8));
      case 0xd0: return static_cast<int8_t>(big(1));
      case 0xd1: return static_cast<int16_t>(big(2));
      case 0xd2: return static_cast<int32_t>(big(4));
      case 0xd3: return static_cast<int64_t>(big(8));
      default: throw std::runtime_error("expected an integer");
    }
  }

  // Text or bytes.
  std::string_view text() {
    const uint8_t kind = byte();
    if ((kind & 0xe0) == 0xa0) return take(kind & 0x1f);
    switch (kind) {
      case 0xc4: case 0xd9: return take(big(1));
      case 0xc5: case 0xda: return take(big(2));
      case 0xc6: case 0xdb: return take(big(4));
      default: throw std::runtime_error("expected text or bytes");
    }
  }

 private:
  std::string_view take(size_t size) {
    if (size > static_cast<size_t>(end_ - at_)) throw std::runtime_error("cut off");
    std::string_view taken(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return taken;
  }
  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }
  uint64_t big(size_t size) {
    uint64_t number = 0;
    for (char one : take(size)) number = number << 8 | static_cast<uint8_t>(one);
    return number;
  }

  const uint8_t* at_;
  const uint8_t* end_;
};

inline uint32_t checksum(std::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Reads a stored state into one that may have held another; throws std::runtime_error if it cannot be read.
inline void read_state(std::string_view blob, State& state) {
  constexpr size_t kRevision = 8, kChecksum = 4;
  constexpr uint8_t kNewestVersion = 2;
  if (blob.size() < kRevision + kChecksum + 1) throw std::runtime_error("too short");
  blob.remove_prefix(kRevision);
  uint32_t expected = 0;
  for (char one : blob.substr(0, kChecksum)) expected = expected << 8 | static_cast<uint8_t>(one);
  blob.remove_prefix(kChecksum);
  if (checksum(blob) != expected) throw std::runtime_error("wrong checksum");
  if (const auto version = static_cast<uint8_t>(blob[0]); version < 1 || version > kNewestVersion) throw std::runtime_error("version");
  Msgpack in(blob.substr(1));
  constexpr size_t kFields = 12, kSessionFields = 11, kLineFields = 4;  // up to the cart; later versions append behind
  if (in.array() < kFields) throw std::runtime_error("too few fields");
  state.first_seen_unix_micros = in.integer();
  state.last_seen_unix_micros = in.integer();
  state.orders = in.integer();
  state.spent_micros = in.integer();
  state.first_order_unix_micros = in.integer();
  state.last_order_unix_micros = in.integer();
  state.closed_sessions = in.integer();
  state.bounced_sessions = in.integer();
  state.device = in.integer();
  in.text();  // country
  state.sessions.resize(in.array());
  for (Session& session : state.sessions) {
    if (in.array() != kSessionFields) throw std::runtime_error("fields of a session");
    session.session_id = in.text();
    session.start_unix_micros = in.integer();
    session.last_unix_micros = in.integer();
    session.event_count = in.integer();
    session.page_views = in.integer();
    session.product_views = in.integer();
    session.add_to_carts = in.integer();
    session.priced_views = in.integer();
    session.viewed_price_micros = in.integer();
    session.max_cart_value_micros = in.integer();
    session.viewed_products = in.text();
  }
  state.cart.resize(in.map());
  for (CartLine& line : state.cart) {
    in.text();  // item id
    if (in.array() != kLineFields) throw std::runtime_error("fields of a line");
    line.category = in.text();
    in.text();  // brand
    line.price_micros = in.integer();
    line.quantity = in.integer();
  }
}

}  // namespace limit
