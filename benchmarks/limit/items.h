// The items that a visitor showed interest in, from presage_featurizer's item_history.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "digests.h"
#include "event.h"
#include "state.h"

namespace limit {

constexpr size_t kMaxHistoryItems = 64, kMaxSessionItems = 20, kSessionItemBytes = kDigestBytes + 5, kSecondsBytes = 4, kCountBytes = 2;

class Items {
 public:
  Items(const Event& event, double weight, Arena& arena) : event_(event), weight_(weight), arena_(arena) {}

  // The session's items with those of the event.
  void append(std::string_view& items) const {
    if (event_.items.empty() || weight_ == 0) return;
    const uint32_t now = seconds();
    size_t place = items.size();
    while (place > 0 && number_at<uint32_t>(items, place - kSecondsBytes) > now) place -= kSessionItemBytes;
    std::string all(items.substr(0, place));
    const size_t first = event_.items.size() - std::min(event_.items.size(), kMaxSessionItems);
    for (size_t i = first; i < event_.items.size(); ++i) {
      all += event_.items[i].digest;
      all += static_cast<char>(event_.type);
      add_number(all, now);
    }
    all += items.substr(place);
    constexpr size_t kMost = kMaxSessionItems * kSessionItemBytes;
    items = arena_.join(std::string_view(all).substr(all.size() - std::min(all.size(), kMost)), {});
  }

  void fold(ItemHistory& history) const {
    if (event_.items.empty() || weight_ == 0) return;
    std::string digests(history.digests), scores(history.scores), last(history.last_seconds), counts(history.counts);
    const double gain = weight_ * growth(event_.time_unix_micros);
    const size_t kind = event_.type == presage::v1::EVENT_TYPE_PURCHASE ? 0 : 1;
    const size_t most = std::min(event_.items.size(), kMaxHistoryItems);
    for (size_t i = 0; i < most; ++i) {
      const std::string_view digest = event_.items[i].digest;
      const size_t place = find(digests, digest);
      if (place < digests.size() / kDigestBytes) {
        set_number(scores, place, std::max(0.0, number_at<double>(scores, place * sizeof(double)) + gain));
        set_number(last, place, std::max(number_at<uint32_t>(last, place * kSecondsBytes), seconds()));
        auto& count = reinterpret_cast<uint8_t&>(counts[place * kCountBytes + kind]);
        if (count < 255) ++count;
      } else if (gain > 0) {
        if (digests.size() >= kMaxHistoryItems * kDigestBytes) {
          const size_t lowest = find_lowest(scores);
          digests.erase(lowest * kDigestBytes, kDigestBytes);
          scores.erase(lowest * sizeof(double), sizeof(double));
          last.erase(lowest * kSecondsBytes, kSecondsBytes);
          counts.erase(lowest * kCountBytes, kCountBytes);
        }
        digests += digest;
        add_number(scores, gain);
        add_number(last, seconds());
        counts += static_cast<char>(kind == 0);
        counts += static_cast<char>(kind == 1);
      }
    }
    history = {arena_.join(digests, {}), arena_.join(scores, {}), arena_.join(last, {}), arena_.join(counts, {})};
  }

 private:
  template <typename Number>
  static Number number_at(std::string_view bytes, size_t place) {
    Number number;
    std::memcpy(&number, bytes.data() + place, sizeof number);
    return number;
  }

  template <typename Number>
  static void set_number(std::string& bytes, size_t place, Number number) {
    std::memcpy(bytes.data() + place * sizeof number, &number, sizeof number);
  }

  template <typename Number>
  static void add_number(std::string& bytes, Number number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  static size_t find(std::string_view digests, std::string_view digest) {
    size_t place = 0;
    while (place < digests.size() && digests.substr(place, kDigestBytes) != digest) place += kDigestBytes;
    return place / kDigestBytes;
  }

  static size_t find_lowest(std::string_view scores) {
    size_t lowest = 0;
    for (size_t place = 1; place < scores.size() / sizeof(double); ++place)
      if (number_at<double>(scores, place * sizeof(double)) < number_at<double>(scores, lowest * sizeof(double))) lowest = place;
    return lowest;
  }

  // How much more an event weighs than one at the landmark, 2050-01-01.
  static double growth(int64_t unix_micros) {
    constexpr int64_t kHalfLife = 60 * 86'400 * kMicros, kLandmark = 2'524'608'000 * kMicros, kMaxDoublings = 960;
    const int64_t age = unix_micros - kLandmark;
    const int64_t doublings = age >= 0 ? age / kHalfLife : -((-age + kHalfLife - 1) / kHalfLife);
    const int64_t rest = age - doublings * kHalfLife;
    return std::ldexp(1.0 + static_cast<double>(rest) / static_cast<double>(kHalfLife), static_cast<int>(std::min(doublings, kMaxDoublings)));
  }

  uint32_t seconds() const { return static_cast<uint32_t>(std::min<int64_t>(event_.time_unix_micros / kMicros, UINT32_MAX)); }

  const Event& event_;
  double weight_;
  Arena& arena_;
};

}  // namespace limit
