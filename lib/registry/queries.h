// The statements of RegistryDb: those that it prepares once, and lists.
#pragma once

#include <cstddef>
#include <string>

#include "registry/registry.h"

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
// With the parameters after, hash, owner, label and limit, whatever the filter names of them.
std::string SqlOfList(const IntentFilter& filter);

// At most this many rows beyond its limit leave a table in one commit, so that a limit made smaller
// does not stop the commits that come after.
inline constexpr int kTrimmedAtOnce = 64;

}  // namespace blobd::registry
