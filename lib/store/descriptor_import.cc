#include "store/descriptor_import.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error_reason.h"
#include "base/units.h"
#include "blake3/hasher.h"

namespace blobd::store {
namespace {

constexpr uint64_t kSlice = 8 * kMiB;
constexpr uint64_t kMaxLead = 64 * kMiB;  // what was just copied is hashed from the page cache
constexpr size_t kPiece = 256 * kKiB;
// What the disk has taken it may still hold in a cache of its own.
constexpr uint64_t kSyncedAtOnce = 128 * kMiB;

}  // namespace

DescriptorImport::DescriptorImport(std::shared_ptr<Index> index, Descriptor source,
                                   const ImportOptions& options, std::shared_ptr<JobState> job,
                                   Answer answer)
    : index_(std::move(index)),
      number_(index_->NextImport()),
      options_(options),
      job_(std::move(job)),
      copier_(index_->MakeStrand()),
      hasher_(index_->MakeStrand()),
      syncer_(index_->MakeStrand()),
      answer_(std::move(answer)),
      source_(std::move(source)) {}

DescriptorImport::~DescriptorImport() {
  promise_.End(index_->gate());
  // What cannot be removed now is removed when the store is opened next.
  if (has_names_) (void)RemoveFiles(index_->file_system(), index_->layout().Import(number_));
}

void DescriptorImport::Start() {
  copier_->Post([self = shared_from_this()] {
    if (Status status = self->Begin(); !status.ok()) self->Fail(std::move(status));
  });
}

Status DescriptorImport::Begin() {
  BLOBD_ASSIGN_OR_RETURN(size_, SizeOfReadable(source_));
  if (size_ > kMaxStoredSize) return OutOfRange("the file is too large");
  if (size_ <= kGroupSize) {
    BLOBD_ASSIGN_OR_RETURN(Bytes content, ReadSmall());
    AdoptSmall(std::move(content));
    return OkStatus();
  }
  BLOBD_RETURN_IF_ERROR(OpenFilesAndClone());
  builder_.Expect(size_, [this](uint64_t offset, ByteView pairs) { WritePairs(offset, pairs); });
  if (copied_ == 0) {
    CopySlice();
    return OkStatus();
  }
  hasher_->Post([self = shared_from_this()] { self->HashCloned(); });
  return OkStatus();
}

StatusOr<Bytes> DescriptorImport::ReadSmall() {
  Bytes content(size_);
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count =
        pread(source_.fd(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return WithReason(Reason::kDescriptorUnusable,
                        Aborted("the file cannot be read: {}", std::strerror(errno)));
    if (count == 0)
      return WithReason(Reason::kDescriptorUnusable,
                        Aborted("the file became shorter while it was read"));
    done += static_cast<size_t>(count);
  }
  return content;
}

Status DescriptorImport::OpenFilesAndClone() {
  const FilePair paths = index_->layout().Import(number_);
  has_names_ = true;
  DiskGate& gate = index_->gate();
  BLOBD_RETURN_IF_ERROR(gate.Take(0));
  StatusOr<SharedFiles> files = OpenFiles(index_->file_system(), paths, OpenMode::kCreateNew);
  BLOBD_RETURN_IF_ERROR(gate.Note(files.status()));
  files_ = *std::move(files);
  StatusOr<bool> is_cloned = files_->data->CloneFrom(source_.fd());
  BLOBD_RETURN_IF_ERROR(gate.Note(is_cloned.status()));
  if (!*is_cloned) return promise_.Ask(gate, size_ + bao::OutboardSize(size_));
  // It may have become longer or shorter before it was ours.
  BLOBD_ASSIGN_OR_RETURN(size_, files_->data->Size());
  if (size_ <= kGroupSize || size_ > kMaxStoredSize)
    return WithReason(Reason::kDescriptorUnusable, Aborted("the file changed while it was read"));
  copied_ = size_;
  return promise_.Ask(gate, bao::OutboardSize(size_));
}

void DescriptorImport::CopySlice() {
  if (answered_) return;
  if (job_->cancelled()) return Fail(Cancelled("the import was cancelled"));
  const uint64_t slice = std::min(kSlice, size_ - copied_);
  if (Status status = index_->gate().Note(CopyMore(slice)); !status.ok())
    return Fail(std::move(status));
  lead_ += slice;
  hasher_->Post([self = shared_from_this(), slice] { self->HashSlice(slice); });
  if (copied_ == size_) {
    source_ = Descriptor();
  } else if (lead_ < kMaxLead) {
    copier_->Post([self = shared_from_this()] { self->CopySlice(); });
  }
}

Status DescriptorImport::CopyMore(uint64_t size) {
  DiskGate& gate = index_->gate();
  BLOBD_RETURN_IF_ERROR(gate.Take(size));
  promise_.Use(gate, size);
  const Range slice{copied_, copied_ + size};
  while (copied_ < slice.end) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t count,
                           files_->data->CopyFrom(source_.fd(), copied_, slice.end - copied_));
    if (count == 0)
      return WithReason(Reason::kDescriptorUnusable,
                        Aborted("the file became shorter while it was read"));
    copied_ += count;
  }
  files_->data->StartWriteBack(slice);
  unsynced_ += size;
  if (unsynced_ >= kSyncedAtOnce) {
    unsynced_ = 0;
    syncer_->Post([self = shared_from_this()] { self->SyncMore(); });
  }
  return OkStatus();
}

void DescriptorImport::HashSlice(uint64_t size) {
  if (answered_) return;
  if (job_->cancelled()) return Fail(Cancelled("the import was cancelled"));
  if (Status status = HashMore(size); !status.ok()) return Fail(std::move(status));
  job_->Tell(builder_.size());
  if (builder_.size() == size_) return FinishHash();
  copier_->Post([self = shared_from_this(), size] {
    const bool had_stopped = self->lead_ >= kMaxLead;
    self->lead_ -= std::min(self->lead_, size);
    if (had_stopped && self->lead_ < kMaxLead && self->copied_ < self->size_) self->CopySlice();
  });
}

// Of a file that is here as a whole: slice by slice, since it may be sparse and of any size.
void DescriptorImport::HashCloned() {
  if (answered_) return;
  if (job_->cancelled()) return Fail(Cancelled("the import was cancelled"));
  const uint64_t slice = std::min(kSlice, size_ - builder_.size());
  if (Status status = HashMore(slice); !status.ok()) return Fail(std::move(status));
  job_->Tell(builder_.size());
  if (builder_.size() == size_) return FinishHash();
  hasher_->Post([self = shared_from_this()] { self->HashCloned(); });
}

Status DescriptorImport::HashMore(uint64_t size) {
  piece_.resize(kPiece);
  const uint64_t end = builder_.size() + size;
  while (builder_.size() < end) {
    const MutableBytes piece(piece_.data(), std::min<uint64_t>(kPiece, end - builder_.size()));
    BLOBD_ASSIGN_OR_RETURN(const size_t count, files_->data->ReadAt(builder_.size(), piece));
    if (count != piece.size()) return DataLoss("the copy of the file is too short");
    builder_.Append(piece);
    BLOBD_RETURN_IF_ERROR(written_);
  }
  return OkStatus();
}

void DescriptorImport::WritePairs(uint64_t offset, ByteView pairs) {
  if (written_.ok()) written_ = index_->gate().Take(pairs.size());
  if (!written_.ok()) return;
  promise_.Use(index_->gate(), pairs.size());
  written_ = index_->gate().Note(files_->outboard->WriteAt(offset, {&pairs, 1}));
}

// That it failed is told once: the last sync would succeed.
void DescriptorImport::SyncMore() {
  if (answered_) return;
  if (Status status = index_->gate().Note(files_->data->Sync()); !status.ok())
    Fail(std::move(status));
}

void DescriptorImport::FinishHash() {
  const Hash hash = builder_.Finish().root;
  if (!written_.ok()) return Fail(std::move(written_));
  syncer_->Post([self = shared_from_this(), hash] { self->Finish(hash); });
}

void DescriptorImport::Finish(const Hash& hash) {
  if (answered_) return;
  if (Status status = index_->gate().Note(SyncFiles(*files_)); !status.ok())
    return Fail(std::move(status));
  if (job_->cancelled()) return Fail(Cancelled("the import was cancelled"));
  promise_.End(index_->gate());
  files_ = nullptr;
  has_names_ = false;
  Adopt(hash);
}

void DescriptorImport::AdoptSmall(Bytes content) {
  const Hash hash = blake3::HashOf(content);
  index_->strand().Post([self = shared_from_this(), hash, content = std::move(content)]() mutable {
    self->index_->AdoptSmall(
        hash, std::move(content), self->options_.is_private,
        [self, hash](StatusOr<bool> is_new) { self->Reply(hash, std::move(is_new)); });
  });
}

void DescriptorImport::Adopt(const Hash& hash) {
  index_->strand().Post([self = shared_from_this(), hash] {
    self->index_->Adopt(
        hash, self->size_, self->number_, self->options_.is_private,
        [self, hash](StatusOr<bool> is_new) { self->Reply(hash, std::move(is_new)); });
  });
}

void DescriptorImport::Reply(const Hash& hash, StatusOr<bool> is_new) {
  if (!is_new.ok()) return Fail(is_new.status());
  if (!answered_.exchange(true)) answer_(Import::Result{hash, size_, !*is_new});
}

// Nothing is left of it by the time that is told.
void DescriptorImport::Fail(Status status) {
  if (answered_.exchange(true)) return;
  if (std::exchange(has_names_, false))
    (void)RemoveFiles(index_->file_system(), index_->layout().Import(number_));
  answer_(std::move(status));
}

}  // namespace blobd::store
