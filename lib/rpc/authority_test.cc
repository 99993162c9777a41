#include "rpc/authority.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error_reason.h"
#include "blobd/v1/admin.pb.h"
#include "blobd/v1/blobs.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"
#include "blobd/v1/tags.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace blobd::rpc {
namespace {

TEST(Authority, TheTableNamesEveryMethodOfTheApiAndNoOther) {
  std::set<std::string> methods;
  for (const auto* file :
       {v1::QueueRequest::descriptor()->file(), v1::AddRequest::descriptor()->file(),
        v1::SetTagRequest::descriptor()->file(), v1::AddAddressesRequest::descriptor()->file(),
        v1::StatusRequest::descriptor()->file(),
        grpc::health::v1::HealthCheckRequest::descriptor()->file(),
        grpc::reflection::v1::ServerReflectionRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const auto* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m)
        methods.insert(std::string(service->name()) + "." +
                       std::string(service->method(m)->name()));
    }
  }
  std::set<std::string> named;
  for (const AuthorityRule& rule : AuthorityTable()) named.insert(std::string(rule.name));
  EXPECT_EQ(named, methods);
}

TEST(Authority, RulesStandWhereTheyAreLookedFor) {
  for (size_t i = 0; i < AuthorityTable().size(); ++i)
    EXPECT_EQ(static_cast<size_t>(AuthorityTable()[i].method), i) << AuthorityTable()[i].name;
}

TEST(Authority, MembersDoWhatIsForMembersAndAdministratorsDoEverything) {
  for (const AuthorityRule& rule : AuthorityTable()) {
    const bool may = CheckAuthority(rule.method, engine::Caller{1000}).ok();
    EXPECT_EQ(may, rule.right != Right::kAdmin) << rule.name << " " << rule.of_what;
    for (const engine::Caller& admin :
         {engine::Caller{0}, engine::Caller{1000, true}, engine::Caller{1000, false, true}}) {
      EXPECT_TRUE(CheckAuthority(rule.method, admin).ok()) << rule.name;
    }
  }
  EXPECT_EQ(CheckAuthority(Method::kAdminSetLimits, engine::Caller{1000}).code(),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(CheckAuthority(Method::kAdminSetLimits, engine::Caller{1000})),
            Reason::kNeedsAdmin);
}

}  // namespace
}  // namespace blobd::rpc
