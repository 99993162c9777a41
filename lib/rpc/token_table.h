// TokenTable: what callers may do on the data socket. A call of the API, whose caller is known,
// leaves a grant here and hands out a token; whoever shows the token there as the same uid gets the
// grant, once, and only for a while.
//
// Tokens are 128 random bits. They are looked up together with the uid, so that somebody else's is
// no different from one that never was.
//
// Thread: any; one lock inside, held for a look-up. Time is an argument and does not go back.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"
#include "rpc/uid_quota.h"

namespace blobd::rpc {

// To get a descriptor of this blob.
struct OpenGrant {
  Hash hash;
};
// To hand in a descriptor.
struct ImportGrant {
  bool is_private = false;
};
using Grant = std::variant<OpenGrant, ImportGrant>;

struct TokenOptions {
  UidLimits limits = {256, 4096, 256};  // tokens that were not used
  Duration lifetime = seconds(30);
};

class TokenTable {
 public:
  static constexpr size_t kTokenBytes = 16;

  explicit TokenTable(TokenOptions options) : options_(options), quota_(options.limits) {}

  Duration lifetime() const { return options_.lifetime; }

  // kResourceExhausted: too many that were not used, of this uid or in all.
  StatusOr<std::string> Issue(Instant now, const engine::Caller& caller, const Grant& grant);
  // kPermissionDenied: there is no such token of this uid, or it was used, or it is too old.
  StatusOr<Grant> Redeem(Instant now, uint32_t uid, std::string_view token);
  // Tokens that can be used, and those that have not been found to be too old yet.
  size_t size() const;

 private:
  using Key = std::pair<uint32_t, std::string>;
  struct Issued {
    Key key;
    engine::Caller caller;
    Instant expires;
    Grant grant;
  };

  void DropExpired(Instant now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Grant Take(std::list<Issued>::iterator issued) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TokenOptions options_;
  mutable Mutex mutex_;
  UidQuota quota_ ABSL_GUARDED_BY(mutex_);
  std::list<Issued> issued_ ABSL_GUARDED_BY(mutex_);  // the oldest first
  std::map<Key, std::list<Issued>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace blobd::rpc
