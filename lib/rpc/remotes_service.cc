#include "rpc/remotes_service.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"
#include "rpc/feed_reactor.h"
#include "rpc/page_token.h"

namespace blobd::rpc {
namespace {

constexpr int64_t kLongestBanMs = 10LL * 365 * 24 * 3600 * 1000;

}  // namespace

grpc::ServerUnaryReactor* RemotesService::List(grpc::CallbackServerContext* call,
                                               const v1::ListRemotesRequest* request,
                                               v1::ListRemotesResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Admit(*call, Method::kRemotesList, reactor, kListWeight);
      !caller.ok())
    return Refuse(reactor, caller.status());
  std::optional<NodeId> after;
  if (!request->page_token().empty()) {
    after = NodeId::FromHexText(request->page_token());
    if (!after) {
      return Refuse(reactor, BadPageToken(request->page_token()));
    }
  }
  engine::RemoteFilter filter;
  const auto links = ToLinks(request->states());
  if (!links.ok()) return Refuse(reactor, links.status());
  filter.links = *links;
  filter.banned_only = request->banned_only();
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, filter, after, limit] {
    context_.uploads.List(
        [this, reactor, response, filter, after, limit](const engine::UploadsView& uploads) {
          std::map<NodeId, const engine::UploadView*> served;
          std::vector<NodeId> nodes;
          for (const engine::UploadView& upload : uploads.nodes) {
            served[upload.info.node] = &upload;
            nodes.push_back(upload.info.node);
          }
          const auto page = context_.engine.ListRemotes(filter, after, limit, nodes);
          for (const engine::RemoteView& view : page.remotes) {
            v1::Remote* out = response->add_remotes();
            Fill(view, out);
            const auto it = served.find(view.node);
            if (it != served.end()) Fill(*it->second, out->mutable_upload());
          }
          if (page.next) response->set_next_page_token(page.next->ToHex());
          reactor->End(OkStatus());
        });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::Get(grpc::CallbackServerContext* call,
                                              const v1::GetRemoteRequest* request,
                                              v1::GetRemoteResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesGet, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto node = ToNodeId(request->node_id(), "node_id");
  if (!node.ok()) return Refuse(reactor, node.status());
  context_.OnControl(reactor, [this, reactor, response, node = *node] {
    context_.uploads.List([this, reactor, response, node](const engine::UploadsView& uploads) {
      const auto upload =
          std::find_if(uploads.nodes.begin(), uploads.nodes.end(),
                       [&](const engine::UploadView& each) { return each.info.node == node; });
      const bool is_served = upload != uploads.nodes.end();
      const auto view = context_.engine.FindRemote(node);
      if (!view && !is_served) {
        return reactor->End(
            ErrorFor(Reason::kUnknownRemote, "nothing is known of node {}", node.ToHex()));
      }
      engine::RemoteView unknown;
      unknown.node = node;
      Fill(view.value_or(unknown), response->mutable_remote());
      if (is_served) Fill(*upload, response->mutable_remote()->mutable_upload());
      reactor->End(OkStatus());
    });
  });
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* RemotesService::Watch(grpc::CallbackServerContext* call,
                                                                  const grpc::ByteBuffer* bytes) {
  auto* reactor = new FeedReactor(context_);
  const auto reader = [&]() -> StatusOr<std::shared_ptr<FeedReader>> {
    BLOBD_ASSIGN_OR_RETURN(const engine::Caller caller,
                           context_.Admit(*call, Method::kRemotesWatch, reactor, kWatchWeight));
    BLOBD_ASSIGN_OR_RETURN(const auto request, Decode<v1::WatchRemotesRequest>(*bytes));
    return ReaderOf(*feed_, caller, request);
  }();
  reactor->Begin(reader);
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::AddAddresses(grpc::CallbackServerContext* call,
                                                       const v1::AddAddressesRequest* request,
                                                       v1::AddAddressesResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesAddAddresses, reactor);
      !caller.ok())
    return Refuse(reactor, caller.status());
  const auto node = ToNodeId(request->node().node_id(), "node.node_id");
  if (!node.ok()) return Refuse(reactor, node.status());
  auto addresses = ToAddresses(request->node().addresses(), "node.addresses");
  if (!addresses.ok()) return Refuse(reactor, addresses.status());
  if (addresses->empty()) {
    return Refuse(reactor, TooMany("node.addresses", 0, 1, kMaxAddresses));
  }
  context_.OnControl(reactor, [this, reactor, response, node = *node,
                               addresses = *std::move(addresses)] {
    context_.engine.AddAddresses(node, addresses, [reactor, response](StatusOr<uint32_t> added) {
      if (added.ok()) response->set_added(*added);
      reactor->End(added.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::Forget(grpc::CallbackServerContext* call,
                                                 const v1::ForgetRemoteRequest* request,
                                                 v1::ForgetRemoteResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesForget, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto node = ToNodeId(request->node_id(), "node_id");
  if (!node.ok()) return Refuse(reactor, node.status());
  context_.OnControl(reactor, [this, reactor, response, node = *node] {
    context_.engine.ForgetRemote(node, [reactor, response](StatusOr<uint32_t> addresses) {
      if (addresses.ok()) response->set_addresses(*addresses);
      reactor->End(addresses.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::Disconnect(grpc::CallbackServerContext* call,
                                                     const v1::DisconnectRemoteRequest* request,
                                                     v1::DisconnectRemoteResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesDisconnect, reactor);
      !caller.ok())
    return Refuse(reactor, caller.status());
  const auto node = ToNodeId(request->node_id(), "node_id");
  if (!node.ok()) return Refuse(reactor, node.status());
  context_.OnControl(reactor, [this, reactor, response, node = *node] {
    context_.uploads.Disconnect(node, [this, reactor, response, node](bool was_uploading) {
      const bool is_known = context_.engine.FindRemote(node).has_value();
      response->set_was_uploading(was_uploading);
      response->set_was_connected(context_.engine.DisconnectRemote(node));
      reactor->End(
          is_known || was_uploading
              ? OkStatus()
              : ErrorFor(Reason::kUnknownRemote, "nothing is known of node {}", node.ToHex()));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::Ban(grpc::CallbackServerContext* call,
                                              const v1::BanRequest* request,
                                              v1::BanResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesBan, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  auto provider = ToProviderId(request->provider(), "provider");
  if (!provider.ok()) return Refuse(reactor, provider.status());
  if (request->length_ms() < 0 || request->length_ms() > kLongestBanMs) {
    return Refuse(reactor, FieldError(Reason::kInvalidField, "length_ms",
                                      "{} is not between 0 and ten years", request->length_ms()));
  }
  if (request->reason().size() > kMaxReasonBytes) {
    return Refuse(reactor,
                  FieldError(Reason::kTooLong, "reason", "longer than {} bytes", kMaxReasonBytes));
  }
  std::optional<Duration> length;
  if (request->length_ms() != 0) length = milliseconds(request->length_ms());
  const std::string reason =
      request->reason().empty() ? "banned by an administrator" : request->reason();
  context_.OnControl(reactor, [this, reactor, response, provider = *std::move(provider), length,
                               reason] {
    context_.engine.Ban(provider, length, reason, [reactor, response](StatusOr<WallTime> until) {
      if (until.ok()) response->set_until_unix_ms(until->unix_ms);
      reactor->End(until.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::Unban(grpc::CallbackServerContext* call,
                                                const v1::UnbanRequest* request,
                                                v1::UnbanResponse* /*response*/) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kRemotesUnban, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  auto provider = ToProviderId(request->provider(), "provider");
  if (!provider.ok()) return Refuse(reactor, provider.status());
  context_.OnControl(reactor, [this, reactor, provider = *std::move(provider)] {
    context_.engine.Unban(provider, [reactor](const Status& status) { reactor->End(status); });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::ListBans(grpc::CallbackServerContext* call,
                                                   const v1::ListBansRequest* request,
                                                   v1::ListBansResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kRemotesListBans, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  std::optional<ProviderId> after;
  const auto text = TextFromPageToken(request->page_token(), kBanList);
  if (!text.ok()) return Refuse(reactor, text.status());
  if (!request->page_token().empty()) {
    auto last = ToProviderId(*text, "page_token");
    if (!last.ok()) return Refuse(reactor, BadPageToken(request->page_token()));
    after = *std::move(last);
  }
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, after = std::move(after),
                               limit]() mutable {
    for (bool more = true; more;) {
      const auto bans = context_.engine.ListBans(after, limit);
      for (const engine::BanView& ban : bans) Fill(ban, caller, response->add_bans());
      if (bans.size() < limit) break;
      after = bans.back().provider;
      // Where a page ends is told whole: for members not behind what they are not shown whole.
      more = !caller.is_admin() && OriginOnly(*after) != ToString(*after);
      if (!more) response->set_next_page_token(PageTokenOfText(ToString(*after), kBanList));
    }
    reactor->End(OkStatus());
  });
  return reactor;
}

}  // namespace blobd::rpc
