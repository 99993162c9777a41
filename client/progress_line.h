// ProgressLine: what is redrawn in place on a terminal: a bar, bytes, rate and the time that is
// left; of a collection a second bar below, of its blobs. Where stderr is no terminal it prints
// nothing.
//
// Thread: one owner.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

class ProgressLine {
 public:
  explicit ProgressLine(bool enabled);
  // Wipes what it drew.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const v1::Intent& intent);
  // For work of the client's own, such as exporting.
  void Show(const std::string& what, uint64_t done, uint64_t total);
  void Clear();

 private:
  // Each fits the terminal: none is wrapped.
  void Draw(const std::vector<std::string>& lines);

  const bool enabled_;
  size_t drawn_ = 0;  // lines
};

// Text of at most `columns` characters; `total` 0: not known.
std::string ProgressText(const std::string& what, uint64_t done, uint64_t total,
                         const std::string& tail, size_t columns);
// The same of things that are counted. REQUIRES: total > 0
std::string CountText(const std::string& what, uint64_t done, uint64_t total, size_t columns);

}  // namespace blobd::client
