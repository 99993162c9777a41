// ProgressLine: one line on a terminal that is redrawn in place: a bar, bytes, rate and the time
// that is left. Where stderr is no terminal it prints nothing.
//
// Thread: one owner.
#pragma once

#include <cstdint>
#include <string>

#include "blobd/v1/downloads.pb.h"

namespace blobd::client {

class ProgressLine {
 public:
  explicit ProgressLine(bool enabled);
  // Wipes the line.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const v1::Intent& intent);
  // For work of the client's own, such as exporting.
  void Show(const std::string& what, uint64_t done, uint64_t total);
  void Clear();

 private:
  void Draw(const std::string& line);

  const bool enabled_;
  bool drawn_ = false;
};

// Text of at most `columns` characters; `total` 0: not known.
std::string ProgressText(const std::string& what, uint64_t done, uint64_t total,
                         const std::string& tail, size_t columns);

}  // namespace blobd::client
