// Imports from a URL, over HttpNetwork, from a real server.
#include "transfer/url_import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>

#include "transfer/http_network_for_test.h"

namespace blobd::transfer {
namespace {

using http::HeadText;
using http::TestRequest;
using http::TestServer;
using testing::HasSubstr;
using Connection = http::TestServer::Connection;

constexpr uint64_t kSize = 100'000;

struct RecordingSink final : UrlImportSink {
  void OnReceived(uint64_t, std::optional<uint64_t> size) override { total = size; }
  void OnEnded(StatusOr<std::unique_ptr<store::Import>> how) override {
    EXPECT_FALSE(end) << "one end";
    end.emplace(std::move(how));
  }
  std::optional<uint64_t> total;
  std::optional<StatusOr<std::unique_ptr<store::Import>>> end;
};

std::string Chunked(uint64_t size) {
  std::string body;
  constexpr uint64_t kChunk = 10'000;
  for (uint64_t at = 0; at < size; at += kChunk) {
    const std::string chunk = http::Pattern(at, std::min(at + kChunk, size));
    body += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  return HeadText("200 OK", {"Transfer-Encoding: chunked"}) + body + "0\r\n\r\n";
}
std::string Whole(uint64_t size) {
  return HeadText("200 OK", {fmt::format("Content-Length: {}", size)}) + http::Pattern(0, size);
}

class UrlImportTest : public HttpNetworkTest {
 protected:
  StatusOr<store::Import::Result> Import(const std::string& url, uint64_t max = 1 << 30) {
    const auto sink = std::make_shared<RecordingSink>();
    const auto job =
        network().ImportUrl({*http::Url::Parse(url), false, max},
                            std::shared_ptr<Executor>(loop_.get(), [](Executor*) {}), sink);
    RunUntil([&] { return sink->end.has_value(); });
    if (!sink->end->ok()) return sink->end->status();
    std::optional<StatusOr<store::Import::Result>> result;
    (**sink->end)->Finish(*loop_, [&](auto told) { result.emplace(std::move(told)); });
    RunUntil([&] { return result.has_value(); });
    return *std::move(result);
  }
  void ExpectFile(const StatusOr<store::Import::Result>& result, uint64_t size) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->size, size);
    EXPECT_EQ(result->hash, BlobOf(size).hash);
  }
};

// What servers make of "bytes=0-" that know no ranges, or only the word.
TEST_F(UrlImportTest, AServerWithoutRangesIsAskedForAllOfTheFile) {
  struct Case {
    std::string name;
    uint64_t size;
    size_t requests;
    std::string to_a_range;
  };
  const Case cases[] = {
      {"takes no notice", kSize, 1, Whole(kSize)},
      {"takes no notice, and says no size", kSize, 1, Chunked(kSize)},
      {"does not say which part", kSize, 2,
       HeadText("206 Partial Content", {fmt::format("Content-Length: {}", kSize)})},
      {"sends several parts", kSize, 2,
       HeadText("206 Partial Content",
                {"Content-Type: multipart/byteranges; boundary=x", "Content-Length: 0"})},
      {"says no size of a part", kSize, 2,
       HeadText("206 Partial Content",
                {"Content-Range: bytes 0-999/*", "Content-Length: 1000", "ETag: \"one\""}) +
           http::Pattern(0, 1000)},
      {"an empty file has no such part", 0, 2,
       HeadText("416 Range Not Satisfiable", {"Content-Range: bytes */0", "Content-Length: 0"})},
      {"refuses all parts", kSize, 2, HeadText("416 Range Not Satisfiable", {"Content-Length: 0"})},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TestServer server([&](const TestRequest& request, Connection& connection) {
      connection.Send(request.Header("range").empty() ? Whole(c.size) : c.to_a_range);
      connection.Close();
    });
    ExpectFile(Import(server.Url("/f")), c.size);
    EXPECT_EQ(server.requests().size(), c.requests);
  }
}

TEST_F(UrlImportTest, AServerThatMakesNoSenseIsAskedTwice) {
  for (const std::string status : {"416 Range Not Satisfiable", "206 Partial Content"}) {
    SCOPED_TRACE(status);
    TestServer server([&](const TestRequest&, Connection& connection) {
      connection.Send(HeadText(
          status, {"Content-Type: multipart/byteranges; boundary=x", "Content-Length: 0"}));
    });
    const auto result = Import(server.Url("/f"));
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(server.requests().size(), 2u) << result.status();
  }
}

TEST_F(UrlImportTest, AFileOfTheGreatestSizeIsTakenAndOneByteMoreIsNot) {
  for (const bool chunked : {true, false}) {
    SCOPED_TRACE(chunked);
    const auto serve = [chunked](uint64_t size) {
      return [chunked, size](const TestRequest&, Connection& connection) {
        connection.Send(chunked ? Chunked(size) : Whole(size));
        connection.Close();
      };
    };
    TestServer exact(serve(kSize));
    ExpectFile(Import(exact.Url("/f"), kSize), kSize);
    TestServer more(serve(kSize + 1));
    const Status status = Import(more.Url("/f"), kSize).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(Message(status), HasSubstr("allowed"));
    EXPECT_EQ(more.requests().size(), 1u) << "it will not be smaller next time";
  }
}

// A part of just as many bytes as are allowed is no file.
TEST_F(UrlImportTest, WhatBreaksOffAtTheGreatestSizeIsNotTakenForTheFile) {
  for (const std::string total : {"*", "200000"}) {
    SCOPED_TRACE(total);
    TestServer server([&](const TestRequest& request, Connection& connection) {
      const auto range = request.Range(2 * kSize);
      if (!range) {
        connection.Send(Chunked(2 * kSize));
      } else {
        connection.Send(
            HeadText("206 Partial Content",
                     {fmt::format("Content-Range: bytes {}-{}/{}", range->first, kSize - 1, total),
                      fmt::format("Content-Length: {}", kSize - range->first), "ETag: \"one\""}));
        connection.Send(http::Pattern(range->first, kSize));
      }
      connection.Close();
    });
    const Status status = Import(server.Url("/f"), kSize).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  }
}

TEST_F(UrlImportTest, AnInterruptionIsGoneOnFrom) {
  TestServer server([&](const TestRequest& request, Connection& connection) {
    const uint64_t begin = request.Range(kSize)->first;
    connection.Send(http::GoodHead(request, kSize));
    connection.Send(http::Pattern(begin, std::min(begin + kSize / 2, kSize)));
    connection.Close();
  });
  ExpectFile(Import(server.Url("/f")), kSize);
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(server.requests()[1].Header("if-range"), "\"one\"");
}

TEST_F(UrlImportTest, OneThatIsCancelledLeavesNothing) {
  std::atomic<bool> client_left = false;
  TestServer server([&](const TestRequest& request, Connection& connection) {
    connection.Send(http::GoodHead(request, kSize));
    connection.Send(http::Pattern(0, kSize / 2));
    connection.WaitForClient();
    client_left = true;
  });
  const auto sink = std::make_shared<RecordingSink>();
  auto job = network().ImportUrl({*http::Url::Parse(server.Url("/f")), false, kSize},
                                 std::shared_ptr<Executor>(loop_.get(), [](Executor*) {}), sink);
  RunUntil([&] { return sink->total == kSize; });
  job.reset();
  RunUntil([&] { return client_left.load(); });
  EXPECT_FALSE(sink->end);
  network_.reset();
  store_.ExpectNoPartialFiles();
}

}  // namespace
}  // namespace blobd::transfer
