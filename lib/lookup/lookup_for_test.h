// For the tests of lookup: a loop that runs until something is so, a sink that remembers, and tiny
// servers on loopback that speak DNS and a pkarr relay's HTTP.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lookup/dns_message.h"
#include "lookup/lookup.h"
#include "loop/loop.h"

namespace blobd::lookup {

inline SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

// The owner of a descriptor that is watched on a loop.
class Watched {
 public:
  Watched(loop::Loop& loop, int fd, std::function<void()> ready);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  int fd() const { return fd_; }

 private:
  loop::Loop& loop_;
  const int fd_;
};

// Answers TXT questions over UDP on 127.0.0.1.
class TinyDns {
 public:
  explicit TinyDns(loop::Loop& loop);
  std::string address() const { return address_; }
  void Set(const std::string& name, std::vector<std::string> texts) {
    records_[*DnsName::Parse(name)] = std::move(texts);
  }
  bool silent = false;
  bool garbage = false;
  int asked = 0;

 private:
  void Read();
  std::map<DnsName, std::vector<std::string>> records_;
  std::string address_;
  std::unique_ptr<Watched> socket_;
};

// Keeps what is PUT and gives it to GET, by path, on 127.0.0.1.
class TinyRelay {
 public:
  explicit TinyRelay(loop::Loop& loop);
  std::string base() const { return base_; }
  std::map<std::string, Bytes> packets;  // by path: "/pkarr/<z32>"
  bool silent = false;
  int refuse_with = 0;  // 0: as usual
  int puts = 0;
  std::string last_head;

 private:
  struct Peer {
    std::unique_ptr<Watched> socket;
    std::string read;
  };
  void Accept();
  void Read(int fd);
  std::string Answer(const std::string& head, const std::string& body);
  loop::Loop& loop_;
  std::string base_;
  std::map<int, Peer> peers_;
  std::vector<std::unique_ptr<Watched>> gone_;
  std::unique_ptr<Watched> listener_;
};

class LookupTest : public testing::Test, protected LookupSink, protected ServiceSink {
 protected:
  LookupTest() : loop_(std::move(*loop::Loop::Create())) {}

  // False if that does not come true within `limit`.
  bool RunUntil(const std::function<bool()>& so, Duration limit = seconds(10));
  void RunFor(Duration duration) {
    RunUntil([] { return false; }, duration);
  }

  void OnLookupFound(LookupKey key, const NodeId&, std::string_view service,
                     const NodeRecord& record) override {
    found_.push_back({key, std::string(service), record});
  }
  void OnLookupEnded(LookupKey key, const NodeId&, const std::string& reason) override {
    EXPECT_EQ(ended_.count(key), 0) << "ended twice";
    ended_[key] = reason;
  }
  void OnFound(QueryId query, const NodeRecord& record) override {
    found_.push_back({query.value, "", record});
  }
  void OnEnded(QueryId query, const Status& status) override {
    EXPECT_EQ(statuses_.count(query.value), 0) << "ended twice";
    statuses_[query.value] = status;
  }
  // One query to its end.
  Status Ask(Service& service, const NodeId& node) {
    const QueryId query{++last_query_};
    found_.clear();
    service.Resolve(query, node, this);
    EXPECT_EQ(statuses_.count(query.value), 0) << "an answer during Resolve";
    EXPECT_TRUE(RunUntil([&] { return statuses_.count(query.value) != 0; }));
    return statuses_[query.value];
  }

  struct FoundOne {
    uint64_t key;
    std::string service;
    NodeRecord record;
  };
  std::unique_ptr<loop::Loop> loop_;
  std::vector<FoundOne> found_;
  std::map<LookupKey, std::string> ended_;
  std::map<uint64_t, Status> statuses_;
  uint64_t last_query_ = 0;
};

}  // namespace blobd::lookup
