#include "bao/cv_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/units.h"

namespace blobd::bao {
namespace {

ChainingValue ValueOf(uint64_t number) {
  ChainingValue value{};
  for (size_t i = 0; i < 8; ++i) value[i] = static_cast<uint8_t>(number >> (8 * i));
  return value;
}

class Recorder final : public CvLogSink {
 public:
  void OnSize(uint64_t size) override { said += fmt::format("size {};", size); }
  void OnSource(uint32_t source, std::string_view url) override {
    said += fmt::format("source {} {};", source, url);
  }
  void OnGroups(uint32_t source, uint64_t first, std::span<const ChainingValue> values) override {
    said += fmt::format("groups {} {}+{};", source, first, values.size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], ValueOf(first + i));
  }
  void OnDiscard(Range groups) override {
    said += fmt::format("discard {}-{};", groups.begin, groups.end);
  }
  std::string said;
};

class CvLogTest : public testing::Test {
 protected:
  CvLogTest() {
    hash_.bytes.fill(7);
    log_ = CvHeader(hash_, 100 * kMiB);
    AppendCvSource(3, "http://a/f", &log_);
    Groups(3, 10, 5000);
    AppendCvDiscard({20, 40}, &log_);
    Groups(3, 20, 1);
  }
  void Groups(uint32_t source, uint64_t first, size_t count) {
    std::vector<ChainingValue> values;
    for (size_t i = 0; i < count; ++i) values.push_back(ValueOf(first + i));
    AppendCvGroups(source, first, values, &log_);
  }
  const std::string all_ =
      "size 104857600;source 3 http://a/f;groups 3 10+4096;groups 3 4106+904;discard 20-40;"
      "groups 3 20+1;";
  Hash hash_;
  Bytes log_;
};

TEST_F(CvLogTest, ReadsWhatWasWrittenInPiecesOfAnySize) {
  for (const size_t piece : {size_t{1}, size_t{63}, size_t{4096}, log_.size()}) {
    CvLogReader reader(hash_);
    Recorder recorder;
    for (size_t at = 0; at < log_.size(); at += piece) {
      ASSERT_TRUE(
          reader.Feed(ByteView(log_).subspan(at, std::min(piece, log_.size() - at)), recorder));
    }
    EXPECT_EQ(recorder.said, all_);
    EXPECT_EQ(reader.good_bytes(), log_.size());
  }
}

TEST_F(CvLogTest, ATornEndCostsTheLastRecordOnly) {
  for (size_t cut = 1; cut < 60; ++cut) {
    CvLogReader reader(hash_);
    Recorder recorder;
    EXPECT_TRUE(reader.Feed(ByteView(log_).first(log_.size() - cut), recorder));
    EXPECT_EQ(recorder.said, all_.substr(0, all_.rfind("groups")));
    EXPECT_EQ(reader.good_bytes(), log_.size() - 60);  // 20 + 32 + 8
  }
}

TEST_F(CvLogTest, NothingOfADamagedRecordIsBelieved) {
  for (size_t at = 0; at < log_.size(); at += at < 200 ? 1 : 997) {
    Bytes damaged = log_;
    damaged[at] ^= 0x20;
    CvLogReader reader(hash_);
    Recorder recorder;
    reader.Feed(damaged, recorder);
    EXPECT_LE(reader.good_bytes(), at) << at;
    EXPECT_EQ(all_.rfind(recorder.said, 0), 0u) << at << ": " << recorder.said;
  }
}

TEST_F(CvLogTest, OtherBlobsLogsAndImpossibleRecordsAreRefused) {
  Recorder recorder;
  EXPECT_FALSE(CvLogReader(Hash{}).Feed(log_, recorder));
  EXPECT_EQ(recorder.said, "");
  const auto refuses = [&](const Bytes& record) {
    Bytes log = CvHeader(hash_, 100 * kMiB);
    AppendCvSource(3, "u", &log);
    log.insert(log.end(), record.begin(), record.end());
    CvLogReader reader(hash_);
    Recorder ignored;
    return !reader.Feed(log, ignored);
  };
  const std::vector<ChainingValue> two(2);
  Bytes record;
  AppendCvGroups(3, 6399, two, &record);
  EXPECT_TRUE(refuses(record)) << "beyond the blob's 6400 groups";
  record.clear();
  AppendCvGroups(4, 0, two, &record);
  EXPECT_TRUE(refuses(record)) << "a source that nobody named";
  record.clear();
  AppendCvSource(3, "again", &record);
  EXPECT_TRUE(refuses(record)) << "a source with two names";
  record.clear();
  AppendCvDiscard({6400, 6401}, &record);
  EXPECT_TRUE(refuses(record));
}

}  // namespace
}  // namespace blobd::bao
