#include "wire/addr.h"

#include <algorithm>
#include <array>
#include <utility>

namespace blobd::wire {
namespace {

constexpr uint64_t kV4 = 0;
constexpr uint64_t kV6 = 1;

constexpr uint64_t kRelay = 0;
constexpr uint64_t kIp = 1;
constexpr uint64_t kCustom = 2;

constexpr uint8_t kInlineCustomSize = 30;
constexpr size_t kMaxCustomSize = 1024;

bool ComesBefore(const SocketAddress& a, const SocketAddress& b) {
  if (a.is_v4() != b.is_v4()) return a.is_v4();
  return a < b;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// The URL with all that does not tell relays apart taken out; what is no URL stays as it is.
std::string RelayKey(std::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return std::string(url);
  const size_t host_begin = scheme_end + 3;
  const size_t authority_end = std::min(url.find_first_of("/?#", host_begin), url.size());
  const std::string_view authority = url.substr(host_begin, authority_end - host_begin);
  // A colon inside of brackets belongs to an IPv6 address.
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string host = ToLower(authority.substr(0, colon));
  if (host.size() > 1 && host.back() == '.') host.pop_back();

  std::string key = ToLower(url.substr(0, host_begin)) + host;
  if (colon != std::string_view::npos) key += authority.substr(colon);
  if (authority_end == url.size() || url[authority_end] != '/') key += '/';
  key += url.substr(authority_end);
  return key;
}

StatusOr<std::string> ReadRelayUrl(Reader& reader) { return reader.String(kMaxRelayUrlSize); }

template <size_t kSize>
StatusOr<std::array<uint8_t, kSize>> ReadArray(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(const ByteView bytes, reader.Raw(kSize));
  std::array<uint8_t, kSize> array{};
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

Status SkipCustomAddress(Reader& reader) {
  BLOBD_RETURN_IF_ERROR(reader.Varint().status());  // the id of the transport
  BLOBD_ASSIGN_OR_RETURN(const uint64_t form, reader.VarintUpTo(1));
  if (form == 1) return reader.Blob(kMaxCustomSize).status();
  BLOBD_ASSIGN_OR_RETURN(const uint8_t used, reader.Byte());
  if (used > kInlineCustomSize) {
    return InvalidArgument("a custom address says that {} of its {} bytes are used", used,
                           kInlineCustomSize);
  }
  return reader.Raw(kInlineCustomSize).status();
}

}  // namespace

void NodeAddr::Sort() {
  std::sort(relay_urls.begin(), relay_urls.end());
  relay_urls.erase(std::unique(relay_urls.begin(), relay_urls.end()), relay_urls.end());
  std::sort(addresses.begin(), addresses.end(), ComesBefore);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
}

bool IsSameRelay(std::string_view a, std::string_view b) { return RelayKey(a) == RelayKey(b); }

void WriteSocketAddress(const SocketAddress& address, Writer& writer) {
  if (address.is_v4()) {
    writer.Varint(kV4);
    writer.Raw(address.ip4());
  } else {
    writer.Varint(kV6);
    writer.Raw(address.ip16());
  }
  writer.Varint(address.port());
}

StatusOr<SocketAddress> ReadSocketAddress(Reader& reader) {
  constexpr uint64_t kMaxPort = 65535;
  BLOBD_ASSIGN_OR_RETURN(const uint64_t family, reader.VarintUpTo(kV6));
  if (family == kV4) {
    BLOBD_ASSIGN_OR_RETURN(const auto ip4, ReadArray<4>(reader));
    BLOBD_ASSIGN_OR_RETURN(const uint64_t port, reader.VarintUpTo(kMaxPort));
    return SocketAddress::V4(ip4, static_cast<uint16_t>(port));
  }
  BLOBD_ASSIGN_OR_RETURN(const auto ip6, ReadArray<16>(reader));
  BLOBD_ASSIGN_OR_RETURN(const uint64_t port, reader.VarintUpTo(kMaxPort));
  return SocketAddress::V6(ip6, static_cast<uint16_t>(port));
}

void WriteNodeAddr(const NodeAddr& addr, Writer& writer) {
  NodeAddr sorted = addr;
  sorted.Sort();
  writer.Raw(sorted.node.view());
  if (sorted.relay_urls.empty()) {
    writer.Byte(0);
  } else {
    writer.Byte(1);
    writer.String(sorted.relay_urls.front());
  }
  writer.Varint(sorted.addresses.size());
  for (const SocketAddress& address : sorted.addresses) WriteSocketAddress(address, writer);
}

StatusOr<NodeAddr> ReadNodeAddr(Reader& reader) {
  constexpr size_t kMinSocketAddressSize = 6;
  NodeAddr addr;
  BLOBD_ASSIGN_OR_RETURN(addr.node, reader.ReadNodeId());
  BLOBD_ASSIGN_OR_RETURN(const bool has_relay, reader.Option());
  if (has_relay) {
    BLOBD_ASSIGN_OR_RETURN(std::string url, ReadRelayUrl(reader));
    addr.relay_urls.push_back(std::move(url));
  }
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(kMinSocketAddressSize, kMaxAddresses));
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(const SocketAddress address, ReadSocketAddress(reader));
    addr.addresses.push_back(address);
  }
  addr.Sort();
  return addr;
}

void WriteEndpointAddr(const NodeAddr& addr, Writer& writer) {
  NodeAddr sorted = addr;
  sorted.Sort();
  writer.Raw(sorted.node.view());
  writer.Varint(sorted.relay_urls.size() + sorted.addresses.size());
  for (const std::string& url : sorted.relay_urls) {
    writer.Varint(kRelay);
    writer.String(url);
  }
  for (const SocketAddress& address : sorted.addresses) {
    writer.Varint(kIp);
    WriteSocketAddress(address, writer);
  }
}

StatusOr<NodeAddr> ReadEndpointAddr(Reader& reader) {
  constexpr size_t kMinAddressSize = 2;
  NodeAddr addr;
  BLOBD_ASSIGN_OR_RETURN(addr.node, reader.ReadNodeId());
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(kMinAddressSize, kMaxAddresses));
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t transport, reader.VarintUpTo(kCustom));
    if (transport == kRelay) {
      BLOBD_ASSIGN_OR_RETURN(std::string url, ReadRelayUrl(reader));
      addr.relay_urls.push_back(std::move(url));
    } else if (transport == kIp) {
      BLOBD_ASSIGN_OR_RETURN(const SocketAddress address, ReadSocketAddress(reader));
      addr.addresses.push_back(address);
    } else {
      BLOBD_RETURN_IF_ERROR(SkipCustomAddress(reader));
    }
  }
  addr.Sort();
  return addr;
}

}  // namespace blobd::wire
