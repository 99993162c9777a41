// Node: the whole daemon, wired by hand: loops, workers, store, registry, network, engine, API.
// main.cc makes one.
//
// Thread: made, run and destroyed on the main thread, whose loop is the control loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "daemon/ballast_guard.h"
#include "daemon/config.h"
#include "daemon/config_keeper.h"
#include "daemon/listening_sockets.h"
#include "daemon/log_sink.h"
#include "daemon/metrics_server.h"
#include "daemon/rate_clock.h"
#include "daemon/registry_keeper.h"
#include "daemon/state_dir.h"
#include "daemon/supervision.h"
#include "daemon/whereabouts.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "engine/upload_table.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "rpc/server.h"
#include "store/disk_store.h"
#include "transfer/http_network.h"
#include "transfer/quic_network.h"
#include "transfer/throttle.h"
#include "transfer/upload_server.h"

namespace blobd::daemon {

class Node {
 public:
  // Reads the configuration again, on a worker.
  using ReadConfig = std::function<StatusOr<Config>()>;

  // Opens everything that may fail: state directory, databases, sockets.
  static StatusOr<std::unique_ptr<Node>> Open(const Config& config, ReadConfig read_config,
                                              LogSink& log);
  ~Node();

  // Serves until SIGTERM or SIGINT, then drains; SIGHUP reads the configuration again. Returns what
  // went wrong, if anything did.
  Status Run();

 private:
  Node(const Config& config, LogSink& log, StateDir state_dir);
  const Config& config() const { return configuration_->running(); }
  Status OpenParts(const Config& config, ReadConfig read_config);
  Status OpenEndpoint();
  Status OpenMirrors();
  void OpenKeeper();
  Status MayCollect() const;
  std::vector<SocketAddress> OwnAddresses(bool include_loopback) const;
  Status OpenMetrics();
  Status WatchSignals();
  void OnSignal();
  void PutInForce();
  std::string WhyLimitStays(const std::string& key, const Config& read) const;
  void PutLimitsInForce();
  void SetRates(std::optional<uint64_t> download, std::optional<uint64_t> upload);
  std::string Describe() const;
  void OnStarted(const Status& status);
  void Serve();
  void BeginShutdown();
  void OnPartDrained();
  void StopServing();

  LogSink& log_;
  // For any thread: what was configured to be advertised, and whom we serve.
  std::atomic<std::shared_ptr<const std::vector<SocketAddress>>> advertised_;
  std::atomic<transfer::ServeMode> serve_mode_;
  StateDir state_dir_;
  Status result_;
  bool stopping_ = false;
  bool ready_ = false;
  int draining_ = 0;             // parts that have not drained yet
  SocketAddress local_address_;  // of the UDP socket
  int signal_fd_ = -1;
  rpc::DaemonIdentity identity_;

  // In the order of their dependencies; taken down in reverse by the destructor.
  std::unique_ptr<store::RealFileSystem> file_system_;
  std::unique_ptr<loop::Loop> control_;
  std::unique_ptr<loop::Loop> network_loop_;
  std::unique_ptr<Supervision> supervision_;
  std::unique_ptr<loop::WorkerPool> workers_;
  // What is in force; the control loop's, but for what the two above repeat.
  std::unique_ptr<ConfigKeeper> configuration_;
  std::unique_ptr<RegistryKeeper> registry_;
  std::unique_ptr<store::DiskStore> store_;
  std::unique_ptr<BallastGuard> ballast_;
  std::unique_ptr<transfer::Throttle> download_throttle_;  // these two are
  std::unique_ptr<transfer::Throttle> upload_throttle_;    // the network loop's
  std::unique_ptr<RateClock> rate_clock_;
  std::unique_ptr<transfer::QuicNetwork> network_;
  std::unique_ptr<transfer::HttpNetwork> mirrors_;
  std::unique_ptr<Whereabouts> whereabouts_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Keeper> keeper_;
  std::unique_ptr<transfer::UploadServer> upload_server_;
  std::unique_ptr<engine::UploadTable> uploads_;
  std::unique_ptr<ListeningSockets> sockets_;
  std::optional<uint32_t> admin_group_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<MetricsServer> metrics_;
  std::thread network_thread_;
  std::thread shutdown_thread_;
};

}  // namespace blobd::daemon
