#include "wire/ticket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"
#include "wire/base32.h"
#include "wire/text.h"
#include "wire/vectors_for_test.h"

namespace blobd::wire {
namespace {

void ExpectBothWays(const Ticket& ticket, const std::string& text, const std::string& bytes_hex) {
  EXPECT_EQ(FormatTicket(ticket), text);
  EXPECT_EQ(ToHex(EncodeTicket(ticket)), bytes_hex);
  const auto parsed = ParseTicket(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, ticket);
}

NodeAddr AddrOf(const nlohmann::json& id, const nlohmann::json& relay,
                const nlohmann::json& addresses) {
  NodeAddr addr;
  addr.node = ParseNodeId(id.get<std::string>()).value();
  if (!relay.is_null()) addr.relay_urls.push_back(relay);
  for (const auto& text : addresses) {
    addr.addresses.push_back(SocketAddress::Parse(text.get<std::string>()).value());
  }
  addr.Sort();
  return addr;
}

TEST(Ticket, BlobTicketsOf035) {
  const auto tickets = vectors::LoadIndex()["tickets"];
  ASSERT_EQ(tickets.size(), 6u);
  for (const auto& t : tickets) {
    const std::string text = t["ticket"];
    SCOPED_TRACE(text);
    BlobTicket ticket;
    ticket.addr = AddrOf(t["node_id"], t["relay_url_in_ticket"], t["addresses"]);
    ticket.kind.hash = vectors::HashOf(t["hash"]);
    ticket.kind.format = t["format"] == "Raw" ? BlobFormat::kRaw : BlobFormat::kHashSeq;
    ExpectBothWays(ticket, text, t["bytes_hex"]);
    ASSERT_EQ(ticket.addr.addresses.size(), t["decoded_addresses"].size());
    for (size_t i = 0; i < ticket.addr.addresses.size(); ++i) {
      const auto& expected = t["decoded_addresses"][i];
      const SocketAddress& address = ticket.addr.addresses[i];
      EXPECT_EQ(address.is_v4(), expected["family"] == 4);
      EXPECT_EQ(address.port(), expected["port"].get<uint16_t>());
      EXPECT_EQ(address.is_v4() ? ToHex(address.ip4()) : ToHex(address.ip16()),
                expected["ip_hex"].get<std::string>());
    }
    if (!t["relay_url"].is_null()) {
      EXPECT_TRUE(IsSameRelay(ticket.addr.relay_urls.front(), t["relay_url"].get<std::string>()));
    }
  }
}

TEST(Ticket, EndpointTicketsOf102) {
  const auto tickets = vectors::LoadJson("tickets-iroh-1.0.2.json")["tickets"];
  ASSERT_EQ(tickets.size(), 4u);
  for (const auto& t : tickets) {
    const std::string text = t["ticket"];
    SCOPED_TRACE(text);
    ExpectBothWays(EndpointTicket{AddrOf(t["id"], t["relay_url"], t["addresses"])}, text,
                   t["bytes_hex"]);
  }
}

TEST(Ticket, NodeTicketIsABlobTicketWithoutItsEnd) {
  const auto t = vectors::LoadIndex()["tickets"][2];
  const std::string bytes_hex = t["bytes_hex"];
  const std::string node_hex = bytes_hex.substr(0, bytes_hex.size() - 66);
  ExpectBothWays(NodeTicket{AddrOf(t["node_id"], t["relay_url_in_ticket"], t["addresses"])},
                 "node" + ToBase32(*FromHex(node_hex)), node_hex);
}

TEST(Ticket, TrailingBytesAndCaseDoNotMatter) {
  const auto t = vectors::LoadIndex()["tickets"][0];
  const Ticket ticket = ParseTicket(t["ticket"].get<std::string>()).value();
  Bytes bytes = EncodeTicket(ticket);
  bytes.insert(bytes.end(), {1, 2, 3});
  EXPECT_EQ(ParseTicket("blob" + ToBase32(bytes)).value(), ticket);
  std::string upper = t["ticket"];
  for (size_t i = 4; i < upper.size(); ++i) {
    if (upper[i] >= 'a') upper[i] = static_cast<char>(upper[i] - 'a' + 'A');
  }
  EXPECT_EQ(ParseTicket(upper).value(), ticket);
}

TEST(Ticket, BadTickets) {
  const std::string good = vectors::LoadIndex()["tickets"][2]["ticket"];
  const std::string id(64, '1');
  const auto blob = [](const std::string& hex) { return "blob" + ToBase32(*FromHex(hex)); };
  const std::string hash(64, '2');
  ASSERT_TRUE(ParseTicket(blob("00" + id + "000000" + hash)).ok());
  struct Case {
    std::string name;
    std::string text;
  };
  const std::vector<Case> cases = {
      {"nothing", ""},
      {"kind only", "blob"},
      {"unknown kind", "doc" + good.substr(4)},
      {"kind in upper case", "BLOB" + good.substr(4)},
      {"another kind's bytes", "endpoint" + good.substr(4)},
      {"space before", " " + good},
      {"space behind", good + " "},
      {"variant 1", blob("01" + id + "000000" + hash)},
      {"option 2", blob("00" + id + "020000" + hash)},
      {"format 2", blob("00" + id + "000002" + hash)},
      {"short hash", blob("00" + id + "000000" + hash.substr(2))},
      {"2^64-1 addresses", blob("00" + id + "00ffffffffffffffffff01" + hash)},
      {"relay of 2^64-1 bytes", blob("00" + id + "01ffffffffffffffffff01" + hash)},
      {"relay is not UTF-8", blob("00" + id + "0102c3280000" + hash)},
      {"address family 2", blob("00" + id + "0001027f000001d20900" + hash)},
      {"too long", "blob" + std::string(kMaxTicketTextSize, 'a')}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(ParseTicket(c.text).status().code(), StatusCode::kInvalidArgument);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseTicket(good.substr(0, size)).ok()) << size;
  }
}

TEST(Ticket, RandomTicketsComeBack) {
  Rng rng(5);
  for (int i = 0; i < 500; ++i) {
    NodeAddr addr;
    for (uint8_t& byte : addr.node.bytes) byte = static_cast<uint8_t>(rng.Next());
    for (uint64_t n = rng.Below(4); n > 0; --n) {
      addr.relay_urls.push_back("https://relay" + std::to_string(rng.Below(100)) + ".example./");
    }
    for (uint64_t n = rng.Below(20); n > 0; --n) {
      std::array<uint8_t, 16> ip{};
      for (uint8_t& byte : ip) byte = static_cast<uint8_t>(rng.Next());
      const auto port = static_cast<uint16_t>(rng.Next());
      addr.addresses.push_back(rng.Chance(0.5)
                                   ? SocketAddress::V6(ip, port)
                                   : SocketAddress::V4({ip[0], ip[1], ip[2], ip[3]}, port));
    }
    addr.Sort();
    const Ticket endpoint = EndpointTicket{addr};
    ASSERT_EQ(ParseTicket(FormatTicket(endpoint)).value(), endpoint);
    if (addr.relay_urls.size() > 1) addr.relay_urls.resize(1);
    const Ticket node = NodeTicket{addr};
    ASSERT_EQ(ParseTicket(FormatTicket(node)).value(), node);
    const Ticket blob = BlobTicket{addr, {Hash{addr.node.bytes}, BlobFormat::kHashSeq}};
    ASSERT_EQ(ParseTicket(FormatTicket(blob)).value(), blob);
  }
}

}  // namespace
}  // namespace blobd::wire
