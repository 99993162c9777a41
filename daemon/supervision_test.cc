// Against a real notification socket, with real loops.
#include "daemon/supervision.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <optional>
#include <thread>

namespace blobd::daemon {
namespace {

using testing::HasSubstr;

class SupervisionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "blobd-sd-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (directory_ / "notify").string();
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    control_ = *loop::Loop::Create();
    network_ = *loop::Loop::Create();
  }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    if (network_thread_.joinable()) EndLoops();
    close(socket_);
    std::filesystem::remove_all(directory_);
  }
  void Watchdog(const char* micros) {
    setenv("WATCHDOG_USEC", micros, 1);
    setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  }
  void RunLoops() {
    network_thread_ = std::thread([this] { network_->Run(); });
    control_thread_ = std::thread([this] { control_->Run(); });
  }
  void EndLoops() {
    control_->Stop();
    control_thread_.join();
    network_->Stop();
    network_thread_.join();
  }
  // The next message, if one comes in that time.
  std::optional<std::string> Next(int ms = 30'000) {
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, ms) <= 0) return std::nullopt;
    std::string text(4096, '\0');
    const ssize_t size = recv(socket_, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return text;
  }
  std::string NextWith(const std::string& what) {
    for (;;) {
      const auto text = Next();
      if (!text || text->find(what) != std::string::npos) return text.value_or("");
    }
  }

  std::filesystem::path directory_;
  int socket_ = -1;
  std::unique_ptr<loop::Loop> control_;
  std::unique_ptr<loop::Loop> network_;
  std::thread control_thread_;
  std::thread network_thread_;
};

TEST_F(SupervisionTest, TellsALifeInOrder) {
  Supervision supervision(*control_, *network_);
  supervision.Step("Opening");
  EXPECT_EQ(Next(), "STATUS=Opening\nEXTEND_TIMEOUT_USEC=600000000");
  supervision.Begin([] { return std::string("one thing"); });
  EXPECT_THAT(*Next(), HasSubstr("STATUS=one thing\nEXTEND_TIMEOUT_USEC="));
  supervision.Reloading();  // too early: nobody hears of it
  supervision.Reloaded();
  supervision.Ready();
  EXPECT_EQ(Next(), "READY=1\nSTATUS=one thing");
  supervision.Reloading();
  EXPECT_THAT(*Next(), HasSubstr("RELOADING=1\nMONOTONIC_USEC="));
  supervision.Reloaded();
  EXPECT_EQ(Next(), "READY=1\nSTATUS=one thing");
  supervision.Stopping(seconds(10), [] { return std::string(); });
  EXPECT_THAT(*Next(), HasSubstr("STOPPING=1\nSTATUS=Draining"));
  EXPECT_EQ(Next(0), std::nullopt);
}

TEST_F(SupervisionTest, ANewStatusIsToldAndAnOldOneIsNot) {
  Watchdog("400000");
  std::atomic<int> number = 1;
  Supervision supervision(*control_, *network_);
  supervision.Begin([&number] { return std::to_string(number.load()); });
  supervision.Ready();
  EXPECT_EQ(NextWith("READY=1"), "READY=1\nSTATUS=1");
  number = 2;
  RunLoops();
  EXPECT_EQ(NextWith("STATUS="), "STATUS=2");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Next(), "WATCHDOG=1");
  EndLoops();
}

TEST_F(SupervisionTest, TheWatchdogIsFedOnlyWhileBothLoopsTurn) {
  for (const bool stop_control : {true, false}) {
    SCOPED_TRACE(stop_control ? "control" : "network");
    Watchdog("400000");
    Supervision supervision(*control_, *network_);
    supervision.Begin([] { return std::string("well"); });
    supervision.Ready();
    RunLoops();
    EXPECT_EQ(NextWith("WATCHDOG=1"), "WATCHDOG=1");
    std::promise<void> go_on;
    std::promise<void> stuck;
    (stop_control ? control_ : network_)->Post([&stuck, wait = go_on.get_future().share()] {
      stuck.set_value();
      wait.wait();
    });
    stuck.get_future().wait();
    // At most what was on its way comes; then it is silent for longer than the watchdog's time.
    while (Next(10)) {
    }
    EXPECT_EQ(Next(800), std::nullopt);
    go_on.set_value();
    EXPECT_EQ(NextWith("WATCHDOG=1"), "WATCHDOG=1");
    EndLoops();
    control_thread_ = {};
    network_thread_ = {};
  }
}

TEST_F(SupervisionTest, AnEndThatWaitsAsksForMoreTime) {
  Watchdog("400000");
  Supervision supervision(*control_, *network_);
  supervision.Begin([] { return std::string("well"); });
  supervision.Ready();
  std::atomic<bool> waits = true;
  supervision.Stopping(seconds(1), [&] { return std::string(waits ? "one more thing" : ""); });
  RunLoops();
  EXPECT_EQ(NextWith("STATUS=one more"), "STATUS=one more thing\nEXTEND_TIMEOUT_USEC=45000000");
  EXPECT_EQ(NextWith("STATUS=one more"), "STATUS=one more thing\nEXTEND_TIMEOUT_USEC=45000000");
  waits = false;
  EndLoops();
}

TEST_F(SupervisionTest, NobodyListensToSilence) {
  unsetenv("NOTIFY_SOCKET");
  Watchdog("400000");
  Supervision supervision(*control_, *network_);
  supervision.Step("Opening");
  supervision.Begin([] { return std::string("one thing"); });
  supervision.Ready();
  supervision.Stopping(seconds(1), [] { return std::string("something"); });
  EXPECT_EQ(Next(0), std::nullopt);
}

TEST_F(SupervisionTest, AWatchdogOfAnotherProcessIsNotFed) {
  setenv("WATCHDOG_USEC", "400000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  Supervision supervision(*control_, *network_);
  supervision.Begin([] { return std::string("well"); });
  supervision.Ready();
  EXPECT_EQ(NextWith("READY=1"), "READY=1\nSTATUS=well");
  RunLoops();
  EXPECT_EQ(Next(800), std::nullopt);
  EndLoops();
}

}  // namespace
}  // namespace blobd::daemon
