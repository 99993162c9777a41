// RouteSocket: sets up and reads network devices of one namespace through rtnetlink.
//
// Thread:  one at a time. Calls block until the kernel has answered, which it does at once, except
//          for AddAddress.
// Errors:  what the kernel refused, with its errno's text.
// Sources: rtnetlink(7), netlink(7).
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "descriptor.h"
#include "link_spec.h"

namespace blobd::link {

class RouteSocket {
 public:
  // Belongs to the namespace that the thread is in now, for good.
  static StatusOr<RouteSocket> Open();

  StatusOr<int> DeviceIndex(const std::string& device) const;
  // Sets MTU and the length of the device's own queue, and keeps the kernel from giving it a
  // link-local address, which would announce itself with packets nobody asked for.
  Status Configure(int device_index, uint32_t mtu, uint32_t queue_packets);
  Status BringUp(int device_index);
  // Returns when the address and the route to `peer` are in use: those of IPv6 are finished by a
  // worker of the kernel, and without this the first packets would find no route.
  Status AddAddress(int device_index, const InterfaceAddress& own, const InterfaceAddress& peer);
  // Packets that the device dropped instead of giving them to us.
  StatusOr<uint64_t> DroppedOnTransmit(int device_index);

 private:
  explicit RouteSocket(Descriptor socket) : socket_(std::move(socket)) {}
  // Whether packets to `own` are for this machine and those to `peer` go to the device.
  bool AreRouted(int device_index, const InterfaceAddress& own, const InterfaceAddress& peer);
  // The kind of the route to `address` (rtnetlink's RTN_...) and its device; kind 0 without a
  // route.
  struct Route {
    int kind = 0;
    int device_index = 0;
  };
  Route FindRoute(const InterfaceAddress& address);
  // Sends `request`, which it completes, and returns the answer's payload (of the acknowledgement:
  // nothing).
  StatusOr<std::string> Ask(class RouteRequest& request);

  Descriptor socket_;
  uint32_t sequence_ = 0;
};

}  // namespace blobd::link
