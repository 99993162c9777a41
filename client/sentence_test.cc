#include "client/sentence.h"

#include <gtest/gtest.h>

#include <string>

namespace blobd::client {
namespace {

std::string At(size_t columns, size_t indent, std::string_view text) {
  Style style;
  style.columns = columns;
  return Fitted(style, indent, text);
}

TEST(Sentence, IsBrokenAtBlanks) {
  EXPECT_EQ(At(20, 0, "drained; 7 unfinished requests go on\n"),
            "drained; 7\nunfinished requests\ngo on\n");
  EXPECT_EQ(At(36, 0, "drained; 7 unfinished requests go on\n"),
            "drained; 7 unfinished requests go on\n");
  EXPECT_EQ(At(10, 0, "日本語 日本語\n"), "日本語\n日本語\n");
}

TEST(Sentence, HangsBehindItsName) {
  EXPECT_EQ(At(40, 11, "State      connected at 127.0.0.1:11205, being looked up\n"),
            "State      connected at 127.0.0.1:11205,\n           being looked up\n");
  // Where there is no room for that, what is said matters more.
  EXPECT_EQ(At(15, 11, "State      connected, served\n"), "State\n     connected,\n     served\n");
  EXPECT_EQ(At(15, 11, "           set listen\n"), "     set listen\n");
}

TEST(Sentence, AWordThatFitsNowhereStaysWhole) {
  const std::string hash(64, '5');
  EXPECT_EQ(At(40, 11, "Content    " + hash + ", a collection\n"),
            "Content    " + hash + ",\n           a collection\n");
}

TEST(Sentence, IsOneLineInAPipeAndInFull) {
  const std::string text = "drained; 7 unfinished requests go on\n";
  EXPECT_EQ(At(0, 0, text), text);
  Style style;
  style.columns = 10;
  style.full = true;
  EXPECT_EQ(Fitted(style, 0, text), text);
}

TEST(Sentence, LinesOfATextStayLines) {
  EXPECT_EQ(At(20, 0, "to take it back, run\n  blobd\n\n"), "to take it back, run\n  blobd\n\n");
  EXPECT_EQ(At(20, 0, ""), "");
  EXPECT_EQ(At(20, 0, "no line break"), "no line break");
}

}  // namespace
}  // namespace blobd::client
