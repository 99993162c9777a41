#include "transfer/mirror_log.h"

#include <gtest/gtest.h>

#include <map>

#include "store/store_for_test.h"

namespace blobd::transfer {
namespace {

constexpr uint64_t kSize = 100 * 16384;
const Hash kBlob = {{1}};

bao::ChainingValue ValueOf(uint8_t number) { return {number}; }

struct Heard final : public bao::CvLogSink {
  void OnSize(uint64_t said) override { size = said; }
  void OnSource(uint32_t source, std::string_view url) override { sources[source] = url; }
  void OnGroups(uint32_t, uint64_t first, std::span<const bao::ChainingValue> said) override {
    for (size_t i = 0; i < said.size(); ++i) values[first + i] = said[i];
  }
  void OnDiscard(Range) override { FAIL() << "it is left out"; }
  uint64_t size = 0;
  std::map<uint32_t, std::string> sources;
  std::map<uint64_t, bao::ChainingValue> values;
};

class MirrorLogTest : public testing::Test {
 protected:
  MirrorLog Open() {
    auto file = file_system_.Open(path_, store::OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    return MirrorLog(*std::move(file), kBlob);
  }
  static Heard Restore(MirrorLog& log) {
    Heard heard;
    while (log.Restore(heard)) {
    }
    return heard;
  }

  store::TestDirectory directory_;
  const std::string path_ = directory_.path() + "/log";
  store::RealFileSystem file_system_;
};

TEST_F(MirrorLogTest, TellsWhatHoldsAndGoesOn) {
  const std::vector<bao::ChainingValue> values = {ValueOf(1), ValueOf(2), ValueOf(3)};
  {
    MirrorLog log = Open();
    log.Begin(kSize);
    log.Groups(1, "http://a", 10, values);
    log.Discard({11, 12});
    log.Groups(2, "http://b", 12, {values.data(), 1});
  }
  {
    MirrorLog log = Open();
    const Heard heard = Restore(log);
    EXPECT_EQ(heard.size, kSize);
    EXPECT_EQ(heard.sources.at(2), "http://b");
    EXPECT_EQ(heard.values,
              (std::map<uint64_t, bao::ChainingValue>{{10, ValueOf(1)}, {12, ValueOf(1)}}));
    log.Groups(2, "http://b", 50, {values.data(), 1});
  }
  store::FlipByte(path_, std::filesystem::file_size(path_) - 20);
  {
    MirrorLog log = Open();
    EXPECT_EQ(Restore(log).values.size(), 2u) << "a damaged record ends it";
    log.Groups(2, "http://b", 60, {values.data(), 1});
  }
  MirrorLog log = Open();
  EXPECT_EQ(Restore(log).values.count(60), 1u);
  log.Begin(kSize);
  MirrorLog again = Open();
  EXPECT_EQ(Restore(again).values.size(), 0u);
}

}  // namespace
}  // namespace blobd::transfer
