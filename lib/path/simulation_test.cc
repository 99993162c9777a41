// Random histories of nodes, first with everything going wrong, then in a quiet world in which all
// must come right. A failing seed is printed and replays exactly.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "path/world_for_test.h"

namespace blobd::path {
namespace {

// BLOBD_PATH_SEED=7 runs that seed alone, BLOBD_PATH_RUNS=1000 as many as that.
uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  uint64_t value = otherwise;
  const std::string_view view(text);
  std::from_chars(view.data(), view.data() + view.size(), value);
  return value;
}

TEST(PathSimulation, NothingGoesWrongAndThenAllComesRight) {
  const uint64_t only = Setting("BLOBD_PATH_SEED", 0);
  const uint64_t runs = only != 0 ? 1 : Setting("BLOBD_PATH_RUNS", 15);
  const uint64_t first = only != 0 ? only : 1;
  for (uint64_t seed = first; seed < first + runs && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("reproduce with: BLOBD_PATH_SEED={}", seed));
    World world(seed);
    world.Run(seconds(120), true);
    world.Run(seconds(150), false);
    world.CheckSettled();
    world.CheckDarkness();
    world.EndDemand();
    world.Run(seconds(180), false);
    world.CheckAtRest();
  }
}

TEST(PathSimulation, OneSeedIsOneHistory) {
  World first(11);
  World second(11);
  first.Run(seconds(60), true);
  second.Run(seconds(60), true);
  EXPECT_FALSE(first.log().empty());
  EXPECT_EQ(first.log(), second.log());
}

}  // namespace
}  // namespace blobd::path
