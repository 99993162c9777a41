// Tickets for what the store holds: who gets one can get it from this daemon
// (protocol/formats.md, section 7; design/decisions.md, "addresses in tickets").
//
// Pure functions; any thread.
#pragma once

#include <vector>

#include "base/status.h"
#include "blobd/v1/admin.pb.h"
#include "rpc/daemon_identity.h"
#include "transfer/inventory.h"

namespace blobd::rpc {

// kInvalidArgument names the field.
struct TicketWish {
  Kind kind;
  std::vector<SocketAddress> addresses;  // empty: our own
  bool no_addresses = false;
  bool include_loopback = false;
};
StatusOr<TicketWish> ToTicketWish(const v1::CreateTicketRequest& request);

// `own`: where this daemon may be reached, the likeliest first; what is too much for a ticket is
// left out. kNotFound: nothing of it is here. kFailedPrecondition: it is private.
StatusOr<v1::CreateTicketResponse> CreateTicket(const DaemonIdentity& identity,
                                                const TicketWish& wish,
                                                const transfer::Inventory& inventory,
                                                const std::vector<SocketAddress>& own);

}  // namespace blobd::rpc
