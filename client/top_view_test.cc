#include "client/top_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "client/followed_transfers.h"
#include "client/text_width.h"

namespace blobd::client {
namespace {

TopState Busy(int transfers, int remotes) {
  TopState state;
  state.status.set_version("0.1.0");
  state.status.set_state("running");
  state.status.set_download_rate(1'000'000);
  state.status.mutable_disk()->set_free_bytes(1 << 30);
  for (int i = 0; i < transfers; ++i) {
    v1::Transfer& transfer = state.transfers.emplace_back();
    transfer.set_transfer_id(static_cast<uint64_t>(i) + 1);
    transfer.set_rate(1000.0 * i);
    transfer.set_state(v1::TRANSFER_STATE_RECEIVING);
    transfer.set_total_bytes(1000);
    transfer.set_verified_bytes(static_cast<uint64_t>(transfers - i));
    transfer.set_provider(i % 2 == 0 ? std::string(64, 'b') : "https://mirror.example/\x1b[2J");
    transfer.mutable_kind()->set_hash(std::string(64, 'a'));
    transfer.set_started_unix_ms(1'700'000'000'000 - i);
  }
  for (int i = 0; i < remotes; ++i) {
    v1::Remote& remote = state.remotes.emplace_back();
    remote.set_node_id(std::string(63, 'c') + std::to_string(i % 10));
    remote.set_state(v1::REMOTE_STATE_CONNECTED);
    remote.set_download_rate(10.0 * i);
    remote.set_connected_address("192.0.2.1:11204");
    remote.add_paths()->set_rtt_us(7500);
  }
  return state;
}

std::string Joined(const TopFrame& frame) {
  std::string text;
  for (const std::string& line : frame.lines) text += line + "\n";
  return text;
}

TEST(TopView, FillsTheScreenAndNoMore) {
  for (const int count : {0, 1, 5, 500}) {
    for (const size_t columns : {40u, 80u, 200u}) {
      for (const size_t lines : {1u, 2u, 5u, 10u, 24u, 60u}) {
        SCOPED_TRACE(testing::Message() << count << " on " << columns << " x " << lines);
        TopShape shape;
        shape.lines = lines;
        Style style;
        style.columns = columns;
        const TopFrame frame = ShowTop(Busy(count, count), shape, style);
        EXPECT_EQ(frame.lines.size(), lines);
        for (const std::string& line : frame.lines) {
          EXPECT_LE(WidthOf(line), columns) << line;
          EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
        }
        EXPECT_EQ(frame.lines.back().substr(0, 6), "q quit");
      }
    }
  }
}

TEST(TopView, IsWholeWithoutAScreen) {
  const std::string text = Joined(ShowTop(Busy(100, 20), {}, {}));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 2 + 100 + 2 + 20);
  EXPECT_EQ(text.find("quit"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const std::string idle = Joined(ShowTop({}, {}, {}));
  EXPECT_NE(idle.find("no running transfers"), std::string::npos);
  EXPECT_NE(idle.find("no connected nodes"), std::string::npos);
}

std::string FirstTransfer(TopSort sort, size_t scroll = 0) {
  TopShape shape;
  shape.sort = sort;
  shape.scroll = scroll;
  shape.lines = 20;
  const TopFrame frame = ShowTop(Busy(50, 3), shape, {});
  const std::string& line = frame.lines[4];
  return line.substr(0, line.find(' '));
}

TEST(TopView, SortsAndScrolls) {
  EXPECT_EQ(FirstTransfer(TopSort::kRate), "50");
  EXPECT_EQ(FirstTransfer(TopSort::kProgress), "1");
  EXPECT_EQ(FirstTransfer(TopSort::kProvider), "1");
  EXPECT_EQ(FirstTransfer(TopSort::kAge), "50");
  EXPECT_EQ(FirstTransfer(TopSort::kRate, 3), "47");
  EXPECT_EQ(FirstTransfer(TopSort::kRate, 49), FirstTransfer(TopSort::kRate, 1000));
}

TEST(TopView, SaysWhatIsWrong) {
  TopState state = Busy(1, 1);
  state.status.set_everything_paused(true);
  EXPECT_NE(Joined(ShowTop(state, {}, {})).find("all downloads are paused"), std::string::npos);
  state.trouble = "blobd is not running";
  EXPECT_NE(Joined(ShowTop(state, {}, {})).find("blobd is not running"), std::string::npos);
}

TEST(TopView, KnowsNoRatesWhileNobodyAnswers) {
  TopState state = Busy(2, 2);
  state.trouble = "blobd is not running at /run/blobd/blobd.sock; start it";
  TopState first;
  first.trouble = "waiting for blobd ...";
  const std::string never = Joined(ShowTop(first, {}, {}));
  EXPECT_NE(never.find("disk - free"), std::string::npos) << never;
  EXPECT_NE(never.find("\nwaiting for blobd ..."), std::string::npos) << never;
  state.answered_unix_ms = 1'700'000'000'000;
  const std::string text = Joined(ShowTop(state, {}, {}));
  EXPECT_EQ(text.find("B/s"), std::string::npos) << text;
  EXPECT_EQ(text.find("receiving"), std::string::npos) << text;
  EXPECT_EQ(text.find("7.5 ms"), std::string::npos) << text;
  EXPECT_NE(text.find("no answer since "), std::string::npos) << text;
  // On a narrow screen all of the sentence is there.
  TopShape shape;
  shape.lines = 20;
  Style style;
  style.columns = 40;
  const TopFrame narrow = ShowTop(state, shape, style);
  EXPECT_NE(Joined(narrow).find("; start\nit\n"), std::string::npos) << Joined(narrow);
  EXPECT_EQ(narrow.lines.size(), 20u);
}

TEST(TopView, NodesThatOnlyGetAreShownOnce) {
  TopState state = Busy(0, 2);
  google::protobuf::RepeatedPtrField<v1::Upload> uploads;
  uploads.Add()->set_node_id(state.remotes[0].node_id());
  v1::Upload& other = *uploads.Add();
  other.set_node_id("dddd");
  other.set_address("192.0.2.9:1");
  other.set_rate(5000);
  AddUploads(uploads, &state.remotes);
  ASSERT_EQ(state.remotes.size(), 3u);
  const std::string text = Joined(ShowTop(state, {}, {}));
  EXPECT_NE(text.find("dddd"), std::string::npos);
  EXPECT_NE(text.find("served"), std::string::npos);
  EXPECT_NE(text.find("192.0.2.9:1"), std::string::npos);
  EXPECT_NE(text.find("7.5 ms"), std::string::npos);
}

TEST(TopKeys, AreTakenOneByOne) {
  std::string typed = "zs\x1b[B\x1bOA\x1b[5~q";
  EXPECT_EQ(TakeKey(&typed), TopKey::kSort);
  EXPECT_EQ(TakeKey(&typed), TopKey::kDown);
  EXPECT_EQ(TakeKey(&typed), TopKey::kUp);
  EXPECT_EQ(TakeKey(&typed), TopKey::kPageUp);
  EXPECT_EQ(TakeKey(&typed), TopKey::kQuit);
  EXPECT_EQ(TakeKey(&typed), std::nullopt);
  // In two pieces; and what is none.
  typed = "\x1b[";
  EXPECT_EQ(TakeKey(&typed), std::nullopt);
  typed += "A";
  EXPECT_EQ(TakeKey(&typed), TopKey::kUp);
  typed = "\x1b[200~\xff\xfeh";
  EXPECT_EQ(TakeKey(&typed), TopKey::kHelp);
  typed = "\x1bq";
  EXPECT_EQ(TakeKey(&typed), TopKey::kQuit);
}

TEST(TopKeys, KeepTheScrollWhereThereIsSomething) {
  TopFrame frame;
  frame.most_scroll = 4;
  TopShape shape;
  EXPECT_EQ(AfterKey(shape, TopKey::kUp, frame).scroll, 0u);
  EXPECT_EQ(AfterKey(shape, TopKey::kPageDown, frame).scroll, 4u);
  shape.scroll = 9;  // there were more before
  EXPECT_EQ(AfterKey(shape, TopKey::kUp, frame).scroll, 3u);
  EXPECT_EQ(AfterKey(shape, TopKey::kHome, frame).scroll, 0u);
  EXPECT_EQ(AfterKey(shape, TopKey::kEnd, frame).scroll, 4u);
  for (int i = 0; i < 4; ++i) shape = AfterKey(shape, TopKey::kSort, frame);
  EXPECT_EQ(shape.sort, TopSort::kRate);
  EXPECT_TRUE(AfterKey(shape, TopKey::kHelp, frame).help);
}

TEST(FollowedTransfers, ThoseThatEndedStayWhereTheyAreAskedFor) {
  FollowedTransfers followed(true);
  v1::WatchTransfersResponse change;
  change.set_from_beginning(true);
  for (const uint64_t id : {1u, 2u, 3u}) change.add_transfers()->set_transfer_id(id);
  followed.Apply(change);
  change.Clear();
  for (const uint64_t id : {1u, 2u}) {
    v1::Transfer& ended = *change.add_transfers();
    ended.set_transfer_id(id);
    ended.set_finished_unix_ms(1);
  }
  followed.Apply(change);
  EXPECT_EQ(followed.running().size(), 1u);
  EXPECT_EQ(followed.ended().size(), 2u);
  change.Clear();
  change.add_gone_transfer_ids(1);
  followed.Apply(change);
  EXPECT_EQ(followed.ended().size(), 1u);
  change.Clear();
  change.set_from_beginning(true);
  followed.Apply(change);
  EXPECT_TRUE(followed.ended().empty());
}

TEST(FollowedTransfers, AreThoseThatRun) {
  FollowedTransfers followed;
  v1::WatchTransfersResponse change;
  change.set_from_beginning(true);
  for (const uint64_t id : {1u, 2u, 3u}) change.add_transfers()->set_transfer_id(id);
  followed.Apply(change);
  EXPECT_EQ(followed.running().size(), 3u);
  change.Clear();
  change.add_gone_transfer_ids(2);
  v1::Transfer& ended = *change.add_transfers();
  ended.set_transfer_id(3);
  ended.set_finished_unix_ms(1);
  v1::Transfer& changed = *change.add_transfers();
  changed.set_transfer_id(1);
  changed.set_rate(5);
  followed.Apply(change);
  ASSERT_EQ(followed.running().size(), 1u);
  EXPECT_EQ(followed.running().at(1).rate(), 5);
  change.Clear();
  change.set_from_beginning(true);
  followed.Apply(change);
  EXPECT_TRUE(followed.running().empty());
}

}  // namespace
}  // namespace blobd::client
