// Maintenance: what the API asks of the daemon as a whole. The daemon implements it.
//
// Thread: called on the control loop; every `done` comes there, later or at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"

namespace blobd::rpc {

class Maintenance {
 public:
  struct SavedTable {
    std::string name;
    uint64_t saved_rows = 0;
    uint64_t lost_rows = 0;  // at least
  };
  struct Recovery {
    std::vector<SavedTable> tables;
    std::vector<std::string> notes;
    std::string damaged_file;
  };

  virtual ~Maintenance() = default;
  // Makes a consistent copy of the registry and answers with its path. Whoever gets it removes it.
  virtual void BackupRegistry(UniqueFunction<void(StatusOr<std::string>)> done) = 0;
  // Also acknowledges that something may be missing, which Warnings says until then.
  // kFailedPrecondition: the registry is not damaged.
  virtual void RecoverRegistry(UniqueFunction<void(StatusOr<Recovery>)> done) = 0;
  // What an operator should see in Status, in sentences.
  virtual std::vector<std::string> Warnings() const = 0;
};

}  // namespace blobd::rpc
