#include "loop/thread_name.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <string>

namespace blobd::loop {
namespace {

std::string NameOfThisThread() {
  std::array<char, 16> name{};
  EXPECT_EQ(pthread_getname_np(pthread_self(), name.data(), name.size()), 0);
  return name.data();
}

TEST(ThreadNameTest, IsThatOfTheThreadAndOfNoOther) {
  const std::string ours = NameOfThisThread();
  std::string name;
  NamedThread("registry-reader", [&] { name = NameOfThisThread(); }).join();
  EXPECT_EQ(name, "registry-reader");
  EXPECT_EQ(NameOfThisThread(), ours);
}

}  // namespace
}  // namespace blobd::loop
