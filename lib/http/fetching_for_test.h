// What tests of the client share: a loop that runs until something holds, receivers that check what
// they get, and a client that may fetch from this machine.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/server_for_test.h"
#include "loop/loop.h"

namespace blobd::http {

// Checks every byte against the pattern, and keeps none.
class Checker final : public FetchReceiver {
 public:
  explicit Checker(Client& client) : client_(client) {}

  void OnOpened() override { opened = true; }
  void OnContent(const Content& said) override {
    EXPECT_FALSE(content) << "the server agrees once";
    content = said;
  }
  void OnBytes(uint64_t offset, ByteView bytes) override {
    EXPECT_TRUE(content) << "bytes before the answer";
    EXPECT_FALSE(end);
    if (received == 0) begin = offset;
    EXPECT_EQ(offset, begin + received);
    EXPECT_TRUE(AsText(bytes) == Pattern(offset, offset + bytes.size()))
        << "wrong bytes from " << offset;
    received += bytes.size();
    if (consume) client_.Consumed(id, bytes.size());
    if (on_bytes) on_bytes();
  }
  void OnEnd(const FetchEnd& ended) override {
    EXPECT_FALSE(end) << "one end";
    EXPECT_EQ(ended.received, received);
    end = ended;
  }

  FetchId id;
  bool consume = true;
  std::function<void()> on_bytes;
  bool opened = false;
  std::optional<Content> content;
  uint64_t begin = 0;
  uint64_t received = 0;
  std::optional<FetchEnd> end;

 private:
  Client& client_;
};

class FetchingTest : public testing::Test {
 protected:
  FetchingTest() {
    auto made = loop::Loop::Create();
    EXPECT_TRUE(made.ok());
    loop_ = *std::move(made);
    options_.user_agent = "blobd/test";
    options_.origins.defaults.local_allowed = true;
  }
  ~FetchingTest() override { client_.reset(); }

  Client& client() {
    if (client_ == nullptr) {
      auto made = Client::Create(*loop_, options_);
      EXPECT_TRUE(made.ok()) << made.status();
      client_ = *std::move(made);
    }
    return *client_;
  }
  Checker& Start(const std::string& url, const Ask& ask = {}, const FetchOptions& options = {}) {
    checkers_.push_back(std::make_unique<Checker>(client()));
    Checker& checker = *checkers_.back();
    const auto parsed = Url::Parse(url);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    checker.id = client().Start(*parsed, ask, options, &checker);
    return checker;
  }
  static Ask Part(uint64_t begin, std::optional<uint64_t> end) {
    Ask ask;
    ask.begin = begin;
    ask.end = end;
    return ask;
  }
  // Runs the loop until `holds`, or too long.
  [[nodiscard]] bool RunUntil(std::function<bool()> holds, Duration most = seconds(30)) {
    const Instant give_up = SystemClock().Now() + most;
    bool held = false;
    UniqueFunction<void()> look = [&] {
      held = holds();
      if (held || SystemClock().Now() > give_up) return loop_->Stop();
      loop_->AddTimer(loop_->Now() + milliseconds(2), [&look] { look(); });
    };
    loop_->Post([&look] { look(); });
    loop_->Run();
    return held;
  }
  void RunFor(Duration duration) {
    const Instant end = SystemClock().Now() + duration;
    EXPECT_TRUE(RunUntil([end] { return SystemClock().Now() >= end; }, duration * 10));
  }
  const FetchEnd& EndOf(Checker& checker) {
    EXPECT_TRUE(RunUntil([&] { return checker.end.has_value(); })) << "it does not end";
    static const FetchEnd kNone;
    return checker.end ? *checker.end : kNone;
  }
  size_t OpenedCount() const {
    size_t count = 0;
    for (const auto& checker : checkers_) count += checker->opened && !checker->end ? 1 : 0;
    return count;
  }

  std::unique_ptr<loop::Loop> loop_;
  ClientOptions options_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::unique_ptr<Client> client_;
};

}  // namespace blobd::http
