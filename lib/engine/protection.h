// Protection: which blobs are kept and why, as far as registry and store say it: by tags, leases
// and intents that ended lately. A kind that protects is a *holder*: it holds its own hash and, if
// it is a hash sequence whose list is known, every hash in that list. What unfinished intents want
// is not in here: it changes too often, and is asked for at the moment of a removal.
//
// A value without IO. One thread at a time. Sized by the lists: 40 bytes for each hash that is
// held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

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

class Protection {
 public:
  // A holder's number, for AddList.
  using Holder = uint32_t;

  // Holds `hash` from now on.
  Holder Add(const Hash& hash, Keeping keeping);
  // The list of a hash sequence that `holder` names.
  void AddList(Holder holder, const std::vector<Hash>& hashes);
  // To be called after Add and AddList, before anything is asked. Cheap for few among many.
  void Sort();

  // The strongest reason to keep `hash`; nullopt if nothing holds it.
  std::optional<Keeping> Strongest(const Hash& hash) const;
  // Every reason, the strongest first.
  std::vector<Keeping> All(const Hash& hash) const;
  size_t holds() const { return holds_.size(); }

 private:
  struct Hold {
    Hash hash;
    Holder holder = 0;
    bool through_collection = false;
  };
  bool IsStronger(const Hold& a, const Hold& b) const;
  Keeping KeepingOf(const Hold& hold) const;
  std::vector<Hold>::const_iterator First(const Hash& hash) const;

  std::vector<Keeping> holders_;
  std::vector<Hold> holds_;  // by hash, then the strongest first
  size_t sorted_ = 0;        // so many of them
};

}  // namespace blobd::engine
