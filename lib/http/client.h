// http: bytes of files from plain web servers (design/mirrors.md), on libcurl's multi interface,
// driven by the network loop.
//
// A fetch is one request for a range of one file, redirects included. Client decides when it may
// open its connection (ramp.h, per origin), checks what the server answers (answer.h) and gives on
// the bytes. It knows nothing of hashes: nothing it delivers is verified, and sizes are claims.
//
// Fetches to one origin wait for their turn in the order they were started, further connections for
// work that has one behind all others. Each runs on a connection of its own, also over HTTP/2:
// libcurl 7.88 stops a whole HTTP/2 connection when the receiver of one of its streams is full, and
// so one slow receiver would hold others. Idle connections are kept and used again.
//
// Thread:    everything on the network loop's thread, callbacks too. A callback may call back into
//            the client, but not destroy it. No callback comes from within a call. libcurl resolves
//            names on threads of its own, which touch nothing of ours.
// Ownership: the caller owns receivers; each lives until OnEnd, or until Stop detached it.
// Credit:    a receiver may have `window` bytes (and one buffer) that it has not told as consumed;
//            a fetch without credit reads no more, so TCP slows its sender.
// Units:     offsets and sizes in bytes of the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "http/answer.h"
#include "http/fetch_end.h"
#include "http/origin_config.h"
#include "http/url.h"
#include "loop/loop.h"

namespace blobd::http {

using FetchId = Id<struct FetchTag>;

// Hears about one fetch. OnEnd is the last call, and comes once.
class FetchReceiver {
 public:
  virtual ~FetchReceiver() = default;
  // Its connection is being opened: it does not wait for its turn any more.
  virtual void OnOpened() = 0;
  // The server agreed. `content.begin` is what was asked for.
  virtual void OnContent(const Content& content) = 0;
  // Bytes of the file from `offset` on, in order; borrowed for the call.
  virtual void OnBytes(uint64_t offset, ByteView bytes) = 0;
  virtual void OnEnd(const FetchEnd& end) = 0;
};

struct FetchOptions {
  // A further connection for work that has one already: so many bytes of it are left, and the fetch
  // waits until a connection more is worth it (Ramp::IsWorthIt). nullopt: it is not asked.
  std::optional<uint64_t> remaining = {};
  uint64_t window = uint64_t{4} << 20;  // less while many run: it is leased
};

struct ClientOptions {
  std::string user_agent;  // "blobd/VERSION"
  OriginConfigs origins;
  std::string ca_file;  // certificates to trust instead of the system's; empty: the system's
  Duration connect_timeout = seconds(10);  // name, TCP and TLS together
  Duration stall = seconds(10);            // no byte while we were ready to read
  Duration head_timeout = seconds(60);     // a response's head must be complete by then
  // What a fetch may have on its way, in its socket's receive buffer and not consumed, each; 0: as
  // its options and the kernel say. Under a rate limit a fraction of a second.
  uint64_t receive_window = 0;
  uint64_t receive_budget = uint64_t{128} << 20;  // the windows of all that run, together
  size_t max_fetches = 1024;                      // running and waiting ones together
  uint64_t seed = 1;                              // of the pauses
};

// What is going on at one origin.
struct OriginView {
  uint32_t running = 0;
  uint32_t waiting = 0;
  uint32_t cap = 0;
  double bytes_per_second = 0;
  Duration first_byte{0};  // what the last probe took; 0: none yet
};

class Client {
 public:
  // Returns kInvalidArgument for a configuration that cannot work. REQUIRES: `loop` outlives it
  static StatusOr<std::unique_ptr<Client>> Create(loop::Loop& loop, ClientOptions options);
  virtual ~Client() = default;

  // Asks for bytes of `url`. The receiver hears more soon, in any case OnEnd: also when too many
  // fetches are there (kLocalFault). An empty range is done without a request.
  // REQUIRES: `ask` begins at 0 unless its file is known, or assumed, to have ranges
  virtual FetchId Start(const Url& url, const Ask& ask, const FetchOptions& options,
                        FetchReceiver* receiver) = 0;
  // Gives credit for bytes that OnBytes delivered.
  virtual void Consumed(FetchId id, uint64_t bytes) = 0;
  // The fetch is to end at `end`. Returns where it will end: at `end`, or, if it is past that
  // already, where it is now; nullopt if it is unknown or over. Never raises an end.
  virtual std::optional<uint64_t> LowerEnd(FetchId id, uint64_t end) = 0;
  // One that waits until a further connection is worth it waits for its place alone from now on.
  // Harmless where it waits no more.
  virtual void Hurry(FetchId id) = 0;
  // Ends it. The receiver is not called again. Unknown ids are harmless.
  virtual void Stop(FetchId id) = 0;

  // Live changes. A lowered cap ends the youngest surplus fetches as kSurplus; headers and proxies
  // hold for requests from now on. Returns kInvalidArgument, and nothing changed.
  virtual Status SetOrigins(OriginConfigs origins) = 0;
  // Of all connections, idle ones too.
  virtual void SetReceiveWindow(uint64_t bytes) = 0;

  virtual OriginView ViewOf(const Origin& origin) = 0;
  virtual size_t fetches() const = 0;
};

}  // namespace blobd::http
