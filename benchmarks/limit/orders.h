// Purchases with one order id are one order, from presage_featurizer's orders.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "digests.h"
#include "event.h"
#include "state.h"

namespace limit {

constexpr int64_t kMaxMoneyMicros = 1'000'000'000'000'000'000;
constexpr size_t kMaxRecentOrders = 8, kOrderLinesBytes = 32 * kDigestBytes;

class Orders {
 public:
  Orders(State& state, const Event& event, Arena& arena) : state_(state), event_(event), arena_(arena) {}

  // Counts a purchase's order and money; returns whether the order is new.
  bool purchase() {
    const int64_t now = event_.time_unix_micros;
    auto money = static_cast<int64_t>(event_.money_micros());
    bool is_known = false;
    if (!event_.order_id.empty()) {
      Order order{stored_digest(event_.order_id), 0, {}};
      is_known = take(order);
      const bool are_unknown = order.lines.empty();
      size_t unseen = 0;
      __int128 unseen_money = 0;
      for (const Item& item : event_.items) {
        const std::string numbers = std::to_string(item.price_micros) + ':' + std::to_string(item.quantity) + ':';
        const std::string_view line = stored_digest(numbers + std::string(item.item_id));
        if (contains(order.lines, line)) continue;
        ++unseen;
        unseen_money += static_cast<__int128>(item.price_micros) * item.quantity;
        // Lines of the same purchase are compared with those before it, as the featurizer does.
        if (order.lines.size() < kOrderLinesBytes) order.lines = arena_.join(order.lines, line);
      }
      if (is_known) {
        const bool is_full = order.lines.size() == kOrderLinesBytes, is_in_part = unseen < event_.items.size();
        if (are_unknown || unseen == 0 || (is_full && is_in_part)) money = std::max<int64_t>(0, money - order.money_micros);
        else if (is_in_part) money = static_cast<int64_t>(unseen_money);
      }
      order.money_micros = std::min(order.money_micros + money, kMaxMoneyMicros);
      put(order);
    }
    add_money(money);
    if (state_.first_order_unix_micros == 0 || now < state_.first_order_unix_micros) state_.first_order_unix_micros = now;
    if (is_known) return false;
    ++state_.orders;
    state_.last_order_unix_micros = std::max(state_.last_order_unix_micros, now);
    return true;
  }

  // Takes a refund off what was spent; refunds of a recent order take no more than it brought.
  void refund() {
    auto money = static_cast<int64_t>(event_.money_micros());
    if (!event_.order_id.empty()) {
      Order order{stored_digest(event_.order_id), 0, {}};
      if (take(order)) {
        money = std::min(money, order.money_micros);
        order.money_micros -= money;
        put(order);
      }
    }
    add_money(-money);
  }

 private:
  // Takes the order of an id out of the state.
  bool take(Order& order) {
    auto& orders = state_.recent_orders;
    const auto found = std::find_if(orders.begin(), orders.end(), [&](const Order& one) { return one.order == order.order; });
    if (found == orders.end()) return false;
    order = *found;
    orders.erase(found);
    return true;
  }

  // Puts an order at the end; the lines of the one before are forgotten.
  void put(const Order& order) {
    auto& orders = state_.recent_orders;
    if (!orders.empty()) orders.back().lines = {};
    if (orders.size() >= kMaxRecentOrders) orders.erase(orders.begin());
    orders.push_back(order);
  }

  void add_money(int64_t micros) { state_.spent_micros = std::clamp(state_.spent_micros + micros, -kMaxMoneyMicros, kMaxMoneyMicros); }

  std::string_view stored_digest(std::string_view id) {
    const auto found = digest(id);
    return arena_.join({found.data(), found.size()}, {});
  }

  State& state_;
  const Event& event_;
  Arena& arena_;
};

}  // namespace limit
