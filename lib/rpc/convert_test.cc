#include "rpc/convert.h"

#include <gtest/gtest.h>

#include <functional>

namespace blobd::rpc {
namespace {

const std::string kHashText(64, 'a');

v1::QueueRequest OneItem(const std::function<void(v1::QueueItem&)>& change) {
  v1::QueueRequest request;
  v1::QueueItem* item = request.add_items();
  item->mutable_kind()->set_hash(kHashText);
  change(*item);
  return request;
}

TEST(Convert, BadInputNamesTheField) {
  struct Case {
    const char* field;
    std::function<void(v1::QueueItem&)> change;
  };
  const auto node = [](v1::QueueItem& item) { return item.add_providers()->mutable_node(); };
  const Case cases[] = {
      {"items[0]: neither", [](v1::QueueItem& item) { item.clear_kind(); }},
      {"items[0].kind.hash", [](v1::QueueItem& item) { item.mutable_kind()->set_hash("abc"); }},
      {"items[0].kind.format",
       [](v1::QueueItem& item) {
         item.mutable_kind()->set_format(static_cast<v1::BlobFormat>(9));
       }},
      {"items[0].ticket", [](v1::QueueItem& item) { item.set_ticket("blobnonsense"); }},
      {"items[0].ticket",
       [](v1::QueueItem& item) { item.set_ticket(std::string(17 * 1024, 'a')); }},
      {"items[0].providers[0]", [](v1::QueueItem& item) { item.add_providers(); }},
      {"items[0].providers[0].node.node_id",
       [&](v1::QueueItem& item) { node(item)->set_node_id("x"); }},
      {"items[0].providers[0].mirror_url",
       [](v1::QueueItem& item) { item.add_providers()->set_mirror_url("http://user:secret@h/"); }},
      {"items[0].providers[0].node.addresses",
       [&](v1::QueueItem& item) {
         v1::Node* named = node(item);
         named->set_node_id(kHashText);
         named->add_addresses("localhost:1");
       }},
      {"items[0].providers[0].node.addresses",
       [&](v1::QueueItem& item) {
         v1::Node* named = node(item);
         named->set_node_id(kHashText);
         for (int i = 0; i < 33; ++i) named->add_addresses("192.0.2.1:1");
       }},
      {"items[0].providers: 65",
       [](v1::QueueItem& item) {
         for (int i = 0; i < 65; ++i) item.add_providers();
       }},
      {"items[0].priority",
       [](v1::QueueItem& item) { item.set_priority(static_cast<v1::Priority>(7)); }},
      {"items[0].deadline_unix_ms", [](v1::QueueItem& item) { item.set_deadline_unix_ms(-1); }},
      {"items[0].deadline_unix_ms",
       [](v1::QueueItem& item) { item.set_deadline_unix_ms(INT64_MAX); }},
      {"items[0].patience_ms", [](v1::QueueItem& item) { item.set_patience_ms(-1); }},
      {"items[0].label", [](v1::QueueItem& item) { item.set_label(std::string(257, 'x')); }},
      {"items[0].idempotency_key",
       [](v1::QueueItem& item) { item.set_idempotency_key(std::string(129, 'x')); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.field);
    const auto items = ToQueueItems(OneItem(c.change));
    EXPECT_EQ(items.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(Message(items.status()).rfind(c.field, 0), 0u) << Message(items.status());
  }
  EXPECT_FALSE(ToQueueItems(v1::QueueRequest()).ok());
}

TEST(Convert, DefaultsAndLimits) {
  const auto items = ToQueueItems(OneItem([](v1::QueueItem&) {}));
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ(items->front().patience, hours(24));
  EXPECT_EQ(items->front().priority, schedule::Priority::kNormal);
  EXPECT_EQ(items->front().kind.format, BlobFormat::kRaw);
  EXPECT_EQ(ToQueueItems(OneItem([](v1::QueueItem& i) { i.set_patience_ms(0); }))->front().patience,
            Duration::zero());
  v1::QueueRequest many;
  for (int i = 0; i <= kMaxItems; ++i) many.add_items();
  EXPECT_EQ(ToQueueItems(many).status().code(), StatusCode::kInvalidArgument);
}

TEST(Convert, PageTokensAreOfOneListOnly) {
  EXPECT_EQ(IdFromPageToken("", 'i').value(), 0u);
  EXPECT_EQ(IdFromPageToken(PageTokenOfId(77, 'i'), 'i').value(), 77u);
  for (const char* token : {"t4d", "i", "ixyz", "i-1", "4d", "i4d ", "i10000000000000000"}) {
    EXPECT_EQ(IdFromPageToken(token, 'i').status().code(), StatusCode::kInvalidArgument) << token;
  }
  EXPECT_EQ(PageSize(0), 100u);
  EXPECT_EQ(PageSize(5), 5u);
  EXPECT_EQ(PageSize(5000), 1000u);
}

// A page of transfers must stay readable for everybody, however many want the same.
TEST(Convert, ATransferNamesItsFirstIntentsAndCountsAll) {
  engine::TransferView view;
  view.id = TransferId{1};
  view.provider = MirrorUrl{"http://m/a"};
  view.intent_count = 100'000;
  for (uint64_t id = 1; id <= 100'000; ++id) view.intents.push_back(IntentId{id});
  v1::Transfer transfer;
  Fill(view, &transfer);
  ASSERT_EQ(transfer.intent_ids_size(), 1000);
  EXPECT_EQ(transfer.intent_ids(0), 1u);
  EXPECT_EQ(transfer.intent_ids(999), 1000u);
  EXPECT_EQ(transfer.intents(), 100'000u);
  EXPECT_LT(transfer.ByteSizeLong(), 4096u);
}

}  // namespace
}  // namespace blobd::rpc
