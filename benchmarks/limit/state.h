// A visitor's state as Presage stores it: a revision, a CRC-32 of the rest, a version, then MessagePack.
// Texts are not copied: they stay in the bytes that were read, or in the event that changed them.

#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "msgpack.h"

namespace limit {

struct CartLine {
  std::string_view item_id;
  std::string_view category;
  std::string_view brand;
  int64_t price_micros;
  int64_t quantity;
};

// Numbers by key; maps keep the order in which keys came, as Python's do.
using Counts = std::vector<std::pair<int64_t, int64_t>>;

inline void count(Counts& counts, int64_t key) {
  for (auto& [known, number] : counts)
    if (known == key) {
      ++number;
      return;
    }
  counts.emplace_back(key, 1);
}

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
  Counts events;
  int64_t last_type = 0;
  int64_t last_gap_micros = 0;
  int64_t longest_gap_micros = 0;
  int64_t repeat_views = 0;
  std::string_view items;
};

struct Interest {
  std::string_view key;
  double score;
  int64_t last_unix_micros;
  int64_t count;
};

struct Habits {
  Counts events;
  Counts hours_of_week;
  int64_t item_views = 0;
  int64_t repeat_views = 0;
  int64_t priced_views = 0;
  int64_t viewed_price_micros = 0;
  std::string_view viewed_products;
  std::vector<Interest> categories;
  std::string_view last_category;
  int64_t last_price_micros = 0;
};

struct Order {
  std::string_view order;
  int64_t money_micros;
  std::string_view lines;
};

struct ItemHistory {
  std::string_view digests;
  std::string_view scores;
  std::string_view times;
  std::string_view counts;
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
  std::string_view country;
  std::vector<Session> sessions;
  std::vector<CartLine> cart;
  std::string_view recent_events;
  bool cart_saturated = false;
  Habits habits;
  std::vector<Order> recent_orders;
  ItemHistory items;
};

constexpr size_t kRevisionBytes = 8, kChecksumBytes = 4;
constexpr uint8_t kStateVersion = 5;
constexpr size_t kStateFields = 18, kOrderFields = 3, kSessionFields = 18, kHistoryFields = 4, kLineFields = 4, kHabitsFields = 10, kInterestFields = 3;

inline uint32_t checksum(std::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

inline void append_big_endian(std::string& out, uint64_t value, size_t size) {
  while (size-- > 0) out += static_cast<char>(value >> 8 * size);
}

// Puts the checksum of what follows it in its place, which has been left free.
inline void set_checksum(std::string& out, size_t place) {
  std::string bytes;
  append_big_endian(bytes, checksum(std::string_view(out).substr(place + kChecksumBytes)), kChecksumBytes);
  out.replace(place, kChecksumBytes, bytes);
}

inline void read_counts(MsgpackReader& in, Counts& counts) {
  counts.resize(in.map());
  for (auto& [key, count] : counts) key = in.integer(), count = in.integer();
}

inline void read_interests(MsgpackReader& in, std::vector<Interest>& interests) {
  interests.resize(in.map());
  for (Interest& interest : interests) {
    interest.key = in.text();
    if (in.array() != kInterestFields) throw std::runtime_error("fields of an interest");
    interest.score = in.number();
    interest.last_unix_micros = in.integer();
    interest.count = in.integer();
  }
}

inline void read_habits(MsgpackReader& in, Habits& habits) {
  if (in.array() != kHabitsFields) throw std::runtime_error("fields of habits");
  read_counts(in, habits.events);
  read_counts(in, habits.hours_of_week);
  habits.item_views = in.integer();
  habits.repeat_views = in.integer();
  habits.priced_views = in.integer();
  habits.viewed_price_micros = in.integer();
  habits.viewed_products = in.text();
  read_interests(in, habits.categories);
  habits.last_category = in.text();
  habits.last_price_micros = in.integer();
}

// A shop that declares no features of its own has no slots.
inline void read_slots(MsgpackReader& in) {
  if (in.map() != 0) throw std::runtime_error("slots");
}

// Reads the fields up to the cart, which is as far as the features of the `conversion` set reach.
inline void read_core(MsgpackReader& in, State& state) {
  const size_t fields = in.array();
  if (fields != kStateFields) throw std::runtime_error("fields of a state");
  state.first_seen_unix_micros = in.integer();
  state.last_seen_unix_micros = in.integer();
  state.orders = in.integer();
  state.spent_micros = in.integer();
  state.first_order_unix_micros = in.integer();
  state.last_order_unix_micros = in.integer();
  state.closed_sessions = in.integer();
  state.bounced_sessions = in.integer();
  state.device = in.integer();
  state.country = in.text();
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
    read_counts(in, session.events);
    for (int64_t* field : {&session.last_type, &session.last_gap_micros, &session.longest_gap_micros, &session.repeat_views})
      *field = in.integer();
    read_slots(in);
    session.items = in.text();
  }
  state.cart.resize(in.map());
  for (CartLine& line : state.cart) {
    line.item_id = in.text();
    if (in.array() != kLineFields) throw std::runtime_error("fields of a line");
    line.category = in.text();
    line.brand = in.text();
    line.price_micros = in.integer();
    line.quantity = in.integer();
  }
}

// Reads a stored state into one that may have held another, whole or without what only a fold needs.
// Throws std::runtime_error if it cannot be read.
inline void read_state(std::string_view blob, State& state, bool whole) {
  if (blob.size() < kRevisionBytes + kChecksumBytes + 1) throw std::runtime_error("too short");
  blob.remove_prefix(kRevisionBytes);
  uint32_t expected = 0;
  for (char one : blob.substr(0, kChecksumBytes)) expected = expected << 8 | static_cast<uint8_t>(one);
  blob.remove_prefix(kChecksumBytes);
  if (checksum(blob) != expected) throw std::runtime_error("wrong checksum");
  if (const auto version = static_cast<uint8_t>(blob[0]); version != kStateVersion) throw std::runtime_error("version");
  MsgpackReader in(blob.substr(1));
  read_core(in, state);
  if (!whole) return;
  state.recent_events = in.text();
  state.cart_saturated = in.boolean();
  read_slots(in);
  read_habits(in, state.habits);
  state.recent_orders.resize(in.array());
  for (Order& order : state.recent_orders) {
    if (in.array() != kOrderFields) throw std::runtime_error("fields of an order");
    order.order = in.text();
    order.money_micros = in.integer();
    order.lines = in.text();
  }
  if (in.array() != kHistoryFields) throw std::runtime_error("fields of an item history");
  state.items = {in.text(), in.text(), in.text(), in.text()};
}

inline void write_counts(MsgpackWriter& out, const Counts& counts) {
  out.map(counts.size());
  for (const auto& [key, count] : counts) out.integer(key), out.integer(count);
}

inline void write_interest(MsgpackWriter& out, const Interest& interest) {
  out.array(kInterestFields);
  out.number(interest.score);
  out.integer(interest.last_unix_micros);
  out.integer(interest.count);
}

inline void write_habits(MsgpackWriter& out, const Habits& habits) {
  out.array(kHabitsFields);
  write_counts(out, habits.events);
  write_counts(out, habits.hours_of_week);
  for (int64_t field : {habits.item_views, habits.repeat_views, habits.priced_views, habits.viewed_price_micros}) out.integer(field);
  out.bytes(habits.viewed_products);
  out.map(habits.categories.size());
  for (const Interest& interest : habits.categories) out.text(interest.key), write_interest(out, interest);
  out.text(habits.last_category);
  out.integer(habits.last_price_micros);
}

// Appends a state, from its checksum on.
inline void write_state(std::string& to, const State& state) {
  const size_t start = to.size();
  to.append(kChecksumBytes, '\0');
  to += static_cast<char>(kStateVersion);
  MsgpackWriter out(to);
  out.array(kStateFields);
  for (int64_t field : {state.first_seen_unix_micros, state.last_seen_unix_micros, state.orders, state.spent_micros,
                        state.first_order_unix_micros, state.last_order_unix_micros, state.closed_sessions, state.bounced_sessions,
                        state.device})
    out.integer(field);
  out.text(state.country);
  out.array(state.sessions.size());
  for (const Session& session : state.sessions) {
    out.array(kSessionFields);
    out.text(session.session_id);
    for (int64_t field : {session.start_unix_micros, session.last_unix_micros, session.event_count, session.page_views,
                          session.product_views, session.add_to_carts, session.priced_views, session.viewed_price_micros,
                          session.max_cart_value_micros})
      out.integer(field);
    out.bytes(session.viewed_products);
    write_counts(out, session.events);
    for (int64_t field : {session.last_type, session.last_gap_micros, session.longest_gap_micros, session.repeat_views})
      out.integer(field);
    out.map(0);
    out.bytes(session.items);
  }
  out.map(state.cart.size());
  for (const CartLine& line : state.cart) {
    out.text(line.item_id);
    out.array(kLineFields);
    out.text(line.category);
    out.text(line.brand);
    out.integer(line.price_micros);
    out.integer(line.quantity);
  }
  out.bytes(state.recent_events);
  out.boolean(state.cart_saturated);
  out.map(0);
  write_habits(out, state.habits);
  out.array(state.recent_orders.size());
  for (const Order& order : state.recent_orders) {
    out.array(kOrderFields);
    out.bytes(order.order);
    out.integer(order.money_micros);
    out.bytes(order.lines);
  }
  out.array(kHistoryFields);
  for (std::string_view column : {state.items.digests, state.items.scores, state.items.times, state.items.counts}) out.bytes(column);
  set_checksum(to, start);
}

}  // namespace limit
