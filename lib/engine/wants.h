// Wants: what unfinished intents want now, as those ask who plan to remove blobs; and Journal: what
// comes under protection while they plan.
//
// Thread: the control loop only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace blobd::engine {

// Kinds that came under protection, for readers that began before. Costs nothing without readers.
class Journal {
 public:
  class Reader {
   public:
    explicit Reader(Journal& journal) : journal_(journal), next_(journal.kinds_.size()) {
      ++journal_.readers_;
    }
    ~Reader() {
      if (--journal_.readers_ == 0) journal_.kinds_ = {};
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    // What was noted since the last call.
    std::vector<Kind> Take() {
      const auto begin = journal_.kinds_.begin() + static_cast<ptrdiff_t>(next_);
      next_ = journal_.kinds_.size();
      return {begin, journal_.kinds_.end()};
    }

   private:
    Journal& journal_;
    size_t next_;
  };

  void Note(const Kind& kind) {
    if (readers_ > 0) kinds_.push_back(kind);
  }

 private:
  std::vector<Kind> kinds_;
  size_t readers_ = 0;
};

// The label of intents that get again what rotted on the disk; they are of uid 0.
inline constexpr std::string_view kRepairLabel = "repair";

class Wants {
 public:
  virtual ~Wants() = default;
  // An unfinished intent wants this very blob; not: a collection that has it.
  virtual bool IsWanted(const Hash& hash) const = 0;
  // The same of the intents of one uid.
  virtual bool IsWantedBy(uint32_t uid, const Hash& hash) const = 0;
  // The roots of all hash sequences that unfinished intents want.
  virtual std::vector<Hash> WantedSequences() const = 0;
  // A transfer runs for a hash sequence, and it is not known yet what that lists.
  virtual bool IsListArriving() const = 0;
  // Gets every hash sequence that becomes wanted, or whose list becomes known, and every kind that
  // is wanted no longer.
  virtual Journal& journal() = 0;
};

}  // namespace blobd::engine
