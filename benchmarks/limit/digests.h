// Sets of ids as Presage keeps them: eight bytes of BLAKE2b (RFC 7693) for each member, in one string.

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace limit {

constexpr size_t kDigestBytes = 8;

// Memory for strings that live as long as one fold.
class Arena {
 public:
  std::string_view join(std::string_view first, std::string_view second) {
    const size_t size = first.size() + second.size();
    if (blocks_.empty() || used_ + size > capacity_) {
      capacity_ = std::max<size_t>(size, 1 << 16);
      blocks_.push_back(std::make_unique<char[]>(capacity_));
      used_ = 0;
    }
    char* const to = blocks_.back().get() + used_;
    std::memcpy(to, first.data(), first.size());
    std::memcpy(to + first.size(), second.data(), second.size());
    used_ += size;
    return {to, size};
  }

  // Gives up all strings.
  void reset() {
    if (blocks_.size() > 1) blocks_.clear();
    used_ = 0;
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0, capacity_ = 0;
};

// Little-endian machines only, as BLAKE2b reads its words.
static_assert(std::endian::native == std::endian::little);

inline void blake2b_block(std::array<uint64_t, 8>& hash, const std::array<uint64_t, 16>& words, uint64_t read, bool last) {
  static constexpr uint64_t kStart[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                         0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  static constexpr uint8_t kOrder[12][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3}};
  uint64_t v[16];
  for (size_t i = 0; i < 8; ++i) v[i] = hash[i], v[i + 8] = kStart[i];
  v[12] ^= read;
  if (last) v[14] = ~v[14];
  const auto mix = [&v](int a, int b, int c, int d, uint64_t x, uint64_t y) {
    v[a] += v[b] + x;
    v[d] = std::rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = std::rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 63);
  };
  for (const auto& s : kOrder) {
    mix(0, 4, 8, 12, words[s[0]], words[s[1]]);
    mix(1, 5, 9, 13, words[s[2]], words[s[3]]);
    mix(2, 6, 10, 14, words[s[4]], words[s[5]]);
    mix(3, 7, 11, 15, words[s[6]], words[s[7]]);
    mix(0, 5, 10, 15, words[s[8]], words[s[9]]);
    mix(1, 6, 11, 12, words[s[10]], words[s[11]]);
    mix(2, 7, 8, 13, words[s[12]], words[s[13]]);
    mix(3, 4, 9, 14, words[s[14]], words[s[15]]);
  }
  for (size_t i = 0; i < 8; ++i) hash[i] ^= v[i] ^ v[i + 8];
}

// BLAKE2b of kDigestBytes bytes without a key.
inline std::array<char, kDigestBytes> digest(std::string_view member) {
  constexpr size_t kBlock = 128;
  std::array<uint64_t, 8> hash = {0x6a09e667f3bcc908 ^ 0x01010000 ^ kDigestBytes, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                  0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b,
                                  0x5be0cd19137e2179};
  std::array<uint64_t, 16> words;
  size_t read = 0;
  do {
    const size_t size = std::min(kBlock, member.size() - read);
    words.fill(0);
    std::memcpy(words.data(), member.data() + read, size);
    read += size;
    blake2b_block(hash, words, read, read == member.size());
  } while (read < member.size());
  std::array<char, kDigestBytes> found;
  std::memcpy(found.data(), hash.data(), kDigestBytes);
  return found;
}

inline bool contains(std::string_view digests, std::string_view member) {
  uint64_t wanted, at;
  std::memcpy(&wanted, member.data(), kDigestBytes);
  for (size_t place = 0; place + kDigestBytes <= digests.size(); place += kDigestBytes) {
    std::memcpy(&at, digests.data() + place, kDigestBytes);
    if (at == wanted) return true;
  }
  return false;
}

}  // namespace limit
