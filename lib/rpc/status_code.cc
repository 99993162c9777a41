#include "rpc/status_code.h"

#include <string>

#include "base/error_reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "rpc/error_text.h"

namespace blobd::rpc {

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Both follow google.rpc.Code, number for number.
  const auto code = IsUnforeseen(status)
                        ? grpc::StatusCode::INTERNAL
                        : static_cast<grpc::StatusCode>(static_cast<int>(status.code()));
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(NameOf(ReasonOf(status))));
  info.set_domain("blobd");
  ForEachDetail(status, [&info](std::string_view key, std::string_view value) {
    google::rpc::ErrorInfo::Metadata* known = info.add_metadata();
    known->set_key(std::string(key));
    known->set_value(std::string(value));
  });
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(MessageForCaller(status));
  details.add_details()->PackFrom(info);
  return {code, details.message(), details.SerializeAsString()};
}

}  // namespace blobd::rpc
