#include "http/head.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace blobd::http {
namespace {

constexpr WallTime kNow{1'700'000'000'000};  // 2023-11-14T22:13:20Z

HeadReader Read(std::initializer_list<std::string_view> lines) {
  HeadReader reader;
  for (const std::string_view line : lines) EXPECT_TRUE(reader.Add(line, kNow)) << line;
  return reader;
}

TEST(HeadTest, ReadsWhatAFetchNeeds) {
  const HeadReader reader =
      Read({"HTTP/1.1 206 Partial Content\r\n", "content-LENGTH: 100\r\n",
            "Content-Range: bytes 0-99/1000\r\n", "ETag: \"abc\"\r\n",
            "Last-Modified: Tue, 14 Nov 2023 20:00:00 GMT\r\n", "X-Other: y\r\n", "\r\n"});
  ASSERT_TRUE(reader.complete());
  const Head& head = reader.head();
  EXPECT_EQ(head.status, 206);
  EXPECT_EQ(head.content_length, 100u);
  ASSERT_TRUE(head.content_range);
  EXPECT_EQ(*head.content_range, (ContentRange{0, 100, 1000}));
  EXPECT_EQ(head.etag, "\"abc\"");
  EXPECT_EQ(head.modified, "Tue, 14 Nov 2023 20:00:00 GMT");
  EXPECT_FALSE(head.encoded);
}

TEST(HeadTest, InterimHeadsAreForgotten) {
  const HeadReader reader = Read({"HTTP/1.1 103 Early Hints\r\n", "ETag: \"early\"\r\n", "\r\n",
                                  "HTTP/2 200 \r\n", "content-encoding: gzip\r\n", "\r\n"});
  ASSERT_TRUE(reader.complete());
  EXPECT_EQ(reader.head().status, 200);
  EXPECT_EQ(reader.head().etag, "");
  EXPECT_TRUE(reader.head().encoded);
}

TEST(HeadTest, TrailersChangeNothing) {
  HeadReader reader = Read({"HTTP/1.1 200 OK\r\n", "\r\n"});
  EXPECT_TRUE(reader.Add("ETag: \"late\"\r\n", kNow));
  EXPECT_EQ(reader.head().etag, "");
}

TEST(HeadTest, ContradictionsAreRefused) {
  HeadReader lengths = Read({"HTTP/1.1 200 OK", "Content-Length: 5"});
  EXPECT_TRUE(lengths.Add("Content-Length: 5", kNow));
  EXPECT_FALSE(lengths.Add("Content-Length: 6", kNow));
  HeadReader places = Read({"HTTP/1.1 302 Found", "Location: /a"});
  EXPECT_FALSE(places.Add("Location: /b", kNow));
  HeadReader ranges = Read({"HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-1/9"});
  EXPECT_FALSE(ranges.Add("Content-Range: bytes 0-2/9", kNow));
}

TEST(HeadTest, NumbersAreDigits) {
  for (const char* line :
       {"Content-Length: -1", "Content-Length: +1", "Content-Length: 1, 1",
        "Content-Length: 99999999999999999999", "Content-Length: 0x10", "Content-Length:"}) {
    HeadReader reader = Read({"HTTP/1.1 200 OK"});
    EXPECT_FALSE(reader.Add(line, kNow)) << line;
  }
}

TEST(HeadTest, HeadsAreBounded) {
  HeadReader long_one = Read({"HTTP/1.1 200 OK"});
  EXPECT_FALSE(long_one.Add("X: " + std::string(kMaxHeadBytes, 'x'), kNow));
  HeadReader many = Read({"HTTP/1.1 200 OK"});
  size_t lines = 0;
  while (many.Add("X: y", kNow)) ASSERT_LT(++lines, kMaxHeadLines);
  // Early hints without end are bounded together.
  HeadReader hints;
  size_t heads = 0;
  while (hints.Add("HTTP/1.1 103 Early Hints", kNow)) ASSERT_LT(++heads, kMaxHeadLines + 1);
  EXPECT_FALSE(HeadReader().Add("not HTTP", kNow));
  EXPECT_FALSE(HeadReader().Add("HTTP/1.1 20", kNow));
}

TEST(HeadTest, ValidatorsThatCannotBeSentBackAreDropped) {
  for (const char* line :
       {"ETag: abc", "ETag: \"a b\"", "ETag: \"a\"b\"", "ETag: \"", "ETag: W/"}) {
    EXPECT_EQ(Read({"HTTP/1.1 200 OK", line}).head().etag, "") << line;
  }
  EXPECT_EQ(Read({"HTTP/1.1 200 OK", "ETag: W/\"a\""}).head().etag, "W/\"a\"");
  EXPECT_EQ(Read({"HTTP/1.1 200 OK", "ETag: \"" + std::string(2000, 'e') + "\""}).head().etag, "");
  EXPECT_EQ(Read({"HTTP/1.1 200 OK", "Last-Modified: Tue\x01"}).head().modified, "");
}

TEST(HeadTest, ContentRanges) {
  EXPECT_EQ(ParseContentRange("bytes 5-9/10"), (ContentRange{5, 10, 10}));
  EXPECT_EQ(ParseContentRange("bytes 5-9/*"), (ContentRange{5, 10, std::nullopt}));
  for (const char* text :
       {"", "bytes", "bytes */10", "bytes 9-5/10", "bytes 5-10/10", "bytes 5-9", "bytes -5-9/10",
        "items 5-9/10", "bytes 5-9/x", "bytes 0-18446744073709551615/*", "bytes=5-9/10",
        "bytes 5 -9/10", "bytes 5/9-10"}) {
    EXPECT_FALSE(ParseContentRange(text)) << text;
  }
}

TEST(HeadTest, RetryAfterIsSecondsOrADate) {
  EXPECT_EQ(ParseRetryAfter("120", kNow), Duration(seconds(120)));
  EXPECT_EQ(ParseRetryAfter("0", kNow), Duration(0));
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2023 22:14:20 GMT", kNow), Duration(seconds(60)));
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2023 22:00:00 GMT", kNow), Duration(0));
  EXPECT_GT(*ParseRetryAfter("99999999999999999", kNow), Duration(hours(24)));
  EXPECT_GT(*ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", kNow), Duration(hours(24)));
  for (const char* text : {"", "soon", "-5", "1.5"})
    EXPECT_FALSE(ParseRetryAfter(text, kNow)) << text;
}

}  // namespace
}  // namespace blobd::http
