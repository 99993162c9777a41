#include "daemon/log_events.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace blobd::daemon {
namespace {

using engine::LogEvent;

TEST(LogEvents, EachHasAnIdOfItsOwn) {
  std::set<std::string> ids;
  const int last = static_cast<int>(LogEvent::kRegistryRecovered);
  for (int event = 0; event <= last; ++event) {
    const std::string id(MessageIdOf(static_cast<LogEvent>(event)));
    EXPECT_EQ(id.size(), 32u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
}

}  // namespace
}  // namespace blobd::daemon
