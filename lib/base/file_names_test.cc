#include "base/file_names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blobd {
namespace {

TEST(FileNames, PlainNamesPass) {
  const std::vector<std::string> names = {"a",
                                          "b/c",
                                          "b/d/e",
                                          "b-x",
                                          "b.d",
                                          "...",
                                          "..a",
                                          ".hidden",
                                          "a b",
                                          "a\\b",
                                          "line\nbreak",
                                          "b/c-x",
                                          "é",
                                          "-rf",
                                          "C:",
                                          "~",
                                          std::string(255, 'x'),
                                          "A"};
  EXPECT_TRUE(CheckFileNames(names).ok()) << CheckFileNames(names);
  EXPECT_TRUE(CheckFileNames({}).ok());
  std::string longest = std::string(255, 'x');
  while (longest.size() < 4096) longest += "/" + std::string(255, 'x');
  longest.resize(4096);
  longest.replace(4094, 2, "/x");
  EXPECT_TRUE(CheckFileNames(std::vector<std::string>{longest}).ok());
  EXPECT_FALSE(CheckFileNames(std::vector<std::string>{longest + "x"}).ok());
}

TEST(FileNames, HarmfulNamesAreRefused) {
  const std::vector<std::vector<std::string>> cases = {{""},
                                                       {"/etc/passwd"},
                                                       {"/"},
                                                       {".."},
                                                       {"../a"},
                                                       {"a/../b"},
                                                       {"a/.."},
                                                       {"."},
                                                       {"a/./b"},
                                                       {"./a"},
                                                       {"a//b"},
                                                       {"a/"},
                                                       {std::string("a\0b", 3)},
                                                       {std::string(256, 'x')},
                                                       {"a/" + std::string(256, 'x') + "/b"},
                                                       {"a", "b", "a"},
                                                       {"a", "a/b"},
                                                       {"a/b", "a"},
                                                       {"a/b/c", "x", "a-b", "a.b", "a/b"},
                                                       {"a", "a!", "a-", "a.", "a/x/y"}};
  for (const auto& names : cases) {
    SCOPED_TRACE(names.front());
    EXPECT_EQ(CheckFileNames(names).code(), StatusCode::kInvalidArgument);
  }
}

TEST(FileNames, MessagesAreSafeToShow) {
  const Status status =
      CheckFileNames(std::vector<std::string>{"/\x1b[2J" + std::string(5000, 'x')});
  EXPECT_EQ(Message(status).find('\x1b'), std::string::npos);
  EXPECT_LT(Message(status).size(), 400u);
}

}  // namespace
}  // namespace blobd
