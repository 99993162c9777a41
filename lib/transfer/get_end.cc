#include "transfer/get_end.h"

#include "base/check.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

// Reset codes of the blobs protocol (protocol/blobs.md, section 7).
constexpr uint64_t kResetPermission = 1;
constexpr uint64_t kResetLimit = 2;
constexpr uint64_t kResetInternal = 3;

std::string NameOf(const Kind& kind, const GetTarget& target) {
  if (target.blob_index == 0) return fmt::format("blob {}", kind.hash.Short());
  return fmt::format("child {} of {}", target.hash.Short(), kind.hash.Short());
}

}  // namespace

bool IsNotHere(const StreamEnd& end) {
  return end.kind == StreamEnd::Kind::kFinished ||
         (end.kind == StreamEnd::Kind::kReset && end.code == kResetInternal);
}

GetEnd NotHere(const Kind& kind, const GetTarget& target, bool sized, const StreamEnd& end) {
  const char* what = sized                    ? "holds only a part of"
                     : target.blob_index == 0 ? "does not have"
                                              : "lacks";
  const char* how = end.kind == StreamEnd::Kind::kReset ? " (it reset the stream)" : "";
  return {
      Outcome::kNotHere, fmt::format("not here: it {} {}{}", what, NameOf(kind, target), how), {}};
}

GetEnd EndOfStream(const StreamEnd& end) {
  switch (end.kind) {
    case StreamEnd::Kind::kFinished:
      break;
    case StreamEnd::Kind::kReset:
      if (end.code == kResetInternal) break;
      if (end.code == kResetPermission)
        return {Outcome::kAbortRequest, "it refuses: no permission", {}};
      if (end.code == kResetLimit) return {Outcome::kBusy, "it is at its limit", {}};
      return {Outcome::kRetryLater, fmt::format("it reset the stream with code {}", end.code), {}};
    case StreamEnd::Kind::kLost:
    case StreamEnd::Kind::kRefused:
    case StreamEnd::Kind::kStalled:
      return {Outcome::kRetryLater, end.reason, {}};
    case StreamEnd::Kind::kStopped:
      return {Outcome::kStopped, end.reason, {}};
    case StreamEnd::Kind::kMoved:
      break;  // ends nothing
  }
  BLOBD_CHECK(false);
}

GetEnd WrongAnswer(const Kind& kind, const GetTarget& target, bao::DecodeError error,
                   uint64_t claimed, const SizeLimits& limits) {
  const std::string name = NameOf(kind, target);
  std::string reason;
  switch (error) {
    case bao::DecodeError::kNone:
      BLOBD_CHECK(false);
      break;
    case bao::DecodeError::kWrongSize:
      reason =
          claimed > limits.max_blob_size
              ? fmt::format("declared a size of {} bytes for {}; the maximum is {}", claimed, name,
                            limits.max_blob_size)
              : fmt::format("declared a size of {} bytes for {}, which cannot be", claimed, name);
      break;
    case bao::DecodeError::kWrongPair:
      reason =
          fmt::format("sent a hash pair that does not fit {} of claimed size {}", name, claimed);
      break;
    case bao::DecodeError::kWrongLeaf:
      reason = fmt::format("sent data that does not fit {}", name);
      break;
  }
  return {Outcome::kDropProvider, std::move(reason), {}};
}

GetEnd WrongSize(const Kind& kind, const GetTarget& target, uint64_t claimed) {
  return {Outcome::kDropProvider,
          fmt::format("declared a size of {} bytes for {}, {} {}", claimed, NameOf(kind, target),
                      target.size_proven ? "which is proven to have" : "and another time",
                      target.size.value_or(0)),
          {}};
}

}  // namespace blobd::transfer
