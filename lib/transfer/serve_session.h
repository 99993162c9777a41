// ServeSession: one request of a node, seen from the disk's side: it decodes the request and
// produces the answer, piece by piece as it is asked to. The network's side is a ServeStream
// (serve_stream.h). ServeBlobs answers Get and GetMany, ServeObserve answers Observe.
//
// Thread:    its strand only (one worker at a time); it may wait for the disk. The port is called
//            from there.
// Ownership: shared; callbacks from the store keep it alive until Close.
// Memory:    the request, one piece, a chunk group or two.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/task.h"
#include "store/blob_store.h"
#include "transfer/serve_readers.h"

namespace blobd::transfer {

// Reset codes of the blobs protocol (protocol/blobs.md, section 7).
inline constexpr uint64_t kServeResetPermission = 1;
inline constexpr uint64_t kServeResetLimit = 2;
inline constexpr uint64_t kServeResetInternal = 3;

// A piece of an answer, and what comes after it.
struct Produced {
  enum class Next {
    kMore,    // there is more to produce
    kIdle,    // nothing to say now; OnNews will tell when there is
    kFinish,  // FIN
    kReset,   // RESET_STREAM with `reset_code`
  };
  Bytes bytes;
  Next next = Next::kFinish;
  uint64_t reset_code = 0;
  bool observes = false;      // the request is an Observe
  size_t request_memory = 0;  // what the decoded request takes
};

// What the session asks of the network's side. Any thread; never blocks.
class ServePort {
 public:
  virtual ~ServePort() = default;
  // Exactly one for every Produce.
  virtual void OnProduced(Produced produced) = 0;
  // After kIdle, once: Produce would have something.
  virtual void OnNews() = 0;
  // These groups did not fit their hash, and were withdrawn.
  virtual void OnRotten(const Hash& hash, const RangeSet& groups) = 0;
};

struct ServeContext {
  store::BlobStore& store;
  std::shared_ptr<ServeReaders> readers;
  std::shared_ptr<Executor> strand;
  std::shared_ptr<ServePort> port;
};

// One kind of answer. On the strand.
class ServeAnswer {
 public:
  virtual ~ServeAnswer() = default;
  virtual void Produce(size_t limit) = 0;
  virtual void Close() = 0;
};

class ServeSession {
 public:
  // `request` is all that the stream carried up to FIN.
  ServeSession(ServeContext context, Bytes request);

  // Makes at most `limit` bytes more, and gives them to the port; later, if it waits for the store.
  // REQUIRES: limit >= ServeQueue::kLeastGrant; the one before was answered
  void Produce(size_t limit);
  // Nothing more is wanted. A Produce that is under way is still answered.
  void Close();

 private:
  void Begin();

  ServeContext context_;
  Bytes request_;  // until it is decoded
  bool begun_ = false;
  Produced refusal_;                     // the answer if there is none
  std::shared_ptr<ServeAnswer> answer_;  // null: the request is refused
};

}  // namespace blobd::transfer
