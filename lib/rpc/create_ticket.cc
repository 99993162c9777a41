#include "rpc/create_ticket.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error_reason.h"
#include "path/address_book.h"
#include "rpc/convert.h"
#include "wire/ticket.h"

namespace blobd::rpc {
namespace {

std::string NoteOnCompleteness(const transfer::Inventory& inventory) {
  if (inventory.kind.format == BlobFormat::kRaw || !inventory.children_known) {
    return fmt::format("only {} bytes of it are here; the rest cannot be got from this daemon yet",
                       inventory.root.verified_bytes);
  }
  return fmt::format("only {} of its {} blobs are complete here", inventory.complete_blobs(),
                     inventory.total_blobs());
}

std::string NoteOnServing(transfer::ServeMode mode) {
  switch (mode) {
    case transfer::ServeMode::kAnyone:
      return {};
    case transfer::ServeMode::kListed:
      return "only the nodes that the configuration lists (serve.nodes) are served";
    case transfer::ServeMode::kNobody:
      return "the configuration says that nobody is served (serve.mode)";
  }
  return {};
}

}  // namespace

StatusOr<TicketWish> ToTicketWish(const v1::CreateTicketRequest& request) {
  TicketWish wish;
  BLOBD_ASSIGN_OR_RETURN(wish.kind, ToKind(request.kind(), "kind"));
  BLOBD_ASSIGN_OR_RETURN(wish.addresses, ToAddresses(request.addresses(), "addresses"));
  for (const SocketAddress& address : wish.addresses) {
    if (path::AddressBook::CanBeDialled(address)) continue;
    return FieldError(Reason::kNotDiallable, "addresses", "{} cannot be dialled",
                      address.ToString());
  }
  wish.no_addresses = request.no_addresses();
  wish.include_loopback = request.include_loopback();
  if (wish.no_addresses && (!wish.addresses.empty() || wish.include_loopback)) {
    return FieldError(Reason::kInvalidField, "no_addresses",
                      "it contradicts the addresses that are asked for");
  }
  return wish;
}

StatusOr<v1::CreateTicketResponse> CreateTicket(const DaemonIdentity& identity,
                                                const TicketWish& wish,
                                                const transfer::Inventory& inventory,
                                                const std::vector<SocketAddress>& own) {
  const store::BlobInfo& root = inventory.root;
  if (root.state == store::BlobState::kAbsent) {
    return ErrorFor(Reason::kUnknownBlob, "nothing of {} is here", root.hash.ToHex());
  }
  if (root.is_private) {
    return ErrorFor(Reason::kBlobPrivate,
                    "{} is private and served to nobody; an administrator may publish it",
                    root.hash.ToHex());
  }
  wire::NodeAddr addr;
  addr.node = identity.node_id;
  if (!wish.no_addresses) addr.addresses = wish.addresses.empty() ? own : wish.addresses;
  if (addr.addresses.size() > static_cast<size_t>(kMaxAddresses)) {
    addr.addresses.resize(static_cast<size_t>(kMaxAddresses));
  }
  addr.Sort();

  v1::CreateTicketResponse response;
  response.set_ticket(wire::FormatTicket(wire::BlobTicket{addr, wish.kind}));
  response.mutable_node()->set_node_id(addr.node.ToHex());
  for (const SocketAddress& address : addr.addresses)
    response.mutable_node()->add_addresses(address.ToString());
  Fill(wish.kind, response.mutable_kind());
  response.set_complete(inventory.complete());
  const auto note = [&response](std::string text) {
    if (!text.empty()) response.add_notes(std::move(text));
  };
  if (!response.complete()) note(NoteOnCompleteness(inventory));
  const auto hidden = std::count_if(inventory.children.begin(), inventory.children.end(),
                                    [](const auto& child) { return child.blob.is_private; });
  if (hidden > 0) note(fmt::format("{} of its blobs are private and served to nobody", hidden));
  if (addr.addresses.empty() && !wish.no_addresses) {
    note(
        "no address of this machine is known that others could reach, so the ticket names the node "
        "only; name an address, or ask for loopback ones");
  }
  note(NoteOnServing(identity.serve));
  return response;
}

}  // namespace blobd::rpc
