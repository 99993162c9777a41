// ReportReactor: a call that asks for long work and is told how it goes. What changes while a
// message is on its way is gathered into the next one, so a slow reader costs one message and slows
// nobody; what was appended is sent in order behind that.
//
// Thread: gRPC's threads and the control loop; Report's lock guards all state. The reactor deletes
//         itself when the call is over, the report lives as long as anybody holds it.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "engine/collector.h"
#include "rpc/context.h"

namespace blobd::rpc {

// What the work has at hand, from its beginning to its end, whether the call still lives or not.
template <typename Response>
class Report {
 public:
  using Stream = Reactor<grpc::ServerWriteReactor<Response>>;
  explicit Report(Stream* stream) : stream_(stream) {}

  // `change` gets the message that will be sent next.
  template <typename F>
  void Update(F change) {
    const MutexLock lock(mutex_);
    if (!newest_) newest_.emplace();
    change(*newest_);
    Advance();
  }
  void Append(Response response) {
    const MutexLock lock(mutex_);
    appended_.push_back(std::move(response));
    Advance();
  }
  void End(const Status& status) {
    const MutexLock lock(mutex_);
    end_ = status;
    Advance();
  }
  // Control loop. The work is cancelled when the call ends before it. It holds this report, so it
  // is held weakly.
  void SetJob(const std::shared_ptr<engine::KeeperJob>& job) {
    job_ = job;
    if (is_gone()) CancelJob();
  }
  void CancelJob() {
    if (const auto job = job_.lock()) job->Cancel();
  }

  // The reactor's events.
  void OnWriteDone(bool ok) {
    const MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) return Finish(CallerIsGone());
    Advance();
  }
  void OnCancel() {
    const MutexLock lock(mutex_);
    Finish(CallerIsGone());
  }
  void Detach() {
    const MutexLock lock(mutex_);
    stream_ = nullptr;
  }

 private:
  bool is_gone() {
    const MutexLock lock(mutex_);
    return stream_ == nullptr || finished_;
  }
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || stream_ == nullptr) return;
    if (newest_) {
      sending_ = *std::exchange(newest_, std::nullopt);
    } else if (!appended_.empty()) {
      sending_ = std::move(appended_.front());
      appended_.pop_front();
    } else {
      if (end_) Finish(*end_);
      return;
    }
    writing_ = true;
    stream_->StartWrite(&sending_);
  }
  void Finish(const Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (stream_ == nullptr || std::exchange(finished_, true)) return;
    stream_->End(status);
  }

  Mutex mutex_;
  Stream* stream_ ABSL_GUARDED_BY(mutex_);  // null once the call is over
  std::optional<Response> newest_ ABSL_GUARDED_BY(mutex_);
  std::deque<Response> appended_ ABSL_GUARDED_BY(mutex_);
  Response sending_ ABSL_GUARDED_BY(mutex_);
  std::optional<Status> end_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::weak_ptr<engine::KeeperJob> job_;  // control loop
};

template <typename Response>
class ReportReactor final : public Reactor<grpc::ServerWriteReactor<Response>> {
 public:
  explicit ReportReactor(const ServiceContext& context)
      : context_(context), report_(std::make_shared<Report<Response>>(this)) {}

  const std::shared_ptr<Report<Response>>& report() const { return report_; }

  // Runs `work` with the report on the control loop, or ends the call with the caller's error.
  template <typename F>
  void Begin(const Status& caller, F work) {
    this->TakeOver();  // what was made on this thread is seen by the events
    Status status = caller;
    if (status.ok() && !context_.commands.Post(
                           this->is_admin(), [report = report_, work = std::move(work)]() mutable {
                             work(report);
                           })) {
      status = TooManyCommands();
    }
    if (!status.ok()) report_->End(status);
  }

  void OnWriteDone(bool ok) override {
    this->TakeOver();
    report_->OnWriteDone(ok);
  }
  void OnCancel() override {
    this->TakeOver();
    report_->OnCancel();
  }

 private:
  void Gone() override {
    report_->Detach();
    context_.commands.PostAlways([report = std::move(report_)] { report->CancelJob(); });
    delete this;
  }

  const ServiceContext& context_;
  std::shared_ptr<Report<Response>> report_;
};

}  // namespace blobd::rpc
