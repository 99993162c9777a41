// A BlobStore in memory for the tests of serving: blobs held whole or in part, private, rotten, or
// on a disk that fails. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "bao/outboard.h"
#include "bao/tree.h"
#include "store/blob_store.h"

namespace blobd::transfer {

class MemoryStore final : public store::BlobStore {
 public:
  struct Blob {
    std::shared_ptr<const Bytes> content;
    std::shared_ptr<const Bytes> outboard;
    uint64_t size = 0;  // in truth
    store::BlobInfo info;
    Status read_status;  // of every read
    Status open_status;
  };

  // The whole blob.
  Hash Add(Bytes content) {
    Blob blob;
    Bytes outboard;
    bao::OutboardBuilder builder;
    builder.Append(content);
    blob.info.hash = builder.Finish(&outboard).root;
    blob.size = content.size();
    blob.content = std::make_shared<const Bytes>(std::move(content));
    blob.outboard = std::make_shared<const Bytes>(std::move(outboard));
    return Put(std::move(blob));
  }
  // One to be looked at, not read.
  Hash AddWithoutContent(uint64_t size) {
    Blob blob;
    blob.info.hash.bytes[0] = 0xff;
    blob.size = size;
    return Put(std::move(blob));
  }
  // A hash sequence of these.
  Hash AddSequence(const std::vector<Hash>& children) {
    Bytes content;
    for (const Hash& child : children)
      content.insert(content.end(), child.bytes.begin(), child.bytes.end());
    return Add(std::move(content));
  }
  // From now on these groups are held of a blob that was added. Watchers hear of it.
  void Hold(const Hash& hash, const RangeSet& groups) {
    Change(hash, [&](Blob& blob) {
      const uint64_t count = bao::GroupCount(blob.size);
      blob.info.groups = groups;
      blob.info.size_proven = blob.info.size_proven || groups.Contains(count - 1);
      blob.info.state = groups.empty()                   ? store::BlobState::kAbsent
                        : groups.ContainsAll({0, count}) ? store::BlobState::kComplete
                                                         : store::BlobState::kPartial;
    });
  }
  // Any change, on a copy: readers opened before keep their view.
  template <typename F>
  void Change(const Hash& hash, F change) {
    const std::lock_guard lock(mutex_);
    auto blob = std::make_shared<Blob>(*blobs_.at(hash));
    change(*blob);
    blobs_[hash] = std::move(blob);
    for (const auto& watch : watches_) {
      if (watch->hash == hash) Notify(watch);
    }
  }
  void SetPrivate(const Hash& hash, bool is_private) {
    Change(hash, [&](Blob& blob) { blob.info.is_private = is_private; });
  }
  // Damages what is on the disk, or mends it again.
  void FlipData(const Hash& hash, size_t offset) {
    Change(hash, [&](Blob& blob) { blob.content = Flipped(*blob.content, offset); });
  }
  void FlipOutboard(const Hash& hash, size_t offset) {
    Change(hash, [&](Blob& blob) { blob.outboard = Flipped(*blob.outboard, offset); });
  }
  Bytes Content(const Hash& hash) const {
    const std::lock_guard lock(mutex_);
    return *blobs_.at(hash)->content;
  }
  std::vector<std::pair<Hash, RangeSet>> withdrawn() const {
    const std::lock_guard lock(mutex_);
    return withdrawn_;
  }
  size_t watches() const {
    const std::lock_guard lock(mutex_);
    return watches_.size();
  }
  int open_readers() const { return *open_readers_; }
  int lookups() const { return lookups_; }
  int opened() const { return opened_; }

  // store::BlobStore
  void Lookup(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<store::BlobInfo>)> done) override {
    ++lookups_;
    answer_on.Post([done = std::move(done), info = InfoOf(hash)]() mutable { done(info); });
  }
  void OpenReader(
      const Hash& hash, Executor& answer_on,
      UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobReader>>)> done) override {
    ++opened_;
    StatusOr<std::shared_ptr<store::BlobReader>> reader = NotFound("not here");
    {
      const std::lock_guard lock(mutex_);
      const auto it = blobs_.find(hash);
      if (it != blobs_.end() && !it->second->open_status.ok()) {
        reader = it->second->open_status;
      } else if (it != blobs_.end() && !it->second->info.groups.empty()) {
        reader = std::shared_ptr<store::BlobReader>(
            std::make_shared<MemoryReader>(it->second, open_readers_));
      }
    }
    answer_on.Post([done = std::move(done), reader = std::move(reader)]() mutable {
      done(std::move(reader));
    });
  }
  void Withdraw(const Hash& hash, const RangeSet& groups, Executor& answer_on,
                UniqueFunction<void(Status)> done) override {
    {
      const std::lock_guard lock(mutex_);
      withdrawn_.emplace_back(hash, groups);
    }
    answer_on.Post([done = std::move(done)]() mutable { done(OkStatus()); });
  }
  std::unique_ptr<store::BlobWatch> Watch(
      const Hash& hash, Executor& answer_on,
      UniqueFunction<void(const store::BlobInfo&)> changed) override {
    auto watch = std::make_shared<Watched>(*this, hash, answer_on, std::move(changed));
    const std::lock_guard lock(mutex_);
    watches_.insert(watch);
    Notify(watch);
    return std::make_unique<WatchHandle>(*this, std::move(watch));
  }
  void SetPrivate(const Hash& hash, bool is_private, Executor& answer_on,
                  UniqueFunction<void(Status)> done) override {
    SetPrivate(hash, is_private);
    answer_on.Post([done = std::move(done)]() mutable { done(OkStatus()); });
  }
  // Serving does none of these.
  void OpenWriter(const Hash&, Executor&,
                  UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobWriter>>)>) override {
    std::abort();
  }
  void PutSmall(const Hash&, Bytes, Executor&, UniqueFunction<void(Status)>) override {
    std::abort();
  }
  void StartImport(Executor&,
                   UniqueFunction<void(StatusOr<std::unique_ptr<store::Import>>)>) override {
    std::abort();
  }
  void List(std::optional<Hash>, size_t, Executor&,
            UniqueFunction<void(StatusOr<std::vector<store::BlobInfo>>)>) override {
    std::abort();
  }
  void Stats(Executor&, UniqueFunction<void(StatusOr<store::StoreStats>)>) override {
    std::abort();
  }
  store::StoreCounts Counts() const override { std::abort(); }
  void Flush(Executor&, UniqueFunction<void(Status)>) override { std::abort(); }
  void OpenDescriptor(const Hash&, Executor&,
                      UniqueFunction<void(StatusOr<store::BlobDescriptor>)>) override {
    std::abort();
  }
  std::unique_ptr<store::StoreJob> ImportDescriptor(
      store::Descriptor, const store::ImportOptions&, Executor&, UniqueFunction<void(uint64_t)>,
      UniqueFunction<void(StatusOr<store::Import::Result>)>) override {
    std::abort();
  }
  void ListByUse(std::optional<store::UseCursor>, size_t, Executor&,
                 UniqueFunction<void(StatusOr<std::vector<store::BlobUse>>)>) override {
    std::abort();
  }
  void Remove(const Hash&, Executor&, UniqueFunction<void(StatusOr<uint64_t>)>) override {
    std::abort();
  }
  std::unique_ptr<store::StoreJob> Verify(
      const Hash&, Executor&, UniqueFunction<void(uint64_t)>,
      UniqueFunction<void(StatusOr<store::Verified>)>) override {
    std::abort();
  }
  std::unique_ptr<store::DiskWatch> WatchDisk(
      Executor&, UniqueFunction<void(const store::DiskState&)>) override {
    std::abort();
  }

 private:
  class MemoryReader final : public store::BlobReader {
   public:
    MemoryReader(std::shared_ptr<const Blob> blob, std::shared_ptr<std::atomic<int>> open)
        : blob_(std::move(blob)), open_(std::move(open)) {
      ++*open_;
    }
    ~MemoryReader() override { --*open_; }
    const store::BlobInfo& info() const override { return blob_->info; }
    Status ReadAt(uint64_t offset, MutableBytes out) override {
      BLOBD_RETURN_IF_ERROR(blob_->read_status);
      const Range groups{offset / store::kGroupSize,
                         (offset + out.size() + store::kGroupSize - 1) / store::kGroupSize};
      if (!blob_->info.groups.ContainsAll(groups) || offset + out.size() > blob_->size)
        return OutOfRange("not verified");
      std::copy_n(blob_->content->begin() + static_cast<ptrdiff_t>(offset), out.size(),
                  out.begin());
      return OkStatus();
    }
    Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
      BLOBD_RETURN_IF_ERROR(blob_->read_status);
      if ((index + 1) * 64 > blob_->outboard->size()) return OutOfRange("no such pair");
      std::copy_n(blob_->outboard->begin() + static_cast<ptrdiff_t>(index * 64), 64, out->begin());
      return OkStatus();
    }

   private:
    const std::shared_ptr<const Blob> blob_;
    const std::shared_ptr<std::atomic<int>> open_;
  };

  struct Watched {
    Watched(MemoryStore& owner, const Hash& watched, Executor& executor,
            UniqueFunction<void(const store::BlobInfo&)> f)
        : store(owner), hash(watched), answer_on(executor), changed(std::move(f)) {}
    MemoryStore& store;
    const Hash hash;
    Executor& answer_on;
    UniqueFunction<void(const store::BlobInfo&)> changed;
    std::atomic<bool> is_posted = false;
  };
  class WatchHandle final : public store::BlobWatch {
   public:
    WatchHandle(MemoryStore& store, std::shared_ptr<Watched> watched)
        : store_(store), watched_(std::move(watched)) {}
    ~WatchHandle() override {
      const std::lock_guard lock(store_.mutex_);
      store_.watches_.erase(watched_);
    }

   private:
    MemoryStore& store_;
    const std::shared_ptr<Watched> watched_;
  };

  static void Notify(const std::shared_ptr<Watched>& watched) {
    if (watched->is_posted.exchange(true)) return;
    watched->answer_on.Post([watched] {
      watched->is_posted = false;
      watched->changed(*watched->store.InfoOf(watched->hash));
    });
  }
  Hash Put(Blob blob) {
    blob.info.size = blob.size;
    const Hash hash = blob.info.hash;
    const RangeSet all(Range{0, bao::GroupCount(blob.size)});
    {
      const std::lock_guard lock(mutex_);
      blobs_[hash] = std::make_shared<const Blob>(std::move(blob));
    }
    Hold(hash, all);
    return hash;
  }
  static std::shared_ptr<const Bytes> Flipped(Bytes bytes, size_t offset) {
    bytes.at(offset) ^= 1;
    return std::make_shared<const Bytes>(std::move(bytes));
  }
  StatusOr<store::BlobInfo> InfoOf(const Hash& hash) const {
    const std::lock_guard lock(mutex_);
    const auto it = blobs_.find(hash);
    if (it != blobs_.end() && !it->second->info.groups.empty()) return it->second->info;
    store::BlobInfo absent;
    absent.hash = hash;
    return absent;
  }

  mutable std::mutex mutex_;
  std::map<Hash, std::shared_ptr<const Blob>> blobs_;
  std::set<std::shared_ptr<Watched>> watches_;
  std::vector<std::pair<Hash, RangeSet>> withdrawn_;
  const std::shared_ptr<std::atomic<int>> open_readers_ = std::make_shared<std::atomic<int>>(0);
  std::atomic<int> lookups_ = 0;
  std::atomic<int> opened_ = 0;
};

}  // namespace blobd::transfer
