// What the engine must do for the scheduler. Values, no behaviour; late answers carry the id they
// were asked with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/provider.h"
#include "base/range_set.h"
#include "base/time.h"
#include "schedule/outcome.h"

namespace blobd::schedule {

// Answer with StoreAnswered.
struct LookInStore {
  RequestId request;
  Kind kind;
};

// Answer with Connected or DialFailed.
struct Dial {
  NodeId node;
};
// Nobody wants this dial any more; no answer.
struct GiveUpDial {
  NodeId node;
};
// Close the connection; no answer.
struct Disconnect {
  NodeId node;
  std::string reason;
};

// Get what is still missing of `kind` from `provider`; answer with TransferProgress and one
// TransferEnded.
struct StartTransfer {
  TransferId transfer;
  RequestId request;
  Kind kind;
  ProviderId provider;
  // Nobody said that it has this: begin with the cheapest question it understands.
  bool question = false;
  // Get this range only; nullopt: all that is missing, and say what that is (ContentKnown).
  std::optional<Range> part = {};
};
// Let the transfer end at this byte of the request, or soon after; answer with BoundaryAccepted.
struct LowerLimit {
  TransferId transfer;
  uint64_t boundary = 0;
};
// End it soon; it still answers with TransferEnded (any outcome that comes first).
struct StopTransfer {
  TransferId transfer;
};

enum class ResultCode { kDone, kCancelled, kNoProviders, kFailed, kDeadlineExceeded };
// The last thing that went wrong with one provider of a request.
struct ProviderFailure {
  ProviderId provider;
  Outcome outcome = Outcome::kRetryLater;
  std::string reason;
};
// The intent has ended, once. Make it durable, then tell its watchers.
struct FinishIntent {
  IntentId intent;
  ResultCode code = ResultCode::kDone;
  std::string reason;
  std::vector<ProviderFailure> failures;
};

// The provider map changed: keep it over restarts.
struct RememberProvider {
  Hash hash;
  ProviderId provider;
};
struct ForgetProvider {
  Hash hash;
  ProviderId provider;
};
// The provider sent something false: refuse it until then.
struct BanProvider {
  ProviderId provider;
  Duration length{0};
  uint32_t times = 0;
  std::string reason;
};

using Effect =
    std::variant<LookInStore, Dial, GiveUpDial, Disconnect, StartTransfer, LowerLimit, StopTransfer,
                 FinishIntent, RememberProvider, ForgetProvider, BanProvider>;

}  // namespace blobd::schedule
