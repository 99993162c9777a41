// RegistryPlayer: uses the real registry as the engine does, a drawn step at a time: hands out ids,
// queues, cancels and finishes intents, learns and forgets providers and bans. It keeps what was
// acknowledged, over any number of lives, and checks it.
//
// What every key holds is known but for the commits that were not acknowledged: those at the end
// may have happened or not, each of them whole.
//
// Thread: one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bench.h"
#include "registry/sqlite_registry.h"

namespace blobd::faults {

class RegistryPlayer {
 public:
  RegistryPlayer(Bench& bench, std::string path, std::string vfs);
  ~RegistryPlayer();

  // Begins a life. False if it did not come up: the disk went or failed.
  bool Open();
  // Checks what this life finds. `had_fault`: the disk failed since the last check.
  void Check(bool had_fault);
  void Step();
  void Close();  // everything begun is ended well
  void Die();    // the process is gone

  uint64_t acknowledged() const { return acknowledged_; }
  // Lives that began with the registry said to be perhaps incomplete.
  uint64_t doubts() const { return doubts_; }

 private:
  // What a key holds; nothing: no such row.
  using Value = std::optional<std::string>;
  using Table = std::map<std::string, std::string>;
  struct Commit {
    std::vector<std::pair<std::string, Value>> writes;
    bool has_failed = false;
  };

  void ReserveIds();
  void Queue();
  void EndIntent();
  void ChangeProvider();
  void ChangeBan();
  void Send(std::vector<registry::Change> changes);
  void OnAnswer(const std::shared_ptr<Commit>& commit, const Status& status);
  std::optional<Table> ReadAll();
  void CheckIds(const std::vector<registry::IntentRow>& all,
                const std::vector<registry::IntentRow>& unfinished);
  static void Apply(const Commit& commit, Table& table);

  Bench& bench_;
  const std::string path_;
  const std::string vfs_;
  Table acknowledged_table_;
  // Not acknowledged, and none behind them is: in order.
  std::vector<std::shared_ptr<Commit>> open_;
  std::array<uint64_t, 3> handed_out_{};  // per space, the end of the last block
  uint64_t acknowledged_ = 0;
  uint64_t doubts_ = 0;
  uint64_t next_label_ = 1;

  // Of this life.
  Table found_;  // what it began with
  std::vector<std::shared_ptr<Commit>> done_;
  std::map<uint64_t, registry::IntentRow> unfinished_;  // acknowledged, and nothing else called
  std::vector<uint64_t> ids_;
  std::shared_ptr<Turns::Queue> answers_;
  std::unique_ptr<registry::SqliteRegistry> registry_;
};

}  // namespace blobd::faults
