#include "rpc/call_book.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace blobd::rpc {
namespace {

uint64_t CountOf(const CallCounts& counts, Method method, StatusCode code) {
  for (const CallCounts::Ended& ended : counts.ended) {
    if (ended.method == method && ended.code == code) return ended.count;
  }
  return 0;
}

uint64_t TimesOf(const CallCounts& counts, const std::string& service) {
  for (const auto& [name, times] : counts.times) {
    if (name == service)
      return std::accumulate(times.counts.begin(), times.counts.end(), uint64_t{0});
  }
  return 0;
}

TEST(CallBook, CountsCallsByMethodAndCode) {
  CallBook book({});
  for (int i = 0; i < 3; ++i) {
    auto entry = book.Begin(Method::kDownloadsQueue, false);
    EXPECT_EQ(book.Counts().open_calls, 1u);
    EXPECT_EQ(book.Counts().open_streams, 0u);
    entry.End(i == 0 ? StatusCode::kInvalidArgument : StatusCode::kOk);
    entry.End(StatusCode::kInternal);  // it has ended already
  }
  const CallCounts counts = book.Counts();
  EXPECT_EQ(counts.open_calls, 0u);
  EXPECT_EQ(CountOf(counts, Method::kDownloadsQueue, StatusCode::kOk), 2u);
  EXPECT_EQ(CountOf(counts, Method::kDownloadsQueue, StatusCode::kInvalidArgument), 1u);
  EXPECT_EQ(counts.ended.size(), 2u);
  EXPECT_EQ(TimesOf(counts, "Downloads"), 3u);
  EXPECT_EQ(TimesOf(counts, "Blobs"), 0u);
}

TEST(CallBook, StreamsAreOpenUntilTheyEndAndHaveNoLatency) {
  CallBook book({});
  {
    auto entry = book.Begin(Method::kBlobsRead, true);
    auto moved = std::move(entry);
    EXPECT_EQ(book.Counts().open_streams, 1u);
    EXPECT_EQ(book.Counts().open_calls, 1u);
  }
  const CallCounts counts = book.Counts();
  EXPECT_EQ(counts.open_streams, 0u);
  EXPECT_EQ(counts.open_calls, 0u);
  EXPECT_EQ(CountOf(counts, Method::kBlobsRead, StatusCode::kCancelled), 1u);
  EXPECT_EQ(TimesOf(counts, "Blobs"), 0u);
}

TEST(CallBook, EveryServiceOfTheTableHasItsTimes) {
  CallBook book({});
  for (const AuthorityRule& rule : AuthorityTable())
    book.Begin(rule.method, false).End(StatusCode::kOk);
  const CallCounts counts = book.Counts();
  for (const AuthorityRule& rule : AuthorityTable()) {
    const std::string service(rule.name.substr(0, rule.name.find('.')));
    EXPECT_GT(TimesOf(counts, service), 0u) << service;
    EXPECT_EQ(CountOf(counts, rule.method, StatusCode::kOk), 1u) << rule.name;
  }
}

TEST(CallBook, ErrorsAreCountedByTheirReason) {
  CallBook book({});
  auto entry = book.Begin(Method::kDownloadsQueue, false);
  entry.Note(ErrorFor(Reason::kIntentQuota, "too many"));
  entry.End(StatusCode::kResourceExhausted);
  auto fine = book.Begin(Method::kDownloadsQueue, false);
  fine.Note(OkStatus());
  fine.End(StatusCode::kOk);
  const CallCounts counts = book.Counts();
  ASSERT_EQ(counts.errors.size(), 1u);
  EXPECT_EQ(counts.errors[0], std::make_pair(Reason::kIntentQuota, uint64_t{1}));
}

TEST(CallBook, TheJournalIsToldOnlyWhatNobodyForesaw) {
  std::vector<std::string> lines;
  CallBook book([&](const std::string& line) { lines.push_back(line); });
  auto entry = book.Begin(Method::kBlobsStat, false);
  entry.Note(NotFound("nothing of it is here"));
  EXPECT_TRUE(lines.empty());
  entry.Note(Internal("read /var/lib/blobd/ab/{}.data: Input/output error", std::string(62, 'f')));
  entry.End(StatusCode::kInternal);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "Blobs.Stat failed: read /var/lib/blobd/ab/(hash).data: Input/output error");
}

TEST(CallBook, IsWrittenByManyThreads) {
  CallBook book({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) {
        auto entry = book.Begin(Method::kTagsSet, k % 2 == 0);
        entry.Note(NotFound("no"));
        entry.End(StatusCode::kNotFound);
        if (k % 100 == 0) book.Counts();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CallCounts counts = book.Counts();
  EXPECT_EQ(CountOf(counts, Method::kTagsSet, StatusCode::kNotFound), 4000u);
  EXPECT_EQ(TimesOf(counts, "Tags"), 2000u);
  EXPECT_EQ(counts.open_calls, 0u);
}

}  // namespace
}  // namespace blobd::rpc
