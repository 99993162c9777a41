#include "client/table.h"
#include "client/sentence.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "client/text_width.h"

namespace blobd::client {
namespace {

constexpr size_t kGap = 2;

// What is shown of one column, and how wide that is.
struct Shown {
  size_t index;
  size_t wanted;
  size_t width;
};

size_t Sum(const std::vector<Shown>& shown) {
  size_t sum = shown.empty() ? 0 : kGap * (shown.size() - 1);
  for (const Shown& one : shown) sum += one.width;
  return sum;
}

// Takes what is too much from the widest columns that may be cut.
void Cut(const std::vector<Column>& columns, size_t most, std::vector<Shown>* shown) {
  for (Shown& one : *shown) one.width = one.wanted;
  while (Sum(*shown) > most) {
    Shown* widest = nullptr;
    for (Shown& one : *shown) {
      const size_t least = columns[one.index].least;
      if (least == 0 || one.width <= least) continue;
      if (widest == nullptr || one.width > widest->width) widest = &one;
    }
    if (widest == nullptr) return;
    --widest->width;
  }
}

// Leaves columns out until the rest can be cut to fit.
void Fit(const std::vector<Column>& columns, size_t most, std::vector<Shown>* shown) {
  for (;;) {
    Cut(columns, most, shown);
    if (Sum(*shown) <= most) return;
    const auto first =
        std::max_element(shown->begin(), shown->end(), [&](const Shown& a, const Shown& b) {
          return columns[a.index].drop < columns[b.index].drop;
        });
    if (columns[first->index].drop == 0) return;
    shown->erase(first);
  }
}

}  // namespace

std::string Table::Text(const Style& style, const std::string& none) const {
  if (rows_.empty() && (!none.empty() || style.no_legend))
    return style.no_legend ? "" : Fitted(style, 0, none + "\n");
  std::vector<std::vector<std::string>> lines;
  if (!style.no_legend) {
    lines.emplace_back();
    for (const Column& column : columns_) lines.front().push_back(column.head);
  }
  for (const auto& row : rows_) {
    lines.emplace_back();
    for (const std::string& cell : row) lines.back().push_back(EscapeForTerminal(cell));
  }
  std::vector<Shown> shown;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = 0;
    for (const auto& line : lines) width = std::max(width, WidthOf(line[i]));
    shown.push_back({i, width, width});
  }
  if (style.columns > 0 && !style.full) Fit(columns_, style.columns, &shown);

  std::string text;
  for (size_t r = 0; r < lines.size(); ++r) {
    const bool is_head = r == 0 && !style.no_legend;
    std::string line;
    size_t owed = 0;  // blanks before the next cell, so that none ends a line
    for (const Shown& one : shown) {
      const std::string cell = CutTo(lines[r][one.index], one.width);
      if (!cell.empty()) {
        line.append(std::exchange(owed, 0), ' ');
        line += !is_head && columns_[one.index].head == "STATE" ? Painted(style, cell) : cell;
      }
      owed += one.width - WidthOf(cell) + kGap;
    }
    text += is_head && style.colour ? "\x1b[1m" + line + "\x1b[0m\n" : line + "\n";
  }
  return text;
}

void Table::Print(const Style& style, const std::string& none) const {
  WriteOutput(Text(style, none));
}

}  // namespace blobd::client
