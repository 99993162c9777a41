#include "store/disk_store.h"

#include <utility>

#include "base/error_reason.h"
#include "store/descriptor_import.h"
#include "store/disk_import.h"
#include "store/index.h"
#include "store/post_to.h"
#include "store/verification.h"

namespace blobd::store {
namespace {

// What a small blob that waits takes up beside its bytes.
constexpr uint64_t kWaitingCost = 1024;

// The index may end before it, and does not live on for its sake.
template <typename Base, typename Watching>
class AttentionOf final : public Base {
 public:
  AttentionOf(const std::shared_ptr<Index>& index, std::shared_ptr<Watching> watcher)
      : index_(index), strand_(index->shared_strand()), watcher_(std::move(watcher)) {}
  ~AttentionOf() override {
    watcher_->End();
    strand_->Post([weak = index_, watcher = std::move(watcher_)] {
      if (const std::shared_ptr<Index> index = weak.lock()) index->RemoveWatch(watcher);
    });
  }
  AttentionOf(const AttentionOf&) = delete;
  AttentionOf& operator=(const AttentionOf&) = delete;

 private:
  const std::weak_ptr<Index> index_;
  const std::shared_ptr<Executor> strand_;
  std::shared_ptr<Watching> watcher_;
};
using Attention = AttentionOf<BlobWatch, Watcher>;
using DiskAttention = AttentionOf<DiskWatch, DiskWatcher>;

}  // namespace

StatusOr<std::unique_ptr<DiskStore>> DiskStore::Open(const std::string& state_dir,
                                                     loop::WorkerPool& workers,
                                                     FileSystem& file_system, Options options) {
  BLOBD_ASSIGN_OR_RETURN(std::shared_ptr<Index> index,
                         Index::Open(state_dir, workers, file_system, options));
  return std::unique_ptr<DiskStore>(new DiskStore(std::move(index), std::move(options)));
}

DiskStore::DiskStore(std::shared_ptr<Index> index, Options options)
    : index_(std::move(index)),
      options_(std::move(options)),
      waiting_small_bytes_(std::make_shared<std::atomic<uint64_t>>(0)) {}

DiskStore::~DiskStore() = default;

StatusOr<std::unique_ptr<File>> DiskStore::OpenUnprovenLog(const Hash& hash, bool create) {
  const std::string path = index_->layout().Partial(hash).unproven_log;
  auto log = index_->file_system().Open(path, create ? OpenMode::kCreate : OpenMode::kReadWrite);
  if (!log.ok()) return log;
  // In front of the writer's release, which is posted there, too.
  index_->strand().Post([index = index_, hash] { index->KeepUnproven(hash); });
  return log;
}

void DiskStore::ForgetUnproven(const Hash& hash) {
  index_->strand().Post([index = index_, hash] { index->ForgetUnproven(hash); });
}

void DiskStore::Lookup(const Hash& hash, Executor& answer_on,
                       UniqueFunction<void(StatusOr<BlobInfo>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->Lookup(hash, std::move(answer));
      });
}

void DiskStore::LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                           UniqueFunction<void(std::vector<LookedUp>)> some) {
  struct Batch {
    UniqueFunction<void(std::vector<LookedUp>)> some;
    std::vector<LookedUp> known;
    bool is_first_over = false;
  };
  auto batch = std::make_shared<Batch>(Batch{std::move(some), {}, false});
  const auto tell = [batch, &answer_on] {
    answer_on.Post([batch, known = std::exchange(batch->known, {})]() mutable {
      batch->some(std::move(known));
    });
  };
  index_->strand().Post([index = index_, hashes = std::move(hashes), batch, tell] {
    index->LookupMany(hashes, [batch, tell](size_t i, StatusOr<BlobInfo> info) {
      batch->known.push_back({i, std::move(info)});
      if (batch->is_first_over) tell();
    });
    batch->is_first_over = true;
    tell();
  });
}

void DiskStore::OpenWriter(const Hash& hash, Executor& answer_on,
                           UniqueFunction<void(StatusOr<std::shared_ptr<BlobWriter>>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->OpenWriter(hash, std::move(answer));
      });
}

void DiskStore::OpenReader(const Hash& hash, Executor& answer_on,
                           UniqueFunction<void(StatusOr<std::shared_ptr<BlobReader>>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->OpenReader(hash, std::move(answer));
      });
}

void DiskStore::PutSmall(const Hash& hash, Bytes content, Executor& answer_on,
                         UniqueFunction<void(Status)> done) {
  UniqueFunction<void(Status)> answer = PostTo(answer_on, std::move(done));
  if (content.size() > kGroupSize)
    return answer(InvalidArgument("{} bytes are no small blob", content.size()));
  const uint64_t size = content.size() + kWaitingCost;
  if (waiting_small_bytes_->fetch_add(size) + size > options_.waiting_small_bytes) {
    waiting_small_bytes_->fetch_sub(size);
    return answer(ErrorFor(Reason::kTooManyCalls, "too many small blobs wait for the disk"));
  }
  auto counted = [waiting = waiting_small_bytes_, size,
                  answer = std::move(answer)](Status status) mutable {
    waiting->fetch_sub(size);
    answer(std::move(status));
  };
  index_->strand().Post(
      [index = index_, hash, content = std::move(content), counted = std::move(counted)]() mutable {
        index->PutSmall(hash, std::move(content), std::move(counted));
      });
}

void DiskStore::StartImport(Executor& answer_on,
                            UniqueFunction<void(StatusOr<std::unique_ptr<Import>>)> done) {
  PostTo(answer_on, std::move(done))(std::unique_ptr<Import>(std::make_unique<DiskImport>(index_)));
}

void DiskStore::List(std::optional<Hash> after, size_t limit, Executor& answer_on,
                     UniqueFunction<void(StatusOr<std::vector<BlobInfo>>)> done) {
  index_->strand().Post(
      [index = index_, after, limit, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->List(after, limit, std::move(answer));
      });
}

void DiskStore::Stats(Executor& answer_on, UniqueFunction<void(StatusOr<StoreStats>)> done) {
  index_->strand().Post([index = index_, answer = PostTo(answer_on, std::move(done))]() mutable {
    index->Stats(std::move(answer));
  });
}

StoreCounts DiskStore::Counts() const { return index_->Counts(); }

void DiskStore::Flush(Executor& answer_on, UniqueFunction<void(Status)> done) {
  index_->strand().Post([index = index_, answer = PostTo(answer_on, std::move(done))]() mutable {
    index->Flush(std::move(answer));
  });
}

void DiskStore::Withdraw(const Hash& hash, const RangeSet& groups, Executor& answer_on,
                         UniqueFunction<void(Status)> done) {
  index_->strand().Post(
      [index = index_, hash, groups, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->Withdraw(hash, groups, std::move(answer));
      });
}

std::unique_ptr<BlobWatch> DiskStore::Watch(const Hash& hash, Executor& answer_on,
                                            UniqueFunction<void(const BlobInfo&)> changed) {
  auto watcher = std::make_shared<Watcher>(hash, answer_on, std::move(changed));
  index_->strand().Post([index = index_, watcher] { index->AddWatch(watcher); });
  return std::make_unique<Attention>(index_, std::move(watcher));
}

void DiskStore::SetPrivate(const Hash& hash, bool is_private, Executor& answer_on,
                           UniqueFunction<void(Status)> done) {
  index_->strand().Post(
      [index = index_, hash, is_private, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->SetPrivate(hash, is_private, std::move(answer));
      });
}

void DiskStore::OpenDescriptor(const Hash& hash, Executor& answer_on,
                               UniqueFunction<void(StatusOr<BlobDescriptor>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->OpenDescriptor(hash, std::move(answer));
      });
}

std::unique_ptr<StoreJob> DiskStore::ImportDescriptor(
    Descriptor source, const ImportOptions& options, Executor& answer_on,
    UniqueFunction<void(uint64_t)> progress, UniqueFunction<void(StatusOr<Import::Result>)> done) {
  auto job = std::make_shared<JobState>(answer_on, std::move(progress));
  std::make_shared<DescriptorImport>(index_, std::move(source), options, job,
                                     PostTo(answer_on, std::move(done)))
      ->Start();
  return std::make_unique<JobHandle>(std::move(job));
}

void DiskStore::ListByUse(std::optional<UseCursor> after, size_t limit, Executor& answer_on,
                          UniqueFunction<void(StatusOr<std::vector<BlobUse>>)> done) {
  index_->strand().Post(
      [index = index_, after, limit, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->ListByUse(after, limit, std::move(answer));
      });
}

void DiskStore::Remove(const Hash& hash, Executor& answer_on,
                       UniqueFunction<void(StatusOr<uint64_t>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->Remove(hash, std::move(answer));
      });
}

std::unique_ptr<StoreJob> DiskStore::Verify(const Hash& hash, Executor& answer_on,
                                            UniqueFunction<void(uint64_t)> progress,
                                            UniqueFunction<void(StatusOr<Verified>)> done) {
  auto job = std::make_shared<JobState>(answer_on, std::move(progress));
  auto verification =
      std::make_shared<Verification>(index_, hash, job, PostTo(answer_on, std::move(done)));
  index_->strand().Post([verification = std::move(verification)] { verification->Start(); });
  return std::make_unique<JobHandle>(std::move(job));
}

std::unique_ptr<DiskWatch> DiskStore::WatchDisk(Executor& answer_on,
                                                UniqueFunction<void(const DiskState&)> changed) {
  auto watcher = std::make_shared<DiskWatcher>(answer_on, std::move(changed));
  index_->strand().Post([index = index_, watcher] { index->AddDiskWatch(watcher); });
  return std::make_unique<DiskAttention>(index_, std::move(watcher));
}

const std::string& DiskStore::opening_note() const { return index_->opening_note(); }

void DiskStore::Tick() {
  index_->strand().Post([index = index_] { index->Tick(); });
}

}  // namespace blobd::store
