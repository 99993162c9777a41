#include "store/disk_writer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "bao/tree.h"
#include "base/error_reason.h"
#include "store/bad_blocks.h"
#include "store/post_to.h"

namespace blobd::store {
namespace {

constexpr uint64_t kGroupLimit = kMaxStoredSize / kGroupSize;
// So much begins to go to the disk at once. A sync that finds hundreds of MiB waiting keeps the
// disk busy for long, and with it the commits of both databases, for which callers wait.
constexpr uint64_t kGroupsWrittenBack = (4 << 20) / kGroupSize;

// Writes items of `unit` bytes at index * unit, those with adjacent numbers in one call.
template <typename Item, typename View>
Status WriteRuns(File& file, std::span<const Item> items, uint64_t unit, View view) {
  std::vector<const Item*> sorted;
  sorted.reserve(items.size());
  for (const Item& item : items) sorted.push_back(&item);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Item* a, const Item* b) { return a->index < b->index; });
  std::vector<ByteView> parts;
  for (size_t i = 0; i < sorted.size();) {
    const uint64_t first = sorted[i]->index;
    parts.clear();
    do {
      parts.push_back(view(*sorted[i++]));
    } while (i < sorted.size() && sorted[i]->index == first + parts.size() &&
             parts.back().size() == unit);
    BLOBD_RETURN_IF_ERROR(file.WriteAt(first * unit, parts));
  }
  return OkStatus();
}

// The kernel reads a block before it writes a part of it. Where it cannot, because the disk has a
// bad sector there, all of the block is written, and what is not the blob's cut off again: somebody
// may have the file open. Only the last group ends within a block.
Status WriteWholeBlocks(File& file, std::span<const VerifiedGroup> groups) {
  static constexpr std::array<uint8_t, kDiskBlock> kZeros{};
  for (const VerifiedGroup& group : groups) {
    const size_t end = group.data.size() % kDiskBlock;
    const std::array<ByteView, 2> parts = {group.data,
                                           ByteView(kZeros).first(end == 0 ? 0 : kDiskBlock - end)};
    const uint64_t begin = group.index * kGroupSize;
    BLOBD_RETURN_IF_ERROR(file.WriteAt(begin, parts));
    if (end != 0) BLOBD_RETURN_IF_ERROR(file.Truncate(begin + group.data.size()));
  }
  return OkStatus();
}

Status CheckArguments(std::span<const VerifiedGroup> groups, std::span<const OutboardPair> pairs) {
  for (const VerifiedGroup& group : groups) {
    if (group.index >= kGroupLimit || group.data.size() > kGroupSize) {
      return InvalidArgument("group {} of {} bytes cannot be stored", group.index,
                             group.data.size());
    }
  }
  for (const OutboardPair& pair : pairs) {
    if (pair.index >= kGroupLimit) return InvalidArgument("pair {} cannot be stored", pair.index);
  }
  return OkStatus();
}

}  // namespace

DiskWriter::DiskWriter(std::shared_ptr<Index> index, std::shared_ptr<LiveBlob> live,
                       SharedFiles files)
    : index_(std::move(index)),
      live_(std::move(live)),
      generation_(live_->generation.load()),
      withdrawals_(live_->withdrawals),
      held_bytes_(live_->groups.Count() * kGroupSize),
      files_(std::move(files)) {}

DiskWriter::~DiskWriter() {
  index_->strand().Post([index = index_, live = live_] { index->Release(live); });
}

Status DiskWriter::Write(std::span<const VerifiedGroup> groups,
                         std::span<const OutboardPair> pairs) {
  BLOBD_RETURN_IF_ERROR(CheckArguments(groups, pairs));
  if (groups.empty() && pairs.empty()) return OkStatus();
  BLOBD_RETURN_IF_ERROR(CheckBelieved());
  if (files_ == nullptr && pairs.empty() && groups.size() == 1 && groups[0].index == 0) {
    held_.emplace(groups[0].data.begin(), groups[0].data.end());
    written_.Insert({0, 1});
    return OkStatus();
  }
  return index_->gate().Note(WriteNow(groups, pairs));
}

// Otherwise nothing more would be. A writer opened now knows what is left.
Status DiskWriter::CheckBelieved() const {
  if (live_->generation.load() == generation_) return OkStatus();
  return ErrorFor(Reason::kDiskFailed, "blob {} could not be synced", live_->hash.Short());
}

Status DiskWriter::WriteNow(std::span<const VerifiedGroup> groups,
                            std::span<const OutboardPair> pairs) {
  uint64_t bytes = pairs.size() * bao::kPairSize;
  for (const VerifiedGroup& group : groups) bytes += group.data.size();
  BLOBD_RETURN_IF_ERROR(index_->gate().Take(bytes));
  BLOBD_RETURN_IF_ERROR(NeedFiles());
  RangeSet named;
  for (const VerifiedGroup& group : groups) {
    named.Insert({group.index, group.index + 1});
    live_->guard.Name({group.index, group.index + 1});
  }
  Status written = WriteRuns(*files_->outboard, pairs, bao::kPairSize,
                             [](const OutboardPair& pair) { return ByteView(pair.hashes); });
  if (written.ok()) {
    written = WriteRuns(*files_->data, groups, kGroupSize,
                        [](const VerifiedGroup& group) { return group.data; });
    if (written.code() == StatusCode::kInternal) written = WriteWholeBlocks(*files_->data, groups);
  }
  // Otherwise nobody could bring them without proof, for as long as somebody writes the blob.
  if (!written.ok()) {
    live_->guard.Unname(named);
    return written;
  }
  written_.InsertAll(named);
  WriteBack(named);
  held_bytes_ += bytes;
  live_->promise.Use(index_->gate(), bytes);
  return OkStatus();
}

void DiskWriter::WriteBack(const RangeSet& groups) {
  to_write_back_.InsertAll(groups);
  if (to_write_back_.Count() < kGroupsWrittenBack) return;
  for (const Range& range : to_write_back_.ranges())
    files_->data->StartWriteBack({range.begin * kGroupSize, range.end * kGroupSize});
  to_write_back_ = {};
}

Status DiskWriter::NeedFiles() {
  if (files_ == nullptr) {
    const FilePair paths = index_->layout().Partial(live_->hash);
    BLOBD_ASSIGN_OR_RETURN(files_, OpenFiles(index_->file_system(), paths, OpenMode::kCreate));
  }
  if (held_) {
    const ByteView held = *held_;
    live_->guard.Name({0, 1});
    if (Status written = files_->data->WriteAt(0, {&held, 1}); !written.ok()) {
      live_->guard.Unname(RangeSet(Range{0, 1}));
      return written;
    }
    held_.reset();
  }
  return OkStatus();
}

StatusOr<RangeSet> DiskWriter::WriteUnproven(uint64_t offset, ByteView bytes) {
  if (offset % kGroupSize != 0 || offset >= kMaxStoredSize ||
      bytes.size() > kMaxStoredSize - offset) {
    return InvalidArgument("{} bytes at {} cannot be stored", bytes.size(), offset);
  }
  BLOBD_RETURN_IF_ERROR(CheckBelieved());
  if (held_) BLOBD_RETURN_IF_ERROR(NeedFiles());
  const Range groups = {offset / kGroupSize, (offset + bytes.size() + kGroupSize - 1) / kGroupSize};
  RangeSet written;
  const auto write = [&](Range run) -> Status {
    const uint64_t begin = run.begin * kGroupSize - offset;
    const ByteView part =
        bytes.subspan(begin, std::min(run.size() * kGroupSize, bytes.size() - begin));
    DiskGate& gate = index_->gate();
    // What anybody may send is nothing that room was promised for, before its size is proven.
    BLOBD_RETURN_IF_ERROR(live_->promise.is_given() ? gate.Take(part.size())
                                                    : gate.TakeUnpromised(part.size()));
    BLOBD_RETURN_IF_ERROR(gate.Note(NeedFiles()));
    BLOBD_RETURN_IF_ERROR(gate.Note(files_->data->WriteAt(run.begin * kGroupSize, {&part, 1})));
    written.Insert(run);
    unproven_since_sync_ += part.size();
    held_bytes_ += part.size();
    live_->promise.Use(gate, part.size());
    return OkStatus();
  };
  StatusOr<RangeSet> left_alone = live_->guard.WriteOthers(groups, write);
  WriteBack(written);  // may wait for the disk, so not under the guard
  if (unproven_since_sync_ >= index_->sync_ahead_bytes()) {
    unproven_since_sync_ = 0;
    index_->strand().Post(
        [index = index_, live = live_, files = files_] { index->SyncAhead(live, files); });
  }
  return left_alone;
}

StatusOr<size_t> DiskWriter::ReadUnproven(uint64_t offset, MutableBytes out) {
  BLOBD_RETURN_IF_ERROR(NeedFiles());
  return files_->data->ReadAt(offset, out);
}

void DiskWriter::TakeAsVerified(const RangeSet& groups) {
  if (!CheckBelieved().ok()) return;  // they are to be written again, by anybody
  for (const Range& range : groups.ranges()) live_->guard.Name(range);
  written_.InsertAll(groups);
}

void DiskWriter::ClaimSize(uint64_t size) {
  if (size > kMaxStoredSize) return;
  claimed_size_ = size;
  // At once, because after a crash groups are found again only with the help of a size.
  if (size > kGroupSize) {
    index_->strand().Post([index = index_, live = live_, size] { index->Claim(live, size); });
  }
}

void DiskWriter::ProveSize(uint64_t size) {
  if (size > kMaxStoredSize) return;
  proven_size_ = size;
  live_->guard.Name({bao::GroupCount(size), RangeSet::kOpenEnd});
}

Status DiskWriter::Admit(uint64_t proven_size) {
  if (proven_size > kMaxStoredSize)
    return OutOfRange("a blob of {} bytes cannot be stored", proven_size);
  const uint64_t missing = proven_size - std::min(proven_size, held_bytes_);
  return live_->promise.Ask(index_->gate(), missing + bao::OutboardSize(missing));
}

// What cannot be written now stays with us, and is missing when the blob is to be finished.
void DiskWriter::Publish() { (void)TryPublish(); }

Status DiskWriter::TryPublish() {
  const bool is_small = held_ && proven_size_ && *proven_size_ == held_->size();
  if (held_ && !is_small) BLOBD_RETURN_IF_ERROR(NeedFiles());
  if (written_.empty() && !proven_size_) return OkStatus();
  Published published;
  published.files = files_;
  published.groups = std::exchange(written_, {});
  if (is_small) published.small = std::exchange(held_, std::nullopt);
  published.claimed_size = claimed_size_;
  published.proven_size = proven_size_;
  published.generation = generation_;
  published.withdrawals = withdrawals_;
  index_->strand().Post([index = index_, live = live_, published = std::move(published)]() mutable {
    index->Publish(live, std::move(published));
  });
  return OkStatus();
}

void DiskWriter::Finish(Executor& answer_on, UniqueFunction<void(Status)> done) {
  UniqueFunction<void(Status)> answer = PostTo(answer_on, std::move(done));
  if (Status status = TryPublish(); !status.ok()) return answer(std::move(status));
  index_->strand().Post([index = index_, live = live_, answer = std::move(answer)]() mutable {
    index->Finish(live, std::move(answer));
  });
}

}  // namespace blobd::store
