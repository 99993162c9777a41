#include "transfer/url_import.h"

#include <algorithm>
#include <utility>

#include "base/error_reason.h"

namespace blobd::transfer {
namespace {

using http::FetchEnd;

constexpr Duration kReportInterval = milliseconds(100);
// The waits of the mirrors' retries (design/mirrors.md): three of a second, then doubling.
constexpr int kEqualWaits = 3;
constexpr Duration kFirstWait = seconds(1);
constexpr Duration kLongestWait = seconds(60);

Status StatusOf(const FetchEnd& end) {
  const std::string reason = end.reason.empty() ? "the file ended too early" : end.reason;
  switch (end.kind) {
    case FetchEnd::Kind::kNotHere:
      return ErrorFor(Reason::kUrlNotFound, "{}", reason);
    case FetchEnd::Kind::kForbidden:
      return ErrorFor(Reason::kUrlRefused, "{}", reason);
    case FetchEnd::Kind::kTooLarge:
      return ErrorFor(Reason::kUrlTooLarge, "{}", reason);
    case FetchEnd::Kind::kDone:
    case FetchEnd::Kind::kNoSuchPart:
    case FetchEnd::Kind::kChanged:
    case FetchEnd::Kind::kShort:
    case FetchEnd::Kind::kNoRanges:
    case FetchEnd::Kind::kEncoded:
    case FetchEnd::Kind::kWrongSize:
    case FetchEnd::Kind::kBusy:
    case FetchEnd::Kind::kFailed:
    case FetchEnd::Kind::kStalled:
    case FetchEnd::Kind::kLocalFault:
    case FetchEnd::Kind::kSurplus:
      break;
  }
  return ErrorFor(Reason::kUrlFailed, "{}", reason);
}

}  // namespace

void UrlImport::Start() {
  deps_.store.StartImport(
      *deps_.strand, [self = shared_from_this()](StatusOr<std::unique_ptr<store::Import>> import) {
        if (self->over_) return;
        if (!import.ok()) return self->End(import.status());
        self->import_ = *std::move(import);
        if (self->is_private_) self->import_->MakePrivate();
        self->Open(Duration::zero());
      });
}

void UrlImport::Stop() {
  over_ = true;
  import_.reset();
}

void UrlImport::Open(Duration delay) {
  http::Ask ask;
  ask.begin = received_;
  ask.entity = entity_;
  if (is_whole_ && !ask.entity) ask.entity.emplace();  // without ranges
  ask.max_size = max_size_;
  deps_.port->Open(++fetch_, ask, delay);
}

// The server makes nothing of ranges, or nothing that would tell where the file ends.
void UrlImport::OpenWhole() {
  is_whole_ = true;
  entity_.reset();
  Open(Duration::zero());
}

void UrlImport::OnContent(uint64_t fetch, const http::Content& content) {
  if (over_ || fetch != fetch_) return;
  if (content.entity.ranges && !content.entity.size && received_ == 0) {
    deps_.port->Stop(fetch);
    return OpenWhole();
  }
  if (!entity_) entity_ = content.entity;
  Report();
}

void UrlImport::OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) {
  if (over_ || fetch != fetch_) return;
  if (offset != received_) return End(Internal("bytes came out of order"));
  if (const Status status = import_->Append(bytes); !status.ok()) return End(status);
  received_ += bytes.size();
  deps_.port->Consumed(fetch, bytes.size());
  Report();
}

void UrlImport::OnFetchEnd(uint64_t fetch, const FetchEnd& end) {
  if (over_ || fetch != fetch_) return;
  const auto size = end.size ? end.size : entity_ ? entity_->size : std::nullopt;
  if (end.kind == FetchEnd::Kind::kDone && size == received_) return End(std::move(import_));
  if (end.kind == FetchEnd::Kind::kNoRanges && received_ == 0 && !is_whole_) return OpenWhole();
  fruitless_ = end.received >= http::kProgress ? 0 : fruitless_ + 1;
  if (!MayGoOn(end)) return End(StatusOf(end));
  // The same file may say more about itself now.
  if (received_ == 0) entity_.reset();
  Open(WaitBeforeNext(end));
}

bool UrlImport::MayGoOn(const FetchEnd& end) const {
  if (fruitless_ >= kTries) return false;
  const bool is_passing =
      end.kind == FetchEnd::Kind::kShort || end.kind == FetchEnd::Kind::kFailed ||
      end.kind == FetchEnd::Kind::kStalled || end.kind == FetchEnd::Kind::kBusy ||
      end.kind == FetchEnd::Kind::kLocalFault || end.kind == FetchEnd::Kind::kSurplus;
  return is_passing &&
         (received_ == 0 || (entity_ && entity_->ranges && !entity_->validator().empty()));
}

Duration UrlImport::WaitBeforeNext(const FetchEnd& end) const {
  if (end.retry_after) return *end.retry_after;
  if (fruitless_ == 0) return Duration::zero();
  Duration wait = kFirstWait;
  for (int i = kEqualWaits; i < fruitless_ && wait < kLongestWait; ++i) wait *= 2;
  return std::min(wait, kLongestWait);
}

void UrlImport::Report() {
  const Instant now = deps_.clock.Now();
  if (now - last_report_ < kReportInterval) return;
  last_report_ = now;
  deps_.sink->OnReceived(received_, entity_ ? entity_->size : std::nullopt);
}

void UrlImport::End(StatusOr<std::unique_ptr<store::Import>> import) {
  over_ = true;
  import_.reset();
  deps_.port->Done();
  deps_.sink->OnEnded(std::move(import));
}

}  // namespace blobd::transfer
