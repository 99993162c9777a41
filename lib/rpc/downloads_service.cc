#include "rpc/downloads_service.h"

#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"
#include "rpc/hidden_filter.h"
#include "rpc/veil.h"
#include "rpc/watch_reactor.h"

namespace blobd::rpc {
namespace {

void FillRefused(const std::vector<ProviderId>& refused,
                 google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const ProviderId& provider : refused) out->Add(ToString(provider));
}

}  // namespace

grpc::ServerUnaryReactor* DownloadsService::Queue(grpc::CallbackServerContext* call,
                                                  const v1::QueueRequest* request,
                                                  v1::QueueResponse* response) {
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kDownloadsQueue, reactor,
                                     WeightOfRequest(request->ByteSizeLong()));
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
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kDownloadsCancel, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  auto ids = ToIntentIds(request->intent_ids());
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
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kDownloadsNodesHave, reactor,
                                     WeightOfRequest(request->ByteSizeLong()));
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  if (request->providers_size() < 1 || request->providers_size() > kMaxProviders) {
    return Refuse(reactor, TooMany("providers", request->providers_size(), 1, kMaxProviders));
  }
  std::vector<engine::NamedProvider> providers;
  for (int i = 0; i < request->providers_size(); ++i) {
    auto named = ToProvider(request->providers(i), fmt::format("providers[{}]", i));
    if (!named.ok()) return Refuse(reactor, named.status());
    providers.push_back(*std::move(named));
  }
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, hash = *hash,
                               providers = std::move(providers)]() mutable {
    AskIfHidden(context_.keeper, caller, {hash},
                [this, reactor, response, hash, providers = std::move(providers)](bool is_hidden) {
                  AnswerNodesHave(hash, providers, is_hidden, reactor, response);
                });
  });
  return reactor;
}

// On the control loop. Of what is hidden nothing is taken: who named a provider of theirs would see
// by its address among the remotes, or by our asking it, that somebody wants the hash.
void DownloadsService::AnswerNodesHave(const Hash& hash,
                                       const std::vector<engine::NamedProvider>& providers,
                                       bool is_hidden, UnaryReactor* reactor,
                                       v1::NodesHaveResponse* response) {
  if (is_hidden) return reactor->End(context_.engine.Ready());
  const auto answer = context_.engine.NodesHave(hash, providers);
  if (answer.ok()) {
    response->set_wanted(answer->wanted);
    response->set_added(answer->added);
    FillRefused(answer->refused, response->mutable_refused_providers());
  }
  reactor->End(answer.status());
}

grpc::ServerUnaryReactor* DownloadsService::GetIntent(grpc::CallbackServerContext* call,
                                                      const v1::GetIntentRequest* request,
                                                      v1::Intent* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kDownloadsGetIntent, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  context_.OnControl(
      reactor, [this, reactor, response, caller = *caller, id = IntentId{request->intent_id()}] {
        context_.engine.GetIntent(
            id, [this, reactor, response, caller](const StatusOr<engine::IntentView>& view) {
              if (!view.ok()) return reactor->End(view.status());
              Fill(*view, response);
              context_.keeper.HiddenFrom(caller, HashesOfOthers(caller, {*view}),
                                         [reactor, response](const engine::Keeper::Hidden& hidden) {
                                           for (const Hash& hash : hidden) Veil(hash, response);
                                           reactor->End(OkStatus());
                                         });
            });
      });
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchIntentResponse>* DownloadsService::WatchIntent(
    grpc::CallbackServerContext* call, const v1::WatchIntentRequest* request) {
  auto* reactor = new WatchReactor(context_, IntentId{request->intent_id()});
  reactor->Begin(context_.Admit(*call, Method::kDownloadsWatchIntent, reactor, kWatchWeight));
  return reactor;
}

// ---- Resting ----

template <typename Request, typename Done>
grpc::ServerUnaryReactor* DownloadsService::SetPaused(grpc::CallbackServerContext* call,
                                                      const Request& request, bool paused,
                                                      Done fill) {
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  Method method = paused ? Method::kDownloadsPause : Method::kDownloadsResume;
  if (request.everything()) {
    method = paused ? Method::kDownloadsPauseEverything : Method::kDownloadsResumeEverything;
  }
  const auto caller = context_.Authorize(*call, method, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (request.everything()) {
    if (request.intent_ids_size() > 0) {
      return Refuse(reactor, FieldError(Reason::kInvalidField, "intent_ids",
                                        "none are taken with everything"));
    }
    context_.OnControl(reactor, [this, reactor, paused] {
      context_.engine.SetEverythingPaused(
          paused, [reactor](const blobd::Status& status) { reactor->End(status); });
    });
    return reactor;
  }
  auto ids = ToIntentIds(request.intent_ids());
  if (!ids.ok()) return Refuse(reactor, ids.status());
  context_.OnControl(
      reactor, [this, reactor, fill, caller = *caller, ids = *std::move(ids), paused] {
        context_.engine.SetPaused(caller, ids, paused,
                                  [reactor, fill](const StatusOr<engine::PauseAnswer>& answer) {
                                    if (answer.ok()) fill(*answer);
                                    reactor->End(answer.status());
                                  });
      });
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::Pause(grpc::CallbackServerContext* call,
                                                  const v1::PauseRequest* request,
                                                  v1::PauseResponse* response) {
  return SetPaused(call, *request, true, [response](const engine::PauseAnswer& answer) {
    for (const IntentId id : answer.changed) response->add_paused(id.value);
    for (const IntentId id : answer.already_ended) response->add_already_ended(id.value);
  });
}

grpc::ServerUnaryReactor* DownloadsService::Resume(grpc::CallbackServerContext* call,
                                                   const v1::ResumeRequest* request,
                                                   v1::ResumeResponse* response) {
  return SetPaused(call, *request, false, [response](const engine::PauseAnswer& answer) {
    for (const IntentId id : answer.changed) response->add_resumed(id.value);
    for (const IntentId id : answer.already_ended) response->add_already_ended(id.value);
  });
}

// ---- Why ----

grpc::ServerUnaryReactor* DownloadsService::Why(grpc::CallbackServerContext* call,
                                                const v1::WhyRequest* request,
                                                v1::WhyResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kDownloadsWhy, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  switch (request->what_case()) {
    case v1::WhyRequest::kIntentId:
      context_.OnControl(reactor, [this, reactor, response, caller = *caller,
                                   id = IntentId{request->intent_id()}] {
        WhyIntent(caller, id, reactor, response);
      });
      return reactor;
    case v1::WhyRequest::kHash: {
      const auto hash = ToHash(request->hash(), "hash");
      if (!hash.ok()) return Refuse(reactor, hash.status());
      context_.OnControl(reactor, [this, reactor, response, caller = *caller, hash = *hash] {
        AskIfHidden(context_.keeper, caller, {hash},
                    [this, reactor, response, caller, hash](bool is_hidden) {
                      WhyHash(caller, hash, is_hidden, reactor, response);
                    });
      });
      return reactor;
    }
    case v1::WhyRequest::WHAT_NOT_SET:
      break;
  }
  return Refuse(reactor, FieldError(Reason::kMissingField, "what",
                                    "neither an intent_id nor a hash is given"));
}

// On the control loop, like WhyHash. What others have hidden is veiled, as in GetIntent.
void DownloadsService::WhyIntent(const engine::Caller& caller, IntentId id, UnaryReactor* reactor,
                                 v1::WhyResponse* response) {
  context_.engine.GetIntent(
      id, [this, reactor, response, caller, id](const StatusOr<engine::IntentView>& view) {
        if (!view.ok()) return reactor->End(view.status());
        Fill(*view, response->mutable_intent());
        if (const auto why = context_.engine.WhyOfIntent(id)) Fill(*why, response->add_requests());
        context_.keeper.HiddenFrom(caller, HashesOfOthers(caller, {*view}),
                                   [reactor, response](const engine::Keeper::Hidden& hidden) {
                                     for (const Hash& hash : hidden) {
                                       Veil(hash, response->mutable_intent());
                                       for (v1::RequestWhy& why : *response->mutable_requests())
                                         Veil(hash, &why);
                                     }
                                     reactor->End(OkStatus());
                                   });
      });
}

// What is hidden is as if nobody wanted it.
void DownloadsService::WhyHash(const engine::Caller& caller, const Hash& hash, bool is_hidden,
                               UnaryReactor* reactor, v1::WhyResponse* response) {
  if (!is_hidden) {
    for (const engine::WhyView& why : context_.engine.WhyOfHash(hash)) {
      Fill(why, response->add_requests());
    }
  }
  auto answer = [this, reactor, response, caller,
                 hash](const StatusOr<std::vector<engine::Keeping>>& keepings) {
    if (!keepings.ok()) return reactor->End(keepings.status());
    FillKeepings(hash, *keepings, caller, response->mutable_keepings());
    auto strand = context_.workers.MakeStrand();
    Executor& executor = *strand;
    context_.store.Lookup(hash, executor,
                          [strand, reactor, response](const StatusOr<store::BlobInfo>& info) {
                            if (info.ok()) Fill(*info, response->mutable_blob());
                            reactor->End(info.status());
                          });
  };
  context_.keeper.WhyKept(caller, hash, std::move(answer));
}

}  // namespace blobd::rpc
