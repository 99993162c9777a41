// RemotesWatch: one Remotes.Watch call: which nodes its reader has to be told of, and when.
//
//   snapshot, page by page as the reader takes them --> changes, as they gather
//
// A message is made when the one before it has gone out, of what is so then; what changes meanwhile
// costs its node's id. A reader that has not taken a message for seconds while too many of these
// gathered is ended with kResourceExhausted, and may come back for a new snapshot. Many at once end
// nobody who reads.
//
// Thread:    the control loop, but for what says otherwise.
// Ownership: shared by the call and the engine; what it uses outlives both.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "base/mutex.h"
#include "blobd/v1/remotes.pb.h"
#include "engine/remote_watch.h"
#include "rpc/context.h"

namespace blobd::rpc {

class RemotesWatch final : public engine::RemoteWatcher,
                           public std::enable_shared_from_this<RemotesWatch> {
 public:
  static constexpr size_t kPerMessage = 250;
  static constexpr size_t kMostWaiting = 4096;
  static constexpr int kPatience = 8;  // rounds of engine::RemoteWatch::kInterval

  // The call's own side.
  class Call {
   public:
    virtual ~Call() = default;
    // REQUIRES: the message before it has gone out (OnSent)
    virtual void Send(v1::WatchRemotesResponse message) = 0;
    virtual void EndWatch(const Status& status) = 0;
  };

  // `only`: of one node.
  RemotesWatch(const ServiceContext& context, Call* call, std::optional<NodeId> only)
      : context_(context), only_(only), call_(call) {}

  void Start();
  void Stop();
  void OnSent();
  // Any thread: the call is over, and not touched any more.
  void Detach();

  // engine::RemoteWatcher
  void OnRemotes(const std::set<NodeId>& changed) override;

 private:
  // What of an upload is worth a message.
  using Served = std::tuple<uint64_t, uint32_t, uint32_t, double>;

  bool IsMine(const NodeId& node) const;
  void Look();
  void Turn(const engine::UploadsView& uploads);
  void NoteUploads(const engine::UploadsView& uploads);
  void AddPage(const engine::UploadsView& uploads, v1::WatchRemotesResponse* message);
  void AddChanges(const engine::UploadsView& uploads, v1::WatchRemotesResponse* message);
  bool AddNode(const NodeId& node, const engine::UploadsView& uploads,
               v1::WatchRemotesResponse* message);
  template <typename F>
  void WithCall(F f) {
    const MutexLock lock(mutex_);
    if (call_ != nullptr) f(*call_);
  }

  const ServiceContext& context_;
  const std::optional<NodeId> only_;
  bool ended_ = false;
  bool looking_ = false;         // the uploads are being asked for
  bool sending_ = false;         // the reader has not taken the last message
  int rounds_ = 0;               // that went by meanwhile
  bool is_current_ = false;      // the snapshot is complete
  std::optional<NodeId> shown_;  // the last node of it, until then
  std::set<NodeId> waiting_;     // changed since they were shown
  std::map<NodeId, Served> served_;

  Mutex mutex_;
  Call* call_ ABSL_GUARDED_BY(mutex_);  // null: it is over
};

}  // namespace blobd::rpc
