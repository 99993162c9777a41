#include "lookup/services.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "lookup/lookup_for_test.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

const SocketAddress kGroup = SocketAddress::V4({239, 192, 71, 3}, 35354);
const Bytes kOurSeed(32, 1);
const Bytes kTheirSeed(32, 7);
NodeId NodeOf(const Bytes& seed) { return SignedPacket::Make(seed, {}, 1).node(); }

class ServicesTest : public LookupTest {
 protected:
  ServicesOptions All() const {
    ServicesOptions options;
    options.dns = {"dns.example", {dns_.address()}};
    options.pkarr = {relay_.base(), true, true, true};
    options.local = ServicesOptions::Local{};
    options.local->discovery.groups = {kGroup};
    options.local->discovery.seed = 1;
    return options;
  }
  std::unique_ptr<Services> Make(const Bytes& seed, const ServicesOptions& options) {
    return std::make_unique<Services>(*loop_, SystemClock(), NodeOf(seed), seed, options, nullptr,
                                      static_cast<LookupSink*>(this));
  }
  std::set<std::string> FoundBy() const {
    std::set<std::string> services;
    for (const FoundOne& each : found_) services.insert(each.service);
    return services;
  }
  static NodeRecord Own() {
    NodeRecord own;
    own.AddAddress(At("192.0.2.7:11205"));
    return own;
  }
  const NodeId them_ = NodeOf(kTheirSeed);
  TinyDns dns_{*loop_};
  TinyRelay relay_{*loop_};
};

TEST_F(ServicesTest, EachFindsWhatAnotherNodePublishes) {
  auto them = Make(kTheirSeed, All());
  EXPECT_TRUE(them->off().empty());
  them->Publish(Own());
  ASSERT_TRUE(RunUntil([&] { return them->pkarr_publisher()->stats().published == 1; }));
  dns_.Set("_iroh." + wire::ToZBase32(them_.view()) + ".dns.example", Own().Strings());

  auto us = Make(kOurSeed, All());
  EXPECT_TRUE(us->known()->Set(them_, Own()));
  us->lookup().Start(1, them_);
  ASSERT_TRUE(RunUntil([&] { return ended_.count(1) != 0; }));
  EXPECT_EQ(FoundBy(), (std::set<std::string>{"dns", "local", "pkarr", "static"}));
  for (const FoundOne& each : found_) EXPECT_EQ(each.record, Own()) << each.service;
  EXPECT_EQ(ended_[1], "");
}

TEST_F(ServicesTest, OneThatHangsDelaysNoOther) {
  dns_.silent = true;
  auto them = Make(kTheirSeed, All());
  them->Publish(Own());
  ASSERT_TRUE(RunUntil([&] { return them->pkarr_publisher()->stats().published == 1; }));
  auto us = Make(kOurSeed, All());
  const Instant start = SystemClock().Now();
  us->lookup().Start(1, them_);
  ASSERT_TRUE(RunUntil([&] { return FoundBy().count("pkarr") + FoundBy().count("local") == 2; }));
  EXPECT_LT(SystemClock().Now() - start, seconds(2));
  EXPECT_EQ(ended_.count(1), 0);  // the name server still has time
  us->lookup().Stop(1);
}

TEST_F(ServicesTest, EachCanBeSwitchedOff) {
  ServicesOptions options;
  options.known = false;
  auto none = Make(kOurSeed, options);
  EXPECT_FALSE(none->lookup().has_services());
  none->Publish(Own());
  none->OnNetworkChanged(true);
  options = All();
  options.pkarr->resolve = false;
  options.pkarr->publish = false;
  options.local.reset();
  auto some = Make(kOurSeed, options);
  std::vector<std::string_view> names;
  for (const ServiceStats& stats : some->lookup().stats()) names.push_back(stats.service);
  EXPECT_EQ(names, (std::vector<std::string_view>{"static", "dns"}));
  EXPECT_EQ(some->pkarr_publisher(), nullptr);
}

TEST_F(ServicesTest, OneThatCannotBeHadIsNamedAndTheOthersWork) {
  ServicesOptions options = All();
  options.dns->servers = {"nonsense"};
  options.local->discovery.groups = {};
  auto us = Make(kOurSeed, options);
  ASSERT_EQ(us->off().size(), 2);
  EXPECT_EQ(us->off()[0].service, "dns");
  EXPECT_EQ(us->off()[1].service, "local");
  EXPECT_FALSE(us->off()[1].why.ok());
  EXPECT_EQ(us->lookup().stats().size(), 2);  // static and pkarr
}

TEST_F(ServicesTest, AddressesArePublishedOnlyWhereConfigured) {
  ServicesOptions options = All();
  options.pkarr->publish_addresses = false;
  auto us = Make(kOurSeed, options);
  NodeRecord own = Own();
  own.relay_urls = {"https://relay.example/"};
  us->Publish(own);
  ASSERT_TRUE(RunUntil([&] { return us->pkarr_publisher()->stats().published == 1; }));
  const auto packet = SignedPacket::FromPayload(NodeOf(kOurSeed), relay_.packets.begin()->second);
  ASSERT_TRUE(packet.ok());
  EXPECT_TRUE(packet->record().addresses.empty());
  EXPECT_EQ(packet->record().relay_urls, own.relay_urls);
}

TEST_F(ServicesTest, ANetworkChangeAsksAnew) {
  dns_.silent = true;
  auto us = Make(kOurSeed, All());
  us->lookup().Start(1, them_);
  us->OnNetworkChanged(false);  // some interface: what was asked goes on
  RunFor(milliseconds(100));
  EXPECT_EQ(ended_.count(1), 0);
  us->OnNetworkChanged(true);
  ASSERT_TRUE(RunUntil([&] { return ended_.count(1) != 0; }));
  EXPECT_NE(ended_[1].find("dns: the network has changed"), std::string::npos) << ended_[1];
}

}  // namespace
}  // namespace blobd::lookup
