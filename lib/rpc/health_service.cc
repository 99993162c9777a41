#include "rpc/health_service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error_reason.h"
#include "base/utf8.h"

namespace blobd::rpc {
namespace {

using health::HealthCheckResponse;
using Serving = HealthCheckResponse::ServingStatus;

// Whoever watches, as the board sees it. Control loop.
class HealthWatcher {
 public:
  virtual ~HealthWatcher() = default;
  virtual void OnReady(bool ready) = 0;
};

}  // namespace

Serving HealthOf(std::string_view service, bool ready) {
  constexpr std::array<std::string_view, 4> kWithoutIntents = {"blobd.v1.Blobs", "blobd.v1.Remotes",
                                                               "blobd.v1.Tags", "blobd.v1.Admin"};
  if (service.empty() || service == "blobd.v1.Downloads") {
    return ready ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  }
  const bool is_known =
      std::find(kWithoutIntents.begin(), kWithoutIntents.end(), service) != kWithoutIntents.end();
  return is_known ? HealthCheckResponse::SERVING : HealthCheckResponse::SERVICE_UNKNOWN;
}

class HealthBoard {
 public:
  explicit HealthBoard(engine::Engine& engine) : engine_(engine) {}

  bool ready() const { return engine_.Ready().ok(); }
  void Add(const std::shared_ptr<HealthWatcher>& watcher) {
    watchers_.insert(watcher);
    watcher->OnReady(ready());
  }
  void Remove(const std::shared_ptr<HealthWatcher>& watcher) { watchers_.erase(watcher); }
  void Tell() {
    for (const auto& watcher : watchers_) watcher->OnReady(ready());
  }

 private:
  engine::Engine& engine_;
  std::set<std::shared_ptr<HealthWatcher>> watchers_;
};

namespace {

// One Watch call. Holds the newest state only, so a slow reader costs nothing.
class HealthWatchReactor final : public Reactor<grpc::ServerWriteReactor<HealthCheckResponse>> {
 public:
  HealthWatchReactor(const ServiceContext& context, std::shared_ptr<HealthBoard> board,
                     std::string service)
      : context_(context),
        board_(std::move(board)),
        watcher_(std::make_shared<Watcher>(this)),
        service_(std::move(service)) {}

  void Begin(const Status& caller) {
    TakeOver();
    const MutexLock lock(mutex_);
    if (!caller.ok()) return FinishOnce(caller);
    if (!context_.commands.Post(is_admin(),
                                [board = board_, watcher = watcher_] { board->Add(watcher); }))
      FinishOnce(TooManyCommands());
  }
  void OnWriteDone(bool ok) override {
    TakeOver();
    const MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) return FinishOnce(CallerIsGone());
    Advance();
  }
  void OnCancel() override {
    TakeOver();
    const MutexLock lock(mutex_);
    FinishOnce(CallerIsGone());
  }

 private:
  // What the board holds; it may outlive the call.
  class Watcher final : public HealthWatcher {
   public:
    explicit Watcher(HealthWatchReactor* reactor) : reactor_(reactor) {}
    void OnReady(bool ready) override {
      const MutexLock lock(mutex_);
      if (reactor_ != nullptr) reactor_->Show(ready);
    }
    void Detach() {
      const MutexLock lock(mutex_);
      reactor_ = nullptr;
    }

   private:
    Mutex mutex_;
    HealthWatchReactor* reactor_ ABSL_GUARDED_BY(mutex_);  // null once the call has ended
  };

  void Show(bool ready) {
    const MutexLock lock(mutex_);
    newest_ = HealthOf(service_, ready);
    Advance();
  }
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || !newest_ || newest_ == told_) return;
    told_ = newest_;
    sending_.set_status(*newest_);
    writing_ = true;
    Write(&sending_);
  }
  void FinishOnce(const Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(finished_, true)) End(status);
  }
  void Gone() override {
    { const MutexLock lock(mutex_); }  // whoever ended the call has let go
    watcher_->Detach();
    context_.commands.PostAlways([board = board_, watcher = watcher_] { board->Remove(watcher); });
    delete this;
  }

  const ServiceContext& context_;
  const std::shared_ptr<HealthBoard> board_;
  const std::shared_ptr<Watcher> watcher_;
  const std::string service_;
  Mutex mutex_;
  std::optional<Serving> newest_ ABSL_GUARDED_BY(mutex_);
  std::optional<Serving> told_ ABSL_GUARDED_BY(mutex_);
  HealthCheckResponse sending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

HealthService::HealthService(const ServiceContext& context)
    : context_(context), board_(std::make_shared<HealthBoard>(context.engine)) {
  context_.commands.PostAlways([&engine = context.engine, board = board_] {
    engine.SetOnReadiness([weak = std::weak_ptr(board)] {
      if (const auto there = weak.lock()) there->Tell();
    });
  });
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* call,
                                               const health::HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Authorize(*call, Method::kHealthCheck, reactor); !caller.ok())
    return Refuse(reactor, caller.status());
  if (HealthOf(request->service(), true) == HealthCheckResponse::SERVICE_UNKNOWN) {
    return Refuse(reactor, ErrorFor(Reason::kUnknownService, "there is no service \"{}\"",
                                    ShortText(request->service(), 80)));
  }
  context_.OnControl(reactor, [reactor, response, board = board_, service = request->service()] {
    response->set_status(HealthOf(service, board->ready()));
    reactor->End(OkStatus());
  });
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* call, const health::HealthCheckRequest* request) {
  auto* reactor = new HealthWatchReactor(context_, board_, ShortText(request->service(), 80));
  const auto caller = context_.Admit(*call, Method::kHealthWatch, reactor, kWatchWeight);
  reactor->Begin(caller.status());
  return reactor;
}

}  // namespace blobd::rpc
