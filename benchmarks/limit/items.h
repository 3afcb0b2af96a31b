// The items that a visitor showed interest in, from presage_featurizer's item_history.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "digests.h"
#include "event.h"
#include "state.h"

namespace limit {

constexpr size_t kMaxHistoryItems = 64, kMaxSessionItems = 20, kGroupBytes = 6, kScoreBytes = 4, kTimeBytes = 3, kCountBytes = 2;

class Items {
 public:
  Items(const Event& event, double weight, Arena& arena) : event_(event), weight_(weight), arena_(arena) {}

  // The session's items with those of the event. Behind the digests of items of one event: its type, how many they are, its time.
  void append(std::string_view& items) const {
    if (event_.items.empty() || weight_ == 0) return;
    std::vector<Group> groups = groups_of(items);
    const uint32_t now = seconds();
    const auto kind = static_cast<uint8_t>(event_.type);
    std::string digests;
    const size_t first = event_.items.size() - std::min(event_.items.size(), kMaxSessionItems);
    for (size_t i = first; i < event_.items.size(); ++i) digests += event_.items[i].digest;
    size_t place = groups.size();
    while (place > 0 && groups[place - 1].seconds > now) --place;
    if (place > 0 && groups[place - 1].kind == kind && groups[place - 1].seconds == now) groups[place - 1].digests += digests;
    else groups.insert(groups.begin() + static_cast<std::ptrdiff_t>(place), {std::move(digests), kind, now});
    items = arena_.join(newest_of(groups), {});
  }

  void fold(ItemHistory& history) const {
    if (event_.items.empty() || weight_ == 0) return;
    std::string digests(history.digests), scores(history.scores), times(history.times), counts(history.counts);
    const double gain = weight_ * growth(event_.time_unix_micros);
    const uint32_t time = seconds() / kTimeSeconds;
    const size_t kind = event_.type == presage::v1::EVENT_TYPE_PURCHASE ? 0 : 1;
    const size_t most = std::min(event_.items.size(), kMaxHistoryItems);
    for (size_t i = 0; i < most; ++i) {
      const std::string_view digest = event_.items[i].digest;
      const size_t place = find(digests, digest);
      if (place < digests.size() / kDigestBytes) {
        scores.replace(place * kScoreBytes, kScoreBytes, score_bytes(std::max(0.0, score_at(scores, place) + gain)));
        if (time > time_at(times, place)) times.replace(place * kTimeBytes, kTimeBytes, time_bytes(time));
        auto& count = reinterpret_cast<uint8_t&>(counts[place * kCountBytes + kind]);
        if (count < 255) ++count;
      } else if (gain > 0) {
        if (digests.size() >= kMaxHistoryItems * kDigestBytes) {
          const size_t lowest = find_lowest(scores);
          digests.erase(lowest * kDigestBytes, kDigestBytes);
          scores.erase(lowest * kScoreBytes, kScoreBytes);
          times.erase(lowest * kTimeBytes, kTimeBytes);
          counts.erase(lowest * kCountBytes, kCountBytes);
        }
        digests += digest;
        scores += score_bytes(gain);
        times += time_bytes(time);
        counts += static_cast<char>(kind == 0);
        counts += static_cast<char>(kind == 1);
      }
    }
    history = {arena_.join(digests, {}), arena_.join(scores, {}), arena_.join(times, {}), arena_.join(counts, {})};
  }

 private:
  static constexpr uint32_t kTimeSeconds = 256;

  struct Group {
    std::string digests;
    uint8_t kind;
    uint32_t seconds;
  };

  static std::vector<Group> groups_of(std::string_view items) {
    std::vector<Group> groups;
    while (!items.empty()) {
      const std::string_view group = items.substr(items.size() - kGroupBytes);
      uint32_t seconds;
      std::memcpy(&seconds, group.data() + 2, sizeof seconds);
      const size_t bytes = static_cast<uint8_t>(group[1]) * kDigestBytes, start = items.size() - kGroupBytes - bytes;
      groups.push_back({std::string(items.substr(start, bytes)), static_cast<uint8_t>(group[0]), seconds});
      items = items.substr(0, start);
    }
    std::reverse(groups.begin(), groups.end());
    return groups;
  }

  static std::string newest_of(const std::vector<Group>& groups) {
    size_t room = kMaxSessionItems * kDigestBytes, first = groups.size();
    while (first > 0 && room > 0) room -= std::min(room, groups[--first].digests.size());
    std::string all;
    size_t left = kMaxSessionItems * kDigestBytes;
    for (size_t i = first + 1; i < groups.size(); ++i) left -= groups[i].digests.size();
    for (size_t i = first; i < groups.size(); ++i) {
      std::string_view digests = groups[i].digests;
      if (i == first) digests = digests.substr(digests.size() - std::min(digests.size(), left));
      all += digests;
      all += static_cast<char>(groups[i].kind);
      all += static_cast<char>(digests.size() / kDigestBytes);
      all.append(reinterpret_cast<const char*>(&groups[i].seconds), sizeof groups[i].seconds);
    }
    return all;
  }

  // The upper half of a number is kept.
  static double score_at(std::string_view scores, size_t place) {
    char bytes[sizeof(double)] = {};
    std::memcpy(bytes + kScoreBytes, scores.data() + place * kScoreBytes, kScoreBytes);
    double score;
    std::memcpy(&score, bytes, sizeof score);
    return score;
  }

  static std::string score_bytes(double score) {
    char bytes[sizeof score];
    std::memcpy(bytes, &score, sizeof score);
    return {bytes + kScoreBytes, kScoreBytes};
  }

  static uint32_t time_at(std::string_view times, size_t place) {
    uint32_t time = 0;
    std::memcpy(&time, times.data() + place * kTimeBytes, kTimeBytes);
    return time;
  }

  static std::string time_bytes(uint32_t time) { return {reinterpret_cast<const char*>(&time), kTimeBytes}; }

  static size_t find(std::string_view digests, std::string_view digest) {
    size_t place = 0;
    while (place < digests.size() && digests.substr(place, kDigestBytes) != digest) place += kDigestBytes;
    return place / kDigestBytes;
  }

  static size_t find_lowest(std::string_view scores) {
    size_t lowest = 0;
    for (size_t place = 1; place < scores.size() / kScoreBytes; ++place)
      if (score_at(scores, place) < score_at(scores, lowest)) lowest = place;
    return lowest;
  }

  // How much more an event weighs than one at the landmark, 2050-01-01.
  static double growth(int64_t unix_micros) {
    constexpr int64_t kHalfLife = 60 * 86'400 * kMicros, kLandmark = 2'524'608'000 * kMicros, kMaxDoublings = 960;
    const int64_t age = unix_micros - kLandmark;
    const int64_t doublings = age >= 0 ? age / kHalfLife : -((-age + kHalfLife - 1) / kHalfLife);
    const int64_t rest = age - doublings * kHalfLife;
    if (doublings >= kMaxDoublings) return std::ldexp(1.0, kMaxDoublings);
    return std::ldexp(1.0 + static_cast<double>(rest) / static_cast<double>(kHalfLife), static_cast<int>(doublings));
  }

  uint32_t seconds() const { return static_cast<uint32_t>(std::min<int64_t>(event_.time_unix_micros / kMicros, UINT32_MAX)); }

  const Event& event_;
  double weight_;
  Arena& arena_;
};

}  // namespace limit
