#include "client/copy_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <string>

#include "client/descriptor.h"

namespace blobd::client {
namespace {

class CopyFileTest : public testing::Test {
 protected:
  // In the test's directory, or in memory: another file system, most likely.
  static Descriptor FileWith(const std::string& content, bool in_memory) {
    const std::string path = testing::TempDir() + "copy_file_test";
    Descriptor file(in_memory ? memfd_create("x", MFD_CLOEXEC)
                              : open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    unlink(path.c_str());
    EXPECT_TRUE(WriteAll(file.get(), content).ok());
    lseek(file.get(), 0, SEEK_SET);
    return file;
  }
  static std::string ContentOf(const Descriptor& file) {
    std::string content(4 << 20, '\0');
    const ssize_t size = pread(file.get(), content.data(), content.size(), 0);
    content.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return content;
  }
  Status Copy(const Descriptor& source, uint64_t offset, uint64_t length,
              const Descriptor& target) {
    copied_ = 0;
    return CopyOut(source.get(), offset, length, target.get(), [this](uint64_t bytes) {
      copied_ += bytes;
      return OkStatus();
    });
  }

  uint64_t copied_ = 0;
};

TEST_F(CopyFileTest, CopiesBetweenFilesOfAllKinds) {
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += static_cast<char>(i * 7 / 3);
  for (const bool from_memory : {false, true}) {
    for (const bool to_memory : {false, true}) {
      const Descriptor source = FileWith(content, from_memory);
      const Descriptor target = FileWith("", to_memory);
      ASSERT_TRUE(Copy(source, 0, content.size(), target).ok());
      EXPECT_EQ(copied_, content.size());
      EXPECT_EQ(ContentOf(target), content);
      // What comes next is behind it.
      ASSERT_TRUE(Copy(source, 7, 5, target).ok());
      EXPECT_EQ(ContentOf(target), content + content.substr(7, 5));
      EXPECT_EQ(lseek(source.get(), 0, SEEK_CUR), 0) << "others may share the offset";
    }
  }
}

TEST_F(CopyFileTest, AppendsWhereTheTargetSaysSo) {
  const std::string path = testing::TempDir() + "copy_file_test.append";
  const Descriptor target(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  unlink(path.c_str());
  const Descriptor source = FileWith("abc", false);
  ASSERT_TRUE(Copy(source, 0, 3, target).ok());
  lseek(target.get(), 0, SEEK_SET);
  ASSERT_TRUE(Copy(source, 0, 3, target).ok());
  EXPECT_EQ(ContentOf(target), "abcabc");
}

TEST_F(CopyFileTest, WritesToPipes) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor reading(ends[0]);
  const Descriptor writing(ends[1]);
  ASSERT_TRUE(Copy(FileWith("abc", true), 1, 2, writing).ok());
  char content[3] = {};
  EXPECT_EQ(read(reading.get(), content, 3), 2);
  EXPECT_STREQ(content, "bc");
}

TEST_F(CopyFileTest, NothingIsNothing) {
  const Descriptor target = FileWith("", false);
  EXPECT_TRUE(Copy(FileWith("", true), 0, 0, target).ok());
  EXPECT_EQ(ContentOf(target), "");
}

TEST_F(CopyFileTest, ASourceThatEndsEarlyIsAnError) {
  for (const bool in_memory : {false, true}) {
    const Status status = Copy(FileWith("abc", in_memory), 0, 4, FileWith("", false));
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status;
  }
}

TEST_F(CopyFileTest, AnInterruptEndsIt) {
  const Status status = CopyOut(FileWith("abc", true).get(), 0, 3, FileWith("", false).get(),
                                [](uint64_t) { return Cancelled("interrupted"); });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace blobd::client
