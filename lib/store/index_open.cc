// Index: opening blobs for those who read them by themselves: other processes, and Verification.
#include <utility>

#include "bao/tree.h"
#include "base/error_reason.h"
#include "store/index.h"

namespace blobd::store {

void Index::OpenDescriptor(const Hash& hash, Answer<StatusOr<BlobDescriptor>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) {
      Touch(*found->complete, true);
      return OpenComplete(*found->complete, std::move(then));
    }
    const Live& live = found->live;
    if (live != nullptr && live->phase == LiveBlob::Phase::kFinishing) {
      live->finish_waiters.push_back([this, hash, then = std::move(then)](const Status&) mutable {
        OpenDescriptor(hash, std::move(then));
      });
    } else if (live == nullptr || live->groups.empty()) {
      then(ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short()));
    } else {
      then(ErrorFor(Reason::kBlobIncomplete, "blob {} is not complete", hash.Short()));
    }
  });
}

void Index::OpenComplete(const BlobRow& row, Answer<StatusOr<BlobDescriptor>> then) {
  if (row.state == RowState::kInRow) {
    StatusOr<Bytes> content = SmallContent(row);
    if (!content.ok()) return then(content.status());
    StatusOr<Descriptor> memory = SealedMemory(*content);
    if (!memory.ok()) return then(memory.status());
    return then(BlobDescriptor{*std::move(memory), row.size});
  }
  auto open = [&file_system = file_system_, paths = layout_.Complete(row.hash), hash = row.hash,
               size = row.size]() -> StatusOr<BlobDescriptor> {
    StatusOr<Descriptor> file = file_system.OpenDescriptor(paths.data);
    if (file.status().code() == StatusCode::kNotFound)
      return ErrorFor(Reason::kBlobDamaged, "the file of blob {} is missing", hash.Short());
    BLOBD_RETURN_IF_ERROR(file.status());
    BLOBD_ASSIGN_OR_RETURN(const uint64_t present, SizeOfReadable(*file));
    if (present != size)
      return ErrorFor(Reason::kBlobDamaged, "the file of blob {} has {} bytes, not {}",
                      hash.Short(), present, size);
    return BlobDescriptor{*std::move(file), size};
  };
  RunJob(nullptr, std::move(open), std::move(then));
}

void Index::OpenClaimed(const Hash& hash, Answer<StatusOr<Claimed>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return OpenClaimedRow(*found->complete, std::move(then));
    const Live& live = found->live;
    if (live == nullptr || live->groups.empty())
      return then(ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short()));
    if (live->phase == LiveBlob::Phase::kFinishing) {
      live->finish_waiters.push_back([this, hash, then = std::move(then)](const Status&) mutable {
        OpenClaimed(hash, std::move(then));
      });
      return;
    }
    Claimed claimed{live->row.size, live->groups, nullptr, OkStatus(), false};
    WithFiles(live, [claimed = std::move(claimed),
                     then = std::move(then)](StatusOr<SharedFiles> files) mutable {
      AnswerClaimed(std::move(claimed), std::move(files), std::move(then));
    });
  });
}

void Index::OpenClaimedRow(const BlobRow& row, Answer<StatusOr<Claimed>> then) {
  Claimed claimed{row.size, RangeSet(Range{0, bao::GroupCount(row.size)}), nullptr, OkStatus(),
                  false};
  if (row.state == RowState::kInRow) {
    claimed.is_small = true;
    claimed.small = SmallContent(row).status();
    return then(std::move(claimed));
  }
  auto open = [&file_system = file_system_, paths = layout_.Complete(row.hash)] {
    return OpenFiles(file_system, paths, OpenMode::kRead);
  };
  RunJob(
      nullptr, std::move(open),
      [claimed = std::move(claimed), then = std::move(then)](StatusOr<SharedFiles> files) mutable {
        AnswerClaimed(std::move(claimed), std::move(files), std::move(then));
      });
}

void Index::AnswerClaimed(Claimed claimed, StatusOr<SharedFiles> files,
                          Answer<StatusOr<Claimed>> then) {
  if (files.ok()) claimed.files = *std::move(files);
  if (!files.ok() && files.status().code() != StatusCode::kNotFound) return then(files.status());
  then(std::move(claimed));
}

}  // namespace blobd::store
