#include "lookup/dns_lookup.h"

#include <gtest/gtest.h>

#include "lookup/lookup_for_test.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

const NodeId kNode = {{1, 2, 3}};

class DnsLookupTest : public LookupTest {
 protected:
  std::unique_ptr<DnsResolver> Resolver(Duration timeout = milliseconds(200)) {
    auto resolver = DnsResolver::Create(*loop_, {{dns_.address()}, timeout});
    EXPECT_TRUE(resolver.ok()) << resolver.status();
    return std::move(*resolver);
  }
  const std::string name_ = "_iroh." + wire::ToZBase32(kNode.view()) + ".dns.example";
  TinyDns dns_{*loop_};
};

TEST_F(DnsLookupTest, FindsWhatIrohPublishes) {
  DnsLookup lookup(Resolver(), "dns.example");
  dns_.Set(name_, {"relay=https://relay.example/", "addr=192.0.2.1:1 [2001:db8::1]:2", "nonsense"});
  EXPECT_TRUE(Ask(lookup, kNode).ok());
  ASSERT_EQ(found_.size(), 1);
  EXPECT_EQ(found_[0].record.addresses, (std::vector{At("192.0.2.1:1"), At("[2001:db8::1]:2")}));
  EXPECT_EQ(found_[0].record.relay_urls.size(), 1);
}

TEST_F(DnsLookupTest, SaysThatThereIsNothing) {
  DnsLookup lookup(Resolver(), "dns.example");
  EXPECT_EQ(Ask(lookup, kNode).code(), StatusCode::kNotFound);
  dns_.Set(name_, {"user-data=only"});
  EXPECT_EQ(Ask(lookup, kNode), NotFound("the node's records hold no address"));
  dns_.Set(name_, {});
  EXPECT_EQ(Ask(lookup, kNode).code(), StatusCode::kNotFound);
  EXPECT_TRUE(found_.empty());
}

TEST_F(DnsLookupTest, GivesUpOnASilentServer) {
  DnsLookup lookup(Resolver(milliseconds(50)), "dns.example");
  dns_.silent = true;
  EXPECT_EQ(Ask(lookup, kNode), Unavailable("no DNS server answered"));
  EXPECT_GE(dns_.asked, 2);  // more than once
}

TEST_F(DnsLookupTest, RefusesNonsense) {
  DnsLookup lookup(Resolver(milliseconds(50)), "dns.example");
  dns_.Set(name_, {"addr=192.0.2.1:1"});
  dns_.garbage = true;
  const Status status = Ask(lookup, kNode);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(found_.empty());
}

TEST_F(DnsLookupTest, ASilentServerIsNoReasonToStay) {
  dns_.silent = true;
  {
    DnsLookup lookup(Resolver(), "dns.example");
    lookup.Resolve(QueryId{100}, kNode, this);
    lookup.Resolve(QueryId{101}, kNode, this);
    lookup.Stop(QueryId{100});
    RunFor(milliseconds(20));
    // The network changes: who waited hears of it, and the new resolver is asked.
    dns_.silent = false;
    dns_.Set(name_, {"addr=192.0.2.1:1"});
    lookup.Replace(Resolver());
    EXPECT_EQ(statuses_.count(100), 0);
    EXPECT_EQ(statuses_[101], Unavailable("the network has changed"));
    EXPECT_TRUE(Ask(lookup, kNode).ok());
    dns_.silent = true;
    lookup.Resolve(QueryId{102}, kNode, this);
    RunFor(milliseconds(20));
  }
  RunFor(milliseconds(20));
  EXPECT_EQ(statuses_.count(102), 0);
}

TEST_F(DnsLookupTest, BoundsItsQuestions) {
  dns_.silent = true;
  auto resolver = Resolver(seconds(5));
  size_t refused = 0;
  for (size_t i = 0; i < DnsResolver::kMaxQuestions + 5; ++i) {
    resolver->QueryTxt("a.example", [&](const StatusOr<DnsResolver::Texts>& texts) {
      if (texts.status().code() == StatusCode::kResourceExhausted) ++refused;
    });
  }
  EXPECT_EQ(refused, 0);  // later, not during the call
  RunFor(milliseconds(50));
  EXPECT_EQ(refused, 5);
}

TEST_F(DnsLookupTest, RefusesServersThatAreNone) {
  for (const char* server : {"dns.example", "192.0.2.1:x", "192.0.2.1,192.0.2.2"}) {
    EXPECT_FALSE(DnsResolver::Create(*loop_, {{server}, seconds(1)}).ok()) << server;
  }
}

}  // namespace
}  // namespace blobd::lookup
