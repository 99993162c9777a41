#include "bao/cv_log.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "blake3/hasher.h"

namespace blobd::bao {
namespace {

constexpr std::string_view kMagic = "BLOBDCV1";
constexpr size_t kCheckSize = 8;
constexpr size_t kHeaderSize = 8 + 32 + 8 + 8 + kCheckSize;
constexpr size_t kRecordHead = 1 + 3 + 4 + 8 + 4;
constexpr size_t kValueSize = sizeof(ChainingValue);
enum Kind : uint8_t { kSource = 1, kGroups = 2, kDiscard = 3 };

void AppendNumber(uint64_t number, size_t bytes, Bytes* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<uint8_t>(number >> (8 * i)));
}

uint64_t NumberAt(ByteView bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number |= uint64_t{bytes[at + i]} << (8 * i);
  return number;
}

// The check of what `log` has from `begin` on.
void AppendCheck(size_t begin, Bytes* log) {
  const Hash hash = blake3::HashOf(ByteView(*log).subspan(begin));
  log->insert(log->end(), hash.bytes.begin(), hash.bytes.begin() + kCheckSize);
}

bool CheckFits(ByteView bytes) {
  const size_t size = bytes.size() - kCheckSize;
  const Hash hash = blake3::HashOf(bytes.first(size));
  return std::equal(bytes.begin() + static_cast<ptrdiff_t>(size), bytes.end(), hash.bytes.begin());
}

void AppendHead(Kind kind, uint32_t source, uint64_t first, size_t count, Bytes* log) {
  log->push_back(kind);
  AppendNumber(0, 3, log);
  AppendNumber(source, 4, log);
  AppendNumber(first, 8, log);
  AppendNumber(count, 4, log);
}

}  // namespace

Bytes CvHeader(const Hash& hash, uint64_t size) {
  BLOBD_CHECK(size <= kMaxBlobSize);
  Bytes log(kMagic.begin(), kMagic.end());
  log.insert(log.end(), hash.bytes.begin(), hash.bytes.end());
  AppendNumber(size, 8, &log);
  AppendNumber(0, 8, &log);
  AppendCheck(0, &log);
  return log;
}

void AppendCvSource(uint32_t source, std::string_view url, Bytes* log) {
  BLOBD_CHECK(source != 0 && !url.empty() && url.size() <= kCvMaxUrl);
  const size_t begin = log->size();
  AppendHead(kSource, source, 0, url.size(), log);
  log->insert(log->end(), url.begin(), url.end());
  AppendCheck(begin, log);
}

void AppendCvGroups(uint32_t source, uint64_t first_group, std::span<const ChainingValue> values,
                    Bytes* log) {
  while (!values.empty()) {
    const size_t count = std::min(values.size(), kCvGroupsPerRecord);
    const size_t begin = log->size();
    AppendHead(kGroups, source, first_group, count, log);
    for (const ChainingValue& value : values.first(count)) {
      log->insert(log->end(), value.begin(), value.end());
    }
    AppendCheck(begin, log);
    values = values.subspan(count);
    first_group += count;
  }
}

void AppendCvDiscard(Range groups, Bytes* log) {
  constexpr uint64_t kMost = 0xffffffff;  // of a record
  for (uint64_t at = groups.begin; at < groups.end;) {
    const uint64_t count = std::min(groups.end - at, kMost);
    const size_t begin = log->size();
    AppendHead(kDiscard, 0, at, static_cast<size_t>(count), log);
    AppendCheck(begin, log);
    at += count;
  }
}

bool CvLogReader::Feed(ByteView bytes, CvLogSink& sink) {
  while (!damaged_) {
    const auto length = LengthOfNext();
    if (!length) {
      damaged_ = true;
      break;
    }
    // Without a length: as much as it takes to know it.
    const size_t wanted = *length != 0 ? *length : (groups_ ? kRecordHead : kHeaderSize);
    const size_t count = std::min(bytes.size(), wanted - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (pending_.size() < wanted) break;
    if (*length == 0) continue;
    if (!TakeNext(wanted, sink)) {
      damaged_ = true;
      break;
    }
    good_bytes_ += wanted;
    pending_.clear();
  }
  return !damaged_;
}

std::optional<size_t> CvLogReader::LengthOfNext() const {
  if (!groups_) return kHeaderSize;
  if (pending_.size() < kRecordHead) return 0;
  const auto count = static_cast<size_t>(NumberAt(pending_, 16, 4));
  switch (pending_[0]) {
    case kSource:
      if (count == 0 || count > kCvMaxUrl) return std::nullopt;
      return kRecordHead + count + kCheckSize;
    case kGroups:
      if (count == 0 || count > kCvGroupsPerRecord) return std::nullopt;
      return kRecordHead + count * kValueSize + kCheckSize;
    case kDiscard:
      return kRecordHead + kCheckSize;
    default:
      return std::nullopt;
  }
}

bool CvLogReader::TakeNext(size_t length, CvLogSink& sink) {
  const ByteView next = ByteView(pending_).first(length);
  if (!CheckFits(next)) return false;
  if (groups_) return TakeRecord(next, sink);
  const bool is_ours = std::equal(kMagic.begin(), kMagic.end(), next.begin()) &&
                       std::equal(hash_.bytes.begin(), hash_.bytes.end(), next.begin() + 8);
  const uint64_t size = NumberAt(next, 40, 8);
  if (!is_ours || size > kMaxBlobSize || NumberAt(next, 48, 8) != 0) return false;
  groups_ = GroupCount(size);
  sink.OnSize(size);
  return true;
}

bool CvLogReader::TakeRecord(ByteView record, CvLogSink& sink) {
  const auto source = static_cast<uint32_t>(NumberAt(record, 4, 4));
  const uint64_t first = NumberAt(record, 8, 8);
  const uint64_t count = NumberAt(record, 16, 4);
  const ByteView payload = record.subspan(kRecordHead, record.size() - kRecordHead - kCheckSize);
  if (NumberAt(record, 1, 3) != 0) return false;
  if (record[0] == kSource) {
    if (source == 0 || first != 0 || sources_.size() >= kCvMaxSources) return false;
    if (!sources_.insert(source).second) return false;
    sink.OnSource(source, AsText(payload));
    return true;
  }
  if (first > *groups_ || count > *groups_ - first) return false;
  if (record[0] == kDiscard) {
    if (source != 0) return false;
    sink.OnDiscard({first, first + count});
    return true;
  }
  if (!sources_.contains(source)) return false;
  std::vector<ChainingValue> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    std::copy_n(payload.begin() + static_cast<ptrdiff_t>(i * kValueSize), kValueSize,
                values[i].begin());
  }
  sink.OnGroups(source, first, values);
  return true;
}

}  // namespace blobd::bao
