// How an event changes a visitor's state, from presage_featurizer's fold, cart, sessions and habits.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "digests.h"
#include "event.h"
#include "featurize.h"
#include "items.h"
#include "orders.h"
#include "state.h"

namespace limit {

constexpr size_t kRecentBytes = 128 * kDigestBytes, kViewedBytes = 256 * kDigestBytes;
constexpr size_t kMaxOpenSessions = 4, kMaxCartLines = 100, kMaxEventInterests = 12, kMaxCategoryInterests = 32;

class Fold {
 public:
  Fold(State& state, Event& event, Arena& arena) : state_(state), event_(event), arena_(arena) {}

  // Changes the state; false for a duplicate, which changes nothing. `is_new`: nothing is known of the visitor.
  bool run(bool is_new) {
    const std::string_view id = stored_digest(event_.event_id);
    if (is_new) {
      state_ = {};
      state_.first_seen_unix_micros = state_.last_seen_unix_micros = event_.time_unix_micros;
    } else if (contains(state_.recent_events, id)) {
      return false;
    }
    state_.recent_events = arena_.join(state_.recent_events, id);
    if (const size_t size = state_.recent_events.size(); size > kRecentBytes) state_.recent_events.remove_prefix(size - kRecentBytes);
    fold();
    return true;
  }

 private:
  void fold() {
    using namespace presage::v1;
    const int64_t now = event_.time_unix_micros;
    const bool is_newest = now >= state_.last_seen_unix_micros;
    if (is_newest) state_.last_seen_unix_micros = now;
    else if (now < state_.first_seen_unix_micros) state_.first_seen_unix_micros = now;
    if (event_.type == EVENT_TYPE_REFUND) {
      find_open(nullptr);
      Orders(state_, event_, arena_).refund();
      return;
    }
    if (is_newest) {
      if (event_.device != 0) state_.device = event_.device;
      if (!event_.country.empty()) state_.country = event_.country;
    }
    const double weight = weight_of(event_.type);
    if (event_.type == EVENT_TYPE_VIEW_ITEM || weight != 0) {
      for (Item& item : event_.items) item.digest = stored_digest(item.item_id);
    }
    fold_habits(weight, is_newest);
    const Items items(event_, weight, arena_);
    items.fold(state_.items);
    if (event_.type != EVENT_TYPE_VIEW_ITEM) change_cart_and_orders();
    if (Session* const session = enter_session()) {
      count_in_session(*session);
      items.append(session->items);
      if (!state_.cart.empty()) session->max_cart_value_micros = std::max(session->max_cart_value_micros, cart_value_micros());
    }
  }

  // --- cart and orders

  void change_cart_and_orders() {
    using namespace presage::v1;
    if (event_.type == EVENT_TYPE_ADD_TO_CART) {
      for (const Item& item : event_.items) add_to_cart(item);
    } else if (event_.type == EVENT_TYPE_REMOVE_FROM_CART) {
      for (const Item& item : event_.items) remove_from_cart(item);
    } else if (event_.type == EVENT_TYPE_PURCHASE) {
      const bool is_new = Orders(state_, event_, arena_).purchase();
      for (const Item& item : event_.items) remove_from_cart(item);
      if (event_.items.empty() && is_new) state_.cart.clear();
    }
  }

  std::vector<CartLine>::iterator line_of(const Item& item) {
    return std::find_if(state_.cart.begin(), state_.cart.end(), [&](const CartLine& line) { return line.item_id == item.item_id; });
  }

  void add_to_cart(const Item& item) {
    const auto line = line_of(item);
    if (line != state_.cart.end()) {
      if (!item.category.empty()) line->category = item.category;
      if (!item.brand.empty()) line->brand = item.brand;
      if (item.price_micros != 0) line->price_micros = item.price_micros;
      line->quantity = std::min(line->quantity + item.quantity, kMaxQuantity);
    } else if (state_.cart.size() < kMaxCartLines) {
      state_.cart.push_back({item.item_id, item.category, item.brand, item.price_micros, std::min(item.quantity, kMaxQuantity)});
    } else {
      state_.cart_saturated = true;
    }
  }

  void remove_from_cart(const Item& item) {
    const auto line = line_of(item);
    if (line == state_.cart.end()) return;
    if (line->quantity > item.quantity) line->quantity -= item.quantity;
    else state_.cart.erase(line);
  }

  int64_t cart_value_micros() const {
    __int128 value = 0;
    for (const CartLine& line : state_.cart) value += static_cast<__int128>(line.price_micros) * line.quantity;
    return static_cast<int64_t>(std::min<__int128>(value, kMaxMoneyMicros));
  }

  // --- sessions

  static int64_t idle_limit(std::string_view session_id) { return session_id.empty() ? kIdleMicros : kNamedIdleMicros; }

  // Finds the session of an id, and ends those that are over. References into the sessions do not outlive it.
  Session* find_open(const std::string_view* session_id) {
    std::vector<Session>& sessions = state_.sessions;
    size_t kept = 0, found = sessions.size();
    for (size_t place = 0; place < sessions.size(); ++place) {
      const bool is_over = state_.last_seen_unix_micros - sessions[place].last_unix_micros > idle_limit(sessions[place].session_id);
      const bool fits = session_id != nullptr && sessions[place].session_id == *session_id;
      if (is_over) {
        count_closed(sessions[place]);
        if (fits) found = sessions.size();
        continue;
      }
      if (fits) found = kept;
      if (kept != place) sessions[kept] = sessions[place];
      ++kept;
    }
    const bool is_found = found < kept;
    sessions.resize(kept);
    return is_found ? &sessions[found] : nullptr;
  }

  Session* enter_session() {
    const int64_t now = event_.time_unix_micros;
    Session* const session = find_open(&event_.session_id);
    if (session == nullptr) return begin_session();
    if (now >= session->last_unix_micros) {
      session->last_gap_micros = now - session->last_unix_micros;
      session->longest_gap_micros = std::max(session->longest_gap_micros, session->last_gap_micros);
      session->last_type = event_.type;
      session->last_unix_micros = now;
    } else if (now < session->start_unix_micros) {
      if (session->start_unix_micros - now > idle_limit(event_.session_id)) return nullptr;
      session->start_unix_micros = now;
    }
    const auto place = state_.sessions.begin() + (session - state_.sessions.data());
    std::rotate(place, place + 1, state_.sessions.end());
    return &state_.sessions.back();
  }

  Session* begin_session() {
    const int64_t now = event_.time_unix_micros;
    std::vector<Session>& sessions = state_.sessions;
    if (state_.last_seen_unix_micros - now > idle_limit(event_.session_id)) return nullptr;
    if (sessions.size() >= kMaxOpenSessions) {
      const auto oldest = std::min_element(
          sessions.begin(), sessions.end(), [](const Session& a, const Session& b) { return a.last_unix_micros < b.last_unix_micros; });
      if (now < oldest->last_unix_micros) return nullptr;
      count_closed(*oldest);
      sessions.erase(oldest);
    }
    sessions.push_back({event_.session_id, now, now});
    sessions.back().last_type = event_.type;
    return &sessions.back();
  }

  void count_closed(const Session& session) {
    ++state_.closed_sessions;
    state_.bounced_sessions += session.event_count == 1;
  }

  void count_in_session(Session& session) {
    using namespace presage::v1;
    ++session.event_count;
    count(session.events, event_.type);
    if (event_.type == EVENT_TYPE_VIEW_ITEM) {
      session.product_views += std::max<int64_t>(1, static_cast<int64_t>(event_.items.size()));
      for (const Item& item : event_.items) {
        count_price(item, session.priced_views, session.viewed_price_micros);
        if (contains(session.viewed_products, item.digest)) ++session.repeat_views;
        else add_viewed(session.viewed_products, item);
      }
    } else if (event_.type == EVENT_TYPE_PAGE_VIEW) {
      ++session.page_views;
    } else if (event_.type == EVENT_TYPE_ADD_TO_CART) {
      ++session.add_to_carts;
    }
  }

  static void count_price(const Item& item, int64_t& views, int64_t& sum) {
    if (item.price_micros == 0 || sum + item.price_micros > kMaxMoneyMicros) return;
    ++views;
    sum += item.price_micros;
  }

  void add_viewed(std::string_view& viewed, const Item& item) {
    if (viewed.size() < kViewedBytes) viewed = arena_.join(viewed, item.digest);
  }

  // --- habits

  static double weight_of(presage::v1::EventType type) {
    static constexpr double kWeights[] = {0, 1, 2, 0, 0, 1.5, 6, -2, 3, -1, 0, 7, 8, 10, 0, 4, 0, 5, 9, -3, 0, 0};
    return kWeights[type];
  }

  void fold_habits(double weight, bool is_newest) {
    constexpr int64_t kHourMicros = 3'600 * kMicros, kThursday = 72, kHoursPerWeek = 168;
    Habits& habits = state_.habits;
    count(habits.events, event_.type);
    const int64_t hours = event_.time_unix_micros / kHourMicros;
    count(habits.hours_of_week, (hours + kThursday) % kHoursPerWeek + (in_summer(hours / 24) ? kHoursPerWeek : 0));
    if (weight == 0 || event_.items.empty()) return;
    const size_t most = std::min(event_.items.size(), kMaxEventInterests);
    for (size_t place = 0; place < most; ++place) {
      const Item& item = event_.items[place];
      if (event_.type == presage::v1::EVENT_TYPE_VIEW_ITEM) count_view(item);
      if (!item.category.empty()) add_interest(habits.categories, item.category, weight, kMaxCategoryInterests);
    }
    if (is_newest) {
      const Item& item = event_.items[most - 1];
      habits.last_category = item.category;
      habits.last_price_micros = item.price_micros;
    }
  }

  // April to October.
  static bool in_summer(int64_t unix_day) {
    const int64_t day = (unix_day + 719'468) % 146'097;
    const int64_t year = (day - day / 1'460 + day / 36'524 - day / 146'096) / 365;
    const int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    return day_of_year >= 31 && day_of_year < 245;
  }

  void count_view(const Item& item) {
    Habits& habits = state_.habits;
    ++habits.item_views;
    if (contains(habits.viewed_products, item.digest)) ++habits.repeat_views;
    else add_viewed(habits.viewed_products, item);
    count_price(item, habits.priced_views, habits.viewed_price_micros);
  }

  void add_interest(std::vector<Interest>& interests, std::string_view key, double weight, size_t most) {
    const int64_t now = event_.time_unix_micros;
    const auto before = std::find_if(interests.begin(), interests.end(), [&](const Interest& one) { return one.key == key; });
    if (before != interests.end()) {
      before->score = before->score * decay(now - before->last_unix_micros) + weight;
      before->last_unix_micros = std::max(now, before->last_unix_micros);
      ++before->count;
      return;
    }
    if (interests.size() >= most)
      interests.erase(std::min_element(interests.begin(), interests.end(), [](const Interest& a, const Interest& b) {
        return a.last_unix_micros < b.last_unix_micros;
      }));
    interests.push_back({key, weight, now, 1});
  }

  // What is left of 1 after a time: a half after each half-life, straight lines in between.
  static double decay(int64_t age) {
    constexpr int64_t kHalfLife = 7 * kDayMicros, kForgotten = 64;
    age = std::max<int64_t>(age, 0);
    const int64_t halvings = age / kHalfLife;
    if (halvings >= kForgotten) return 0;
    const double rest = static_cast<double>(age % kHalfLife) / static_cast<double>(kHalfLife);
    return (1.0 - rest / 2.0) / static_cast<double>(uint64_t{1} << halvings);
  }

  std::string_view stored_digest(std::string_view id) {
    const auto found = digest(id);
    return arena_.join({found.data(), found.size()}, {});
  }

  State& state_;
  Event& event_;
  Arena& arena_;
};

}  // namespace limit
