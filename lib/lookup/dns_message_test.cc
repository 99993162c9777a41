#include "lookup/dns_message.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace blobd::lookup {
namespace {

DnsName Name(const char* text) { return *DnsName::Parse(text); }

DnsMessage Sample() {
  DnsMessage message;
  message.id = 7;
  message.response = true;
  message.authoritative = true;
  message.questions = {{Name("a.example"), 16, kDnsIn}};
  message.answers = {
      {Name("a.example"), kDnsIn, 30, DnsTxt{{"one", std::string(255, 'x'), ""}}},
      {Name("b.a.example"), kDnsIn, 0, DnsSrv{1, 2, 3, Name("host.example")}},
  };
  message.additionals = {
      {Name("host.example"), kDnsIn, 0, DnsA{{192, 0, 2, 1}}},
      {Name("host.example"), kDnsIn, 0, DnsAaaa{{0x20, 1, 0x0d, 0xb8}}},
  };
  return message;
}

TEST(DnsName, ReadsAndComparesWithoutCase) {
  EXPECT_EQ(Name("A.Example."), Name("a.example"));
  EXPECT_EQ(Name("a.example").ToString(), "a.example.");
  EXPECT_TRUE(Name("x.a.example").EndsWith(Name("a.example")));
  EXPECT_FALSE(Name("a.example").EndsWith(Name("x.a.example")));
  EXPECT_EQ(Name("x.a.example").Parent(), Name("a.example"));
  EXPECT_TRUE(DnsName::Parse("").ok());  // the root
  for (const std::string& bad : {std::string("a..b"), std::string(".a"), std::string(64, 'x')}) {
    EXPECT_FALSE(DnsName::Parse(bad).ok()) << bad;
  }
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "x.";
  EXPECT_TRUE(DnsName::Parse(longest).ok());
  EXPECT_FALSE(DnsName::Parse(longest + "x").ok());
}

TEST(DnsMessage, ReadsWhatItWrote) {
  const Bytes bytes = Sample().Encode();
  const auto read = DnsMessage::Parse(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Sample());
}

TEST(DnsMessage, CompressesNames) {
  const Bytes bytes = Sample().Encode();
  // "example" stands there once.
  const std::string_view text = AsText(bytes);
  EXPECT_EQ(text.find("example", text.find("example") + 1), std::string_view::npos);
}

TEST(DnsMessage, RefusesEveryCutAndWhatFollows) {
  const Bytes bytes = Sample().Encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DnsMessage::Parse(ByteView(bytes).first(size)).ok()) << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(DnsMessage::Parse(longer).ok());
}

// A header for one question, then its name.
Bytes WithName(const char* name_hex) {
  return *FromHex(std::string("000000000001000000000000") + name_hex + "00100001");
}

TEST(DnsMessage, FollowsPointersBackwardsOnly) {
  EXPECT_TRUE(DnsMessage::Parse(WithName("016100")).ok());
  EXPECT_FALSE(DnsMessage::Parse(WithName("c00c")).ok());      // to itself
  EXPECT_FALSE(DnsMessage::Parse(WithName("0161c00c")).ok());  // round and round
  EXPECT_FALSE(DnsMessage::Parse(WithName("c0ff")).ok());      // forward, and outside
  EXPECT_FALSE(DnsMessage::Parse(WithName("c0")).ok());
  EXPECT_FALSE(DnsMessage::Parse(WithName("4061")).ok());  // a label of no known kind
  EXPECT_FALSE(DnsMessage::Parse(WithName("80")).ok());
  // A name that would unfold to more than 255 bytes: 31 labels of 8 bytes each, then all again.
  std::string name;
  for (int i = 0; i < 31; ++i) name += "0761616161616161";
  EXPECT_TRUE(DnsMessage::Parse(WithName((name + "00").c_str())).ok());
  EXPECT_FALSE(DnsMessage::Parse(WithName((name + "0761616161616161" + "00").c_str())).ok());
}

TEST(DnsMessage, RefusesDataThatDoesNotFitItsType) {
  const std::string head =
      "000080000000000100000000"
      "016100";
  const auto parse = [&](const std::string& rest) {
    return DnsMessage::Parse(*FromHex(head + rest)).ok();
  };
  EXPECT_TRUE(
      parse("0001"
            "0001"
            "00000000"
            "0004"
            "c0000201"));
  EXPECT_FALSE(
      parse("0001"
            "0001"
            "00000000"
            "0003"
            "c00002"));  // A of three bytes
  EXPECT_FALSE(
      parse("0010"
            "0001"
            "00000000"
            "0002"
            "0561"));  // a string longer than its record
  EXPECT_FALSE(
      parse("0021"
            "0001"
            "00000000"
            "0006"
            "000000000000"));  // SRV without a target
  EXPECT_TRUE(
      parse("00ff"
            "0001"
            "00000000"
            "0002"
            "abcd"));  // unknown: read over
  EXPECT_FALSE(
      parse("00ff"
            "0001"
            "00000000"
            "0003"
            "abcd"));
}

TEST(DnsMessage, BoundsItsRecords) {
  DnsMessage message;
  message.questions.assign(DnsMessage::kMaxRecords, {Name("a"), 16, kDnsIn});
  EXPECT_TRUE(DnsMessage::Parse(message.Encode()).ok());
  message.questions.push_back(message.questions.front());
  EXPECT_FALSE(DnsMessage::Parse(message.Encode()).ok());
}

}  // namespace
}  // namespace blobd::lookup
