#include "client/dashboard_gate.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "client/dashboard_page.h"

namespace blobd::client {
namespace {

using Answer = DashboardVerdict::Answer;

const std::string kToken(32, 'a');

class Gate : public testing::Test {
 protected:
  DashboardVerdict Judge(std::string_view path, std::string_view host = "127.0.0.1:4321",
                         std::string_view method = "GET") const {
    return gate_.Judge({method, path, {host}, false});
  }

  const DashboardGate gate_{kToken, 4321};
};

TEST_F(Gate, LetsInWhoKnowsTheToken) {
  EXPECT_EQ(gate_.Url(), "http://127.0.0.1:4321/" + kToken + "/");
  for (const char* host : {"127.0.0.1:4321", "localhost:4321", "LocalHost:4321"}) {
    EXPECT_EQ(Judge("/" + kToken + "/", host).answer, Answer::kPage) << host;
    EXPECT_EQ(Judge("/" + kToken, host).answer, Answer::kPage) << host;
    EXPECT_EQ(Judge("/" + kToken + "/data", host).answer, Answer::kData) << host;
  }
  EXPECT_EQ(Judge("/" + kToken + "/", "127.0.0.1:4321", "HEAD").code, 200u);
}

TEST_F(Gate, RefusesEverythingElseAndSaysWhatToDo) {
  struct Case {
    std::string path, host, method;
    unsigned code;
  };
  const std::string page = "/" + kToken + "/";
  const std::string ours = "127.0.0.1:4321";
  const Case cases[] = {
      {"/", ours, "GET", 403},
      {"", ours, "GET", 403},
      {"/favicon.ico", ours, "GET", 403},
      {"/" + std::string(31, 'a') + "/", ours, "GET", 403},
      {"/" + std::string(33, 'a') + "/", ours, "GET", 403},
      {"/" + std::string(31, 'a') + "b/", ours, "GET", 403},
      {"/b" + std::string(31, 'a') + "/data", ours, "GET", 403},
      {"//" + kToken + "/", ours, "GET", 403},
      {"http://evil.example" + page, ours, "GET", 403},
      {page + "other", ours, "GET", 404},
      {page + "data/", ours, "GET", 404},
      {page, "evil.example:4321", "GET", 403},
      {page, "127.0.0.1", "GET", 403},
      {page, "127.0.0.1:80", "GET", 403},
      {page, "127.0.0.1:4321.evil.example", "GET", 403},
      {page, "localhost.evil.example:4321", "GET", 403},
      {page, "[::1]:4321", "GET", 403},
      {page, "", "GET", 403},
      {page, ours, "POST", 405},
      {page, ours, "PUT", 405},
      {page, ours, "OPTIONS", 405},
      {page, ours, "get", 405},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.method + " " + c.path + " at " + c.host);
    const DashboardVerdict verdict = Judge(c.path, c.host, c.method);
    EXPECT_EQ(verdict.answer, Answer::kRefusal);
    EXPECT_EQ(verdict.code, c.code);
    EXPECT_NE(verdict.refusal, "");
    EXPECT_EQ(verdict.refusal.find(kToken), std::string::npos);
    EXPECT_EQ(verdict.refusal.find("evil"), std::string::npos);
  }
}

TEST_F(Gate, RefusesTwoHostsNoneAndContent) {
  const std::string page = "/" + kToken + "/";
  EXPECT_EQ(gate_.Judge({"GET", page, {}, false}).code, 403u);
  EXPECT_EQ(gate_.Judge({"GET", page, {"127.0.0.1:4321", "evil.example"}, false}).code, 403u);
  EXPECT_EQ(gate_.Judge({"GET", page, {"127.0.0.1:4321"}, true}).code, 400u);
}

TEST(DashboardToken, IsAnotherEachTime) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) {
    const auto token = NewDashboardToken();
    ASSERT_TRUE(token.ok());
    EXPECT_EQ(token->size(), 32u);
    tokens.insert(*token);
  }
  EXPECT_EQ(tokens.size(), 100u);
}

TEST(DashboardPage, LetsItsOwnScriptRunAndNoOther) {
  const auto page = NewDashboardPage();
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->html.find("THE-"), std::string::npos) << "something is not in its place";
  const std::string begin = "script-src 'nonce-";
  const size_t at = page->policy.find(begin);
  ASSERT_NE(at, std::string::npos);
  const std::string nonce = page->policy.substr(at + begin.size(), 32);
  EXPECT_NE(page->html.find("<script nonce=\"" + nonce + "\">"), std::string::npos);
  EXPECT_NE(page->html.find("<style nonce=\"" + nonce + "\">"), std::string::npos);
  EXPECT_NE(NewDashboardPage()->html, page->html);
  EXPECT_TRUE(page->policy.starts_with("default-src 'none';"));
  EXPECT_EQ(page->policy.find("unsafe"), std::string::npos);
}

// Text that is read as HTML, or code that is text, would be a way in for names and errors.
TEST(DashboardPage, HasNoWayForTextToBecomeCode) {
  const auto page = NewDashboardPage();
  ASSERT_TRUE(page.ok());
  for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                          "new Function", "srcdoc", "javascript:", "DOMParser", "onclick="}) {
    EXPECT_EQ(page->html.find(way), std::string::npos) << way;
  }
  // Nothing is loaded from anywhere.
  for (const char* way : {"src=", "@import", "url(", "<link rel=\"stylesheet"}) {
    EXPECT_EQ(page->html.find(way), std::string::npos) << way;
  }
}

}  // namespace
}  // namespace blobd::client
