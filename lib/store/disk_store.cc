#include "store/disk_store.h"

#include <utility>

#include "store/disk_import.h"
#include "store/gather.h"
#include "store/index.h"
#include "store/post_to.h"

namespace blobd::store {
namespace {

// What a small blob that waits takes up beside its bytes.
constexpr uint64_t kWaitingCost = 1024;

// The index may end before it, and does not live on for its sake.
class Attention final : public BlobWatch {
 public:
  Attention(const std::shared_ptr<Index>& index, std::shared_ptr<Watcher> watcher)
      : index_(index), strand_(index->shared_strand()), watcher_(std::move(watcher)) {}
  ~Attention() override {
    watcher_->End();
    strand_->Post([weak = index_, watcher = std::move(watcher_)] {
      if (const std::shared_ptr<Index> index = weak.lock()) index->RemoveWatch(watcher);
    });
  }
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

 private:
  const std::weak_ptr<Index> index_;
  const std::shared_ptr<Executor> strand_;
  std::shared_ptr<Watcher> watcher_;
};

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

void DiskStore::Lookup(const Hash& hash, Executor& answer_on,
                       UniqueFunction<void(StatusOr<BlobInfo>)> done) {
  index_->strand().Post(
      [index = index_, hash, answer = PostTo(answer_on, std::move(done))]() mutable {
        index->Lookup(hash, std::move(answer));
      });
}

void DiskStore::LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                           UniqueFunction<void(StatusOr<std::vector<BlobInfo>>)> done) {
  if (hashes.empty()) return BlobStore::LookupMany({}, answer_on, std::move(done));
  index_->strand().Post([index = index_, hashes = std::move(hashes),
                         answer = PostTo(answer_on, std::move(done))]() mutable {
    auto gather = std::make_shared<Gather<BlobInfo>>(hashes.size(), std::move(answer));
    for (size_t i = 0; i < hashes.size(); ++i) {
      index->Lookup(hashes[i],
                    [gather, i](StatusOr<BlobInfo> info) { gather->Put(i, std::move(info)); });
    }
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
    return answer(ResourceExhausted("too many small blobs wait for the disk"));
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

}  // namespace blobd::store
