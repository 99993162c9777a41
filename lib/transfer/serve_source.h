// ServeSource: a blob of the store as an Encoder reads it. It gives only what is verified, and says
// which groups are in doubt when what it gave does not fit. Its reader may be given back while
// nothing is read, and another one attached later.
//
// Thread: one owner, a worker's strand: it blocks on the disk.
// Units:  groups of 16 KiB.
// Errors: kNotFound: not held. Everything else is the reader's.
#pragma once

#include <cstdint>
#include <memory>

#include "bao/encoder.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "store/blob_store.h"

namespace blobd::transfer {

class ServeSource final : public bao::BlobSource {
 public:
  // REQUIRES: the size of the reader's blob is at most bao::kMaxBlobSize
  explicit ServeSource(std::shared_ptr<store::BlobReader> reader);

  void Release() { reader_.reset(); }
  // REQUIRES: the reader is one of the same blob under the same size
  void Attach(std::shared_ptr<store::BlobReader> reader);
  bool is_attached() const { return reader_ != nullptr; }

  const Hash& hash() const { return hash_; }
  uint64_t size() const { return size_; }
  // REQUIRES: a reader is attached, for this and all that reads
  const store::BlobInfo& info() const { return reader_->info(); }

  // bao::BlobSource
  Status ReadData(uint64_t offset, MutableBytes out) override;
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override;

  // One group, checked against the root. kDataLoss: it or a pair above it does not fit.
  // REQUIRES: group < GroupCount(size)
  StatusOr<Bytes> ReadGroup(uint64_t group);

  // The groups of the data read last, or beneath the pair read last.
  const RangeSet& last_read() const { return last_read_; }

 private:
  std::shared_ptr<store::BlobReader> reader_;  // null: given back
  const Hash hash_;
  const uint64_t size_;
  RangeSet last_read_;
};

}  // namespace blobd::transfer
