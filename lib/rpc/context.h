// What every service needs: who calls, and the ways to the control loop and to the disk.
//
// Thread: any.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>
#include <unistd.h>

#include <memory>

#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/upload_table.h"
#include "loop/worker_pool.h"
#include "rpc/commands.h"
#include "rpc/data_socket.h"
#include "rpc/peer.h"
#include "rpc/reactor.h"
#include "store/blob_store.h"

namespace blobd::rpc {

struct ServiceContext {
  engine::Engine& engine;        // touched on the control loop only
  engine::UploadTable& uploads;  // the same
  engine::Keeper& keeper;        // the same
  store::BlobStore& store;
  loop::WorkerPool& workers;
  Commands& commands;
  const PeerTable& peers;
  TokenTable& tokens;                              // for the data socket
  const std::unique_ptr<DataSocket>& data_socket;  // null: there is none

  // The caller of a call that has just begun. kPermissionDenied if the connection is not known.
  StatusOr<engine::Caller> CallerOf(const grpc::ServerContextBase& context) const {
    const auto peer = peers.Find(context.peer());
    if (!peer) return PermissionDenied("the connection is not known; connect again");
    return engine::CallerOfUid(peer->uid, geteuid());
  }

  // The caller, if it may do everything.
  StatusOr<engine::Caller> AdminOf(const grpc::ServerContextBase& context) const {
    auto caller = CallerOf(context);
    if (!caller.ok() || caller->is_admin()) return caller;
    return PermissionDenied("only root, and whoever runs the daemon, may do this; you are uid {}",
                            caller->uid);
  }

  // Runs `command` on the control loop, or finishes the call at once because too many wait.
  template <typename Reactor, typename F>
  void OnControl(Reactor* reactor, F command) const {
    if (!commands.Post(std::move(command))) {
      reactor->End(ResourceExhausted("the daemon has too many commands waiting; try again soon"));
    }
  }
};

}  // namespace blobd::rpc
