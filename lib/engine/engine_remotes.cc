// Remotes: what is known of nodes, and addresses that callers add. See engine.h.
#include <algorithm>
#include <set>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

// Nodes that a page may look at, and how many of them at once.
constexpr size_t kMostNodes = 10'000;
constexpr size_t kNodesAtOnce = 1000;

}  // namespace

RemotePage Engine::ListRemotes(const RemoteFilter& filter, const std::optional<NodeId>& after,
                               size_t limit, const std::vector<NodeId>& known_elsewhere) const {
  RemotePage page;
  page.next = after;
  const bool all = filter.links.empty() && !filter.banned_only;
  for (size_t looked = 0; looked < kMostNodes;) {
    const size_t at_once = all ? limit : kNodesAtOnce;
    const std::vector<NodeId> nodes = RemotesAfter(page.next, at_once, known_elsewhere);
    for (const NodeId& node : nodes) {
      if (page.remotes.size() == limit) return page;
      page.next = node;
      if (all || Fits(filter, node)) page.remotes.push_back(ViewOf(node));
    }
    if (nodes.size() < at_once) {
      page.next.reset();
      return page;
    }
    if (page.remotes.size() == limit) return page;
    looked += at_once;
  }
  return page;
}

// The first nodes behind `after` of each source; the first of these together are next.
std::vector<NodeId> Engine::RemotesAfter(const std::optional<NodeId>& after, size_t limit,
                                         const std::vector<NodeId>& known_elsewhere) const {
  std::set<NodeId> nodes;
  const auto merge = [&nodes](const std::vector<NodeId>& more) {
    nodes.insert(more.begin(), more.end());
  };
  merge(addresses_.NodesAfter(after, limit));
  merge(remotes_.After(after, limit));
  merge(transfers_.NodesAfter(after, limit));
  merge(known_elsewhere);
  std::vector<NodeId> page;
  auto it = after ? nodes.upper_bound(*after) : nodes.begin();
  for (; it != nodes.end() && page.size() < limit; ++it) page.push_back(*it);
  return page;
}

bool Engine::Fits(const RemoteFilter& filter, const NodeId& node) const {
  const path::RemoteInfo* info = remotes_.Find(node);
  if (!filter.links.Has(info == nullptr ? path::Link::kDown : info->link)) return false;
  return !filter.banned_only ||
         (scheduler_ != nullptr && scheduler_->FindBan(node, deps_.timers.Now()));
}

std::optional<RemoteView> Engine::FindRemote(const NodeId& node) const {
  RemoteView view = ViewOf(node);
  const bool is_known =
      remotes_.Find(node) != nullptr || !view.addresses.empty() || !view.transfers.empty();
  return is_known ? std::optional(std::move(view)) : std::nullopt;
}

RemoteView Engine::ViewOf(const NodeId& node) const {
  RemoteView view;
  view.node = node;
  if (const path::RemoteInfo* info = remotes_.Find(node)) view.info = *info;
  // A ban lasts as long as the scheduler says, whatever is done to the wall clock.
  view.info.banned_until = {};
  const Instant now = deps_.timers.Now();
  if (const auto ban = scheduler_ == nullptr ? std::nullopt : scheduler_->FindBan(node, now)) {
    view.info.banned_until = deps_.clock.WallNow() + (ban->until - now);
  } else {
    view.info.ban_reason.clear();
  }
  view.addresses = addresses_.BestFirst(node);
  for (const path::KnownAddress& known : view.addresses) {
    view.info.last_success = std::max(view.info.last_success, known.last_worked);
    if (addresses_.IsOwn(known.address)) view.own.insert(known.address);
  }
  const path::Remote* remote = paths_.Find(node);
  if (remote != nullptr) {
    view.looking_up = remote->looking_up();
    view.paths = remote->Paths();
    view.selected_because = remote->selection().why;
  }
  TransferTable::Use use = transfers_.UseOf(node);
  view.transfers = std::move(use.transfers);
  view.download_rate = use.rate;
  return view;
}

void Engine::AddAddresses(const NodeId& node, const std::vector<SocketAddress>& addresses,
                          UniqueFunction<void(StatusOr<uint32_t>)> done) {
  if (const Status status = Ready(); !status.ok()) return done(status);
  if (node == options_.schedule.self) {
    return done(FieldError(Reason::kOurselves, "node", "{} is this daemon itself", node.ToHex()));
  }
  for (const SocketAddress& address : addresses) {
    if (path::AddressBook::CanBeDialled(address)) continue;
    return done(FieldError(Reason::kNotDiallable, "node.addresses", "{} cannot be dialled",
                           address.ToString()));
  }
  uint32_t added = 0;
  for (const SocketAddress& address : addresses)
    added += LearnAddress(node, address, "api") ? 1 : 0;
  if (!addresses.empty() && addresses_.Of(node).empty()) {
    return done(ErrorFor(Reason::kNodeLimit,
                         "no addresses of further nodes are kept; the limit is {} nodes",
                         path::AddressBook::kMaxNodes));
  }
  // All of them again, also what an earlier call taught us whose commit failed.
  for (const path::KnownAddress& known : addresses_.Of(node)) {
    const bool named = std::count(addresses.begin(), addresses.end(), known.address) != 0;
    if (named) changes_.push_back(registry::PutRemoteAddress{RowOf(node, known)});
  }
  deps_.registry.Commit(std::exchange(changes_, {}),
                        [added, done = std::move(done)](const Status& status) mutable {
                          if (!status.ok()) {
                            return done(Annotate(status, "the registry could not be written"));
                          }
                          done(added);
                        });
  if (added > 0) Deliver(schedule::PathNews{node});
}

void Engine::ForgetRemote(const NodeId& node, UniqueFunction<void(StatusOr<uint32_t>)> done) {
  if (const Status status = Ready(); !status.ok()) return done(status);
  if (!FindRemote(node))
    return done(ErrorFor(Reason::kUnknownRemote, "nothing is known of node {}", node.ToHex()));
  const path::RemoteInfo* info = remotes_.Find(node);
  if (info != nullptr && info->link != path::Link::kDown) {
    return done(ErrorFor(
        Reason::kRemoteInUse, "node {} is {}: disconnect it first, or ban it if it is to stay away",
        node.ToHex(), info->link == path::Link::kConnected ? "connected" : "being dialled"));
  }
  const auto count = static_cast<uint32_t>(addresses_.Forget(node));
  remotes_.Forget(node, scheduler_->FindBan(node, deps_.timers.Now()).has_value());
  // Behind what is on its way already.
  std::vector<registry::Change> changes = std::exchange(changes_, {});
  changes.push_back(registry::DropRemote{node});
  for (const path::KnownAddress& known : addresses_.Of(node))
    changes.push_back(registry::PutRemoteAddress{RowOf(node, known)});
  remote_watch_.Note(node);
  deps_.registry.Commit(std::move(changes),
                        [count, done = std::move(done)](const Status& status) mutable {
                          if (!status.ok())
                            return done(Annotate(status, "the registry could not be written"));
                          done(count);
                        });
}

bool Engine::DisconnectRemote(const NodeId& node) {
  const path::RemoteInfo* info = remotes_.Find(node);
  const bool was_connected = info != nullptr && info->link == path::Link::kConnected;
  if (scheduler_ != nullptr) Deliver(schedule::DisconnectWanted{node});
  return was_connected;
}

void Engine::Ban(const ProviderId& provider, std::optional<Duration> length,
                 const std::string& reason, UniqueFunction<void(StatusOr<WallTime>)> done) {
  if (const Status status = Ready(); !status.ok()) return done(status);
  if (provider == ProviderId(options_.schedule.self)) {
    return done(
        FieldError(Reason::kOurselves, "provider", "{} is this daemon itself", ToString(provider)));
  }
  const Instant now = deps_.timers.Now();
  Deliver(schedule::BanWanted{provider, length, reason});
  const auto ban = scheduler_->FindBan(provider, now);
  if (!ban) return done(WallTime{});  // so short that it is over
  // The effect put this row on its way already; this time we hear what became of it.
  const WallTime until = deps_.clock.WallNow() + (ban->until - now);
  deps_.registry.Commit({registry::PutBan{{provider, until, ban->times, ban->reason}}},
                        [until, done = std::move(done)](const Status& status) mutable {
                          if (!status.ok())
                            return done(Annotate(status, "the registry could not be written"));
                          done(until);
                        });
}

void Engine::Unban(const ProviderId& provider, UniqueFunction<void(Status)> done) {
  if (const Status status = Ready(); !status.ok()) return done(status);
  if (!scheduler_->FindBan(provider, deps_.timers.Now())) {
    return done(ErrorFor(Reason::kNotBanned, "{} is not banned", ToString(provider)));
  }
  // Behind the ban, should that not be on its way yet.
  std::vector<registry::Change> changes = std::exchange(changes_, {});
  changes.push_back(registry::DropBan{provider});
  deps_.registry.Commit(
      std::move(changes), [this, provider, done = std::move(done)](const Status& status) mutable {
        if (!status.ok()) return done(Annotate(status, "the registry could not be written"));
        if (const auto* node = std::get_if<NodeId>(&provider)) {
          remotes_.Banned(*node, {}, "");
          remote_watch_.Note(*node);
        }
        deps_.log.Write(LogLevel::kNotice, {.provider = provider, .event = LogEvent::kBanLifted},
                        "the ban is lifted");
        Deliver(schedule::Unban{provider});
        done(OkStatus());
      });
}

void Engine::NoteEndedBans(Instant since) {
  if (scheduler_ == nullptr) return;
  for (const ProviderId& provider : scheduler_->BansEnded(since, deps_.timers.Now())) {
    if (const auto* node = std::get_if<NodeId>(&provider)) remote_watch_.Note(*node);
  }
}

std::vector<BanView> Engine::ListBans(const std::optional<ProviderId>& after, size_t limit) const {
  std::vector<BanView> views;
  if (scheduler_ == nullptr) return views;
  const Instant now = deps_.timers.Now();
  for (schedule::BanView& ban : scheduler_->ListBans(after, limit, now)) {
    views.push_back({std::move(ban.provider), deps_.clock.WallNow() + (ban.until - now), ban.times,
                     std::move(ban.reason)});
  }
  return views;
}

// Its last results, for later lives; they go with the next commit.
void Engine::KeepRemote(const NodeId& node) {
  const path::RemoteInfo* info = remotes_.Find(node);
  if (info == nullptr) return;
  changes_.push_back(
      registry::PutRemote{{node, info->last_success, info->failure, info->last_failure}});
}

}  // namespace blobd::engine
