#include "http/private_network_for_test.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace blobd::http {
namespace {

bool have = false;

bool SetAddress(int fd, unsigned long request, const char* device, const char* address) {
  ifreq wish{};
  std::strncpy(wish.ifr_name, device, IFNAMSIZ - 1);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  inet_pton(AF_INET, address, &in.sin_addr);
  std::memcpy(&wish.ifr_addr, &in, sizeof in);
  return ioctl(fd, request, &wish) == 0;
}

bool SetUpNetwork() {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq up{};
  std::strncpy(up.ifr_name, "lo", IFNAMSIZ - 1);
  up.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  const bool done = ioctl(fd, SIOCSIFFLAGS, &up) == 0 &&
                    SetAddress(fd, SIOCSIFADDR, "lo:0", kHostA.c_str()) &&
                    SetAddress(fd, SIOCSIFNETMASK, "lo:0", "255.255.255.0");
  close(fd);
  return done;
}

// Threads inherit their maker's network, so it must be made before the first of them.
class PrivateNetwork final : public testing::Environment {
 public:
  void SetUp() override { have = SetUpNetwork(); }
};
const testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new PrivateNetwork);  // gtest owns it

}  // namespace

bool HavePrivateNetwork() { return have; }

}  // namespace blobd::http
