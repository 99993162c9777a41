// The log of values, damaged or invented: what is given on is of this blob, and reading ends where
// it says that it holds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>

#include "bao/cv_log.h"
#include "base/check.h"

namespace {

using namespace blobd;
using namespace blobd::bao;

constexpr uint64_t kGroups = 5000;

class Checker final : public CvLogSink {
 public:
  void OnSize(uint64_t size) override { BLOBD_CHECK(size == kGroups * kGroupSize); }
  void OnSource(uint32_t source, std::string_view url) override {
    BLOBD_CHECK(!url.empty() && sources_.insert(source).second);
  }
  void OnGroups(uint32_t source, uint64_t first, std::span<const ChainingValue> values) override {
    BLOBD_CHECK(sources_.contains(source) && !values.empty());
    BLOBD_CHECK(first + values.size() <= kGroups);
  }
  void OnDiscard(Range groups) override { BLOBD_CHECK(groups.end <= kGroups); }

 private:
  std::set<uint32_t> sources_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // Records with checks that fit, of what the input says, and then the input itself.
  Bytes log = CvHeader(Hash{}, kGroups * kGroupSize);
  for (size_t at = 2; at + 4 <= size && log.size() < 200'000; at += 4) {
    const uint64_t first = uint64_t{data[at + 1]} * 256 + data[at + 2];
    switch (data[at] % 4) {
      case 0:
        AppendCvSource(1 + data[at + 1] % 4, "http://mirror.example/", &log);
        break;
      case 1:
        AppendCvDiscard({first, first + data[at + 3]}, &log);
        break;
      case 2:
        AppendCvGroups(1 + data[at + 3] % 4, first, std::vector<ChainingValue>(1 + data[at + 3]),
                       &log);
        break;
      default:
        log.insert(log.end(), data + at, data + at + 4);
    }
  }
  const size_t piece = 1 + data[0] * size_t{16};
  CvLogReader reader(Hash{});
  Checker checker;
  for (size_t at = 0; at < log.size(); at += piece) {
    reader.Feed(ByteView(log).subspan(at, std::min(piece, log.size() - at)), checker);
  }
  BLOBD_CHECK(reader.good_bytes() <= log.size());
  CvLogReader again(Hash{});
  Checker other;
  BLOBD_CHECK(again.Feed(ByteView(log).first(static_cast<size_t>(reader.good_bytes())), other));
  BLOBD_CHECK(again.good_bytes() == reader.good_bytes());
  return 0;
}
