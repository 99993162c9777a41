// DnsResolver: asks the machine's DNS servers, or given ones, without blocking (c-ares on a loop).
// The servers are those of /etc/resolv.conf when it was made; a network change wants a new one.
//
// Thread:    the loop's.
// Ownership: what was asked and not answered when it goes away is not answered.
// Bounded:   1,024 questions at once; more are refused at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "loop/loop.h"

namespace blobd::lookup {

class DnsResolver {
 public:
  static constexpr size_t kMaxQuestions = 1024;

  struct Options {
    // "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53"; none: the machine's.
    std::vector<std::string> servers;
    // For the first try; later ones take longer. Three tries at each server.
    Duration timeout = seconds(1);
  };
  // kInvalidArgument for a server that does not parse, kUnavailable if no resolver can be had.
  // REQUIRES: `loop` outlives the resolver
  static StatusOr<std::unique_ptr<DnsResolver>> Create(loop::Loop& loop, const Options& options);
  virtual ~DnsResolver() = default;

  using Texts = std::vector<std::string>;
  // All TXT records of `name`, which is absolute, each as one text. kNotFound if there are none,
  // kUnavailable if nobody answered, kDataLoss if what was answered makes no sense. `done` is
  // called later.
  virtual void QueryTxt(const std::string& name, UniqueFunction<void(StatusOr<Texts>)> done) = 0;
};

}  // namespace blobd::lookup
