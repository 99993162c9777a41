// BlobReaders over files and over bytes in memory.
#pragma once

#include <utility>

#include "store/blob_store.h"
#include "store/file_system.h"

namespace blobd::store {

// Thread: several at a time; ReadAt of FileReader waits for the disk.
class FileReader final : public BlobReader {
 public:
  // `data` keeps itself and its blob's bytes alive.
  FileReader(std::shared_ptr<File> data, BlobInfo info)
      : data_(std::move(data)), info_(std::move(info)) {}
  const BlobInfo& info() const override { return info_; }
  Status ReadAt(uint64_t offset, MutableBytes out) override;

 private:
  const std::shared_ptr<File> data_;
  const BlobInfo info_;
};

class MemoryReader final : public BlobReader {
 public:
  // REQUIRES: content is all of the blob
  MemoryReader(Bytes content, BlobInfo info)
      : content_(std::move(content)), info_(std::move(info)) {}
  const BlobInfo& info() const override { return info_; }
  Status ReadAt(uint64_t offset, MutableBytes out) override;

 private:
  const Bytes content_;
  const BlobInfo info_;
};

}  // namespace blobd::store
