// ServeReaders counts the blobs that are open for answers, all sessions of one server together, so
// that sessions which wait for their peer do not hold the process's descriptors. Over the limit
// they give their readers back between two pieces, and open them again for the next one.
//
// Thread:    any.
// Ownership: shared with the readers that are counted.
// Bound:     all sessions between two pieces have at most `limit` readers open together, for each
//            of them saw a count that included its own. A session with a piece under way has two
//            more at most: a blob, and the root of its sequence.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "store/blob_store.h"

namespace blobd::transfer {

class ServeReaders {
 public:
  explicit ServeReaders(size_t limit) : limit_(limit) {}

  // The same reader, counted as long as it is kept.
  std::shared_ptr<store::BlobReader> Count(std::shared_ptr<store::BlobReader> reader) {
    ++*open_;
    store::BlobReader* const counted = reader.get();
    return {counted, [open = open_, reader = std::move(reader)](store::BlobReader*) mutable {
              reader.reset();
              --*open;
            }};
  }
  bool is_over_limit() const { return *open_ > limit_; }

 private:
  const size_t limit_;
  const std::shared_ptr<std::atomic<size_t>> open_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace blobd::transfer
