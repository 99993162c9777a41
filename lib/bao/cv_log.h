// The contents of `HASH.cv`: the values of chunk groups that came without proof, and from whom
// (design/transfers.md, "The store"). It is a log: records are appended as groups arrive, and one
// about groups replaces what earlier ones say of them. A process that died in the middle leaves a
// torn record at the end; reading stops there, and what was before it holds.
//
//   header   "BLOBDCV1", hash (32), size (u64), zero (u64), check (u64)
//   record   kind (u8), zero (3), source (u32), first (u64), count (u32), payload, check (u64)
//     1 source   first 0, payload `count` bytes: the URL of the source
//     2 groups   payload 32 * `count` bytes: values of the groups from `first` on
//     3 discard  source 0, no payload: these groups are not held any more
//
// Numbers are little-endian; a check is the first 8 bytes of the BLAKE3 hash of what it follows,
// from the record's (or the header's) beginning.
//
// The values say what a source sent, whatever became of the bytes: after a power loss the bytes may
// be missing all the same. Whoever claims groups by these values reads the bytes again first.
//
// Thread: any; the reader has one owner. Pure.
// Errors: a reader never gives on anything of a record whose check does not fit.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"

namespace blobd::bao {

inline constexpr size_t kCvGroupsPerRecord = 4096;
inline constexpr size_t kCvMaxUrl = 4096;
inline constexpr size_t kCvMaxSources = 4096;

// REQUIRES: size <= kMaxBlobSize
Bytes CvHeader(const Hash& hash, uint64_t size);
// REQUIRES: source is not 0; url has 1 to kCvMaxUrl bytes
void AppendCvSource(uint32_t source, std::string_view url, Bytes* log);
// In as many records as it takes. REQUIRES: AppendCvSource came before
void AppendCvGroups(uint32_t source, uint64_t first_group, std::span<const ChainingValue> values,
                    Bytes* log);
void AppendCvDiscard(Range groups, Bytes* log);

class CvLogSink {
 public:
  virtual ~CvLogSink() = default;
  virtual void OnSize(uint64_t size) = 0;  // once, first
  virtual void OnSource(uint32_t source, std::string_view url) = 0;
  // The source is one that was told. Groups are of a blob of this size.
  virtual void OnGroups(uint32_t source, uint64_t first_group,
                        std::span<const ChainingValue> values) = 0;
  virtual void OnDiscard(Range groups) = 0;
};

class CvLogReader {
 public:
  explicit CvLogReader(const Hash& hash) : hash_(hash) {}

  // Takes the file in pieces of any size. False when a record is damaged, or this is no log of this
  // blob; nothing after it is looked at.
  bool Feed(ByteView bytes, CvLogSink& sink);
  // Where the last record that holds ends: the log is cut there before more is appended. 0: not
  // even the header holds.
  uint64_t good_bytes() const { return good_bytes_; }

 private:
  // Of the header or record at the beginning of pending_; 0: more is needed to know. nullopt:
  // damaged.
  std::optional<size_t> LengthOfNext() const;
  bool TakeNext(size_t length, CvLogSink& sink);
  bool TakeRecord(ByteView record, CvLogSink& sink);

  Hash hash_;
  std::optional<uint64_t> groups_;  // of the blob, once the header was read
  std::set<uint32_t> sources_;
  Bytes pending_;  // at most one record
  uint64_t good_bytes_ = 0;
  bool damaged_ = false;
};

}  // namespace blobd::bao
