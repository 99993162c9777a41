// A DiskStore with everything it needs, and its calls as plain functions. Used by tests only.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/disk_store.h"
#include "store/layout.h"
#include "store/store_for_test.h"

namespace blobd::store {

class ManualClock final : public Clock {
 public:
  Instant Now() const override { return Instant::FromNanos(nanos_.load()); }
  WallTime WallNow() const override { return {static_cast<int64_t>(nanos_.load() / 1'000'000)}; }
  void Advance(Duration duration) { nanos_ += static_cast<uint64_t>(duration.count()); }

 private:
  std::atomic<uint64_t> nanos_ = 1'000'000'000;
};

class StoreUnderTest {
 public:
  enum class Start { kOpen, kClosed };
  // `vfs` is that of store.db.
  explicit StoreUnderTest(std::string state_dir, std::string vfs = {}, Start start = Start::kOpen)
      : state_dir_(std::move(state_dir)), layout_(state_dir_) {
    options_.clock = &clock;
    options_.vfs = std::move(vfs);
    options_.tick_soon = [this] { tick_asked_ = true; };
    if (start == Start::kOpen) Reopen();
  }
  ~StoreUnderTest() { Close(); }
  void Close() {
    store_.reset();
    workers_.reset();
  }
  void Reopen() {
    const Status status = TryReopen();
    EXPECT_TRUE(status.ok()) << status;
  }
  Status TryReopen() {
    Close();
    workers_ = std::make_unique<loop::WorkerPool>(3);
    auto store = DiskStore::Open(state_dir_, *workers_, files, options_);
    if (!store.ok()) return store.status();
    store_ = std::move(*store);
    return OkStatus();
  }
  // What kill -9 would leave now, as a directory of its own. Everything called before has been
  // done.
  void CopyTo(const std::string& directory) {
    Stats();
    const auto options = std::filesystem::copy_options::recursive;
    std::filesystem::copy(state_dir_, directory, options);
    std::filesystem::remove(directory + "/store.db-shm");
  }

  BlobInfo Lookup(const Hash& hash) {
    auto info = inbox_.Await<StatusOr<BlobInfo>>(
        [&](auto done) { store_->Lookup(hash, inbox_, std::move(done)); });
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? *info : BlobInfo();
  }
  StatusOr<std::shared_ptr<BlobWriter>> TryWriter(const Hash& hash) {
    return inbox_.Await<StatusOr<std::shared_ptr<BlobWriter>>>(
        [&](auto done) { store_->OpenWriter(hash, inbox_, std::move(done)); });
  }
  std::shared_ptr<BlobWriter> Writer(const Hash& hash) {
    auto writer = TryWriter(hash);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *writer;
  }
  StatusOr<std::shared_ptr<BlobReader>> Reader(const Hash& hash) {
    return inbox_.Await<StatusOr<std::shared_ptr<BlobReader>>>(
        [&](auto done) { store_->OpenReader(hash, inbox_, std::move(done)); });
  }
  Status Finish(BlobWriter& writer) {
    return inbox_.Await<Status>([&](auto done) { writer.Finish(inbox_, std::move(done)); });
  }
  Status PutSmall(const Hash& hash, Bytes content) {
    return inbox_.Await<Status>(
        [&](auto done) { store_->PutSmall(hash, content, inbox_, std::move(done)); });
  }
  Status Flush() {
    return inbox_.Await<Status>([&](auto done) { store_->Flush(inbox_, std::move(done)); });
  }
  Status Withdraw(const Hash& hash, const RangeSet& groups) {
    return inbox_.Await<Status>(
        [&](auto done) { store_->Withdraw(hash, groups, inbox_, std::move(done)); });
  }
  Status SetPrivate(const Hash& hash, bool is_private) {
    return inbox_.Await<Status>(
        [&](auto done) { store_->SetPrivate(hash, is_private, inbox_, std::move(done)); });
  }
  StatusOr<uint64_t> Remove(const Hash& hash) {
    return inbox_.Await<StatusOr<uint64_t>>(
        [&](auto done) { store_->Remove(hash, inbox_, std::move(done)); });
  }
  StatusOr<BlobDescriptor> OpenDescriptor(const Hash& hash) {
    return inbox_.Await<StatusOr<BlobDescriptor>>(
        [&](auto done) { store_->OpenDescriptor(hash, inbox_, std::move(done)); });
  }
  StatusOr<Import::Result> ImportFrom(Descriptor source, ImportOptions options = {}) {
    std::unique_ptr<StoreJob> job;
    return inbox_.Await<StatusOr<Import::Result>>([&](auto done) {
      job = store_->ImportDescriptor(std::move(source), options, inbox_, nullptr, std::move(done));
    });
  }
  StatusOr<Verified> Verify(const Hash& hash) {
    std::unique_ptr<StoreJob> job;
    return inbox_.Await<StatusOr<Verified>>(
        [&](auto done) { job = store_->Verify(hash, inbox_, nullptr, std::move(done)); });
  }
  std::vector<BlobUse> ListByUse(std::optional<UseCursor> after, size_t limit) {
    auto uses = inbox_.Await<StatusOr<std::vector<BlobUse>>>(
        [&](auto done) { store_->ListByUse(after, limit, inbox_, std::move(done)); });
    EXPECT_TRUE(uses.ok()) << uses.status();
    return *uses;
  }
  // As whoever owns a store does it: only if it was asked for.
  void Tick() {
    Stats();
    if (!tick_asked_.exchange(false)) return;
    store_->Tick();
    Stats();
  }
  bool tick_asked() const { return tick_asked_; }
  // No more faults, and the store knows.
  void HealDisk() {
    files.Heal();
    clock.Advance(seconds(1));
    Tick();
  }
  StoreCounts Counts() const { return store_->Counts(); }
  StoreStats Stats() {
    auto stats = inbox_.Await<StatusOr<StoreStats>>(
        [&](auto done) { store_->Stats(inbox_, std::move(done)); });
    EXPECT_TRUE(stats.ok()) << stats.status();
    // What is counted on the way is what a look at everything finds.
    const StoreCounts counts = store_->Counts();
    if (stats->doubtful_blobs > 0) return *stats;  // they are looked at meanwhile
    EXPECT_EQ(counts.complete_blobs, stats->complete_blobs);
    EXPECT_EQ(counts.complete_bytes, stats->complete_bytes);
    EXPECT_EQ(counts.partial_blobs, stats->partial_blobs);
    EXPECT_LE(counts.partial_bytes, stats->partial_bytes);
    return *stats;
  }
  std::vector<BlobInfo> List(std::optional<Hash> after, size_t limit) {
    auto infos = inbox_.Await<StatusOr<std::vector<BlobInfo>>>(
        [&](auto done) { store_->List(after, limit, inbox_, std::move(done)); });
    EXPECT_TRUE(infos.ok()) << infos.status();
    return *infos;
  }
  std::unique_ptr<Import> StartImport() {
    auto import = inbox_.Await<StatusOr<std::unique_ptr<Import>>>(
        [&](auto done) { store_->StartImport(inbox_, std::move(done)); });
    return *std::move(import);
  }
  StatusOr<Import::Result> Finish(Import& import) {
    return inbox_.Await<StatusOr<Import::Result>>(
        [&](auto done) { import.Finish(inbox_, std::move(done)); });
  }

  // All of the blob, in files or a row.
  void Put(const TestBlob& blob) {
    const auto import = StartImport();
    ASSERT_TRUE(import->Append(blob.content).ok());
    const auto result = Finish(*import);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  // Gets what is missing of a blob, as a download would.
  void Repair(const TestBlob& blob) {
    Write(blob, Lookup(blob.hash).groups.Missing({0, blob.group_count()}));
    const auto writer = TryWriter(blob.hash);
    if (writer.ok()) {
      (*writer)->ProveSize(blob.size());
      const Status status = Finish(**writer);
      EXPECT_TRUE(status.ok()) << status;
    } else {
      // With the right size the store has found what an earlier life wrote.
      EXPECT_EQ(writer.status().code(), StatusCode::kAlreadyExists) << writer.status();
    }
    ExpectComplete(blob);
    ExpectNoPartialFiles();
  }
  // Writes the groups one by one and publishes them together.
  void Write(const TestBlob& blob, const RangeSet& groups) {
    const auto writer = Writer(blob.hash);
    writer->ClaimSize(blob.size());
    for (const Range& range : groups.ranges()) {
      for (uint64_t group = range.begin; group < range.end; ++group) {
        ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
      }
    }
    if (groups.Contains(blob.group_count() - 1)) writer->ProveSize(blob.size());
    writer->Publish();
  }
  void ExpectComplete(const TestBlob& blob) {
    const BlobInfo info = Lookup(blob.hash);
    EXPECT_EQ(info.state, BlobState::kComplete);
    EXPECT_EQ(info.size, blob.size());
    EXPECT_TRUE(info.size_proven);
    EXPECT_EQ(info.verified_bytes, blob.size());
    auto reader = Reader(blob.hash);
    ASSERT_TRUE(reader.ok()) << reader.status();
    Bytes content(blob.size());
    const Status status = (*reader)->ReadAt(0, content);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(content == blob.content);
    if (blob.size() <= kGroupSize) return;
    std::ifstream file(layout_.Complete(blob.hash).outboard, std::ios::binary);
    const std::string outboard{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(outboard == AsText(blob.outboard));
    EXPECT_EQ(std::filesystem::file_size(layout_.Complete(blob.hash).data), blob.size());
  }
  // Every group that is claimed reads right, with the pairs above it.
  void ExpectClaimsHold(const TestBlob& blob) {
    const auto reader = Reader(blob.hash);
    if (reader.status().code() == StatusCode::kNotFound) return;
    ASSERT_TRUE(reader.ok()) << reader.status();
    for (const Range& range : (*reader)->info().groups.ranges()) {
      for (uint64_t group = range.begin; group < range.end; ++group) {
        const ByteView expected = blob.Group(group).data;
        Bytes bytes(expected.size());
        ASSERT_TRUE((*reader)->ReadAt(group * kGroupSize, bytes).ok());
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin())) << "group " << group;
        for (const OutboardPair& expected_pair : blob.Path(group)) {
          std::array<uint8_t, 64> pair{};
          ASSERT_TRUE((*reader)->ReadPair(expected_pair.index, &pair).ok());
          EXPECT_EQ(pair, expected_pair.hashes) << "pair " << expected_pair.index;
        }
      }
    }
  }
  void ExpectNoPartialFiles() const { EXPECT_TRUE(std::filesystem::is_empty(layout_.partial())); }
  const Layout& layout() const { return layout_; }
  DiskStore::Options& options() { return options_; }  // of the next opening
  DiskStore& store() { return *store_; }
  Inbox& inbox() { return inbox_; }

  FaultyFileSystem files;
  ManualClock clock;

 private:
  const std::string state_dir_;
  const Layout layout_;
  DiskStore::Options options_;
  std::atomic<bool> tick_asked_ = false;
  Inbox inbox_;
  std::unique_ptr<loop::WorkerPool> workers_;
  std::unique_ptr<DiskStore> store_;
};

}  // namespace blobd::store
