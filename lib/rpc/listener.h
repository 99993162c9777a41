// Listener: accepts connections on the Unix socket and hands them to gRPC with their credentials
// known. It has a thread of its own, which does nothing else.
//
// A socket made here has mode 0660 and the group given; a stale one is replaced, but only while we
// hold the lock on the state directory (the daemon's job). An inherited one (socket activation) is
// used as it is and never shut down: shutdown would act on systemd's copy too.
//
// Thread:    any. Ownership: owns the descriptor and the thread; the handler outlives it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/task.h"
#include "rpc/peer.h"

namespace blobd::rpc {

class Listener {
 public:
  // Makes a socket at `path`. `group`: a group name, or empty to leave the group as it is. `type`:
  // SOCK_STREAM for gRPC, SOCK_SEQPACKET for the data socket.
  static StatusOr<int> Bind(const std::string& path, const std::string& group, int type);

  // `on_connection` gets the descriptor for gRPC; it is called on the listener's thread.
  Listener(int listening, PeerTable& peers, UniqueFunction<void(int)> on_connection);
  // Stops accepting and closes the socket.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  void Run();

  const int listening_;
  const int stop_event_;
  PeerTable& peers_;
  UniqueFunction<void(int)> on_connection_;
  std::thread thread_;
};

}  // namespace blobd::rpc
