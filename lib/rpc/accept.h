// Accepting connections on a Unix socket, without spinning when the machine has no room for them.
//
// Thread: any.
#pragma once

#include "base/status.h"
#include "store/descriptor.h"

namespace blobd::rpc {

enum class AcceptFailure {
  kNone,   // no connection waits
  kNext,   // this one is gone; others may wait
  kPause,  // there is no room for it now: it waits in the backlog, and accepting again at once
           // would fail again, as the socket stays readable
};

// What follows from the errno of accept().
AcceptFailure FailureOf(int error);

// Accepts one connection, non-blocking; not open if there is none, and then `failure` says why.
store::Descriptor Accept(int listening, AcceptFailure* failure);

}  // namespace blobd::rpc
