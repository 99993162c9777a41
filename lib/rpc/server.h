// rpc: gRPC services on a Unix socket, over the engine and the store (design/control-plane.md). Who
// calls is known from the kernel, never from a message.
//
// Server holds everything: the listener, gRPC's server, the services, the data socket.
//
// Thread:    made and destroyed by the daemon's main thread, while the control loop does not turn
//            or from within it.
// Ownership: what Deps names outlives the server, but for the workers: they are gone when it is
//            destroyed, so that what they answer still finds it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/upload_table.h"
#include "loop/worker_pool.h"
#include "rpc/call_book.h"
#include "rpc/configuration.h"
#include "rpc/daemon_identity.h"
#include "rpc/maintenance.h"
#include "rpc/peer.h"
#include "store/blob_store.h"
#include "transfer/url_importer.h"

namespace blobd::rpc {

class Server {
 public:
  struct Deps {
    engine::Engine& engine;
    engine::UploadTable& uploads;
    engine::Keeper& keeper;
    store::BlobStore& store;
    loop::WorkerPool& workers;
    Executor& control;
    // Where other nodes may reach this daemon now, the likeliest first. Called on any thread.
    std::function<std::vector<SocketAddress>(bool include_loopback)> own_addresses;
    Maintenance& maintenance;
    Configuration& configuration;
    // Whom this daemon serves now. Called on any thread; empty: it stays as the identity says.
    std::function<transfer::ServeMode()> serve_mode = {};
    // Null: nothing is got from web servers.
    transfer::UrlImporter* importer = nullptr;
    // Gets a line for each call that failed as nobody foresaw, on any thread. Empty: nobody does.
    std::function<void(const std::string&)> journal = {};
  };

  // Bound sockets (Listener::Bind, or inherited); the server owns them from now on.
  struct Sockets {
    int grpc = -1;
    int data = -1;  // -1: no data socket; callers must send and read streams
  };
  // Members of `admin_group` are administrators, like root and the uid that this process has.
  static StatusOr<std::unique_ptr<Server>> Start(Deps deps, DaemonIdentity identity,
                                                 Sockets sockets, PeerLimits limits,
                                                 std::optional<uint32_t> admin_group = {});
  virtual ~Server() = default;

  // What monitoring is told of calls.
  virtual CallCounts Counts() const = 0;
  // No new connections; calls under way have until `grace` and are cut then.
  virtual void Shutdown(Duration grace) = 0;
};

}  // namespace blobd::rpc
