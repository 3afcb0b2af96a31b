// The 20 features of the `conversion` set, in its order, from the definitions in featurizer/presage_featurizer/features.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "event.h"
#include "state.h"

namespace limit {

constexpr size_t kFeatures = 20;
using Vector = std::array<float, kFeatures>;

constexpr int64_t kMicros = 1'000'000;
constexpr int64_t kDayMicros = 86'400 * kMicros;
constexpr int64_t kIdleMicros = 30 * 60 * kMicros;
constexpr int64_t kNamedIdleMicros = kDayMicros;

// The session that a caller names, or else the most recent one; nullptr if there is none or it was idle for too long.
inline const Session* current_session(const State& state, int64_t now, std::string_view session_id) {
  const Session* found = nullptr;
  for (const Session& session : state.sessions) {
    const bool fits = session_id.empty() ? found == nullptr || session.last_unix_micros >= found->last_unix_micros
                                         : session.session_id == session_id;
    if (fits) found = &session;
  }
  const int64_t limit = session_id.empty() ? kIdleMicros : kNamedIdleMicros;
  return found != nullptr && now - found->last_unix_micros <= limit ? found : nullptr;
}

inline int segment(int64_t orders, int64_t sessions, double days_since_last_order) {
  constexpr int kNew = 0, kReturning = 1, kBuyer = 2, kRepeatBuyer = 3, kLoyal = 4, kLapsed = 5;
  if (orders == 0) return sessions > 1 ? kReturning : kNew;
  if (days_since_last_order > 90.0) return kLapsed;
  if (orders == 1) return kBuyer;
  return orders >= 5 ? kLoyal : kRepeatBuyer;
}

inline double events_of(const Session& session, int64_t type) {
  for (const auto& [key, number] : session.events)
    if (key == type) return static_cast<double>(number);
  return 0;
}

inline int deepest_step(const Session& session) {
  static constexpr int kSteps[] = {0, 1, 3, 2, 3, 2, 4, 0, 0, 0, 4, 5, 6, 7};  // by the number of the type
  int deepest = 0;
  for (const auto& [type, _] : session.events)
    if (type < static_cast<int64_t>(std::size(kSteps))) deepest = std::max(deepest, kSteps[type]);
  return deepest;
}

inline double share(double part, double whole) { return whole != 0 ? part / whole : 0.0; }

// A visitor without history is an empty state.
inline Vector featurize(const State& state, int64_t now, std::string_view session_id) {
  using namespace presage::v1;
  static const Session kNoSession{};
  constexpr double kMoney = static_cast<double>(kMicros);
  const Session* current = current_session(state, now, session_id);
  const Session& session = current != nullptr ? *current : kNoSession;
  const auto days_since = [now](int64_t then) {
    return then == 0 || then > now ? 0.0 : static_cast<double>(now - then) / static_cast<double>(kDayMicros);
  };
  const auto count = [](int64_t number) { return static_cast<double>(number); };

  int64_t units = 0, value = 0;
  for (const CartLine& line : state.cart) {
    units += line.quantity;
    value += line.price_micros * line.quantity;
  }
  int64_t ended = state.closed_sessions, bounced = state.bounced_sessions;
  for (const Session& other : state.sessions) {
    if (&other == current || now - other.last_unix_micros <= kIdleMicros) continue;
    ++ended;
    bounced += other.event_count == 1;
  }
  const int64_t seconds = now / kMicros;
  const double spent = count(state.spent_micros) / kMoney;
  const int64_t sessions = state.closed_sessions + static_cast<int64_t>(state.sessions.size());
  const std::array<double, kFeatures> values = {
      days_since(state.last_order_unix_micros != 0 ? state.last_order_unix_micros : state.first_seen_unix_micros),
      count(state.orders),
      spent,
      days_since(state.first_order_unix_micros),
      count(session.page_views),
      count(session.product_views),
      count(session.add_to_carts),
      static_cast<double>(session.viewed_products.size() / 8),
      share(count(session.viewed_price_micros) / kMoney, count(session.priced_views)),
      share(count(bounced), count(ended)),
      count(units),
      share(count(value) / kMoney, count(units)),
      count(session.max_cart_value_micros) / kMoney,
      count(seconds % 86'400 / 3'600),
      static_cast<double>(segment(state.orders, sessions, days_since(state.last_order_unix_micros))),
      count(state.device),
      events_of(session, EVENT_TYPE_SEARCH),
      events_of(session, EVENT_TYPE_ADD_TO_WISHLIST),
      count(session.last_type),
      static_cast<double>(deepest_step(session)),
  };
  Vector vector;
  std::transform(values.begin(), values.end(), vector.begin(), [](double one) { return static_cast<float>(one); });
  return vector;
}

}  // namespace limit
