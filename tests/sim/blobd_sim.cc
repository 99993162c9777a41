// blobd_sim --seed N --runs N [--seconds N]: so many histories of the scheduler, from this seed on.
//
// Everything in a history is drawn from its seed, so a failing one replays exactly; the command for
// that is printed with its last events. With --seconds no history is begun after that time.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "world.h"

namespace {

uint64_t running_seed = 0;
const blobd::sim::World* running_world = nullptr;

// A failed check says how to replay it and aborts; what aborts by itself, as the allocator does,
// ought to say it as well.
void PrintReplay() {
  std::signal(SIGABRT, SIG_DFL);
  std::fprintf(stderr, "reproduce with: blobd_sim --seed %llu --runs 1\n",
               static_cast<unsigned long long>(running_seed));
  if (running_world != nullptr) running_world->PrintLog();
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
  if (!Parse(argc, argv, "--seed", first) || !Parse(argc, argv, "--runs", runs) ||
      !Parse(argc, argv, "--seconds", budget_seconds)) {
    std::fprintf(stderr, "usage: blobd_sim [--seed N] [--runs N] [--seconds N]\n");
    return 2;
  }
  blobd::SetCheckFailedHandler(PrintReplay);
  std::signal(SIGABRT, [](int) { PrintReplay(); });
  const auto begun = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  uint64_t done = 0;
  blobd::schedule::Stats sum;
  for (; done < runs; ++done) {
    if (budget_seconds > 0 && elapsed() > static_cast<double>(budget_seconds)) break;
    running_seed = first + done;
    blobd::sim::World world(blobd::sim::WorldOptions::Draw(running_seed));
    running_world = &world;
    world.Run();
    running_world = nullptr;
    sum.Add(world.stats());
  }
  const auto print = [](const char* what, uint64_t count) {
    std::printf("%s%llu %s", what[0] == 'h' ? "" : ", ", static_cast<unsigned long long>(count),
                what);
  };
  print("histories", done);
  print("events", sum.events);
  print("intents finished", sum.intents_finished);
  print("transfers", sum.transfers_started);
  print("splits", sum.splits);
  print("races", sum.races);
  print("dials", sum.dials);
  print("failures", sum.failures);
  print("unreachable", sum.unreachable);
  print("bans", sum.bans);
  print("late events", sum.late_events);
  std::printf(", %.1f s\n", elapsed());
  return 0;
}
