// What servers do wrong, and what is made of it: each case of the design's list by its name.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "base/units.h"
#include "http/fetching_for_test.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;
constexpr uint64_t kSize = 3 * kMiB + 17;

class HostileTest : public FetchingTest {};

TEST_F(HostileTest, NoRanges) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("200 OK", {fmt::format("Content-Length: {}", kSize)}) +
                    Pattern(0, kSize));
  });
  Checker& whole = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(whole).kind, Kind::kDone);
  EXPECT_EQ(whole.received, kSize);
  EXPECT_FALSE(whole.content->entity.ranges);
  Checker& part = Start(server.Url("/f"), Part(kMiB, 2 * kMiB));
  EXPECT_EQ(EndOf(part).kind, Kind::kNoRanges);
  EXPECT_EQ(part.received, 0u) << "not a byte of it is written at an offset";
  // What is known is not asked again: one stream without a range.
  Ask again;
  again.entity = whole.content->entity;
  EXPECT_EQ(EndOf(Start(server.Url("/f"), again)).kind, Kind::kDone);
  EXPECT_EQ(server.requests().back().Header("range"), "");
}

TEST_F(HostileTest, NoContentLength) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("200 OK", {"Connection: close"}) + Pattern(0, kSize));
    connection.Close();
  });
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(checker.received, kSize);
  EXPECT_EQ(checker.end->size, kSize) << "the end of the body is what says the size";
  // A size proven by others: neither past it, nor satisfied with less.
  Ask ask;
  ask.size = kMiB;
  Checker& cut = Start(server.Url("/f"), ask);
  EXPECT_EQ(EndOf(cut).kind, Kind::kDone);
  EXPECT_EQ(cut.received, kMiB);
  ask.size = kSize + 1;
  Checker& less = Start(server.Url("/f"), ask);
  EXPECT_EQ(EndOf(less).kind, Kind::kShort);
  EXPECT_EQ(less.received, kSize);
}

TEST_F(HostileTest, ABodyWithoutEndStopsAtTheLargestBlob) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("200 OK", {}));
    for (uint64_t at = 0; connection.Send(Pattern(at, at + kMiB)); at += kMiB) {
    }
  });
  Ask ask;
  ask.max_size = 5 * kMiB;
  Checker& checker = Start(server.Url("/f"), ask);
  EXPECT_EQ(EndOf(checker).kind, Kind::kTooLarge);
  EXPECT_EQ(checker.received, 5 * kMiB);
}

TEST_F(HostileTest, ClosesAfterNBytes) {
  for (const bool reset : {false, true}) {
    TestServer server([reset](const TestRequest& request, TestServer::Connection& connection) {
      const uint64_t begin = request.Range(kSize)->first;
      connection.Send(GoodHead(request, kSize) + Pattern(begin, std::min(begin + kMiB, kSize)));
      if (reset) connection.Reset();
      connection.Close();
    });
    // The rest is asked for from where it stopped, until all is there.
    uint64_t at = 0;
    int tries = 0;
    while (at < kSize && ++tries < 100) {
      Checker& checker = Start(server.Url("/f"), Part(at, std::nullopt));
      const FetchEnd& end = EndOf(checker);
      at += checker.received;
      if (at < kSize) {
        EXPECT_EQ(end.kind, Kind::kShort) << end.reason;
        EXPECT_EQ(OutcomeOf(end), checker.received >= kProgress ? schedule::Outcome::kStopped
                                                                : schedule::Outcome::kRetryLater);
      }
    }
    EXPECT_EQ(at, kSize);
    if (!reset) {
      EXPECT_EQ(tries, 4);
    }
  }
}

TEST_F(HostileTest, ClosesAfterAFewBytesIsAFailedTry) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    connection.Send(GoodHead(request, kSize) + Pattern(0, 100));
    connection.Close();
  });
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kShort);
  EXPECT_EQ(checker.received, 100u);
  EXPECT_EQ(OutcomeOf(*checker.end), schedule::Outcome::kRetryLater);
}

TEST_F(HostileTest, ClosesWithoutAnAnswer) {
  TestServer server(
      [](const TestRequest&, TestServer::Connection& connection) { connection.Close(); });
  const FetchEnd& end = EndOf(Start(server.Url("/f")));
  EXPECT_EQ(end.kind, Kind::kFailed) << end.reason;
  EXPECT_FALSE(end.reason.empty());
}

TEST_F(HostileTest, BusyWithRetryAfter) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    const bool dated = request.path == "/date";
    connection.Send(
        HeadText("503 Service Unavailable",
                 {"Content-Length: 4",
                  dated ? "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT" : "Retry-After: 7"}) +
        "busy");
  });
  const FetchEnd& end = EndOf(Start(server.Url("/f")));
  EXPECT_EQ(end.kind, Kind::kBusy);
  EXPECT_EQ(end.retry_after, Duration(seconds(7)));
  EXPECT_EQ(OutcomeOf(end), schedule::Outcome::kBusy);
  EXPECT_EQ(EndOf(Start(server.Url("/date"))).retry_after, Duration(minutes(5)));
}

TEST_F(HostileTest, NotFoundAndOtherRefusals) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    const std::string status = request.path.substr(1);
    connection.Send(HeadText(status + " X", {"Content-Length: 5"}) + "sorry");
  });
  for (const char* status : {"404", "403", "401", "410"}) {
    const FetchEnd& end = EndOf(Start(server.Url(std::string("/") + status)));
    EXPECT_EQ(end.kind, Kind::kNotHere) << status;
    EXPECT_EQ(OutcomeOf(end), schedule::Outcome::kAbortRequest);
    EXPECT_NE(end.reason.find(status), std::string::npos) << end.reason;
  }
  EXPECT_EQ(EndOf(Start(server.Url("/500"))).kind, Kind::kFailed);
  // Its pages are no content, and its connection is used again.
  EXPECT_EQ(server.accepted().size(), 1u);
}

TEST_F(HostileTest, ErrorPagesWithoutEndAreNotRead) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("404 Not Found", {}));
    while (connection.Send(std::string(64 * kKiB, 'x'))) {
    }
  });
  EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kNotHere);
}

TEST_F(HostileTest, RangeNotSatisfiable) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(
        HeadText("416 Range Not Satisfiable", {"Content-Range: bytes */100", "Content-Length: 0"}));
  });
  EXPECT_EQ(EndOf(Start(server.Url("/f"), Part(kMiB, 2 * kMiB))).kind, Kind::kNoSuchPart);
  Ask known = Part(kMiB, 2 * kMiB);
  known.entity = Entity{true, kSize, "\"one\"", ""};
  EXPECT_EQ(EndOf(Start(server.Url("/f"), known)).kind, Kind::kChanged);
}

TEST_F(HostileTest, ChangedEtagInTheMiddle) {
  std::atomic<bool> changed = false;
  std::atomic<bool> obeys = true;  // If-Range
  TestServer server([&](const TestRequest& request, TestServer::Connection& connection) {
    if (!changed) return ServeFile(request, connection, kSize);
    const auto range = *request.Range(kSize);
    if (obeys && request.Header("if-range") != "\"two\"") {
      connection.Send(
          HeadText("200 OK", {fmt::format("Content-Length: {}", kSize), "ETag: \"two\""}) +
          Pattern(0, kSize));
    } else {
      connection.Send(HeadText("206 Partial Content",
                               {fmt::format("Content-Length: {}", range.second - range.first),
                                fmt::format("Content-Range: bytes {}-{}/{}", range.first,
                                            range.second - 1, kSize),
                                "ETag: \"two\""}) +
                      Pattern(range.first, range.second));
    }
  });
  Checker& first = Start(server.Url("/f"), Part(0, kMiB));
  ASSERT_EQ(EndOf(first).kind, Kind::kDone);
  Ask ask = Part(kMiB, 2 * kMiB);
  ask.entity = first.content->entity;
  EXPECT_EQ(EndOf(Start(server.Url("/f"), ask)).kind, Kind::kDone);
  EXPECT_EQ(server.requests().back().Header("if-range"), "\"one\"");
  changed = true;
  for (const bool obey : {true, false}) {
    obeys = obey;
    Checker& checker = Start(server.Url("/f"), ask);
    EXPECT_EQ(EndOf(checker).kind, Kind::kChanged);
    EXPECT_EQ(checker.received, 0u);
    EXPECT_EQ(OutcomeOf(*checker.end), schedule::Outcome::kAbortRequest);
  }
}

TEST_F(HostileTest, GzipAlthoughIdentityWasAsked) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    EXPECT_EQ(request.Header("accept-encoding"), "identity");
    connection.Send(HeadText("200 OK", {"Content-Encoding: gzip", "Content-Length: 100"}) +
                    std::string(100, '\x1f'));
  });
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kEncoded);
  EXPECT_EQ(checker.received, 0u);
}

TEST_F(HostileTest, AnswersAnotherRangeThanAsked) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(
        HeadText("206 Partial Content", {"Content-Length: 10", "Content-Range: bytes 0-9/1000"}) +
        Pattern(0, 10));
  });
  Checker& checker = Start(server.Url("/f"), Part(100, 110));
  EXPECT_EQ(EndOf(checker).kind, Kind::kFailed);
  EXPECT_EQ(checker.received, 0u);
}

TEST_F(HostileTest, SlowOnOneOfEightConnections) {
  // One crawls at 30 KB/s: it costs itself, and its rate can be seen.
  std::atomic<bool> slow_taken = false;
  TestServer server([&](const TestRequest& request, TestServer::Connection& connection) {
    if (slow_taken.exchange(true)) return ServeFile(request, connection, 8 * kMiB);
    const auto [begin, end] = *request.Range(8 * kMiB);
    connection.Send(GoodHead(request, 8 * kMiB));
    for (uint64_t at = begin; at < end; at += 3000) {
      if (!connection.Send(Pattern(at, std::min(at + 3000, end)))) return;
      std::this_thread::sleep_for(milliseconds(100));
    }
  });
  options_.origins.defaults.ramp.ramp = false;
  std::vector<Checker*> parts;
  for (uint64_t i = 0; i < 8; ++i) {
    parts.push_back(&Start(server.Url("/f"), Part(i * kMiB, (i + 1) * kMiB)));
  }
  const auto done = [&] {
    size_t count = 0;
    for (Checker* part : parts) count += part->end ? 1 : 0;
    return count;
  };
  ASSERT_TRUE(RunUntil([&] { return done() == 7; }));
  for (Checker* part : parts) {
    if (part->end) {
      EXPECT_EQ(part->end->kind, Kind::kDone);
      continue;
    }
    EXPECT_LT(part->received, kMiB / 2);
    // What it has not got yet goes to another connection; it keeps what it has.
    const uint64_t boundary = *client().LowerEnd(part->id, 0);
    EXPECT_EQ(boundary, part->begin + part->received);
    const FetchEnd& end = EndOf(*part);
    EXPECT_EQ(end.kind, Kind::kDone);
  }
}

TEST_F(HostileTest, BlackHoleThatAcceptsAndSaysNothing) {
  options_.stall = milliseconds(700);
  TestServer server(
      [](const TestRequest&, TestServer::Connection& connection) { connection.WaitForClient(); });
  Checker& checker = Start(server.Url("/f"));
  const Instant begin = SystemClock().Now();
  EXPECT_EQ(EndOf(checker).kind, Kind::kStalled);
  EXPECT_GE(SystemClock().Now() - begin, options_.stall);
  EXPECT_EQ(OutcomeOf(*checker.end), schedule::Outcome::kRetryLater);
  EXPECT_TRUE(RunUntil([&] { return server.open_connections() == 0; })) << "it is closed";
}

TEST_F(HostileTest, BlackHoleInTheMiddle) {
  options_.stall = seconds(2);
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    connection.Send(GoodHead(request, kSize) + Pattern(0, kMiB));
    connection.WaitForClient();
  });
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kStalled);
  EXPECT_EQ(checker.received, kMiB);
}

TEST_F(HostileTest, BlackHoleThatDoesNotEvenAccept) {
  options_.stall = milliseconds(700);
  // A listener whose queue is full drops what comes.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int begun = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    EXPECT_TRUE(begun == 0 || errno == EINPROGRESS);
    fillers.push_back(fd);
  }
  const FetchEnd& end = EndOf(Start(fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port))));
  EXPECT_EQ(end.kind, Kind::kStalled) << end.reason;
  for (const int fd : fillers) close(fd);
  close(listener);
}

TEST_F(HostileTest, AHeadThatDripsForEver) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\n");
    while (connection.Send("X-More: yes\r\n")) std::this_thread::sleep_for(milliseconds(20));
  });
  options_.head_timeout = seconds(1);
  EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kStalled);
}

TEST_F(HostileTest, AHeadWithoutEndIsBounded) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\n");
    while (connection.Send("X-More: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  const FetchEnd& end = EndOf(Start(server.Url("/f")));
  EXPECT_EQ(end.kind, Kind::kFailed) << end.reason;
}

TEST_F(HostileTest, WhatIsNotHttp) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send("SSH-2.0-OpenSSH_9.2\r\n");
    connection.Close();
  });
  const FetchEnd& end = EndOf(Start(server.Url("/f")));
  EXPECT_EQ(end.kind, Kind::kFailed) << end.reason;
}

TEST_F(HostileTest, NobodyListens) {
  std::string url;
  {
    TestServer server([](const TestRequest&, TestServer::Connection&) {});
    url = server.Url("/f");
  }
  const FetchEnd& end = EndOf(Start(url));
  EXPECT_EQ(end.kind, Kind::kFailed) << end.reason;
  EXPECT_EQ(client().ViewOf(Url::Parse(url)->origin()).cap, 7u)
      << "a failure before the first byte";
}

}  // namespace
}  // namespace blobd::http
