// Protection: which blobs are kept and why, as far as registry and store say it: by tags, leases
// and intents that ended lately. A kind that protects is a *holder*: it holds its own hash and, if
// it is a hash sequence whose list is known, every hash in that list. A list is kept once, however
// many hold it. What unfinished intents want is not in here: it changes too often, and is asked for
// at the moment of a removal.
//
// Lists are remembered hash by hash, 40 bytes each, up to a limit for each uid and for all
// together. Those beyond it are remembered in a filter of a fixed size, which never says no of what
// they have, but sometimes yes of others. So whoever makes lists without end makes some blobs stay,
// and keeps nothing from being removed that others do not need.
//
// A value without IO. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/time.h"
#include "engine/hash_filter.h"

namespace blobd::engine {

// The strongest first: what is told of a blob that several hold.
enum class KeptBecause {
  kWanted,    // an unfinished intent wants it
  kTagged,    // a tag names it
  kLeased,    // it was added lately
  kFinished,  // an intent for it ended lately
  kNothing,   // it goes
};

// Why a blob is kept.
struct Keeping {
  KeptBecause because = KeptBecause::kNothing;
  uint32_t owner_uid = 0;           // whose tag or lease
  std::string tag = {};             // if tagged
  bool is_private = false;          // that tag is
  WallTime until = {};              // 0: not known, or not over by itself
  bool through_collection = false;  // it is in the list of what holds it
};

// Of hashes in lists that are remembered one by one.
struct ProtectionLimits {
  size_t of_uid = 2'500'000;  // whose tags and leases hold the lists
  size_t total = 10'000'000;
};

class Protection {
 public:
  // A holder's number, for lists.
  using Holder = uint32_t;

  explicit Protection(const ProtectionLimits& limits = {}) : limits_(limits) {}

  // Holds `hash` from now on.
  Holder Add(const Hash& hash, Keeping keeping);
  // `holder` names the hash sequence `root`. False: AddList must be called, since what it lists is
  // not known yet.
  bool Join(Holder holder, const Hash& root);
  // The same, with what it lists: 32 bytes for each hash.
  void AddList(Holder holder, const Hash& root, ByteView hashes);
  // To be called after Add and AddList, before anything is asked. Cheap for few among many.
  void Sort();

  // The strongest reason to keep `hash`; nullopt if nothing holds it.
  std::optional<Keeping> Strongest(const Hash& hash) const;
  // Every reason, the strongest first, but no more than `limit`.
  std::vector<Keeping> All(const Hash& hash, size_t limit = 1000) const;
  // Whether one of its holders is of `uid`. That of a list beyond the limits is not found.
  bool IsHeldBy(uint32_t uid, const Hash& hash) const;

 private:
  struct Hold {
    Hash hash;
    uint32_t index = 0;  // of a holder, or of a list
    bool by_list = false;
    bool operator==(const Hold&) const = default;
  };
  struct List {
    std::vector<Holder> holders;
    Holder strongest = 0;
    std::set<uint32_t> uids;
  };
  struct Reason {
    Holder holder = 0;
    bool through_collection = false;
  };
  bool IsStronger(const Reason& a, const Reason& b) const;
  Keeping KeepingOf(const Reason& reason) const;
  void HoldList(Holder holder, List& list);
  bool HasRoomFor(Holder holder, size_t hashes);
  std::vector<Hold>::const_iterator First(const Hash& hash) const;

  const ProtectionLimits limits_;
  std::vector<Keeping> holders_;
  std::vector<List> lists_;
  std::unordered_map<Hash, uint32_t> list_of_root_;
  std::vector<Hold> holds_;  // by hash
  size_t sorted_ = 0;        // so many of them
  size_t listed_ = 0;        // of them by lists
  std::unordered_map<uint64_t, size_t> listed_of_;
  HashFilter beyond_;                // the limits
  std::optional<Holder> beyond_by_;  // the strongest of those whose lists are in it
};

}  // namespace blobd::engine
