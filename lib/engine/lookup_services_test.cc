// The services on a loop of their own, asked from another.
#include "engine/lookup_services.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "engine/fakes_for_test.h"
#include "loop/loop.h"

namespace blobd::engine {
namespace {

const NodeId kConfigured = {{1}};
const NodeId kWorked = {{2}};
const NodeId kUnknown = {{3}};
const SocketAddress kA = *SocketAddress::Parse("192.0.2.1:1");
const SocketAddress kB = *SocketAddress::Parse("192.0.2.2:2");

class LookupServicesTest : public testing::Test, public NodeLookupSink {
 protected:
  LookupServicesTest() {
    registry_.addresses = {{kWorked, kB, "ticket", WallTime{5}, 1},
                           {kWorked, kA, "ticket", WallTime{}, 0}};
    lookup::NodeRecord record;
    record.AddAddress(kA);
    services_ = std::make_unique<LookupServices>(
        LookupServices::Deps{*network_, *control_, SystemClock(), registry_}, NodeId{{9}},
        Bytes(32, 1), lookup::ServicesOptions(),
        LookupServices::StaticNodes{{kConfigured, record}});
    services_->SetSink(this);
    thread_ = std::thread([this] { network_->Run(); });
  }
  ~LookupServicesTest() override {
    network_->Stop();
    thread_.join();
  }
  void OnLookupFound(path::LookupId, const NodeId&, const std::string& service,
                     const std::vector<SocketAddress>& addresses) override {
    found_.emplace_back(service, addresses);
  }
  void OnLookupEnded(path::LookupId, const NodeId&, const std::string& reason) override {
    reason_ = reason;
    control_->Stop();
  }
  // Turns the control loop until the lookup has ended.
  void Ask(const NodeId& node) {
    services_->Start(path::LookupId{++lookups_}, node);
    control_->Run();
  }
  std::unique_ptr<loop::Loop> control_ = *loop::Loop::Create();
  std::unique_ptr<loop::Loop> network_ = *loop::Loop::Create();
  FakeRegistry registry_{*control_};
  std::unique_ptr<LookupServices> services_;
  std::thread thread_;
  uint64_t lookups_ = 0;
  std::vector<std::pair<std::string, std::vector<SocketAddress>>> found_;
  std::string reason_;
};

using Found = std::vector<std::pair<std::string, std::vector<SocketAddress>>>;

TEST_F(LookupServicesTest, FindsWhatWasConfigured) {
  Ask(kConfigured);
  EXPECT_EQ(found_, (Found{{"static", {kA}}}));
  EXPECT_NE(reason_.find("registry: "), std::string::npos) << reason_;
}

TEST_F(LookupServicesTest, FindsWhatWorkedInAnEarlierLife) {
  Ask(kWorked);
  EXPECT_EQ(found_, (Found{{"registry", {kB}}}));
}

TEST_F(LookupServicesTest, CountsWhatEachServiceDid) {
  Ask(kConfigured);
  Ask(kUnknown);
  EXPECT_NE(reason_.find("static: "), std::string::npos) << reason_;
  std::vector<LookupServiceView> views;
  services_->View([&](std::vector<LookupServiceView> v) {
    views = std::move(v);
    control_->Stop();
  });
  control_->Run();
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].name, "static");
  EXPECT_EQ(views[0].asked, 2u);
  EXPECT_EQ(views[0].found, 1u);
  EXPECT_EQ(views[0].addresses, 1u);
  EXPECT_EQ(views[1].name, "registry");
  EXPECT_EQ(views[1].found, 0u);
}

TEST_F(LookupServicesTest, WhatIsStoppedIsNotHeardOf) {
  services_->Start(path::LookupId{100}, kWorked);
  services_->Stop(path::LookupId{100});
  Ask(kUnknown);
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace blobd::engine
