#include "wire/ticket.h"

#include <array>
#include <utility>

#include "base/overloaded.h"
#include "wire/base32.h"
#include "wire/postcard.h"

namespace blobd::wire {
namespace {

constexpr std::string_view kBlobPrefix = "blob";
constexpr std::string_view kNodePrefix = "node";
constexpr std::string_view kEndpointPrefix = "endpoint";

// All three are enums with room for later forms; only the first exists.
constexpr uint64_t kVariant = 0;

std::string_view PrefixOf(const Ticket& ticket) {
  return std::visit(Overloaded{[](const BlobTicket&) { return kBlobPrefix; },
                               [](const NodeTicket&) { return kNodePrefix; },
                               [](const EndpointTicket&) { return kEndpointPrefix; }},
                    ticket);
}

StatusOr<Ticket> ReadBlobTicket(Reader& reader) {
  BlobTicket ticket;
  BLOBD_ASSIGN_OR_RETURN(ticket.addr, ReadNodeAddr(reader));
  BLOBD_ASSIGN_OR_RETURN(const uint64_t format, reader.VarintUpTo(1));
  ticket.kind.format = static_cast<BlobFormat>(format);
  BLOBD_ASSIGN_OR_RETURN(ticket.kind.hash, reader.ReadHash());
  return Ticket(std::move(ticket));
}

StatusOr<Ticket> ReadNodeTicket(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(NodeAddr addr, ReadNodeAddr(reader));
  return Ticket(NodeTicket{std::move(addr)});
}

StatusOr<Ticket> ReadEndpointTicket(Reader& reader) {
  BLOBD_ASSIGN_OR_RETURN(NodeAddr addr, ReadEndpointAddr(reader));
  return Ticket(EndpointTicket{std::move(addr)});
}

struct Form {
  std::string_view prefix;
  StatusOr<Ticket> (*read)(Reader& reader);
};
constexpr std::array<Form, 3> kForms = {{{kBlobPrefix, ReadBlobTicket},
                                         {kNodePrefix, ReadNodeTicket},
                                         {kEndpointPrefix, ReadEndpointTicket}}};

StatusOr<Ticket> ReadTicket(const Form& form, Reader& reader) {
  BLOBD_RETURN_IF_ERROR(reader.VarintUpTo(kVariant).status());
  return form.read(reader);
}

}  // namespace

StatusOr<Ticket> ParseTicket(std::string_view text) {
  if (text.size() > kMaxTicketTextSize) {
    return InvalidArgument("a ticket of {} characters; at most {} are read", text.size(),
                           kMaxTicketTextSize);
  }
  for (const Form& form : kForms) {
    if (!text.starts_with(form.prefix)) continue;
    const auto bytes = FromBase32(text.substr(form.prefix.size()));
    if (!bytes) return InvalidArgument("the {} ticket is not base32", form.prefix);
    Reader reader(*bytes);
    auto ticket = ReadTicket(form, reader);
    if (!ticket.ok()) {
      return InvalidArgument("{} ticket: {}", form.prefix, Message(ticket.status()));
    }
    return ticket;
  }
  return InvalidArgument("not a blob, node or endpoint ticket");
}

std::string FormatTicket(const Ticket& ticket) {
  return std::string(PrefixOf(ticket)) + ToBase32(EncodeTicket(ticket));
}

Bytes EncodeTicket(const Ticket& ticket) {
  Writer writer;
  writer.Varint(kVariant);
  std::visit(
      Overloaded{[&](const BlobTicket& blob) {
                   WriteNodeAddr(blob.addr, writer);
                   writer.Varint(static_cast<uint64_t>(blob.kind.format));
                   writer.Raw(blob.kind.hash.view());
                 },
                 [&](const NodeTicket& node) { WriteNodeAddr(node.addr, writer); },
                 [&](const EndpointTicket& endpoint) { WriteEndpointAddr(endpoint.addr, writer); }},
      ticket);
  return writer.Take();
}

}  // namespace blobd::wire
