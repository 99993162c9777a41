// DescriptorImport: takes in the bytes of a file that somebody else has open. One strand copies, a
// slice at a time, another hashes what was copied, from our file, and a third syncs it: so all that
// goes on at the same time, and what is hashed is what is kept.
//
//   copier:  Begin --> CopySlice --> CopySlice ... (at most kMaxLead ahead of the hasher)
//   hasher:            HashSlice --> HashSlice ... --> FinishHash
//   syncer:            SyncMore ...                              --> Finish --> index: Adopt
//
// Thread:    Start anywhere; each strand owns what is named after it below.
// Ownership: kept alive by its own tasks. What it made and could not hand over it removes.
// Memory:    a piece to be hashed, and what bao::OutboardBuilder needs for a known size; a small
//            blob whole.
#pragma once

#include <memory>

#include "bao/outboard.h"
#include "store/index.h"
#include "store/store_job.h"

namespace blobd::store {

class DescriptorImport : public std::enable_shared_from_this<DescriptorImport> {
 public:
  using Answer = UniqueFunction<void(StatusOr<Import::Result>)>;

  // `answer` is called on any thread.
  DescriptorImport(std::shared_ptr<Index> index, Descriptor source, const ImportOptions& options,
                   std::shared_ptr<JobState> job, Answer answer);
  ~DescriptorImport();
  DescriptorImport(const DescriptorImport&) = delete;
  DescriptorImport& operator=(const DescriptorImport&) = delete;

  void Start();

 private:
  Status Begin();
  StatusOr<Bytes> ReadSmall();
  Status OpenFilesAndClone();
  void CopySlice();
  Status CopyMore(uint64_t size);
  void HashSlice(uint64_t size);
  void HashCloned();
  Status HashMore(uint64_t size);
  void WritePairs(uint64_t offset, ByteView pairs);
  void SyncMore();
  void FinishHash();
  void Finish(const Hash& hash);
  void AdoptSmall(Bytes content);
  void Adopt(const Hash& hash);
  void Reply(const Hash& hash, StatusOr<bool> is_new);
  void Fail(Status status);

  const std::shared_ptr<Index> index_;
  const uint64_t number_;
  const ImportOptions options_;
  const std::shared_ptr<JobState> job_;
  const std::shared_ptr<Executor> copier_;
  const std::shared_ptr<Executor> hasher_;
  const std::shared_ptr<Executor> syncer_;
  Answer answer_;  // called once; Fail and Reply see to that
  std::atomic<bool> answered_ = false;

  // Set by Begin, before anything is hashed.
  uint64_t size_ = 0;
  SharedFiles files_;
  bool has_names_ = false;  // there may be files to be removed, since they were not handed over
  Promise promise_;

  // The copier's.
  Descriptor source_;
  uint64_t copied_ = 0;
  uint64_t lead_ = 0;      // bytes copied that the hasher has not said it is done with
  uint64_t unsynced_ = 0;  // bytes copied since the syncer was told

  // The hasher's.
  bao::OutboardBuilder builder_;
  Bytes piece_;
  Status written_;  // what became of the pairs
};

}  // namespace blobd::store
