// WorkerPool: the threads that may wait for the disk and burn processor time. Work reaches them
// through strands: tasks of one strand run one after the other in the order posted, tasks of
// different strands at the same time.
//
// Thread:    Post and MakeStrand from any thread.
// Ownership: strands may outlive the pool; what is posted to them then is destroyed unrun.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "base/task.h"

namespace blobd::loop {

class WorkerPool {
 public:
  // REQUIRES: threads > 0
  explicit WorkerPool(size_t threads);
  // Runs what was posted until now, then joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // A strand yields its thread after a few tasks, so that one busy strand does not starve the
  // others.
  std::shared_ptr<Executor> MakeStrand();

 private:
  class Core;
  class Strand;
  std::shared_ptr<Core> core_;
  std::vector<std::thread> threads_;
};

}  // namespace blobd::loop
