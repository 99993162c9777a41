#include "http/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/receive_budget.h"
#include "http/fetch.h"
#include "http/multi.h"
#include "http/rate.h"

namespace blobd::http {
namespace {

constexpr Duration kTick = milliseconds(500);
// Origins that are remembered without a fetch: first those go of which nothing is known.
constexpr size_t kOriginsKept = 1024;

Status CheckConfigs(const OriginConfigs& configs) {
  BLOBD_RETURN_IF_ERROR(CheckConfig(configs.defaults));
  for (const auto& [origin, config] : configs.named) {
    if (const Status status = CheckConfig(config); !status.ok()) {
      return Annotate(status, origin.ToString());
    }
  }
  return OkStatus();
}

// As good as it goes: a socket with another buffer works too. 0: what the kernel finds right, which
// it does not look for where a size was set once.
void SetReceiveBuffer(int fd, uint64_t bytes) {
  if (bytes == 0) {
    const int kernels = 0;
    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &kernels, sizeof kernels);
    return;
  }
  const int size = static_cast<int>(std::min<uint64_t>(bytes, 1 << 30));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

struct OriginState {
  OriginState(const RampOptions& options, uint64_t seed) : ramp(options, seed) {}
  bool has_waiting() const { return !waiting.empty() || !patient.empty(); }
  bool empty() const { return !has_waiting() && running.empty(); }
  void Wait(const Fetch& fetch) {
    const auto& remaining = fetch.options().remaining;
    if (remaining) {
      patient.emplace(UINT64_MAX - *remaining, fetch.id());
    } else {
      waiting.insert(fetch.id());
    }
  }
  void EndWait(const Fetch& fetch) {
    const auto& remaining = fetch.options().remaining;
    if (remaining) {
      patient.erase({UINT64_MAX - *remaining, fetch.id()});
    } else {
      waiting.erase(fetch.id());
    }
  }

  Ramp ramp;
  Rate rate;
  std::set<FetchId> waiting;  // the oldest has the least id
  // Further connections for work that has one, what has the most left first: if that is not worth
  // it, none is.
  std::set<std::pair<uint64_t, FetchId>> patient;
  std::set<FetchId> running;  // the youngest has the greatest id
};

class RealClient final : public Client, public FetchOwner {
 public:
  RealClient(loop::Loop& loop, ClientOptions options)
      : loop_(loop), options_(std::move(options)), budget_(options_.receive_budget) {}
  ~RealClient() override;

  FetchId Start(const Url& url, const Ask& ask, const FetchOptions& options,
                FetchReceiver* receiver) override;
  void Consumed(FetchId id, uint64_t bytes) override;
  std::optional<uint64_t> LowerEnd(FetchId id, uint64_t end) override;
  void Hurry(FetchId id) override;
  void Stop(FetchId id) override;
  Status SetOrigins(OriginConfigs origins) override;
  void SetReceiveWindow(uint64_t bytes) override;
  OriginView ViewOf(const Origin& origin) override;
  size_t fetches() const override { return fetches_.size(); }

 private:
  // FetchOwner
  Instant Now() const override { return loop_.Now(); }
  Multi& multi() override { return multi_; }
  const ClientOptions& options() const override { return options_; }
  void OnDelivered(Fetch& fetch) override;
  void OnReceived(Fetch& fetch, uint64_t bytes) override;
  void WantsWork(Fetch& fetch) override;
  void OnSocketOpened(int fd) override;
  void OnSocketClosed(int fd) override { sockets_.erase(fd); }

  Fetch* Find(FetchId id);
  OriginState& StateOf(const Origin& origin);
  void ForgetOrigins();
  // Runs Pump at the end of this turn.
  void Schedule();
  void Pump();
  void Retire(FetchId id);
  void OpenWhatMay(OriginState& state);
  Fetch* NextToOpen(OriginState& state);
  void EndSurplus(OriginState& state);
  void Arm(Instant at);
  void Tick();

  loop::Loop& loop_;
  ClientOptions options_;
  std::set<int> sockets_;  // of connections, idle ones too; before multi_, which closes them
  ReceiveBudget budget_;
  Multi multi_{loop_, [](CURL* easy, CURLcode code) {
                 char* fetch = nullptr;
                 curl_easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
                 reinterpret_cast<Fetch*>(fetch)->OnDone(code);
               }};
  uint64_t next_id_ = 1;
  uint64_t origins_made_ = 0;
  std::map<Origin, OriginState> origins_;
  std::map<FetchId, std::unique_ptr<Fetch>> fetches_;
  std::set<FetchId> work_;  // fetches that want Work
  bool scheduled_ = false;
  std::optional<TimerId> timer_;
  Instant timer_at_ = Instant::Max();
  Instant next_tick_ = Instant::Max();  // Max: nothing is there to be looked at
  // Set to false when the client goes, for what still waits for the end of the turn.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

RealClient::~RealClient() {
  *alive_ = false;
  if (timer_) loop_.CancelTimer(*timer_);
  fetches_.clear();  // before the multi handle, which they are on
}

Fetch* RealClient::Find(FetchId id) {
  const auto found = fetches_.find(id);
  return found == fetches_.end() ? nullptr : found->second.get();
}

OriginState& RealClient::StateOf(const Origin& origin) {
  const auto found = origins_.find(origin);
  if (found != origins_.end()) return found->second;
  if (origins_.size() >= kOriginsKept) ForgetOrigins();
  const uint64_t seed = options_.seed + origins_made_++;
  return origins_.try_emplace(origin, options_.origins.For(origin).ramp, seed).first->second;
}

void RealClient::ForgetOrigins() {
  for (const bool also_known : {false, true}) {
    for (auto at = origins_.begin(); at != origins_.end();) {
      OriginState& state = at->second;
      const bool goes = state.empty() && (also_known || state.ramp.IsFresh(loop_.Now()));
      at = goes ? origins_.erase(at) : std::next(at);
    }
    if (origins_.size() < kOriginsKept) return;
  }
}

FetchId RealClient::Start(const Url& url, const Ask& ask, const FetchOptions& options,
                          FetchReceiver* receiver) {
  const FetchId id{next_id_++};
  Status started = multi_.Start();
  if (fetches_.size() >= options_.max_fetches)
    started = ResourceExhausted("too many fetches at once");
  Fetch& fetch =
      *fetches_.emplace(id, std::make_unique<Fetch>(*this, id, url, ask, options, receiver))
           .first->second;
  // It is there until its receiver has heard that, and can be stopped until then.
  started.ok() ? StateOf(url.origin()).Wait(fetch) : fetch.Refuse(Message(started));
  Schedule();
  return id;
}

void RealClient::Consumed(FetchId id, uint64_t bytes) {
  if (Fetch* fetch = Find(id)) fetch->Consumed(bytes);
}

void RealClient::Hurry(FetchId id) {
  Fetch* fetch = Find(id);
  if (fetch == nullptr || fetch->over() || !fetch->options().remaining) return;
  OriginState& state = StateOf(fetch->origin());
  const bool is_waiting = state.running.count(id) == 0;
  if (is_waiting) state.EndWait(*fetch);
  fetch->Hurry();
  if (is_waiting) state.Wait(*fetch);
  Schedule();
}

std::optional<uint64_t> RealClient::LowerEnd(FetchId id, uint64_t end) {
  Fetch* fetch = Find(id);
  return fetch == nullptr ? std::nullopt : fetch->LowerEnd(end);
}

void RealClient::Stop(FetchId id) {
  if (Fetch* fetch = Find(id)) fetch->Detach();
}

Status RealClient::SetOrigins(OriginConfigs origins) {
  BLOBD_RETURN_IF_ERROR(CheckConfigs(origins));
  options_.origins = std::move(origins);
  for (auto& [origin, state] : origins_) {
    state.ramp.SetOptions(options_.origins.For(origin).ramp);
  }
  Schedule();
  return OkStatus();
}

void RealClient::SetReceiveWindow(uint64_t bytes) {
  options_.receive_window = bytes;
  for (const int fd : sockets_) SetReceiveBuffer(fd, bytes);
  for (const auto& [id, fetch] : fetches_) fetch->OnWindowChanged();
}

OriginView RealClient::ViewOf(const Origin& origin) {
  const auto found = origins_.find(origin);
  OriginView view;
  if (found == origins_.end()) {
    view.cap = options_.origins.For(origin).ramp.cap;
    return view;
  }
  OriginState& state = found->second;
  view.running = static_cast<uint32_t>(state.running.size());
  view.waiting = static_cast<uint32_t>(state.waiting.size() + state.patient.size());
  view.cap = state.ramp.cap(loop_.Now());
  view.bytes_per_second = state.rate.PerSecond(loop_.Now());
  view.first_byte = state.ramp.first_byte();
  return view;
}

void RealClient::OnDelivered(Fetch& fetch) {
  StateOf(fetch.origin()).ramp.OnDelivered(Now(), Now() - fetch.opened());
  Schedule();
}

void RealClient::OnReceived(Fetch& fetch, uint64_t bytes) {
  StateOf(fetch.origin()).rate.Add(Now(), bytes);
}

void RealClient::OnSocketOpened(int fd) {
  sockets_.insert(fd);
  if (options_.receive_window != 0) SetReceiveBuffer(fd, options_.receive_window);
}

void RealClient::WantsWork(Fetch& fetch) {
  work_.insert(fetch.id());
  Schedule();
}

void RealClient::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  loop_.AtTurnEnd([this, alive = alive_] {
    if (*alive) Pump();
  });
}

void RealClient::Pump() {
  scheduled_ = false;
  // What receivers ask for from here on schedules the next turn's.
  for (const FetchId id : std::exchange(work_, {})) {
    Fetch* fetch = Find(id);
    if (fetch == nullptr) continue;
    fetch->Work();
    if (fetch->over()) Retire(id);
  }
  Instant next = Instant::Max();
  for (auto& [origin, state] : origins_) {
    EndSurplus(state);
    OpenWhatMay(state);
    if (!state.has_waiting()) continue;
    // One that may open and does not is not worth it yet: that is looked at with every tick.
    const auto at = state.ramp.NextOpening(Now());
    if (at && *at > Now()) next = std::min(next, *at);
  }
  if (fetches_.empty()) {
    next_tick_ = Instant::Max();
  } else {
    if (next_tick_ == Instant::Max()) next_tick_ = Now() + kTick;
    next = std::min(next, next_tick_);
  }
  Arm(next);
}

// The fetch is over: its slot is free, and its receiver hears the end.
void RealClient::Retire(FetchId id) {
  auto node = fetches_.extract(id);
  Fetch& fetch = *node.mapped();
  budget_.Release(fetch.window());
  OriginState& state = StateOf(fetch.origin());
  if (state.running.erase(id) > 0) {
    state.ramp.OnClosed(Now(), fetch.delivered(), fetch.ended_by_us());
  } else {
    state.EndWait(fetch);
  }
  fetch.TellEnd();
}

void RealClient::OpenWhatMay(OriginState& state) {
  while (state.has_waiting() && state.ramp.MayOpen(Now())) {
    Fetch* const fetch = NextToOpen(state);
    if (fetch == nullptr) return;
    state.EndWait(*fetch);
    state.running.insert(fetch->id());
    state.ramp.OnOpened(Now());
    fetch->Open(options_.origins.For(fetch->origin()), budget_.Lease(fetch->options().window));
  }
}

// The first in order, and then those for which a further connection is worth it. What was ended
// meanwhile goes in the next turn.
Fetch* RealClient::NextToOpen(OriginState& state) {
  for (const FetchId id : state.waiting) {
    if (Fetch* fetch = Find(id); !fetch->over()) return fetch;
  }
  for (const auto& [order, id] : state.patient) {
    Fetch* fetch = Find(id);
    if (fetch->over()) continue;
    const uint64_t remaining = *fetch->options().remaining;
    const bool is_worth = state.ramp.IsWorthIt(Now(), remaining, state.rate.PerSecond(Now()));
    return is_worth ? fetch : nullptr;
  }
  return nullptr;
}

void RealClient::EndSurplus(OriginState& state) {
  uint32_t surplus = state.ramp.surplus(Now());
  for (auto at = state.running.rbegin(); at != state.running.rend() && surplus > 0; ++at) {
    Fetch* fetch = Find(*at);
    if (!fetch->over()) fetch->EndAsSurplus();  // over, it goes in the next turn anyhow
    --surplus;
  }
}

void RealClient::Arm(Instant at) {
  if (timer_ && timer_at_ == at) return;
  if (timer_) loop_.CancelTimer(*timer_);
  timer_.reset();
  timer_at_ = at;
  if (at == Instant::Max()) return;
  timer_ = loop_.AddTimer(at, [this] {
    timer_.reset();
    Tick();
  });
}

void RealClient::Tick() {
  if (Now() >= next_tick_) {
    next_tick_ = Now() + kTick;
    for (const auto& [id, fetch] : fetches_) {
      fetch->CheckSilence();
      // Others may have gone.
      const uint64_t wanted = fetch->options().window;
      if (fetch->running() && fetch->window() < wanted)
        fetch->Widen(budget_.Grow(fetch->window(), wanted));
    }
  }
  Schedule();
}

}  // namespace

StatusOr<std::unique_ptr<Client>> Client::Create(loop::Loop& loop, ClientOptions options) {
  BLOBD_RETURN_IF_ERROR(CheckConfigs(options.origins));
  return std::make_unique<RealClient>(loop, std::move(options));
}

}  // namespace blobd::http
