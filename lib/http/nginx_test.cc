// Against a real nginx: HTTP/1.1, and HTTP/2 over TLS with a test CA.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>

#include "base/units.h"
#include "http/fetching_for_test.h"
#include "http/nginx_for_test.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;
constexpr uint64_t kSize = 5 * kMiB + 123;

// With BLOBD_LONG a gibibyte.
uint64_t LargeSize() {
  const char* is_long = std::getenv("BLOBD_LONG");
  return is_long != nullptr && std::string_view(is_long) == "1" ? kGiB : 64 * kMiB;
}

// One nginx for all of them.
class NginxTest : public FetchingTest {
 protected:
  static void SetUpTestSuite() {
    nginx = std::make_unique<Nginx>();
    nginx->Write("f", kSize);
    nginx->Write("large", LargeSize());
  }
  static void TearDownTestSuite() { nginx.reset(); }
  void SetUp() override {
    ASSERT_TRUE(nginx->running());
    options_.ca_file = nginx->ca_file();
  }
  std::string Url(bool tls, std::string_view path) const {
    return tls ? nginx->Https(path) : nginx->Http(path);
  }

  static std::unique_ptr<Nginx> nginx;
};
std::unique_ptr<Nginx> NginxTest::nginx;

class NginxBothTest : public NginxTest, public testing::WithParamInterface<bool> {
 protected:
  std::string Url(std::string_view path) const { return NginxTest::Url(GetParam(), path); }
};
INSTANTIATE_TEST_SUITE_P(, NginxBothTest, testing::Bool(),
                         [](const auto& of) { return of.param ? "Http2Tls" : "Http1"; });

TEST_P(NginxBothTest, TheProbeLearnsTheFile) {
  Checker& checker = Start(Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, kSize);
  ASSERT_TRUE(checker.content);
  EXPECT_TRUE(checker.content->entity.ranges);
  EXPECT_EQ(checker.content->entity.size, kSize);
  EXPECT_FALSE(checker.content->entity.etag.empty());
  EXPECT_FALSE(checker.content->entity.modified.empty());
}

TEST_P(NginxBothTest, OneConnection) {
  Checker& checker = Start(Url("/large"));
  ASSERT_TRUE(RunUntil([&] { return checker.end.has_value(); }, seconds(300)));
  EXPECT_EQ(checker.end->kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, LargeSize());
}

TEST_P(NginxBothTest, EightConnections) {
  const std::string_view protocol = GetParam() ? "HTTP/2.0" : "HTTP/1.1";
  const size_t before = nginx->ConnectionsOver(protocol);
  options_.origins.defaults.ramp.ramp = false;
  const uint64_t part = LargeSize() / 8;
  std::vector<Checker*> parts;
  for (uint64_t i = 0; i < 8; ++i) {
    parts.push_back(&Start(Url("/large"), Part(i * part, (i + 1) * part)));
  }
  ASSERT_TRUE(
      RunUntil([&] { return OpenedCount() == 0 && client().fetches() == 0; }, seconds(300)));
  for (Checker* checker : parts) {
    EXPECT_EQ(checker->end->kind, Kind::kDone) << checker->end->reason;
    EXPECT_EQ(checker->received, part);
  }
  EXPECT_EQ(nginx->ConnectionsOver(protocol) - before, 8u) << "each on a connection of its own";
}

TEST_P(NginxBothTest, AFullReceiverHoldsNobodyElse) {
  options_.stall = seconds(2);
  options_.origins.defaults.ramp.ramp = false;
  Checker& full = Start(Url("/large"));
  full.consume = false;
  Checker& other = Start(Url("/f"));
  EXPECT_EQ(EndOf(other).kind, Kind::kDone);
  RunFor(options_.stall * 2);
  EXPECT_FALSE(full.end);
  EXPECT_LE(full.received, 4 * kMiB + 256 * kKiB);
  full.consume = true;
  client().Consumed(full.id, full.received);
  ASSERT_TRUE(RunUntil([&] { return full.end.has_value(); }, seconds(100)));
  EXPECT_EQ(full.end->kind, Kind::kDone) << full.end->reason;
}

TEST_P(NginxBothTest, NoRanges) {
  Checker& whole = Start(Url("/noranges/f"));
  EXPECT_EQ(EndOf(whole).kind, Kind::kDone);
  EXPECT_EQ(whole.received, kSize);
  EXPECT_FALSE(whole.content->entity.ranges);
  Checker& part = Start(Url("/noranges/f"), Part(kMiB, 2 * kMiB));
  EXPECT_EQ(EndOf(part).kind, Kind::kNoRanges);
  EXPECT_EQ(part.received, 0u);
}

TEST_P(NginxBothTest, NoContentLength) {
  Checker& checker = Start(Url("/nolength/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(checker.received, kSize);
  EXPECT_FALSE(checker.content->entity.size);
  EXPECT_EQ(checker.end->size, kSize);
}

TEST_P(NginxBothTest, BusyWithRetryAfter) {
  const FetchEnd& end = EndOf(Start(Url("/busy/")));
  EXPECT_EQ(end.kind, Kind::kBusy);
  EXPECT_EQ(end.retry_after, Duration(seconds(7)));
}

TEST_P(NginxBothTest, NotFound) { EXPECT_EQ(EndOf(Start(Url("/none"))).kind, Kind::kNotHere); }

TEST_P(NginxBothTest, RangeNotSatisfiable) {
  EXPECT_EQ(EndOf(Start(Url("/f"), Part(kSize + 10, kSize + 20))).kind, Kind::kNoSuchPart);
}

TEST_P(NginxBothTest, ChangedEtagInTheMiddle) {
  nginx->Write("changes", kSize);
  Checker& first = Start(Url("/changes"), Part(0, kMiB));
  ASSERT_EQ(EndOf(first).kind, Kind::kDone);
  Ask ask = Part(kMiB, 2 * kMiB);
  ask.entity = first.content->entity;
  EXPECT_EQ(EndOf(Start(Url("/changes"), ask)).kind, Kind::kDone);
  nginx->Write("changes", kSize + 1, 8);
  Checker& checker = Start(Url("/changes"), ask);
  EXPECT_EQ(EndOf(checker).kind, Kind::kChanged);
  EXPECT_EQ(checker.received, 0u);
}

TEST_P(NginxBothTest, GzipAlthoughIdentityWasAsked) {
  nginx->Write("z.gz", 1000);
  EXPECT_EQ(EndOf(Start(Url("/gzipped/z"))).kind, Kind::kEncoded);
}

TEST_P(NginxBothTest, StoppedInTheMiddle) {
  Checker& checker = Start(Url("/large"));
  checker.on_bytes = [&] {
    if (checker.received > kMiB) client().LowerEnd(checker.id, 2 * kMiB);
  };
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(checker.received, 2 * kMiB);
  EXPECT_EQ(EndOf(Start(Url("/f"))).kind, Kind::kDone);
}

TEST_P(NginxBothTest, RedirectsOnTheSameHost) {
  Checker& checker = Start(Url("/to-here/f"), Part(1000, 2000));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, 1000u);
}

TEST_F(NginxTest, RedirectFromHttpsToHttp) {
  const FetchEnd& end = EndOf(Start(nginx->Https("/to-http/f")));
  EXPECT_EQ(end.kind, Kind::kForbidden);
  EXPECT_NE(end.reason.find("from https to http"), std::string::npos) << end.reason;
}

TEST_F(NginxTest, ManySmallFilesOverFewConnections) {
  nginx->Write("small", 4 * kKiB);
  const size_t before = nginx->ConnectionsOver("HTTP/1.1");
  for (int i = 0; i < 500; ++i) Start(nginx->Http("/small"));
  ASSERT_TRUE(RunUntil([&] { return client().fetches() == 0; }, seconds(60)));
  for (const auto& checker : checkers_) {
    ASSERT_EQ(checker->end->kind, Kind::kDone) << checker->end->reason;
  }
  EXPECT_LE(nginx->ConnectionsOver("HTTP/1.1") - before, 8u);
}

TEST_F(NginxTest, ACertificateOfAStrangerIsRefused) {
  options_.ca_file.clear();  // the system's roots, which did not sign it
  const FetchEnd& end = EndOf(Start(nginx->Https("/f")));
  EXPECT_EQ(end.kind, Kind::kFailed);
  EXPECT_NE(end.reason.find("certificate"), std::string::npos) << end.reason;
}

TEST_F(NginxTest, ACertificateForAnotherHostIsRefused) {
  // It listens where its certificate does not say so.
  const std::string url = nginx->Https("/f");
  const std::string port = url.substr(url.rfind(':') + 1);
  const FetchEnd& end = EndOf(Start("https://localhost:" + port));
  EXPECT_EQ(end.kind, Kind::kFailed);
  EXPECT_NE(end.reason.find("certificate"), std::string::npos) << end.reason;
}

}  // namespace
}  // namespace blobd::http
