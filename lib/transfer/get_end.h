// Why a transfer ends badly: each cause becomes an outcome and a reason of its own, in words for a
// person (design/transfers.md, "Getting from a node"; protocol/blobs.md, section 7). Pure.
#pragma once

#include <cstdint>

#include "bao/decoder.h"
#include "base/hash.h"
#include "transfer/get_port.h"
#include "transfer/get_work.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

// The answer ended in order without what was asked for.
bool IsNotHere(const StreamEnd& end);
// `sized`: the size header of the target had come.
// REQUIRES: IsNotHere(end)
GetEnd NotHere(const Kind& kind, const GetTarget& target, bool sized, const StreamEnd& end);

// REQUIRES: !IsNotHere(end), and it is not kMoved
GetEnd EndOfStream(const StreamEnd& end);

// What came cannot belong to the target. REQUIRES: error != kNone
GetEnd WrongAnswer(const Kind& kind, const GetTarget& target, bao::DecodeError error,
                   uint64_t claimed, const SizeLimits& limits);
// The size header says something else than target.size.
GetEnd WrongSize(const Kind& kind, const GetTarget& target, uint64_t claimed);

}  // namespace blobd::transfer
