// The network as doctor_machine.h looks at it.
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/units.h"
#include "client/doctor_machine.h"

namespace blobd::client {
namespace {

// What blobd asks for (quic/udp_socket.cc).
constexpr uint64_t kWantedBuffer = 2 << 20;
// Below this QUIC does not work at all; IPv6 guarantees it.
constexpr uint64_t kSmallestMtu = 1280;
constexpr uint64_t kUsualMtu = 1500;

std::string TextOf(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<uint64_t> NumberIn(const std::string& path) {
  const std::string text = TextOf(path);
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() ? std::optional(number) : std::nullopt;
}

std::optional<uint64_t> HexOf(std::string_view text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? std::optional(number)
                                                                             : std::nullopt;
}

std::vector<std::vector<std::string>> Rows(std::string_view text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    rows.emplace_back();
    for (std::string word; words >> word;) rows.back().push_back(word);
  }
  return rows;
}

// One of ethtool's switches; nullopt: the interface does not say.
std::optional<bool> Offload(const std::string& interface, uint32_t command) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  ethtool_value value{command, 0};
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const bool told = ioctl(fd, SIOCETHTOOL, &request) == 0;
  close(fd);
  return told ? std::optional(value.data != 0) : std::nullopt;
}

void JudgeMtu(const std::string& interface, uint64_t mtu, Findings* findings) {
  if (mtu < kSmallestMtu) {
    findings->push_back(
        Problem("mtu", fmt::format("{} takes only {} bytes a packet", interface, mtu),
                fmt::format("raise it: \"ip link set {} mtu 1500\", or 1280 at least", interface)));
  } else if (mtu < kUsualMtu) {
    findings->push_back(
        Well("mtu",
             fmt::format("{} takes {} bytes a packet; blobd finds out what fits", interface, mtu)));
  } else {
    findings->push_back(Well("mtu", fmt::format("{} takes {} bytes a packet", interface, mtu)));
  }
}

void JudgeOffloads(const std::string& interface, Findings* findings) {
  struct Switch {
    uint32_t command;
    const char* name;
    const char* what;
  };
  bool all_on = true;
  for (const Switch& each : {Switch{ETHTOOL_GGRO, "gro", "generic receive offload"},
                             Switch{ETHTOOL_GGSO, "gso", "generic segmentation offload"}}) {
    const auto on = Offload(interface, each.command);
    if (!on) return;
    if (*on) continue;
    all_on = false;
    findings->push_back(
        Warning("offloads",
                fmt::format("{} has {} switched off: each packet costs more", interface, each.what),
                fmt::format("\"ethtool -K {} {} on\"", interface, each.name)));
  }
  if (all_on)
    findings->push_back(Well("offloads", fmt::format("{} has GRO and GSO on", interface)));
}

// Whether packet filters may be there that we cannot see the rules of.
bool MayBeFiltered() {
  std::error_code error;
  return !TextOf("/proc/net/ip_tables_names").empty() ||
         std::filesystem::exists("/sys/module/nf_tables", error);
}

bool IsLoopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("[::1]");
}

std::optional<uint16_t> PortOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint16_t port = 0;
  if (colon == std::string::npos) return std::nullopt;
  const char* end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(port) : std::nullopt;
}

}  // namespace

std::string OutgoingInterface(std::string_view routes) {
  // Iface Destination Gateway Flags RefCnt Use Metric Mask
  std::string best;
  int64_t least = 0;
  for (const auto& row : Rows(routes)) {
    if (row.size() < 8 || row[1] != "00000000" || row[7] != "00000000") continue;
    const auto flags = HexOf(row[3]);
    if (!flags || (*flags & 1) == 0) continue;  // not up
    int64_t metric = 0;
    std::from_chars(row[6].data(), row[6].data() + row[6].size(), metric);
    if (!best.empty() && metric >= least) continue;
    best = row[0];
    least = metric;
  }
  return best;
}

std::string OutgoingInterface6(std::string_view routes) {
  // Destination Length Source Length NextHop Metric RefCnt Use Flags Iface
  constexpr uint64_t kReject = 0x200;
  std::string best;
  uint64_t least = 0;
  for (const auto& row : Rows(routes)) {
    if (row.size() < 10 || row[1] != "00" || row[0] != std::string(32, '0') || row[9] == "lo")
      continue;
    const auto metric = HexOf(row[5]);
    const auto flags = HexOf(row[8]);
    if (!metric || !flags || (*flags & kReject) != 0) continue;
    if (!best.empty() && *metric >= least) continue;
    best = row[9];
    least = *metric;
  }
  return best;
}

bool HasPort(std::string_view sockets, uint16_t port) {
  for (const auto& row : Rows(sockets)) {
    if (row.size() < 2) continue;
    const size_t colon = row[1].rfind(':');
    if (colon == std::string::npos) continue;
    const auto bound = HexOf(std::string_view(row[1]).substr(colon + 1));
    if (bound && *bound == port) return true;
  }
  return false;
}

Findings CheckPorts(const std::vector<std::string>& listen_addresses) {
  Findings findings;
  const std::string sockets = TextOf("/proc/net/udp") + TextOf("/proc/net/udp6");
  bool reachable = false;
  std::string ports;
  for (const std::string& address : listen_addresses) {
    const auto port = PortOf(address);
    if (!port) continue;
    if (!HasPort(sockets, *port)) {
      findings.push_back(
          Warning("port", fmt::format("no socket with UDP port {} is to be seen here", *port),
                  "blobd may be in a network of its own (a container); look from there"));
      continue;
    }
    reachable = reachable || !IsLoopback(address);
    const std::string text = std::to_string(*port);
    if (ports.find(text) == std::string::npos) ports += (ports.empty() ? "" : " and ") + text;
  }
  if (listen_addresses.empty()) {
    findings.push_back(Problem("port", "blobd listens on no UDP address", "its journal says why"));
  } else if (!ports.empty() && !reachable) {
    findings.push_back(Warning("port", fmt::format("UDP port {} is for this machine only", ports),
                               "set listen in blobd.toml(5), if others are to reach this node"));
  } else if (!ports.empty()) {
    findings.push_back(
        MayBeFiltered()
            ? Well("port",
                   fmt::format("UDP port {} is bound; a packet filter may be loaded", ports),
                   fmt::format("if others are to reach this node, it must let UDP port {} in",
                               ports))
            : Well("port", fmt::format("UDP port {} is bound", ports)));
  }
  return findings;
}

Findings CheckInterface() {
  std::string interface = OutgoingInterface(TextOf("/proc/net/route"));
  if (interface.empty()) interface = OutgoingInterface6(TextOf("/proc/net/ipv6_route"));
  if (interface.empty()) {
    return {Warning("route", "no route leads out of the machine's own networks",
                    "connect it, if blobd is to get anything from elsewhere")};
  }
  Findings findings;
  if (const auto mtu = NumberIn("/sys/class/net/" + interface + "/mtu"))
    JudgeMtu(interface, *mtu, &findings);
  JudgeOffloads(interface, &findings);
  return findings;
}

Findings CheckBuffers() {
  Findings findings;
  for (const char* name : {"rmem_max", "wmem_max"}) {
    const auto most = NumberIn(fmt::format("/proc/sys/net/core/{}", name));
    if (!most || *most >= kWantedBuffer) continue;
    findings.push_back(Warning(
        "buffers",
        fmt::format("net.core.{} is {}, and blobd would use {}: fast links lose packets", name,
                    FormatSize(*most), FormatSize(kWantedBuffer)),
        fmt::format("\"sysctl -w net.core.{}={}\", and a file in /etc/sysctl.d for the next boot",
                    name, kWantedBuffer)));
  }
  if (findings.empty())
    findings.push_back(Well("buffers", "the kernel lets sockets buffer as much as blobd wants"));
  return findings;
}

Finding CheckName(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (found != nullptr) freeaddrinfo(found);
  switch (error) {
    case 0:
    case EAI_NODATA:  // a name that is there, without an address
      return Well("dns", name + " is known to DNS");
    case EAI_NONAME:
      return Warning("dns", name + " is not known to DNS",
                     "see [lookup] in blobd.toml(5): is the name right?");
    default:
      return Problem("dns",
                     fmt::format("DNS does not answer for {}: {}", name, gai_strerror(error)),
                     "see /etc/resolv.conf, and whether its servers can be reached");
  }
}

}  // namespace blobd::client
