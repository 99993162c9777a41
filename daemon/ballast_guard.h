// BallastGuard: keeps a ballast file (sqlite/ballast.h) beside the databases, and throws it off
// when others have filled the disk to the last byte: then rows can still be changed and removed. It
// is taken again when the disk is well.
//
// Thread:    made and destroyed on the main thread; works on a strand of the workers.
// Ownership: store and workers outlive it.
#pragma once

#include <memory>
#include <string>

#include "daemon/log_sink.h"
#include "store/blob_store.h"

namespace blobd::daemon {

class BallastGuard {
 public:
  BallastGuard(std::string path, store::BlobStore& store, std::shared_ptr<Executor> strand,
               LogSink& log);
  ~BallastGuard();

  // Before there is a store that tells of the disk: what the databases need to be opened. A daemon
  // that cannot start could not be told to remove anything.
  static void MakeRoomToStart(const std::string& path, LogSink& log);

 private:
  struct State;
  static void OnDisk(State& state, const store::DiskState& disk);

  std::shared_ptr<State> state_;
  std::unique_ptr<store::DiskWatch> watch_;
};

}  // namespace blobd::daemon
