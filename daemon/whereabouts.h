// Whereabouts: where this node is, and who must know. The engine learns our own addresses, so that
// they are not dialled; the lookup services learn what to say of us; and when the network changes
// all of them do anew, and what failed because of it is tried again.
//
// Thread:    made, started and destroyed on the main thread; the watch turns on the network loop.
//            Destroyed when neither loop turns any more.
// Ownership: all of Deps outlive it, but for the engine, which is gone before it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/log_sink.h"
#include "daemon/lookup_config.h"
#include "engine/engine.h"
#include "engine/lookup_services.h"
#include "loop/loop.h"
#include "loop/network_watch.h"
#include "quic/identity.h"

namespace blobd::daemon {

class Whereabouts {
 public:
  struct Deps {
    loop::Loop& control;
    loop::Loop& network_loop;
    registry::Registry& registry;
    LogSink& log;
    // These two are called on the control loop. Every address that is ours now, loopback too:
    std::function<std::vector<SocketAddress>()> own;
    // Where other nodes may reach us, the likeliest first:
    std::function<std::vector<SocketAddress>()> reachable;
    // Called on the network loop when anything has changed, before others hear of it.
    std::function<void()> changed;
  };
  Whereabouts(Deps deps, const quic::Identity& identity, const LookupConfig& config);
  ~Whereabouts();
  Whereabouts(const Whereabouts&) = delete;
  Whereabouts& operator=(const Whereabouts&) = delete;

  engine::NodeLookup* lookup() { return lookup_.get(); }
  // From now on `engine` hears of it; to be called once, while the network loop does not turn. A
  // watch that cannot be had is logged, and the network then taken to stay as it is.
  void Watch(engine::Engine& engine);
  // We can be reached, or are told anew where: others may know. REQUIRES: Watch was called. On the
  // control loop.
  void Publish();

 private:
  void OnChange(const loop::NetworkChange& change);

  const Deps deps_;
  std::unique_ptr<engine::LookupServices> lookup_;
  engine::Engine* engine_ = nullptr;
  bool published_ = false;
  std::set<std::string> told_off_;  // services of which it was said that they cannot be had
  std::unique_ptr<loop::NetworkWatch> watch_;
};

}  // namespace blobd::daemon
