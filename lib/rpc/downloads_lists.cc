// Downloads: its lists, and single transfers. See downloads_service.h.
#include <utility>

#include "rpc/convert.h"
#include "rpc/downloads_service.h"
#include "rpc/feed_reactor.h"
#include "rpc/hidden_filter.h"
#include "rpc/veil.h"

namespace blobd::rpc {
namespace {

using Hidden = engine::Keeper::Hidden;

void FillIntents(const std::vector<engine::IntentView>& views, const engine::Caller& caller,
                 const Hidden& hidden, v1::ListIntentsResponse* response) {
  for (const engine::IntentView& view : views) {
    const Hash& hash = view.row.kind.hash;
    const bool is_hidden = !caller.may_see(view.row.owner_uid) && hidden.count(hash) != 0;
    v1::Intent* out = response->add_intents();
    Fill(view, out);
    if (is_hidden) Veil(hash, out);
  }
}

template <typename View, typename Add>
void FillVeiled(const std::vector<View>& views, const Hidden& hidden, Add add) {
  for (const View& view : views) {
    auto* out = add();
    Fill(view, out);
    if (hidden.count(view.kind.hash) != 0) Veil(view.kind.hash, out);
  }
}

template <typename View>
std::vector<Hash> HashesOf(const std::vector<View>& views) {
  std::vector<Hash> hashes;
  for (const View& view : views) hashes.push_back(view.kind.hash);
  return hashes;
}

// A place in one direction is none in the other.
constexpr char IntentList(bool newest_first) { return newest_first ? 'I' : 'i'; }
constexpr char TransferList(bool newest_first) { return newest_first ? 'T' : 't'; }
constexpr char kRequestList = 'r';

// What a list may be asked for by name.
std::vector<Hash> NamedIn(const std::optional<Hash>& hash, std::string_view text) {
  std::vector<Hash> named = HashesIn(text);
  if (hash) named.push_back(*hash);
  return named;
}

StatusOr<std::optional<Hash>> ToHashFilter(const std::string& text) {
  if (text.empty()) return std::optional<Hash>();
  BLOBD_ASSIGN_OR_RETURN(const Hash hash, ToHash(text, "hash"));
  return std::optional<Hash>(hash);
}

StatusOr<engine::IntentFilter> ToFilter(const v1::ListIntentsRequest& request) {
  if (!v1::IntentScope_IsValid(request.scope())) {
    return FieldError(Reason::kInvalidField, "scope", "there is no scope {}",
                      static_cast<int>(request.scope()));
  }
  engine::IntentFilter filter;
  if (request.scope() == v1::INTENT_SCOPE_UNFINISHED) filter.rows.finished = false;
  if (request.scope() == v1::INTENT_SCOPE_FINISHED) filter.rows.finished = true;
  BLOBD_ASSIGN_OR_RETURN(filter.rows.hash, ToHashFilter(request.hash()));
  if (!request.label().empty()) filter.rows.label = request.label();
  if (request.has_owner_uid()) filter.rows.owner_uid = request.owner_uid();
  filter.rows.newest_first = request.newest_first();
  BLOBD_ASSIGN_OR_RETURN(filter.states, ToIntentStates(request.states()));
  return filter;
}

StatusOr<engine::TransferFilter> ToFilter(const v1::ListTransfersRequest& request) {
  engine::TransferFilter filter;
  filter.running_only = request.running_only();
  BLOBD_ASSIGN_OR_RETURN(filter.hash, ToHashFilter(request.hash()));
  if (!request.provider().empty()) {
    BLOBD_ASSIGN_OR_RETURN(filter.provider, ToProviderId(request.provider(), "provider"));
  }
  BLOBD_ASSIGN_OR_RETURN(filter.states, ToTransferStates(request.states()));
  filter.newest_first = request.newest_first();
  return filter;
}

StatusOr<engine::RequestFilter> ToFilter(const v1::ListRequestsRequest& request) {
  engine::RequestFilter filter;
  BLOBD_ASSIGN_OR_RETURN(filter.states, ToRequestStates(request.states()));
  BLOBD_ASSIGN_OR_RETURN(filter.hash, ToHashFilter(request.hash()));
  if (request.has_owner_uid()) filter.owner_uid = request.owner_uid();
  return filter;
}

}  // namespace

grpc::ServerUnaryReactor* DownloadsService::ListIntents(grpc::CallbackServerContext* call,
                                                        const v1::ListIntentsRequest* request,
                                                        v1::ListIntentsResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kDownloadsListIntents, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto filter = ToFilter(*request);
  if (!filter.ok()) return Refuse(reactor, filter.status());
  const char list = IntentList(request->newest_first());
  const auto after = IdFromPageToken(request->page_token(), list);
  if (!after.ok()) return Refuse(reactor, after.status());
  const uint32_t limit = PageSize(request->page_size());
  auto named = NamedIn(filter->rows.hash, request->label());
  context_.OnControl(
      reactor, [this, reactor, response, caller = *caller, filter = *filter, list,
                after = IntentId{*after}, limit, named = std::move(named)]() mutable {
        AskIfHidden(context_.keeper, caller, std::move(named),
                    [this, reactor, response, caller, filter = std::move(filter), list, after,
                     limit](bool is_hidden) mutable {
                      if (is_hidden) {
                        // Everybody knows what their own are for.
                        if (filter.rows.owner_uid.value_or(caller.uid) != caller.uid)
                          return reactor->End(OkStatus());
                        filter.rows.owner_uid = caller.uid;
                      }
                      AnswerIntents(caller, filter, after, limit, list, reactor, response);
                    });
      });
  return reactor;
}

void DownloadsService::AnswerIntents(const engine::Caller& caller,
                                     const engine::IntentFilter& filter, IntentId after,
                                     uint32_t limit, char list, UnaryReactor* reactor,
                                     v1::ListIntentsResponse* response) {
  context_.engine.ListIntents(
      caller, filter, after, limit,
      [this, reactor, response, caller, list](StatusOr<engine::IntentPage> page) {
        if (!page.ok()) return reactor->End(page.status());
        if (page->next) response->set_next_page_token(PageTokenOfId(page->next->value, list));
        std::vector<Hash> doubtful = HashesOfOthers(caller, page->intents);
        context_.keeper.HiddenFrom(
            caller, std::move(doubtful),
            [reactor, response, caller, intents = std::move(page->intents)](const Hidden& hidden) {
              FillIntents(intents, caller, hidden, response);
              reactor->End(OkStatus());
            });
      });
}

grpc::ServerUnaryReactor* DownloadsService::ListRequests(grpc::CallbackServerContext* call,
                                                         const v1::ListRequestsRequest* request,
                                                         v1::ListRequestsResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kDownloadsListRequests, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto filter = ToFilter(*request);
  if (!filter.ok()) return Refuse(reactor, filter.status());
  const auto after = IdFromPageToken(request->page_token(), kRequestList);
  if (!after.ok()) return Refuse(reactor, after.status());
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, filter = *filter,
                               after = IntentId{*after}, limit] {
    // Those of a registry that is damaged, or not loaded yet, are not known to be all.
    const Status ready = context_.engine.Ready();
    if (!ready.ok() && GivenReasonOf(ready) != Reason::kDraining) return reactor->End(ready);
    AskIfHidden(context_.keeper, caller, NamedIn(filter.hash, ""),
                [this, reactor, response, caller, filter, after, limit](bool is_hidden) {
                  if (is_hidden) return reactor->End(OkStatus());
                  AnswerRequests(caller, filter, after, limit, reactor, response);
                });
  });
  return reactor;
}

void DownloadsService::AnswerRequests(const engine::Caller& caller,
                                      const engine::RequestFilter& filter, IntentId after,
                                      uint32_t limit, UnaryReactor* reactor,
                                      v1::ListRequestsResponse* response) {
  auto answer = [this, reactor, response, caller](engine::RequestPage page) {
    if (page.next) response->set_next_page_token(PageTokenOfId(page.next->value, kRequestList));
    std::vector<Hash> hashes = HashesOf(page.requests);
    context_.keeper.HiddenFrom(
        caller, std::move(hashes),
        [reactor, response, requests = std::move(page.requests)](const Hidden& hidden) {
          FillVeiled(requests, hidden, [&] { return response->add_requests(); });
          reactor->End(OkStatus());
        });
  };
  context_.engine.ListRequests(caller, filter, after, limit, std::move(answer));
}

grpc::ServerUnaryReactor* DownloadsService::ListTransfers(grpc::CallbackServerContext* call,
                                                          const v1::ListTransfersRequest* request,
                                                          v1::ListTransfersResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kDownloadsListTransfers, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto filter = ToFilter(*request);
  if (!filter.ok()) return Refuse(reactor, filter.status());
  const char list = TransferList(request->newest_first());
  const auto after = IdFromPageToken(request->page_token(), list);
  if (!after.ok()) return Refuse(reactor, after.status());
  const uint32_t limit = PageSize(request->page_size());
  auto named = NamedIn(filter->hash, request->provider());
  context_.OnControl(
      reactor, [this, reactor, response, caller = *caller, filter = *filter, list,
                after = TransferId{*after}, limit, named = std::move(named)]() mutable {
        AskIfHidden(context_.keeper, caller, std::move(named),
                    [this, reactor, response, caller, filter = std::move(filter), list, after,
                     limit](bool is_hidden) {
                      if (is_hidden) return reactor->End(OkStatus());
                      AnswerTransfers(caller, filter, after, limit, list, reactor, response);
                    });
      });
  return reactor;
}

void DownloadsService::AnswerTransfers(const engine::Caller& caller,
                                       const engine::TransferFilter& filter, TransferId after,
                                       uint32_t limit, char list, UnaryReactor* reactor,
                                       v1::ListTransfersResponse* response) {
  auto views = context_.engine.ListTransfers(filter, after, limit);
  if (views.size() == limit)
    response->set_next_page_token(PageTokenOfId(views.back().id.value, list));
  std::vector<Hash> hashes = HashesOf(views);
  const bool with_uploads = !after && !filter.hash && !filter.provider;
  context_.keeper.HiddenFrom(
      caller, std::move(hashes),
      [this, reactor, response, with_uploads, views = std::move(views)](const Hidden& hidden) {
        FillVeiled(views, hidden, [&] { return response->add_transfers(); });
        if (!with_uploads) return reactor->End(OkStatus());
        AddUploads(reactor, response);
      });
}

void DownloadsService::AddUploads(UnaryReactor* reactor, v1::ListTransfersResponse* response) {
  context_.uploads.List([reactor, response](const engine::UploadsView& uploads) {
    for (const engine::UploadView& upload : uploads.nodes) Fill(upload, response->add_uploads());
    reactor->End(OkStatus());
  });
}

// ---- One transfer ----

void DownloadsService::AnswerTransfer(const engine::Caller& caller,
                                      const engine::TransferView& view, UnaryReactor* reactor,
                                      v1::Transfer* out) {
  Fill(view, out);
  context_.keeper.HiddenFrom(caller, {view.kind.hash}, [reactor, out](const Hidden& hidden) {
    for (const Hash& hash : hidden) Veil(hash, out);
    reactor->End(OkStatus());
  });
}

grpc::ServerUnaryReactor* DownloadsService::GetTransfer(grpc::CallbackServerContext* call,
                                                        const v1::GetTransferRequest* request,
                                                        v1::Transfer* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kDownloadsGetTransfer, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller,
                               id = TransferId{request->transfer_id()}] {
    context_.engine.GetTransfer(
        id, [this, reactor, response, caller](const StatusOr<engine::TransferView>& view) {
          if (!view.ok()) return reactor->End(view.status());
          AnswerTransfer(caller, *view, reactor, response);
        });
  });
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DownloadsService::WatchTransfers(
    grpc::CallbackServerContext* call, const grpc::ByteBuffer* bytes) {
  auto* reactor = new FeedReactor(context_);
  const auto reader = [&]() -> StatusOr<std::shared_ptr<FeedReader>> {
    BLOBD_ASSIGN_OR_RETURN(
        const engine::Caller caller,
        context_.Admit(*call, Method::kDownloadsWatchTransfers, reactor, kWatchWeight));
    BLOBD_ASSIGN_OR_RETURN(const auto request, Decode<v1::WatchTransfersRequest>(*bytes));
    return ReaderOf(*feed_, caller, request);
  }();
  reactor->Begin(reader);
  return reactor;
}

grpc::ServerUnaryReactor* DownloadsService::CancelTransfer(grpc::CallbackServerContext* call,
                                                           const v1::CancelTransferRequest* request,
                                                           v1::CancelTransferResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kDownloadsCancelTransfer, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller,
                               id = TransferId{request->transfer_id()}] {
    context_.engine.CancelTransfer(
        caller, id,
        [this, reactor, response, caller](const StatusOr<engine::CancelTransferAnswer>& answer) {
          if (!answer.ok()) return reactor->End(answer.status());
          response->set_cancelled(answer->cancelled);
          AnswerTransfer(caller, answer->transfer, reactor, response->mutable_transfer());
        });
  });
  return reactor;
}

}  // namespace blobd::rpc
