#include "quic/send_buffer.h"

#include <gtest/gtest.h>

namespace blobd::quic {
namespace {

Bytes Joined(const std::vector<ByteView>& views) {
  Bytes all;
  for (const ByteView view : views) all.insert(all.end(), view.begin(), view.end());
  return all;
}

TEST(SendBufferTest, KeepsBytesInPlaceUntilAcknowledged) {
  SendBuffer buffer;
  buffer.Append({1, 2, 3}, false);
  buffer.Append({4, 5}, true);
  EXPECT_EQ(Joined(buffer.Next(1)), (Bytes{1, 2, 3}));
  EXPECT_EQ(Joined(buffer.Next(4)), (Bytes{1, 2, 3, 4, 5}));
  const uint8_t* third = buffer.Next(1)[0].data() + 2;
  buffer.Sent(2, false);
  EXPECT_EQ(Joined(buffer.Next(4)), (Bytes{3, 4, 5}));
  EXPECT_EQ(buffer.Next(1)[0].data(), third);
  buffer.Sent(3, true);
  EXPECT_FALSE(buffer.wants_to_send());
  buffer.Acknowledged(2);
  EXPECT_EQ(*third, 3);  // its chunk is not acknowledged as a whole
  EXPECT_EQ(buffer.unacknowledged(), 3U);
  buffer.Acknowledged(5);
  EXPECT_EQ(buffer.unacknowledged(), 0U);
}

TEST(SendBufferTest, AnEndAloneWantsToBeSent) {
  SendBuffer buffer;
  EXPECT_FALSE(buffer.wants_to_send());
  buffer.Append({}, true);
  EXPECT_TRUE(buffer.wants_to_send());
  EXPECT_TRUE(buffer.Next(4).empty());
  buffer.Sent(0, true);
  EXPECT_FALSE(buffer.wants_to_send());
}

TEST(SendBufferTest, GivingUpSendsNothingMore) {
  SendBuffer buffer;
  buffer.Append({1, 2, 3}, false);
  buffer.Sent(1, false);
  buffer.GiveUp();
  EXPECT_FALSE(buffer.wants_to_send());
  EXPECT_EQ(buffer.unsent(), 0U);
}

}  // namespace
}  // namespace blobd::quic
