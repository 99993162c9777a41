#include "rpc/remotes_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error_reason.h"
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

void RemotesWatch::Start() {
  context_.engine.WatchRemotes(shared_from_this());
  Look();
}

void RemotesWatch::Stop() {
  if (std::exchange(ended_, true)) return;
  context_.engine.UnwatchRemotes(shared_from_this());
}

void RemotesWatch::Detach() {
  const MutexLock lock(mutex_);
  call_ = nullptr;
}

void RemotesWatch::OnSent() {
  sending_ = false;
  rounds_ = 0;
  // Changes have their own rhythm, unless there are many.
  if (!is_current_ || waiting_.size() > kPerMessage) Look();
}

// Of the snapshot, what was not shown yet will be shown as it is by then.
bool RemotesWatch::IsMine(const NodeId& node) const {
  if (only_) return node == *only_ && is_current_;
  return is_current_ || (shown_ && node <= *shown_);
}

void RemotesWatch::OnRemotes(const std::set<NodeId>& changed) {
  for (const NodeId& node : changed) {
    if (IsMine(node)) waiting_.insert(node);
  }
  if (sending_) ++rounds_;
  Look();
}

void RemotesWatch::Look() {
  if (ended_ || std::exchange(looking_, true)) return;
  context_.uploads.List([self = shared_from_this()](const engine::UploadsView& uploads) {
    self->looking_ = false;
    if (!self->ended_) self->Turn(uploads);
  });
}

void RemotesWatch::Turn(const engine::UploadsView& uploads) {
  NoteUploads(uploads);
  if (rounds_ >= kPatience && waiting_.size() > kMostWaiting) {
    Stop();
    return WithCall([](Call& call) {
      call.EndWatch(ErrorFor(
          Reason::kSlowReader,
          "the reader is too slow: more than {} nodes changed while it took nothing; watch again",
          kMostWaiting));
    });
  }
  if (sending_ || (is_current_ && waiting_.empty())) return;
  v1::WatchRemotesResponse message;
  if (is_current_) {
    AddChanges(uploads, &message);
  } else {
    AddPage(uploads, &message);
  }
  sending_ = true;
  WithCall([&](Call& call) { call.Send(std::move(message)); });
}

void RemotesWatch::NoteUploads(const engine::UploadsView& uploads) {
  std::map<NodeId, Served> served;
  for (const engine::UploadView& each : uploads.nodes) {
    served[each.info.node] = {each.info.sent_bytes, each.info.connections, each.info.streams,
                              each.rate};
  }
  for (const auto& [node, what] : served) {
    const auto before = served_.find(node);
    if ((before == served_.end() || before->second != what) && IsMine(node)) waiting_.insert(node);
  }
  for (const auto& [node, what] : served_) {
    if (served.count(node) == 0 && IsMine(node)) waiting_.insert(node);
  }
  served_ = std::move(served);
}

void RemotesWatch::AddPage(const engine::UploadsView& uploads, v1::WatchRemotesResponse* message) {
  if (only_) {
    AddNode(*only_, uploads, message);
    is_current_ = true;
  } else {
    std::vector<NodeId> served;
    for (const engine::UploadView& each : uploads.nodes) served.push_back(each.info.node);
    const auto views = context_.engine.ListRemotes(shown_, kPerMessage, served);
    for (const engine::RemoteView& view : views) {
      v1::Remote* out = message->add_remotes();
      Fill(view, out);
      if (const auto* upload = UploadOf(view.node, uploads)) Fill(*upload, out->mutable_upload());
      shown_ = view.node;
    }
    is_current_ = views.size() < kPerMessage;
  }
  message->set_current(is_current_);
}

void RemotesWatch::AddChanges(const engine::UploadsView& uploads,
                              v1::WatchRemotesResponse* message) {
  message->set_current(true);
  for (size_t added = 0; added < kPerMessage && !waiting_.empty(); ++added) {
    const NodeId node = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    if (!AddNode(node, uploads, message)) message->add_gone_node_ids(node.ToHex());
  }
}

// False if nothing is known of it.
bool RemotesWatch::AddNode(const NodeId& node, const engine::UploadsView& uploads,
                           v1::WatchRemotesResponse* message) {
  const auto view = context_.engine.FindRemote(node);
  const engine::UploadView* upload = UploadOf(node, uploads);
  if (!view && upload == nullptr) return false;
  engine::RemoteView unknown;
  unknown.node = node;
  v1::Remote* out = message->add_remotes();
  Fill(view.value_or(unknown), out);
  if (upload != nullptr) Fill(*upload, out->mutable_upload());
  return true;
}

}  // namespace blobd::rpc
