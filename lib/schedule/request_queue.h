// RequestQueue: the requests that wait for one provider, in order. Three ordered sets, one per
// priority, each by place: so the first in order and the first by place alone are both found at
// once.
//
// Ownership: holds pointers; a request leaves every queue before it ends or its priority changes.
#pragma once

#include <array>
#include <cstddef>
#include <map>

#include "schedule/request.h"

namespace blobd::schedule {

class RequestQueue {
 public:
  // False if it was there already.
  bool Insert(Request& request);
  // False if it was not there.
  bool Erase(const Request& request);
  bool Contains(const Request& request) const;

  bool empty() const;
  size_t size() const;
  // nullptr when empty.
  Request* First() const;
  Request* FirstByPlace() const;

  // The first in order for which `accept` is true, else nullptr.
  template <typename Accept>
  Request* FirstWhere(Accept accept) const {
    for (size_t level = levels_.size(); level-- > 0;) {
      for (const auto& [place, request] : levels_[level]) {
        if (accept(static_cast<const Request&>(*request))) return request;
      }
    }
    return nullptr;
  }
  // In order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    FirstWhere([&](const Request& request) {
      visit(request);
      return false;
    });
  }
  std::vector<Request*> InOrder() const;
  void Clear();

 private:
  using Level = std::map<IntentId, Request*>;
  Level& LevelOf(const Request& request) { return levels_[static_cast<size_t>(request.priority)]; }
  std::array<Level, 3> levels_;
};

}  // namespace blobd::schedule
