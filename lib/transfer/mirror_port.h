// The seam between the two halves of getting a blob from a mirror: who gets it, on a strand
// (mirror_get.h, mirror_small_get.h), and its fetches on the network loop (mirror_fetches.h).
//
// Fetches are numbered by who gets it. For every Open come OnOpened and OnContent, bytes, and one
// end, unless it was stopped. What was on its way then may still arrive. All bytes that arrived are
// told as consumed exactly once, but for those of a fetch that has ended or was stopped.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "http/answer.h"
#include "http/fetch_end.h"

namespace blobd::transfer {

// Any thread; never blocks, and never calls back from within a call.
class MirrorPort {
 public:
  virtual ~MirrorPort() = default;
  // `remaining` as in http::FetchOptions: it may wait until a further connection is worth it.
  virtual void Open(uint64_t fetch, const http::Ask& ask, std::optional<uint64_t> remaining) = 0;
  // The outboard that may lie beside the file (URL + ".obao4"), of this size.
  virtual void OpenSidecar(uint64_t fetch, uint64_t size) = 0;
  // Gives credit for bytes that arrived.
  virtual void Consumed(uint64_t fetch, uint64_t bytes) = 0;
  // It may end there, or behind it. No answer.
  virtual void LowerEnd(uint64_t fetch, uint64_t end) = 0;
  // It does not wait any more until it is worth it; nothing, if it is open.
  virtual void Hurry(uint64_t fetch) = 0;
  virtual void Stop(uint64_t fetch) = 0;
};

// On the strand.
class MirrorReceiver {
 public:
  virtual ~MirrorReceiver() = default;
  // It does not wait for its turn any more.
  virtual void OnOpened(uint64_t fetch) = 0;
  // Whether OnOpened is called at all; constant, any thread.
  virtual bool hears_of_openings() const { return true; }
  virtual void OnContent(uint64_t fetch, const http::Content& content) = 0;
  // Whole chunk groups, except the last ones of a fetch.
  virtual void OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) = 0;
  virtual void OnFetchEnd(uint64_t fetch, const http::FetchEnd& end) = 0;
};

}  // namespace blobd::transfer
