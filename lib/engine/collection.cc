#include "engine/collection.h"

#include <algorithm>
#include <utility>

#include "base/error_reason.h"
#include "base/file_names.h"
#include "wire/collection.h"

namespace blobd::engine {
namespace {

using store::BlobInfo;
using store::BlobReader;
using store::BlobState;

// A root of this size lists as many files as a collection may have.
constexpr uint64_t kMaxRootSize = (wire::kMaxCollectionFiles + 1) * 32;

// Reads a whole complete blob of at most `max_size` bytes.
void ReadWhole(store::BlobStore& store, Executor& strand, const Hash& hash, uint64_t max_size,
               UniqueFunction<void(StatusOr<Bytes>)> done) {
  const auto read = [hash,
                     max_size](StatusOr<std::shared_ptr<BlobReader>> reader) -> StatusOr<Bytes> {
    if (!reader.ok()) return reader.status();
    const BlobInfo& info = (*reader)->info();
    if (info.state != BlobState::kComplete) {
      return WithReason(Reason::kBlobIncomplete, NotFound("{} is not complete here", hash.ToHex()));
    }
    if (info.size > max_size) {
      return ErrorFor(Reason::kNotACollection, "{} is no collection: it has {} bytes", hash.ToHex(),
                      info.size);
    }
    Bytes content(info.size);
    BLOBD_RETURN_IF_ERROR((*reader)->ReadAt(0, content));
    return content;
  };
  store.OpenReader(
      hash, strand,
      [read, done = std::move(done)](StatusOr<std::shared_ptr<BlobReader>> reader) mutable {
        done(read(std::move(reader)));
      });
}

// Fills in the sizes of entries, a window of look-ups at a time; every one must be complete if
// `complete`.
class SizeFinder : public std::enable_shared_from_this<SizeFinder> {
 public:
  SizeFinder(store::BlobStore& store, std::shared_ptr<Executor> strand,
             std::vector<CollectionEntry> entries, bool complete,
             UniqueFunction<void(StatusOr<std::vector<CollectionEntry>>)> done)
      : store_(store),
        strand_(std::move(strand)),
        entries_(std::move(entries)),
        complete_(complete),
        done_(std::move(done)) {}

  void LookUpMore() {
    if (answered_ == entries_.size()) return done_(std::move(entries_));
    while (asked_ < entries_.size() && asked_ - answered_ < kWindow) {
      const size_t index = asked_++;
      store_.Lookup(entries_[index].hash, *strand_,
                    [self = shared_from_this(), index](const StatusOr<BlobInfo>& info) {
                      self->OnInfo(index, info);
                    });
    }
  }

 private:
  static constexpr size_t kWindow = 1024;

  void OnInfo(size_t index, const StatusOr<BlobInfo>& info) {
    if (failed_) return;
    Status status = info.status();
    if (status.ok() && complete_ && info->state != BlobState::kComplete) {
      const bool is_absent = info->state == BlobState::kAbsent;
      status = WithReason(is_absent ? Reason::kUnknownBlob : Reason::kBlobIncomplete,
                          NotFound("{} is not complete here", entries_[index].hash.ToHex()));
    }
    if (!status.ok()) {
      failed_ = true;
      return done_(status);
    }
    entries_[index].size = info->size;
    ++answered_;
    LookUpMore();
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  std::vector<CollectionEntry> entries_;
  const bool complete_;
  UniqueFunction<void(StatusOr<std::vector<CollectionEntry>>)> done_;
  size_t asked_ = 0;
  size_t answered_ = 0;
  bool failed_ = false;
};

// The two blobs of a collection, one after the other; then the sizes of the files on one page.
class CollectionReader : public std::enable_shared_from_this<CollectionReader> {
 public:
  CollectionReader(store::BlobStore& store, std::shared_ptr<Executor> strand, const Hash& hash,
                   size_t offset, size_t limit, UniqueFunction<void(StatusOr<CollectionPage>)> done)
      : store_(store),
        strand_(std::move(strand)),
        hash_(hash),
        offset_(offset),
        limit_(limit),
        done_(std::move(done)) {}

  void Start() {
    ReadWhole(store_, *strand_, hash_, kMaxRootSize,
              [self = shared_from_this()](StatusOr<Bytes> root) { self->OnRoot(std::move(root)); });
  }

 private:
  void OnRoot(StatusOr<Bytes> root) {
    if (!root.ok()) return done_(root.status());
    root_ = *std::move(root);
    const auto hashes = wire::DecodeHashSeq(root_);
    if (!hashes.ok() || hashes->empty()) {
      return done_(ErrorFor(Reason::kNotACollection, "{} is no collection", hash_.ToHex()));
    }
    ReadWhole(
        store_, *strand_, hashes->front(), wire::kMaxMetadataSize,
        [self = shared_from_this()](StatusOr<Bytes> names) { self->OnNames(std::move(names)); });
  }

  void OnNames(StatusOr<Bytes> names) {
    if (!names.ok()) return done_(names.status());
    auto collection = wire::DecodeCollection(root_, *names);
    if (!collection.ok()) {
      return done_(ErrorFor(Reason::kNotACollection, "{} is no collection: {}", hash_.ToHex(),
                            Message(collection.status())));
    }
    total_ = collection->files.size();
    std::vector<CollectionEntry> entries;
    for (size_t i = std::min(offset_, total_); i < total_ && entries.size() < limit_; ++i) {
      entries.push_back({std::move(collection->files[i].name), collection->files[i].hash, 0});
    }
    std::make_shared<SizeFinder>(store_, strand_, std::move(entries), false,
                                 [self = shared_from_this()](auto sized) {
                                   if (!sized.ok()) return self->done_(sized.status());
                                   self->done_(CollectionPage{*std::move(sized), self->total_});
                                 })
        ->LookUpMore();
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  const Hash hash_;
  const size_t offset_;
  const size_t limit_;
  UniqueFunction<void(StatusOr<CollectionPage>)> done_;
  Bytes root_;
  size_t total_ = 0;
};

// Checks that every file is here, then stores the metadata, then the root that begins with its
// hash.
class CollectionMaker : public std::enable_shared_from_this<CollectionMaker> {
 public:
  CollectionMaker(store::BlobStore& store, std::shared_ptr<Executor> strand,
                  std::vector<CollectionEntry> entries, bool is_private,
                  UniqueFunction<void(StatusOr<Hash>)> done)
      : store_(store),
        strand_(std::move(strand)),
        entries_(std::move(entries)),
        is_private_(is_private),
        done_(std::move(done)) {}

  void Start() {
    for (const CollectionEntry& entry : entries_) names_.push_back(entry.name);
    if (const Status status = CheckFileNames(names_); !status.ok()) {
      return done_(WithDetail(WithReason(Reason::kInvalidField, Annotate(status, "entries")),
                              "field", "entries"));
    }
    std::make_shared<SizeFinder>(store_, strand_, entries_, true,
                                 [self = shared_from_this()](auto sized) {
                                   if (!sized.ok()) return self->done_(sized.status());
                                   self->Store(wire::EncodeCollectionNames(self->names_));
                                 })
        ->LookUpMore();
  }

 private:
  void Store(Bytes content) {
    store_.StartImport(
        *strand_, [self = shared_from_this(), content = std::move(content)](auto import) {
          if (!import.ok()) return self->done_(import.status());
          self->import_ = *std::move(import);
          if (self->is_private_) self->import_->MakePrivate();
          if (const Status status = self->import_->Append(content); !status.ok())
            return self->done_(status);
          self->import_->Finish(*self->strand_,
                                [self](auto result) { self->OnStored(std::move(result)); });
        });
  }

  void OnStored(StatusOr<store::Import::Result> result) {
    if (!result.ok()) return done_(result.status());
    Next(result->hash);
  }

  void Next(const Hash& stored) {
    if (std::exchange(metadata_stored_, true)) return done_(stored);
    std::vector<Hash> hashes = {stored};
    for (const CollectionEntry& entry : entries_) hashes.push_back(entry.hash);
    Store(wire::EncodeHashSeq(hashes));
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  const std::vector<CollectionEntry> entries_;
  const bool is_private_;
  UniqueFunction<void(StatusOr<Hash>)> done_;
  std::vector<std::string> names_;
  std::unique_ptr<store::Import> import_;
  bool metadata_stored_ = false;
};

}  // namespace

void ReadCollection(store::BlobStore& store, std::shared_ptr<Executor> strand, const Hash& hash,
                    size_t offset, size_t limit,
                    UniqueFunction<void(StatusOr<CollectionPage>)> done) {
  std::make_shared<CollectionReader>(store, std::move(strand), hash, offset, limit, std::move(done))
      ->Start();
}

void CreateCollection(store::BlobStore& store, std::shared_ptr<Executor> strand,
                      std::vector<CollectionEntry> entries, bool is_private,
                      UniqueFunction<void(StatusOr<Hash>)> done) {
  Executor& executor = *strand;
  executor.Post(
      [maker = std::make_shared<CollectionMaker>(store, std::move(strand), std::move(entries),
                                                 is_private, std::move(done))] { maker->Start(); });
}

}  // namespace blobd::engine
