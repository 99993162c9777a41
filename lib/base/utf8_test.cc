#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blobd {
namespace {

TEST(Utf8, WellFormed) {
  for (const std::string text : {"", "plain", "gamma-é", "€", "日本", "\xf0\x9f\x98\x80",
                                 "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"}) {
    SCOPED_TRACE(text);
    EXPECT_TRUE(IsUtf8(text));
  }
  EXPECT_TRUE(IsUtf8(std::string("a\0b", 3)));
}

TEST(Utf8, Malformed) {
  const std::vector<std::string> cases = {"\x80",
                                          "a\xff",
                                          "\xc3",
                                          "\xc3(",
                                          "\xc0\x80",
                                          "\xc1\xbf",
                                          "\xe0\x80\x80",
                                          "\xe0\x9f\xbf",
                                          "\xed\xa0\x80",
                                          "\xed\xbf\xbf",
                                          "\xe2\x82",
                                          "\xf0\x80\x80\x80",
                                          "\xf0\x8f\xbf\xbf",
                                          "\xf4\x90\x80\x80",
                                          "\xf8\x88\x80\x80\x80",
                                          "\xf0\x9f\x98"};
  for (const std::string& text : cases) EXPECT_FALSE(IsUtf8(text));
}

TEST(Utf8, EscapesWhatATerminalWouldObey) {
  struct Case {
    std::string text;
    std::string shown;
  };
  const std::vector<Case> cases = {
      {"", ""},
      {"dir/gamma-é 日本.dat", "dir/gamma-é 日本.dat"},
      {"a\nb\r\tc", "a\\nb\\r\\tc"},
      {"a\\nb", "a\\\\nb"},
      {"\x1b[31mred\x7f", "\\x1b[31mred\\x7f"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\xc2\x9b"
       "31m",
       "\\u{9b}31m"},  // a control sequence introducer as C1
      {"\xe2\x80\xae"
       "txt.exe",
       "\\u{202e}txt.exe"},
      {"a\xe2\x80\xa8"
       "b",
       "a\\u{2028}b"},
      {"a\xe2\x80\x8b"
       "b",
       "a\\u{200b}b"},
      {"\xef\xbb\xbf", "\\u{feff}"},
      {"\xf3\xa0\x81\x81", "\\u{e0041}"},
      {"\xff\xc3(", "\\xff\\xc3("},
      {"\xe2\x82", "\\xe2\\x82"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.shown);
    EXPECT_EQ(EscapeForTerminal(c.text), c.shown);
    EXPECT_EQ(IsPlainText(c.text), c.shown == c.text || c.text == "a\\nb");
    EXPECT_TRUE(IsUtf8(EscapeForTerminal(c.text)));
  }
}

TEST(Utf8, ShortTextEndsBetweenCharacters) {
  EXPECT_EQ(ShortText("short", 5), "short");
  EXPECT_EQ(ShortText("longer", 4), "long");
  EXPECT_EQ(ShortText("a\xe2\x82\xac", 3), "a");
  EXPECT_EQ(ShortText("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
  EXPECT_EQ(ShortText("a\xff", 10), "a\\xff");
  EXPECT_EQ(ShortText("\xe2\x82\xac", 0), "");
}

}  // namespace
}  // namespace blobd
