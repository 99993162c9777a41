#include "client/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "client/text_width.h"

namespace blobd::client {
namespace {

Table Example() {
  Table table({"ID", "STATE", {"SIZE", 0, 1}, {"REASON", 8, 2}});
  table.Add({"1", "running", "5 MiB", ""});
  table.Add({"23", "failed", "1 GiB", "nobody of those that were named has it"});
  return table;
}

size_t WidestLine(const std::string& text) {
  size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, WidthOf(line));
  return widest;
}

TEST(Table, IsAlignedAndEndsNoLineWithBlanks) {
  EXPECT_EQ(Example().Text({}),
            "ID  STATE    SIZE   REASON\n"
            "1   running  5 MiB\n"
            "23  failed   1 GiB  nobody of those that were named has it\n");
  Style style;
  style.no_legend = true;
  EXPECT_EQ(Example().Text(style),
            "1   running  5 MiB\n"
            "23  failed   1 GiB  nobody of those that were named has it\n");
}

TEST(Table, FitsTheTerminal) {
  for (size_t columns = 11; columns < 80; ++columns) {
    Style style;
    style.columns = columns;
    EXPECT_LE(WidestLine(Example().Text(style)), columns);
  }
  Style style;
  style.columns = 30;
  EXPECT_EQ(Example().Text(style),
            "ID  STATE    SIZE   REASON\n"
            "1   running  5 MiB\n"
            "23  failed   1 GiB  nobody of…\n");
  style.columns = 25;
  EXPECT_EQ(Example().Text(style),
            "ID  STATE    SIZE\n"
            "1   running  5 MiB\n"
            "23  failed   1 GiB\n");
  style.columns = 5;  // what is never left out stays
  EXPECT_EQ(Example().Text(style), "ID  STATE\n1   running\n23  failed\n");
  style.full = true;
  EXPECT_EQ(Example().Text(style), Example().Text({}));
}

TEST(Table, SaysWhenThereIsNothing) {
  const Table empty({"ID", "STATE"});
  EXPECT_EQ(empty.Text({}, "no intents"), "no intents\n");
  EXPECT_EQ(empty.Text({}), "ID  STATE\n");
  Style style;
  style.no_legend = true;
  EXPECT_EQ(empty.Text(style, "no intents"), "");
}

TEST(Table, ColoursStatesAndCountsNoColour) {
  Style style;
  style.colour = true;
  EXPECT_EQ(Example().Text(style),
            "\x1b[1mID  STATE    SIZE   REASON\x1b[0m\n"
            "1   \x1b[32mrunning\x1b[0m  5 MiB\n"
            "23  \x1b[31mfailed\x1b[0m   1 GiB  nobody of those that were named has it\n");
}

TEST(Table, EscapesAndMeasuresWhatStrangersSay) {
  Table table({"NAME", "X"});
  table.Add({"\x1b[31mred\n", "1"});
  table.Add({"日本", "2"});
  EXPECT_EQ(table.Text({}),
            "NAME           X\n"
            "\\x1b[31mred\\n  1\n"
            "日本           2\n");
}

TEST(TextWidth, OfMarksAndWideCharacters) {
  EXPECT_EQ(WidthOf(""), 0u);
  EXPECT_EQ(WidthOf("abc"), 3u);
  EXPECT_EQ(WidthOf("é"), 1u);
  EXPECT_EQ(WidthOf("e\u0301"), 1u);
  EXPECT_EQ(WidthOf("日本"), 4u);
  EXPECT_EQ(WidthOf("😀"), 2u);
  EXPECT_EQ(CutTo("日本語", 4), "日…");
  EXPECT_EQ(CutTo("日本語", 6), "日本語");
  EXPECT_EQ(CutTo("abc", 1), "…");
  EXPECT_EQ(CutTo("abc", 0), "");
}

}  // namespace
}  // namespace blobd::client
