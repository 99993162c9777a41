// Range specs and their sequences, with the questions asked of them held against each other.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/range_spec.h"

namespace blobd::wire {
namespace {

void TryRangeSpec(ByteView bytes) {
  Reader reader(bytes);
  const auto ranges = ReadRangeSpec(reader);
  if (!ranges.ok()) return;
  Writer writer;
  WriteRangeSpec(*ranges, writer);
  BLOBD_CHECK(writer.bytes().size() <= reader.position());
  Reader again(writer.bytes());
  BLOBD_CHECK(ReadRangeSpec(again).value() == *ranges);
  BLOBD_CHECK(again.remaining() == 0);
  for (const uint64_t chunk_count : {uint64_t{1}, uint64_t{17}, uint64_t{1} << 54}) {
    const RangeSet within = ranges->Within(chunk_count);
    BLOBD_CHECK(within.empty() || within.ranges().back().end <= chunk_count);
    BLOBD_CHECK(!ranges->empty() || within.empty());
  }
}

// Around each run, where the answers change.
void AskAround(const RangeSpecSeq& seq, uint64_t index) {
  const auto first = seq.FirstSelectedFrom(index);
  BLOBD_CHECK((first == index) == !seq.At(index).empty());
  if (first) BLOBD_CHECK(*first >= index && !seq.At(*first).empty());
  if (!first) BLOBD_CHECK(seq.NothingSelectedAfter(index));
  if (first && *first > index) {
    BLOBD_CHECK(seq.At(*first - 1).empty());
    BLOBD_CHECK(!seq.NothingSelectedAfter(index));
  }
}

void TryRangeSpecSeq(ByteView bytes) {
  Reader reader(bytes);
  const auto seq = ReadRangeSpecSeq(reader);
  if (!seq.ok()) return;
  Writer writer;
  WriteRangeSpecSeq(*seq, writer);
  BLOBD_CHECK(writer.bytes().size() <= reader.position());
  Reader again(writer.bytes());
  BLOBD_CHECK(ReadRangeSpecSeq(again).value() == *seq);
  BLOBD_CHECK(again.remaining() == 0);
  AskAround(*seq, 0);
  AskAround(*seq, UINT64_MAX);
  for (const RangeSpecSeq::Run& run : seq->runs()) {
    AskAround(*seq, run.first_index);
    if (run.first_index > 0) AskAround(*seq, run.first_index - 1);
  }
  if (seq->IsRawBlob()) BLOBD_CHECK(seq->runs().size() == 2 && !seq->is_open_ended());
}

}  // namespace
}  // namespace blobd::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  blobd::wire::TryRangeSpec({data, size});
  blobd::wire::TryRangeSpecSeq({data, size});
  return 0;
}
