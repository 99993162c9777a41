// TunDevice: one end of a link, a tun device in a network namespace. What programs of the namespace
// send through it is read here, and what is written here arrives there.
//
// Thread:    one at a time. Open moves the calling thread into the namespace and back.
// Ownership: the device goes away with the object.
// Errors:    kPermissionDenied without CAP_NET_ADMIN, kNotFound for a namespace that is not there.
// Sources:   Linux, Documentation/networking/tuntap.rst.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/status.h"
#include "descriptor.h"
#include "link_spec.h"
#include "route_socket.h"

namespace blobd::link {

// What the kernel keeps for us while we are busy or not scheduled. At 200,000 packets per second it
// is 40 ms.
inline constexpr uint32_t kDeviceQueuePackets = 8192;

class TunDevice {
 public:
  // The device is up and has its addresses when this returns.
  static StatusOr<TunDevice> Open(const LinkSpec& spec, const LinkEnd& own, const LinkEnd& peer);

  int fd() const { return fd_.get(); }
  // Reads one packet with its virtio header. Returns its size, 0 if there is none now.
  size_t Read(MutableBytes out);
  // Writes one packet with its virtio header. False if the kernel refused it.
  bool Write(ByteView packet);
  // Packets that the kernel dropped because they were not read fast enough; 0 in a fair test.
  StatusOr<uint64_t> missed();

 private:
  TunDevice(Descriptor fd, RouteSocket route, int index)
      : fd_(std::move(fd)), route_(std::move(route)), index_(index) {}

  Descriptor fd_;
  RouteSocket route_;
  int index_;
};

}  // namespace blobd::link
