// What a descriptor must be before a worker of ours reads from it: a regular file opened for
// reading, on a file system that answers for itself. A descriptor can come from anybody in the
// socket's group, and some "regular files" wait for as long as their owner pleases: those of a FUSE
// server of the caller's own, of a network share that went away, of /proc and /sys. Such content is
// sent as a stream, where the caller waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "rpc/uid_quota.h"
#include "store/descriptor.h"

namespace blobd::rpc {

// May wait for the owner of the file, if it is of the wrong kind.
// Thread: any. Errors: kInvalidArgument: it cannot be read as a file. kUnimplemented: send it with
// Blobs.Add.
Status CheckImportSource(int descriptor);

// SourceInspector: looks at descriptors that came from callers, and closes them. Even looking and
// closing may wait for a FUSE server, so each is done on a thread of its own, and a uid whose
// threads do not come back is not listened to any more: it costs itself. When there can be no more
// threads, who asks is told to come with a stream, and what is to be closed waits for the next
// time.
//
// Thread:    the loop that it answers on.
// Ownership: that loop outlives the threads (they share it) and is not turned when this is gone.
class SourceInspector {
 public:
  // Runs the task on a thread of its own, or says why it cannot (the task is left as it was then).
  using StartThread = std::function<Status(const std::shared_ptr<Task>& work)>;
  static Status StartRealThread(const std::shared_ptr<Task>& work);

  SourceInspector(std::shared_ptr<Executor> loop, UidLimits limits,
                  StartThread start_thread = StartRealThread)
      : loop_(std::move(loop)), start_thread_(std::move(start_thread)), quota_(limits) {}

  // Whether one more descriptor may be taken from this uid. To be asked before it is received:
  // what the kernel never gave us waits for nobody when it goes away.
  bool MayTake(const engine::Caller& caller);
  // Answers with the descriptor if it can be imported. kUnavailable: there is no thread for it.
  void Inspect(const engine::Caller& caller, store::Descriptor descriptor,
               UniqueFunction<void(StatusOr<store::Descriptor>)> done);
  // REQUIRES: MayTake said so
  void Close(const engine::Caller& caller, std::vector<store::Descriptor> descriptors);

 private:
  // Runs `work` on a thread, and counts it until it is over; kept for later if there is none.
  Status OnThread(const engine::Caller& caller, Task work);
  void RunLeft();

  const std::shared_ptr<Executor> loop_;
  const StartThread start_thread_;
  std::deque<std::shared_ptr<Task>> left_;  // for want of a thread
  UidQuota quota_;
};

}  // namespace blobd::rpc
