#include "engine/remover.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error_reason.h"

namespace blobd::engine {
namespace {

bool IsPlainWord(const std::string& text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  });
}

// What the caller, or who else may, can do so that this does not keep it any more.
std::string HowToFree(const Keeping& keeping, const Caller& caller) {
  switch (keeping.because) {
    case KeptBecause::kWanted:
      return "\"blobctl intents\" lists who wants it or a collection with it; its owner or root "
             "can "
             "cancel that";
    case KeptBecause::kTagged: {
      if (keeping.is_private && !caller.may_see(keeping.owner_uid))
        return "its owner or root can take the tag away";
      if (!caller.is_admin() && keeping.owner_uid == 0) return "root can take the tag away";
      if (!caller.is_admin() && keeping.owner_uid != caller.uid)
        return fmt::format("uid {} or root can take the tag away", keeping.owner_uid);
      // Others are not what a shell takes as they are.
      const std::string name = IsPlainWord(keeping.tag) ? keeping.tag : "NAME";
      return "\"blobctl tag -d " + name + "\" takes the tag away";
    }
    case KeptBecause::kLeased:
      return fmt::format(
          "that passes after store.lease_seconds, until then only uid {} can remove it",
          keeping.owner_uid);
    case KeptBecause::kFinished:
      return "that passes after store.lease_seconds, until then only root can remove it";
    case KeptBecause::kNothing:
      break;
  }
  return "try again";
}

class Remover : public std::enable_shared_from_this<Remover> {
 public:
  Remover(Executor& control, store::BlobStore& store, Removal removal,
          UniqueFunction<void(StatusOr<Removed>)> done)
      : control_(control), store_(store), removal_(std::move(removal)), done_(std::move(done)) {}

  void Start(const Gathering* gathering) {
    std::unordered_set<Hash> seen;
    std::erase_if(removal_.hashes, [&](const Hash& hash) { return !seen.insert(hash).second; });
    if (!removal_.force) {
      if (const Status status = CheckAll(*gathering); !status.ok()) return done_(status);
    }
    RemoveAll();
  }

 private:
  Status CheckAll(const Gathering& gathering) const {
    for (const Hash& hash : removal_.hashes) BLOBD_RETURN_IF_ERROR(Check(gathering, hash));
    return OkStatus();
  }

  Status Check(const Gathering& gathering, const Hash& hash) const {
    if (gathering.IsWanted(hash)) return Kept(hash, {.because = KeptBecause::kWanted});
    if (removal_.is_being_added(hash)) {
      if (removal_.hidden.count(hash) != 0) return Kept(hash, kHiddenKeeping);
      return ErrorFor(Reason::kBlobInUse, "{} is kept: it is being added just now", hash.ToHex());
    }
    for (const Keeping& keeping : gathering.protection().All(hash)) {
      if (!Binds(keeping)) continue;
      return Kept(hash, keeping);
    }
    return OkStatus();
  }

  Status Kept(const Hash& hash, const Keeping& why) const {
    const Keeping& keeping = removal_.hidden.count(hash) != 0 ? kHiddenKeeping : why;
    return ErrorFor(
        Reason::kBlobKept, "{} is kept: {}; {}{}", hash.ToHex(), Describe(keeping, removal_.caller),
        HowToFree(keeping, removal_.caller),
        removal_.caller.is_admin() ? ", or \"blobctl rm --force\" removes it all the same" : "");
  }

  bool Binds(const Keeping& keeping) const {
    switch (keeping.because) {
      case KeptBecause::kWanted:
      case KeptBecause::kTagged:
        return true;
      case KeptBecause::kLeased:
        return keeping.owner_uid != removal_.caller.uid;
      case KeptBecause::kFinished:
        return !removal_.caller.is_admin();
      case KeptBecause::kNothing:
        break;
    }
    return false;
  }

  void RemoveAll() {
    waits_ = removal_.hashes.size() + 1;
    for (const Hash& hash : removal_.hashes) {
      store_.Remove(hash, control_, [self = shared_from_this(), hash](const StatusOr<uint64_t>& f) {
        self->OnRemoved(hash, f);
      });
    }
    if (--waits_ == 0) End();
  }

  void OnRemoved(const Hash& hash, const StatusOr<uint64_t>& freed) {
    if (freed.ok()) {
      removed_.bytes += *freed;
      gone_.insert(hash);
    } else if (freed.status().code() != StatusCode::kNotFound) {
      failure_ = Annotate(freed.status(), hash.ToHex());
    }
    if (--waits_ == 0) End();
  }

  void End() {
    if (!failure_.ok()) return done_(failure_);
    for (const Hash& hash : removal_.hashes) {
      (gone_.count(hash) != 0 ? removed_.removed : removed_.absent).push_back(hash);
    }
    done_(std::move(removed_));
  }

  Executor& control_;
  store::BlobStore& store_;
  Removal removal_;
  UniqueFunction<void(StatusOr<Removed>)> done_;
  size_t waits_ = 0;
  std::unordered_set<Hash> gone_;
  Removed removed_;
  Status failure_;
};

}  // namespace

void Remove(Executor& control, store::BlobStore& store, const Gathering* gathering, Removal removal,
            UniqueFunction<void(StatusOr<Removed>)> done) {
  std::make_shared<Remover>(control, store, std::move(removal), std::move(done))->Start(gathering);
}

std::string Describe(const Keeping& keeping, const Caller& caller) {
  const std::string through = keeping.through_collection ? ", as part of a collection" : "";
  switch (keeping.because) {
    case KeptBecause::kWanted:
      return "an unfinished intent wants it" + through;
    case KeptBecause::kTagged:
      // Not which: the names of private tags are listed, but not what they name.
      if (keeping.is_private && !caller.may_see(keeping.owner_uid))
        return "a private tag of somebody else names it" + through;
      return "tag \"" + keeping.tag + "\" names it" + through;
    case KeptBecause::kLeased:
      return "uid " + std::to_string(keeping.owner_uid) + " added it lately" + through;
    case KeptBecause::kFinished:
      return "it was got lately" + through;
    case KeptBecause::kNothing:
      break;
  }
  return "nothing keeps it";
}

}  // namespace blobd::engine
