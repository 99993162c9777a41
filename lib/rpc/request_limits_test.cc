// Requests are measured before they are parsed (blobd/request_limits.h).
#include "blobd/request_limits.h"

#include <gtest/gtest.h>

#include <string>

#include "blobd/v1/downloads.pb.h"

namespace blobd {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;

constexpr const char* kServices[] = {"blobd.v1.Downloads",
                                     "blobd.v1.Blobs",
                                     "blobd.v1.Remotes",
                                     "blobd.v1.Tags",
                                     "blobd.v1.Admin",
                                     "grpc.health.v1.Health",
                                     "grpc.reflection.v1.ServerReflection"};

grpc::ByteBuffer Buffer(const std::string& bytes) {
  // In two pieces, since that is how they come.
  const grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, bytes.size() / 2)),
                                grpc::Slice(bytes.substr(bytes.size() / 2))};
  return {slices, 2};
}

bool Fits(const std::string& bytes, const Descriptor& request, const RequestLimit& limit) {
  grpc::ByteBuffer buffer = Buffer(bytes);
  const bool fits = CheckRequest(buffer, request, limit).ok();
  EXPECT_EQ(buffer.Length(), bytes.size()) << "it is only looked at";
  return fits;
}

std::string Repeated(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

const Descriptor& Queue() { return *v1::QueueRequest::descriptor(); }

TEST(RequestLimitsTest, EveryRequestHasOne) {
  for (const char* name : kServices) {
    const auto* service = DescriptorPool::generated_pool()->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      EXPECT_NE(LimitOf(*service->method(i)->input_type()), nullptr)
          << service->method(i)->full_name();
    }
  }
  EXPECT_EQ(LimitOf(*v1::QueueResponse::descriptor()), nullptr);
}

TEST(RequestLimitsTest, BytesAreCounted) {
  const std::string four = Repeated(std::string("\x0a\0", 2), 2);
  EXPECT_TRUE(Fits(four, Queue(), {4, 100}));
  EXPECT_FALSE(Fits(four, Queue(), {3, 100}));
  EXPECT_TRUE(Fits("", Queue(), {0, 0}));
}

TEST(RequestLimitsTest, WhatIsInItemsCounts) {
  v1::QueueRequest request;
  for (int i = 0; i < 10; ++i) {
    v1::QueueItem* item = request.add_items();
    item->mutable_kind()->set_hash("abc");                   // item, kind, hash
    item->add_providers()->mutable_node()->set_node_id("");  // provider, node
    item->set_patience_ms(7);                                // one
  }
  const std::string bytes = request.SerializeAsString();
  EXPECT_TRUE(Fits(bytes, Queue(), {bytes.size(), 60}));
  EXPECT_FALSE(Fits(bytes, Queue(), {bytes.size(), 59}));
}

TEST(RequestLimitsTest, EmptyItemsCount) {
  const std::string empty("\x0a\0", 2);
  EXPECT_TRUE(Fits(Repeated(empty, 1000), Queue(), {1 << 20, 1000}));
  EXPECT_FALSE(Fits(Repeated(empty, 1001), Queue(), {1 << 20, 1000}));
}

TEST(RequestLimitsTest, FieldsThatNobodyKnowsCount) {
  const std::string number("\xf8\x01\0", 3);        // field 31
  const std::string text("\xfa\x01\x02\x0a\0", 5);  // field 31: what would be a message
  const std::string four("\xfd\x01\1\2\3\4", 6);
  const std::string eight("\xf9\x01\1\2\3\4\5\6\7\x08", 10);
  const std::string all = number + text + four + eight;
  EXPECT_TRUE(Fits(all, Queue(), {100, 4}));
  EXPECT_FALSE(Fits(all, Queue(), {100, 3}));
}

TEST(RequestLimitsTest, WhatIsNoMessageIsRefused) {
  const std::string cases[] = {
      "\x0a",                                  // no size
      "\x0a\x05",                              // less than the size says
      "\x0a\x02\x0a\x05",                      // an inner size that goes beyond the outer one
      "\x08",                                  // no number
      "\x0b\x0c",                              // a group
      "\xff\xff\xff\xff\xff\xff\xff\xff",      // no tag
      "\x0a\xff\xff\xff\xff\xff\xff\xff\x7f",  // a size beyond all bounds
      std::string("\0\1", 2),                  // field 0
  };
  for (const std::string& bytes : cases)
    EXPECT_FALSE(Fits(bytes, Queue(), {100, 100})) << ::testing::PrintToString(bytes);
}

}  // namespace
}  // namespace blobd
