// The requests of the blobs protocol (protocol/blobs.md, section 3). A request is all that its
// stream carries up to FIN; only behind a Push header data follows.
//
// Values; any thread. Bytes behind a complete request are ignored, as the reference ignores them.
// Errors: kInvalidArgument: malformed, of a kind that nobody defines, or with a count that no
//         request could hold. kOutOfRange: ends too early.
//         kResourceExhausted: larger than requests may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "wire/range_spec.h"

namespace blobd::wire {

inline constexpr std::string_view kAlpn = "/iroh-bytes/4";

// What 0.90 and later read: the kind, then 1 MiB. We neither read nor send more, though 0.35 would
// read 100 MiB.
inline constexpr size_t kMaxRequestSize = 1 + 1024 * 1024;

struct GetRequest {
  Hash hash;
  RangeSpecSeq ranges;
  bool operator==(const GetRequest&) const = default;
};

struct GetManyRequest {
  std::vector<Hash> hashes;
  RangeSpecSeq ranges;  // index i is about hashes[i]
  bool operator==(const GetManyRequest&) const = default;
};

struct ObserveRequest {
  Hash hash;
  ChunkRanges ranges;  // the reference ignores it and tells about the whole blob
  bool operator==(const ObserveRequest&) const = default;
};

// The header of a Push; the data behind it is what a provider would answer to a Get of the same.
struct PushRequest {
  Hash hash;
  RangeSpecSeq ranges;
  bool operator==(const PushRequest&) const = default;
};

using Request = std::variant<GetRequest, ObserveRequest, PushRequest, GetManyRequest>;

struct DecodedRequest {
  Request request;
  size_t size = 0;  // bytes it took; in a Push the data begins there
};

// Reads one request off the front of `bytes`. More bytes than kMaxRequestSize are fine if the
// request itself is smaller (a Push with its data). kOutOfRange: more bytes may complete it, so a
// Push header can be read as it comes.
StatusOr<DecodedRequest> DecodeRequest(ByteView bytes);

// In canonical form. kResourceExhausted: it would be too large to be read; ask for less.
StatusOr<Bytes> EncodeRequest(const Request& request);
// A Get without the check of its size: with ranges of a handful of runs it cannot be too large.
Bytes EncodeGet(const Hash& hash, const RangeSpecSeq& ranges);

}  // namespace blobd::wire
