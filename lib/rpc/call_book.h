// CallBook: what monitoring is told of calls, and what the journal is told of those that failed as
// nobody foresaw. A call has an entry from when it is looked at until it has ended.
//
// Thread:    any; numbers are atomic, and nothing is done per message. One entry: one thread at a
//            time.
// Ownership: outlives its entries.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error_reason.h"
#include "base/status.h"
#include "base/time.h"
#include "rpc/authority.h"
#include "rpc/peer.h"

namespace blobd::rpc {

// Codes are google.rpc's.
inline constexpr size_t kCodes = 17;
inline constexpr size_t kMethods = static_cast<size_t>(Method::kReflectionInfo) + 1;

// How long calls with one answer took: each bound counts what took at most so long.
struct CallTimes {
  static constexpr std::array<double, 10> kBoundsSeconds = {0.001, 0.005, 0.02, 0.1, 0.5,
                                                            1,     5,     20,   60,  300};
  // Of those that took longer than the bound before; the last one: longer than all.
  std::array<uint64_t, kBoundsSeconds.size() + 1> counts{};
  double sum_seconds = 0;
};

// Since the start.
struct CallCounts {
  struct Ended {
    Method method{};
    StatusCode code{};
    uint64_t count = 0;  // never 0
  };
  std::vector<Ended> ended;  // by method, then code
  // Errors by their reason, those of 0 left out.
  std::vector<std::pair<Reason, uint64_t>> errors;
  // By service, as the table of authority names it.
  std::vector<std::pair<std::string, CallTimes>> times;
  // Under way now.
  uint64_t open_calls = 0;
  uint64_t open_streams = 0;  // of these
  PeerCounts connections;
};

class CallBook {
 public:
  // `journal` gets a line for each error that nobody foresaw, on any thread; may be empty.
  explicit CallBook(std::function<void(const std::string&)> journal)
      : journal_(std::move(journal)) {}
  CallBook(const CallBook&) = delete;
  CallBook& operator=(const CallBook&) = delete;

  class Entry {
   public:
    Entry() = default;
    Entry(CallBook* book, Method method, bool is_stream);
    Entry(Entry&& other) noexcept { *this = std::move(other); }
    Entry& operator=(Entry&& other) noexcept;
    // One that was not ended was cut off.
    ~Entry() { End(StatusCode::kCancelled); }

    // The call will end with this; an error is counted by its reason.
    void Note(const Status& status);
    // The call has ended. What comes later is not heard.
    void End(StatusCode code);

   private:
    CallBook* book_ = nullptr;
    Method method_{};
    bool is_stream_ = false;
    Instant begin_;
  };

  Entry Begin(Method method, bool is_stream) { return {this, method, is_stream}; }
  // An error that somebody was told: it is counted by its reason, and if nobody foresaw it the
  // journal is told what happened. `what`: what was asked for, "Downloads.Queue".
  void Note(std::string_view what, const Status& error);
  // Without the connections, which others count.
  CallCounts Counts() const;

 private:
  static constexpr size_t kServices = 8;
  struct Times {
    std::array<std::atomic<uint64_t>, CallTimes::kBoundsSeconds.size() + 1> counts{};
    std::atomic<uint64_t> sum_nanos = 0;
  };

  const std::function<void(const std::string&)> journal_;
  std::array<std::array<std::atomic<uint64_t>, kCodes>, kMethods> ended_{};
  std::array<std::atomic<uint64_t>, kReasons> errors_{};
  std::array<Times, kServices> times_{};
  std::atomic<uint64_t> open_calls_ = 0;
  std::atomic<uint64_t> open_streams_ = 0;
};

}  // namespace blobd::rpc
