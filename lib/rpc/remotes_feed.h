// RemotesSource: what Remotes.Watch follows (feed.h).
//
// Thread: the control loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "blobd/v1/remotes.pb.h"
#include "engine/engine.h"
#include "engine/upload_table.h"
#include "rpc/feed.h"

namespace blobd::rpc {

class RemotesSource {
 public:
  using Id = NodeId;
  using Response = v1::WatchRemotesResponse;
  struct Filter {
    std::vector<NodeId> ids;  // one; empty: all
  };
  struct Item {
    SharedBytes bytes;
  };

  RemotesSource(engine::Engine& engine, engine::UploadTable& uploads)
      : engine_(engine), uploads_(uploads), seen_(std::make_shared<Seen>()) {}

  engine::ChangeWatch<NodeId>& watch() { return engine_.remote_watch(); }
  // Asks for the uploads, which nobody else follows.
  void Refresh(UniqueFunction<void()> done);
  std::vector<NodeId> After(const Filter& filter, const std::optional<NodeId>& after,
                            size_t limit) const;
  Item Make(const NodeId& node) const;
  FeedFate FateOf(const Filter& filter, const NodeId& node, const Item& item,
                  FeedPhase phase) const;
  bool Judge(const engine::Caller& /*caller*/,
             const std::vector<std::pair<NodeId, const Item*>>& /*items*/, const Task& /*done*/) {
    return true;
  }
  SharedBytes BytesFor(const engine::Caller& /*caller*/, const Filter& /*filter*/,
                       const NodeId& /*node*/, const Item& item) const {
    return item.bytes;
  }
  void AddGone(const NodeId& node, Response* response) const {
    response->add_gone_node_ids(node.ToHex());
  }
  void Enter(const engine::Caller& /*caller*/) {}
  void Leave(const engine::Caller& /*caller*/) {}

 private:
  // What of an upload is worth a message.
  using Served = std::tuple<uint64_t, uint32_t, uint32_t, double>;
  // As they were when they were last asked for.
  struct Seen {
    engine::UploadsView uploads;
    std::map<NodeId, Served> served;
  };
  static void NoteUploads(engine::ChangeWatch<NodeId>& watch, const engine::UploadsView& uploads,
                          Seen* seen);

  engine::Engine& engine_;
  engine::UploadTable& uploads_;
  std::shared_ptr<Seen> seen_;
};

using RemotesFeed = Feed<RemotesSource>;

// What a call asks for, as a reader of the feed. kInvalidArgument.
StatusOr<std::shared_ptr<FeedReader>> ReaderOf(RemotesFeed& feed, const engine::Caller& caller,
                                               const v1::WatchRemotesRequest& request);

}  // namespace blobd::rpc
