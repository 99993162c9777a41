// Opening, sizes, and bytes; what follows from them is in mirror_blob_findings.cc.
#include "transfer/mirror_blob.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "bao/tree.h"
#include "blake3/chaining_value.h"

namespace blobd::transfer {
namespace {

using store::kGroupSize;

// What would be thrown away of a smaller one is not worth a question.
constexpr uint64_t kLeastWithProof = 6 << 20;
// So much at most of a part is thrown away; of large parts the 256th. A proof costs a group, and so
// a thousandth of what it stands for.
constexpr uint64_t kProofStride = 1024;
constexpr uint64_t kMostProofs = 256;

}  // namespace

MirrorBlob::MirrorBlob(store::BlobStore& store, store::UnprovenLogs* logs,
                       std::shared_ptr<Executor> strand, const Hash& hash, uint64_t max_size,
                       OnBlamed on_blame, const MirrorBudgets& budgets)
    : store_(store),
      logs_(logs),
      strand_(std::move(strand)),
      hash_(hash),
      max_size_(max_size),
      pairs_memory_(budgets.pairs),
      on_blame_(std::move(on_blame)),
      unsized_memory_(budgets.values) {}

MirrorBlob::~MirrorBlob() = default;

void MirrorBlob::Open(UniqueFunction<void(const Status&)> done) {
  if (phase_ != Phase::kNew && phase_ != Phase::kOpening && !is_restoring_) {
    return strand_->Post([done = std::move(done)]() mutable { done(OkStatus()); });
  }
  openers_.push_back(std::move(done));
  if (phase_ != Phase::kNew) return;
  phase_ = Phase::kOpening;
  store_.OpenWriter(hash_, *strand_, [weak = weak_from_this(), strand = strand_](auto writer) {
    if (const auto self = weak.lock()) self->OnWriter(std::move(writer));
  });
}

void MirrorBlob::OnWriter(StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
  if (writer.status().code() == StatusCode::kAlreadyExists) {
    phase_ = Phase::kComplete;
    return Opened(OkStatus());
  }
  if (!writer.ok()) {
    phase_ = Phase::kNew;
    return Opened(writer.status());
  }
  writer_ = *std::move(writer);
  // The first call says what is held already.
  watch_ = store_.Watch(hash_, *strand_,
                        [weak = weak_from_this(), strand = strand_](const store::BlobInfo& info) {
                          if (const auto self = weak.lock()) self->OnInfo(info);
                        });
}

void MirrorBlob::Opened(const Status& status) {
  for (auto& done : std::exchange(openers_, {})) done(status);
}

// ---- Sources ----

bao::SourceId MirrorBlob::Join(const std::shared_ptr<MirrorBlobUser>& user, const std::string& url,
                               const std::string& provider) {
  bao::SourceId id = 0;
  for (const auto& [number, source] : sources_) {
    if (source.url == url) id = number;
  }
  if (id == 0) {
    id = sources_.empty() ? 1 : sources_.rbegin()->first + 1;
    sources_[id].url = url;
  }
  sources_[id].provider = provider;
  users_.push_back({user, id});
  if (unproven_ && !VerdictOn(id)) unproven_->OnSource(id);
  return id;
}

void MirrorBlob::Leave(const MirrorBlobUser* user) {
  const auto it = std::find_if(users_.begin(), users_.end(),
                               [&](const User& each) { return each.user.lock().get() == user; });
  if (it == users_.end()) return;
  const bao::SourceId source = it->source;
  users_.erase(it);
  if (Streams(user)) DropUnsized();
  // Perhaps nobody comes for a long time.
  if (users_.empty()) ForgetPairs();
  if (!unproven_ || IsUsed(source)) return TellUsers();
  unproven_->OnSourceGone(source, findings_);
  (void)Apply();
  TellUsers();  // what it was about to bring is wanted from others
}

bool MirrorBlob::IsUsed(bao::SourceId source) const {
  return std::any_of(users_.begin(), users_.end(), [&](const User& each) {
    return each.source == source && !each.user.expired();
  });
}

const GetEnd* MirrorBlob::VerdictOn(bao::SourceId source) const {
  if (broken_) return &*broken_;
  const auto& verdict = sources_.at(source).verdict;
  return verdict ? &*verdict : nullptr;
}

// ---- Sizes ----

Status MirrorBlob::ClaimSize(uint64_t size) {
  if (size > max_size_) {
    return FailedPrecondition("the file has {} bytes, more than the largest blob", size);
  }
  if (size_ == size || over()) return OkStatus();
  if (size_proven_) {
    return FailedPrecondition("the file has {} bytes, the blob {}", size, *size_);
  }
  if (size_ && users_.size() > 1) {
    return Unavailable("the file has {} bytes, that of another mirror {}", size, *size_);
  }
  MakeUnproven(size);
  writer_->ClaimSize(size);
  BeginLog();
  LearnNext();
  return OkStatus();
}

void MirrorBlob::MakeUnproven(uint64_t size) {
  size_ = size;
  // What comes from here on is written over what came while nobody knew the size.
  DropUnsized();
  findings_.clear();
  small_.clear();
  sidecar_.reset();
  ForgetPairs();
  for (auto& [id, source] : sources_) {
    source.wrote = RangeSet();
    source.taken = 0;
  }
  unproven_ = std::make_unique<bao::Unproven>(hash_, size);
  for (const User& user : users_) {
    if (!VerdictOn(user.source)) unproven_->OnSource(user.source);
  }
  known_ = foreign_ = refused_ = unclear_cuts_ = RangeSet();
  to_learn_ = info_.groups;
}

void MirrorBlob::ForgetPairs() {
  block_pairs_.clear();
  pairs_kept_ = 0;
  pairs_memory_.Clear();
}

uint64_t MirrorBlob::unproven_bytes() const {
  if (!unproven_) return unsized_values_.size() * kGroupSize + unsized_tail_.size();
  RangeSet held = unproven_->Held();
  held.RemoveAll(unproven_->VerifiedGroups());
  held.RemoveAll(foreign_);
  return std::min(*size_, held.Count() * kGroupSize);
}

void MirrorBlob::OnSizeProven() {
  if (std::exchange(size_proven_, true)) return;
  unproven_->OnSizeProven();
  writer_->ProveSize(*size_);
}

// From then on there is to be room for all of it, as for what nodes send.
Status MirrorBlob::Admit() {
  if (!size_proven_ || is_restoring_ || std::exchange(is_admitted_, true)) return OkStatus();
  Status status = writer_->Admit(*size_);
  if (!status.ok()) Break({schedule::Outcome::kLocalFault, Message(status), {}});
  return status;
}

uint64_t MirrorBlob::FirstMissing() const {
  const auto& held = info_.groups.ranges();
  return held.empty() || held.front().begin != 0 ? 0 : held.front().end;
}

RangeSet MirrorBlob::WantedFrom(bao::SourceId source, Range share) const {
  if (phase_ != Phase::kOpen || !unproven_ || VerdictOn(source)) return {};
  RangeSet wanted = unproven_->WantedFrom(source, share);
  // Others have it, and it will be known soon.
  wanted.RemoveAll(to_learn_);
  wanted.RemoveAll(refused_);
  return wanted;
}

RangeSet MirrorBlob::Verified() const {
  RangeSet verified = known_;
  verified.InsertAll(info_.groups);
  return verified;
}

RangeSet MirrorBlob::Held() const {
  RangeSet held = Verified();
  if (unproven_) held.InsertAll(unproven_->Held());
  return held;
}

uint64_t MirrorBlob::TakeVerifiedBytesFrom(bao::SourceId source) {
  const auto it = sources_.find(source);
  if (it == sources_.end() || !size_) return 0;
  RangeSet right = it->second.wrote.Intersection(known_);
  right.RemoveAll(foreign_);
  const uint64_t groups = bao::GroupCount(*size_);
  const uint64_t short_by = right.Contains(groups - 1) ? groups * kGroupSize - *size_ : 0;
  const uint64_t verified = right.Count() * kGroupSize - short_by;
  const uint64_t before = std::exchange(it->second.taken, std::max(it->second.taken, verified));
  return verified - std::min(verified, before);
}

// What was written last is what lies on the disk.
void MirrorBlob::NoteWritten(bao::SourceId source, const RangeSet& groups) {
  for (auto& [id, each] : sources_) {
    id == source ? each.wrote.InsertAll(groups) : each.wrote.RemoveAll(groups);
  }
}

// A mirror's part needs the values around its ends; and so that not all of a large part is thrown
// away for one wrong byte, some between them.
RangeSet MirrorBlob::ProofWanted(Range share) const {
  if (phase_ != Phase::kOpen || !unproven_ || *size_ < kLeastWithProof) return {};
  const bao::ProvenValues& proven = unproven_->proven();
  const Range range = {share.begin, std::min(share.end, proven.groups())};
  if (range.empty()) return {};
  const uint64_t stride = std::max(kProofStride, std::bit_ceil(range.size() / kMostProofs));
  RangeSet wanted;
  const auto want = [&](uint64_t group) {
    const uint64_t block = group / proven.block_groups();
    if (!proven.is_block(proven.ProvenAround(block))) wanted.Insert({group, group + 1});
  };
  want(range.begin);
  for (uint64_t at = range.begin / stride * stride + stride; at < range.end; at += stride) want(at);
  want(std::min(range.end, proven.groups() - 1));
  if (!size_proven_) want(proven.groups() - 1);
  for (const Range& cut : unclear_cuts_.ranges()) want(cut.begin);
  return wanted;
}

// ---- Bytes ----

Status MirrorBlob::Write(bao::SourceId source, uint64_t offset, ByteView bytes) {
  if (phase_ != Phase::kOpen || VerdictOn(source)) return OkStatus();
  BLOBD_RETURN_IF_ERROR(size_ ? WriteSized(source, offset, bytes)
                              : WriteUnsized(source, offset, bytes));
  return Apply();
}

// What a write that failed has left on the disk nobody knows: another source's bytes may lie where
// Unproven has the value of what was there before. So nothing that is known here counts any more.
StatusOr<RangeSet> MirrorBlob::Store(uint64_t first_group, ByteView bytes) {
  StatusOr<RangeSet> theirs = writer_->WriteUnproven(first_group * kGroupSize, bytes);
  if (!theirs.ok()) Break({schedule::Outcome::kLocalFault, Message(theirs.status()), {}});
  return theirs;
}

Status MirrorBlob::WriteSized(bao::SourceId source, uint64_t offset, ByteView bytes) {
  const uint64_t size = *size_;
  if (offset > size) return OkStatus();
  bytes = bytes.first(std::min<uint64_t>(bytes.size(), size - offset));
  if (offset + bytes.size() < size) bytes = bytes.first(bytes.size() / kGroupSize * kGroupSize);
  if (unproven_->proven().groups() == 1) {
    if (bytes.size() != size || !unproven_->Takes(source, 0)) return OkStatus();
    small_.assign(bytes.begin(), bytes.end());
    const bao::ChainingValue value = blake3::SubtreeValue(bytes, 0, true);
    NoteWritten(source, RangeSet(Range{0, 1}));
    unproven_->OnGroups(source, 0, {&value, 1}, findings_);
    return OkStatus();
  }
  const uint64_t first = offset / kGroupSize;
  const uint64_t count = (bytes.size() + kGroupSize - 1) / kGroupSize;
  for (uint64_t at = 0; at < count;) {
    const uint64_t begin = at;
    while (at < count && unproven_->Takes(source, first + at)) ++at;
    if (at > begin) {
      const ByteView run = bytes.subspan(begin * kGroupSize);
      BLOBD_RETURN_IF_ERROR(
          WriteRun(source, first + begin,
                   run.first(std::min<uint64_t>(run.size(), (at - begin) * kGroupSize))));
    } else {
      ++at;
    }
  }
  return OkStatus();
}

Status MirrorBlob::WriteRun(bao::SourceId source, uint64_t first_group, ByteView bytes) {
  const uint64_t whole = bytes.size() / kGroupSize;
  std::vector<bao::ChainingValue> values((bytes.size() + kGroupSize - 1) / kGroupSize);
  blake3::GroupValues(bytes.first(whole * kGroupSize), first_group, std::span(values).first(whole));
  if (whole < values.size()) {
    values[whole] = blake3::SubtreeValue(bytes.subspan(whole * kGroupSize),
                                         (first_group + whole) * bao::kGroupChunks, false);
  }
  return WriteValued(source, first_group, bytes, values);
}

// What others have verified stays as it is, and comes to be known from the store.
Status MirrorBlob::WriteValued(bao::SourceId source, uint64_t first_group, ByteView bytes,
                               std::span<const bao::ChainingValue> values) {
  BLOBD_ASSIGN_OR_RETURN(const RangeSet theirs, Store(first_group, bytes));
  refused_.InsertAll(theirs);
  refused_.RemoveAll(foreign_);
  const RangeSet ours = theirs.Missing({first_group, first_group + values.size()});
  NoteWritten(source, ours);
  for (const Range& run : ours.ranges()) {
    const auto those = values.subspan(run.begin - first_group, run.size());
    if (log_ && !is_restoring_) log_->Groups(source, sources_.at(source).url, run.begin, those);
    unproven_->OnGroups(source, run.begin, those, findings_);
  }
  return OkStatus();
}

}  // namespace blobd::transfer
