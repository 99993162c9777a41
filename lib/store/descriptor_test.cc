// Blobs that go to and come from other processes as open files.
#include "store/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

Bytes ReadAll(const BlobDescriptor& blob) {
  Bytes content(blob.size + 1);
  const ssize_t count = pread(blob.file.fd(), content.data(), content.size(), 0);
  content.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return content;
}

class DescriptorTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  Descriptor FileWith(const Bytes& content, int flags = O_RDONLY) {
    const std::string path = Path("source");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
    return Descriptor(open(path.c_str(), flags | O_CLOEXEC));
  }
  static std::string MakeState(const std::string& path) {
    std::filesystem::create_directory(path);
    return path;
  }

  TestDirectory directory_;
  StoreUnderTest store_{MakeState(directory_.path() + "/state")};
};

TEST_F(DescriptorTest, OfABlobCanBeReadAndNothingElse) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16384}, size_t{16385}, size_t{400'000}}) {
    SCOPED_TRACE(size);
    const TestBlob blob(size, size);
    store_.Put(blob);
    const auto opened = store_.OpenDescriptor(blob.hash);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->size, size);
    EXPECT_TRUE(ReadAll(*opened) == blob.content);
    const int fd = opened->file.fd();
    EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(write(fd, "x", 1), -1);
    EXPECT_NE(ftruncate(fd, 0), 0);
    if (size <= kGroupSize) {
      // Also not when it is opened again: it is sealed.
      const std::string path = "/proc/self/fd/" + std::to_string(fd);
      const Descriptor again(open(path.c_str(), O_RDWR | O_CLOEXEC));
      EXPECT_EQ(pwrite(again.fd(), "x", 1, 0), -1);
    } else {
      struct stat facts {};
      ASSERT_EQ(fstat(fd, &facts), 0);
      EXPECT_EQ(facts.st_mode & 0777u, 0600u);
    }
  }
}

TEST_F(DescriptorTest, OnlyOfCompleteBlobs) {
  const TestBlob blob(20 * kGroupSize, 1);
  EXPECT_EQ(store_.OpenDescriptor(blob.hash).status().code(), StatusCode::kNotFound);
  store_.Write(blob, RangeSet(Range{0, 19}));
  EXPECT_EQ(store_.OpenDescriptor(blob.hash).status().code(), StatusCode::kFailedPrecondition);
  store_.Repair(blob);
  EXPECT_TRUE(store_.OpenDescriptor(blob.hash).ok());
  std::filesystem::resize_file(store_.layout().Complete(blob.hash).data, 10);
  EXPECT_EQ(store_.OpenDescriptor(blob.hash).status().code(), StatusCode::kDataLoss);
  std::filesystem::remove(store_.layout().Complete(blob.hash).data);
  EXPECT_EQ(store_.OpenDescriptor(blob.hash).status().code(), StatusCode::kDataLoss);
}

TEST_F(DescriptorTest, ImportTakesWhatTheFileHas) {
  const size_t sizes[] = {0, 1, 16384, 16385, 1'000'000, 9u << 20};
  for (const size_t size : sizes) {
    SCOPED_TRACE(size);
    const TestBlob blob(size, size);
    Descriptor file = FileWith(blob.content);
    ASSERT_EQ(lseek(file.fd(), 0, SEEK_END), static_cast<off_t>(size));
    const auto result = store_.ImportFrom(std::move(file));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->hash, blob.hash);
    EXPECT_EQ(result->size, size);
    EXPECT_FALSE(result->was_there);
    store_.ExpectComplete(blob);
    const auto again = store_.ImportFrom(FileWith(blob.content));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->was_there);
    // What becomes of the file is nothing to the blob.
    FileWith(Bytes(size, 7));
    store_.ExpectComplete(blob);
    store_.ExpectNoPartialFiles();
  }
}

TEST_F(DescriptorTest, ImportIsPrivateFromTheFirstMoment) {
  for (const size_t size : {size_t{100}, size_t{100'000}}) {
    const TestBlob blob(size, size);
    ASSERT_TRUE(store_.ImportFrom(FileWith(blob.content), {.is_private = true}).ok());
    EXPECT_TRUE(store_.Lookup(blob.hash).is_private);
  }
}

TEST_F(DescriptorTest, ImportCompletesAPartialBlob) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Write(blob, RangeSet(Range{3, 9}));
  ASSERT_TRUE(store_.ImportFrom(FileWith(blob.content)).ok());
  store_.ExpectComplete(blob);
}

TEST_F(DescriptorTest, ImportRefusesWhatIsNoFileToBeRead) {
  const Bytes content(100'000, 1);
  const auto code = [&](Descriptor file) {
    return store_.ImportFrom(std::move(file)).status().code();
  };
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const Descriptor writing_end(pipe_ends[1]);
  EXPECT_EQ(code(Descriptor(pipe_ends[0])), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Descriptor(open("/dev/zero", O_RDONLY | O_CLOEXEC))),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Descriptor(open("/", O_RDONLY | O_CLOEXEC))), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(FileWith(content, O_WRONLY)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(FileWith(content, O_PATH)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Descriptor()), StatusCode::kInvalidArgument);
  store_.ExpectNoPartialFiles();
  EXPECT_EQ(store_.Stats().complete_blobs, 0u);
}

TEST_F(DescriptorTest, ImportOfAFileThatShrinksMeanwhile) {
  const TestBlob blob(9u << 20, 1);
  Descriptor file = FileWith(blob.content);
  std::atomic<bool> is_cut = false;
  store_.files.BeforeEachChange([&](FaultyFileSystem::Kind kind) {
    if (kind == FaultyFileSystem::Kind::kWrite && !is_cut.exchange(true))
      std::filesystem::resize_file(Path("source"), 4u << 20);
  });
  const auto result = store_.ImportFrom(std::move(file));
  // A clone is taken at one moment; a copy notices.
  if (result.ok()) {
    EXPECT_EQ(result->size, 4u << 20);
  } else {
    EXPECT_EQ(result.status().code(), StatusCode::kAborted) << result.status();
  }
  store_.files.BeforeEachChange(nullptr);
  store_.ExpectNoPartialFiles();
}

TEST_F(DescriptorTest, ImportTellsHowFarItIsAndCanBeCancelled) {
  const TestBlob blob(9u << 20, 1);
  std::vector<uint64_t> progress;
  std::optional<StatusOr<Import::Result>> result;
  auto job = store_.store().ImportDescriptor(
      FileWith(blob.content), {}, store_.inbox(),
      [&](uint64_t bytes) { progress.push_back(bytes); },
      [&](StatusOr<Import::Result> outcome) { result = std::move(outcome); });
  while (!result) store_.inbox().RunOne();
  ASSERT_TRUE(result->ok()) << result->status();
  ASSERT_FALSE(progress.empty());
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_LE(progress.back(), blob.size());

  const TestBlob other(Bytes(9u << 20, 2));
  result.reset();
  job = store_.store().ImportDescriptor(
      FileWith(other.content), {}, store_.inbox(), nullptr,
      [&](StatusOr<Import::Result> outcome) { result = std::move(outcome); });
  job = nullptr;
  while (!result) store_.inbox().RunOne();
  EXPECT_EQ(result->status().code(), StatusCode::kCancelled);
  EXPECT_EQ(store_.Lookup(other.hash).state, BlobState::kAbsent);
  store_.Reopen();
  store_.ExpectNoPartialFiles();
}

// Every call that changes something fails once; nothing is left over, and trying again works.
TEST_F(DescriptorTest, ImportOnAFailingDisk) {
  const TestBlob blob(100'000, 1);
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    store_.files.Fail(FaultyFileSystem::Kind::kAny, call, call, EIO);
    const auto result = store_.ImportFrom(FileWith(blob.content));
    const bool met_fault = store_.files.calls() >= call;
    store_.files.Heal();
    if (!met_fault) break;
    if (!result.ok()) {
      ASSERT_TRUE(store_.ImportFrom(FileWith(blob.content)).ok());
    }
    store_.ExpectComplete(blob);
    ASSERT_TRUE(store_.Remove(blob.hash).ok());
  }
}

// Its outboard is written while the file is still being copied. One write fails at a time.
TEST_F(DescriptorTest, ImportOfALargeFileOnAFailingDisk) {
  const TestBlob blob(Bytes((65u << 20) + 1));
  const Descriptor source = FileWith(blob.content);
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    store_.files.Fail(FaultyFileSystem::Kind::kWrite, call, call, EIO);
    const auto result = store_.ImportFrom(Descriptor(dup(source.fd())));
    const bool met_fault = store_.files.calls() >= call;
    store_.files.Heal();
    store_.ExpectNoPartialFiles();
    if (!met_fault) break;
    EXPECT_EQ(result.status().code(), StatusCode::kInternal) << result.status();
  }
  store_.ExpectComplete(blob);
}

// It is synced on the way. A failure of that is told once, and a later sync succeeds.
TEST_F(DescriptorTest, ImportOfWhatCouldNotBeSyncedOnTheWay) {
  const TestBlob blob(Bytes((130u << 20) + 1));
  const Descriptor source = FileWith(blob.content);
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1, 1, EIO);
  EXPECT_EQ(store_.ImportFrom(Descriptor(dup(source.fd()))).status().code(), StatusCode::kInternal);
  EXPECT_LE(store_.files.calls(), 1);
  store_.ExpectNoPartialFiles();
  store_.HealDisk();
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  EXPECT_TRUE(store_.ImportFrom(Descriptor(dup(source.fd()))).ok());
  store_.ExpectComplete(blob);
}

}  // namespace
}  // namespace blobd::store
