// A directory with a small database in it, and ways to damage files byte by byte. Used by tests
// only.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "base/bytes.h"
#include "sqlite/open.h"

namespace blobd::sqlite {

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
inline void Overwrite(const std::string& path, size_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline void FlipBit(const std::string& path, size_t offset, int bit = 0) {
  std::string bytes = ReadFile(path);
  bytes.at(offset) = static_cast<char>(bytes.at(offset) ^ (1 << bit));
  Overwrite(path, offset, bytes.substr(offset, 1));
}

}  // namespace blobd::sqlite
