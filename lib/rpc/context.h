// What every service needs: who calls, and the ways to the control loop and to the disk.
//
// Thread: any.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/upload_table.h"
#include "loop/worker_pool.h"
#include "rpc/admission.h"
#include "rpc/authority.h"
#include "rpc/call_book.h"
#include "rpc/commands.h"
#include "rpc/data_socket.h"
#include "rpc/peer.h"
#include "rpc/reactor.h"
#include "store/blob_store.h"
#include "transfer/url_importer.h"

namespace blobd::rpc {

struct ServiceContext {
  engine::Engine& engine;        // touched on the control loop only
  engine::UploadTable& uploads;  // the same
  engine::Keeper& keeper;        // the same
  store::BlobStore& store;
  loop::WorkerPool& workers;
  Commands& commands;
  Admission& admission;
  CallBook& calls;
  const PeerTable& peers;
  TokenTable& tokens;                              // for the data socket
  const std::unique_ptr<DataSocket>& data_socket;  // null: there is none
  transfer::UrlImporter* importer;                 // null: nothing is got from web servers

  // The caller of a call that has just begun, if it may make it (authority.h); the first thing that
  // is asked, once. kPermissionDenied, also if the connection is not known.
  template <typename Call>
  StatusOr<engine::Caller> Authorize(const grpc::ServerContextBase& context, Method method,
                                     Call* reactor) const {
    reactor->Enter(calls.Begin(method, Call::kIsStream));
    const std::optional<engine::Caller> caller = peers.Find(context.peer());
    if (!caller)
      return ErrorFor(Reason::kUnknownCaller, "the connection is not known; connect again");
    BLOBD_RETURN_IF_ERROR(CheckAuthority(method, *caller));
    reactor->SetAdmin(caller->is_admin());
    return *caller;
  }

  // The same, and the call holds `weight` from now on (admission.h). kResourceExhausted.
  template <typename Reactor>
  StatusOr<engine::Caller> Admit(const grpc::ServerContextBase& context, Method method,
                                 Reactor* reactor, uint64_t weight) const {
    BLOBD_ASSIGN_OR_RETURN(const engine::Caller caller, Authorize(context, method, reactor));
    BLOBD_ASSIGN_OR_RETURN(Admission::Ticket ticket, admission.Admit(caller, weight));
    reactor->Hold(std::move(ticket));
    return caller;
  }

  // Has `then` called on `strand`, which makes the call's answer, when the call holds what
  // `weight_of` says of the size of the list that `kind` is. Otherwise it ends.
  template <typename Then>
  void AdmitOnList(const engine::Caller& caller, const Kind& kind,
                   uint64_t (*weight_of)(uint64_t list_bytes), UnaryReactor* reactor,
                   const std::shared_ptr<Executor>& strand, Then then) const {
    auto admitted = [this, caller, kind, weight_of, strand, reactor,
                     then = std::move(then)](const StatusOr<store::BlobInfo>& info) mutable {
      if (!info.ok()) return reactor->End(info.status());
      const bool is_list =
          kind.format == BlobFormat::kHashSeq && info->state == store::BlobState::kComplete;
      auto ticket = admission.Admit(caller, weight_of(is_list ? info->size : 0));
      if (!ticket.ok()) return reactor->End(ticket.status());
      reactor->Hold(*std::move(ticket));
      then();
    };
    store.Lookup(kind.hash, *strand, std::move(admitted));
  }

  // Runs `command` on the control loop, or finishes the call at once because too many wait.
  template <typename Reactor, typename F>
  void OnControl(Reactor* reactor, F command) const {
    if (!commands.Post(reactor->is_admin(), std::move(command))) {
      reactor->End(TooManyCommands());
    }
  }
};

}  // namespace blobd::rpc
