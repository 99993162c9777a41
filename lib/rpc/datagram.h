// Datagrams with descriptors, over a Unix socket of type SOCK_SEQPACKET. Whatever a peer sends is
// taken apart here: no descriptor it sent is ever left open by accident, and none is inherited.
//
// Thread: any; nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/descriptor.h"

namespace blobd::rpc {

struct Datagram {
  std::string bytes;
  std::vector<store::Descriptor> descriptors;  // at most two: one, and one too many
  bool cut = false;    // there were more bytes or more descriptors than were taken
  bool ended = false;  // there is none, and none will come
};

// The next datagram, of which `limit` bytes are taken; nullopt if there is none yet. Closing what
// came with it may wait for its owner. Without `take_descriptors` the kernel drops them.
std::optional<Datagram> ReceiveDatagram(int socket, size_t limit, bool take_descriptors);

enum class Sent { kSent, kNoRoom, kGone };
// `descriptor` -1: none.
Sent SendDatagram(int socket, std::string_view bytes, int descriptor);

// Bytes sent that the peer has not received yet, with what the kernel needs to keep them.
size_t UnreceivedBytes(int socket);

}  // namespace blobd::rpc
