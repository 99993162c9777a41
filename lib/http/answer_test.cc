#include "http/answer.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;

Head HeadOf(std::initializer_list<std::string_view> lines) {
  HeadReader reader;
  for (const std::string_view line : lines) EXPECT_TRUE(reader.Add(line, WallTime{}));
  return reader.head();
}

Ask AskFor(uint64_t begin, std::optional<uint64_t> end) {
  Ask ask;
  ask.begin = begin;
  ask.end = end;
  return ask;
}

Entity Known(bool ranges) {
  Entity entity;
  entity.ranges = ranges;
  entity.size = 1000;
  entity.etag = "\"v1\"";
  return entity;
}

std::string Describe(const Answer& answer) {
  if (const auto* content = std::get_if<Content>(&answer)) {
    return "content from " + std::to_string(content->begin) + " to " +
           (content->end ? std::to_string(*content->end) : "?") + " of " +
           (content->entity.size ? std::to_string(*content->entity.size) : "?") +
           (content->entity.ranges ? ", ranges" : "");
  }
  if (const auto* redirect = std::get_if<Redirect>(&answer))
    return "redirect " + redirect->location;
  return std::get<FetchEnd>(answer).reason;
}

Kind KindOf(const Answer& answer) {
  const auto* end = std::get_if<FetchEnd>(&answer);
  EXPECT_NE(end, nullptr) << Describe(answer);
  return end == nullptr ? Kind::kDone : end->kind;
}

TEST(AnswerTest, TheProbeLearnsSizeRangesAndEntity) {
  const Answer answer =
      Judge(AskFor(0, std::nullopt), HeadOf({"HTTP/1.1 206 P", "Content-Range: bytes 0-999/1000",
                                             "Content-Length: 1000", "ETag: \"v1\""}));
  EXPECT_EQ(Describe(answer), "content from 0 to 1000 of 1000, ranges");
  EXPECT_EQ(std::get<Content>(answer).entity, Known(true));
}

TEST(AnswerTest, AllOfTheFileIsTakenFromItsBeginningOnly) {
  const Head whole = HeadOf({"HTTP/1.1 200 OK", "Content-Length: 1000"});
  EXPECT_EQ(Describe(Judge(AskFor(0, 500), whole)), "content from 0 to 1000 of 1000");
  EXPECT_EQ(KindOf(Judge(AskFor(500, std::nullopt), whole)), Kind::kNoRanges);
  const Head unknown = HeadOf({"HTTP/1.1 200 OK"});
  EXPECT_EQ(Describe(Judge(AskFor(0, std::nullopt), unknown)), "content from 0 to ? of ?");
}

TEST(AnswerTest, AWholeFileAfterRangesIsAnotherOne) {
  Ask ask = AskFor(0, 500);
  ask.entity = Known(true);
  // Not even from its beginning, and not even with the same tag.
  EXPECT_EQ(KindOf(Judge(ask, HeadOf({"HTTP/1.1 200 OK", "ETag: \"v1\""}))), Kind::kChanged);
  EXPECT_EQ(KindOf(Judge(ask, HeadOf({"HTTP/1.1 416 R"}))), Kind::kChanged);
}

TEST(AnswerTest, AChangedEntityIsSeenWithoutTheServersHelp) {
  Ask ask = AskFor(10, 20);
  ask.entity = Known(true);
  const auto judge = [&](std::string_view range, std::string_view tag) {
    return Judge(ask, HeadOf({"HTTP/1.1 206 P", range, tag}));
  };
  EXPECT_EQ(Describe(judge("Content-Range: bytes 10-19/1000", "ETag: \"v1\"")),
            "content from 10 to 20 of 1000, ranges");
  EXPECT_EQ(KindOf(judge("Content-Range: bytes 10-19/1000", "ETag: \"v2\"")), Kind::kChanged);
  EXPECT_EQ(KindOf(judge("Content-Range: bytes 10-19/1001", "ETag: \"v1\"")), Kind::kChanged);
}

TEST(AnswerTest, PartsThatWereNotAskedForAreNotTaken) {
  const auto judge = [](std::initializer_list<std::string_view> lines) {
    return Judge(AskFor(10, 20), HeadOf(lines));
  };
  EXPECT_EQ(KindOf(judge({"HTTP/1.1 206 P", "Content-Range: bytes 11-19/1000"})), Kind::kFailed);
  EXPECT_EQ(KindOf(judge({"HTTP/1.1 206 P", "Content-Range: bytes 10-20/1000"})), Kind::kFailed);
  EXPECT_EQ(KindOf(judge({"HTTP/1.1 206 P"})), Kind::kNoRanges);
  EXPECT_EQ(
      KindOf(judge({"HTTP/1.1 206 P", "Content-Range: bytes 10-19/1000", "Content-Length: 9"})),
      Kind::kFailed);
  EXPECT_EQ(KindOf(judge({"HTTP/1.1 206 P", "Content-Type: multipart/byteranges; boundary=x"})),
            Kind::kNoRanges);
  // The file may end before what was asked for.
  EXPECT_EQ(Describe(judge({"HTTP/1.1 206 P", "Content-Range: bytes 10-14/15"})),
            "content from 10 to 15 of 15, ranges");
}

TEST(AnswerTest, EncodedBodiesAreNotTaken) {
  EXPECT_EQ(
      KindOf(Judge(AskFor(0, std::nullopt), HeadOf({"HTTP/1.1 200 OK", "Content-Encoding: gzip"}))),
      Kind::kEncoded);
  EXPECT_EQ(Describe(Judge(AskFor(0, std::nullopt),
                           HeadOf({"HTTP/1.1 200 OK", "Content-Encoding: identity"}))),
            "content from 0 to ? of ?");
}

TEST(AnswerTest, SizesAreComparedWithWhatIsProvenAndAllowed) {
  Ask ask = AskFor(0, std::nullopt);
  ask.size = 999;
  const Head head = HeadOf({"HTTP/1.1 200 OK", "Content-Length: 1000"});
  EXPECT_EQ(KindOf(Judge(ask, head)), Kind::kWrongSize);
  ask.size.reset();
  ask.max_size = 999;
  EXPECT_EQ(KindOf(Judge(ask, head)), Kind::kTooLarge);
}

TEST(AnswerTest, RefusalsSayWhatFollows) {
  struct Case {
    std::string_view status;
    Kind kind;
  };
  for (const Case& c :
       {Case{"HTTP/1.1 404 N", Kind::kNotHere}, Case{"HTTP/1.1 403 F", Kind::kNotHere},
        Case{"HTTP/1.1 410 G", Kind::kNotHere}, Case{"HTTP/1.1 416 R", Kind::kNoRanges},
        Case{"HTTP/1.1 408 T", Kind::kFailed}, Case{"HTTP/1.1 425 E", Kind::kFailed},
        Case{"HTTP/1.1 500 I", Kind::kFailed}, Case{"HTTP/1.1 502 B", Kind::kFailed},
        Case{"HTTP/1.1 429 M", Kind::kBusy}, Case{"HTTP/1.1 503 U", Kind::kBusy},
        Case{"HTTP/1.1 204 N", Kind::kFailed}, Case{"HTTP/1.1 304 N", Kind::kFailed}}) {
    EXPECT_EQ(KindOf(Judge(AskFor(0, std::nullopt), HeadOf({c.status}))), c.kind) << c.status;
  }
}

TEST(AnswerTest, RetryAfterIsObeyedUpToFiveMinutes) {
  const auto wait = [](std::string_view status, std::string_view field) {
    return std::get<FetchEnd>(Judge(AskFor(0, std::nullopt), HeadOf({status, field}))).retry_after;
  };
  EXPECT_EQ(wait("HTTP/1.1 503 U", "Retry-After: 7"), Duration(seconds(7)));
  EXPECT_EQ(wait("HTTP/1.1 429 M", "Retry-After: 86400"), Duration(minutes(5)));
  EXPECT_EQ(wait("HTTP/1.1 502 B", "Retry-After: 3"), Duration(seconds(3)));
  EXPECT_EQ(wait("HTTP/1.1 503 U", "X: y"), std::nullopt);
}

TEST(AnswerTest, RequestsAreConditionalOnTheEntity) {
  Ask ask = AskFor(10, 20);
  EXPECT_EQ(RangeOf(ask), "10-19");
  EXPECT_EQ(RangeOf(AskFor(10, std::nullopt)), "10-");
  EXPECT_EQ(RequestHeaders(ask), (std::vector<std::string>{"Accept-Encoding: identity"}));
  ask.entity = Known(true);
  EXPECT_EQ(RequestHeaders(ask).back(), "If-Range: \"v1\"");
  // A weak tag is no condition for bytes; the date is the next best.
  ask.entity->etag = "W/\"v1\"";
  ask.entity->modified = "Tue, 14 Nov 2023 20:00:00 GMT";
  EXPECT_EQ(RequestHeaders(ask).back(), "If-Range: Tue, 14 Nov 2023 20:00:00 GMT");
  ask.entity->modified.clear();
  EXPECT_EQ(RequestHeaders(ask).size(), 1u);
  ask = AskFor(0, std::nullopt);
  ask.entity = Known(false);
  EXPECT_EQ(RangeOf(ask), "");
  EXPECT_EQ(RequestHeaders(ask).size(), 1u);
}

TEST(FetchEndTest, WhatTheSchedulerIsTold) {
  using schedule::Outcome;
  FetchEnd end;
  EXPECT_EQ(OutcomeOf(end), Outcome::kDone);
  end.kind = Kind::kShort;
  end.received = kProgress - 1;
  EXPECT_EQ(OutcomeOf(end), Outcome::kRetryLater);
  end.received = kProgress;
  EXPECT_EQ(OutcomeOf(end), Outcome::kStopped);
  for (const Kind kind : {Kind::kNotHere, Kind::kChanged, Kind::kNoRanges, Kind::kEncoded,
                          Kind::kWrongSize, Kind::kTooLarge, Kind::kForbidden}) {
    end.kind = kind;
    EXPECT_EQ(OutcomeOf(end), Outcome::kAbortRequest);
  }
  end.kind = Kind::kBusy;
  EXPECT_EQ(OutcomeOf(end), Outcome::kBusy);
  end.kind = Kind::kLocalFault;
  EXPECT_EQ(OutcomeOf(end), Outcome::kLocalFault);
}

}  // namespace
}  // namespace blobd::http
