#include "engine/collection.h"

#include <algorithm>
#include <utility>

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
  store.OpenReader(hash, strand,
                   [hash, max_size, done = std::move(done)](StatusOr<std::shared_ptr<BlobReader>> reader) mutable {
                     if (!reader.ok()) return done(reader.status());
                     const BlobInfo& info = (*reader)->info();
                     if (info.state != BlobState::kComplete) return done(NotFound("{} is not complete here", hash.ToHex()));
                     if (info.size > max_size) {
                       return done(FailedPrecondition("{} is no collection: it has {} bytes", hash.ToHex(), info.size));
                     }
                     Bytes content(info.size);
                     if (const Status status = (*reader)->ReadAt(0, content); !status.ok()) return done(status);
                     done(std::move(content));
                   });
}

// Fills in the sizes of entries, a window of look-ups at a time; every one must be complete if `complete`.
class SizeFinder : public std::enable_shared_from_this<SizeFinder> {
 public:
  SizeFinder(store::BlobStore& store, std::shared_ptr<Executor> strand, std::vector<CollectionEntry> entries,
             bool complete, UniqueFunction<void(StatusOr<std::vector<CollectionEntry>>)> done)
      : store_(store),
        strand_(std::move(strand)),
        entries_(std::move(entries)),
        complete_(complete),
        done_(std::move(done)) {}

  void LookUpMore() {
    if (answered_ == entries_.size()) return done_(std::move(entries_));
    while (asked_ < entries_.size() && asked_ - answered_ < kWindow) {
      const size_t index = asked_++;
      store_.Lookup(entries_[index].hash, *strand_, [self = shared_from_this(), index](StatusOr<BlobInfo> info) {
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
      status = NotFound("{} is not complete here", entries_[index].hash.ToHex());
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

void Store(store::BlobStore& store, const std::shared_ptr<Executor>& strand, Bytes content,
           UniqueFunction<void(StatusOr<Hash>)> done) {
  store.StartImport(*strand, [strand, content = std::move(content), done = std::move(done)](
                                 StatusOr<std::unique_ptr<store::Import>> started) mutable {
    if (!started.ok()) return done(started.status());
    std::shared_ptr<store::Import> import = *std::move(started);
    if (const Status status = import->Append(content); !status.ok()) return done(status);
    import->Finish(*strand, [import, done = std::move(done)](StatusOr<store::Import::Result> result) mutable {
      if (!result.ok()) return done(result.status());
      done(result->hash);
    });
  });
}

}  // namespace

void ReadCollection(store::BlobStore& store, std::shared_ptr<Executor> strand, const Hash& hash, size_t offset,
                    size_t limit, UniqueFunction<void(StatusOr<CollectionPage>)> done) {
  Executor& executor = *strand;
  ReadWhole(store, executor, hash, kMaxRootSize,
            [&store, strand, hash, offset, limit, done = std::move(done)](StatusOr<Bytes> root) mutable {
              if (!root.ok()) return done(root.status());
              const auto hashes = wire::DecodeHashSeq(*root);
              if (!hashes.ok() || hashes->empty()) {
                return done(FailedPrecondition("{} is no collection", hash.ToHex()));
              }
              const Hash metadata = hashes->front();
              ReadWhole(store, *strand, metadata, wire::kMaxMetadataSize,
                        [&store, strand, root = *std::move(root), hash, offset, limit,
                         done = std::move(done)](StatusOr<Bytes> names) mutable {
                          if (!names.ok()) return done(names.status());
                          auto collection = wire::DecodeCollection(root, *names);
                          if (!collection.ok()) {
                            return done(FailedPrecondition("{} is no collection: {}", hash.ToHex(),
                                                           Message(collection.status())));
                          }
                          const size_t total = collection->files.size();
                          std::vector<CollectionEntry> entries;
                          for (size_t i = std::min(offset, total); i < total && entries.size() < limit; ++i) {
                            entries.push_back({std::move(collection->files[i].name), collection->files[i].hash, 0});
                          }
                          std::make_shared<SizeFinder>(
                              store, strand, std::move(entries), false,
                              [total, done = std::move(done)](StatusOr<std::vector<CollectionEntry>> sized) mutable {
                                if (!sized.ok()) return done(sized.status());
                                done(CollectionPage{*std::move(sized), total});
                              })
                              ->LookUpMore();
                        });
            });
}

void CreateCollection(store::BlobStore& store, std::shared_ptr<Executor> strand, std::vector<CollectionEntry> entries,
                      UniqueFunction<void(StatusOr<Hash>)> done) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const CollectionEntry& entry : entries) names.push_back(entry.name);
  Executor& executor = *strand;
  if (Status status = CheckFileNames(names); !status.ok()) {
    executor.Post([status = std::move(status), done = std::move(done)]() mutable { done(status); });
    return;
  }
  auto finder = std::make_shared<SizeFinder>(
      store, strand, std::move(entries), true,
      [&store, strand, names = std::move(names),
       done = std::move(done)](StatusOr<std::vector<CollectionEntry>> complete) mutable {
        if (!complete.ok()) return done(complete.status());
        Store(store, strand, wire::EncodeCollectionNames(names),
              [&store, strand, complete = *std::move(complete), done = std::move(done)](StatusOr<Hash> metadata) mutable {
                if (!metadata.ok()) return done(metadata.status());
                std::vector<Hash> hashes = {*metadata};
                for (const CollectionEntry& entry : complete) hashes.push_back(entry.hash);
                Store(store, strand, wire::EncodeHashSeq(hashes), std::move(done));
              });
      });
  executor.Post([finder] { finder->LookUpMore(); });
}

}  // namespace blobd::engine
