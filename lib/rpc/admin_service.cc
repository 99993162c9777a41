#include "rpc/admin_service.h"

#include "rpc/backup_reactor.h"
#include "rpc/convert.h"
#include "rpc/create_ticket.h"
#include "transfer/inventory.h"

namespace blobd::rpc {
namespace {

std::string_view ServeModeName(transfer::ServeMode mode) {
  switch (mode) {
    case transfer::ServeMode::kAnyone:
      return "anyone";
    case transfer::ServeMode::kListed:
      return "listed";
    case transfer::ServeMode::kNobody:
      return "nobody";
  }
  return "unknown";
}

void Fill(const engine::UploadsView& view, v1::UploadStatus* out) {
  out->set_nodes(static_cast<uint32_t>(view.nodes.size()));
  uint32_t streams = 0;
  for (const engine::UploadView& upload : view.nodes) streams += upload.info.streams;
  out->set_streams(streams);
  out->set_rate(view.rate);
  out->set_sent_bytes(view.totals.sent_bytes);
  out->set_requests(view.totals.requests);
  out->set_refused(view.totals.refused);
}

void Fill(const store::StoreStats& stats, v1::StoreStatus* out) {
  out->set_complete_blobs(stats.complete_blobs);
  out->set_complete_bytes(stats.complete_bytes);
  out->set_partial_blobs(stats.partial_blobs);
  out->set_partial_bytes(stats.partial_bytes);
}

void Fill(const DataSocket& data_socket, v1::DataSocketStatus* out) {
  out->set_path(data_socket.path());
  out->set_opened(data_socket.counts().opened);
  out->set_imported(data_socket.counts().imported);
  out->set_refused(data_socket.counts().refused);
}

void Fill(const engine::LookupServiceView& view, v1::LookupService* out) {
  out->set_name(view.name);
  out->set_off(view.off);
  out->set_asked(view.asked);
  out->set_found(view.found);
  out->set_empty(view.empty);
  out->set_failed(view.failed);
  out->set_timed_out(view.timed_out);
  out->set_addresses(view.addresses);
  out->set_last_error(view.last_error);
  out->set_published(view.published);
  out->set_not_published(view.not_published);
  out->set_publish_error(view.publish_error);
}

v1::DiskCondition ToProto(store::DiskCondition condition) {
  switch (condition) {
    case store::DiskCondition::kOk:
      return v1::DISK_CONDITION_OK;
    case store::DiskCondition::kFull:
      return v1::DISK_CONDITION_FULL;
    case store::DiskCondition::kReadOnly:
      return v1::DISK_CONDITION_READ_ONLY;
  }
  return v1::DISK_CONDITION_UNSPECIFIED;
}

void Fill(const store::DiskState& disk, v1::DiskStatus* out) {
  out->set_condition(ToProto(disk.condition));
  out->set_reason(disk.reason);
  out->set_since_unix_ms(disk.since.unix_ms);
  out->set_total_bytes(disk.total_bytes);
  out->set_free_bytes(disk.free_bytes);
  out->set_reserve_bytes(disk.reserve_bytes);
  out->set_admitted_bytes(disk.admitted_bytes);
}

std::string WaitingForDisk(uint64_t count) {
  return fmt::format(
      "{} for the disk; \"blobctl requests\" shows which, \"blobctl why\" what for",
      count == 1 ? std::string("1 download waits") : fmt::format("{} downloads wait", count));
}

}  // namespace

DaemonIdentity AdminService::IdentityNow() const {
  DaemonIdentity identity = identity_;
  if (serve_mode_) identity.serve = serve_mode_();
  return identity;
}

grpc::ServerUnaryReactor* AdminService::Status(grpc::CallbackServerContext* call,
                                               const v1::StatusRequest* /*request*/,
                                               v1::StatusResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminStatus, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  response->set_version(identity_.version);
  response->set_node_id(identity_.node_id.ToHex());
  for (const std::string& address : identity_.listen_addresses)
    response->add_listen_addresses(address);
  response->set_started_unix_ms(identity_.started.unix_ms);
  response->set_state_directory(identity_.state_directory);
  response->set_unsynced_bytes_bound(identity_.unsynced_bytes_bound);
  response->set_serve(std::string(ServeModeName(IdentityNow().serve)));
  if (context_.data_socket != nullptr) Fill(*context_.data_socket, response->mutable_data_socket());
  context_.OnControl(reactor, [this, reactor, response] {
    const engine::StatusView view = context_.engine.Summary();
    response->set_state(view.draining           ? "draining"
                        : view.degraded.empty() ? "running"
                                                : "degraded");
    response->set_degraded(view.degraded);
    response->set_everything_paused(view.paused);
    Fill(view.disk, response->mutable_disk());
    for (std::string& warning : maintenance_.Warnings()) response->add_warnings(std::move(warning));
    if (!context_.keeper.worry().empty()) response->add_warnings(context_.keeper.worry());
    if (view.waiting_for_disk > 0) response->add_warnings(WaitingForDisk(view.waiting_for_disk));
    response->set_unfinished_requests(view.unfinished_requests);
    response->set_running_transfers(view.running_transfers);
    response->set_download_rate(view.download_rate);
    response->set_verified_bytes(view.verified_bytes);
    FillRest(response, reactor);
  });
  return reactor;
}

// What is not the control loop's to say. All are asked at once; each answers on the control loop.
void AdminService::FillRest(v1::StatusResponse* response, UnaryReactor* reactor) {
  struct Asked {
    int waits = 3;
    blobd::Status status;
  };
  const auto part_done = [asked = std::make_shared<Asked>(), reactor](blobd::Status status) {
    if (!status.ok()) asked->status = std::move(status);
    if (--asked->waits == 0) reactor->End(asked->status);
  };
  context_.store.Stats(context_.commands.control(),
                       [response, part_done](const StatusOr<store::StoreStats>& stats) {
                         if (stats.ok()) Fill(*stats, response->mutable_store());
                         // Newer than what the control loop has been told of.
                         if (stats.ok() && stats->disk.total_bytes > 0)
                           Fill(stats->disk, response->mutable_disk());
                         if (stats.ok() && !stats->trouble.empty())
                           response->add_warnings(stats->trouble);
                         part_done(stats.status());
                       });
  context_.uploads.List([response, part_done](const engine::UploadsView& uploads) {
    Fill(uploads, response->mutable_uploads());
    part_done(OkStatus());
  });
  context_.engine.ViewLookup(
      [response, part_done](const std::vector<engine::LookupServiceView>& services) {
        for (const auto& service : services) Fill(service, response->add_lookup_services());
        part_done(OkStatus());
      });
}

grpc::ServerUnaryReactor* AdminService::GetLimits(grpc::CallbackServerContext* call,
                                                  const v1::GetLimitsRequest* /*request*/,
                                                  v1::GetLimitsResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminGetLimits, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response] {
    for (const engine::LimitView& view : context_.engine.ListLimits())
      rpc::Fill(view, response->add_limits());
    reactor->End(OkStatus());
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::SetLimits(grpc::CallbackServerContext* call,
                                                  const v1::SetLimitsRequest* request,
                                                  v1::SetLimitsResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminSetLimits, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  auto limits = ToLimitChanges(*request);
  if (!limits.ok()) return Refuse(reactor, limits.status());
  context_.OnControl(reactor, [this, reactor, response, limits = *std::move(limits),
                               keep = request->persist()]() mutable {
    context_.engine.SetLimits(std::move(limits.changes), std::move(limits.reset), keep,
                              [this, reactor, response](const blobd::Status& status) {
                                if (status.ok()) {
                                  for (const engine::LimitView& view : context_.engine.ListLimits())
                                    rpc::Fill(view, response->add_limits());
                                }
                                reactor->End(status);
                              });
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Drain(grpc::CallbackServerContext* call,
                                              const v1::DrainRequest* /*request*/,
                                              v1::DrainResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminDrain, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response] {
    context_.engine.Drain([this, reactor, response] {
      response->set_unfinished_requests(context_.engine.Summary().unfinished_requests);
      reactor->End(OkStatus());
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::CreateTicket(grpc::CallbackServerContext* call,
                                                     const v1::CreateTicketRequest* request,
                                                     v1::CreateTicketResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kAdminCreateTicket, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  auto wish = ToTicketWish(*request);
  if (!wish.ok()) return Refuse(reactor, wish.status());
  const auto strand = context_.workers.MakeStrand();
  const Kind kind = wish->kind;
  context_.AdmitOnList(*caller, kind, WeightOfInventory, reactor, strand,
                       [this, reactor, response, strand, wish = *std::move(wish)]() mutable {
                         MakeTicket(reactor, response, strand, std::move(wish));
                       });
  return reactor;
}

void AdminService::MakeTicket(UnaryReactor* reactor, v1::CreateTicketResponse* response,
                              const std::shared_ptr<Executor>& strand, TicketWish wish) {
  const Kind kind = wish.kind;
  transfer::TakeInventory(context_.store, strand, kind,
                          [this, reactor, response,
                           wish = std::move(wish)](const StatusOr<transfer::Inventory>& inventory) {
                            if (!inventory.ok()) return reactor->End(inventory.status());
                            auto ticket = rpc::CreateTicket(IdentityNow(), wish, *inventory,
                                                            own_addresses_(wish.include_loopback));
                            const blobd::Status status = ticket.status();
                            if (ticket.ok()) *response = *std::move(ticket);
                            reactor->End(status);
                          });
}

grpc::ServerUnaryReactor* AdminService::ParseTicket(grpc::CallbackServerContext* call,
                                                    const v1::ParseTicketRequest* request,
                                                    v1::ParseTicketResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminParseTicket, reactor);
      !caller.ok())
    return Refuse(reactor, caller.status());
  auto parsed = rpc::ParseTicket(request->ticket());
  const blobd::Status status = parsed.status();
  if (parsed.ok()) *response = *std::move(parsed);
  reactor->End(status);
  return reactor;
}

grpc::ServerWriteReactor<v1::BackupResponse>* AdminService::Backup(
    grpc::CallbackServerContext* call, const v1::BackupRequest* /*request*/) {
  auto* reactor = new BackupReactor(context_, maintenance_);
  reactor->Begin(context_.Authorize(*call, Method::kAdminBackup, reactor).status());
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::RecoverRegistry(
    grpc::CallbackServerContext* call, const v1::RecoverRegistryRequest* /*request*/,
    v1::RecoverRegistryResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kAdminRecoverRegistry, reactor);
      !caller.ok())
    return Refuse(reactor, caller.status());
  context_.OnControl(reactor, [this, reactor, response] {
    maintenance_.RecoverRegistry(
        [reactor, response](const StatusOr<Maintenance::Recovery>& recovery) {
          if (recovery.ok()) {
            for (const Maintenance::SavedTable& table : recovery->tables) {
              v1::RecoveredTable* out = response->add_tables();
              out->set_name(table.name);
              out->set_saved_rows(table.saved_rows);
              out->set_lost_rows(table.lost_rows);
            }
            for (const std::string& note : recovery->notes) response->add_notes(note);
            response->set_damaged_file(recovery->damaged_file);
          }
          reactor->End(recovery.status());
        });
  });
  return reactor;
}

}  // namespace blobd::rpc
