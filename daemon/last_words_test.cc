#include "daemon/last_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace blobd::daemon {
namespace {

using testing::HasSubstr;

std::system_error NoThread() {
  return std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
}

TEST(LastWords, NameTheLimitThatWasMet) {
  EXPECT_THAT(LastWords(std::make_exception_ptr(NoThread())), HasSubstr("raise TasksMax="));
  EXPECT_THAT(LastWords(std::make_exception_ptr(std::bad_alloc())), HasSubstr("no more memory"));
}

TEST(LastWords, CallABugABug) {
  const auto other = std::make_error_code(std::errc::operation_not_permitted);
  EXPECT_THAT(LastWords(std::make_exception_ptr(std::system_error(other, "lock"))),
              HasSubstr("a bug to report: lock"));
  EXPECT_THAT(LastWords(std::make_exception_ptr(std::logic_error("never"))),
              HasSubstr("a bug to report: never"));
  EXPECT_THAT(LastWords(std::make_exception_ptr(7)), HasSubstr("a bug to report"));
  EXPECT_THAT(LastWords(std::make_exception_ptr(std::bad_array_new_length())),
              HasSubstr("a bug to report"));
}

void EndByWhatNobodyCatches() {
  SayLastWords(17);
  std::thread([] { throw NoThread(); }).join();
}

TEST(LastWordsDeathTest, AreSaidOnAnyThread) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(EndByWhatNobodyCatches(), testing::ExitedWithCode(17),
              "blobd: cannot run: .*TasksMax");
}

TEST(LastWordsDeathTest, AreSaidWithoutAnException) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto end = [] {
    SayLastWords(17);
    std::terminate();
  };
  EXPECT_EXIT(end(), testing::KilledBySignal(SIGABRT), "blobd: ends, which is a bug to report");
}

}  // namespace
}  // namespace blobd::daemon
