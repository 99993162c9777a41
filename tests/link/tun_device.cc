#include "tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/check.h"

namespace blobd::link {
namespace {

// Newer than the headers of Debian 12 (Linux 6.2): UDP super-packets.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;
constexpr unsigned kTunTso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

// The thread is in another network namespace as long as this lives.
class NamespaceVisit {
 public:
  static StatusOr<NamespaceVisit> Enter(const std::string& name) {
    const std::string path = name.find('/') == std::string::npos ? "/run/netns/" + name : name;
    Descriptor own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!own.is_open()) return ErrnoStatus(errno, "/proc/thread-self/ns/net");
    const Descriptor target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!target.is_open()) return ErrnoStatus(errno, "namespace " + path);
    if (setns(target.get(), CLONE_NEWNET) != 0) return ErrnoStatus(errno, "setns " + path);
    return NamespaceVisit(std::move(own));
  }
  NamespaceVisit(NamespaceVisit&&) = default;
  NamespaceVisit& operator=(NamespaceVisit&&) = delete;
  ~NamespaceVisit() {
    // Who was allowed to leave may come back; going on in the wrong namespace would be worse.
    if (own_.is_open()) BLOBD_CHECK(setns(own_.get(), CLONE_NEWNET) == 0);
  }

 private:
  explicit NamespaceVisit(Descriptor own) : own_(std::move(own)) {}
  Descriptor own_;
};

Status SetOffload(int fd, bool offload) {
  if (!offload) {
    return ioctl(fd, TUNSETOFFLOAD, 0ul) == 0 ? OkStatus() : ErrnoStatus(errno, "TUNSETOFFLOAD");
  }
  const unsigned long all = kTunTso | kTunUso4 | kTunUso6;
  if (ioctl(fd, TUNSETOFFLOAD, all) == 0) return OkStatus();
  // A kernel before 6.2 cuts UDP itself.
  if (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(kTunTso)) == 0) return OkStatus();
  return ErrnoStatus(errno, "TUNSETOFFLOAD");
}

}  // namespace

StatusOr<TunDevice> TunDevice::Open(const LinkSpec& spec, const LinkEnd& own, const LinkEnd& peer) {
  BLOBD_ASSIGN_OR_RETURN(const NamespaceVisit visit, NamespaceVisit::Enter(own.net_namespace));
  Descriptor fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.is_open()) return ErrnoStatus(errno, "/dev/net/tun");
  ifreq request = {};
  BLOBD_CHECK(spec.name.size() < sizeof request.ifr_name);
  spec.name.copy(request.ifr_name, spec.name.size());
  request.ifr_flags = static_cast<int16_t>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return ErrnoStatus(errno, "device " + spec.name + " in " + own.net_namespace);
  BLOBD_RETURN_IF_ERROR(SetOffload(fd.get(), spec.offload));

  BLOBD_ASSIGN_OR_RETURN(RouteSocket route, RouteSocket::Open());
  BLOBD_ASSIGN_OR_RETURN(const int index, route.DeviceIndex(spec.name));
  BLOBD_RETURN_IF_ERROR(route.Configure(index, spec.mtu, kDeviceQueuePackets));
  BLOBD_RETURN_IF_ERROR(route.BringUp(index));
  BLOBD_RETURN_IF_ERROR(route.AddAddress(index, own.address, peer.address));
  if (own.more_address && peer.more_address)
    BLOBD_RETURN_IF_ERROR(route.AddAddress(index, *own.more_address, *peer.more_address));
  return TunDevice(std::move(fd), std::move(route), index);
}

size_t TunDevice::Read(MutableBytes out) {
  const ssize_t size = read(fd_.get(), out.data(), out.size());
  return size > 0 ? static_cast<size_t>(size) : 0;
}

bool TunDevice::Write(ByteView packet) {
  return write(fd_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size());
}

StatusOr<uint64_t> TunDevice::missed() { return route_.DroppedOnTransmit(index_); }

}  // namespace blobd::link
