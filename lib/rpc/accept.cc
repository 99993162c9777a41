#include "rpc/accept.h"

#include <sys/socket.h>

#include <cerrno>

namespace blobd::rpc {

AcceptFailure FailureOf(int error) {
  switch (error) {
    case EAGAIN:
      return AcceptFailure::kNone;
    case ECONNABORTED:
    case EINTR:
      return AcceptFailure::kNext;
    default:
      // EMFILE, ENFILE, ENOMEM, ENOBUFS; and what nobody foresaw is no reason to spin either.
      return AcceptFailure::kPause;
  }
}

store::Descriptor Accept(int listening, AcceptFailure* failure) {
  store::Descriptor connection(accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.is_open()) *failure = FailureOf(errno);
  return connection;
}

}  // namespace blobd::rpc
