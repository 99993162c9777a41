// DiskState: whether there is room for more, and may it be written.
//
//      .--- no more than the reserve is free, or a write found no room ---> kFull ---.
//    kOk                                                                             |
//      ^`-- a write found the file system read-only ------------------> kReadOnly --.|
//      `------------------------- a probe could write, with room to spare ----------'|
//      `------------------------------------------------------------------------------'
//
// Nothing is lost by any of these. While the disk is full, what would take room (Write, Append,
// PutSmall, ImportDescriptor, Admit) is refused with kResourceExhausted, and while it is read-only
// with kPermissionDenied; reading, Lookup, Flush and Remove are tried all the same. It ends by
// itself, within about two seconds after there is room, or may be written, again.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace blobd::store {

enum class DiskCondition { kOk, kFull, kReadOnly };

struct DiskState {
  DiskCondition condition = DiskCondition::kOk;
  uint64_t total_bytes = 0;     // of the file system
  uint64_t free_bytes = 0;      // of these, what we could use; as of a moment ago
  uint64_t reserve_bytes = 0;   // of these, what we leave alone
  uint64_t admitted_bytes = 0;  // promised to blobs whose size is proven, and not written yet
  WallTime since;               // the condition began
  std::string reason;           // in words, while it is not kOk: "2.1 GiB free, 1 GiB reserved"

  bool operator==(const DiskState&) const = default;
};

// Attention to the disk's state; it ends when this is destroyed, on any thread. One call may be on
// its way then.
class DiskWatch {
 public:
  virtual ~DiskWatch() = default;
};

}  // namespace blobd::store
