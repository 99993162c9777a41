// Remotes: all nodes with which anything is happening. A known node costs nothing but its place in
// the address book: a Remote is made when somebody wants it or it connects, and dropped when it
// has been idle for a minute. An event for a node without a life begins one if it is work, and is
// dropped or only learnt from if it is an answer to an earlier life: dials and lookups have numbers
// that are never used again, so a successor takes over what comes late.
//
// Thread: one owner (the control loop). Time is an argument and does not go back.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "path/remote.h"

namespace blobd::path {

class Remotes {
 public:
  // REQUIRES: `book` outlives this
  Remotes(RemoteOptions options, AddressBook& book) : options_(options), book_(book) {}

  // Applies one event that happened at `at`; appends what the engine must do. A NetworkChanged
  // concerns all nodes, whatever it names: use OnNetworkChanged.
  void Step(const Moment& at, const Event& event, std::vector<Effect>& effects);
  void OnNetworkChanged(const Moment& at, bool major, std::vector<Effect>& effects);
  // Everything whose deadline has come.
  void Tick(const Moment& at, std::vector<Effect>& effects);
  std::optional<Instant> NextDeadline() const;

  // Whether the node can be dialled without asking anybody.
  bool KnowsAddress(const NodeId& node) const { return !book_.ToDial(node).empty(); }
  // Null if nothing is happening with the node. Valid until the next call that is not const.
  const Remote* Find(const NodeId& node) const;
  size_t live() const { return live_.size(); }
  void CheckInvariants() const;

 private:
  struct Life {
    std::unique_ptr<Remote> remote;
    std::optional<Instant> deadline;  // as it stands in deadlines_
  };
  void StepOne(const Moment& at, const Event& event, std::vector<Effect>& effects);
  void LearnOnly(const Event& event, std::vector<Effect>& effects);

  const RemoteOptions options_;
  AddressBook& book_;
  IdCounters counters_;
  std::map<NodeId, Life> live_;
  std::set<std::pair<Instant, NodeId>> deadlines_;
};

}  // namespace blobd::path
