#include "registry/fields.h"

#include <algorithm>

#include "base/overloaded.h"

namespace blobd::registry {
namespace {

constexpr int64_t kNodeKind = 0;
constexpr int64_t kMirrorKind = 1;

}  // namespace

ProviderKey KeyOf(const ProviderId& provider) {
  return std::visit(Overloaded{[](const NodeId& node) {
                                 return ProviderKey{kNodeKind, node.view()};
                               },
                               [](const MirrorUrl& mirror) {
                                 return ProviderKey{kMirrorKind, AsBytes(mirror.url)};
                               }},
                    provider);
}

ProviderId ReadProviderKey(sqlite::RowReader& row) {
  if (row.Integer(kNodeKind, kMirrorKind) == kMirrorKind) {
    const ByteView url = row.Blob(kMaxText);
    if (url.empty()) row.Refuse("is an empty URL");
    return MirrorUrl{std::string(AsText(url))};
  }
  NodeId node;
  row.FixedBlob(node.bytes);
  return node;
}

AddressKey KeyOf(const SocketAddress& address) {
  AddressKey key{};
  std::copy(address.ip16().begin(), address.ip16().end(), key.begin());
  key[16] = static_cast<uint8_t>(address.port() >> 8);
  key[17] = static_cast<uint8_t>(address.port());
  return key;
}

SocketAddress ReadAddressKey(sqlite::RowReader& row) {
  AddressKey key{};
  row.FixedBlob(key);
  std::array<uint8_t, 16> ip{};
  std::copy_n(key.begin(), ip.size(), ip.begin());
  return SocketAddress::V6(ip, static_cast<uint16_t>(key[16] << 8 | key[17]));
}

Kind ReadKind(sqlite::RowReader& row) {
  Kind kind;
  row.FixedBlob(kind.hash.bytes);
  kind.format = static_cast<BlobFormat>(row.Integer(0, Number(BlobFormat::kHashSeq)));
  return kind;
}

void CheckSum(sqlite::RowReader& row) {
  if (!row.Boolean()) row.Refuse("tells that the row was changed by nobody of us");
}

Status CheckText(std::string_view what, std::string_view text) {
  if (text.size() <= kMaxText) return OkStatus();
  return InvalidArgument("{} of {} bytes is longer than {}", what, text.size(), kMaxText);
}

Status CheckProvider(const ProviderId& provider) {
  return CheckText("provider", AsText(KeyOf(provider).bytes));
}

Status CheckUnsigned(std::string_view what, uint64_t value) {
  if (value <= kMaxInteger) return OkStatus();
  return InvalidArgument("{} {} is too large", what, value);
}

}  // namespace blobd::registry
