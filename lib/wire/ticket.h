// Tickets: a node's address, and perhaps what to get there, as one word to copy and paste
// (protocol/formats.md, section 7). The text is the ticket's kind in lower case, then the bytes in
// base32.
//
// Values; any thread. A ticket has no checksum and proves nothing.
// Errors: kInvalidArgument for whatever is no ticket we know. Bytes behind the end are ignored, as
// in the reference.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "wire/addr.h"

namespace blobd::wire {

// A ticket with a dozen addresses has 500 characters; one with kMaxAddresses of them would still
// fit.
inline constexpr size_t kMaxTicketTextSize = 64 * 1024;

struct BlobTicket {
  NodeAddr addr;
  Kind kind;
  bool operator==(const BlobTicket&) const = default;
};

// Of iroh 0.35.
struct NodeTicket {
  NodeAddr addr;
  bool operator==(const NodeTicket&) const = default;
};

// Of iroh 1.x.
struct EndpointTicket {
  NodeAddr addr;
  bool operator==(const EndpointTicket&) const = default;
};

using Ticket = std::variant<BlobTicket, NodeTicket, EndpointTicket>;

// Kind and characters in one go; the kind in lower case, the rest in any. No spaces around it.
StatusOr<Ticket> ParseTicket(std::string_view text);

// Blob and node tickets have room for one relay: of several the first in order is written.
std::string FormatTicket(const Ticket& ticket);
// The bytes inside.
Bytes EncodeTicket(const Ticket& ticket);

}  // namespace blobd::wire
