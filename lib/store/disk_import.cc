#include "store/disk_import.h"

#include <utility>

#include "base/error_reason.h"
#include "store/post_to.h"

namespace blobd::store {

DiskImport::DiskImport(std::shared_ptr<Index> index)
    : index_(std::move(index)), number_(index_->NextImport()) {}

DiskImport::~DiskImport() {
  // What cannot be removed now is removed when the store is opened next.
  if (has_names_) (void)RemoveFiles(index_->file_system(), index_->layout().Import(number_));
}

Status DiskImport::Append(ByteView bytes) {
  BLOBD_RETURN_IF_ERROR(status_);
  if (finished_) return FailedPrecondition("the import is finished");
  if (bytes.size() > kMaxStoredSize - builder_.size())
    return WithReason(Reason::kTooLong, OutOfRange("the content is too large"));
  const uint64_t offset = builder_.size();
  if (offset + bytes.size() <= kGroupSize) {
    small_.insert(small_.end(), bytes.begin(), bytes.end());
  } else {
    // That others were promised what is left says nothing of the disk.
    status_ = index_->gate().TakeUnpromised(bytes.size());
    if (status_.ok()) status_ = index_->gate().Note(WriteData(bytes));
    BLOBD_RETURN_IF_ERROR(status_);
  }
  builder_.Append(bytes);
  return OkStatus();
}

Status DiskImport::WriteData(ByteView bytes) {
  if (files_ == nullptr) {
    const FilePair paths = index_->layout().Import(number_);
    has_names_ = true;
    BLOBD_ASSIGN_OR_RETURN(files_, OpenFiles(index_->file_system(), paths, OpenMode::kCreateNew));
    const ByteView parts[] = {small_, bytes};
    BLOBD_RETURN_IF_ERROR(files_->data->WriteAt(0, parts));
    small_ = {};
    return OkStatus();
  }
  return files_->data->WriteAt(builder_.size(), {&bytes, 1});
}

StatusOr<bao::OutboardBuilder::Result> DiskImport::FinishFiles() {
  BLOBD_RETURN_IF_ERROR(status_);
  if (files_ != nullptr) {
    BLOBD_RETURN_IF_ERROR(index_->gate().TakeUnpromised(bao::OutboardSize(builder_.size())));
  }
  Status written;
  const auto result = builder_.Finish([&](uint64_t offset, ByteView piece) {
    if (!written.ok() || files_ == nullptr) return;
    written = files_->outboard->WriteAt(offset, {&piece, 1});
  });
  BLOBD_RETURN_IF_ERROR(index_->gate().Note(std::move(written)));
  if (files_ != nullptr) BLOBD_RETURN_IF_ERROR(index_->gate().Note(SyncFiles(*files_)));
  return result;
}

void DiskImport::Finish(Executor& answer_on, UniqueFunction<void(StatusOr<Result>)> done) {
  UniqueFunction<void(StatusOr<Result>)> answer = PostTo(answer_on, std::move(done));
  if (std::exchange(finished_, true)) return answer(FailedPrecondition("the import is finished"));
  const StatusOr<bao::OutboardBuilder::Result> built = FinishFiles();
  if (!built.ok()) return answer(built.status());
  const Hash hash = built->root;
  const uint64_t size = built->size;
  auto reply = [answer = std::move(answer), hash, size](StatusOr<bool> is_new) mutable {
    if (!is_new.ok()) return answer(is_new.status());
    answer(Result{hash, size, !*is_new});
  };
  if (files_ == nullptr) {
    index_->strand().Post([index = index_, hash, content = std::move(small_),
                           make_private = make_private_, reply = std::move(reply)]() mutable {
      index->AdoptSmall(hash, std::move(content), make_private, std::move(reply));
    });
    return;
  }
  has_names_ = false;
  files_ = nullptr;
  index_->strand().Post([index = index_, hash, size, number = number_, make_private = make_private_,
                         reply = std::move(reply)]() mutable {
    index->Adopt(hash, size, number, make_private, std::move(reply));
  });
}

}  // namespace blobd::store
