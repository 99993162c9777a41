#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "client/doctor_daemon.h"
#include "client/doctor_machine.h"

namespace blobd::client {
namespace {

using Verdict = Finding::Verdict;

constexpr int64_t kNow = 1'800'000'000'000;

v1::StatusResponse Healthy() {
  v1::StatusResponse status;
  status.set_version("1.2.3");
  status.set_state("running");
  status.set_started_unix_ms(kNow - 60'000);
  status.mutable_disk()->set_condition(v1::DISK_CONDITION_OK);
  status.mutable_disk()->set_free_bytes(100);
  status.mutable_disk()->set_reserve_bytes(10);
  return status;
}

// What is not well, "check: said", and how bad the worst of it is.
struct Judged {
  std::string text;
  Verdict worst = Verdict::kOk;
};

Judged Judge(const v1::StatusResponse& status) {
  Judged judged;
  for (const Finding& finding : JudgeDaemon(status, "1.2.3", WallTime{kNow})) {
    judged.worst = std::max(judged.worst, finding.verdict);
    if (finding.verdict == Verdict::kOk) continue;
    EXPECT_FALSE(finding.next.empty()) << finding.said;
    judged.text += finding.check + ": " + finding.said + "\n";
  }
  return judged;
}

TEST(DoctorDaemon, ThatIsWell) {
  EXPECT_EQ(Judge(Healthy()).text, "");
  for (const Finding& finding : JudgeDaemon(Healthy(), "1.2.3", WallTime{kNow}))
    EXPECT_EQ(finding.verdict, Verdict::kOk);
}

TEST(DoctorDaemon, TheReserveIsAPartOfWhatIsFree) {
  const auto disk = [](uint64_t free) {
    v1::StatusResponse status = Healthy();
    status.mutable_disk()->set_free_bytes(free);
    std::string said;
    for (const Finding& finding : JudgeDaemon(status, "1.2.3", WallTime{kNow}))
      if (finding.check == "disk") said += finding.said;
    return said;
  };
  EXPECT_NE(disk(100).find("100 B of "), std::string::npos);
  EXPECT_NE(disk(100).find(", of which 10 B are kept in reserve"), std::string::npos);
  EXPECT_NE(disk(4).find(", of which 4 B are kept in reserve"), std::string::npos);
}

TEST(DoctorDaemon, WhatIsWrongIsSaidWithWhatToDo) {
  struct Case {
    std::string name;
    std::function<void(v1::StatusResponse&)> change;
    std::string said;
    Verdict worst;
  };
  const Case cases[] = {
      {"version", [](auto& s) { s.set_version("1.2.2"); }, "daemon: blobd is version 1.2.2",
       Verdict::kWarning},
      {"clock", [](auto& s) { s.set_started_unix_ms(kNow + 3'600'000); }, "the clock was set back",
       Verdict::kWarning},
      {"degraded", [](auto& s) { s.set_degraded("the registry is damaged"); },
       "takes nothing new: the registry is damaged", Verdict::kProblem},
      {"draining", [](auto& s) { s.set_state("draining"); }, "draining", Verdict::kWarning},
      {"paused", [](auto& s) { s.set_everything_paused(true); }, "paused", Verdict::kWarning},
      {"warning", [](auto& s) { s.add_warnings("no backup for a week"); },
       "state: no backup for a week", Verdict::kWarning},
      {"full",
       [](auto& s) {
         s.mutable_disk()->set_condition(v1::DISK_CONDITION_FULL);
         s.mutable_disk()->set_reason("only 5 B are free");
       },
       "disk: only 5 B are free", Verdict::kProblem},
      {"read-only",
       [](auto& s) {
         s.mutable_disk()->set_condition(v1::DISK_CONDITION_READ_ONLY);
         s.mutable_disk()->set_reason("the file system is read-only");
       },
       "disk: the file system is read-only", Verdict::kProblem},
      {"promised", [](auto& s) { s.mutable_disk()->set_admitted_bytes(95); }, "promised",
       Verdict::kWarning},
      {"off",
       [](auto& s) {
         s.add_lookup_services()->set_name("local");
         s.mutable_lookup_services(0)->set_off("no interface");
       },
       "lookup: local cannot be had: no interface", Verdict::kWarning},
      {"silent",
       [](auto& s) {
         s.add_lookup_services()->set_name("dns");
         s.mutable_lookup_services(0)->set_asked(3);
         s.mutable_lookup_services(0)->set_failed(1);
         s.mutable_lookup_services(0)->set_timed_out(2);
       },
       "lookup: dns has never answered, of 3 times", Verdict::kWarning},
      {"unpublished",
       [](auto& s) {
         s.add_lookup_services()->set_name("pkarr");
         s.mutable_lookup_services(0)->set_publish_error("refused");
       },
       "refused", Verdict::kWarning},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::StatusResponse status = Healthy();
    c.change(status);
    const Judged judged = Judge(status);
    EXPECT_NE(judged.text.find(c.said), std::string::npos) << judged.text;
    EXPECT_EQ(judged.worst, c.worst);
  }
}

TEST(DoctorDaemon, NamesThatAreLookedUp) {
  const auto names = [](const std::vector<std::pair<std::string, std::string>>& values) {
    v1::GetConfigResponse config;
    for (const auto& [key, value] : values) {
      config.add_values()->set_key("lookup." + key);
      config.mutable_values(config.values_size() - 1)->set_value(value);
    }
    return LookedUpNames(config);
  };
  const std::pair<std::string, std::string> origin = {"dns_origin", "\"dns.example\""};
  const std::pair<std::string, std::string> relay = {"pkarr_relay",
                                                     "\"https://r.example:8/pkarr\""};
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), Names{});
  EXPECT_EQ(names({{"dns", "false"}, {"pkarr", "false"}, origin, relay}), Names{});
  EXPECT_EQ(names({{"dns", "true"}, {"pkarr", "true"}, origin, relay}),
            (Names{"dns.example", "r.example"}));
  // Other servers are asked than the machine's.
  EXPECT_EQ(names({{"dns", "true"}, origin, {"dns_servers", "[\"192.0.2.1\"]"}}), Names{});
  EXPECT_EQ(names({{"dns", "true"}, origin, {"dns_servers", "[]"}}), Names{"dns.example"});
  for (const char* url : {"\"http://192.0.2.1/x\"", "\"http://[2001:db8::1]/x\"", "\"\"", "", "7"})
    EXPECT_EQ(names({{"pkarr", "true"}, {"pkarr_relay", url}}), Names{}) << url;
}

constexpr char kRoutes[] =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    "down0\t00000000\t0100A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n"
    "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";

TEST(DoctorMachine, TheInterfaceThatLeadsOut) {
  EXPECT_EQ(OutgoingInterface(kRoutes), "eth0");
  EXPECT_EQ(OutgoingInterface(""), "");
  EXPECT_EQ(OutgoingInterface("eth0 00000000\nx\n\n\xff"), "");
  const std::string none(32, '0');
  const std::string routes =
      none + " 00 " + none + " 00 " + none + " ffffffff 00000001 00000000 00200200       lo\n" +
      none + " 00 " + none + " 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth1\n" +
      none + " 00 " + none + " 00 fe800000000000000000000000000001 00000064 1 0 00000003 eth2\n";
  EXPECT_EQ(OutgoingInterface6(routes), "eth2");
  EXPECT_EQ(OutgoingInterface6(""), "");
}

TEST(DoctorMachine, WhetherAPortIsBound) {
  constexpr char kSockets[] =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
      "  77: 0100007F:2BC5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0\n";
  EXPECT_TRUE(HasPort(kSockets, 11205));
  EXPECT_FALSE(HasPort(kSockets, 0));
  EXPECT_FALSE(HasPort(kSockets, 11204));
  EXPECT_FALSE(HasPort("", 1));
  EXPECT_FALSE(HasPort("a b\nx: :\n: 1:zz\n", 1));
}

TEST(DoctorMachine, UnitsOfSystemd) {
  const auto judge = [](const std::string& text) { return JudgeUnit("blobd.service", text); };
  EXPECT_FALSE(judge("LoadState=not-found\nActiveState=inactive\n").has_value());
  EXPECT_FALSE(judge("").has_value());
  EXPECT_EQ(judge("LoadState=loaded\nActiveState=active\n")->verdict, Verdict::kOk);
  const auto failed = judge("LoadState=loaded\nActiveState=failed\nResult=exit-code\n");
  EXPECT_EQ(failed->verdict, Verdict::kProblem);
  EXPECT_NE(failed->said.find("exit-code"), std::string::npos);
  EXPECT_NE(failed->next.find("journalctl -u blobd.service"), std::string::npos);
  EXPECT_EQ(judge("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n")->verdict,
            Verdict::kProblem);
}

TEST(DoctorMachine, ASocketThatIsNotThere) {
  const Findings findings = CheckSocket(testing::TempDir() + "no_such_socket");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].verdict, Verdict::kProblem);
  EXPECT_NE(findings[0].said.find("blobd is not running"), std::string::npos);
  EXPECT_NE(findings[0].next.find("start it"), std::string::npos);
}

}  // namespace
}  // namespace blobd::client
