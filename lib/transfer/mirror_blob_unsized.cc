// A file whose size nobody says, in one stream. See mirror_blob.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "blake3/chaining_value.h"
#include "transfer/mirror_blob.h"

namespace blobd::transfer {
namespace {

using store::kGroupSize;

}  // namespace

const MirrorBlob::User& MirrorBlob::UserAt(const MirrorBlobUser* user) const {
  const auto it = std::find_if(users_.begin(), users_.end(),
                               [&](const User& each) { return each.user.lock().get() == user; });
  BLOBD_CHECK(it != users_.end());
  return *it;
}

bool MirrorBlob::BeginUnsized(const MirrorBlobUser* user, uint64_t overtakes) {
  if (stream() != 0 && !Streams(user)) {
    if (stream() != overtakes || !MayOvertake(user)) return false;
    sources_.at(unsized_source_).overtaken = true;
    TellUsers();
  }
  DropUnsized();
  const User& here = UserAt(user);
  unsized_user_ = here.user;
  unsized_source_ = here.source;
  ++streams_;
  return true;
}

void MirrorBlob::DropUnsized() {
  unsized_user_.reset();
  unsized_source_ = 0;
  unsized_values_.clear();
  unsized_tail_.clear();
  unsized_theirs_ = RangeSet();
  unsized_memory_.Clear();
}

bool MirrorBlob::Streams(const MirrorBlobUser* user) const {
  const auto streaming = unsized_user_.lock();
  return streaming != nullptr && streaming.get() == user;
}

bool MirrorBlob::MayOvertake(const MirrorBlobUser* user) const {
  const bao::SourceId source = UserAt(user).source;
  return stream() != 0 && source != unsized_source_ && !sources_.at(source).overtaken;
}

// The last group is kept back: if it is the blob's last one, its value is another.
Status MirrorBlob::WriteUnsized(bao::SourceId source, uint64_t offset, ByteView bytes) {
  const uint64_t have = unsized_values_.size() * kGroupSize + unsized_tail_.size();
  if (source != unsized_source_ || offset != have || bytes.empty()) return OkStatus();
  if (have + bytes.size() > kMostUnsized) {
    return OutOfRange("more than {} bytes without a Content-Length", kMostUnsized);
  }
  const auto take = [&](ByteView groups) -> Status {
    const uint64_t first = unsized_values_.size();
    const uint64_t count = groups.size() / kGroupSize;
    if (!unsized_memory_.Grow(count * sizeof(bao::ChainingValue))) {
      return Aborted("too many files without a Content-Length are got at once");
    }
    BLOBD_ASSIGN_OR_RETURN(const RangeSet theirs, Store(first, groups));
    unsized_theirs_.InsertAll(theirs);
    unsized_values_.resize(first + count);
    blake3::GroupValues(groups, first, std::span(unsized_values_).subspan(first));
    return OkStatus();
  };
  BLOBD_CHECK(unsized_tail_.size() % kGroupSize == 0);
  if (!unsized_tail_.empty()) BLOBD_RETURN_IF_ERROR(take(unsized_tail_));
  const size_t kept = (bytes.size() - 1) / kGroupSize * kGroupSize;
  unsized_tail_.assign(bytes.begin() + static_cast<ptrdiff_t>(kept), bytes.end());
  return kept == 0 ? OkStatus() : take(bytes.first(kept));
}

Status MirrorBlob::EndOfFile(const MirrorBlobUser* user, uint64_t size) {
  if (phase_ != Phase::kOpen) return OkStatus();
  const bao::SourceId source = UserAt(user).source;
  if (!Streams(user)) {
    // Others may have brought what of it did not count.
    if (size_ && WantedFrom(source).empty()) return OkStatus();
    return Unavailable("what it sent without a size does not count: another mirror was used");
  }
  unsized_user_.reset();
  const std::vector<bao::ChainingValue> values = std::exchange(unsized_values_, {});
  const Bytes tail = std::exchange(unsized_tail_, {});
  const RangeSet theirs = std::exchange(unsized_theirs_, {});
  unsized_memory_.Clear();
  if (values.size() * kGroupSize + tail.size() != size)
    return Unavailable("not all of what it sent without a size has come");
  BLOBD_RETURN_IF_ERROR(ClaimSize(size));
  refused_.InsertAll(theirs);
  const RangeSet ours = theirs.Missing({0, values.size()});
  NoteWritten(source, ours);
  for (const Range& run : ours.ranges()) {
    const auto those = std::span(values).subspan(run.begin, run.size());
    unproven_->OnGroups(source, run.begin, those, findings_);
  }
  BLOBD_RETURN_IF_ERROR(WriteSized(source, values.size() * kGroupSize, tail));
  return Apply();
}

}  // namespace blobd::transfer
