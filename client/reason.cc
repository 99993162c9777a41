#include "client/reason.h"

#include <string_view>

#include "absl/strings/cord.h"
#include "client/client.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace blobd::client {
namespace {

constexpr char kErrorInfo[] = "type.googleapis.com/google.rpc.ErrorInfo";

}  // namespace

void AddReason(const std::string& details, Status* status) {
  google::rpc::Status full;
  if (details.empty() || !full.ParseFromString(details)) return;
  for (const google::protobuf::Any& detail : full.details()) {
    if (detail.type_url() == kErrorInfo)
      status->SetPayload(
          kErrorInfo, absl::Cord(absl::string_view(detail.value().data(), detail.value().size())));
  }
}

void SetReason(const std::string& name, Status* status) {
  if (name.empty() || status->ok()) return;
  google::rpc::ErrorInfo info;
  info.set_reason(name);
  info.set_domain("blobd");
  status->SetPayload(kErrorInfo, absl::Cord(info.SerializeAsString()));
}

std::optional<Reason> ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfo);
  google::rpc::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload)) || info.reason().empty())
    return std::nullopt;
  Reason reason{info.reason(), info.domain(), {}};
  for (const auto& known : info.metadata()) reason.details[known.key()] = known.value();
  return reason;
}

}  // namespace blobd::client
