// MirrorLog: the file `HASH.cv` of a MirrorBlob (bao/cv_log.h): which groups came without proof,
// with what value, and from whom. It is read when the blob is opened again, in another life of the
// process: whoever reads it hashes the bytes before believing them.
//
// Records are appended behind the bytes they tell of. Nothing is synced: after a power loss what is
// missing, or is not what a record says, is got again.
//
// Thread:    one owner, a worker's strand; blocks on the disk.
// Errors:    a log that cannot be written is given up: then a later life knows less.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "bao/cv_log.h"
#include "bao/unproven.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "store/file_system.h"

namespace blobd::transfer {

class MirrorLog {
 public:
  MirrorLog(std::unique_ptr<store::File> file, const Hash& hash);

  // What an earlier life wrote is told to `sink`, in slices: true while there is more. Groups that
  // were discarded later are left out, and so are OnDiscard and what follows a damaged record.
  // After the last slice the log goes on where it ended.
  bool Restore(bao::CvLogSink& sink);
  // A new log, for a blob of this size.
  void Begin(uint64_t size);

  void Groups(bao::SourceId source, const std::string& url, uint64_t first_group,
              std::span<const bao::ChainingValue> values);
  void Discard(Range groups);

 private:
  class Discards;
  class Told;

  void EndPass();
  void Append(const Bytes& records);

  std::unique_ptr<store::File> file_;  // null: given up
  const Hash hash_;
  uint64_t end_ = 0;
  std::set<bao::SourceId> sources_;  // that the log has

  // While it is restored: the first time through it is found out what was discarded.
  bool is_first_pass_ = true;
  std::optional<bao::CvLogReader> reader_;
  uint64_t read_ = 0;
  uint64_t good_ = 0;
  RangeSet discarded_;
};

}  // namespace blobd::transfer
