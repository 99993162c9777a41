#include "rpc/blobs_service.h"

#include <utility>

#include "base/error_reason.h"
#include "engine/collection.h"
#include "engine/privacy.h"
#include "rpc/add_reactor.h"
#include "rpc/add_small.h"
#include "rpc/convert.h"
#include "rpc/keep_added.h"
#include "rpc/page_token.h"
#include "rpc/read_reactor.h"
#include "rpc/report_reactor.h"
#include "rpc/url_import_call.h"

namespace blobd::rpc {
namespace {

constexpr int kMaxCollectionEntries = 100'000;
constexpr uint32_t kMaxCollectionPage = 10'000;

// OK if there is a data socket to use a token on.
Status CheckDataSocket(const ServiceContext& context, std::string_view instead) {
  if (context.data_socket != nullptr) return OkStatus();
  return ErrorFor(Reason::kNoDataSocket, "this daemon has no data socket; use {}", instead);
}

// Puts a new token into the response.
template <typename Response>
Status IssueToken(const ServiceContext& context, const engine::Caller& caller, const Grant& grant,
                  Response* response) {
  BLOBD_ASSIGN_OR_RETURN(*response->mutable_token(),
                         context.tokens.Issue(SystemClock().Now(), caller, grant));
  response->set_lifetime_ms(context.tokens.lifetime() / milliseconds(1));
  response->set_data_socket(context.data_socket->path());
  return OkStatus();
}

Status CheckComplete(const store::BlobInfo& info) {
  switch (info.state) {
    case store::BlobState::kAbsent:
      return ErrorFor(Reason::kUnknownBlob, "nothing of {} is here", info.hash.ToHex());
    case store::BlobState::kPartial:
      return ErrorFor(Reason::kBlobIncomplete, "{} is not complete here; get it first, or use Read",
                      info.hash.ToHex());
    case store::BlobState::kComplete:
      return OkStatus();
  }
  return Internal("a blob has no state");
}

}  // namespace

grpc::ServerReadReactor<v1::AddRequest>* BlobsService::Add(grpc::CallbackServerContext* call,
                                                           v1::AddResponse* response) {
  auto* reactor = new AddReactor(context_, response);
  reactor->Begin(context_.Admit(*call, Method::kBlobsAdd, reactor, kAddWeight));
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::AddSmall(grpc::CallbackServerContext* call,
                                                 const v1::AddSmallRequest* request,
                                                 v1::AddSmallResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller =
      context_.Admit(*call, Method::kBlobsAddSmall, reactor,
                     WeightOfSmallBlobs(static_cast<uint64_t>(request->contents_size())));
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (const Status status = CheckAddSmall(*request); !status.ok()) return Refuse(reactor, status);
  std::make_shared<SmallAdd>(context_, *request, response)
      ->Start(*caller, [reactor, response](const Status& status) {
        if (!status.ok()) response->Clear();
        reactor->End(status);
      });
  return reactor;
}

grpc::ServerWriteReactor<v1::ImportUrlResponse>* BlobsService::ImportUrl(
    grpc::CallbackServerContext* call, const v1::ImportUrlRequest* request) {
  auto* reactor = new ReportReactor<v1::ImportUrlResponse>(context_);
  auto caller = context_.Admit(*call, Method::kBlobsImportUrl, reactor, kAddWeight);
  auto order = ToUrlImportOrder(*request);
  blobd::Status status = caller.status();
  if (status.ok()) status = order.status();
  if (status.ok() && context_.importer == nullptr)
    status = ErrorFor(Reason::kNoMirrors, "this daemon gets nothing from web servers");
  if (!status.ok()) {
    reactor->Begin(status, [](const auto&) {});
    return reactor;
  }
  reactor->Begin(status, [this, caller = *caller, order = *std::move(order)](
                             std::shared_ptr<Report<v1::ImportUrlResponse>> report) {
    std::make_shared<UrlImportCall>(context_, caller, std::move(report))->Start(order);
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::ReadResponse>* BlobsService::Read(grpc::CallbackServerContext* call,
                                                               const v1::ReadRequest* request) {
  auto* reactor = new ReadReactor(context_, *request);
  reactor->Begin(context_.Admit(*call, Method::kBlobsRead, reactor, kReadWeight).status());
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::CreateCollection(grpc::CallbackServerContext* call,
                                                         const v1::CreateCollectionRequest* request,
                                                         v1::CreateCollectionResponse* response) {
  const BriefRequest brief(*call);
  auto* reactor = new UnaryReactor();
  const auto caller =
      context_.Admit(*call, Method::kBlobsCreateCollection, reactor,
                     WeightOfNames(uint64_t{32} * static_cast<uint64_t>(request->entries_size())));
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (request->entries_size() > kMaxCollectionEntries) {
    return Refuse(reactor, TooMany("entries", request->entries_size(), 0, kMaxCollectionEntries));
  }
  std::vector<Hash> hashes;
  std::vector<engine::CollectionEntry> entries;
  entries.reserve(static_cast<size_t>(request->entries_size()));
  for (int i = 0; i < request->entries_size(); ++i) {
    const auto hash = ToHash(request->entries(i).hash(), fmt::format("entries[{}].hash", i));
    if (!hash.ok()) return Refuse(reactor, hash.status());
    hashes.push_back(*hash);
    entries.push_back({request->entries(i).name(), *hash, 0});
  }
  KeepAdded(
      context_, *caller, std::move(hashes),
      [this, response, entries = std::move(entries),
       is_private = request->is_private()](Added added) mutable {
        engine::CreateCollection(context_.store, context_.workers.MakeStrand(), std::move(entries),
                                 is_private,
                                 [response, added = std::move(added)](StatusOr<Hash> hash) mutable {
                                   if (!hash.ok()) return added(hash.status());
                                   response->set_hash(hash->ToHex());
                                   added(std::vector{Kind{*hash, BlobFormat::kHashSeq}});
                                 });
      },
      [reactor](const Status& status) { reactor->End(status); });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::GetCollection(grpc::CallbackServerContext* call,
                                                      const v1::GetCollectionRequest* request,
                                                      v1::GetCollectionResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kBlobsGetCollection, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  const uint32_t limit = request->limit() == 0 || request->limit() > kMaxCollectionPage
                             ? kMaxCollectionPage
                             : request->limit();
  const auto fill = [reactor, response](StatusOr<engine::CollectionPage> page) {
    if (page.ok()) {
      response->set_total(static_cast<uint32_t>(page->total));
      for (engine::CollectionEntry& entry : page->entries) {
        v1::CollectionEntry* out = response->add_entries();
        out->set_name(std::move(entry.name));
        out->set_hash(entry.hash.ToHex());
        out->set_size(entry.size);
      }
    }
    reactor->End(page.status());
  };
  const auto strand = context_.workers.MakeStrand();
  context_.AdmitOnList(*caller, {*hash, BlobFormat::kHashSeq}, WeightOfNames, reactor, strand,
                       [this, strand, hash = *hash, offset = request->offset(), limit, fill] {
                         engine::ReadCollection(context_.store, strand, hash, offset, limit, fill);
                       });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::Stat(grpc::CallbackServerContext* call,
                                             const v1::StatRequest* request, v1::Blob* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kBlobsStat, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  auto strand = context_.workers.MakeStrand();
  Executor& executor = *strand;
  context_.store.Lookup(*hash, executor,
                        [strand, reactor, response](StatusOr<store::BlobInfo> info) {
                          if (info.ok()) Fill(*info, response);
                          reactor->End(info.status());
                        });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::List(grpc::CallbackServerContext* call,
                                             const v1::ListBlobsRequest* request,
                                             v1::ListBlobsResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kBlobsList, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  std::optional<Hash> after;
  const auto last = TextFromPageToken(request->page_token(), kBlobList);
  if (!last.ok()) return Refuse(reactor, last.status());
  if (!request->page_token().empty()) {
    after = Hash::FromHexText(*last);
    if (!after) return Refuse(reactor, BadPageToken(request->page_token()));
  }
  const uint32_t limit = PageSize(request->page_size());
  auto strand = context_.workers.MakeStrand();
  Executor& executor = *strand;
  context_.store.List(
      after, limit, executor,
      [this, strand, reactor, response, limit,
       caller = *caller](StatusOr<std::vector<store::BlobInfo>> blobs) {
        if (!blobs.ok()) return reactor->End(blobs.status());
        if (blobs->size() == limit)
          response->set_next_page_token(PageTokenOfText(blobs->back().hash.ToHex(), kBlobList));
        ShowTo(caller, *std::move(blobs), reactor, response);
      });
  return reactor;
}

// Leaves out what is private to others.
void BlobsService::ShowTo(const engine::Caller& caller, std::vector<store::BlobInfo> blobs,
                          UnaryReactor* reactor, v1::ListBlobsResponse* response) {
  std::vector<Hash> doubtful;
  for (const store::BlobInfo& info : blobs) {
    if (info.is_private && !caller.is_admin()) doubtful.push_back(info.hash);
  }
  const auto show = [reactor, response,
                     blobs = std::move(blobs)](const engine::Keeper::Hidden& hidden) {
    for (const store::BlobInfo& info : blobs) {
      if (hidden.count(info.hash) == 0) Fill(info, response->add_blobs());
    }
    reactor->End(OkStatus());
  };
  if (doubtful.empty()) return show({});
  context_.OnControl(reactor, [this, caller, doubtful = std::move(doubtful), show]() mutable {
    context_.keeper.HiddenFrom(caller, std::move(doubtful), show);
  });
}

grpc::ServerUnaryReactor* BlobsService::SetPrivate(grpc::CallbackServerContext* call,
                                                   const v1::SetPrivateRequest* request,
                                                   v1::SetPrivateResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(
      *call, request->is_private() ? Method::kBlobsSetPrivate : Method::kBlobsPublish, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto kind = ToKind(request->kind(), "kind");
  if (!kind.ok()) return Refuse(reactor, kind.status());
  const auto strand = context_.workers.MakeStrand();
  context_.AdmitOnList(
      *caller, *kind, WeightOfInventory, reactor, strand,
      [this, reactor, response, strand, kind = *kind, is_private = request->is_private()] {
        engine::SetPrivate(context_.store, strand, kind, is_private,
                           [reactor, response](const StatusOr<uint64_t>& changed) {
                             if (changed.ok()) response->set_changed(*changed);
                             reactor->End(changed.status());
                           });
      });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::Open(grpc::CallbackServerContext* call,
                                             const v1::OpenRequest* request,
                                             v1::OpenResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kBlobsOpen, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  if (const Status status = CheckDataSocket(context_, "Read"); !status.ok())
    return Refuse(reactor, status);
  auto strand = context_.workers.MakeStrand();
  Executor& executor = *strand;
  context_.store.Lookup(
      *hash, executor,
      [this, strand, reactor, response, caller = *caller](const StatusOr<store::BlobInfo>& info) {
        if (!info.ok()) return reactor->End(info.status());
        if (const Status status = CheckComplete(*info); !status.ok()) return reactor->End(status);
        response->set_size(info->size);
        reactor->End(IssueToken(context_, caller, OpenGrant{info->hash}, response));
      });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::Import(grpc::CallbackServerContext* call,
                                               const v1::ImportRequest* request,
                                               v1::ImportResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kBlobsImport, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (const Status status = CheckDataSocket(context_, "Add"); !status.ok())
    return Refuse(reactor, status);
  reactor->End(IssueToken(context_, *caller, ImportGrant{request->is_private()}, response));
  return reactor;
}

}  // namespace blobd::rpc
