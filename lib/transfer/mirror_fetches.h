// MirrorFetches: all fetches of one get from a mirror, on the network's side. What arrives is
// gathered into batches of whole chunk groups, which go to the receiver's strand once per turn of
// the loop, with all that is told there: each hand-over may wake a worker. There they are hashed
// and written, and from there credit comes back (mirror_port.h).
//
// Under a limit of the bandwidth (throttle.h) credit waits for its grant, and a fetch begins when
// the line of those that wait has come to it: so small files are slowed, too.
//
// Thread:    the network loop only.
// Ownership: owned by HttpNetwork until the get needs none any more. Destroying it stops all
// fetches. Memory:    of each fetch what its window allows, on its way to the strand.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/task.h"
#include "http/client.h"
#include "loop/loop.h"
#include "transfer/mirror_port.h"
#include "transfer/throttle.h"

namespace blobd::transfer {

class MirrorFetches {
 public:
  // Null: no limit. It outlives this.
  struct Rate {
    Throttle* throttle = nullptr;
    uint64_t owner = 0;  // that pays
  };

  MirrorFetches(http::Client& client, loop::Loop& loop, std::shared_ptr<Executor> strand,
                std::shared_ptr<MirrorReceiver> receiver, http::Url url, Rate rate);
  ~MirrorFetches();
  MirrorFetches(const MirrorFetches&) = delete;
  MirrorFetches& operator=(const MirrorFetches&) = delete;

  // The get's wishes.
  void Open(uint64_t fetch, const http::Ask& ask, std::optional<uint64_t> remaining);
  void OpenSidecar(uint64_t fetch, uint64_t size);
  void Consumed(uint64_t fetch, uint64_t bytes);
  void LowerEnd(uint64_t fetch, uint64_t end);
  void Hurry(uint64_t fetch);
  void Stop(uint64_t fetch);

 private:
  class Fetch;

  void Start(uint64_t fetch, const http::Url& url, const http::Ask& ask,
             std::optional<uint64_t> remaining);
  bool IsLimited() const { return rate_.throttle != nullptr && rate_.throttle->limits(); }
  void GiveBack(uint64_t fetch, uint64_t bytes);
  void WantFlush();
  void Flush();
  // With the next hand-over, at the end of the turn at the latest.
  void Tell(UniqueFunction<void(MirrorReceiver&)> what);
  void HandOver();
  // It has ended and goes at the end of the turn: it is being called.
  void Retire(uint64_t fetch);

  http::Client& client_;
  loop::Loop& loop_;
  const std::shared_ptr<Executor> strand_;
  const std::shared_ptr<MirrorReceiver> receiver_;
  const http::Url url_;
  const Rate rate_;
  std::map<uint64_t, std::unique_ptr<Fetch>> fetches_;
  std::vector<UniqueFunction<void(MirrorReceiver&)>> told_;  // in order, not handed over yet
  bool flush_wanted_ = false;
  // Set to false when this goes, for what still waits for the end of the turn or the bandwidth.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace blobd::transfer
