// Sources: from which of our addresses a datagram leaves. Asking the kernel takes four system calls
// (route.h), and pings go to the same hosts again and again; so its answer is believed until the
// network changes. Changes that nobody tells of, as of a single route, are noticed within 30 s.
//
// Thread: one. Bounded: of too many hosts all are asked for anew. Time is an argument.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/socket_address.h"
#include "base/task.h"
#include "base/time.h"

namespace blobd::quic {

class Sources {
 public:
  static constexpr Duration kAskAgain = seconds(30);
  static constexpr size_t kMaxHosts = 4096;

  // `ask` says what the kernel knows (SourceTowards, in tests something else).
  using Ask = UniqueFunction<std::optional<SocketAddress>(const SocketAddress&)>;
  explicit Sources(Ask ask) : ask_(std::move(ask)) {}

  // nullopt if there is no way to it; that is asked for every time.
  std::optional<SocketAddress> Towards(const SocketAddress& to, Instant now);
  // The network has changed.
  void Forget() { answers_.clear(); }

 private:
  struct Answer {
    SocketAddress source;
    Instant until;
  };
  Ask ask_;
  std::unordered_map<SocketAddress, Answer> answers_;  // by host, without a port
};

}  // namespace blobd::quic
