// MirrorNetwork: what the engine uses of mirrors (design/mirrors.md): transfers from URLs. The real
// one is HttpNetwork (http_network.h); tests may fake it.
//
// What comes from a mirror has no proof. It is written to its place and counts for nothing until it
// is found to fit the hash (mirror_blob.h). A transfer is done when all of its share is verified
// and stored. Where nobody has proof of a share, and the rest of the blob comes from others, it is
// done when all of it has come: then the store says in the end that there is more to be got.
//
// Thread: called on the control loop; it never blocks. The sink is called on the control loop too,
//         later, never during a call.
#pragma once

#include <string>

#include "base/hash.h"
#include "base/ids.h"
#include "transfer/get_order.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

class MirrorNetworkSink {
 public:
  virtual ~MirrorNetworkSink() = default;
  // As in NodeNetworkSink.
  virtual void OnGetProgress(TransferId id, const GetProgress& progress) = 0;
  virtual void OnGetHeldBack(TransferId id, bool held_back) = 0;
  virtual void OnGetContent(TransferId id, const GetContent& content) = 0;
  virtual void OnBoundary(TransferId id, uint64_t boundary) = 0;
  virtual void OnGetEnded(TransferId id, const GetProgress& progress, const GetEnd& end) = 0;
  // What this mirror sent of the blob is proven to be wrong, found out after its transfer had
  // ended. `url` as it was given to StartGet.
  virtual void OnMirrorBlamed(const std::string& url, const Hash& hash,
                              const std::string& reason) = 0;
};

class MirrorNetwork {
 public:
  virtual ~MirrorNetwork() = default;
  // REQUIRES: before anything else, once
  virtual void SetSink(MirrorNetworkSink* sink) = 0;
  // Gets what the store still lacks of the order from `url`: the URL of the one blob, or with
  // `{hash}` in it that of any. REQUIRES: `url` was checked (http::Url, http::UrlTemplate)
  virtual void StartGet(TransferId id, const std::string& url, const GetOrder& order) = 0;
  // As in NodeNetwork.
  virtual void LowerLimit(TransferId id, uint64_t boundary) = 0;
  virtual void StopGet(TransferId id) = 0;
  // So many connections at most to an origin that has no number of its own. Holds at once: surplus
  // ones end, and what they had still to get goes to the others.
  virtual void SetConnections(uint32_t connections) = 0;
  // Nobody wants the blob any more, nor what it names if it is a hash sequence: what is there of
  // them without proof goes, as soon as no transfer gets it.
  virtual void Forget(const Hash& hash) = 0;
};

}  // namespace blobd::transfer
