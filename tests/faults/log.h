// Log: what happened in a run, kept only when the run is shown. A seed replays exactly, so a run
// that failed is run again with the log on.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <string>
#include <utility>

namespace blobd::faults {

class Log {
 public:
  // Keeps the last `lines`.
  explicit Log(size_t lines) : kept_(lines) {}

  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    if (kept_ == 0) return;
    lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
    if (lines_.size() > kept_) lines_.pop_front();
  }
  void Print(std::FILE* to) const {
    for (const std::string& line : lines_) std::fprintf(to, "  %s\n", line.c_str());
  }

 private:
  const size_t kept_;
  std::deque<std::string> lines_;
};

}  // namespace blobd::faults
