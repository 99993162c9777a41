#include "http/url.h"

#include <gtest/gtest.h>

#include <string>

namespace blobd::http {
namespace {

std::string Normal(std::string_view text) {
  const auto url = Url::Parse(text);
  return url.ok() ? url->text() : "refused: " + Message(url.status());
}

TEST(UrlTest, OneFormForOneAddress) {
  EXPECT_EQ(Normal("http://example.org"), "http://example.org/");
  EXPECT_EQ(Normal("HTTPS://Example.ORG:443/a"), "https://example.org/a");
  EXPECT_EQ(Normal("http://example.org:80/a?b=c#part"), "http://example.org/a?b=c");
  EXPECT_EQ(Normal("http://example.org:8080/"), "http://example.org:8080/");
  EXPECT_EQ(Normal("https://example.org/a/../b/./c"), "https://example.org/b/c");
  EXPECT_EQ(Normal("http://[2001:DB8::1]:81/x"), "http://[2001:db8::1]:81/x");
  EXPECT_EQ(Normal("https://example.org/with space"), "https://example.org/with%20space");
  EXPECT_EQ(Normal("https://example.org/%41"), "https://example.org/%41");
}

TEST(UrlTest, AddressesInAnyNotationAreSeen) {
  for (const char* text : {"http://127.1/", "http://0x7f.0.0.1/", "http://2130706433/",
                           "http://0177.0.0.1/", "http://127.0.0.1/"}) {
    const auto url = Url::Parse(text);
    ASSERT_TRUE(url.ok()) << text;
    ASSERT_TRUE(url->literal()) << text << " is " << url->text();
    EXPECT_TRUE(url->literal()->is_loopback()) << text;
  }
  EXPECT_FALSE(Url::Parse("http://localhost/")->literal());
}

TEST(UrlTest, RefusesWhatIsNotFetched) {
  for (const char* text : {
           "",
           "example.org/x",
           "ftp://example.org/",
           "file:///etc/passwd",
           "gopher://example.org/",
           "http://",
           "http://user@example.org/",
           "http://user:word@example.org/",
           "http://example.org:0/",
           "http://example.org:99999/",
           "http://exa mple.org/",
           "http://\xc3\xbcrsprung.example/",
           "http://example.org/a\nb",
           "http://example.org/a\x7f",
           "http://[fe80::1%25eth0]/",
           "http://[::1/",
           "http://example.org%00.evil/",
       }) {
    EXPECT_EQ(Normal(text).rfind("refused: ", 0), 0u) << text << " became " << Normal(text);
  }
  EXPECT_FALSE(Url::Parse("http://a/" + std::string(kMaxUrlLength, 'x')).ok());
}

TEST(UrlTest, ResolvesLocations) {
  const auto base = Url::Parse("https://a.example/dir/file?q=1");
  ASSERT_TRUE(base.ok());
  const auto to = [&](std::string_view location) {
    const auto url = base->Resolve(location);
    return url.ok() ? url->text() : std::string("refused");
  };
  EXPECT_EQ(to("other"), "https://a.example/dir/other");
  EXPECT_EQ(to("/root"), "https://a.example/root");
  EXPECT_EQ(to("//b.example/x"), "https://b.example/x");
  EXPECT_EQ(to("http://c.example"), "http://c.example/");
  EXPECT_EQ(to("/caf\xc3\xa9"), "https://a.example/caf%c3%a9");
  EXPECT_EQ(to("ftp://c.example/"), "refused");
  EXPECT_EQ(to("http://u:p@c.example/"), "refused");
  EXPECT_EQ(to(std::string_view("/a\0b", 4)), "refused");
}

TEST(UrlTest, SuffixGoesToThePath) {
  EXPECT_EQ(Url::Parse("http://a/f")->WithPathSuffix(".obao4")->text(), "http://a/f.obao4");
  EXPECT_EQ(Url::Parse("http://a/f?k=v")->WithPathSuffix(".obao4")->text(), "http://a/f.obao4?k=v");
}

TEST(UrlTest, QueriesStayOutOfLogs) {
  EXPECT_EQ(Url::Parse("http://a/f?token=secret")->ForPeople(), "http://a/f?...");
  EXPECT_EQ(Url::Parse("http://a/f")->ForPeople(), "http://a/f");
}

TEST(UrlTemplateTest, FillsInTheHash) {
  Hash hash;
  hash.bytes.fill(0xab);
  const auto made = UrlTemplate::Parse("https://m.example/{hash}/x?h={hash}");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->For(hash).text(), "https://m.example/" + hash.ToHex() + "/x?h=" + hash.ToHex());
  EXPECT_EQ(made->origin().ToString(), "https://m.example");
}

TEST(UrlTemplateTest, RefusesMarksThatDoNothingOrMakeOrigins) {
  for (const char* text : {"https://m.example/", "https://{hash}.example/", "https://{hash}/",
                           "https://m.example/#{hash}", "ftp://m.example/{hash}"}) {
    EXPECT_FALSE(UrlTemplate::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace blobd::http
