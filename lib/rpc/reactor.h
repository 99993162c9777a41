// Reactor<Base>: a gRPC reactor whose operations start, and whose events arrive, under one lock.
// gRPC hands a call from thread to thread by locks of its own that the thread sanitizer cannot see;
// with this one it sees every hand-over, and races of ours stand out.
//
// Thread:    operations from any thread, events on gRPC's threads.
// Ownership: deletes itself once gRPC has no use for it, so it is made by `new` and nothing may
//            touch it after End, unless a derived class overrides Gone.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <type_traits>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"
#include "rpc/admission.h"
#include "rpc/call_book.h"
#include "rpc/status_code.h"

namespace blobd::rpc {

template <typename Base>
class Reactor : public Base {
 public:
  static constexpr bool kIsStream = !std::is_base_of_v<grpc::ServerUnaryReactor, Base>;

  // Its entry among the calls. REQUIRES: called once, before End
  void Enter(CallBook::Entry entry) { entry_ = std::move(entry); }
  // Ends the call. REQUIRES: called once
  void End(const Status& status) {
    entry_.Note(status);
    EndWith(ToGrpc(status));
  }

  // Whose call it is. REQUIRES: before its first command
  void SetAdmin(bool is_admin) { is_admin_ = is_admin; }
  bool is_admin() const { return is_admin_; }

  // What the call holds until it ends, and of that its answer until that is taken.
  // REQUIRES: it has not ended
  void Hold(Admission::Ticket ticket) { ticket_ = std::move(ticket); }

  void OnDone() final {
    { const MutexLock lock(hand_over_); }
    Gone();
  }

 protected:
  void EndWith(const grpc::Status& status) {
    entry_.End(static_cast<StatusCode>(status.error_code()));
    ticket_.Answered();
    const MutexLock lock(hand_over_);
    Base::Finish(status);
  }
  template <typename Message>
  void Write(const Message* message) {
    const MutexLock lock(hand_over_);
    Base::StartWrite(message);
  }
  template <typename Message>
  void Read(Message* message) {
    const MutexLock lock(hand_over_);
    Base::StartRead(message);
  }
  // To be called first in every event of a derived class.
  void TakeOver() { const MutexLock lock(hand_over_); }
  // The last call: the call is over.
  virtual void Gone() { delete this; }

 private:
  Mutex hand_over_;
  CallBook::Entry entry_;
  Admission::Ticket ticket_;
  bool is_admin_ = false;
};

// How a call ends whose caller takes nothing more.
inline Status CallerIsGone() { return Cancelled("the caller is gone"); }

// A call with one answer.
using UnaryReactor = Reactor<grpc::ServerUnaryReactor>;

// Ends a call before it has begun, for a handler to return.
inline UnaryReactor* Refuse(UnaryReactor* reactor, const Status& status) {
  reactor->End(status);
  return reactor;
}

}  // namespace blobd::rpc
