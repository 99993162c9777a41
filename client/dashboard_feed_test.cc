// The feed of the status page against daemons that are not there, or do not answer.
#include "client/dashboard_feed.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "base/test_directory_for_test.h"

namespace blobd::client {
namespace {

using Json = nlohmann::json;

class Feed : public testing::Test {
 protected:
  // A socket that takes connections, and on which nobody says a word.
  int Listen() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd, 16), 0);
    return fd;
  }

  const TestDirectory directory_;
  const std::string socket_ = directory_.File("sock");
};

TEST_F(Feed, ADaemonThatIsAwayIsATroubleThatTheDocumentTells) {
  DashboardFeed feed(socket_);
  Json document = Json::parse(feed.Look());
  EXPECT_FALSE(document["answered"]) << "there is a document from the beginning";
  for (int i = 0; i < 1000 && document["trouble"].get_ref<const std::string&>().empty(); ++i) {
    poll(nullptr, 0, 10);
    document = Json::parse(feed.Look());
  }
  EXPECT_NE(document["trouble"].get<std::string>().find("blobd is not running at " + socket_),
            std::string::npos);
  EXPECT_FALSE(document["reachable"]);
  EXPECT_FALSE(document["answered"]);
  EXPECT_FALSE(document.contains("downloads")) << "of which nothing is known";
}

TEST_F(Feed, ItEndsAtOnceWhileTheDaemonDoesNotAnswer) {
  const int silent = Listen();
  const auto began = std::chrono::steady_clock::now();
  {
    DashboardFeed feed(socket_);
    // It has asked when somebody is there.
    pollfd asked{silent, POLLIN, 0};
    EXPECT_EQ(poll(&asked, 1, 10'000), 1);
    const Json document = Json::parse(feed.Look());
    EXPECT_EQ(document["trouble"], "");
    EXPECT_FALSE(document["answered"]);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  close(silent);
}

}  // namespace
}  // namespace blobd::client
