// ServeObserve: the answer to an Observe (protocol/blobs.md, section 3.5): first what is verified
// of the blob now, then what is added, for as long as the observer listens. A private blob is told
// as one of which nothing is here. That something was withdrawn cannot be told: the answer ends,
// and the observer may ask again.
//
// Thread, ownership: as ServeSession.
// Memory:    the ranges told and the ranges to tell.
#pragma once

#include <memory>

#include "base/hash.h"
#include "transfer/serve_session.h"
#include "wire/observe.h"

namespace blobd::transfer {

class ServeObserve final : public ServeAnswer, public std::enable_shared_from_this<ServeObserve> {
 public:
  ServeObserve(ServeContext context, const Hash& hash);

  void Produce(size_t limit) override;
  void Close() override;

 private:
  enum class Phase {
    kNew,      // nothing was asked for yet
    kAsked,    // a piece is owed, and made as soon as the state is known
    kIdle,     // everything is told; the next change is news
    kHasNews,  // that was said; the next Produce tells it
    kEnded,
  };

  void OnState(const store::BlobInfo& info);
  void Tell();
  void Deliver(Bytes bytes, Produced::Next next);

  const ServeContext context_;
  const Hash hash_;
  Phase phase_ = Phase::kNew;
  std::unique_ptr<store::BlobWatch> watch_;
  wire::ObserveItem state_;  // the newest
  bool is_known_ = false;    // the state came
  wire::ObserveItem told_;
  bool has_told_ = false;
};

}  // namespace blobd::transfer
