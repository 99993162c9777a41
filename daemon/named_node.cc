#include "daemon/named_node.h"

#include <string>

#include "path/address_book.h"
#include "wire/text.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxAddresses = 32;

}  // namespace

StatusOr<engine::NamedProvider> ParseNamedNode(std::string_view text) {
  engine::NamedProvider peer;
  peer.source = "config";
  const size_t at = text.find('@');
  const auto id = wire::ParseNodeId(text.substr(0, at));
  if (!id) return InvalidArgument("no node id: 64 hex digits or 52 base32 characters");
  peer.provider = *id;
  if (at == std::string_view::npos) return peer;
  for (std::string_view rest = text.substr(at + 1);;) {
    const std::string_view one = rest.substr(0, rest.find(','));
    const auto address = SocketAddress::Parse(std::string(one));
    if (!address || !path::AddressBook::CanBeDialled(*address)) {
      return InvalidArgument("\"{}\" is no address that can be dialled", one);
    }
    peer.addresses.push_back(*address);
    if (peer.addresses.size() > kMaxAddresses) {
      return InvalidArgument("more than {} addresses", kMaxAddresses);
    }
    if (one.size() == rest.size()) return peer;
    rest.remove_prefix(one.size() + 1);
  }
}

}  // namespace blobd::daemon
