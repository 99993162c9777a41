#include "engine/verifier.h"

#include <fmt/format.h>

#include <utility>

namespace blobd::engine {
namespace {

constexpr size_t kPage = 1000;

}  // namespace

Verifier::Verifier(Deps deps, std::vector<Hash> hashes, Listener listener)
    : deps_(std::move(deps)),
      all_(hashes.empty()),
      page_(std::move(hashes)),
      listener_(std::move(listener)) {}

void Verifier::Start() {
  if (!all_) return SizeUp(0);
  deps_.store.Stats(deps_.control,
                    [self = shared_from_this()](const StatusOr<store::StoreStats>& stats) {
                      if (!stats.ok()) return self->End(stats.status());
                      self->report_.total_bytes = stats->complete_bytes + stats->partial_bytes;
                      self->NextPage();
                    });
}

void Verifier::Cancel() {
  cancelled_ = true;
  job_.reset();  // it answers with kCancelled
}

void Verifier::End(const Status& status) { std::exchange(listener_, {}).done(status, report_); }

// How much there is to read of those named.
void Verifier::SizeUp(size_t next) {
  if (next == page_.size()) return NextBlob();
  deps_.store.Lookup(page_[next], deps_.control,
                     [self = shared_from_this(), next](const StatusOr<store::BlobInfo>& info) {
                       if (!info.ok()) return self->End(info.status());
                       self->report_.total_bytes += info->verified_bytes;
                       self->SizeUp(next + 1);
                     });
}

void Verifier::NextPage() {
  if (!all_) return End(OkStatus());
  deps_.store.List(
      last_, kPage, deps_.control,
      [self = shared_from_this()](const StatusOr<std::vector<store::BlobInfo>>& blobs) {
        if (!blobs.ok()) return self->End(blobs.status());
        if (blobs->empty()) return self->End(OkStatus());
        self->page_.clear();
        self->page_private_.clear();
        self->next_ = 0;
        for (const store::BlobInfo& blob : *blobs) {
          self->page_.push_back(blob.hash);
          self->page_private_.push_back(blob.is_private);
        }
        self->last_ = self->page_.back();
        self->NextBlob();
      });
}

void Verifier::NextBlob() {
  if (cancelled_) return End(Cancelled("stopped"));
  if (next_ == page_.size()) return NextPage();
  job_ = deps_.store.Verify(
      page_[next_], deps_.control,
      [self = shared_from_this(), index = next_](uint64_t bytes) {
        if (index != self->next_ || self->cancelled_) return;  // of a blob that is done
        self->report_.bytes = self->bytes_before_ + bytes;
        self->listener_.progress(self->report_);
      },
      [self = shared_from_this()](const StatusOr<store::Verified>& verified) {
        self->OnVerified(verified);
      });
}

void Verifier::OnVerified(const StatusOr<store::Verified>& verified) {
  job_.reset();
  if (cancelled_) return End(Cancelled("stopped"));
  VerifyFinding finding;
  finding.hash = page_[next_];
  finding.is_private = all_ && page_private_[next_];
  ++next_;
  ++report_.blobs;
  if (!verified.ok()) {
    report_.bytes = bytes_before_;
    const bool absent = verified.status().code() == StatusCode::kNotFound;
    // One of all that has gone meanwhile is nobody's loss.
    if (absent && all_) return NextBlob();
    finding.result = absent ? VerifyFinding::Result::kAbsent : VerifyFinding::Result::kUnreadable;
    finding.reason = absent ? "nothing of it is here" : Message(verified.status());
    Find(std::move(finding));
    return NextBlob();
  }
  bytes_before_ = report_.bytes = bytes_before_ + verified->checked_bytes;
  listener_.progress(report_);
  if (verified->rotten.empty()) return NextBlob();
  finding.rotten_groups = verified->rotten.Count();
  const Hash hash = finding.hash;
  deps_.repair(hash, verified->rotten,
               [self = shared_from_this(),
                finding = std::move(finding)](const StatusOr<IntentId>& repair) mutable {
                 finding.reason =
                     fmt::format("{} chunk groups did not fit its hash", finding.rotten_groups);
                 if (repair.ok()) {
                   finding.repair = *repair;
                   finding.reason += " and are being got again";
                 } else {
                   finding.reason += ", and are not got again: " + Message(repair.status());
                 }
                 self->Find(std::move(finding));
                 self->NextBlob();
               });
}

void Verifier::Find(VerifyFinding finding) {
  ++report_.failed_blobs;
  listener_.finding(report_, std::move(finding));
}

}  // namespace blobd::engine
