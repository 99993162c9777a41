#include "base/error_reason.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>

#include "base/utf8.h"

namespace blobd {
namespace {

std::map<std::string, std::string> DetailsOf(const Status& status) {
  std::map<std::string, std::string> details;
  ForEachDetail(status, [&](std::string_view key, std::string_view value) {
    details[std::string(key)] = std::string(value);
  });
  return details;
}

TEST(ErrorReason, NamesAreWordsAndFindTheirReason) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kReasons; ++i) {
    const auto reason = static_cast<Reason>(i);
    const std::string_view name = NameOf(reason);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string_view::npos)
        << name;
    EXPECT_EQ(ReasonOfName(name), reason);
    EXPECT_NE(CodeOf(reason), StatusCode::kOk);
  }
  EXPECT_EQ(ReasonOfName("OF_ANOTHER_AGE"), std::nullopt);
  EXPECT_EQ(ReasonOfName(""), std::nullopt);
}

TEST(ErrorReason, AStatusKeepsItsReasonAndDetails) {
  Status status = ErrorFor(Reason::kUnknownIntent, "there is no intent {}", 7);
  status = WithDetail(status, "intent_id", "7");
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(Message(status), "there is no intent 7");
  EXPECT_EQ(GivenReasonOf(status), Reason::kUnknownIntent);
  EXPECT_EQ(DetailsOf(status), (std::map<std::string, std::string>{{"intent_id", "7"}}));

  const Status annotated = Annotate(status, "watch");
  EXPECT_EQ(Message(annotated), "watch: there is no intent 7");
  EXPECT_EQ(ReasonOf(annotated), Reason::kUnknownIntent);
  EXPECT_EQ(DetailsOf(annotated), DetailsOf(status));
}

TEST(ErrorReason, TheLastWordCounts) {
  const Status status = WithReason(Reason::kBlobIncomplete, NotFound("it is not all here"));
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), Reason::kBlobIncomplete);
  EXPECT_EQ(ReasonOf(WithReason(Reason::kUnknownBlob, status)), Reason::kUnknownBlob);
  const Status twice = WithDetail(WithDetail(status, "hash", "a"), "hash", "b");
  EXPECT_EQ(DetailsOf(twice), (std::map<std::string, std::string>{{"hash", "b"}}));
}

TEST(ErrorReason, FieldsAreNamedInTheMessageAndBesideIt) {
  const Status status = FieldError(Reason::kTooLong, "items[3].label", "longer than {} bytes", 256);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "items[3].label: longer than 256 bytes");
  EXPECT_EQ(DetailsOf(status), (std::map<std::string, std::string>{{"field", "items[3].label"}}));
}

TEST(ErrorReason, WithoutOneItIsThatOfTheCode) {
  struct Case {
    Status status;
    Reason reason;
  };
  for (const Case& c :
       {Case{NotFound("no"), Reason::kNotFound},
        Case{InvalidArgument("no"), Reason::kInvalidArgument},
        Case{Unavailable("no"), Reason::kUnavailable}, Case{Internal("no"), Reason::kInternal},
        Case{MakeStatus(StatusCode::kUnknown, "no"), Reason::kInternal},
        Case{Cancelled("no"), Reason::kCancelled}}) {
    EXPECT_EQ(GivenReasonOf(c.status), std::nullopt);
    EXPECT_EQ(ReasonOf(c.status), c.reason) << Message(c.status);
  }
}

TEST(ErrorReason, WhatSystemCallsSayHasOne) {
  EXPECT_EQ(ReasonOf(ErrnoStatus(ENOSPC, "write")), Reason::kDiskFull);
  EXPECT_EQ(ReasonOf(ErrnoStatus(EDQUOT, "write")), Reason::kDiskFull);
  EXPECT_EQ(ReasonOf(ErrnoStatus(EROFS, "write")), Reason::kDiskReadOnly);
  EXPECT_EQ(ReasonOf(ErrnoStatus(EMFILE, "open")), Reason::kNoResources);
  EXPECT_EQ(ReasonOf(ErrnoStatus(EIO, "read")), Reason::kInternal);
  EXPECT_EQ(ReasonOf(ErrnoStatus(ENOENT, "open")), Reason::kNotFound);
}

TEST(ErrorReason, WhatStrangersSayIsBoundedAndIsText) {
  const std::string long_one(100'000, 'x');
  const std::string broken = "\xff\xfe\x80";
  std::string cut_in_a_character(kMaxDetailBytes - 1, 'a');
  cut_in_a_character += "\xe2\x82\xac";
  for (const std::string& value : {long_one, broken, cut_in_a_character}) {
    const auto details = DetailsOf(WithDetail(NotFound("no"), "value", value));
    EXPECT_LE(details.at("value").size(), kMaxDetailBytes);
    EXPECT_TRUE(IsUtf8(details.at("value")));
  }
}

}  // namespace
}  // namespace blobd
