// What a commit may do to registry.db.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "registry/records.h"

namespace blobd::registry {

// Inserts or replaces by id. Of those that have ended only the latest are kept (Options of
// sqlite_registry.h): the commit that ends one more forgets the intents that ended first, with
// their failures and idempotency keys.
struct PutIntent {
  IntentRow intent;
};
// Replaces what is known of the intent's failures. They go when the intent does; without such an
// intent nothing is kept.
struct PutIntentFailures {
  IntentId intent;
  std::vector<FailureRow> failures;
};

struct PutProvider {
  ProviderRow row;
};
struct DropProvider {
  ProviderRow row;
};

struct PutRemoteAddress {
  RemoteAddressRow row;
};
struct DropRemoteAddress {
  NodeId node;
  SocketAddress address;
};
struct PutRemote {
  RemoteRow row;
};
// With all its addresses.
struct DropRemote {
  NodeId node;
};

struct PutBan {
  BanRow ban;
};
struct DropBan {
  ProviderId provider;
};

struct PutSetting {
  SettingRow setting;
};
struct DropSetting {
  std::string name;
};

// Sets or moves the tag. One that is there keeps `created`, and its owner unless `any_owner`.
// Fails alone: kPermissionDenied: it is there and another's; kResourceExhausted: the owner has too
// many.
struct PutTag {
  TagRow tag;
  bool any_owner = false;  // the caller may change tags of others, and becomes their owner
};
// Fails alone: kNotFound; kPermissionDenied: it is not `owner_uid`'s.
struct DropTag {
  std::string name;
  std::optional<uint32_t> owner_uid;  // nullopt: whosever it is
};

struct PutLease {
  LeaseRow lease;
};
struct DropLease {
  Kind kind;
  std::string holder;
};
// Those that had ended at `now`.
struct DropEndedLeases {
  WallTime now;
};

// Adds to the history (replaces by id), and forgets the transfers that were added first when there
// are too many (Options of sqlite_registry.h). Counted in the provider's totals once.
struct PutTransfer {
  TransferRow transfer;
};

// All changes of one commit happen, in this order, or none. What is to be dropped need not be
// there, if nothing else is said.
using Change =
    std::variant<PutIntent, PutProvider, DropProvider, PutRemoteAddress, DropRemoteAddress, PutBan,
                 DropBan, PutRemote, DropRemote, PutTag, DropTag, PutLease, DropLease,
                 DropEndedLeases, PutTransfer, PutIntentFailures, PutSetting, DropSetting>;

}  // namespace blobd::registry
