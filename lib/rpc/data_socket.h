// DataSocket: the socket where descriptors change hands (proto/blobd/v1/data_socket.proto). It
// accepts connections, knows from the kernel whose they are, bounds them, and lets imports take
// turns, so that one uid's many never keep another's one waiting. It has a loop and a thread of its
// own, which never wait for the disk: the store's workers do the work.
//
// Thread:    made and destroyed by one thread; counts and path from any.
// Ownership: owns the listening descriptor and the thread. What Deps names outlives it, and the
//            store may still answer while it lives: destroy it when the workers are gone.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "rpc/data_exchange.h"
#include "rpc/peer.h"

namespace blobd::rpc {

class DataSocket {
 public:
  struct Deps {
    store::BlobStore& store;
    TokenTable& tokens;
    KeepImport keep;  // empty: nothing keeps it
    Admins admins = {};
    CallBook* calls = nullptr;  // hears of errors, if there is one
  };

  // `listening`: bound, of type SOCK_SEQPACKET (Listener::Bind, or inherited; like there it is
  // never shut down).
  static StatusOr<std::unique_ptr<DataSocket>> Start(const Deps& deps, store::Descriptor listening,
                                                     const DataOptions& options);
  virtual ~DataSocket() = default;

  // No new connections; what runs has until `grace` and is cut then. Blocks. Once.
  virtual void Shutdown(Duration grace) = 0;
  virtual const DataCounts& counts() const = 0;
  // Where it listens; empty if it has no path.
  virtual const std::string& path() const = 0;
};

}  // namespace blobd::rpc
