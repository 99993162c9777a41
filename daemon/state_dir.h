// StateDir: the directory that belongs to one daemon at a time: LOCK, node.key, machine-id and what
// the rooms keep.
//
// Ownership: holds the lock until it goes away.
// Errors: kFailedPrecondition: others own it or may write to it. kUnavailable: another daemon has
//         it. kPermissionDenied, kNotFound as the file system says.
#pragma once

#include <string>

#include "base/status.h"
#include "base/time.h"

namespace blobd::daemon {

class StateDir {
 public:
  // Makes the directory (mode 0700) and its parents if needed, and takes the lock. Blocks for at
  // most `patience` while another daemon has it, and takes the alarm signal meanwhile.
  // REQUIRES: with patience, no other thread runs.
  static StatusOr<StateDir> Lock(const std::string& path, Duration patience = Duration::zero());
  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&&) = delete;
  ~StateDir();

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // The id of the machine on which the node key was made stands beside the key. Returns a warning
  // if it is another one now (a cloned image: two machines with one identity), else an empty text.
  // Writes the id if there is none yet.
  std::string CheckMachineId() const;

 private:
  StateDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

}  // namespace blobd::daemon
