#include "engine/collector.h"

#include <utility>

namespace blobd::engine {
namespace {

constexpr size_t kPage = 1000;
// Judged in one turn of the loop, and removed together.
constexpr size_t kBatch = 128;
constexpr Duration kWaitStep = milliseconds(100);
constexpr Duration kMaxWait = seconds(60);

}  // namespace

Collector::Collector(Deps deps, GcRequest request, std::function<void(const GcReport&)> progress,
                     UniqueFunction<void(const Status&, GcReport)> done)
    : deps_(std::move(deps)),
      request_(request),
      progress_(std::move(progress)),
      done_(std::move(done)) {}

void Collector::Start() {
  deps_.gathering->Start(
      [self = shared_from_this()](const Status& status) { self->OnGathered(status); });
}

void Collector::End(const Status& status) {
  progress_ = nullptr;
  std::exchange(done_, nullptr)(status, std::move(report_));
}

void Collector::OnGathered(const Status& status) {
  if (!status.ok()) return End(status);
  deps_.store.Stats(
      deps_.control, [self = shared_from_this()](const StatusOr<store::StoreStats>& stats) {
        if (!stats.ok()) return self->End(stats.status());
        self->plan_.emplace(stats->complete_bytes + stats->partial_bytes, self->request_.to_bytes,
                            self->deps_.gathering->protection());
        self->NextPage();
      });
}

void Collector::NextPage() {
  if (plan_->satisfied()) return End(OkStatus());
  deps_.store.ListByUse(cursor_, kPage, deps_.control,
                        [self = shared_from_this()](StatusOr<std::vector<store::BlobUse>> page) {
                          self->OnPage(std::move(page));
                        });
}

void Collector::OnPage(StatusOr<std::vector<store::BlobUse>> page) {
  if (!page.ok()) return End(page.status());
  if (page->empty()) return End(OkStatus());
  page_ = *std::move(page);
  next_ = 0;
  cursor_ = page_.back().cursor();
  NextBatch();
}

void Collector::NextBatch() {
  if (cancelled_) return End(Cancelled("stopped"));
  if (plan_->satisfied()) return End(OkStatus());
  if (next_ == page_.size()) return NextPage();
  deps_.gathering->Update([self = shared_from_this()](const Status& status) {
    if (!status.ok()) return self->End(status);
    if (!self->deps_.gathering->must_wait() || self->waited_ >= kMaxWait) return self->JudgeBatch();
    self->waited_ += kWaitStep;
    self->deps_.timers.AddTimer(self->deps_.timers.Now() + kWaitStep,
                                [self] { self->NextBatch(); });
  });
}

void Collector::JudgeBatch() {
  removals_ = 1;  // this turn itself
  for (size_t i = 0; i < kBatch && next_ < page_.size() && !plan_->satisfied(); ++i) {
    const store::BlobUse& blob = page_[next_++];
    ++report_.seen_blobs;
    Keeping keeping;
    if (deps_.is_being_added(blob)) {
      keeping.because = KeptBecause::kLeased;
    } else {
      keeping = plan_->Judge(blob, deps_.gathering->IsWanted(blob.hash));
    }
    if (keeping.because == KeptBecause::kNothing) {
      Remove(blob, std::move(keeping));
    } else {
      Keep(blob, std::move(keeping));
    }
  }
  OnBatchDone();
}

void Collector::Keep(const store::BlobUse& blob, Keeping keeping) {
  ++report_.kept_blobs;
  report_.kept_bytes += GcPlan::BytesOf(blob);
  if (report_.kept.size() < request_.max_listed) {
    report_.kept.push_back({blob, std::move(keeping)});
  }
}

void Collector::Remove(const store::BlobUse& blob, Keeping keeping) {
  ++report_.removed_blobs;
  report_.removed_bytes += GcPlan::BytesOf(blob);
  if (report_.removed.size() < request_.max_listed) {
    report_.removed.push_back({blob, std::move(keeping)});
  }
  if (request_.dry_run) return;
  ++removals_;
  deps_.store.Remove(blob.hash, deps_.control,
                     [self = shared_from_this(), blob](const StatusOr<uint64_t>& freed) {
                       self->OnRemoved(blob, freed.status());
                       self->OnBatchDone();
                     });
}

void Collector::OnRemoved(const store::BlobUse& blob, const Status& status) {
  // It may have gone by itself: withdrawn, or never more than a row.
  if (status.ok() || status.code() == StatusCode::kNotFound) return;
  plan_->Stays(blob);
  --report_.removed_blobs;
  report_.removed_bytes -= GcPlan::BytesOf(blob);
  std::erase_if(report_.removed, [&](const GcVerdict& v) { return v.blob.hash == blob.hash; });
  Keep(blob, {.because = KeptBecause::kWanted});
  // Somebody began to write it meanwhile: it is wanted. Anything else ends the run.
  if (status.code() != StatusCode::kFailedPrecondition) failure_ = status;
}

void Collector::OnBatchDone() {
  if (--removals_ > 0) return;
  if (progress_) progress_(report_);
  if (!failure_.ok()) return End(failure_);
  // Another turn: other work of the loop comes between two batches.
  deps_.control.Post([self = shared_from_this()] { self->NextBatch(); });
}

}  // namespace blobd::engine
