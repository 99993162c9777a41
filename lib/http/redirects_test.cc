#include "http/redirects.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace blobd::http {
namespace {

Redirects From(std::string_view url, bool local_allowed = false) {
  return Redirects(*Url::Parse(url), local_allowed);
}

TEST(RedirectsTest, FollowsToOtherPagesAndHosts) {
  Redirects way = From("http://a.example/x");
  EXPECT_TRUE(way.Follow("/y").ok());
  EXPECT_TRUE(way.at_first_origin());
  EXPECT_TRUE(way.Follow("https://b.example/z").ok());
  EXPECT_FALSE(way.at_first_origin());
  EXPECT_EQ(way.here().text(), "https://b.example/z");
}

TEST(RedirectsTest, LoopsEnd) {
  Redirects way = From("http://a.example/x");
  EXPECT_TRUE(way.Follow("/y").ok());
  const Status status = way.Follow("/x");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_NE(Message(status).find("circle"), std::string::npos) << status;
  EXPECT_EQ(way.here().text(), "http://a.example/y");
}

TEST(RedirectsTest, TheirNumberIsBounded) {
  Redirects way = From("http://a.example/0");
  for (size_t i = 1; i <= kMaxRedirects; ++i) {
    ASSERT_TRUE(way.Follow(fmt::format("/{}", i)).ok()) << i;
  }
  EXPECT_FALSE(way.Follow("/more").ok());
}

TEST(RedirectsTest, NeverFromHttpsToHttp) {
  Redirects way = From("https://a.example/x");
  EXPECT_FALSE(way.Follow("http://a.example/x").ok());
  EXPECT_TRUE(way.Follow("https://b.example/x").ok());
  EXPECT_FALSE(way.Follow("//b.example:80/../x%0d").ok() && !way.here().origin().https);
}

TEST(RedirectsTest, NeverToLocalAddresses) {
  for (const char* location :
       {"http://127.0.0.1/", "http://127.1/", "http://[::1]/", "http://169.254.169.254/latest",
        "http://0.0.0.0:8080/", "http://[::ffff:127.0.0.1]/", "http://2130706433/"}) {
    Redirects way = From("http://a.example/x");
    EXPECT_FALSE(way.Follow(location).ok()) << location;
  }
}

TEST(RedirectsTest, WhatIsConfiguredForAnOriginEndsWithIt) {
  Redirects way = From("http://127.0.0.1:8080/x", true);
  EXPECT_TRUE(way.CheckFirst().ok());
  EXPECT_TRUE(way.may_be_local());
  EXPECT_TRUE(way.Follow("/y").ok());
  // Another port is another service of this machine.
  EXPECT_FALSE(way.Follow("http://127.0.0.1:9090/y").ok());
  EXPECT_TRUE(way.Follow("http://b.example/").ok());
  EXPECT_FALSE(way.may_be_local());
  // Back again is where it came from: what is configured for it may be used for it.
  EXPECT_TRUE(way.Follow("http://127.0.0.1:8080/z").ok());
}

TEST(RedirectsTest, TheFirstPageIsCheckedToo) {
  EXPECT_FALSE(From("http://127.0.0.1/x").CheckFirst().ok());
  EXPECT_TRUE(From("http://a.example/x").CheckFirst().ok());
}

TEST(RedirectsTest, BadLocationsAreSaid) {
  Redirects way = From("http://a.example/x");
  for (const char* location : {"", "ftp://a.example/", "http://u:p@a.example/", "http://"}) {
    EXPECT_FALSE(way.Follow(location).ok()) << location;
  }
}

}  // namespace
}  // namespace blobd::http
