#include "rpc/status_code.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error_reason.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace blobd::rpc {
namespace {

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(details.message(), status.error_message());
  EXPECT_EQ(details.details_size(), 1);
  EXPECT_TRUE(details.details_size() == 1 && details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "blobd");
  return info;
}

// What is known by this name; empty: nothing.
std::string Known(const google::rpc::ErrorInfo& info, const std::string& key) {
  for (const auto& known : info.metadata())
    if (known.key() == key) return known.value();
  return "";
}

TEST(StatusCode, AnErrorCarriesItsReasonAndWhatIsKnown) {
  const grpc::Status status =
      ToGrpc(WithDetail(ErrorFor(Reason::kIntentQuota, "uid 7 has too many"), "limit", "100000"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "uid 7 has too many");
  const google::rpc::ErrorInfo info = InfoOf(status);
  EXPECT_EQ(info.reason(), "INTENT_QUOTA");
  EXPECT_EQ(Known(info, "limit"), "100000");
  EXPECT_TRUE(ToGrpc(OkStatus()).ok());
  EXPECT_EQ(ToGrpc(OkStatus()).error_details(), "");
}

TEST(StatusCode, EveryErrorHasAReason) {
  for (int code = 1; code <= 16; ++code) {
    SCOPED_TRACE(code);
    const google::rpc::ErrorInfo info =
        InfoOf(ToGrpc(MakeStatus(static_cast<StatusCode>(code), "no")));
    EXPECT_TRUE(ReasonOfName(info.reason())) << info.reason();
  }
}

TEST(StatusCode, WhatNobodyForesawIsNotTold) {
  for (const Status& secret : {Internal("open /var/lib/blobd/x: Input/output error"),
                               MakeStatus(StatusCode::kUnknown, "/var/lib/blobd/x")}) {
    const grpc::Status status = ToGrpc(secret);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(InfoOf(status).reason(), "INTERNAL");
    EXPECT_EQ(status.error_message().find("/var"), std::string::npos);
    EXPECT_EQ(status.error_details().find("/var"), std::string::npos);
  }
}

// gRPC's clients take 8 KiB of headers; of the message each byte may become three, of the details
// three become four.
TEST(StatusCode, FitsIntoHeadersWhateverStrangersSay) {
  std::string evil;
  while (evil.size() < 100'000) evil += "\xe2\x82\xac\xff\n";
  Status error =
      FieldError(Reason::kMalformedUrl, "items[9999].providers[63].mirror_url", "{}", evil);
  for (const char* key : {"value", "limit", "size", "intent_id"})
    error = WithDetail(std::move(error), key, evil);
  const grpc::Status status = ToGrpc(error);
  EXPECT_TRUE(IsUtf8(status.error_message()));
  EXPECT_LE(3 * status.error_message().size() + status.error_details().size() * 4 / 3, 7'000u);
  EXPECT_LE(Known(InfoOf(status), "value").size(), kMaxDetailBytes);
}

}  // namespace
}  // namespace blobd::rpc
