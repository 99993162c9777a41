// What the engine must do for the scheduler. Values, no behaviour; late answers carry the id they
// were asked with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
  friend bool operator==(const ProviderFailure&, const ProviderFailure&) = default;
};
// A list that never changes, and that any number of intents share: a request may have a hundred
// thousand, and a thousand providers that failed it.
class Failures {
 public:
  Failures() = default;
  explicit Failures(std::vector<ProviderFailure> list) {
    if (list.empty()) return;
    list_ = std::make_shared<const std::vector<ProviderFailure>>(std::move(list));
  }

  bool empty() const { return list_ == nullptr; }
  size_t size() const { return empty() ? 0 : list_->size(); }
  const ProviderFailure& operator[](size_t i) const { return (*list_)[i]; }
  const ProviderFailure* begin() const { return empty() ? nullptr : list_->data(); }
  const ProviderFailure* end() const { return begin() + size(); }
  friend bool operator==(const Failures& a, const Failures& b) {
    return a.list_ == b.list_ || std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::shared_ptr<const std::vector<ProviderFailure>> list_;
};

// The intent has ended, once. Make it durable, then tell its watchers.
struct FinishIntent {
  IntentId intent;
  ResultCode code = ResultCode::kDone;
  std::string reason;
  Failures failures;
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
