// Latencies in buckets.

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace load {

// Buckets whose width is at most 1/64 of their value.
class Histogram {
 public:
  void add(int64_t ns) {
    ++counts_[bucket(std::max<int64_t>(ns, 0))];
    ++total_;
    max_ = std::max(max_, ns);
  }
  void add(const Histogram& other) {
    for (const auto& [index, count] : other.counts_) counts_[index] += count;
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }
  int64_t total() const { return total_; }
  double quantile_us(double q) const {
    int64_t wanted = static_cast<int64_t>(q * static_cast<double>(total_)) + 1, seen = 0;
    for (const auto& [index, count] : counts_) {
      seen += count;
      if (seen >= std::min(wanted, total_)) return std::min(upper(index), static_cast<double>(max_)) / 1e3;
    }
    return 0;
  }
  double max_us() const { return static_cast<double>(max_) / 1e3; }

 private:
  static int64_t bucket(int64_t value) {
    int shift = 0;
    while ((value >> shift) >= 128) ++shift;
    return shift * 128 + (value >> shift);
  }
  static double upper(int64_t index) { return static_cast<double>((index % 128 + 1) << (index / 128)); }
  std::map<int64_t, int64_t> counts_;
  int64_t total_ = 0, max_ = 0;
};

}  // namespace load
