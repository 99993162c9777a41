// DataSocketTest: the real data socket over a store whose imports end when the test says so, and
// a peer that may send anything. Test code only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/test_directory_for_test.h"
#include "blobd/v1/data_socket.pb.h"
#include "engine/fakes_for_test.h"
#include "rpc/data_socket.h"
#include "rpc/listener.h"

namespace blobd::rpc {

inline const Hash kHash = {{7}};

// Every import waits for Finish, in the order they started.
class HeldStore final : public engine::FakeStore {
 public:
  struct Held {
    int number = 0;
    std::string content;
    bool is_private = false;
    Executor* answer_on = nullptr;
    std::shared_ptr<UniqueFunction<void(uint64_t)>> progress;
    UniqueFunction<void(StatusOr<store::Import::Result>)> done;
  };

  void OpenDescriptor(const Hash& hash, Executor& answer_on,
                      UniqueFunction<void(StatusOr<store::BlobDescriptor>)> done) override {
    StatusOr<store::BlobDescriptor> answer = NotFound("not here");
    if (hash == kHash) {
      const store::Descriptor written(memfd_create("blob", MFD_CLOEXEC));
      EXPECT_EQ(write(written.fd(), "content", 7), 7);
      const std::string path = "/proc/self/fd/" + std::to_string(written.fd());
      answer =
          store::BlobDescriptor{store::Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)), 7};
    }
    answer_on.Post([done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  }
  std::unique_ptr<store::StoreJob> ImportDescriptor(
      store::Descriptor source, const store::ImportOptions& options, Executor& answer_on,
      UniqueFunction<void(uint64_t)> progress,
      UniqueFunction<void(StatusOr<store::Import::Result>)> done) override {
    Held held{0,
              std::string(100, '\0'),
              options.is_private,
              &answer_on,
              std::make_shared<UniqueFunction<void(uint64_t)>>(std::move(progress)),
              std::move(done)};
    held.content.resize(
        static_cast<size_t>(pread(source.fd(), held.content.data(), held.content.size(), 0)));
    const std::lock_guard<std::mutex> lock(mutex_);
    held.number = started_++;
    auto job = std::make_unique<Job>(*this, held.number);
    held_.push_back(std::move(held));
    changed_.notify_all();
    return job;
  }

  // Waits until `count` imports have started, all together.
  void AwaitStarted(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return started_ >= count; });
  }
  void AwaitCancelled(int number) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_.contains(number); });
  }
  int started() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return started_;
  }
  // Of the oldest import that was not finished.
  void Progress(uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Held& held = held_.front();
    held.answer_on->Post([progress = held.progress, bytes] { (*progress)(bytes); });
  }
  Held Finish(StatusOr<store::Import::Result> result) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Held held = std::move(held_.front());
    held_.pop_front();
    held.answer_on->Post([done = std::move(held.done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
    return held;
  }

 private:
  class Job final : public store::StoreJob {
   public:
    Job(HeldStore& store, int number) : store_(store), number_(number) {}
    ~Job() override {
      const std::lock_guard<std::mutex> lock(store_.mutex_);
      store_.cancelled_.insert(number_);
      store_.changed_.notify_all();
    }

   private:
    HeldStore& store_;
    const int number_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Held> held_;
  std::set<int> cancelled_;  // or ended: their jobs are gone
  int started_ = 0;
};

class DataSocketTest : public testing::Test {
 protected:
  void Start(const DataOptions& options) {
    auto started =
        DataSocket::Start({store_, tokens_, nullptr},
                          store::Descriptor(*Listener::Bind(path_, "", SOCK_SEQPACKET)), options);
    ASSERT_TRUE(started.ok()) << started.status();
    socket_ = *std::move(started);
  }

  store::Descriptor Connect() {
    store::Descriptor peer(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    EXPECT_EQ(connect(peer.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return peer;
  }
  // Any number of descriptors, as a hostile peer would.
  static void Send(const store::Descriptor& peer, const std::string& bytes,
                   const std::vector<int>& descriptors = {}) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)] = {};
    std::string copy = bytes;
    iovec piece{copy.data(), copy.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
      std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
    }
    // May fail if we were turned away meanwhile; what is received tells.
    (void)sendmsg(peer.fd(), &message, MSG_NOSIGNAL);
  }
  struct Received {
    v1::DataAnswer answer;
    std::vector<store::Descriptor> descriptors;
    bool ended = false;
    StatusCode code() const { return static_cast<StatusCode>(answer.error().code()); }
  };
  static Received Receive(const store::Descriptor& peer) {
    pollfd waiting{peer.fd(), POLLIN, 0};
    poll(&waiting, 1, -1);
    Received received;
    auto datagram = ReceiveDatagram(peer.fd(), 4096, true);
    received.ended = !datagram || datagram->ended;
    if (received.ended) return received;
    EXPECT_TRUE(received.answer.ParseFromString(datagram->bytes));
    received.descriptors = std::move(datagram->descriptors);
    return received;
  }
  std::string TokenOf(const Grant& grant, uint32_t uid = geteuid()) {
    v1::DataRequest request;
    request.set_token(*tokens_.Issue(SystemClock().Now(), {uid}, grant));
    return request.SerializeAsString();
  }
  store::Descriptor FileWith(const std::string& content) const {
    const std::string path = directory_.File("file");
    store::Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(write(file.fd(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    return file;
  }
  // A connection that hands in a file and has been sent off.
  store::Descriptor StartImport(const std::string& content) {
    store::Descriptor peer = Connect();
    Send(peer, TokenOf(ImportGrant{}), {FileWith(content).fd()});
    return peer;
  }
  // Descriptors of this process, in which the data socket lives.
  static size_t OpenDescriptors() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  }
  // Waits until the data socket holds no connection any more.
  void AwaitIdle(size_t descriptors) {
    while (OpenDescriptors() > descriptors) std::this_thread::yield();
  }

  TestDirectory directory_;
  const std::string path_ = directory_.File("d");
  HeldStore store_;
  TokenTable tokens_{TokenOptions{{100'000, 100'000, 0}, seconds(30)}};
  std::unique_ptr<DataSocket> socket_;
};

}  // namespace blobd::rpc
