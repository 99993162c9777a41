#include "rpc/blobs_service.h"

#include <utility>

#include "engine/collection.h"
#include "engine/privacy.h"
#include "rpc/add_reactor.h"
#include "rpc/convert.h"
#include "rpc/read_reactor.h"

namespace blobd::rpc {
namespace {

constexpr int kMaxCollectionEntries = 100'000;
constexpr uint32_t kMaxCollectionPage = 10'000;

}  // namespace

grpc::ServerReadReactor<v1::AddRequest>* BlobsService::Add(grpc::CallbackServerContext* call,
                                                           v1::AddResponse* response) {
  auto* reactor = new AddReactor(context_, response);
  reactor->Begin(context_.CallerOf(*call).status());
  return reactor;
}

grpc::ServerWriteReactor<v1::ReadResponse>* BlobsService::Read(grpc::CallbackServerContext* call,
                                                               const v1::ReadRequest* request) {
  auto* reactor = new ReadReactor(context_, *request);
  reactor->Begin(context_.CallerOf(*call).status());
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::CreateCollection(grpc::CallbackServerContext* call,
                                                         const v1::CreateCollectionRequest* request,
                                                         v1::CreateCollectionResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  if (request->entries_size() > kMaxCollectionEntries) {
    return Refuse(reactor, InvalidArgument("entries: {} of them; the limit is {}",
                                           request->entries_size(), kMaxCollectionEntries));
  }
  std::vector<engine::CollectionEntry> entries;
  entries.reserve(static_cast<size_t>(request->entries_size()));
  for (int i = 0; i < request->entries_size(); ++i) {
    const auto hash = ToHash(request->entries(i).hash(), fmt::format("entries[{}].hash", i));
    if (!hash.ok()) return Refuse(reactor, hash.status());
    entries.push_back({request->entries(i).name(), *hash, 0});
  }
  engine::CreateCollection(context_.store, context_.workers.MakeStrand(), std::move(entries),
                           request->is_private(), [reactor, response](StatusOr<Hash> hash) {
                             if (hash.ok()) response->set_hash(hash->ToHex());
                             reactor->End(hash.status());
                           });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::GetCollection(grpc::CallbackServerContext* call,
                                                      const v1::GetCollectionRequest* request,
                                                      v1::GetCollectionResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto hash = ToHash(request->hash(), "hash");
  if (!hash.ok()) return Refuse(reactor, hash.status());
  const uint32_t limit = request->limit() == 0 || request->limit() > kMaxCollectionPage
                             ? kMaxCollectionPage
                             : request->limit();
  engine::ReadCollection(context_.store, context_.workers.MakeStrand(), *hash, request->offset(),
                         limit, [reactor, response](StatusOr<engine::CollectionPage> page) {
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
                         });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::Stat(grpc::CallbackServerContext* call,
                                             const v1::StatRequest* request, v1::Blob* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
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
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  std::optional<Hash> after;
  if (!request->page_token().empty()) {
    after = Hash::FromHexText(request->page_token());
    if (!after) {
      return Refuse(reactor, InvalidArgument("page_token: \"{}\" is not one that this list gave",
                                             request->page_token().substr(0, 80)));
    }
  }
  const uint32_t limit = PageSize(request->page_size());
  auto strand = context_.workers.MakeStrand();
  Executor& executor = *strand;
  context_.store.List(
      after, limit, executor,
      [strand, reactor, response, limit](StatusOr<std::vector<store::BlobInfo>> blobs) {
        if (blobs.ok()) {
          for (const store::BlobInfo& info : *blobs) Fill(info, response->add_blobs());
          if (blobs->size() == limit) response->set_next_page_token(blobs->back().hash.ToHex());
        }
        reactor->End(blobs.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* BlobsService::SetPrivate(grpc::CallbackServerContext* call,
                                                   const v1::SetPrivateRequest* request,
                                                   v1::SetPrivateResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = request->is_private() ? context_.CallerOf(*call) : context_.AdminOf(*call);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const auto kind = ToKind(request->kind(), "kind");
  if (!kind.ok()) return Refuse(reactor, kind.status());
  engine::SetPrivate(context_.store, context_.workers.MakeStrand(), *kind, request->is_private(),
                     [reactor, response](const StatusOr<uint64_t>& changed) {
                       if (changed.ok()) response->set_changed(*changed);
                       reactor->End(changed.status());
                     });
  return reactor;
}

}  // namespace blobd::rpc
