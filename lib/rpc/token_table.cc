#include "rpc/token_table.h"

#include <sys/random.h>

#include <cerrno>

#include "base/error_reason.h"

namespace blobd::rpc {

StatusOr<std::string> TokenTable::Issue(Instant now, const engine::Caller& caller,
                                        const Grant& grant) {
  std::string token(kTokenBytes, '\0');
  // As few bytes as these come whole, or not at all.
  if (getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size()))
    return ErrnoStatus(errno, "getrandom");
  const MutexLock lock(mutex_);
  DropExpired(now);
  BLOBD_RETURN_IF_ERROR(quota_.Take(caller, "tokens that were not used"));
  Key key(caller.uid, token);
  issued_.push_back({key, caller, now + options_.lifetime, grant});
  by_key_[std::move(key)] = std::prev(issued_.end());
  return token;
}

StatusOr<Grant> TokenTable::Redeem(Instant now, uint32_t uid, std::string_view token) {
  const MutexLock lock(mutex_);
  DropExpired(now);
  const auto found = by_key_.find(Key(uid, token));
  if (found == by_key_.end()) {
    return ErrorFor(Reason::kUnknownToken,
                    "the token is unknown, was used, is older than {} s, or is another user's; ask "
                    "for a new one",
                    options_.lifetime / seconds(1));
  }
  return Take(found->second);
}

size_t TokenTable::size() const {
  const MutexLock lock(mutex_);
  return issued_.size();
}

void TokenTable::DropExpired(Instant now) {
  while (!issued_.empty() && issued_.front().expires <= now) Take(issued_.begin());
}

Grant TokenTable::Take(std::list<Issued>::iterator issued) {
  Grant grant = issued->grant;
  quota_.Give(issued->caller);
  by_key_.erase(issued->key);
  issued_.erase(issued);
  return grant;
}

}  // namespace blobd::rpc
