// NetworkWatch: tells when the machine's network has changed: an interface, an address or the way
// out came or went (rtnetlink(7)). The kernel's messages are only taken as a sign that something
// did; what there is now is asked for, so a lost message costs nothing.
//
// Thread:    the loop's.
// Ownership: the loop outlives it.
// Errors:    what cannot be asked for reads as not there.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/socket_address.h"
#include "base/status.h"
#include "base/task.h"
#include "loop/loop.h"

namespace blobd::loop {

// An address of an interface that is up and has a carrier. Port 0.
struct InterfaceAddress {
  std::string interface;
  SocketAddress ip;
  auto operator<=>(const InterfaceAddress&) const = default;
};

// By what interface, gateway and address of ours a packet to the Internet would leave.
struct WayOut {
  uint32_t interface = 0;  // 0: none
  std::array<uint8_t, 16> gateway{};
  std::array<uint8_t, 16> source{};
  bool operator==(const WayOut&) const = default;
};

struct NetworkState {
  std::vector<InterfaceAddress> addresses;  // in order; loopback too
  WayOut ipv4;
  WayOut ipv6;
  bool operator==(const NetworkState&) const = default;

  static NetworkState Now();
};

struct NetworkChange {
  // We may be somewhere else now: the way out is another one, or one of our addresses came or went
  // that others can know. Link-local ones do with every container of the machine.
  bool major = false;
  bool back = false;     // more can be reached: such an address, or a way out, that was not there
  bool way_out = false;  // the way out is another one
  std::vector<SocketAddress> gone;  // addresses from which nothing can be sent any more
  NetworkState state;
};

class NetworkWatch {
 public:
  // Changes come in bursts; what follows within this time is one.
  static constexpr Duration kSettle = milliseconds(50);

  // `changed` is called from the loop; it must not destroy the watch.
  static StatusOr<std::unique_ptr<NetworkWatch>> Open(
      Loop& loop, UniqueFunction<void(const NetworkChange&)> changed);
  ~NetworkWatch();
  NetworkWatch(const NetworkWatch&) = delete;
  NetworkWatch& operator=(const NetworkWatch&) = delete;

  const NetworkState& state() const { return state_; }

 private:
  NetworkWatch(Loop& loop, int fd, UniqueFunction<void(const NetworkChange&)> changed);
  void OnReadable();
  void Look();

  Loop& loop_;
  const int fd_;
  UniqueFunction<void(const NetworkChange&)> changed_;
  NetworkState state_;
  TimerId timer_ = 0;
};

// What is different between the two; nullopt if nothing is.
std::optional<NetworkChange> Compare(const NetworkState& before, const NetworkState& after);

}  // namespace blobd::loop
