#include "engine/history.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace blobd::engine {
namespace {

using registry::TransferOutcome;
using schedule::Outcome;

// Peers choose parts of these texts; more than this nobody reads.
constexpr size_t kMaxReason = 1024;

}  // namespace

TransferOutcome ToStored(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return TransferOutcome::kDone;
    case Outcome::kStopped:
      return TransferOutcome::kStopped;
    case Outcome::kNotHere:
      return TransferOutcome::kNotHere;
    case Outcome::kAbortRequest:
      return TransferOutcome::kAbortRequest;
    case Outcome::kImpossible:
      return TransferOutcome::kImpossible;
    case Outcome::kDropProvider:
      return TransferOutcome::kDropProvider;
    case Outcome::kWrongContent:
      return TransferOutcome::kWrongContent;
    case Outcome::kRetryLater:
      return TransferOutcome::kRetryLater;
    case Outcome::kBusy:
      return TransferOutcome::kBusy;
    case Outcome::kLocalFault:
      return TransferOutcome::kLocalFault;
  }
  return TransferOutcome::kRetryLater;
}

Outcome FromStored(TransferOutcome outcome) {
  switch (outcome) {
    case TransferOutcome::kDone:
      return Outcome::kDone;
    case TransferOutcome::kStopped:
      return Outcome::kStopped;
    case TransferOutcome::kNotHere:
      return Outcome::kNotHere;
    case TransferOutcome::kAbortRequest:
      return Outcome::kAbortRequest;
    case TransferOutcome::kImpossible:
      return Outcome::kImpossible;
    case TransferOutcome::kDropProvider:
      return Outcome::kDropProvider;
    case TransferOutcome::kWrongContent:
      return Outcome::kWrongContent;
    case TransferOutcome::kRetryLater:
      return Outcome::kRetryLater;
    case TransferOutcome::kBusy:
      return Outcome::kBusy;
    case TransferOutcome::kLocalFault:
      return Outcome::kLocalFault;
  }
  return Outcome::kRetryLater;
}

registry::TransferRow ToRow(const TransferView& view, Outcome outcome) {
  registry::TransferRow row;
  row.id = view.id;
  row.provider = view.provider;
  row.kind = view.kind;
  row.outcome = ToStored(outcome);
  row.reason = ShortText(view.reason, kMaxReason);
  row.received_bytes = view.received_bytes;
  row.verified_bytes = view.verified_bytes;
  row.total_bytes = view.total_bytes;
  row.started = view.started;
  row.finished = view.finished;
  return row;
}

TransferView ToView(registry::TransferRow row) {
  TransferView view;
  view.id = row.id;
  view.provider = std::move(row.provider);
  view.kind = row.kind;
  view.state = row.outcome == TransferOutcome::kDone      ? TransferState::kDone
               : row.outcome == TransferOutcome::kStopped ? TransferState::kCancelled
                                                          : TransferState::kFailed;
  view.reason = std::move(row.reason);
  view.received_bytes = row.received_bytes;
  view.verified_bytes = row.verified_bytes;
  view.total_bytes = row.total_bytes;
  view.started = row.started;
  view.finished = row.finished;
  return view;
}

std::vector<registry::FailureRow> ToRows(const schedule::Failures& failures) {
  std::vector<registry::FailureRow> rows;
  const size_t count = std::min(failures.size(), registry::kMaxFailuresPerIntent);
  for (size_t i = 0; i < count; ++i) {
    rows.push_back({failures[i].provider, ToStored(failures[i].outcome),
                    ShortText(failures[i].reason, kMaxReason)});
  }
  return rows;
}

std::vector<schedule::ProviderFailure> ToFailures(std::vector<registry::FailureRow> rows) {
  std::vector<schedule::ProviderFailure> failures;
  for (registry::FailureRow& row : rows) {
    failures.push_back({std::move(row.provider), FromStored(row.outcome), std::move(row.reason)});
  }
  return failures;
}

}  // namespace blobd::engine
