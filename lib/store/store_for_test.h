// What the tests of this room share: real trees, a temporary directory, an executor that is the
// test's thread, and a file system that fails on demand. Used by tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bao/outboard.h"
#include "base/test_directory_for_test.h"
#include "blake3/random_bytes_for_test.h"
#include "store/bad_blocks.h"
#include "store/blob_store.h"
#include "store/file_system.h"

namespace blobd::store {

// A blob with its tree.
struct TestBlob {
  TestBlob(size_t size, uint64_t seed) : TestBlob(blake3::RandomBytes(size, seed)) {}
  explicit TestBlob(Bytes bytes) : content(std::move(bytes)) {
    bao::OutboardBuilder builder;
    builder.Append(content);
    hash = builder.Finish(&outboard).root;
  }
  uint64_t size() const { return content.size(); }
  uint64_t group_count() const { return bao::GroupCount(content.size()); }
  VerifiedGroup Group(uint64_t index) const {
    const size_t begin = static_cast<size_t>(index * kGroupSize);
    return {index,
            ByteView(content).subspan(begin, std::min<size_t>(kGroupSize, content.size() - begin))};
  }
  // The pairs from the root down to a group.
  std::vector<OutboardPair> Path(uint64_t group) const {
    std::vector<OutboardPair> pairs;
    bao::Subtree node = bao::Subtree::Root(bao::ChunkCount(content.size()));
    while (node.has_outboard_pair()) {
      OutboardPair pair{node.pair_index, {}};
      std::copy_n(outboard.begin() + static_cast<ptrdiff_t>(node.pair_index * 64), 64,
                  pair.hashes.begin());
      pairs.push_back(pair);
      node = group * bao::kGroupChunks < node.Right().begin ? node.Left() : node.Right();
    }
    return pairs;
  }
  Status WriteTo(BlobWriter& writer, uint64_t group) const {
    const VerifiedGroup one[] = {Group(group)};
    return writer.Write(one, Path(group));
  }

  Bytes content;
  Bytes outboard;
  Hash hash;
};

using blobd::TestDirectory;

inline void FlipByte(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 1));
  ASSERT_TRUE(file.good());
}

// Runs posted tasks on the test's thread.
class Inbox final : public Executor {
 public:
  void Post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_one();
  }
  // Calls `start` with an answer and waits until that is given.
  template <typename Outcome, typename Start>
  Outcome Await(Start start) {
    std::optional<Outcome> outcome;
    start(UniqueFunction<void(Outcome)>([&](Outcome value) { outcome.emplace(std::move(value)); }));
    while (!outcome) RunOne();
    return std::move(*outcome);
  }
  // Waits for a task.
  void RunOne() {
    std::unique_lock lock(mutex_);
    while (tasks_.empty()) arrived_.wait(lock);
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
  }
  size_t waiting() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Task> tasks_;
};

// The real file system, but the n-th changing call (of one kind) and those after it fail while a
// fault is set.
class FaultyFileSystem final : public FileSystem {
 public:
  enum class Kind { kNone, kRead, kWrite, kSync, kAny };  // kAny: of those that change something

  // From now on the calls numbered `first` up to `last`, counted from 1, fail with the errno
  // `error`.
  void Fail(Kind kind, int first, int last, int error) {
    kind_ = Kind::kNone;
    calls_ = 0;
    first_ = first;
    last_ = last;
    error_ = error;
    kind_ = kind;
  }
  void Heal() { kind_ = Kind::kNone; }
  // These bytes of the files whose names end so cannot be read, nor a part of their block written,
  // until all of that is written or discarded.
  void SpoilSector(std::string suffix, Range bytes) {
    const std::lock_guard lock(hook_mutex_);
    bad_suffix_ = std::move(suffix);
    bad_ = bytes;
  }
  // Called before everything that changes or syncs something, on the thread that does it.
  void BeforeEachChange(std::function<void(Kind)> hook) {
    const std::lock_guard lock(hook_mutex_);
    hook_ = hook ? std::make_shared<std::function<void(Kind)>>(std::move(hook)) : nullptr;
  }
  int calls() const { return calls_; }
  // Bytes that the disk was told to begin with.
  uint64_t written_back() const { return written_back_; }

  StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kCreate || mode == OpenMode::kCreateNew)
      BLOBD_RETURN_IF_ERROR(Count(Kind::kAny));
    BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<File> file, real_.Open(path, mode));
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, path, std::move(file)));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    BLOBD_RETURN_IF_ERROR(Count(Kind::kAny));
    return real_.Rename(from, to);
  }
  Status Unlink(const std::string& path) override {
    RunHook(Kind::kAny);
    return real_.Unlink(path);
  }
  StatusOr<bool> MakeDirectory(const std::string& path) override {
    BLOBD_RETURN_IF_ERROR(Count(Kind::kAny));
    return real_.MakeDirectory(path);
  }
  StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return real_.List(directory);
  }
  Status SyncDirectory(const std::string& path) override {
    BLOBD_RETURN_IF_ERROR(Count(Kind::kSync));
    return real_.SyncDirectory(path);
  }
  StatusOr<Descriptor> OpenDescriptor(const std::string& path) override {
    return real_.OpenDescriptor(path);
  }
  StatusOr<DiskSpace> Space(const std::string& directory) override {
    ++looks_;
    if (has_space_) return DiskSpace{total_, free_, is_read_only_};
    return real_.Space(directory);
  }
  // From now on the file system says so.
  void SetSpace(uint64_t total, uint64_t free, bool is_read_only = false) {
    total_ = total;
    free_ = free;
    is_read_only_ = is_read_only;
    has_space_ = true;
  }
  int looks() const { return looks_; }  // at its space

 private:
  class FaultyFile final : public File {
   public:
    FaultyFile(FaultyFileSystem& faults, std::string path, std::unique_ptr<File> real)
        : faults_(faults), path_(std::move(path)), real_(std::move(real)) {}
    StatusOr<size_t> ReadAt(uint64_t offset, MutableBytes out) override {
      if (!faults_.Count(Kind::kRead).ok()) return ReadFailed(faults_.error_, path_);
      if (faults_.IsBad(path_, {offset, offset + out.size()})) return ReadFailed(EIO, path_);
      return real_->ReadAt(offset, out);
    }
    Status WriteAt(uint64_t offset, std::span<const ByteView> parts) override {
      if (Status status = faults_.Count(Kind::kWrite); !status.ok()) {
        // As a full disk does: some of it arrives.
        const ByteView half = parts.front().first(parts.front().size() / 2);
        (void)real_->WriteAt(offset, {&half, 1});
        return status;
      }
      uint64_t size = 0;
      for (const ByteView part : parts) size += part.size();
      if (!faults_.Overwrite(path_, {offset, offset + size}))
        return ErrnoStatus(EIO, "a block written in part is read first");
      return real_->WriteAt(offset, parts);
    }
    Status Sync() override {
      BLOBD_RETURN_IF_ERROR(faults_.Count(Kind::kSync));
      return real_->Sync();
    }
    StatusOr<uint64_t> Size() override { return real_->Size(); }
    Status Truncate(uint64_t size) override {
      BLOBD_RETURN_IF_ERROR(faults_.Count(Kind::kAny));
      return real_->Truncate(size);
    }
    StatusOr<std::optional<Range>> NextExtent(uint64_t from) override {
      return real_->NextExtent(from);
    }
    StatusOr<bool> CloneFrom(int source) override {
      BLOBD_RETURN_IF_ERROR(faults_.Count(Kind::kWrite));
      return real_->CloneFrom(source);
    }
    StatusOr<uint64_t> CopyFrom(int source, uint64_t offset, uint64_t size) override {
      BLOBD_RETURN_IF_ERROR(faults_.Count(Kind::kWrite));
      return real_->CopyFrom(source, offset, size);
    }
    StatusOr<bool> Discard(Range bytes) override {
      BLOBD_RETURN_IF_ERROR(faults_.Count(Kind::kWrite));
      if (!faults_.Overwrite(path_, bytes)) return ErrnoStatus(EIO, "half a block");
      return real_->Discard(bytes);
    }
    void StartWriteBack(Range bytes) override {
      faults_.written_back_ += bytes.size();
      real_->StartWriteBack(bytes);
    }

   private:
    FaultyFileSystem& faults_;
    const std::string path_;
    std::unique_ptr<File> real_;
  };

  void RunHook(Kind kind) {
    std::shared_ptr<std::function<void(Kind)>> hook;
    {
      const std::lock_guard lock(hook_mutex_);
      hook = hook_;
    }
    if (hook != nullptr) (*hook)(kind);
  }
  // The disk reads whole blocks or nothing.
  Range BadBlocks() const {
    return {bad_.begin / kDiskBlock * kDiskBlock,
            (bad_.end + kDiskBlock - 1) / kDiskBlock * kDiskBlock};
  }
  bool IsBad(const std::string& path, Range bytes) {
    const std::lock_guard lock(hook_mutex_);
    const Range bad = BadBlocks();
    return path.ends_with(bad_suffix_) && bytes.begin < bad.end && bad.begin < bytes.end;
  }
  // Whether the bytes can be written. What covers all that is bad makes it good.
  bool Overwrite(const std::string& path, Range bytes) {
    if (!IsBad(path, bytes)) return true;
    const std::lock_guard lock(hook_mutex_);
    const Range bad = BadBlocks();
    const bool covers = bytes.begin <= bad.begin && bad.end <= bytes.end;
    if (covers) bad_ = {0, 0};
    return covers;
  }
  Status Count(Kind kind) {
    if (kind != Kind::kRead) RunHook(kind);
    const Kind wanted = kind_;
    const bool is_meant = wanted == kind || (wanted == Kind::kAny && kind != Kind::kRead);
    if (wanted == Kind::kNone || !is_meant) return OkStatus();
    const int call = ++calls_;
    if (call < first_ || call > last_) return OkStatus();
    return ErrnoStatus(error_, "injected");
  }

  RealFileSystem real_;
  std::mutex hook_mutex_;
  std::shared_ptr<std::function<void(Kind)>> hook_;
  std::string bad_suffix_;
  Range bad_{0, 0};
  std::atomic<Kind> kind_ = Kind::kNone;
  std::atomic<uint64_t> written_back_ = 0;
  std::atomic<int> calls_ = 0;
  std::atomic<int> first_ = 0;
  std::atomic<int> last_ = 0;
  std::atomic<int> error_ = 0;
  std::atomic<bool> has_space_ = false;
  std::atomic<uint64_t> total_ = 0;
  std::atomic<uint64_t> free_ = 0;
  std::atomic<bool> is_read_only_ = false;
  std::atomic<int> looks_ = 0;
};

}  // namespace blobd::store
