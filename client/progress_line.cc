#include "client/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/units.h"
#include "base/utf8.h"
#include "client/output.h"
#include "client/states.h"
#include "client/text_width.h"

namespace blobd::client {
namespace {

constexpr size_t kBarCells = 24;

std::string Bar(double share) {
  const auto full = static_cast<size_t>(share * kBarCells);
  std::string bar = "[";
  bar.append(full, '=');
  if (full < kBarCells) bar += '>';
  bar.append(kBarCells - std::min(kBarCells, full + 1), ' ');
  return bar + "]";
}

}  // namespace

ProgressLine::ProgressLine(bool enabled)
    : enabled_(enabled && isatty(STDERR_FILENO) == 1 && !IsDumbTerminal()) {}

ProgressLine::~ProgressLine() { Clear(); }

std::string ProgressText(const std::string& what, uint64_t done, uint64_t total,
                         const std::string& tail, size_t columns) {
  std::string line = what;
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const std::string numbers =
        fmt::format(" {:3.0f} %  {} of {}", share * 100, FormatSize(done), FormatSize(total));
    // On a narrow terminal the bar goes first.
    if (WidthOf(line) + 1 + kBarCells + 2 + numbers.size() + 2 + WidthOf(tail) <= columns)
      line += " " + Bar(share);
    line += numbers;
  } else if (done > 0) {
    line += "  " + FormatSize(done);
  }
  if (!tail.empty()) line += "  " + tail;
  return CutTo(line, columns);
}

void ProgressLine::Show(const v1::Intent& intent) {
  if (!enabled_) return;
  const uint64_t total = intent.total_bytes() != 0 ? intent.total_bytes() : intent.claimed_bytes();
  const uint64_t here = intent.verified_bytes() + intent.unproven_bytes();
  std::string tail;
  if (intent.state() == v1::INTENT_STATE_RUNNING) {
    if (intent.total_blobs() > 1)
      tail += fmt::format("{}/{} blobs  ", intent.complete_blobs(), intent.total_blobs());
    tail += FormatRate(intent.rate());
    if (intent.rate() > 0 && total > here) {
      const double left = static_cast<double>(total - here) / intent.rate();
      if (left < 1e6) tail += "  ETA " + FormatDuration(seconds(static_cast<int64_t>(left) + 1));
    }
  } else {
    tail = intent.waits_for().empty() ? std::string(StateName(intent.state()))
                                      : EscapeForTerminal(intent.waits_for());
  }
  Draw(ProgressText(intent.kind().hash().substr(0, 10), here, total, tail,
                    ColumnsOf(STDERR_FILENO, 80) - 1));
}

void ProgressLine::Show(const std::string& what, uint64_t done, uint64_t total) {
  if (enabled_) Draw(ProgressText(what, done, total, "", ColumnsOf(STDERR_FILENO, 80) - 1));
}

void ProgressLine::Draw(const std::string& line) {
  PrintError("\r\x1b[K{}", line);
  drawn_ = true;
}

void ProgressLine::Clear() {
  if (!drawn_) return;
  PrintError("\r\x1b[K");
  drawn_ = false;
}

}  // namespace blobd::client
