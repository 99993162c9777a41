#include "transfer/http_network.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "transfer/mirror_claims.h"
#include "transfer/mirror_fetches.h"
#include "transfer/mirror_session.h"
#include "transfer/url_import.h"

namespace blobd::transfer {
namespace {

constexpr Duration kBeat = seconds(1);

}  // namespace

// Everything here runs on the network loop.
class HttpNetwork::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(Deps deps, HttpNetworkOptions options, std::unique_ptr<http::Client> client)
      : deps_(deps), options_(std::move(options)), client_(std::move(client)) {}

  // Before the loop turns.
  void Start() {
    if (deps_.throttle == nullptr) return;
    deps_.throttle->OnChange([weak = weak_from_this()] {
      const auto core = weak.lock();
      if (core == nullptr || core->client_ == nullptr) return;
      const Throttle& throttle = *core->deps_.throttle;
      // As much again lies in the socket.
      core->client_->SetReceiveWindow(throttle.rate() ? throttle.window() / 2 : 0);
    });
  }

  void SetSink(MirrorNetworkSink* sink) { sink_ = sink; }

  void StartGet(TransferId id, const std::string& url, const GetOrder& order) {
    auto strand = deps_.workers.MakeStrand();
    auto end = std::make_shared<SessionEnd>(weak_from_this(), id, deps_.network_loop);
    auto session = std::make_shared<MirrorSession>(
        MirrorSession::Deps{deps_.store, strand, end, end, deps_.clock}, id, url, order,
        options_.limits);
    sessions_[id] = {session, strand, order.kind.hash, true};
    strand->Post([session] { session->Start(); });
    if (beat_timer_ == 0) ArmBeat();
  }

  void LowerLimit(TransferId id, uint64_t boundary) {
    WithSession(id, [boundary](MirrorSession& session) { session.LowerLimit(boundary); });
  }
  void StopGet(TransferId id) {
    WithSession(id, [](MirrorSession& session) { session.Stop(); });
  }

  // Origins with a number of their own keep it.
  void SetConnections(uint32_t connections) {
    http::OriginConfigs& origins = options_.client.origins;
    origins.defaults.ramp.cap = connections;
    for (auto& [origin, config] : origins.named) {
      if (!config.own_cap) config.ramp.cap = connections;
    }
    options_.lanes = connections;
    if (client_ == nullptr || !client_->SetOrigins(origins).ok()) return;
    for (const auto& [key, get] : gets_) {
      get.strand->Post([get = get.get, lanes = Lanes()] { get->SetLanes(lanes); });
    }
  }

  // The blobs of a hash sequence are wanted for the sake of its root. What the store has of those
  // that nobody is getting goes when it is collected.
  void Forget(const Hash& root) {
    for (auto& [id, session] : sessions_) {
      if (session.root == root) session.is_wanted = false;
    }
    std::vector<Hash> unwanted;
    for (auto& [hash, blob] : blobs_) {
      blob.wanted_for.erase(root);
      if (blob.wanted_for.empty() && blob.users == 0) unwanted.push_back(hash);
    }
    for (const Hash& hash : unwanted) DropBlob(blobs_.find(hash));
    if (!blobs_.contains(root)) ForgetInStore(root);
  }

  void StartImport(uint64_t number, const UrlImportOrder& order,
                   const std::shared_ptr<Executor>& strand, std::shared_ptr<UrlImportSink> sink) {
    if (client_ == nullptr) return;
    auto import = std::make_shared<UrlImport>(
        UrlImport::Deps{deps_.store, strand,
                        std::make_shared<ImportEnd>(weak_from_this(), number, deps_.network_loop),
                        std::move(sink), deps_.clock},
        order);
    // Imports are paid for by numbers of their own: those of transfers come from below.
    imports_[number] = {
        import, strand,
        std::make_unique<MirrorFetches>(*client_, deps_.network_loop, strand, import, order.url,
                                        MirrorFetches::Rate{deps_.throttle, UINT64_MAX - number})};
    strand->Post([import] { import->Start(); });
  }

  void EndImport(uint64_t number, bool is_cancelled) {
    auto node = imports_.extract(number);
    if (node.empty()) return;
    Import& ended = node.mapped();
    if (ended.retry_timer != 0) deps_.network_loop.CancelTimer(ended.retry_timer);
    // What came is paid for, unless nobody wants it any more.
    if (is_cancelled && deps_.throttle != nullptr) deps_.throttle->Release(UINT64_MAX - number);
    ended.strand->Post([import = std::move(ended.import)] { import->Stop(); });
  }

  void Shutdown() {
    for (auto& [number, import] : imports_) {
      if (import.retry_timer != 0) deps_.network_loop.CancelTimer(import.retry_timer);
    }
    imports_.clear();
    fetches_.clear();
    claims_.Clear();
    gets_.clear();
    sessions_.clear();
    blobs_.clear();
    if (beat_timer_ != 0) deps_.network_loop.CancelTimer(beat_timer_);
    client_.reset();
  }

 private:
  struct Session {
    std::shared_ptr<MirrorSession> session;  // on its strand
    std::shared_ptr<Executor> strand;
    Hash root;
    bool is_wanted = true;
    bool held_back = false;  // as was told
  };
  using GetKey = MirrorGetKey;
  struct Get {
    Hash hash;
    std::shared_ptr<MirrorGet> get;  // on the blob's strand
    std::shared_ptr<Executor> strand;
  };
  struct Blob {
    std::shared_ptr<MirrorBlob> blob;  // on its strand
    std::shared_ptr<Executor> strand;
    size_t users = 0;
    std::set<Hash> wanted_for;  // the roots of the orders it is part of
    Instant idle_since;
  };
  using Blobs = std::unordered_map<Hash, Blob>;
  struct Import {
    std::shared_ptr<UrlImport> import;  // on the strand
    std::shared_ptr<Executor> strand;
    std::unique_ptr<MirrorFetches> fetches;
    loop::TimerId retry_timer = 0;
  };

  // Calls from strands, posted to the network loop.
  class Poster {
   public:
    Poster(std::weak_ptr<Core> core, loop::Loop& loop) : core_(std::move(core)), loop_(loop) {}
    template <typename F>
    void Post(F f) {
      loop_.Post([core = core_, f = std::move(f)]() mutable {
        if (const auto alive = core.lock()) f(*alive);
      });
    }

   private:
    const std::weak_ptr<Core> core_;
    loop::Loop& loop_;
  };

  // What sees of us who gets something by fetches.
  class FetchesEnd : public MirrorPort {
   public:
    FetchesEnd(Poster poster, const GetKey& key) : poster_(std::move(poster)), key_(key) {}

    void Open(uint64_t fetch, const http::Ask& ask, std::optional<uint64_t> remaining) override {
      WithFetches(
          [fetch, ask, remaining](MirrorFetches& fetches) { fetches.Open(fetch, ask, remaining); });
    }
    void OpenSidecar(uint64_t fetch, uint64_t size) override {
      WithFetches([fetch, size](MirrorFetches& fetches) { fetches.OpenSidecar(fetch, size); });
    }
    void Consumed(uint64_t fetch, uint64_t bytes) override {
      WithFetches([fetch, bytes](MirrorFetches& fetches) { fetches.Consumed(fetch, bytes); });
    }
    void LowerEnd(uint64_t fetch, uint64_t end) override {
      WithFetches([fetch, end](MirrorFetches& fetches) { fetches.LowerEnd(fetch, end); });
    }
    void Hurry(uint64_t fetch) override {
      WithFetches([fetch](MirrorFetches& fetches) { fetches.Hurry(fetch); });
    }
    void Stop(uint64_t fetch) override {
      WithFetches([fetch](MirrorFetches& fetches) { fetches.Stop(fetch); });
    }

   protected:
    template <typename F>
    void WithFetches(F f) {
      poster_.Post([key = key_, f = std::move(f)](Core& core) {
        const auto it = core.fetches_.find(key);
        if (it != core.fetches_.end()) f(*it->second);
      });
    }
    Poster poster_;
    const GetKey key_;
  };

  // What a session sees of us.
  class SessionEnd final : public MirrorGets, public GetObserver {
   public:
    SessionEnd(std::weak_ptr<Core> core, TransferId id, loop::Loop& loop)
        : poster_(std::move(core), loop), id_(id) {}

    void GetBlob(uint64_t number, const Hash& hash, const http::Url& url,
                 const std::string& provider, uint64_t max_size,
                 const MirrorShare& share) override {
      poster_.Post([key = GetKey{id_, number}, hash, url, provider, max_size, share](Core& core) {
        core.GetBlob(key, hash, url, provider, max_size, share);
      });
    }
    void LowerBlob(uint64_t number, uint64_t group) override {
      poster_.Post([key = GetKey{id_, number}, group](Core& core) { core.LowerBlob(key, group); });
    }
    void StopBlob(uint64_t number) override {
      poster_.Post([key = GetKey{id_, number}](Core& core) { core.StopBlob(key); });
    }
    std::shared_ptr<MirrorPort> OpenFetches(uint64_t number, const Hash& hash, const http::Url& url,
                                            std::shared_ptr<MirrorReceiver> receiver) override {
      const GetKey key{id_, number};
      poster_.Post([key, hash, url, receiver = std::move(receiver)](Core& core) {
        core.OpenFetches(key, hash, url, receiver);
      });
      return std::make_shared<FetchesEnd>(poster_, key);
    }
    void CloseFetches(uint64_t number) override {
      poster_.Post([key = GetKey{id_, number}](Core& core) { core.CloseFetches(key); });
    }
    void OnProgress(TransferId id, const GetProgress& progress) override {
      poster_.Post([id, progress](Core& core) {
        core.Tell([id, progress](MirrorNetworkSink& sink) { sink.OnGetProgress(id, progress); });
      });
    }
    void OnContent(TransferId id, const GetContent& content) override {
      poster_.Post([id, content](Core& core) {
        core.Tell([id, content](MirrorNetworkSink& sink) { sink.OnGetContent(id, content); });
      });
    }
    void OnBoundary(TransferId id, uint64_t boundary) override {
      poster_.Post([id, boundary](Core& core) {
        core.Tell([id, boundary](MirrorNetworkSink& sink) { sink.OnBoundary(id, boundary); });
      });
    }
    void OnEnded(TransferId id, const GetProgress& progress, const GetEnd& end) override {
      poster_.Post([id, progress, end](Core& core) {
        core.sessions_.erase(id);
        // Who was stopped leaves nothing in the line.
        if (end.outcome == schedule::Outcome::kStopped && core.deps_.throttle != nullptr)
          core.deps_.throttle->Release(id.value);
        core.Tell(
            [id, progress, end](MirrorNetworkSink& sink) { sink.OnGetEnded(id, progress, end); });
      });
    }

   private:
    Poster poster_;
    const TransferId id_;
  };

  // What a get sees of us, and of its session.
  class GetEndpoint final : public FetchesEnd, public MirrorGetObserver {
   public:
    GetEndpoint(Poster poster, const GetKey& key, Session session)
        : FetchesEnd(std::move(poster), key), session_(std::move(session)) {}

    void OnProgress(const MirrorGetProgress& progress) override {
      session_.strand->Post([session = session_.session, number = key_.number, progress] {
        session->OnBlobProgress(number, progress);
      });
    }
    void OnBoundary(uint64_t group) override {
      session_.strand->Post([session = session_.session, number = key_.number, group] {
        session->OnBlobBoundary(number, group);
      });
    }
    // The blob is let go of first: whoever comes next must not find it when it is over.
    void OnEnded(const MirrorGetProgress& progress, const GetEnd& end, bool blob_over) override {
      poster_.Post([key = key_, session = session_, progress, end, blob_over](Core& core) {
        core.EndGet(key, blob_over);
        session.strand->Post([session = session.session, number = key.number, progress, end] {
          session->OnBlobEnded(number, progress, end);
        });
      });
    }

   private:
    const Session session_;
  };

  // What an import sees of us.
  class ImportEnd final : public UrlImportPort {
   public:
    ImportEnd(std::weak_ptr<Core> core, uint64_t number, loop::Loop& loop)
        : poster_(std::move(core), loop), number_(number) {}

    void Open(uint64_t fetch, const http::Ask& ask, Duration delay) override {
      poster_.Post([number = number_, fetch, ask, delay](Core& core) {
        core.OpenImport(number, fetch, ask, delay);
      });
    }
    void Consumed(uint64_t fetch, uint64_t bytes) override {
      poster_.Post([number = number_, fetch, bytes](Core& core) {
        const auto it = core.imports_.find(number);
        if (it != core.imports_.end()) it->second.fetches->Consumed(fetch, bytes);
      });
    }
    void Stop(uint64_t fetch) override {
      poster_.Post([number = number_, fetch](Core& core) {
        const auto it = core.imports_.find(number);
        if (it != core.imports_.end()) it->second.fetches->Stop(fetch);
      });
    }
    void Done() override {
      poster_.Post([number = number_](Core& core) { core.EndImport(number, false); });
    }

   private:
    Poster poster_;
    const uint64_t number_;
  };

  void OpenImport(uint64_t number, uint64_t fetch, const http::Ask& ask, Duration delay) {
    const auto it = imports_.find(number);
    if (it == imports_.end()) return;
    if (delay == Duration::zero()) return it->second.fetches->Open(fetch, ask, std::nullopt);
    it->second.retry_timer =
        deps_.network_loop.AddTimer(deps_.network_loop.Now() + delay, [this, number, fetch, ask] {
          Import& import = imports_.at(number);
          import.retry_timer = 0;
          import.fetches->Open(fetch, ask, std::nullopt);
        });
  }

  void GetBlob(const GetKey& key, const Hash& hash, const http::Url& url,
               const std::string& provider, uint64_t max_size, const MirrorShare& share) {
    auto get = [this, key, hash, url, provider, max_size, share] {
      StartGetOf(key, hash, url, provider, max_size, share);
    };
    if (!claims_.IsTaken(hash)) return get();
    claims_.WaitFor(hash, key, deps_.network_loop.Now(), std::move(get));
  }

  void StartGetOf(const GetKey& key, const Hash& hash, const http::Url& url,
                  const std::string& provider, uint64_t max_size, const MirrorShare& share) {
    const auto session = sessions_.find(key.transfer);
    if (session == sessions_.end()) return;
    Blob& blob = blobs_[hash];
    if (blob.blob == nullptr) {
      blob.strand = deps_.workers.MakeStrand();
      blob.blob = std::make_shared<MirrorBlob>(
          deps_.store, deps_.logs, blob.strand, hash, options_.limits.max_blob_size,
          [poster = Poster(weak_from_this(), deps_.network_loop), hash](
              const std::string& mirror, const std::string& reason) mutable {
            poster.Post([mirror, hash, reason](Core& core) {
              core.Tell([mirror, hash, reason](MirrorNetworkSink& sink) {
                sink.OnMirrorBlamed(mirror, hash, reason);
              });
            });
          },
          budgets_);
    }
    ++blob.users;
    if (session->second.is_wanted) blob.wanted_for.insert(session->second.root);
    auto end = std::make_shared<GetEndpoint>(Poster(weak_from_this(), deps_.network_loop), key,
                                             session->second);
    auto get =
        std::make_shared<MirrorGet>(MirrorGet::Deps{blob.blob, end, end, deps_.clock}, url.text(),
                                    provider, MirrorGetOptions{Lanes(), max_size}, share);
    gets_[key] = Get{hash, get, blob.strand};
    MakeFetches(key, url, get, blob.strand);
    blob.strand->Post([get] { get->Start(); });
  }

  // Of a blob that a session gets itself.
  void OpenFetches(const GetKey& key, const Hash& hash, const http::Url& url,
                   const std::shared_ptr<MirrorReceiver>& receiver) {
    const auto session = sessions_.find(key.transfer);
    if (session == sessions_.end()) return;
    const std::shared_ptr<Executor>& strand = session->second.strand;
    const auto blob = blobs_.find(hash);
    const bool is_used = blob != blobs_.end() && blob->second.users > 0;
    if (is_used || !claims_.Take(key, hash, deps_.network_loop.Now())) {
      http::FetchEnd end;
      end.kind = http::FetchEnd::Kind::kSurplus;
      return strand->Post([receiver, end] { receiver->OnFetchEnd(0, end); });
    }
    MakeFetches(key, url, receiver, strand);
  }

  void CloseFetches(const GetKey& key) {
    fetches_.erase(key);
    claims_.Release(key, deps_.network_loop.Now());
  }

  void MakeFetches(const GetKey& key, const http::Url& url,
                   const std::shared_ptr<MirrorReceiver>& receiver,
                   const std::shared_ptr<Executor>& strand) {
    fetches_[key] =
        std::make_unique<MirrorFetches>(*client_, deps_.network_loop, strand, receiver, url,
                                        MirrorFetches::Rate{deps_.throttle, key.transfer.value});
  }

  size_t Lanes() const { return std::min(options_.lanes, kMostLanes); }

  void LowerBlob(const GetKey& key, uint64_t group) {
    const auto it = gets_.find(key);
    if (it != gets_.end())
      return it->second.strand->Post([get = it->second.get, group] { get->LowerEnd(group); });
    // It begins with the share that it was given.
    if (!claims_.Waits(key)) return;
    WithSession(key.transfer, [number = key.number](MirrorSession& session) {
      session.OnBlobBoundary(number, RangeSet::kOpenEnd);
    });
  }

  void StopBlob(const GetKey& key) {
    const auto it = gets_.find(key);
    if (it == gets_.end()) return StopWaiting(key);
    it->second.strand->Post([get = it->second.get] { get->Stop(); });
  }

  void StopWaiting(const GetKey& key) {
    if (!claims_.StopWaiting(key)) return;
    WithSession(key.transfer, [number = key.number](MirrorSession& session) {
      session.OnBlobEnded(number, {}, {schedule::Outcome::kStopped, "stopped", {}});
    });
  }

  void EndGet(const GetKey& key, bool blob_over) {
    auto node = gets_.extract(key);
    if (node.empty()) return;
    fetches_.erase(key);
    node.mapped().strand->Post([get = std::move(node.mapped().get)] {});
    const auto it = blobs_.find(node.mapped().hash);
    if (it == blobs_.end() || it->second.strand != node.mapped().strand) return;
    --it->second.users;
    it->second.idle_since = deps_.network_loop.Now();
    // Other gets of it hear that themselves.
    const bool is_unwanted = it->second.users == 0 && it->second.wanted_for.empty();
    if (blob_over || is_unwanted) return DropBlob(it);
    DropIdle();
  }

  // It is destroyed on its strand, where it lets go of the disk.
  void DropBlob(Blobs::iterator it) {
    if (it->second.wanted_for.empty()) ForgetInStore(it->first);
    it->second.strand->Post([blob = std::move(it->second.blob)] {});
    blobs_.erase(it);
  }

  // From here, so that it comes before whatever the next MirrorBlob of this hash asks the store.
  void ForgetInStore(const Hash& hash) {
    if (deps_.logs != nullptr) deps_.logs->ForgetUnproven(hash);
  }

  // Idle ones that are too old, or too many.
  void DropIdle() {
    const Instant now = deps_.network_loop.Now();
    std::set<std::pair<Instant, Hash>> idle;
    for (const auto& [hash, blob] : blobs_) {
      if (blob.users == 0) idle.emplace(blob.idle_since, hash);
    }
    for (; !idle.empty(); idle.erase(idle.begin())) {
      const auto& [since, hash] = *idle.begin();
      if (idle.size() <= kMostIdle && now - since < kIdleFor) return;
      DropBlob(blobs_.find(hash));
    }
  }

  template <typename F>
  void WithSession(TransferId id, F f) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    it->second.strand->Post([session = it->second.session, f] { f(*session); });
  }

  template <typename F>
  void Tell(F f) {
    deps_.control.Post([sink = sink_, f = std::move(f)]() mutable { f(*sink); });
  }

  void TellHeldBack(TransferId id, bool& told) {
    const bool now = deps_.throttle != nullptr && deps_.throttle->HoldsBack(id.value);
    if (std::exchange(told, now) == now) return;
    Tell([id, now](MirrorNetworkSink& sink) { sink.OnGetHeldBack(id, now); });
  }

  void ArmBeat() {
    beat_timer_ = deps_.network_loop.AddTimer(deps_.network_loop.Now() + kBeat, [this] {
      beat_timer_ = 0;
      for (const auto& [key, get] : gets_) get.strand->Post([get = get.get] { get->Beat(); });
      for (auto& [id, session] : sessions_) TellHeldBack(id, session.held_back);
      claims_.Beat(deps_.network_loop.Now());
      DropIdle();
      if (!sessions_.empty() || !blobs_.empty()) ArmBeat();
    });
  }

  const Deps deps_;
  HttpNetworkOptions options_;
  std::unique_ptr<http::Client> client_;
  MirrorNetworkSink* sink_ = nullptr;
  const MirrorBudgets budgets_ = {std::make_shared<MemoryBudget>(options_.pairs_memory),
                                  std::make_shared<MemoryBudget>(options_.values_memory)};
  std::map<TransferId, Session> sessions_;
  std::map<GetKey, Get> gets_;
  std::map<GetKey, std::unique_ptr<MirrorFetches>> fetches_;  // of gets, and of sessions themselves
  Blobs blobs_;
  MirrorClaims claims_;
  std::map<uint64_t, Import> imports_;
  loop::TimerId beat_timer_ = 0;
};  // namespace blobd::transfer

StatusOr<std::unique_ptr<HttpNetwork>> HttpNetwork::Create(Deps deps, HttpNetworkOptions options) {
  BLOBD_ASSIGN_OR_RETURN(auto client, http::Client::Create(deps.network_loop, options.client));
  auto core = std::make_shared<Core>(deps, std::move(options), std::move(client));
  return std::unique_ptr<HttpNetwork>(new HttpNetwork(deps.network_loop, std::move(core)));
}

HttpNetwork::HttpNetwork(loop::Loop& network_loop, std::shared_ptr<Core> core)
    : network_loop_(network_loop), core_(std::move(core)) {
  core_->Start();
}

HttpNetwork::~HttpNetwork() { core_->Shutdown(); }

void HttpNetwork::SetSink(MirrorNetworkSink* sink) { core_->SetSink(sink); }

void HttpNetwork::StartGet(TransferId id, const std::string& url, const GetOrder& order) {
  network_loop_.Post([core = core_, id, url, order] { core->StartGet(id, url, order); });
}

void HttpNetwork::LowerLimit(TransferId id, uint64_t boundary) {
  network_loop_.Post([core = core_, id, boundary] { core->LowerLimit(id, boundary); });
}

void HttpNetwork::StopGet(TransferId id) {
  network_loop_.Post([core = core_, id] { core->StopGet(id); });
}

std::unique_ptr<UrlImportJob> HttpNetwork::ImportUrl(const UrlImportOrder& order,
                                                     std::shared_ptr<Executor> strand,
                                                     std::shared_ptr<UrlImportSink> sink) {
  class Job final : public UrlImportJob {
   public:
    Job(loop::Loop& loop, std::weak_ptr<Core> core, uint64_t number)
        : loop_(loop), core_(std::move(core)), number_(number) {}
    ~Job() override {
      if (core_.expired()) return;
      loop_.Post([core = core_, number = number_] {
        if (const auto alive = core.lock()) alive->EndImport(number, true);
      });
    }

   private:
    loop::Loop& loop_;
    const std::weak_ptr<Core> core_;
    const uint64_t number_;
  };
  const uint64_t number = ++imports_;
  network_loop_.Post(
      [core = core_, number, order, strand = std::move(strand), sink = std::move(sink)]() mutable {
        core->StartImport(number, order, strand, std::move(sink));
      });
  return std::make_unique<Job>(network_loop_, core_, number);
}

void HttpNetwork::SetConnections(uint32_t connections) {
  network_loop_.Post([core = core_, connections] { core->SetConnections(connections); });
}

void HttpNetwork::Forget(const Hash& hash) {
  network_loop_.Post([core = core_, hash] { core->Forget(hash); });
}

}  // namespace blobd::transfer
