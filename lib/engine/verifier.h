// Verifier: has the store hash blobs again, one after the other: those named, or all. What rotted
// is handed on for repair, and told.
//
// Thread:    the control loop.
// Ownership: held by the callbacks that it waits for. All of Deps outlive it.
// Errors:    kCancelled; what the store says. A blob that cannot be read is a finding, no error.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/task.h"
#include "engine/collector.h"
#include "store/blob_store.h"

namespace blobd::engine {

struct VerifyFinding {
  enum class Result { kAbsent, kRotten, kUnreadable };
  Hash hash;
  Result result = Result::kRotten;
  uint64_t rotten_groups = 0;
  bool is_private = false;         // it was found by going through all blobs, and is private
  std::optional<IntentId> repair;  // the intent that gets them again
  std::string reason;              // names neither the blob nor the intent
};

struct VerifyReport {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known
  uint64_t failed_blobs = 0;
};

class Verifier final : public KeeperJob, public std::enable_shared_from_this<Verifier> {
 public:
  struct Deps {
    Executor& control;
    store::BlobStore& store;
    // Gets these groups of a blob again; they are withdrawn already.
    std::function<void(const Hash&, const RangeSet&, UniqueFunction<void(StatusOr<IntentId>)>)>
        repair;
  };
  struct Listener {
    std::function<void(const VerifyReport&)> progress;
    std::function<void(const VerifyReport&, VerifyFinding)> finding;
    UniqueFunction<void(const Status&, const VerifyReport&)> done;
  };

  // `hashes`: empty: every blob that is here.
  Verifier(Deps deps, std::vector<Hash> hashes, Listener listener);

  void Start();
  void Cancel() override;

 private:
  void SizeUp(size_t next);
  void NextPage();
  void NextBlob();
  void OnVerified(const StatusOr<store::Verified>& verified);
  void Find(VerifyFinding finding);
  void End(const Status& status);

  const Deps deps_;
  const bool all_;
  std::vector<Hash> page_;          // all that is left, or one page of all
  std::vector<bool> page_private_;  // of all
  size_t next_ = 0;
  std::optional<Hash> last_;
  Listener listener_;
  VerifyReport report_;
  uint64_t bytes_before_ = 0;  // of blobs that are done
  std::unique_ptr<store::StoreJob> job_;
  bool cancelled_ = false;
};

}  // namespace blobd::engine
