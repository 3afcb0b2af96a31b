// Reads and writes the part of MessagePack that msgspec uses for Presage's structs.

#pragma once

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace limit {

// Throws std::runtime_error where the bytes hold something else. Texts stay where they are, in the bytes that are read.
class MsgpackReader {
 public:
  explicit MsgpackReader(std::string_view bytes) : at_(reinterpret_cast<const uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

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

  int64_t integer() { return integer(byte()); }

  double number() {
    const uint8_t kind = byte();
    if (kind == 0xcb) return std::bit_cast<double>(big(8));
    return static_cast<double>(integer(kind));
  }

  bool boolean() {
    const uint8_t kind = byte();
    if (kind == 0xc2 || kind == 0xc3) return kind == 0xc3;
    throw std::runtime_error("expected true or false");
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
  int64_t integer(uint8_t kind) {
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

// Appends to a string, each value in the shortest form, as msgspec does.
class MsgpackWriter {
 public:
  explicit MsgpackWriter(std::string& out) : out_(out) {}

  void array(size_t size) { sized(size, 0x90, 16, 0, 0xdc, 0xdd); }
  void map(size_t size) { sized(size, 0x80, 16, 0, 0xde, 0xdf); }
  void nil() { byte(0xc0); }
  void boolean(bool value) { byte(value ? 0xc3 : 0xc2); }

  void integer(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    if (value >= 0) {
      if (value < 0x80) byte(static_cast<uint8_t>(value));
      else if (value <= 0xff) big(0xcc, bits, 1);
      else if (value <= 0xffff) big(0xcd, bits, 2);
      else if (value <= 0xffffffff) big(0xce, bits, 4);
      else big(0xcf, bits, 8);
    } else if (value >= -32) byte(static_cast<uint8_t>(value));
    else if (value >= INT8_MIN) big(0xd0, bits, 1);
    else if (value >= INT16_MIN) big(0xd1, bits, 2);
    else if (value >= INT32_MIN) big(0xd2, bits, 4);
    else big(0xd3, bits, 8);
  }

  void number(double value) { big(0xcb, std::bit_cast<uint64_t>(value), 8); }

  void text(std::string_view value) {
    sized(value.size(), 0xa0, 32, 0xd9, 0xda, 0xdb);
    out_ += value;
  }

  void bytes(std::string_view value) {
    sized(value.size(), 0, 0, 0xc4, 0xc5, 0xc6);
    out_ += value;
  }

 private:
  void sized(size_t size, uint8_t small_kind, size_t small, uint8_t kind1, uint8_t kind2, uint8_t kind4) {
    if (size < small) byte(static_cast<uint8_t>(small_kind | size));
    else if (kind1 != 0 && size <= 0xff) big(kind1, size, 1);
    else if (size <= 0xffff) big(kind2, size, 2);
    else big(kind4, size, 4);
  }

  void big(uint8_t kind, uint64_t value, size_t size) {
    byte(kind);
    while (size-- > 0) byte(static_cast<uint8_t>(value >> 8 * size));
  }

  void byte(uint8_t value) { out_ += static_cast<char>(value); }

  std::string& out_;
};

}  // namespace limit
