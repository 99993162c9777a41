#include "rpc/accept.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

namespace blobd::rpc {
namespace {

TEST(Accept, WhateverThereIsNoRoomForIsAReasonToPause) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EPERM, EPROTO})
    EXPECT_EQ(FailureOf(error), AcceptFailure::kPause) << error;
  EXPECT_EQ(FailureOf(EAGAIN), AcceptFailure::kNone);
  EXPECT_EQ(FailureOf(ECONNABORTED), AcceptFailure::kNext);
}

TEST(Accept, TakesOneConnectionAfterTheOther) {
  const store::Descriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // The kernel gives it a name.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_EQ(bind(listening.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family),
            0);
  ASSERT_EQ(listen(listening.fd(), 2), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(listening.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const store::Descriptor caller(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(caller.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
  AcceptFailure failure = AcceptFailure::kPause;
  EXPECT_TRUE(Accept(listening.fd(), &failure).is_open());
  EXPECT_FALSE(Accept(listening.fd(), &failure).is_open());
  EXPECT_EQ(failure, AcceptFailure::kNone);
}

}  // namespace
}  // namespace blobd::rpc
