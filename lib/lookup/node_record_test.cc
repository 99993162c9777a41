#include "lookup/node_record.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace blobd::lookup {
namespace {

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

TEST(NodeRecord, ReadsWhatIrohPublishes) {
  NodeRecord record;
  record.Read("relay=https://relay.example/");
  record.Read("addr=192.0.2.1:11205");
  record.Read("addr=[2001:db8::1]:443 192.0.2.2:1");
  record.Read("user-data=hello = world");
  EXPECT_EQ(record.addresses,
            (std::vector{At("192.0.2.1:11205"), At("[2001:db8::1]:443"), At("192.0.2.2:1")}));
  EXPECT_EQ(record.relay_urls, std::vector<std::string>{"https://relay.example/"});
  EXPECT_EQ(record.user_data, "hello = world");
  NodeRecord again;
  for (const std::string& text : record.Strings()) again.Read(text);
  EXPECT_EQ(again, record);
}

TEST(NodeRecord, PassesOverWhatIsNoUse) {
  NodeRecord record;
  for (const char* text :
       {"", "addr", "addr=", "addr=   ", "addr=example.org:1", "addr=0.0.0.0:1", "addr=192.0.2.1:0",
        "addr=224.0.0.1:1", "addr=192.0.2.1:70000", "relay=ftp://x/", "relay=https://a b/",
        "relay=https://\x1b[2J/", "user-data=\xff", "other=1", "=x"}) {
    record.Read(text);
  }
  EXPECT_EQ(record, NodeRecord());
  record.Read("addr=nonsense 192.0.2.1:1 192.0.2.1:1");  // one bad entry does not cost the good
  EXPECT_EQ(record.addresses, std::vector{At("192.0.2.1:1")});
}

TEST(NodeRecord, IsBounded) {
  NodeRecord record;
  for (int i = 1; i <= 100; ++i) {
    record.Read(fmt::format("addr=192.0.2.1:{}", i));
    record.Read(fmt::format("relay=https://r{}.example/", i));
  }
  record.Read("user-data=" + std::string(246, 'x'));
  EXPECT_EQ(record.addresses.size(), NodeRecord::kMaxAddresses);
  EXPECT_EQ(record.relay_urls.size(), NodeRecord::kMaxRelays);
  EXPECT_TRUE(record.user_data.empty());
  record.relay_urls = {"https://" + std::string(300, 'x')};
  for (const std::string& text : record.Strings()) EXPECT_LE(text.size(), NodeRecord::kMaxString);
}

}  // namespace
}  // namespace blobd::lookup
