#include "daemon/node.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <utility>

#include "base/error_reason.h"
#include "base/units.h"
#include "base/utf8.h"
#include "daemon/admin_group.h"
#include "daemon/measure.h"
#include "daemon/node_key.h"
#include "daemon/own_addresses.h"
#include "daemon/user_namespace.h"
#include "daemon/version.h"
#include "loop/thread_name.h"
#include "quic/endpoint.h"
#include "quic/identity.h"

namespace blobd::daemon {
namespace {

using engine::LogLevel;

// How long calls may go on after everything else has been drained.
constexpr Duration kRpcGrace = milliseconds(500);
constexpr Duration kUploadGrace = seconds(30);
// Not even SIGKILL ends a process that waits for a hung disk, and until that is well it has the
// state directory. Whom a service manager started waits so long for it; that many starts are fewer
// than the unit allows, so it goes on.
constexpr Duration kLockPatience = seconds(30);

// gRPC's descriptors take numbers of their own, transfers hold files open: take what the system
// allows.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

StatusOr<StateDir> TakeStateDir(const std::string& path, LogSink& log) {
  StatusOr<StateDir> taken = StateDir::Lock(path);
  if (taken.status().code() != StatusCode::kUnavailable || !Supervision::IsHeard()) return taken;
  log.Write(LogLevel::kWarning, "waiting until it has ended: " + Message(taken.status()));
  sd_notify(0, "STATUS=Waiting for another blobd, which uses the state directory");
  return StateDir::Lock(path, kLockPatience);
}

size_t WorkerCount(uint32_t configured) {
  if (configured != 0) return configured;
  return std::max(2u, std::thread::hardware_concurrency());
}

}  // namespace

StatusOr<std::unique_ptr<Node>> Node::Open(const Config& config, ReadConfig read_config,
                                           LogSink& log) {
  RaiseDescriptorLimit();
  BLOBD_ASSIGN_OR_RETURN(StateDir state_dir, TakeStateDir(config.state_dir, log));
  std::unique_ptr<Node> node(new Node(config, log, std::move(state_dir)));
  BLOBD_RETURN_IF_ERROR(node->OpenParts(config, std::move(read_config)));
  return node;
}

Node::Node(const Config& config, LogSink& log, StateDir state_dir)
    : log_(log),
      advertised_(std::make_shared<const std::vector<SocketAddress>>(config.advertise)),
      serve_mode_(config.serve.mode),
      state_dir_(std::move(state_dir)) {}

Status Node::OpenParts(const Config& config, ReadConfig read_config) {
  BLOBD_ASSIGN_OR_RETURN(control_, loop::Loop::Create());
  BLOBD_ASSIGN_OR_RETURN(network_loop_, loop::Loop::Create());
  for (const std::string& warning : config.warnings) log_.Write(LogLevel::kWarning, warning);
  if (const std::string warning = WarningOfUnknownUsers(); !warning.empty())
    log_.Write(LogLevel::kWarning, warning);
  supervision_ = std::make_unique<Supervision>(*control_, *network_loop_);
  BLOBD_RETURN_IF_ERROR(WatchSignals());  // blocks them, so before any thread is made
  file_system_ = std::make_unique<store::RealFileSystem>();
  workers_ = std::make_unique<loop::WorkerPool>(WorkerCount(config.workers));
  configuration_ = std::make_unique<ConfigKeeper>(
      ConfigKeeper::Deps{
          *control_, workers_->MakeStrand(), std::move(read_config), log_, *supervision_,
          [this] { PutInForce(); },
          [this](const std::string& key, const Config& read) { return WhyLimitStays(key, read); }},
      config);
  registry_ = std::make_unique<RegistryKeeper>(state_dir_.File("registry.db"), *control_,
                                               workers_->MakeStrand(), log_);
  BallastGuard::MakeRoomToStart(state_dir_.File("ballast"), log_);
  supervision_->Step("Opening the registry");
  BLOBD_RETURN_IF_ERROR(registry_->Open());
  supervision_->Step("Opening the store");
  store::DiskStore::Options store_options;
  // It has no timers; an idle daemon is not to wake for it.
  store_options.tick_soon = [this] {
    control_->Post([this] {
      control_->AddTimer(control_->Now() + store::DiskStore::kTick, [this] { store_->Tick(); });
    });
  };
  BLOBD_ASSIGN_OR_RETURN(
      store_, store::DiskStore::Open(state_dir_.path(), *workers_, *file_system_, store_options));
  if (!store_->opening_note().empty()) log_.Write(LogLevel::kWarning, store_->opening_note());
  ballast_ = std::make_unique<BallastGuard>(state_dir_.File("ballast"), *store_,
                                            workers_->MakeStrand(), log_);
  download_throttle_ = std::make_unique<transfer::Throttle>(*network_loop_);
  upload_throttle_ = std::make_unique<transfer::Throttle>(*network_loop_);
  identity_.unsynced_bytes_bound = store_options.unsynced_bytes;
  BLOBD_RETURN_IF_ERROR(OpenEndpoint());
  BLOBD_ASSIGN_OR_RETURN(sockets_, ListeningSockets::Open(config, log_));
  BLOBD_ASSIGN_OR_RETURN(admin_group_, FindAdminGroup(config.admin_group));
  return OpenMetrics();
}

// The endpoint, and what shares it: getting from other nodes, and serving them.
Status Node::OpenEndpoint() {
  BLOBD_ASSIGN_OR_RETURN(const NodeKey key, LoadNodeKey(state_dir_.File("node.key")));
  const quic::Identity& identity = key.identity;
  if (key.is_credential) {
    log_.Write(LogLevel::kInfo, "the node's key is the service manager's credential");
  } else if (const std::string warning = state_dir_.CheckMachineId(); !warning.empty()) {
    log_.Write(LogLevel::kWarning, warning);
  }
  BLOBD_ASSIGN_OR_RETURN(std::shared_ptr<quic::Endpoint> endpoint,
                         quic::Endpoint::Open(*network_loop_, identity, config().quic));
  local_address_ = endpoint->local_address();
  identity_.version = kVersion;
  identity_.node_id = identity.node_id();
  identity_.listen_addresses = {local_address_.ToString()};
  identity_.started = SystemClock().WallNow();
  identity_.state_directory = state_dir_.path();
  identity_.serve = config().serve.mode;
  network_ = std::make_unique<transfer::QuicNetwork>(
      transfer::QuicNetwork::Deps{*network_loop_, *control_, *workers_, *store_, SystemClock(),
                                  download_throttle_.get(), std::make_shared<transfer::Claims>()},
      endpoint, transfer::QuicNetworkOptions{config().stall_timeout});

  BLOBD_RETURN_IF_ERROR(OpenMirrors());
  whereabouts_ = std::make_unique<Whereabouts>(
      Whereabouts::Deps{*control_, *network_loop_, registry_->registry(), log_,
                        [this] {
                          auto own = ReachableAddresses(local_address_, InterfaceAddresses(), true);
                          own.insert(own.end(), config().advertise.begin(),
                                     config().advertise.end());
                          return own;
                        },
                        [this] { return OwnAddresses(false); },
                        [weak = std::weak_ptr<quic::Endpoint>(endpoint)] {
                          if (const auto there = weak.lock()) there->ForgetRoutes();
                        }},
      identity, config().lookup);

  engine::EngineOptions engine_options = config().engine;
  for (const std::string& each : config().mirrors.templates)
    engine_options.standing.push_back({MirrorUrl{each}, {}, "config"});
  engine_options.schedule.preference = config().mirrors.prefer;
  engine_options.schedule.self = identity.node_id();
  engine_options.schedule.seed = SystemClock().Now().nanos();
  engine_ = std::make_unique<engine::Engine>(
      engine::Engine::Deps{*control_, *control_, SystemClock(), registry_->registry(), *store_,
                           *network_, [this] { return workers_->MakeStrand(); }, log_,
                           mirrors_.get(), whereabouts_->lookup(),
                           [this](auto download, auto upload) { SetRates(download, upload); }},
      engine_options);
  rate_clock_ =
      std::make_unique<RateClock>(*control_, SystemClock(), [this] { PutLimitsInForce(); });
  rate_clock_->Set(config().rates);
  PutLimitsInForce();
  whereabouts_->Watch(*engine_);
  OpenKeeper();
  registry_->OnRecovered(
      [this](UniqueFunction<void(Status)> done) { engine_->Start(std::move(done)); });
  upload_server_ = std::make_unique<transfer::UploadServer>(
      transfer::UploadServer::Deps{*network_loop_, *control_, *workers_, *store_, SystemClock(),
                                   upload_throttle_.get(), [this] { uploads_->Wake(); }},
      std::move(endpoint), config().serve, engine_.get());
  uploads_ = std::make_unique<engine::UploadTable>(
      *control_,
      [this](UniqueFunction<void(engine::UploadTable::Snapshot)> done) {
        upload_server_->List(std::move(done));
      },
      [this](const NodeId& node, UniqueFunction<void(bool)> done) {
        upload_server_->Disconnect(node, std::move(done));
      });
  return OkStatus();
}

Status Node::OpenMirrors() {
  transfer::HttpNetworkOptions options;
  options.client.user_agent = fmt::format("blobd/{}", kVersion);
  options.client.ca_file = config().mirrors.ca_file;
  options.client.stall = config().stall_timeout;
  options.client.max_fetches = 16'384;  // one that waits costs little
  options.client.seed = SystemClock().Now().nanos();
  options.lanes = config().engine.schedule.limits.connections_per_mirror;
  options.client.origins =
      ToOrigins(config().mirrors, config().engine.schedule.limits.connections_per_mirror);
  BLOBD_ASSIGN_OR_RETURN(mirrors_, transfer::HttpNetwork::Create(
                                       {*network_loop_, *control_, *workers_, *store_,
                                        SystemClock(), store_.get(), download_throttle_.get()},
                                       options));
  return OkStatus();
}

// Nothing goes while it is not known what must stay.
Status Node::MayCollect() const {
  BLOBD_RETURN_IF_ERROR(engine_->Ready());
  for (const std::string& warning : registry_->Warnings())
    return ErrorFor(Reason::kRegistryIncomplete, "nothing is removed now: {}", warning);
  return OkStatus();
}

void Node::OpenKeeper() {
  keeper_ = std::make_unique<engine::Keeper>(
      engine::Keeper::Deps{*control_, *control_, SystemClock(), registry_->registry(), *store_,
                           *engine_, [this] { return workers_->MakeStrand(); }, log_,
                           [this] { return MayCollect(); },
                           [this](const Hash& hash, const RangeSet& groups,
                                  UniqueFunction<void(StatusOr<IntentId>)> done) {
                             engine_->Repair(hash, groups, std::move(done));
                           }},
      config().keeper);
}

std::vector<SocketAddress> Node::OwnAddresses(bool include_loopback) const {
  std::vector<SocketAddress> own =
      ReachableAddresses(local_address_, InterfaceAddresses(), include_loopback);
  const auto advertised = advertised_.load();
  if (advertised->empty()) return own;
  // Of ours only the loopback ones then, which are there if they were asked for.
  std::vector<SocketAddress> addresses = *advertised;
  std::copy_if(own.begin(), own.end(), std::back_inserter(addresses),
               [](const SocketAddress& address) { return address.is_loopback(); });
  return addresses;
}

Status Node::OpenMetrics() {
  const int listening = sockets_->TakeForMetrics();
  if (listening < 0) return OkStatus();
  // Asked for on the network loop, which knows what the limits do; the rest is known on the control
  // loop.
  const auto collect = [this](UniqueFunction<void(std::string)> done) {
    Measured known;
    known.download = download_throttle_->effect();
    known.upload = upload_throttle_->effect();
    control_->Post([this, measured = std::move(known), done = std::move(done)]() mutable {
      measured.version = kVersion;
      measured.started = identity_.started;
      if (server_ != nullptr) measured.calls = server_->Counts();
      Measure({*engine_, *uploads_, *store_}, std::move(measured),
              [done = std::move(done)](const Measured& all) mutable { done(FormatMetrics(all)); });
    });
  };
  BLOBD_ASSIGN_OR_RETURN(metrics_, MetricsServer::Create(*network_loop_, listening, collect));
  return OkStatus();
}

Status Node::WatchSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) return ErrnoStatus(errno, "signalfd");
  return control_->Watch(signal_fd_, EPOLLIN, [this](uint32_t) { OnSignal(); });
}

void Node::OnSignal() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      configuration_->Reload(false, nullptr);
    } else if (stopping_) {
      log_.Write(LogLevel::kWarning, "stopped by a second signal");
      _exit(1);
    } else {
      BeginShutdown();
    }
  }
}

// ---- Reading the configuration again ----

void Node::PutInForce() {
  log_.SetLevel(config().log_level);
  advertised_ = std::make_shared<const std::vector<SocketAddress>>(config().advertise);
  if (ready_) whereabouts_->Publish();
  serve_mode_ = config().serve.mode;
  upload_server_->SetPolicy(config().serve.mode, config().serve.listed);
  rate_clock_->Set(config().rates);
  PutLimitsInForce();
  keeper_->Reconfigure(config().keeper);
}

void Node::PutLimitsInForce() {
  engine::LiveLimits limits{config().engine.schedule.limits, config().engine.intents_per_uid};
  limits.bytes_per_uid = config().engine.bytes_per_uid;
  rate_clock_->Fill(limits);
  engine_->Reconfigure(limits, config().engine.drain_grace);
}

// What was set with the API to stay goes before the configuration.
std::string Node::WhyLimitStays(const std::string& key, const Config& read) const {
  const std::string name = key.substr(key.rfind('.') + 1);
  const engine::LimitField* field = engine::FindLimit(name);
  if (field == nullptr || (key != name && !key.starts_with("limits."))) return "";
  const engine::LiveLimits wanted{read.engine.schedule.limits, read.engine.intents_per_uid,
                                  read.rates.download, read.rates.upload};
  for (const engine::LimitView& limit : engine_->ListLimits()) {
    if (limit.name != name || !limit.is_kept || limit.kept == field->of(wanted)) continue;
    return fmt::format(
        "\"blobctl limits --persist\" made it {}, until \"blobctl limits --reset {}\"",
        field->Text(limit.kept), name);
  }
  return "";
}

void Node::SetRates(std::optional<uint64_t> download, std::optional<uint64_t> upload) {
  network_loop_->Post([this, download, upload] {
    download_throttle_->SetRate(download);
    upload_throttle_->SetRate(upload);
  });
}

// ---- Running ----

// One line for "systemctl status".
std::string Node::Describe() const {
  if (!ready_ && engine_->restored_intents() == 0)
    return fmt::format("Loading intents: {} so far", engine_->loaded_intents());
  if (!ready_) {
    return fmt::format("Taking over intents: {} of {}", engine_->restored_intents(),
                       engine_->loaded_intents());
  }
  const engine::StatusView view = engine_->Summary();
  std::string text =
      view.degraded.empty() ? "Serving" : "The registry is damaged: only serving blobs";
  text += fmt::format(" as node {}", identity_.node_id.ToHex());
  if (view.unfinished_requests > 0) {
    text += fmt::format("; {} requests, {} transfers, {}", view.unfinished_requests,
                        view.running_transfers, FormatRate(view.download_rate));
  }
  if (view.paused) text += "; everything is paused";
  if (!view.disk.reason.empty()) text += "; " + view.disk.reason;
  return EscapeForTerminal(text);
}

Status Node::Run() {
  network_thread_ = loop::NamedThread("network", [this] { network_loop_->Run(); });
  supervision_->Begin([this] { return Describe(); });
  control_->Post([this] { engine_->Start([this](const Status& status) { OnStarted(status); }); });
  control_->Run();
  return result_;
}

void Node::OnStarted(const Status& status) {
  if (stopping_) return;  // a signal came first: not a failure, and the end is on its way
  // With a damaged registry what the store holds is served all the same.
  if (status.code() == StatusCode::kDataLoss) {
    if (registry_->is_there()) registry_->Damaged(status);
    return Serve();
  }
  if (status.ok()) return Serve();
  result_ = status;
  control_->Stop();
}

void Node::Serve() {
  if (stopping_) return;
  auto server = rpc::Server::Start(
      {*engine_, *uploads_, *keeper_, *store_, *workers_, *control_,
       [this](bool include_loopback) { return OwnAddresses(include_loopback); }, *registry_,
       *configuration_, [this] { return serve_mode_.load(); }, mirrors_.get(),
       [this](const std::string& line) { log_.Write(LogLevel::kError, line); }},
      identity_, sockets_->TakeForCalls(), rpc::PeerLimits{}, admin_group_);
  if (!server.ok()) {
    result_ = server.status();
    return control_->Stop();
  }
  server_ = *std::move(server);
  keeper_->Start();
  whereabouts_->Publish();
  ready_ = true;
  log_.Write(
      LogLevel::kNotice, engine::LogEvent::kReady,
      fmt::format("blobd {} is ready: node {}, UDP {}, socket {}", kVersion,
                  identity_.node_id.ToHex(), identity_.listen_addresses.front(), sockets_->path()));
  supervision_->Ready();
  malloc_trim(0);  // what the registry's rows took while they were read
}

void Node::BeginShutdown() {
  stopping_ = true;
  configuration_->Stop();
  log_.Write(LogLevel::kNotice, engine::LogEvent::kStopping,
             "shutting down: running transfers end or are cut, intents stay");
  registry_->Close();
  supervision_->Stopping(config().engine.drain_grace, [this] {
    return registry_->is_recovering() ? "Waiting until the registry is recovered" : "";
  });
  draining_ = 2;
  keeper_->Stop();
  engine_->Drain([this] { OnPartDrained(); });
  // Whom we serve gets no more time than what we get ourselves.
  upload_server_->Drain(std::min(kUploadGrace, config().engine.drain_grace),
                        [this] { OnPartDrained(); });
}

void Node::OnPartDrained() {
  if (--draining_ == 0) StopServing();
}

// gRPC's shutdown waits for its calls, and these need the control loop: so it happens on a thread
// of its own.
void Node::StopServing() {
  shutdown_thread_ = loop::NamedThread("shutdown", [this] {
    if (server_ != nullptr) server_->Shutdown(kRpcGrace);
    control_->Post([this] { control_->Stop(); });
  });
}

Node::~Node() {
  if (shutdown_thread_.joinable()) shutdown_thread_.join();
  if (network_thread_.joinable()) {
    network_loop_->Stop();
    network_thread_.join();
  }
  supervision_.reset();
  metrics_.reset();
  ballast_.reset();
  workers_.reset();  // runs what was posted to it; what that answers is not heard any more
  server_.reset();
  configuration_.reset();
  uploads_.reset();
  upload_server_.reset();  // before the engine, which hears of rotten blobs
  keeper_.reset();
  rate_clock_.reset();
  engine_.reset();
  whereabouts_.reset();
  network_.reset();
  mirrors_.reset();
  store_.reset();
  registry_.reset();
  sockets_.reset();
  if (signal_fd_ >= 0) {
    control_->Unwatch(signal_fd_);
    close(signal_fd_);
  }
}

}  // namespace blobd::daemon
