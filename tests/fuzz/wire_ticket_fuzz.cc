// Tickets: the input as text, and as the bytes inside of each kind, so that the search need not
// find base32 first.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/base32.h"
#include "wire/ticket.h"

namespace {

void TryTicket(std::string_view text) {
  using namespace blobd::wire;
  const auto ticket = ParseTicket(text);
  if (!ticket.ok()) return;
  const std::string formatted = FormatTicket(*ticket);
  const auto again = ParseTicket(formatted);
  BLOBD_CHECK(again.ok());
  BLOBD_CHECK(*again == *ticket);
  BLOBD_CHECK(FormatTicket(*again) == formatted);
  std::visit(
      [](const auto& each) {
        BLOBD_CHECK(each.addr.addresses.size() <= kMaxAddresses);
        for (const std::string& url : each.addr.relay_urls) BLOBD_CHECK(IsSameRelay(url, url));
      },
      *ticket);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const blobd::ByteView bytes(data, size);
  TryTicket(blobd::AsText(bytes));
  for (const char* kind : {"blob", "node", "endpoint"}) {
    TryTicket(kind + blobd::wire::ToBase32(bytes));
  }
  return 0;
}
