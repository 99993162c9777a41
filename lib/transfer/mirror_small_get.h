// MirrorSmallGet: one file that is expected to be a small blob (one chunk group at most), from one
// URL, for a session that gets many of them. All of it comes in one answer, fits its hash as a
// whole or does not, and goes into the store with others in one transaction: nothing is written
// without proof, and nothing is kept beside the file.
//
//   kAsking --all came, and fits--> kStoring --stored--> kOver
//      `----- error, not as expected, stop ---------------^
//
// What is not as expected (the file is larger, or does not fit) is left to a MirrorGet, which
// begins anew and finds out what follows, for the mirror too.
//
// Thread:    the session's strand. It is told there, never from within a call of its.
// Ownership: shared: by the session, its fetches and the store.
// Memory:    the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/task.h"
#include "store/blob_store.h"
#include "transfer/get_order.h"
#include "transfer/mirror_get.h"
#include "transfer/mirror_port.h"

namespace blobd::transfer {

class MirrorSmallGet final : public MirrorReceiver,
                             public std::enable_shared_from_this<MirrorSmallGet> {
 public:
  enum class Verdict {
    kEnded,
    kOther,  // it is to be got in the other way, since somebody else gets it
    kWrong,  // likewise; it should not have been expected to be small
  };
  // All of it has come, and is being stored.
  using Fetched = UniqueFunction<void()>;
  // Once. `end` tells how if it is kEnded.
  using Done = UniqueFunction<void(Verdict verdict, const GetEnd& end)>;

  MirrorSmallGet(store::BlobStore& store, std::shared_ptr<Executor> strand, const Hash& hash,
                 Fetched fetched, Done done);

  void Start(std::shared_ptr<MirrorPort> port, uint64_t max_size);
  // What has come is stored all the same.
  void Stop();
  const MirrorGetProgress& progress() const { return progress_; }

  // MirrorReceiver
  void OnOpened(uint64_t fetch) override;
  bool hears_of_openings() const override { return false; }
  void OnContent(uint64_t fetch, const http::Content& content) override;
  void OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) override;
  void OnFetchEnd(uint64_t fetch, const http::FetchEnd& end) override;

 private:
  enum class Phase { kAsking, kStoring, kOver };

  void Put();
  void OnPut(const Status& status);
  void End(Verdict verdict, GetEnd end = {});

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  const Hash hash_;
  Fetched fetched_;
  Done done_;
  std::shared_ptr<MirrorPort> port_;
  Phase phase_ = Phase::kAsking;
  bool is_larger_ = false;
  Bytes content_;
  MirrorGetProgress progress_;
};

}  // namespace blobd::transfer
