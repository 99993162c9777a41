// store: the blobs on disk. Data and outboard of large blobs are files, small blobs are rows, and
// `store.db` is the index of both (design/transfers.md, "The store"). Nothing unverified is ever
// readable through this room.
//
// BlobStore is what the rooms above use of it; the real one is DiskStore (disk_store.h), tests may
// fake it.
//
// Thread:    every call from any thread; it never blocks. Answers are posted to the executor given,
//            one each, also on failure; it outlives them, or the callback keeps it alive.
//            BlobWriter, BlobReader and Import objects block on the disk: they are used on a
//            worker's strand, by one thread at a time.
// Units:     sizes and offsets in bytes; groups are chunk groups of 16 KiB.
// Errors:    kResourceExhausted: disk full, and kPermissionDenied: disk read-only; retry when
//            WatchDisk says so (disk_state.h). kDataLoss: what is on disk does not fit its hash.
//            kUnavailable from a writer: a sync of the blob failed, or its files are gone; open a
//            new writer.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "store/blob_use.h"
#include "store/descriptor.h"
#include "store/disk_state.h"

namespace blobd::store {

inline constexpr uint64_t kGroupSize = 16384;

// What is known of one hash. An absent blob has size 0 and no groups.
struct BlobInfo {
  Hash hash;
  BlobState state = BlobState::kAbsent;
  uint64_t size = 0;         // a claim of some provider until size_proven
  bool size_proven = false;  // the group that holds the last byte has verified
  RangeSet groups;           // verified chunk groups; for a complete blob all of them
  uint64_t verified_bytes = 0;
  bool is_private = false;  // never to be told or served to other nodes
  // It is not complete now, but was, and what is missing rotted. So until it is got again or
  // removed, also if nothing of it is left.
  bool was_complete = false;
  WallTime last_use;
};

// One hash pair of the tree above the groups, at its place in the pre-order outboard
// (protocol/formats.md, section 8). The place follows from the path to a verified leaf, not from a
// claimed size.
struct OutboardPair {
  uint64_t index = 0;
  std::array<uint8_t, 64> hashes{};
};

// A verified chunk group: 16 KiB of data, less only for the last one.
struct VerifiedGroup {
  uint64_t index = 0;
  ByteView data;  // borrowed for the call
};

// Writes one blob. Several writers of one hash may exist at once; groups written twice are
// harmless.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Writes groups and the pairs on their paths to their final places. They can be read, and survive
  // kill -9, from the next Publish on. Adjacent groups in one call cost one system call.
  virtual Status Write(std::span<const VerifiedGroup> groups,
                       std::span<const OutboardPair> pairs) = 0;
  // The size the provider declared; kept as a hint until ProveSize.
  virtual void ClaimSize(uint64_t size) = 0;
  // The last chunk verified under this size: it is the blob's size for good.
  virtual void ProveSize(uint64_t size) = 0;
  // Asks for room for what the blob lacks, once its size is proven and before more is written. What
  // is promised is nobody else's until it is written, or until the blob's last writer is gone.
  // kResourceExhausted: "needs X, Y free"; nothing is promised, and nothing written is lost. The
  // same answer, at no cost, when it was admitted before.
  virtual Status Admit(uint64_t proven_size) = 0;
  // Adds what was written to the blob's verified groups. Cheap; call it once per batch.
  virtual void Publish() = 0;

  // Bytes that came without proof, to their final places. Nobody can read them, and they are not
  // found again after a crash, before TakeAsVerified makes groups of them. Groups that are
  // verified, or that another writer writes as verified now, stay as they are: returns which of the
  // groups that were touched these are. Without Admit room that is promised to others is left to
  // them (kResourceExhausted). After an error any of it may be on the disk. REQUIRES: `offset` is
  // that of a group
  virtual StatusOr<RangeSet> WriteUnproven(uint64_t offset, ByteView bytes) = 0;
  // Reads back what was written without proof; fewer bytes only at the end of the file.
  virtual StatusOr<size_t> ReadUnproven(uint64_t offset, MutableBytes out) = 0;
  // These groups have verified as they lie there, and the pairs on their paths were written: from
  // here on it is as if Write had written them. REQUIRES: this writer wrote them without proof, or
  // has read and checked them
  virtual void TakeAsVerified(const RangeSet& groups) = 0;

  // Publishes; if the blob is complete now, makes it durable under its final name. `done` gets OK
  // then, and kFailedPrecondition if groups are missing.
  virtual void Finish(Executor& answer_on, UniqueFunction<void(Status)> done) = 0;
};

// Reads the verified ranges of one blob, complete or not. Keeps the bytes alive even if the blob is
// removed.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual const BlobInfo& info() const = 0;  // as it was when the reader was opened
  // Fills `out` from `offset`. kOutOfRange if the range is not verified or past the end.
  virtual Status ReadAt(uint64_t offset, MutableBytes out) = 0;
  // Pair `index` of the outboard, as it is on the disk: whoever hands it on checks it.
  // kOutOfRange if it is past the end of the outboard. A pair with nothing verified beneath it
  // may read as anything.
  virtual Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) = 0;
};

// Attention to one blob; it ends when this is destroyed, on any thread. One call may be on its way
// then.
class BlobWatch {
 public:
  virtual ~BlobWatch() = default;
};

// Takes in content whose hash is not known yet.
class Import {
 public:
  struct Result {
    Hash hash;
    uint64_t size = 0;
    bool was_there = false;  // the store had the complete blob already
  };
  virtual ~Import() = default;  // without Finish: nothing remains
  // The blob will be private from its first moment on; one that is here becomes private.
  virtual void MakePrivate() = 0;
  virtual Status Append(ByteView bytes) = 0;
  // Makes the blob durable and readable.
  virtual void Finish(Executor& answer_on, UniqueFunction<void(StatusOr<Result>)> done) = 0;
};

struct ImportOptions {
  bool is_private = false;  // as with MakePrivate
};

struct Verified {
  uint64_t checked_bytes = 0;
  RangeSet rotten;  // groups that did not fit the hash; they are no longer claimed
};

// Long work under way; destroying this, on any thread, cancels what is not done yet. The answer
// comes all the same, kCancelled then.
class StoreJob {
 public:
  virtual ~StoreJob() = default;
};

struct StoreStats {
  uint64_t complete_blobs = 0;
  uint64_t complete_bytes = 0;
  uint64_t partial_blobs = 0;
  // Verified bytes of partial blobs; of those of which nothing is verified, what lies there.
  uint64_t partial_bytes = 0;
  // Blobs that store.db no longer knew, or knew wrongly, and that are not claimed until their files
  // have been hashed again, and directories that may hold more of them. That is done behind
  // everything else; it is over when this is 0.
  uint64_t doubtful_blobs = 0;
  // What an operator should know and do something about; empty: nothing.
  std::string trouble;
  DiskState disk;  // as it is now
};

// What is known of these without a look at the disk.
struct StoreCounts {
  uint64_t complete_blobs = 0;
  uint64_t complete_bytes = 0;
  uint64_t partial_blobs = 0;  // also those of which nothing is verified
  uint64_t partial_bytes = 0;  // of these, what is verified
  uint64_t doubtful_blobs = 0;
};

// One answer of LookupMany.
struct LookedUp {
  size_t index = 0;  // of the hash that was asked for
  StatusOr<BlobInfo> info;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;

  virtual void Lookup(const Hash& hash, Executor& answer_on,
                      UniqueFunction<void(StatusOr<BlobInfo>)> done) = 0;
  // The same for many at once, at the cost of one hand-over: the first call of `some` has what is
  // known at once, perhaps nothing. What has to be read from the disk first comes later, in further
  // calls, until every hash has its answer. REQUIRES: `answer_on` runs one task at a time
  virtual void LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                          UniqueFunction<void(std::vector<LookedUp>)> some);
  // Opens the blob for writing, creating or resuming a partial one. kAlreadyExists if it is
  // complete.
  virtual void OpenWriter(const Hash& hash, Executor& answer_on,
                          UniqueFunction<void(StatusOr<std::shared_ptr<BlobWriter>>)> done) = 0;
  // kNotFound if nothing of it is verified.
  virtual void OpenReader(const Hash& hash, Executor& answer_on,
                          UniqueFunction<void(StatusOr<std::shared_ptr<BlobReader>>)> done) = 0;
  // A descriptor of the complete blob `hash`, for another process. What is removed or mended later
  // changes nothing for whoever has one open. kNotFound if it is absent, kFailedPrecondition if it
  // is not complete. The bytes of a large blob are not hashed again.
  virtual void OpenDescriptor(const Hash& hash, Executor& answer_on,
                              UniqueFunction<void(StatusOr<BlobDescriptor>)> done) = 0;
  // Stores a whole verified blob of at most 16 KiB. `done` comes when it is durable; puts that wait
  // at the same time share one transaction.
  virtual void PutSmall(const Hash& hash, Bytes content, Executor& answer_on,
                        UniqueFunction<void(Status)> done) = 0;
  virtual void StartImport(Executor& answer_on,
                           UniqueFunction<void(StatusOr<std::unique_ptr<Import>>)> done) = 0;
  // Takes in the bytes that the regular file `source` has now, from its beginning whatever its
  // offset is: cloned where the file system can, else copied. It is our copy that is hashed, so
  // whatever the other owner of the file does meanwhile, the blob is whole and fits its hash.
  // `progress` gets the number of bytes copied and hashed so far, coalesced; it may be empty.
  // kInvalidArgument: not a regular file open for reading. kAborted: it became shorter meanwhile,
  // or cannot be read. A file system that never answers a read holds up one worker for as long.
  // kResourceExhausted: "needs X, Y free", before anything is copied.
  virtual std::unique_ptr<StoreJob> ImportDescriptor(
      Descriptor source, const ImportOptions& options, Executor& answer_on,
      UniqueFunction<void(uint64_t bytes)> progress,
      UniqueFunction<void(StatusOr<Import::Result>)> done) = 0;
  // Blobs with a hash greater than `after` (nullopt: from the first), in order of hash, at most
  // `limit`.
  virtual void List(std::optional<Hash> after, size_t limit, Executor& answer_on,
                    UniqueFunction<void(StatusOr<std::vector<BlobInfo>>)> done) = 0;
  // For garbage collection: all blobs, complete or not, and those of which there is only what came
  // without proof (to it they are partial), least recently used first, those behind
  // `after` (nullopt: from the first), at most `limit`. What is used between two pages comes again
  // at the end; nothing is left out. Use is noted once per hour and blob.
  virtual void ListByUse(std::optional<UseCursor> after, size_t limit, Executor& answer_on,
                         UniqueFunction<void(StatusOr<std::vector<BlobUse>>)> done) = 0;
  // Removes the blob, complete or not, durably, and answers how many bytes that freed. Readers and
  // descriptors opened before keep their view. kNotFound: nothing of it is here.
  // kFailedPrecondition: somebody writes it. After another error it is either whole or gone, and
  // what is left of its files is removed when the store is opened next. If it was private and comes
  // back, it is private again. That it was complete once is forgotten, also with kNotFound.
  virtual void Remove(const Hash& hash, Executor& answer_on,
                      UniqueFunction<void(StatusOr<uint64_t> freed_bytes)> done) = 0;
  // Reads and hashes everything that is claimed of the blob, in slices behind other work, and
  // withdraws what does not fit. `progress` gets the number of bytes read so far, coalesced; it may
  // be empty. kNotFound: nothing of it is here. Cancelled, it withdraws nothing.
  virtual std::unique_ptr<StoreJob> Verify(const Hash& hash, Executor& answer_on,
                                           UniqueFunction<void(uint64_t bytes)> progress,
                                           UniqueFunction<void(StatusOr<Verified>)> done) = 0;
  // Calls `changed` on `answer_on` with the disk's state, first as it is now, then whenever its
  // condition changed, and when there is more room after somebody was refused for want of it.
  // Calls are coalesced as those of Watch, with the same REQUIRES.
  virtual std::unique_ptr<DiskWatch> WatchDisk(Executor& answer_on,
                                               UniqueFunction<void(const DiskState&)> changed) = 0;
  // Looks at the files of blobs of which nothing is verified.
  virtual void Stats(Executor& answer_on, UniqueFunction<void(StatusOr<StoreStats>)> done) = 0;
  // At once, whatever the disk does. What was called before may not be counted yet.
  virtual StoreCounts Counts() const = 0;
  // What somebody read of these groups did not fit the hash: they are no longer claimed, durably,
  // and what is left of the blob is partial, or absent. Only groups that really do not fit are
  // taken back: they are read and checked again first, with the pairs above them; beneath a pair
  // that does not fit no group does. What is written of them later repairs them, pairs included.
  // If the files of the blob are missing, all of it is taken back. Readers opened before keep their
  // view; a writer opened before cannot bring these groups back. Harmless for groups that are not
  // verified. After an error (the disk's) nothing was taken back.
  virtual void Withdraw(const Hash& hash, const RangeSet& groups, Executor& answer_on,
                        UniqueFunction<void(Status)> done) = 0;
  // Calls `changed` on `answer_on` with the blob's state, first as it is now, then after groups
  // came or went. Calls are coalesced: one that has not run yet is not followed by another, and
  // each gets the newest state there is when it runs. No call comes after the watch was destroyed
  // on `answer_on` itself. `changed` is destroyed on any thread, soon after the watch.
  // REQUIRES: `answer_on` outlives the store, or `changed` keeps it alive.
  virtual std::unique_ptr<BlobWatch> Watch(const Hash& hash, Executor& answer_on,
                                           UniqueFunction<void(const BlobInfo&)> changed) = 0;
  // Makes a blob private, or no longer; durable when it is answered. kNotFound if nothing of it is
  // here. Importing, getting or putting it again changes nothing about it, also after all of it
  // was withdrawn.
  virtual void SetPrivate(const Hash& hash, bool is_private, Executor& answer_on,
                          UniqueFunction<void(Status)> done) = 0;
  // Syncs and records everything published so far.
  virtual void Flush(Executor& answer_on, UniqueFunction<void(Status)> done) = 0;
};

}  // namespace blobd::store
