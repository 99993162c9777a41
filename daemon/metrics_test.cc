// The text that Prometheus reads, and the socket where it is told.
#include <gmock/gmock.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "base/error_reason.h"
#include "daemon/metrics_server.h"
#include "daemon/metrics_text.h"

namespace blobd::daemon {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(MetricsText, HasOneBlockForEachName) {
  Measured measured;
  measured.version = "1.2\"\\\n3";
  measured.engine.unfinished_intents = 3;
  measured.engine.counters.transfers_ended = {{"done", 12'345'678'901}, {"retry later", 2}};
  measured.engine.counters.transfer_time.Add(milliseconds(500));
  measured.engine.counters.transfer_time.Add(seconds(2));
  measured.engine.counters.transfer_time.Add(hours(100));
  measured.lookup.resize(1);
  measured.lookup[0].name = "dns";
  measured.lookup[0].failed = 1;
  measured.lookup[0].timed_out = 2;
  measured.engine.status.disk.condition = store::DiskCondition::kFull;
  measured.limits.resize(3);
  measured.limits[0].name = "requests";
  measured.limits[0].value = 50;
  measured.limits[1].name = "download_rate";
  measured.limits[1].value = 2'500'000;
  measured.limits[2].name = "upload_rate";
  measured.download = {65536, milliseconds(1500)};
  measured.calls.ended = {{rpc::Method::kDownloadsQueue, StatusCode::kOk, 7},
                          {rpc::Method::kDownloadsQueue, StatusCode::kResourceExhausted, 2}};
  measured.calls.errors = {{Reason::kIntentQuota, 2}};
  measured.calls.times.emplace_back("Downloads", rpc::CallTimes{{1, 2}, 0.5});
  measured.calls.connections = {3, 9, 1, 2};
  const std::string text = FormatMetrics(measured);
  EXPECT_THAT(text, HasSubstr("blobd_build_info{version=\"1.2\\\"\\\\\\n3\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("# TYPE blobd_intents_unfinished gauge\nblobd_intents_unfinished 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_transfers_ended_total{outcome=\"done\"} 12345678901\n"
                              "blobd_transfers_ended_total{outcome=\"retry later\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("blobd_transfer_seconds_bucket{le=\"0.1\"} 0\n"
                              "blobd_transfer_seconds_bucket{le=\"0.5\"} 1\n"
                              "blobd_transfer_seconds_bucket{le=\"1\"} 1\n"
                              "blobd_transfer_seconds_bucket{le=\"5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("blobd_transfer_seconds_bucket{le=\"+Inf\"} 3\n"
                              "blobd_transfer_seconds_sum 360002.5\n"
                              "blobd_transfer_seconds_count 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_lookups_failed_total{service=\"dns\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_disk_trouble 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "blobd_rpc_calls_total{method=\"Downloads.Queue\",code=\"OK\"} 7\n"
          "blobd_rpc_calls_total{method=\"Downloads.Queue\",code=\"RESOURCE_EXHAUSTED\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("blobd_rpc_errors_total{reason=\"INTENT_QUOTA\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("blobd_rpc_call_seconds_bucket{service=\"Downloads\",le=\"0.001\"} 1\n"
                        "blobd_rpc_call_seconds_bucket{service=\"Downloads\",le=\"0.005\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_rpc_call_seconds_bucket{service=\"Downloads\",le=\"+Inf\"} 3\n"
                              "blobd_rpc_call_seconds_sum{service=\"Downloads\"} 0.5\n"
                              "blobd_rpc_call_seconds_count{service=\"Downloads\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_rpc_connections 3\n"));
  EXPECT_THAT(text, HasSubstr("blobd_rpc_connections_refused_total{cause=\"unknown_user\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nblobd_limit{limit=\"requests\"} 50\n# HELP"));
  EXPECT_THAT(text, HasSubstr("\nblobd_limit_bytes_per_second{limit=\"download_rate\"} 2500000\n"
                              "blobd_limit_bytes_per_second{limit=\"upload_rate\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nblobd_download_held_back_bytes 65536\n"));
  EXPECT_THAT(text, HasSubstr("\nblobd_download_limited_seconds_total 1.5\n"));
}

class MetricsServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "blobd-metrics-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    loop_ = *loop::Loop::Create();
    address_.sun_family = AF_UNIX;
    std::strncpy(address_.sun_path, (directory_ / "m").c_str(), sizeof address_.sun_path - 1);
    const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    ASSERT_EQ(listen(listening, 100), 0);
    auto server =
        MetricsServer::Create(*loop_, listening, [this](UniqueFunction<void(std::string)> done) {
          ++collected_;
          if (!silent_) return done(text_);
          kept_.push_back(std::move(done));
        });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
    for (auto& done : kept_) done("too late");
    std::filesystem::remove_all(directory_);
  }
  int Connect() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    return fd;
  }
  static void Send(int fd, const std::string& text) {
    EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Until the other side closes.
  static std::string ReadAll(int fd) {
    std::string all;
    char piece[65536];
    while (true) {
      const ssize_t got = recv(fd, piece, sizeof piece, 0);
      if (got <= 0) break;
      all.append(piece, static_cast<size_t>(got));
    }
    close(fd);
    return all;
  }
  std::string Ask(const std::string& request) const {
    const int fd = Connect();
    Send(fd, request);
    return ReadAll(fd);
  }

  std::filesystem::path directory_;
  sockaddr_un address_{};
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<MetricsServer> server_;
  std::thread thread_;
  std::string text_ = "blobd_x 1\n";
  std::atomic<int> collected_ = 0;
  std::atomic<bool> silent_ = false;
  std::vector<UniqueFunction<void(std::string)>> kept_;
};

TEST_F(MetricsServerTest, AnswersWhoAsksForMetrics) {
  text_ = std::string(3 << 20, 'x');  // more than a socket holds
  const std::string answer = Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"));
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), text_);
  EXPECT_THAT(Ask("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(MetricsServerTest, RefusesEverythingElse) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("GET /metricsandmore HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Ask("\r\n\r\n"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Ask("GET /metrics" + std::string(9000, ' ')), StartsWith("HTTP/1.1 431"));
  EXPECT_EQ(collected_, 0);
}

TEST_F(MetricsServerTest, WhoNeverAsksOrReadsCostsAPlaceOnly) {
  std::vector<int> idle;
  for (size_t i = 0; i < MetricsServer::kMaxConnections; ++i) idle.push_back(Connect());
  // There is no place; then there is one again.
  EXPECT_EQ(ReadAll(Connect()), "");
  for (const int fd : idle) close(fd);
  std::string answer;
  while (answer.empty()) answer = Ask("GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK"));
}

// Time that the loop's thread has worked.
Duration WorkOf(std::thread& thread) {
  clockid_t clock{};
  timespec time{};
  EXPECT_EQ(pthread_getcpuclockid(thread.native_handle(), &clock), 0);
  EXPECT_EQ(clock_gettime(clock, &time), 0);
  return seconds(time.tv_sec) + Duration(time.tv_nsec);
}

// A socket that says it is ready, and from which nothing can be accepted: for the server it is as
// when there are no descriptors left, which sanitizers do not bear.
TEST_F(MetricsServerTest, WhereNothingCanBeAcceptedItWaitsAndGoesOn) {
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::unique_ptr<MetricsServer> server;
  const auto on_loop = [this](std::function<void()> work) {
    std::promise<void> done;
    loop_->Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  };
  const Duration worked = WorkOf(thread_);
  on_loop([&] {
    server = *MetricsServer::Create(
        *loop_, socket_fd, [](UniqueFunction<void(std::string)> done) { done("blobd_y 1\n"); });
  });
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_LT(WorkOf(thread_) - worked, milliseconds(50)) << "it tried again and again";
  std::strncpy(address_.sun_path, (directory_ / "other").c_str(), sizeof address_.sun_path - 1);
  ASSERT_EQ(bind(socket_fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
  ASSERT_EQ(listen(socket_fd, 1), 0);
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\n\r\n"), HasSubstr("blobd_y 1\n"));
  on_loop([&] { server.reset(); });
}

TEST_F(MetricsServerTest, ManyThatAskAtOnceAreToldTheSame) {
  silent_ = true;
  std::vector<int> asking;
  for (int i = 0; i < 8; ++i) {
    asking.push_back(Connect());
    Send(asking.back(), "GET /metrics HTTP/1.1\r\n\r\n");
  }
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404"));  // all were read by now
  EXPECT_EQ(collected_, 1);
  close(asking.back());
  asking.pop_back();
  loop_->Post([this] { kept_.at(0)("blobd_x 2\n"); });
  for (const int fd : asking) EXPECT_THAT(ReadAll(fd), HasSubstr("blobd_x 2\n"));
}

}  // namespace
}  // namespace blobd::daemon
