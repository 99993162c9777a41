#include "rpc/admin_service.h"

#include "rpc/convert.h"

namespace blobd::rpc {

grpc::ServerUnaryReactor* AdminService::Status(grpc::CallbackServerContext* call,
                                               const v1::StatusRequest* /*request*/,
                                               v1::StatusResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  response->set_version(identity_.version);
  response->set_node_id(identity_.node_id.ToHex());
  for (const std::string& address : identity_.listen_addresses)
    response->add_listen_addresses(address);
  response->set_started_unix_ms(identity_.started.unix_ms);
  response->set_state_directory(identity_.state_directory);
  response->set_unsynced_bytes_bound(identity_.unsynced_bytes_bound);
  context_.OnControl(reactor, [this, reactor, response] {
    const engine::StatusView view = context_.engine.Summary();
    response->set_state(view.draining ? "draining" : "running");
    response->set_unfinished_requests(view.unfinished_requests);
    response->set_running_transfers(view.running_transfers);
    response->set_download_rate(view.download_rate);
    response->set_verified_bytes(view.verified_bytes);
    auto strand = context_.workers.MakeStrand();
    Executor& executor = *strand;
    context_.store.Stats(executor, [strand, reactor, response](StatusOr<store::StoreStats> stats) {
      if (stats.ok()) {
        v1::StoreStatus* out = response->mutable_store();
        out->set_complete_blobs(stats->complete_blobs);
        out->set_complete_bytes(stats->complete_bytes);
        out->set_partial_blobs(stats->partial_blobs);
        out->set_partial_bytes(stats->partial_bytes);
      }
      reactor->End(stats.status());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ParseTicket(grpc::CallbackServerContext* call,
                                                    const v1::ParseTicketRequest* request,
                                                    v1::ParseTicketResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.CallerOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  auto parsed = rpc::ParseTicket(request->ticket());
  if (parsed.ok()) *response = *std::move(parsed);
  reactor->End(parsed.status());
  return reactor;
}

}  // namespace blobd::rpc
