// blobd_power_loss [--seed N] [--runs N] [--seconds N] [--plant N] [--stale 1] [--prove]: store and
// registry on a simulated disk that loses power, so many runs from this seed on.
//
// Everything in a run is drawn from its seed, so one that fails replays exactly: it is run again
// with its log, and the command for that is printed. With --seconds no run is begun after that
// time. --plant plants a fault of the disk that makes it break its promises (Plant, by number);
// --prove plants each and wants it to be found. --stale: README.md, "What is not".
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/check.h"
#include "world.h"

namespace {

using blobd::faults::Plant;
using blobd::faults::Tally;
using blobd::faults::World;

constexpr uint64_t kPlants = 7;
constexpr uint64_t kSeedsToFindIn = 400;

World::Options running;

void PrintReplay() {
  std::fprintf(stderr,
               "reproduce with: blobd_power_loss --runs 1 --seed %llu --plant %d --stale %d\n",
               static_cast<unsigned long long>(running.seed), static_cast<int>(running.plant),
               running.stale_pages_outlive_process ? 1 : 0);
}

std::string RunOne(const World::Options& options, Tally* sum) {
  running = options;
  World world(options);
  std::string failure = world.Run();
  const Tally& tally = world.tally();
  sum->lives += tally.lives;
  sum->power_losses += tally.power_losses;
  sum->kills += tally.kills;
  sum->lives_with_faults += tally.lives_with_faults;
  sum->disk_changes += tally.disk_changes;
  sum->commits += tally.commits;
  sum->doubts += tally.doubts;
  return failure;
}

void ShowAgain(World::Options options, size_t log_lines, const std::string& failure) {
  options.log_lines = log_lines;
  World world(options);
  const std::string again = world.Run();
  world.PrintLog(stderr);
  std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
               failure.c_str());
  if (again != failure) std::fprintf(stderr, "the second time: %s\n", again.c_str());
  PrintReplay();
}

int Prove() {
  int missed = 0;
  for (uint64_t plant = 1; plant < kPlants; ++plant) {
    Tally sum;
    World::Options options;
    options.plant = static_cast<Plant>(plant);
    std::string failure;
    for (; options.seed <= kSeedsToFindIn && failure.empty(); ++options.seed) {
      failure = RunOne(options, &sum);
      // It counts only if the fault made the difference.
      World::Options unplanted = options;
      unplanted.plant = Plant::kNone;
      if (!failure.empty() && !RunOne(unplanted, &sum).empty()) failure.clear();
    }
    if (failure.empty()) {
      std::printf("plant %llu was not found\n", static_cast<unsigned long long>(plant));
      ++missed;
    } else {
      std::printf("plant %llu was found by seed %llu: %s\n", static_cast<unsigned long long>(plant),
                  static_cast<unsigned long long>(options.seed - 1), failure.c_str());
    }
  }
  return missed == 0 ? 0 : 1;
}

bool Parse(int argc, char** argv, const char* name, uint64_t& value) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], name) != 0) continue;
    char* end = nullptr;
    value = std::strtoull(argv[i + 1], &end, 10);
    return *argv[i + 1] != '\0' && *end == '\0';
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t first = 1;
  uint64_t runs = 100;
  uint64_t budget_seconds = 0;
  uint64_t plant = 0;
  uint64_t stale = 0;
  if (!Parse(argc, argv, "--seed", first) || !Parse(argc, argv, "--runs", runs) ||
      !Parse(argc, argv, "--seconds", budget_seconds) || !Parse(argc, argv, "--plant", plant) ||
      !Parse(argc, argv, "--stale", stale)) {
    std::fprintf(stderr,
                 "usage: blobd_power_loss [--seed N] [--runs N] [--seconds N] [--plant N] "
                 "[--stale 1] [--prove]\n");
    return 2;
  }
  blobd::SetCheckFailedHandler(PrintReplay);
  if (argc == 2 && std::strcmp(argv[1], "--prove") == 0) return Prove();
  const auto begun = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  Tally sum;
  uint64_t done = 0;
  for (; done < runs; ++done) {
    if (budget_seconds > 0 && elapsed() > static_cast<double>(budget_seconds)) break;
    const World::Options options{first + done, static_cast<Plant>(plant), stale != 0, 0};
    const std::string failure = RunOne(options, &sum);
    if (failure.empty()) continue;
    // All of it to whoever asks for this one run.
    ShowAgain(options, runs == 1 ? 1'000'000 : 100, failure);
    return 1;
  }
  const auto print = [](const char* what, uint64_t count) {
    std::printf("%llu %s, ", static_cast<unsigned long long>(count), what);
  };
  print("seeds", done);
  print("lives", sum.lives);
  print("power losses", sum.power_losses);
  print("kills", sum.kills);
  print("lives with failures of the disk", sum.lives_with_faults);
  print("changes of the disk", sum.disk_changes);
  print("commits", sum.commits);
  print("lives begun in doubt", sum.doubts);
  std::printf("%.1f s\n", elapsed());
  return 0;
}
