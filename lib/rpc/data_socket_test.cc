#include "rpc/data_socket.h"

#include <gtest/gtest.h>

#include "rpc/data_socket_for_test.h"

namespace blobd::rpc {
namespace {

TEST_F(DataSocketTest, ATokenBuysAReadOnlyDescriptorOnce) {
  Start({});
  const std::string request = TokenOf(OpenGrant{kHash});
  const auto peer = Connect();
  Send(peer, request);
  const Received received = Receive(peer);
  ASSERT_TRUE(received.answer.has_opened()) << received.answer.DebugString();
  EXPECT_EQ(received.answer.opened().size(), 7u);
  ASSERT_EQ(received.descriptors.size(), 1u);
  const int fd = received.descriptors[0].fd();
  char content[8] = {};
  EXPECT_EQ(pread(fd, content, sizeof content, 0), 7);
  EXPECT_STREQ(content, "content");
  EXPECT_EQ(write(fd, "x", 1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(socket_->counts().opened, 1u);

  const auto second = Connect();
  Send(second, request);
  EXPECT_EQ(Receive(second).code(), StatusCode::kPermissionDenied);
}

TEST_F(DataSocketTest, ATokenOfAnotherUidBuysNothing) {
  Start({});
  const auto peer = Connect();
  Send(peer, TokenOf(OpenGrant{kHash}, geteuid() + 1));
  EXPECT_EQ(Receive(peer).code(), StatusCode::kPermissionDenied);
}

TEST_F(DataSocketTest, WhatWentAwaySinceTheTokenWasGivenIsNotFound) {
  Start({});
  const auto peer = Connect();
  Send(peer, TokenOf(OpenGrant{{{8}}}));
  EXPECT_EQ(Receive(peer).code(), StatusCode::kNotFound);
}

TEST_F(DataSocketTest, ADescriptorIsTakenInAndProgressTold) {
  DataOptions options;
  options.progress_interval = Duration::zero();
  Start(options);
  const auto peer = StartImport("12345");
  store_.AwaitStarted(1);
  store_.Progress(3);
  const Received progress = Receive(peer);
  EXPECT_EQ(progress.answer.progress().done_bytes(), 3u);
  EXPECT_EQ(progress.answer.progress().total_bytes(), 5u);
  const HeldStore::Held held = store_.Finish(store::Import::Result{kHash, 5, true});
  EXPECT_EQ(held.content, "12345");
  EXPECT_FALSE(held.is_private);
  const Received end = Receive(peer);
  ASSERT_TRUE(end.answer.has_imported());
  EXPECT_EQ(end.answer.imported().hash(), kHash.ToHex());
  EXPECT_EQ(end.answer.imported().size(), 5u);
  EXPECT_TRUE(end.answer.imported().existed());
  EXPECT_EQ(socket_->counts().imported, 1u);
}

// Also if it was here for all to see: that is the store's to do.
TEST_F(DataSocketTest, APrivateImportIsOneToTheStore) {
  Start({});
  const auto peer = Connect();
  Send(peer, TokenOf(ImportGrant{true}), {FileWith("12345").fd()});
  store_.AwaitStarted(1);
  EXPECT_TRUE(store_.Finish(store::Import::Result{kHash, 5, true}).is_private);
  EXPECT_TRUE(Receive(peer).answer.has_imported());
}

TEST_F(DataSocketTest, APeerThatDoesNotReceiveProgressIsToldOnlyTheFirst) {
  DataOptions options;
  options.progress_interval = Duration::zero();
  Start(options);
  const auto peer = StartImport("12345");
  store_.AwaitStarted(1);
  for (uint64_t bytes = 1; bytes <= 5; ++bytes) store_.Progress(bytes);
  store_.Finish(Unavailable("the disk broke"));
  while (socket_->counts().refused == 0) std::this_thread::yield();  // all of it has been sent
  EXPECT_EQ(Receive(peer).answer.progress().done_bytes(), 1u);
  EXPECT_EQ(Receive(peer).answer.error().message(), "the disk broke");
}

TEST_F(DataSocketTest, HostileRequestsAreAnsweredWithAnErrorAndLeaveNothingOpen) {
  Start({});
  const size_t before = OpenDescriptors();
  {
    const store::Descriptor file = FileWith("x");
    const store::Descriptor directory(open(directory_.path().c_str(), O_RDONLY | O_CLOEXEC));
    const store::Descriptor write_only(open(directory_.File("file").c_str(), O_WRONLY | O_CLOEXEC));
    const store::Descriptor proc(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    const store::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct Case {
      std::string name;
      std::string bytes;
      std::vector<int> descriptors;
      StatusCode code;
    };
    const StatusCode invalid = StatusCode::kInvalidArgument;
    const int fd = file.fd();
    const std::vector<Case> cases = {
        {"cut off", "\x0a\x10token", {}, invalid},
        {"another message", "\x12\x01x", {}, StatusCode::kPermissionDenied},
        {"an empty token", std::string("\x0a\x00", 2), {}, StatusCode::kPermissionDenied},
        {"garbage", "\xff\xff\xff\xff", {}, invalid},
        {"too large", std::string(257, 'x'), {}, invalid},
        {"much too large", std::string(100'000, 'x'), {fd}, invalid},
        {"garbage with a file", "\xff\xff", {fd}, invalid},
        {"a file to open", TokenOf(OpenGrant{kHash}), {fd}, invalid},
        {"nothing to import", TokenOf(ImportGrant{}), {}, invalid},
        {"two files", TokenOf(ImportGrant{}), {fd, fd}, invalid},
        {"three files", TokenOf(ImportGrant{}), {fd, fd, fd}, invalid},
        {"sixteen files", TokenOf(ImportGrant{}), std::vector<int>(16, fd), invalid},
        {"a directory", TokenOf(ImportGrant{}), {directory.fd()}, invalid},
        {"write only", TokenOf(ImportGrant{}), {write_only.fd()}, invalid},
        {"a socket", TokenOf(ImportGrant{}), {socket.fd()}, invalid},
        {"/proc", TokenOf(ImportGrant{}), {proc.fd()}, StatusCode::kUnimplemented},
    };
    for (const Case& c : cases) {
      SCOPED_TRACE(c.name);
      const auto peer = Connect();
      Send(peer, c.bytes, c.descriptors);
      EXPECT_EQ(Receive(peer).code(), c.code);
    }
    EXPECT_EQ(socket_->counts().refused, cases.size());
  }
  EXPECT_EQ(store_.started(), 0);
  AwaitIdle(before);
}

TEST_F(DataSocketTest, APeerThatSaysNothingIsTurnedAway) {
  DataOptions options;
  options.request_timeout = milliseconds(10);
  Start(options);
  const auto peer = Connect();
  EXPECT_EQ(Receive(peer).code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Receive(peer).ended);
}

TEST_F(DataSocketTest, APeerThatHangsUpCancelsWhatItBegan) {
  Start({});
  const size_t before = OpenDescriptors();
  {
    const auto peer = StartImport("12345");
    store_.AwaitStarted(1);
  }
  store_.AwaitCancelled(0);
  AwaitIdle(before);
  // A late answer finds nobody.
  store_.Finish(store::Import::Result{kHash, 5, false});
  const auto next = StartImport("67890");
  store_.AwaitStarted(2);
  store_.Finish(store::Import::Result{kHash, 5, false});
  EXPECT_TRUE(Receive(next).answer.has_imported());
}

TEST_F(DataSocketTest, ImportsTakeTurns) {
  DataOptions options;
  options.imports = {2, 8, 0};
  options.turn_timeout = minutes(10);
  Start(options);
  const size_t before = OpenDescriptors();
  std::vector<store::Descriptor> peers;
  peers.push_back(StartImport("a"));
  store_.AwaitStarted(1);
  peers.push_back(StartImport("b"));
  store_.AwaitStarted(2);
  auto leaves = std::make_optional(StartImport("c"));
  peers.push_back(StartImport("d"));
  // What comes behind them has been served, so they were heard of; both wait.
  const auto open = Connect();
  Send(open, TokenOf(OpenGrant{kHash}));
  EXPECT_TRUE(Receive(open).answer.has_opened());
  EXPECT_EQ(store_.started(), 2);
  leaves.reset();
  AwaitIdle(before + 2 * peers.size() + 1 + 2);  // and the one that waits holds its file
  EXPECT_EQ(store_.Finish(store::Import::Result{kHash, 1, false}).content, "a");
  store_.AwaitStarted(3);
  EXPECT_EQ(store_.Finish(store::Import::Result{kHash, 1, false}).content, "b");
  EXPECT_EQ(store_.Finish(store::Import::Result{kHash, 1, false}).content, "d");
  for (const auto& peer : peers) EXPECT_TRUE(Receive(peer).answer.has_imported());
}

// What holds the turns may take hours; a stream needs none.
TEST_F(DataSocketTest, WhoseTurnDoesNotComeIsToldSo) {
  DataOptions options;
  options.imports = {1, 8, 0};
  options.turn_timeout = milliseconds(20);
  Start(options);
  const auto slow = StartImport("a");
  store_.AwaitStarted(1);
  const auto waits = StartImport("b");
  EXPECT_EQ(Receive(waits).code(), StatusCode::kUnavailable) << "so that a stream is used instead";
  EXPECT_EQ(store_.started(), 1);
  store_.Finish(store::Import::Result{kHash, 1, false});
  EXPECT_TRUE(Receive(slow).answer.has_imported());
  const auto next = StartImport("c");
  store_.AwaitStarted(2);
  EXPECT_EQ(store_.Finish(store::Import::Result{kHash, 1, false}).content, "c");
  EXPECT_TRUE(Receive(next).answer.has_imported()) << "one that has begun may take longer";
}

TEST_F(DataSocketTest, ConnectionsOfAUidAreBounded) {
  DataOptions options;
  options.connections = {2, 8, 0};
  Start(options);
  auto first = std::make_optional(Connect());
  const auto second = Connect();
  const auto third = Connect();
  EXPECT_EQ(Receive(third).code(), StatusCode::kUnavailable) << "so that streams are used instead";
  EXPECT_TRUE(Receive(third).ended);
  first.reset();
  for (;;) {
    const auto next = Connect();
    Send(next, TokenOf(OpenGrant{kHash}));
    if (Receive(next).answer.has_opened()) break;
  }
}

// Descriptors on their way are a resource of the daemon's uid: who does not receive, waits.
TEST_F(DataSocketTest, AnUnreceivedDescriptorCountsAsAConnection) {
  DataOptions options;
  options.connections = {1, 8, 0};
  options.answer_timeout = microseconds(100);
  Start(options);
  auto hoarder = std::make_optional(Connect());
  Send(*hoarder, TokenOf(OpenGrant{kHash}));
  pollfd answered{hoarder->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&answered, 1, -1), 1);
  for (int i = 0; i < 50; ++i) {
    const auto next = Connect();
    ASSERT_EQ(Receive(next).code(), StatusCode::kUnavailable) << "its turn came after " << i;
  }
  // Received, it is let go without its closing.
  EXPECT_TRUE(Receive(*hoarder).answer.has_opened());
  EXPECT_TRUE(Receive(*hoarder).ended);
}

TEST_F(DataSocketTest, ThousandsOfConnectionsLeaveNothingBehind) {
  Start({});
  const size_t before = OpenDescriptors();
  const store::Descriptor file = FileWith("x");
  for (int i = 0; i < 3000; ++i) {
    const auto peer = Connect();
    if (i % 3 == 1) Send(peer, "\xff\xff", {file.fd()});
    if (i % 3 == 2) Send(peer, TokenOf(OpenGrant{kHash}));
  }
  // Those that were not accepted yet have no descriptor, and stand before the next one: as many as
  // a uid may have may be accepted with it.
  for (;;) {
    AwaitIdle(before + 1);
    const auto peer = Connect();
    Send(peer, TokenOf(OpenGrant{kHash}));
    const Received answer = Receive(peer);
    if (answer.answer.has_opened()) break;
    ASSERT_EQ(answer.code(), StatusCode::kUnavailable);
  }
  AwaitIdle(before + 1);
}

TEST_F(DataSocketTest, ShutdownCutsWhatRuns) {
  Start({});
  const auto peer = StartImport("12345");
  store_.AwaitStarted(1);
  socket_->Shutdown(milliseconds(1));
  EXPECT_TRUE(Receive(peer).ended);
  store_.AwaitCancelled(0);
}

TEST_F(DataSocketTest, AnotherTypeOfSocketIsRefused) {
  const auto started = DataSocket::Start(
      {store_, tokens_, nullptr}, store::Descriptor(*Listener::Bind(path_, "", SOCK_STREAM)), {});
  EXPECT_EQ(started.status().code(), StatusCode::kInvalidArgument);
  Start({});  // a dead socket is replaced, whatever its type was
  EXPECT_EQ(Listener::Bind(path_, "", SOCK_STREAM).status().code(), StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace blobd::rpc
