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
// As the abbreviation of a hash.
constexpr size_t kNameWidth = 10;

std::string Bar(double share, size_t cells) {
  const auto full = static_cast<size_t>(share * static_cast<double>(cells));
  std::string bar = "[";
  bar.append(full, '=');
  if (full < cells) bar += '>';
  bar.append(cells - std::min(cells, full + 1), ' ');
  return bar + "]";
}

// How much of it there is, and `amounts` in words, as far as there is room before `tail`.
std::string WithBar(std::string line, uint64_t done, uint64_t total, const std::string& amounts,
                    const std::string& tail, size_t columns) {
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  // Never more than it is: 100 % is all.
  const double hundredths = static_cast<double>(done) * 100 / static_cast<double>(total);
  const std::string percent = fmt::format(" {:3.0f} %", std::floor(std::min(100.0, hundredths)));
  const size_t rest = WidthOf(line) + percent.size() + (tail.empty() ? 0 : 2 + WidthOf(tail));
  const size_t used = rest + amounts.size();
  // The bar takes what room there is; on a narrow terminal it goes first, and then the amounts.
  const size_t room = columns > used + 3 ? columns - used - 3 : 0;
  const auto* cells = std::find_if(std::begin(kCells), std::end(kCells),
                                   [room](size_t each) { return each <= room; });
  if (cells != std::end(kCells)) line += " " + Bar(share, *cells);
  line += percent;
  if (used <= columns) line += amounts;
  return line;
}

std::string UpBy(size_t lines) { return lines == 0 ? "" : fmt::format("\x1b[{}A", lines); }

}  // namespace

ProgressLine::ProgressLine(bool enabled)
    : enabled_(enabled && isatty(STDERR_FILENO) == 1 && !IsDumbTerminal()) {}

ProgressLine::~ProgressLine() { Clear(); }

std::string ProgressText(const std::string& what, uint64_t done, uint64_t total,
                         const std::string& tail, size_t columns) {
  std::string line = what;
  if (total > 0) {
    line = WithBar(what, done, total,
                   fmt::format("  {} of {}", FormatSize(done), FormatSize(total)), tail, columns);
  } else if (done > 0) {
    line += "  " + FormatSize(done);
  }
  if (!tail.empty()) line += "  " + tail;
  return CutTo(line, columns);
}

std::string CountText(const std::string& what, uint64_t done, uint64_t total, size_t columns) {
  return CutTo(WithBar(what, done, total, fmt::format("  {} of {}", done, total), "", columns),
               columns);
}

void ProgressLine::Show(const v1::Intent& intent) {
  if (!enabled_) return;
  const uint64_t total = intent.total_bytes() != 0 ? intent.total_bytes() : intent.claimed_bytes();
  const uint64_t here = intent.verified_bytes() + intent.unproven_bytes();
  const std::string name = intent.kind().hash().substr(0, kNameWidth);
  const size_t columns = ColumnsOf(STDERR_FILENO, 80) - 1;
  std::string tail;
  if (intent.state() == v1::INTENT_STATE_RUNNING) {
    tail += FormatRate(intent.rate());
    if (intent.rate() > 0 && total > here) {
      const double left = static_cast<double>(total - here) / intent.rate();
      if (left < 1e6) tail += "  ETA " + FormatDuration(seconds(static_cast<int64_t>(left) + 1));
    }
  } else {
    tail = intent.waits_for().empty() ? std::string(StateName(intent.state()))
                                      : EscapeForTerminal(intent.waits_for());
  }
  std::vector<std::string> lines = {ProgressText(name, here, total, tail, columns)};
  if (intent.total_blobs() > 1) {
    lines.push_back(CountText(fmt::format("{:{}}", "blobs", kNameWidth), intent.complete_blobs(),
                              intent.total_blobs(), columns));
  }
  Draw(lines);
}

void ProgressLine::Show(const std::string& what, uint64_t done, uint64_t total) {
  if (enabled_) Draw({ProgressText(what, done, total, "", ColumnsOf(STDERR_FILENO, 80) - 1)});
}

void ProgressLine::Draw(const std::vector<std::string>& lines) {
  std::string out = "\r" + UpBy(drawn_ > 1 ? drawn_ - 1 : 0);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\r\n";
    out += "\x1b[K" + lines[i];
  }
  if (lines.size() < drawn_) out += "\x1b[J";
  PrintError("{}", out);
  drawn_ = lines.size();
}

void ProgressLine::Clear() {
  if (drawn_ == 0) return;
  PrintError("\r{}{}", UpBy(drawn_ - 1), drawn_ == 1 ? "\x1b[K" : "\x1b[J");
  drawn_ = 0;
}

}  // namespace blobd::client
