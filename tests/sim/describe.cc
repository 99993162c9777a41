#include "describe.h"

#include <fmt/format.h>

#include "base/overloaded.h"

namespace blobd::sim {
namespace {

using namespace schedule;

std::string Name(const ProviderId& provider) {
  if (const auto* node = std::get_if<NodeId>(&provider))
    return "node " + std::to_string(node->bytes[31]);
  return ToString(provider);
}
std::string Name(const Hash& hash) { return "hash " + std::to_string(hash.bytes[0]); }
std::string Name(const Kind& kind) {
  return Name(kind.hash) + (kind.format == BlobFormat::kRaw ? " raw" : " seq");
}
std::string Names(const std::vector<ProviderId>& providers) {
  std::string text;
  for (const ProviderId& provider : providers) text += " [" + Name(provider) + "]";
  return text;
}

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return "done";
    case Outcome::kStopped:
      return "stopped";
    case Outcome::kNotHere:
      return "not here";
    case Outcome::kAbortRequest:
      return "abort request";
    case Outcome::kImpossible:
      return "impossible";
    case Outcome::kDropProvider:
      return "drop provider";
    case Outcome::kWrongContent:
      return "wrong content";
    case Outcome::kRetryLater:
      return "retry later";
    case Outcome::kBusy:
      return "busy";
    case Outcome::kLocalFault:
      return "local fault";
  }
  return "?";
}

const char* Name(ResultCode code) {
  switch (code) {
    case ResultCode::kDone:
      return "done";
    case ResultCode::kCancelled:
      return "cancelled";
    case ResultCode::kNoProviders:
      return "no providers";
    case ResultCode::kFailed:
      return "failed";
    case ResultCode::kDeadlineExceeded:
      return "deadline exceeded";
  }
  return "?";
}

}  // namespace

std::string Describe(const Event& event) {
  return std::visit(
      Overloaded{
          [](const Queue& e) {
            return fmt::format("Queue intent {} {} priority {} patience {} s{}{}", e.id.value,
                               Name(e.kind), static_cast<int>(e.priority),
                               std::chrono::duration_cast<seconds>(e.patience).count(),
                               e.deadline ? " deadline" : "", Names(e.providers));
          },
          [](const Cancel& e) { return fmt::format("Cancel {}", e.id.value); },
          [](const Withdraw& e) { return fmt::format("Withdraw {}", e.id.value); },
          [](const NodesHave& e) { return "NodesHave " + Name(e.hash) + Names(e.providers); },
          [](const StoreAnswered& e) {
            return fmt::format("StoreAnswered request {} state {}", e.request.value,
                               static_cast<int>(e.state));
          },
          [](const SetPaused& e) {
            const std::string what = e.intent ? std::to_string(e.intent->value) : "everything";
            return (e.paused ? "Pause " : "Resume ") + what;
          },
          [](const PathNews& e) { return "PathNews " + Name(e.node); },
          [](const NetworkBack&) { return std::string("NetworkBack"); },
          [](const DiskRoom&) { return std::string("DiskRoom"); },
          [](const BanWanted& e) { return "BanWanted " + Name(e.provider); },
          [](const DisconnectWanted& e) { return "DisconnectWanted " + Name(e.node); },
          [](const Unban& e) { return "Unban " + Name(e.provider); },
          [](const ContentKnown& e) {
            return fmt::format("ContentKnown request {} length {} missing {}", e.request.value,
                               e.length, e.missing.ToString());
          },
          [](const ProviderHolds& e) {
            return "ProviderHolds " + Name(e.hash) + " " + Name(e.provider) + " " +
                   e.ranges.ToString();
          },
          [](const Arrived& e) {
            return fmt::format("Arrived request {} {}..{}", e.request.value, e.range.begin,
                               e.range.end);
          },
          [](const BoundaryAccepted& e) {
            return fmt::format("BoundaryAccepted {} {}", e.transfer.value, e.boundary);
          },
          [](const TransferHeld& e) {
            return fmt::format("TransferHeld {} {}", e.transfer.value, e.held);
          },
          [](const Connected& e) { return "Connected " + Name(e.node); },
          [](const DialFailed& e) {
            return "DialFailed " + Name(e.node) + (e.local_fault ? " local fault" : "");
          },
          [](const Disconnected& e) {
            return "Disconnected " + Name(e.node) + (e.in_order ? " in order" : "");
          },
          [](const TransferProgress& e) {
            return fmt::format("TransferProgress {} +{} at {}", e.transfer.value, e.verified_bytes,
                               e.position);
          },
          [](const TransferEnded& e) {
            return fmt::format("TransferEnded {} {}{}", e.transfer.value, Name(e.outcome),
                               e.content_void ? ", content void" : "");
          },
          [](const CancelTransfer& e) {
            return fmt::format("CancelTransfer {}", e.transfer.value);
          },
          [](const SetLimits& e) {
            return fmt::format("SetLimits requests {} per node {} connections {} dials {}",
                               e.limits.requests, e.limits.requests_per_node, e.limits.connections,
                               e.limits.dials_per_hash);
          },
          [](const Drain&) { return std::string("Drain"); },
          [](const Tick&) { return std::string("Tick"); }},
      event);
}

std::string Describe(const Effect& effect) {
  return std::visit(
      Overloaded{
          [](const LookInStore& e) {
            return fmt::format("LookInStore request {} {}", e.request.value, Name(e.kind));
          },
          [](const Dial& e) { return "Dial " + Name(e.node); },
          [](const GiveUpDial& e) { return "GiveUpDial " + Name(e.node); },
          [](const Disconnect& e) { return "Disconnect " + Name(e.node) + ": " + e.reason; },
          [](const StartTransfer& e) {
            const std::string part =
                e.part ? fmt::format(" part {}..{}", e.part->begin, e.part->end) : "";
            return fmt::format("StartTransfer {} request {} {} from {}{}{}", e.transfer.value,
                               e.request.value, Name(e.kind), Name(e.provider), part,
                               e.question ? " question" : "");
          },
          [](const LowerLimit& e) {
            return fmt::format("LowerLimit {} {}", e.transfer.value, e.boundary);
          },
          [](const StopTransfer& e) { return fmt::format("StopTransfer {}", e.transfer.value); },
          [](const FinishIntent& e) {
            return fmt::format("FinishIntent {} {} {}", e.intent.value, Name(e.code), e.reason);
          },
          [](const RememberProvider& e) {
            return "RememberProvider " + Name(e.hash) + " " + Name(e.provider);
          },
          [](const ForgetProvider& e) {
            return "ForgetProvider " + Name(e.hash) + " " + Name(e.provider);
          },
          [](const BanProvider& e) {
            return fmt::format("BanProvider {} times {}", Name(e.provider), e.times);
          }},
      effect);
}

}  // namespace blobd::sim
