#include "rpc/remotes_feed.h"

#include <algorithm>
#include <string>

#include "rpc/convert.h"

namespace blobd::rpc {
namespace {

const engine::UploadView* UploadOf(const NodeId& node, const engine::UploadsView& uploads) {
  const auto found = std::lower_bound(
      uploads.nodes.begin(), uploads.nodes.end(), node,
      [](const engine::UploadView& each, const NodeId& id) { return each.info.node < id; });
  return found != uploads.nodes.end() && found->info.node == node ? &*found : nullptr;
}

}  // namespace

void RemotesSource::Refresh(UniqueFunction<void()> done) {
  uploads_.List([&watch = watch(), seen = seen_,
                 done = std::move(done)](engine::UploadsView uploads) mutable {
    NoteUploads(watch, uploads, seen.get());
    seen->uploads = std::move(uploads);
    done();
  });
}

void RemotesSource::NoteUploads(engine::ChangeWatch<NodeId>& watch,
                                const engine::UploadsView& uploads, Seen* seen) {
  std::map<NodeId, Served> served;
  for (const engine::UploadView& each : uploads.nodes) {
    served[each.info.node] = {each.info.sent_bytes, each.info.connections, each.info.streams,
                              each.rate};
  }
  for (const auto& [node, what] : served) {
    const auto before = seen->served.find(node);
    if (before == seen->served.end() || before->second != what) watch.Note(node);
  }
  for (const auto& [node, what] : seen->served) {
    if (served.count(node) == 0) watch.Note(node);
  }
  seen->served = std::move(served);
}

std::vector<NodeId> RemotesSource::After(const Filter& filter, const std::optional<NodeId>& after,
                                         size_t limit) const {
  if (!filter.ids.empty()) return after ? std::vector<NodeId>() : filter.ids;
  std::vector<NodeId> served;
  for (const engine::UploadView& each : seen_->uploads.nodes) served.push_back(each.info.node);
  return engine_.RemotesAfter(after, limit, served);
}

RemotesSource::Item RemotesSource::Make(const NodeId& node) const {
  const auto view = engine_.FindRemote(node);
  const engine::UploadView* upload = UploadOf(node, seen_->uploads);
  if (!view && upload == nullptr) return {};
  engine::RemoteView unknown;
  unknown.node = node;
  v1::WatchRemotesResponse message;
  v1::Remote* out = message.add_remotes();
  Fill(view.value_or(unknown), out);
  if (upload != nullptr) Fill(*upload, out->mutable_upload());
  return {std::make_shared<const std::string>(message.SerializeAsString())};
}

FeedFate RemotesSource::FateOf(const Filter& filter, const NodeId& node, const Item& item,
                               FeedPhase phase) const {
  const auto& ids = filter.ids;
  if (!ids.empty() && std::find(ids.begin(), ids.end(), node) == ids.end())
    return FeedFate::kNothing;
  if (item.bytes != nullptr) return FeedFate::kShown;
  return phase == FeedPhase::kSnapshot ? FeedFate::kNothing : FeedFate::kGone;
}

StatusOr<std::shared_ptr<FeedReader>> ReaderOf(RemotesFeed& feed, const engine::Caller& caller,
                                               const v1::WatchRemotesRequest& request) {
  RemotesSource::Filter filter;
  uint64_t number = 0;
  if (!request.node_id().empty()) {
    BLOBD_ASSIGN_OR_RETURN(const NodeId node, ToNodeId(request.node_id(), "node_id"));
    filter.ids.push_back(node);
    number = std::hash<std::string>{}(node.ToHex());
  }
  BLOBD_ASSIGN_OR_RETURN(const std::optional<FeedToken> from,
                         ParseFeedToken(request.resume_token(), feed.life(), number));
  return feed.MakeReader(caller, std::move(filter), number, from);
}

}  // namespace blobd::rpc
