#include "rpc/call_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/check.h"
#include "rpc/error_text.h"

namespace blobd::rpc {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

std::string_view NameOf(Method method) {
  return AuthorityTable()[static_cast<size_t>(method)].name;
}

std::string_view ServiceOf(Method method) {
  const std::string_view name = NameOf(method);
  return name.substr(0, name.find('.'));
}

// Nobody has asked whether what it is about is private, and the journal must not name that.
std::string WithoutHashes(std::string_view text) {
  constexpr size_t kShortest = 10;  // hex digits in a row; as Hash::Short has
  std::string result;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789abcdef"), text.size());
    result += digits >= kShortest ? "(hash)" : text.substr(0, digits);
    text.remove_prefix(digits);
    const size_t others = std::min(text.find_first_of("0123456789abcdef"), text.size());
    result += text.substr(0, others);
    text.remove_prefix(others);
  }
  return result;
}

// Methods of one service stand together in the table.
size_t IndexOfService(Method method) {
  static const auto kIndexes = [] {
    std::array<size_t, kMethods> indexes{};
    for (size_t i = 1; i < kMethods; ++i) {
      const bool is_same =
          ServiceOf(static_cast<Method>(i)) == ServiceOf(static_cast<Method>(i - 1));
      indexes[i] = indexes[i - 1] + (is_same ? 0 : 1);
    }
    return indexes;
  }();
  return kIndexes[static_cast<size_t>(method)];
}

}  // namespace

CallBook::Entry::Entry(CallBook* book, Method method, bool is_stream)
    : book_(book), method_(method), is_stream_(is_stream), begin_(SystemClock().Now()) {
  book_->open_calls_.fetch_add(1, kRelaxed);
  if (is_stream_) book_->open_streams_.fetch_add(1, kRelaxed);
}

CallBook::Entry& CallBook::Entry::operator=(Entry&& other) noexcept {
  if (this == &other) return *this;
  End(StatusCode::kCancelled);
  book_ = std::exchange(other.book_, nullptr);
  method_ = other.method_;
  is_stream_ = other.is_stream_;
  begin_ = other.begin_;
  return *this;
}

void CallBook::Entry::Note(const Status& status) {
  if (book_ != nullptr && !status.ok()) book_->Note(NameOf(method_), status);
}

void CallBook::Note(std::string_view what, const Status& error) {
  errors_[static_cast<size_t>(ReasonOf(error))].fetch_add(1, kRelaxed);
  if (IsUnforeseen(error) && journal_) {
    journal_(fmt::format("{} failed: {}", what, WithoutHashes(Message(error))));
  }
}

void CallBook::Entry::End(StatusCode code) {
  CallBook* book = std::exchange(book_, nullptr);
  if (book == nullptr) return;
  const size_t index = std::min(static_cast<size_t>(code), kCodes - 1);
  book->ended_[static_cast<size_t>(method_)][index].fetch_add(1, kRelaxed);
  book->open_calls_.fetch_sub(1, kRelaxed);
  if (is_stream_) {
    book->open_streams_.fetch_sub(1, kRelaxed);
    return;
  }
  const Duration took = std::max(SystemClock().Now() - begin_, Duration::zero());
  const double seconds = std::chrono::duration<double>(took).count();
  Times& times = book->times_[IndexOfService(method_)];
  const auto* bound =
      std::lower_bound(CallTimes::kBoundsSeconds.begin(), CallTimes::kBoundsSeconds.end(), seconds);
  times.counts[static_cast<size_t>(bound - CallTimes::kBoundsSeconds.begin())].fetch_add(1,
                                                                                         kRelaxed);
  times.sum_nanos.fetch_add(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()),
      kRelaxed);
}

CallCounts CallBook::Counts() const {
  CallCounts counts;
  for (size_t m = 0; m < kMethods; ++m) {
    for (size_t c = 0; c < kCodes; ++c) {
      const uint64_t count = ended_[m][c].load(kRelaxed);
      if (count == 0) continue;
      counts.ended.push_back({static_cast<Method>(m), static_cast<StatusCode>(c), count});
    }
  }
  for (size_t r = 0; r < kReasons; ++r) {
    if (const uint64_t count = errors_[r].load(kRelaxed); count != 0)
      counts.errors.emplace_back(static_cast<Reason>(r), count);
  }
  for (size_t m = 0; m < kMethods; ++m) {
    const auto method = static_cast<Method>(m);
    const size_t service = IndexOfService(method);
    BLOBD_CHECK(service < kServices);
    if (service < counts.times.size()) continue;
    CallTimes times;
    for (size_t i = 0; i < times.counts.size(); ++i)
      times.counts[i] = times_[service].counts[i].load(kRelaxed);
    times.sum_seconds = static_cast<double>(times_[service].sum_nanos.load(kRelaxed)) / 1e9;
    counts.times.emplace_back(ServiceOf(method), times);
  }
  counts.open_calls = open_calls_.load(kRelaxed);
  counts.open_streams = open_streams_.load(kRelaxed);
  return counts;
}

}  // namespace blobd::rpc
