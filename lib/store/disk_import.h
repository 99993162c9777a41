// DiskImport: Import into a temporary pair of files, or a row when the content is small.
//
// Thread: one at a time, on a worker's strand: Append and Finish wait for the disk.
// Memory: the first group, and what bao::OutboardBuilder needs.
#pragma once

#include <memory>

#include "bao/outboard.h"
#include "store/index.h"

namespace blobd::store {

class DiskImport final : public Import {
 public:
  explicit DiskImport(std::shared_ptr<Index> index);
  ~DiskImport() override;
  DiskImport(const DiskImport&) = delete;
  DiskImport& operator=(const DiskImport&) = delete;

  void MakePrivate() override { make_private_ = true; }
  Status Append(ByteView bytes) override;
  void Finish(Executor& answer_on, UniqueFunction<void(StatusOr<Result>)> done) override;

 private:
  Status WriteData(ByteView bytes);
  // Writes and syncs what Append did not.
  StatusOr<bao::OutboardBuilder::Result> FinishFiles();

  const std::shared_ptr<Index> index_;
  const uint64_t number_;
  bao::OutboardBuilder builder_;
  Bytes small_;             // all of the content, while it is no more than a group
  SharedFiles files_;       // from then on
  bool has_names_ = false;  // there may be files to be removed, since they were not handed over
  Status status_;           // the first error; what follows it is refused
  bool make_private_ = false;
  bool finished_ = false;
};

}  // namespace blobd::store
