// A remote under a virtual clock, for tests: events in plain words, effects in the order they came.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "path/remotes.h"

namespace blobd::path {

inline SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

class RemoteTest : public testing::Test {
 protected:
  RemoteTest() = default;
  explicit RemoteTest(const RemoteOptions& options) : remotes_(options, book_) {}

  template <typename What>
  void Tell(What what) {
    remotes_.Step(moment_, {kNode, std::move(what)}, effects_);
    remotes_.CheckInvariants();
  }
  void NetworkChanges(bool major) {
    remotes_.OnNetworkChanged(moment_, major, effects_);
    remotes_.CheckInvariants();
  }
  // Time passes; every deadline is kept.
  void Pass(Duration duration) {
    const Instant end = moment_.now + duration;
    while (const auto next = remotes_.NextDeadline()) {
      if (*next > end) break;
      MoveTo(*next);
      remotes_.Tick(moment_, effects_);
      remotes_.CheckInvariants();
    }
    MoveTo(end);
  }
  // All effects of one kind since the last call; they are taken out.
  template <typename What>
  std::vector<What> Take() {
    std::vector<What> taken;
    std::vector<Effect> rest;
    for (Effect& effect : effects_) {
      if (auto* what = std::get_if<What>(&effect.what)) {
        taken.push_back(std::move(*what));
      } else {
        rest.push_back(std::move(effect));
      }
    }
    effects_ = std::move(rest);
    return taken;
  }
  // A dial of ours that succeeds at `address`.
  ConnectionId Connect(const SocketAddress& address, Duration rtt, bool can_migrate = true) {
    Tell(Want{});
    const auto dials = Take<StartDial>();
    EXPECT_EQ(dials.size(), 1);
    const ConnectionId id{++connections_};
    Tell(ConnectionUp{id, dials.at(0).dial, {}, address, rtt, can_migrate});
    EXPECT_EQ(Take<Reached>().size(), 1);
    return id;
  }
  std::optional<SocketAddress> selected() const {
    const Remote* remote = remotes_.Find(kNode);
    return remote == nullptr ? std::nullopt : remote->selection().address;
  }
  // What a connection measured that has just heard something.
  void Measure(ConnectionId connection, Duration rtt) {
    Tell(ConnectionRtt{connection, rtt, moment_.now});
  }
  void Answer(const SocketAddress& address, Duration rtt) { Tell(ProbeAnswered{address, rtt}); }

  const NodeId kNode = {{1}};
  const SocketAddress kA = At("192.0.2.1:1");
  const SocketAddress kB = At("192.0.2.2:1");
  const SocketAddress kC = At("192.0.2.3:1");
  AddressBook book_;
  Remotes remotes_{{}, book_};
  Moment moment_{Instant::FromNanos(1'000'000'000'000), WallTime{1'700'000'000'000}};
  std::vector<Effect> effects_;
  uint64_t connections_ = 0;

 private:
  void MoveTo(Instant at) {
    moment_.wall = moment_.wall + (at - moment_.now);
    moment_.now = at;
  }
};

}  // namespace blobd::path
