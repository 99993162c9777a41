// BlobReaders over files and over bytes in memory.
#pragma once

#include <utility>

#include "store/blob_store.h"
#include "store/disk_files.h"

namespace blobd::store {

// Thread: several at a time; waits for the disk.
class FileReader final : public BlobReader {
 public:
  // `files` keep the blob's bytes alive.
  FileReader(SharedFiles files, BlobInfo info) : files_(std::move(files)), info_(std::move(info)) {}
  const BlobInfo& info() const override { return info_; }
  Status ReadAt(uint64_t offset, MutableBytes out) override;
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override;

 private:
  const SharedFiles files_;
  const BlobInfo info_;
};

// Of a blob that is one group, so that there are no pairs.
class MemoryReader final : public BlobReader {
 public:
  // REQUIRES: content is all of the blob
  MemoryReader(Bytes content, BlobInfo info)
      : content_(std::move(content)), info_(std::move(info)) {}
  const BlobInfo& info() const override { return info_; }
  Status ReadAt(uint64_t offset, MutableBytes out) override;
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override;

 private:
  const Bytes content_;
  const BlobInfo info_;
};

}  // namespace blobd::store
