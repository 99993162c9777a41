#include "client/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/units.h"
#include "base/utf8.h"
#include "client/output.h"
#include "client/states.h"
#include "client/text_width.h"

namespace blobd::client {
namespace {

// Few sizes, so that a bar does not change with each digit of what stands behind it.
constexpr size_t kCells[] = {60, 40, 24, 12, 8};
constexpr size_t kRoomForBlobs = 60;

std::string Bar(double share, size_t cells) {
  const auto full = static_cast<size_t>(share * static_cast<double>(cells));
  std::string bar = "[";
  bar.append(full, '=');
  if (full < cells) bar += '>';
  bar.append(cells - std::min(cells, full + 1), ' ');
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
    // Never more than it is: 100 % is all.
    const std::string percent = fmt::format(" {:3.0f} %", std::floor(share * 100));
    const std::string sizes = fmt::format("  {} of {}", FormatSize(done), FormatSize(total));
    const size_t rest = WidthOf(line) + percent.size() + (tail.empty() ? 0 : 2 + WidthOf(tail));
    const size_t used = rest + sizes.size();
    // The bar takes what room there is; on a narrow terminal it goes first, and then the sizes.
    const size_t room = columns > used + 3 ? columns - used - 3 : 0;
    const auto* cells = std::find_if(std::begin(kCells), std::end(kCells),
                                     [room](size_t each) { return each <= room; });
    if (cells != std::end(kCells)) line += " " + Bar(share, *cells);
    line += percent;
    if (used <= columns) line += sizes;
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
  const std::string name = intent.kind().hash().substr(0, 10);
  const size_t columns = ColumnsOf(STDERR_FILENO, 80) - 1;
  std::string tail;
  if (intent.state() == v1::INTENT_STATE_RUNNING) {
    // On a narrow terminal rate and time are worth more.
    if (intent.total_blobs() > 1 && columns >= kRoomForBlobs)
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
  Draw(ProgressText(name, here, total, tail, columns));
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
