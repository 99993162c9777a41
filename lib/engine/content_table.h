// ContentTable: of every request whose line of bytes is known (transfer/get_layout.h), the line and
// what of it is held. What several transfers report is counted once.
//
// Thread: the control loop. Memory: of one request at most its line, shared with its transfers, and
// the ranges that are held.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/hash.h"
#include "base/ids.h"
#include "schedule/event.h"
#include "transfer/get_layout.h"

namespace blobd::engine {

class ContentTable {
 public:
  // The first word about the request's line counts; false if it had been said before. Of another
  // request for the same kind, which must be over, it replaces what was known.
  bool Learn(const Kind& kind, RequestId request, const transfer::GetContent& content);
  // What it is not known of, the line of: null.
  std::shared_ptr<const transfer::GetLayout> LayoutOf(const Kind& kind, RequestId request) const;
  // A transfer of the request reports what it found to be held: how much of that is new; nullopt
  // if the line is not known, so that nobody knows.
  std::optional<uint64_t> Arrived(const Kind& kind, RequestId request, const RangeSet& ranges);
  // Nobody wants the kind any more, or its request begins anew.
  void Forget(const Kind& kind) { contents_.erase(kind); }

 private:
  struct Content {
    RequestId request;
    std::shared_ptr<const transfer::GetLayout> layout;
    RangeSet held;
  };
  std::unordered_map<Kind, Content> contents_;
};

// The same in the scheduler's words.
schedule::ContentKnown ToEvent(RequestId request, const transfer::GetContent& content);

}  // namespace blobd::engine
