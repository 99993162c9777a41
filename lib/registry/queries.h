// The statements that RegistryDb prepares once.
#pragma once

#include <cstddef>
#include <string>

namespace blobd::registry {

enum Query : size_t {
  kPutIntent,
  kNoteEnded,
  kEndedBeyond,
  kForgetEnded,
  kDropEndedIntent,
  kHasIntent,
  kPutFailure,
  kDropFailures,
  kPutProvider,
  kDropProvider,
  kPutRemoteAddress,
  kDropRemoteAddress,
  kDropRemoteAddresses,
  kPutRemote,
  kDropRemote,
  kPutBan,
  kDropBan,
  kPutSetting,
  kDropSetting,
  kPutTag,
  kDropTag,
  kCountTags,
  kPutLease,
  kDropLease,
  kDropEndedLeases,
  kPutTransfer,
  kHasTransfer,
  kTrimTransfers,
  kPutTotals,
  kTrimTotals,
  kGetNextId,
  kSetNextId,
  kMaxIntentId,
  kGetIntent,
  kFindIntent,
  kFailuresOf,
  kFindTag,
  kListLeases,
  kProvidersSeen,
  kTotalsOf,
  kAddressesOf,
  kLoadProviders,
  kLoadIntents,
  kQueries,
};

std::string SqlOf(Query query);

// At most this many rows beyond its limit leave a table in one commit, so that a limit made smaller
// does not stop the commits that come after.
inline constexpr int kTrimmedAtOnce = 64;

}  // namespace blobd::registry
