// HttpExchange: small HTTP requests and their answers, whole, without blocking (libcurl's multi
// interface on a loop). For services of lookup; downloads have rooms of their own.
//
// Thread:    the loop's. libcurl resolves names on threads of its own.
// Ownership: what was asked and not answered when it goes away is not answered. An answer may start
//            and stop others, but not destroy it.
// Bounded:   512 exchanges, over 64 connections: those beyond wait for one, and their time runs; an
//            answer beyond its limit fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/task.h"
#include "loop/loop.h"

namespace blobd::lookup {

using ExchangeId = Id<struct ExchangeTag>;

class HttpExchange {
 public:
  // More than lookups run at once, so that each has its turn, and there is room for publishing.
  static constexpr size_t kMaxExchanges = 512;
  static constexpr long kMaxConnections = 64;

  struct Request {
    std::string url;  // http or https
    bool put = false;
    Bytes body;  // of a PUT
    Duration timeout = seconds(5);
    size_t max_answer = 4096;  // bytes
  };
  struct Answer {
    int code = 0;  // 200 and the like
    Bytes body;
  };

  // REQUIRES: `loop` outlives it
  static std::unique_ptr<HttpExchange> Create(loop::Loop& loop);
  virtual ~HttpExchange() = default;

  // `done` is called later, with any answer that came, or kUnavailable (nobody there, timed out),
  // kDataLoss (too long, no HTTP), kInvalidArgument (no such URL), kResourceExhausted (too many).
  virtual ExchangeId Start(Request request, UniqueFunction<void(StatusOr<Answer>)> done) = 0;
  // It is not answered any more.
  virtual void Stop(ExchangeId id) = 0;
};

}  // namespace blobd::lookup
