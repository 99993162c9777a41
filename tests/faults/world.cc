#include "world.h"

#include <cerrno>

#include "base/check.h"
#include "posix.h"

namespace blobd::faults {
namespace {

Disk::Options DrawDisk(const World::Options& world, Rng& rng) {
  Disk::Options options;
  options.ending.sector = rng.Chance(0.5) ? 512 : 4096;
  options.ending.has_noise = rng.Chance(0.3);
  options.names_in_order = rng.Chance(0.5);
  options.stale_pages_outlive_process = world.stale_pages_outlive_process;
  options.plant = world.plant;
  return options;
}

}  // namespace

World::World(const Options& options)
    : rng_(options.seed),
      log_(options.log_lines),
      disk_(DrawDisk(options, rng_), rng_, log_),
      turns_(rng_),
      vfs_(disk_, rng_),
      bench_{rng_, log_, disk_, turns_, {}},
      store_(bench_, Disk::kState, DiskVfs::kName),
      registry_(bench_, std::string(Disk::kState) + "/registry.db", DiskVfs::kName),
      rot_rng_(options.seed + 1'000'000'007) {
  ServePosix(&disk_);
}

World::~World() { ServePosix(nullptr); }

std::string World::Run() {
  const uint64_t lives = 2 + rng_.Below(5);
  for (uint64_t i = 0; i < lives && !bench_.failed(); ++i) Live();
  if (!bench_.failed()) LastLife();
  tally_.commits = registry_.acknowledged();
  tally_.doubts = registry_.doubts();
  tally_.disk_changes = disk_.changes();
  return bench_.failure;
}

bool World::Begin() {
  ++tally_.lives;
  constexpr int kCheckpoints[] = {3, 10, 50, 1000};
  vfs_.SetCheckpointPages(kCheckpoints[rng_.Below(4)]);
  if (!store_.Open() || !registry_.Open()) return false;
  const bool had_fault = had_fault_ || disk_.had_fault();
  store_.Check(lost_power_, had_fault);
  if (bench_.is_over() || disk_.had_fault()) return false;
  registry_.Check(had_fault);
  if (bench_.is_over() || disk_.had_fault()) return false;
  lost_power_ = false;
  had_fault_ = false;
  is_rotten_ = false;
  return true;
}

void World::Live() {
  PlanEnd();
  bool has_faults = rng_.Chance(0.3);
  const bool fails_early = rng_.Chance(0.2);
  if (!has_faults && !had_fault_ && rot_rng_.Chance(0.05)) {
    store_.RotDatabase();
    is_rotten_ = true;
  }
  // What cannot be read when store.db is made anew is lost.
  has_faults = has_faults && !is_rotten_;
  if (has_faults && fails_early) PlanFault();
  if (Begin()) {
    if (has_faults && !fails_early) PlanFault();
    const uint64_t steps = 10 + rng_.Below(150);
    for (uint64_t i = 0; i < steps && !bench_.is_over(); ++i) {
      if (rng_.Chance(0.4)) {
        registry_.Step();
      } else {
        store_.Step();
      }
      for (uint64_t tasks = rng_.Below(8); tasks > 0 && !bench_.is_over(); --tasks) turns_.RunOne();
      if (has_faults && rng_.Chance(0.02)) disk_.Heal();
    }
    if (rng_.Chance(0.1)) {
      log_.Add("the process ends well");
      store_.Close();
      registry_.Close();
    }
  }
  End(rng_.Chance(0.55));
}

// Nothing fails any more: everything can be got, and is right.
void World::LastLife() {
  if (!Begin()) return bench_.Fail("there is no life without faults");
  store_.FinishAll();
  registry_.Close();
  End(true);
  if (bench_.failed()) return;
  if (!Begin()) return bench_.Fail("there is no life after the last");
}

void World::PlanEnd() {
  const uint64_t kind = rng_.Below(10);
  if (kind < 2) return disk_.EndAfter(rng_.Below(40));
  if (kind < 7) return disk_.EndAfter(rng_.Below(400));
}

void World::PlanFault() {
  Disk::Fault fault;
  fault.error = rng_.Chance(0.5) ? EIO : ENOSPC;
  const uint64_t kind = rng_.Below(5);
  if (kind == 0 || kind == 4) fault.operations.insert(Operation::kWrite);
  if (kind == 1) fault.operations.insert({Operation::kSync, Operation::kSyncNames});
  if (kind == 2) fault.operations.insert({Operation::kName, Operation::kSyncNames});
  if (kind == 3) {
    fault.operations.insert({Operation::kWrite, Operation::kSync, Operation::kName});
    if (fault.error == EIO) fault.operations.insert(Operation::kRead);
  }
  fault.first = rng_.Below(60);
  fault.end = rng_.Chance(0.5) ? fault.first + 1 : fault.first + rng_.Below(100);
  if (kind == 4) {
    disk_.SetCapacity(disk_.used() + rng_.Below(1 << 20));
    return;
  }
  disk_.Plan(fault);
}

void World::End(bool lose_power) {
  if (disk_.had_fault()) ++tally_.lives_with_faults;
  had_fault_ = had_fault_ || disk_.had_fault();
  disk_.EndNow();
  turns_.Drop();
  store_.Die();
  registry_.Die();
  // Nothing of a process outlives it, a database's shared memory least of all.
  BLOBD_CHECK(!vfs_.has_connections());
  lost_power_ = lost_power_ || lose_power;
  ++(lose_power ? tally_.power_losses : tally_.kills);
  if (lose_power) ++bench_.boots;
  disk_.Restart(lose_power);
}

}  // namespace blobd::faults
