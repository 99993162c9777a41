// World: one seed's run: a store and a registry on one simulated disk, life after life. A life ends
// at any change of the disk or between any two tasks, by the end of the process or by power loss,
// and the next one is checked against everything promised before.
//
// Thread: one. At most one World at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "bench.h"
#include "disk_vfs.h"
#include "registry_player.h"
#include "store_player.h"

namespace blobd::faults {

struct Tally {
  uint64_t lives = 0;
  uint64_t power_losses = 0;
  uint64_t kills = 0;
  uint64_t lives_with_faults = 0;
  uint64_t disk_changes = 0;
  uint64_t commits = 0;
  uint64_t doubts = 0;
};

class World {
 public:
  struct Options {
    uint64_t seed = 1;
    Plant plant = Plant::kNone;
    bool stale_pages_outlive_process = false;  // see Disk::Options
    size_t log_lines = 0;                      // kept
  };
  explicit World(const Options& options);
  ~World();

  // Returns what was found wrong; empty: nothing.
  std::string Run();
  void PrintLog(std::FILE* to) const { log_.Print(to); }
  const Tally& tally() const { return tally_; }

 private:
  void Live();
  void LastLife();
  bool Begin();
  void PlanEnd();
  void PlanFault();
  void End(bool lose_power);

  Rng rng_;
  Log log_;
  Disk disk_;
  Turns turns_;
  DiskVfs vfs_;
  Bench bench_;
  StorePlayer store_;
  RegistryPlayer registry_;
  Tally tally_;
  Rng rot_rng_;  // of its own, so that the histories of seeds stay what they were
  // Since the last check.
  bool is_rotten_ = false;
  bool lost_power_ = false;
  bool had_fault_ = false;
};

}  // namespace blobd::faults
