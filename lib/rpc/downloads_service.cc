#include "rpc/downloads_service.h"

#include <utility>

#include "rpc/convert.h"
#include "rpc/watch_reactor.h"

namespace blobd::rpc {
namespace {

void FillRefused(const std::vector<ProviderId>& refused,
                 google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const ProviderId& provider : refused) out->Add(ToString(provider));
}

constexpr char kIntentList = 'i';
constexpr char kTransferList = 't';

}  // namespace

grpc::ServerUnaryReactor* DownloadsService::Queue(grpc::CallbackServerContext* call,
                                                  const v1::QueueRequest* request,
                                                  v1::QueueResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.CallerOf(*call);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  auto items = ToQueueItems(*request);
  if (!items.ok()) return Refuse(reactor, items.status());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller,
                               items = *std::move(items)]() mutable {
    context_.engine.Queue(caller, std::move(items),
                          [reactor, response](StatusOr<std::vector<engine::QueuedIntent>> answer) {
                            if (answer.ok()) {
                              for (const engine::QueuedIntent& queued : *answer) {
                                v1::QueuedIntent* out = response->add_intents();
                                out->set_intent_id(queued.intent.value);
                                out->set_existed(queued.existed);
                                FillRefused(queued.refused, out->mutable_refused_providers());
                              }
                            }
                            reactor->End(answer.status());
                          });
  });
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::Cancel(grpc::CallbackServerContext* call,
                                                   const v1::CancelRequest* request,
                                                   v1::CancelResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.CallerOf(*call);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  auto ids = ToIntentIds(*request);
  if (!ids.ok()) return Refuse(reactor, ids.status());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, ids = *std::move(ids)] {
    context_.engine.Cancel(caller, ids, [reactor, response](StatusOr<engine::CancelAnswer> answer) {
      if (answer.ok()) {
        for (const IntentId id : answer->cancelled) response->add_cancelled(id.value);
        for (const IntentId id : answer->already_ended) response->add_already_ended(id.value);
      }
      reactor->End(answer.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::NodesHave(grpc::CallbackServerContext* call,
                                                      const v1::NodesHaveRequest* request,
                                                      v1::NodesHaveResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  if (request->providers_size() < 1 || request->providers_size() > kMaxProviders) {
    return Refuse(reactor, InvalidArgument("providers: {} of them; 1 to {} are taken",
                                           request->providers_size(), kMaxProviders));
  }
  std::vector<engine::NamedProvider> providers;
  for (int i = 0; i < request->providers_size(); ++i) {
    auto named = ToProvider(request->providers(i), fmt::format("providers[{}]", i));
    if (!named.ok()) return Refuse(reactor, named.status());
    providers.push_back(*std::move(named));
  }
  context_.OnControl(reactor,
                     [this, reactor, response, hash = *hash, providers = std::move(providers)] {
                       const auto answer = context_.engine.NodesHave(hash, providers);
                       if (answer.ok()) {
                         response->set_wanted(answer->wanted);
                         response->set_added(answer->added);
                         FillRefused(answer->refused, response->mutable_refused_providers());
                       }
                       reactor->End(answer.status());
                     });
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::GetIntent(grpc::CallbackServerContext* call,
                                                      const v1::GetIntentRequest* request,
                                                      v1::Intent* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response, id = IntentId{request->intent_id()}] {
    context_.engine.GetIntent(id, [reactor, response](StatusOr<engine::IntentView> view) {
      if (view.ok()) Fill(*view, response);
      reactor->End(view.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::ListIntents(grpc::CallbackServerContext* call,
                                                        const v1::ListIntentsRequest* request,
                                                        v1::ListIntentsResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto after = IdFromPageToken(request->page_token(), kIntentList);
  if (!after.ok()) return Refuse(reactor, after.status());
  registry::IntentFilter filter;
  if (request->scope() == v1::INTENT_SCOPE_UNFINISHED) filter.finished = false;
  if (request->scope() == v1::INTENT_SCOPE_FINISHED) filter.finished = true;
  if (!request->hash().empty()) {
    const auto hash = ToHash(request->hash(), "hash");
    if (!hash.ok()) return Refuse(reactor, hash.status());
    filter.hash = *hash;
  }
  if (!request->label().empty()) filter.label = request->label();
  if (request->has_owner_uid()) filter.owner_uid = request->owner_uid();
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, filter, after = IntentId{*after}, limit] {
    context_.engine.ListIntents(
        filter, after, limit,
        [reactor, response, limit](StatusOr<std::vector<engine::IntentView>> views) {
          if (views.ok()) {
            for (const engine::IntentView& view : *views) Fill(view, response->add_intents());
            if (views->size() == limit) {
              response->set_next_page_token(PageTokenOfId(views->back().row.id.value, kIntentList));
            }
          }
          reactor->End(views.status());
        });
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchIntentResponse>* DownloadsService::WatchIntent(
    grpc::CallbackServerContext* call, const v1::WatchIntentRequest* request) {
  auto* reactor = new WatchReactor(context_, IntentId{request->intent_id()});
  reactor->Begin(context_.CallerOf(*call).status());
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::ListTransfers(grpc::CallbackServerContext* call,
                                                          const v1::ListTransfersRequest* request,
                                                          v1::ListTransfersResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto after = IdFromPageToken(request->page_token(), kTransferList);
  if (!after.ok()) return Refuse(reactor, after.status());
  std::optional<Hash> wanted;
  if (!request->hash().empty()) {
    const auto hash = ToHash(request->hash(), "hash");
    if (!hash.ok()) return Refuse(reactor, hash.status());
    wanted = *hash;
  }
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, after = TransferId{*after}, limit, wanted,
                               running_only = request->running_only()] {
    const auto views = context_.engine.ListTransfers(after, limit, running_only, wanted);
    for (const engine::TransferView& view : views) Fill(view, response->add_transfers());
    if (views.size() == limit)
      response->set_next_page_token(PageTokenOfId(views.back().id.value, kTransferList));
    if (after.value != 0 || wanted) return reactor->End(OkStatus());
    context_.uploads.List([reactor, response](const engine::UploadsView& uploads) {
      for (const engine::UploadView& upload : uploads.nodes) Fill(upload, response->add_uploads());
      reactor->End(OkStatus());
    });
  });
  return reactor;
}

}  // namespace blobd::rpc
