// FakeMirrors records what it is told to do; the test calls the sink. Test code only.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "transfer/mirror_network.h"

namespace blobd::engine {

class FakeMirrors final : public transfer::MirrorNetwork {
 public:
  void SetSink(transfer::MirrorNetworkSink* new_sink) override { sink = new_sink; }
  void StartGet(TransferId id, const std::string& url, const transfer::GetOrder& order) override {
    gets[id] = url;
    orders[id] = order;
  }
  void LowerLimit(TransferId id, uint64_t boundary) override { limits.push_back({id, boundary}); }
  void SetConnections(uint32_t number) override { connections.push_back(number); }
  void StopGet(TransferId id) override { stops.push_back(id); }
  void Forget(const Hash& hash) override { forgotten.push_back(hash); }

  void EndGet(TransferId id, schedule::Outcome outcome, std::string reason,
              const transfer::GetProgress& progress = {}) {
    gets.erase(id);
    sink->OnGetEnded(id, progress, {outcome, std::move(reason), {}});
  }

  transfer::MirrorNetworkSink* sink = nullptr;
  std::map<TransferId, std::string> gets;  // running
  std::map<TransferId, transfer::GetOrder> orders;
  std::vector<std::pair<TransferId, uint64_t>> limits;
  std::vector<uint32_t> connections;
  std::vector<TransferId> stops;
  std::vector<Hash> forgotten;
};

}  // namespace blobd::engine
